//! What the box does: `[contacts]`, `[[button]]`, `[call]` and `[backoff]`, as the appliance's settings.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::appliance::action::Action;
use crate::appliance::id::{ButtonName, PhoneNumber};
use crate::appliance::settings::{BackoffSettings, ButtonSettings, CallSettings};

use super::board::Board;
use super::diagnostic::{Place, Problem, quoted};
use super::section::{Located, Section};
use super::value;

pub(super) type Contacts = BTreeMap<String, PhoneNumber>;

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECS: fn(u64) -> Duration = Duration::from_secs;

pub(super) fn read_contacts(section: Option<Section<'_>>) -> Contacts {
    let mut contacts = Contacts::new();
    let Some(section) = section else { return contacts };
    for name in section.keys() {
        if name.value.trim().is_empty() || name.value.starts_with('+') {
            let what = format!("{} cannot be a contact's name", quoted(name.value));
            section.note(name.at, Problem::new(what, "write NAME = \"+4722222222\""));
            continue;
        }
        let Some(text) = section.free_text(name.value) else { continue };
        match number(text.value) {
            Ok(number) => {
                contacts.insert(name.value.to_owned(), number);
            }
            Err(problem) => section.note(text.at, problem),
        }
    }
    contacts
}

fn number(text: &str) -> Result<PhoneNumber, Problem> {
    PhoneNumber::parse(text).map_err(|_| {
        Problem::new(
            format!("{} is not a phone number", quoted(text)),
            "write + and 2 to 15 digits, such as \"+4722222222\"",
        )
    })
}

/// A contact's name or a number.
pub(super) fn known_party(text: &str, contacts: &Contacts) -> Result<PhoneNumber, Problem> {
    if text.starts_with('+') {
        return number(text);
    }
    contacts.get(text).cloned().ok_or_else(|| {
        let cure = match value::nearest(text, contacts.keys().map(String::as_str)) {
            Some(nearest) => format!("did you mean {}?", quoted(nearest)),
            None => format!("add {} = \"+4722222222\" to [contacts], with the right number", quoted(text)),
        };
        Problem::new(format!("{} is not in [contacts]", quoted(text)), cure)
    })
}

/// Every button of the board, with what it does if that is set.
pub(super) fn read_buttons(
    sections: Vec<Section<'_>>,
    contacts: &Contacts,
    board: Option<&Board>,
) -> BTreeMap<ButtonName, ButtonSettings> {
    let mut buttons: BTreeMap<ButtonName, ButtonSettings> = BTreeMap::new();
    let mut places: BTreeMap<ButtonName, Place> = BTreeMap::new();
    for mut section in sections {
        let name = section.required_text("name", "\"call\", or another button of the board");
        let name = name.map(|text| Located { value: ButtonName::from(text.value), at: text.at });
        let debounce = board
            .zip(name.as_ref())
            .and_then(|(board, name)| board.buttons.get(&name.value))
            .map(|button| button.debounce);
        let button = read_button(&mut section, contacts, debounce);
        if let Some(name) = name {
            check_name(&section, &name, board);
            match places.get(&name.value) {
                Some(first) => {
                    let what = format!(
                        "there is a second {} (the first is at {first})",
                        quoted(name.value.as_str())
                    );
                    section.note(name.at, Problem::new(what, "join the two, or give this one another name"));
                }
                None => {
                    places.insert(name.value.clone(), section.report.place(name.at));
                    buttons.insert(name.value, button);
                }
            }
        }
        section.finish();
    }
    for (name, on_board) in board.iter().flat_map(|board| &board.buttons) {
        let idle = || ButtonSettings { debounce: on_board.debounce, ..ButtonSettings::default() };
        buttons.entry(name.clone()).or_insert_with(idle);
    }
    buttons
}

fn check_name(section: &Section<'_>, name: &Located<ButtonName>, board: Option<&Board>) {
    let Some(board) = board.filter(|board| !board.buttons.contains_key(&name.value)) else { return };
    let names: Vec<&str> = board.buttons.keys().map(ButtonName::as_str).collect();
    let what = format!("the board {} has no button {}", board.name, quoted(name.value.as_str()));
    let cure = match (value::nearest(name.value.as_str(), names.iter().copied()), names.is_empty()) {
        (Some(nearest), _) => format!("did you mean {}?", quoted(nearest)),
        (None, false) => format!("its buttons are {}", names.join(", ")),
        (None, true) => "it has none: remove this, or choose another board".to_owned(),
    };
    section.note(name.at, Problem::new(what, cure));
}

