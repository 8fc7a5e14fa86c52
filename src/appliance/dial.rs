//! Who is called, and who may call in.

use std::sync::Arc;

use super::context::Context;
use super::do_not_disturb::{self, DoNotDisturbStatus};
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

/// Why a caller may not ring here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnedAway {
    Denied,
    Hidden,
    NotAllowed,
    DoNotDisturb,
}

impl TurnedAway {
    pub fn counter(self) -> &'static str {
        match self {
            TurnedAway::Denied => "incoming-denied",
            TurnedAway::Hidden => "incoming-hidden",
            TurnedAway::NotAllowed => "incoming-not-allowed",
            TurnedAway::DoNotDisturb => "incoming-do-not-disturb",
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            TurnedAway::Denied => "a caller on the deny list was rejected",
            TurnedAway::Hidden => "a caller who hides the number was rejected",
            TurnedAway::NotAllowed => "a caller who is not on the list was rejected",
            TurnedAway::DoNotDisturb => "a call was rejected: it is an hour not to be disturbed in",
        }
    }
}

/// Whether this caller may ring here now. The deny list wins; with an allow
/// list, a caller who hides the number may not.
pub(super) fn may_call_in(cx: &mut Context, number: Option<&PhoneNumber>) -> Result<(), TurnedAway> {
    let settings = Arc::clone(&cx.settings);
    let incoming = &settings.incoming;
    let on = |list: &[PhoneNumber]| number.is_some_and(|number| list.contains(number));
    if on(&incoming.deny) {
        return Err(TurnedAway::Denied);
    }
    if number.is_none() && incoming.deny_hidden {
        return Err(TurnedAway::Hidden);
    }
    if incoming.allow.as_deref().is_some_and(|allowed| !on(allowed)) {
        return Err(TurnedAway::NotAllowed);
    }
    match do_not_disturb::now(cx) {
        DoNotDisturbStatus::On if !on(&incoming.priority) => Err(TurnedAway::DoNotDisturb),
        DoNotDisturbStatus::On | DoNotDisturbStatus::Off | DoNotDisturbStatus::ClockUnknown => Ok(()),
    }
}

/// Whether a text is DTMF digits (RFC 4733 section 3.2: 0 to 9, `*`, `#`, A to D).
pub(super) fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D'))
}

#[cfg(test)]
mod tests {
    use super::{TurnedAway, are_digits};

    #[test]
    fn people_can_tell_reasons_apart() {
        let reasons =
            [TurnedAway::Denied, TurnedAway::Hidden, TurnedAway::NotAllowed, TurnedAway::DoNotDisturb];
        let texts: std::collections::BTreeSet<&str> = reasons.into_iter().map(TurnedAway::text).collect();
        assert_eq!(texts.len(), reasons.len());
        assert!(texts.iter().all(|text| !text.is_empty()));
    }

    #[test]
    fn only_the_sixteen_digits_of_dtmf_are_digits() {
        let digits: String = (0u8..=255).map(char::from).filter(|c| are_digits(&c.to_string())).collect();
        assert_eq!(digits, "#*0123456789ABCD");
        assert!(!are_digits(""));
        assert!(!are_digits("\u{0661}"), "digits of other scripts are none");
    }
}
