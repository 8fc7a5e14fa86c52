//! `[incoming]`: who may call in, when, and what happens then.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::{self, TimeZone};

use crate::appliance::do_not_disturb::{DoNotDisturb, Window};
use crate::appliance::id::PhoneNumber;
use crate::appliance::settings::{AnswerPolicy, IncomingSettings, Mode, WhileBusy};
use crate::appliance::wall_clock::{Weekday, Zone};

use super::contacts::{Contacts, known_party};
use super::diagnostic::{Problem, quoted};
use super::section::{Located, Section, choose};
use super::value;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

pub(super) fn read(
    section: Option<Section<'_>>,
    contacts: &Contacts,
    mode: Mode,
    zone: Option<&Zone>,
) -> IncomingSettings {
    let Some(mut section) = section else { return IncomingSettings::default() };
    let allow = read_parties(&mut section, "allow", contacts);
    let deny = read_parties(&mut section, "deny", contacts).unwrap_or_default();
    let priority = read_parties(&mut section, "priority", contacts).unwrap_or_default();
    check_lists(&section, allow.as_deref(), &deny, &priority);
    let deny_hidden = section.boolean("deny-hidden").unwrap_or(false);
    let do_not_disturb = read_windows(&mut section, zone);
    let policies =
        [("ring", AnswerPolicy::Ring), ("auto", AnswerPolicy::Auto), ("reject", AnswerPolicy::Reject)];
    let answer = section.choice("answer", &policies).unwrap_or_default();
    let while_busy = read_while_busy(&mut section, mode);
    section.finish();
    let numbers = |list: Vec<Located<PhoneNumber>>| list.into_iter().map(|entry| entry.value).collect();
    IncomingSettings {
        allow: allow.map(numbers),
        deny: numbers(deny),
        deny_hidden,
        do_not_disturb,
        priority: numbers(priority),
        answer,
        while_busy,
    }
}

fn read_parties(
    section: &mut Section<'_>,
    key: &'static str,
    contacts: &Contacts,
) -> Option<Vec<Located<PhoneNumber>>> {
    let mut numbers = Vec::new();
    for party in section.texts(key)? {
        match known_party(party.value, contacts) {
            Ok(value) => numbers.push(Located { value, at: party.at }),
            Err(problem) => section.note(party.at, problem),
        }
    }
    Some(numbers)
}

/// One number in two lists that contradict each other would be settled by a
/// rule that the reader of the file does not see.
fn check_lists(
    section: &Section<'_>,
    allow: Option<&[Located<PhoneNumber>]>,
    deny: &[Located<PhoneNumber>],
    priority: &[Located<PhoneNumber>],
) {
    let on = |list: &[Located<PhoneNumber>], number| list.iter().any(|entry| entry.value == number);
    for Located { value, at } in deny {
        let number = quoted(value.as_str());
        for (key, list) in [("allow", allow.unwrap_or_default()), ("priority", priority)] {
            if on(list, value.clone()) {
                let what = format!("{number} is in {key} and in deny");
                section.note(*at, Problem::new(what, "remove it from one of the two"));
            }
        }
    }
    for Located { value, at } in priority {
        if allow.is_some_and(|allow| !on(allow, value.clone())) && !on(deny, value.clone()) {
            let what = format!("{} is in priority, but not among those who may call", quoted(value.as_str()));
            section.note(*at, Problem::new(what, "add it to allow too"));
        }
    }
}

