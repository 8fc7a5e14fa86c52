//! `[contacts]`: names for numbers, as texts or as tables with more.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::appliance::id::PhoneNumber;

use super::diagnostic::{Problem, quoted};
use super::section::Section;
use super::value;

/// What `[contacts]` says.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    pub(super) numbers: BTreeMap<String, PhoneNumber>,
    /// How long to let a number ring, where that is said.
    pub(super) ring_times: BTreeMap<PhoneNumber, Duration>,
}

pub(super) fn read_contacts(section: Option<Section<'_>>) -> Contacts {
    let mut contacts = Contacts::default();
    let Some(section) = section else { return contacts };
    for name in section.keys() {
        if name.value.trim().is_empty() || name.value.starts_with('+') {
            let what = format!("{} cannot be a contact's name", quoted(name.value));
            section.note(name.at, Problem::new(what, "write NAME = \"+4722222222\""));
            continue;
        }
        let contact = match section.free_section(name.value) {
            Some(table) => read_table(table),
            None => section.free_text(name.value).and_then(|text| match number(text.value) {
                Ok(number) => Some((number, None)),
                Err(problem) => {
                    section.note(text.at, problem);
                    None
                }
            }),
        };
        let Some((number, ring_time)) = contact else { continue };
        if let Some(ring_time) = ring_time {
            contacts.ring_times.insert(number.clone(), ring_time);
        }
        contacts.numbers.insert(name.value.to_owned(), number);
    }
    contacts
}

fn read_table(mut table: Section<'_>) -> Option<(PhoneNumber, Option<Duration>)> {
    if !table.has("number") {
        table.missing("number", "\"+4722222222\"");
    }
    let number = table.parsed("number", number);
    let ring_time = table.duration("ring-time", Duration::from_secs(1)..=Duration::from_secs(600));
    table.finish();
    Some((number?.value, ring_time))
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
    contacts.numbers.get(text).cloned().ok_or_else(|| {
        let cure = match value::nearest(text, contacts.numbers.keys().map(String::as_str)) {
            Some(nearest) => format!("did you mean {}?", quoted(nearest)),
            None => format!("add {} = \"+4722222222\" to [contacts], with the right number", quoted(text)),
        };
        Problem::new(format!("{} is not in [contacts]", quoted(text)), cure)
    })
}