fn read_button(section: &mut Section<'_>, contacts: &Contacts, debounce: Option<Duration>) -> ButtonSettings {
    let mut action = |key| section.section(key).and_then(|section| read_action(section, contacts));
    let (press, hold, double_press) = (action("press"), action("hold"), action("double-press"));
    let usual = ButtonSettings::default();
    let mut button =
        ButtonSettings { press, hold, double_press, debounce: debounce.unwrap_or(usual.debounce), ..usual };
    set(section, "debounce", Duration::ZERO..=SECS(1), &mut button.debounce);
    set(section, "hold-after", MS(100)..=SECS(60), &mut button.hold_after);
    set(section, "double-within", MS(50)..=SECS(5), &mut button.double_within);
    set(section, "stuck-after", SECS(1)..=SECS(3600), &mut button.stuck_after);
    set(section, "ignore-again", Duration::ZERO..=SECS(3600), &mut button.ignore_again);
    let at = section.key_at("stuck-after").unwrap_or(section.at);
    if button.stuck_after <= button.hold_after {
        let what = "the button counts as stuck before it counts as held";
        section.note(at, Problem::new(what, "make stuck-after longer than hold-after"));
    }
    button
}

#[derive(Clone, Copy)]
enum Verb {
    Call,
    Answer,
    HangUp,
    ToPhone,
    TakeOver,
    Dtmf,
    Mute,
}

const VERBS: [(&str, Verb); 7] = [
    ("call", Verb::Call),
    ("answer", Verb::Answer),
    ("hang-up", Verb::HangUp),
    ("to-phone", Verb::ToPhone),
    ("take-over", Verb::TakeOver),
    ("dtmf", Verb::Dtmf),
    ("mute", Verb::Mute),
];

fn read_action(mut section: Section<'_>, contacts: &Contacts) -> Option<Action> {
    if !section.has("action") {
        section.missing("action", "\"call\", and to = [\"NAME\"]");
        return None;
    }
    // Without a known verb it is not known which other keys may stand here.
    let action = match section.choice("action", &VERBS)? {
        Verb::Call => read_parties(&mut section, contacts).map(|to| Action::Call { to }),
        Verb::Answer => Some(Action::Answer),
        Verb::HangUp => Some(Action::HangUp),
        Verb::ToPhone => Some(Action::ToPhone),
        Verb::TakeOver => Some(Action::TakeOver),
        Verb::Dtmf => {
            if !section.has("digits") {
                section.missing("digits", "\"1234\"");
            }
            section.parsed("digits", digits).map(|digits| Action::Dtmf { digits: digits.value })
        }
        Verb::Mute => Some(Action::Mute { on: section.boolean("on") }),
    };
    section.finish();
    action
}

fn read_parties(section: &mut Section<'_>, contacts: &Contacts) -> Option<Vec<String>> {
    if !section.has("to") {
        section.missing("to", "[\"NAME\"], with a name from [contacts] or a number");
        return None;
    }
    let to = section.texts("to")?;
    if to.is_empty() {
        let at = section.key_at("to").unwrap_or(section.at);
        section
            .note(at, Problem::new("to names nobody", "write to = [\"NAME\"] with a name from [contacts]"));
    }
    for party in &to {
        if let Err(problem) = known_party(party.value, contacts) {
            section.note(party.at, problem);
        }
    }
    Some(to.into_iter().map(|party| party.value.to_owned()).collect())
}