/// With `Pipe` every Offer is for the one call, so none can wait.
fn read_while_busy(section: &mut Section<'_>, mode: Mode) -> WhileBusy {
    let words = [("busy", WhileBusy::Busy), ("queue", WhileBusy::Queue), ("swap", WhileBusy::Swap)];
    let while_busy = section.choice("while-busy", &words).unwrap_or_default();
    match (while_busy, mode) {
        (WhileBusy::Queue | WhileBusy::Swap, Mode::Pipe) => {
            let at = section.key_at("while-busy").unwrap_or(section.at);
            let what = "a second call cannot wait where mode = \"pipe\" carries one";
            let cure = "set mode = \"multi-pipe\" in [terminal], or write while-busy = \"busy\"";
            section.note(at, Problem::new(what, cure));
        }
        (WhileBusy::Queue | WhileBusy::Swap, Mode::MultiPipe)
        | (WhileBusy::Busy, Mode::Pipe | Mode::MultiPipe) => {}
    }
    while_busy
}

fn read_windows(section: &mut Section<'_>, zone: Option<&Zone>) -> Option<DoNotDisturb> {
    let at = section.key_at("do-not-disturb").unwrap_or(section.at);
    let tables = section.tables("do-not-disturb", r#"[{ from = "22:00", to = "06:00" }]"#);
    let windows: Vec<Window> = tables.into_iter().filter_map(read_window).collect();
    if windows.is_empty() {
        return None;
    }
    if zone.is_none() {
        let what = "do-not-disturb needs to know the box's time zone";
        section.note(at, Problem::new(what, "add time-zone = \"Europe/Oslo\", or another, to [terminal]"));
    }
    Some(DoNotDisturb { zone: zone?.clone(), windows })
}

pub(super) fn read_window(mut section: Section<'_>) -> Option<Window> {
    for (key, example) in [("from", "\"22:00\""), ("to", "\"06:00\"")] {
        if !section.has(key) {
            section.missing(key, example);
        }
    }
    let from = section.parsed("from", time_of_day);
    let to = section.parsed("to", |text| if text == "24:00" { Ok(DAY) } else { time_of_day(text) });
    let days = read_days(&mut section);
    let window = from.zip(to).map(|(from, to)| {
        if from.value == to.value {
            let cure = "write from = \"00:00\" and to = \"24:00\" for whole days";
            section.note(to.at, Problem::new("the window ends when it begins", cure));
        }
        Window { from: from.value, to: to.value, days }
    });
    section.finish();
    window
}

fn read_days(section: &mut Section<'_>) -> BTreeSet<Weekday> {
    let Some(words) = section.texts("days") else { return Weekday::ALL.into() };
    if words.is_empty() {
        let at = section.key_at("days").unwrap_or(section.at);
        section.note(at, Problem::new("days names no day", "name one, or leave days out for every day"));
    }
    let mut days = BTreeSet::new();
    for word in words {
        match choose("days", word.value, &DAYS) {
            Ok(day) => {
                days.insert(day);
            }
            Err(problem) => section.note(word.at, problem),
        }
    }
    days
}

const DAY: Duration = Duration::from_secs(86_400);

/// Hours and minutes on a clock of 24 hours (ISO 8601): from `00:00` to `23:59`.
pub(super) fn time_of_day(text: &str) -> Result<Duration, Problem> {
    let number = |digits: &str, below: u64| {
        let two = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse().ok().filter(|number: &u64| two && *number < below)
    };
    let read = text.split_once(':').and_then(|(hours, minutes)| {
        Some(Duration::from_secs(3600 * number(hours, 24)? + 60 * number(minutes, 60)?))
    });
    read.ok_or_else(|| {
        let what = format!("{} is not a time of day", quoted(text));
        Problem::new(what, "write hours and minutes such as \"06:30\" or \"22:00\"")
    })
}

/// A zone of the IANA database: the system's, or the one that this program carries.
pub(super) fn time_zone(text: &str) -> Result<Zone, Problem> {
    TimeZone::get(text).map(Zone::new).map_err(|_| {
        let names: Vec<String> = tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let cure = match value::nearest(text, names.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean {}?", quoted(nearest)),
            None => "write a name of the IANA time zone database such as \"Europe/Oslo\"".to_owned(),
        };
        Problem::new(format!("{} is no time zone", quoted(text)), cure)
    })
}
