//! Who is called, and who may call in.

use super::id::PhoneNumber;
use super::settings::Settings;

/// The number of a contact's name or of a text in E.164 form.
pub(super) fn resolve(who: &str, settings: &Settings) -> Option<PhoneNumber> {
    match settings.contacts.get(who) {
        Some(number) => Some(number.clone()),
        None => PhoneNumber::parse(who).ok(),
    }
}

/// The numbers to try, in order. Names that mean nothing are left out: a
/// visitor is better served by the second contact than by a refusal.
pub(super) fn numbers(to: &[String], settings: &Settings) -> Vec<PhoneNumber> {
    to.iter().filter_map(|who| resolve(who, settings)).collect()
}

/// Whether this caller may ring here. With a list, a caller who hides the
/// number may not.
pub(super) fn may_call_in(number: Option<&PhoneNumber>, settings: &Settings) -> bool {
    match (&settings.incoming.allow, number) {
        (None, Some(_) | None) => true,
        (Some(_), None) => false,
        (Some(allowed), Some(number)) => allowed.contains(number),
    }
}

/// Whether a text is DTMF digits (RFC 4733 section 3.2: 0 to 9, `*`, `#`, A to D).
pub(super) fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D'))
}

#[cfg(test)]
mod tests {
    use super::are_digits;

    #[test]
    fn only_the_sixteen_digits_of_dtmf_are_digits() {
        let digits: String = (0u8..=255).map(char::from).filter(|c| are_digits(&c.to_string())).collect();
        assert_eq!(digits, "#*0123456789ABCD");
        assert!(!are_digits(""));
        assert!(!are_digits("\u{0661}"), "digits of other scripts are none");
    }
}