/// DTMF digits (ITU-T Q.23). Not quoted when wrong: they may open a door.
pub(super) fn digits(text: &str) -> Result<String, Problem> {
    let valid = (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#' | b'A'..=b'D'));
    if valid {
        Ok(text.to_owned())
    } else {
        Err(Problem::new("these are no DTMF digits", "write 1 to 32 of 0 to 9, *, #, A to D"))
    }
}

pub(super) fn read_call(section: Option<Section<'_>>) -> CallSettings {
    let mut call = CallSettings::default();
    let Some(mut section) = section else { return call };
    set(&mut section, "ring-timeout", SECS(1)..=SECS(600), &mut call.ring_timeout);
    set(&mut section, "media-timeout", SECS(1)..=SECS(120), &mut call.media_timeout);
    set(&mut section, "media-lost-after", SECS(1)..=SECS(600), &mut call.media_lost_after);
    call.longest = or_never(&mut section, "longest", SECS(15), call.longest);
    set(&mut section, "warn-before", Duration::ZERO..=SECS(600), &mut call.warn_before);
    if let Some(at) = section.key_at("warn-before")
        && call.longest.is_none_or(|longest| longest <= call.warn_before)
    {
        let what = "warn-before needs a longest time that is longer";
        section
            .note(at, Problem::new(what, "make longest longer than warn-before, or leave warn-before out"));
    }
    call.no_media_timeout = or_never(&mut section, "no-media-timeout", SECS(5), call.no_media_timeout);
    set(&mut section, "end-tone", Duration::ZERO..=SECS(30), &mut call.end_tone);
    set(&mut section, "peer-lifetime", SECS(10)..=SECS(86_400), &mut call.peer_lifetime);
    section.finish();
    call
}

pub(super) fn read_backoff(section: Option<Section<'_>>) -> BackoffSettings {
    let mut backoff = BackoffSettings::default();
    let Some(mut section) = section else { return backoff };
    set(&mut section, "base", MS(10)..=SECS(600), &mut backoff.base);
    set(&mut section, "ceiling", MS(10)..=SECS(3600), &mut backoff.ceiling);
    set(&mut section, "healthy-after", Duration::ZERO..=SECS(86_400), &mut backoff.healthy_after);
    set(&mut section, "rate-limit", Duration::ZERO..=SECS(86_400), &mut backoff.rate_limit);
    if backoff.ceiling < backoff.base {
        let at = section.key_at("ceiling").unwrap_or(section.at);
        section.note(at, Problem::new("ceiling is below base", "make ceiling at least as long as base"));
    }
    section.finish();
    backoff
}

/// A duration from `least` to 24 h, or "0s" for never.
fn or_never(
    section: &mut Section<'_>,
    key: &'static str,
    least: Duration,
    usual: Option<Duration>,
) -> Option<Duration> {
    let Some(duration) = section.duration(key, Duration::ZERO..=SECS(86_400)) else { return usual };
    if !duration.is_zero() && duration < least {
        let at = section.value_at(key).unwrap_or(section.at);
        let what = format!("{key} is too short");
        let cure =
            format!("write a duration from \"{}\" to \"24h\", or \"0s\" for never", value::in_words(least));
        section.note(at, Problem::new(what, cure));
    }
    Some(duration).filter(|duration| !duration.is_zero())
}

fn set(section: &mut Section<'_>, key: &'static str, range: RangeInclusive<Duration>, into: &mut Duration) {
    if let Some(duration) = section.duration(key, range) {
        *into = duration;
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::super::diagnostic::Report;
    use super::*;

    /// The word of an action; a new action does not compile until it has one here.
    fn word(action: &Action) -> &'static str {
        match action {
            Action::Call { .. } => "call",
            Action::Answer => "answer",
            Action::HangUp => "hang-up",
            Action::ToPhone => "to-phone",
            Action::TakeOver => "take-over",
            Action::Dtmf { .. } => "dtmf",
            Action::Mute { .. } => "mute",
        }
    }

    #[test]
    fn actions_read_here_as_everywhere_else() {
        let mut words = std::collections::BTreeSet::new();
        for text in [
            "action = \"call\"\nto = [\"+47\", \"+4722222222\"]",
            "action = \"answer\"",
            "action = \"hang-up\"",
            "action = \"to-phone\"",
            "action = \"take-over\"",
            "action = \"dtmf\"\ndigits = \"12*#AD\"",
            "action = \"mute\"",
            "action = \"mute\"\non = true",
        ] {
            let elsewhere: Action = toml::from_str(text).unwrap();
            words.insert(word(&elsewhere));
            let report = Report::new("f", text);
            let table = DeTable::parse(text).unwrap();
            let section = Section::new(&report, table.get_ref(), 0, "press".to_owned());
            assert_eq!(read_action(section, &Contacts::new()), Some(elsewhere), "{text}");
            assert_eq!(report.into_found(), []);
        }
        assert_eq!(words.len(), VERBS.len());
        assert!(VERBS.iter().all(|(verb, _)| words.contains(verb)));
    }

    #[test]
    fn digits_that_no_telephone_has_are_refused() {
        for wrong in ["", "1 2", "E", "a", "+47", &"1".repeat(33)] {
            assert!(digits(wrong).is_err(), "{wrong:?} was accepted");
        }
    }
}
