//! What a button may be told to do: `press`, `hold` and `double-press`.

use crate::appliance::action::{Action, Ring};
use crate::appliance::settings::Mode;

use super::contacts::{Contacts, known_party};
use super::diagnostic::Problem;
use super::section::Section;
use super::volume;

#[derive(Clone, Copy)]
enum Verb {
    Call,
    Answer,
    HangUp,
    Swap,
    Merge,
    ToPhone,
    TakeOver,
    Dtmf,
    Mute,
    Talk,
    Volume,
    SelfTest,
    OpenDoor,
}

const VERBS: [(&str, Verb); 13] = [
    ("call", Verb::Call),
    ("answer", Verb::Answer),
    ("hang-up", Verb::HangUp),
    ("swap", Verb::Swap),
    ("merge", Verb::Merge),
    ("to-phone", Verb::ToPhone),
    ("take-over", Verb::TakeOver),
    ("dtmf", Verb::Dtmf),
    ("mute", Verb::Mute),
    ("talk", Verb::Talk),
    ("volume", Verb::Volume),
    ("self-test", Verb::SelfTest),
    ("open-door", Verb::OpenDoor),
];

pub(super) fn read_action(mut section: Section<'_>, contacts: &Contacts, mode: Mode) -> Option<Action> {
    if !section.has("action") {
        section.missing("action", "\"call\", and to = [\"NAME\"]");
        return None;
    }
    // Without a known verb it is not known which other keys may stand here.
    let action = match section.choice("action", &VERBS)? {
        Verb::Call => {
            let to = read_parties(&mut section, contacts);
            let ring = read_ring(&mut section, to.as_deref().unwrap_or_default(), mode);
            to.map(|to| Action::Call { to, ring })
        }
        Verb::Answer => Some(Action::Answer),
        Verb::HangUp => Some(Action::HangUp),
        Verb::Swap => Some(Action::Swap),
        Verb::Merge => Some(Action::Merge),
        Verb::ToPhone => Some(Action::ToPhone),
        Verb::TakeOver => Some(Action::TakeOver),
        Verb::Dtmf => {
            if !section.has("digits") {
                section.missing("digits", "\"1234\"");
            }
            section.parsed("digits", digits).map(|digits| Action::Dtmf { digits: digits.value })
        }
        Verb::Mute => Some(Action::Mute { on: section.boolean("on") }),
        Verb::Talk => Some(Action::Talk { on: section.boolean("on") }),
        Verb::Volume => volume::read_change(&mut section).map(|change| Action::Volume { change }),
        Verb::SelfTest => Some(Action::SelfTest),
        Verb::OpenDoor => {
            let output = section.text("output").map(|output| output.value.into());
            Some(Action::OpenDoor { output })
        }
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

/// How to call several; with `Pipe` there is one way only.
fn read_ring(section: &mut Section<'_>, to: &[String], mode: Mode) -> Ring {
    let words = [("in-order", Ring::InOrder), ("all", Ring::All)];
    let ring = section.choice("ring", &words).unwrap_or_default();
    let at = section.key_at("ring").unwrap_or(section.at);
    match (ring, mode) {
        (Ring::All, Mode::Pipe) => {
            let what = "ring = \"all\" makes several calls at once, which mode = \"pipe\" cannot";
            let cure = "set mode = \"multi-pipe\" in [terminal], or write ring = \"in-order\"";
            section.note(at, Problem::new(what, cure));
        }
        (Ring::All, Mode::MultiPipe) if to.len() > Ring::AT_ONCE => {
            let what = format!("{} numbers are too many to ring at once", to.len());
            section.note(
                at,
                Problem::new(what, format!("name at most {}, or write ring = \"in-order\"", Ring::AT_ONCE)),
            );
        }
        (Ring::All, Mode::MultiPipe) | (Ring::InOrder, Mode::Pipe | Mode::MultiPipe) => {}
    }
    ring
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
            Action::Swap => "swap",
            Action::Merge => "merge",
            Action::ToPhone => "to-phone",
            Action::TakeOver => "take-over",
            Action::Dtmf { .. } => "dtmf",
            Action::Mute { .. } => "mute",
            Action::Talk { .. } => "talk",
            Action::Volume { .. } => "volume",
            Action::SelfTest => "self-test",
            Action::OpenDoor { .. } => "open-door",
            Action::ResetTamper => "reset-tamper",
        }
    }

    #[test]
    fn actions_read_here_as_everywhere_else() {
        let mut words = std::collections::BTreeSet::new();
        for text in [
            "action = \"call\"\nto = [\"+47\", \"+4722222222\"]",
            "action = \"call\"\nto = [\"+4722222222\"]\nring = \"all\"",
            "action = \"answer\"",
            "action = \"hang-up\"",
            "action = \"swap\"",
            "action = \"merge\"",
            "action = \"to-phone\"",
            "action = \"take-over\"",
            "action = \"dtmf\"\ndigits = \"12*#AD\"",
            "action = \"mute\"",
            "action = \"mute\"\non = true",
            "action = \"talk\"",
            "action = \"volume\"\nchange = \"up\"",
            "action = \"volume\"\nchange = { percent = 40 }",
            "action = \"self-test\"",
            "action = \"open-door\"",
            "action = \"open-door\"\noutput = \"gate\"",
        ] {
            let elsewhere: Action = toml::from_str(text).unwrap();
            words.insert(word(&elsewhere));
            let report = Report::new("f", text);
            let table = DeTable::parse(text).unwrap();
            let section = Section::new(&report, table.get_ref(), 0, "press".to_owned());
            let read = read_action(section, &Contacts::default(), Mode::MultiPipe);
            assert_eq!(read, Some(elsewhere), "{text}");
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
