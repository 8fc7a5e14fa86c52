//! `[check-call]`: calls that the box makes by itself.

use std::time::Duration;

use crate::appliance::check_call::CheckCallSettings;
use crate::appliance::wall_clock::Zone;

use super::contacts::{Contacts, known_party};
use super::diagnostic::Problem;
use super::incoming::time_of_day;
use super::section::Section;

/// Daily: one that failed leaves two more until the three days of EN 81-28 are over.
const EVERY: Duration = Duration::from_secs(24 * 3600);
const OVERDUE_AFTER: u32 = 2;

pub(super) fn read(
    section: Option<Section<'_>>,
    contacts: &Contacts,
    zone: Option<&Zone>,
) -> Option<CheckCallSettings> {
    let mut section = section?;
    if !section.has("to") {
        section.missing("to", "\"NAME\", with a name from [contacts] or a number");
    }
    let to = section.parsed("to", |text| known_party(text, contacts)).map(|to| to.value);
    let range = Duration::from_secs(60)..=Duration::from_secs(31 * 24 * 3600);
    let every = section.duration("every", range).unwrap_or(EVERY);
    let at = section.parsed("at", time_of_day).map(|at| at.value);
    if let Some(key) = section.key_at("at")
        && zone.is_none()
    {
        let what = "a time of day needs the box's time zone";
        section.note(key, Problem::new(what, "add time-zone = \"Europe/Oslo\", or another, to [terminal]"));
    }
    if let Some(key) = section.key_at("at")
        && every < EVERY
    {
        let what = "a time of day comes once a day, and every is shorter";
        section.note(key, Problem::new(what, "write every = \"24h\" or longer, or leave at out"));
    }
    let overdue_after = section.integer("overdue-after", 1..=100).unwrap_or(OVERDUE_AFTER);
    section.finish();
    Some(CheckCallSettings { to: to?, every, at: zone.cloned().zip(at), overdue_after })
}
