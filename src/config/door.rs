//! `[door]`: who may open the door, and how.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::appliance::door::STRIKE_LIMIT;
use crate::appliance::door::settings::{Code, DoorSettings, TamperClear, Who};
use crate::appliance::id::OutputName;
use crate::appliance::output::{OutputFunction, OutputSettings};

use super::action;
use super::contacts::{Contacts, known_party};
use super::diagnostic::{Problem, quoted};
use super::section::{Located, Section};
use super::value;

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECS: fn(u64) -> Duration = Duration::from_secs;

pub(super) fn read(
    section: Option<Section<'_>>,
    contacts: &Contacts,
    outputs: Option<&BTreeMap<OutputName, OutputSettings>>,
) -> DoorSettings {
    let mut door = DoorSettings::default();
    let Some(mut section) = section else { return door };
    for code in section.texts("codes").unwrap_or_default() {
        match action::digits(code.value) {
            Ok(digits) => door.codes.push(Code::new(digits)),
            Err(problem) => section.note(code.at, problem),
        }
    }
    if let Some(who) = section.texts("who") {
        door.who = read_who(&section, who, contacts);
    }
    let output = section.text("output");
    set(&mut section, "pulse", MS(100)..=SECS(60), &mut door.pulse);
    set(&mut section, "pause", Duration::ZERO..=SECS(60), &mut door.pause);
    set(&mut section, "digit-pause", MS(500)..=SECS(30), &mut door.digit_pause);
    if let Some(wrong_codes) = section.integer("wrong-codes", 1..=100) {
        door.wrong_codes = wrong_codes;
    }
    set(&mut section, "lock-time", SECS(1)..=SECS(3600), &mut door.lock_time);
    set(&mut section, "forget-after", SECS(60)..=SECS(31 * 86_400), &mut door.forget_after);
    door.allow_command = section.boolean("allow-command").unwrap_or(door.allow_command);
    let clear = [("command", TamperClear::Command), ("never", TamperClear::Never)];
    door.tamper_clear = section.choice("tamper-clear", &clear).unwrap_or(door.tamper_clear);
    if let Some(wait) = section.duration("held-open-after", Duration::ZERO..=SECS(86_400)) {
        door.held_open_after = Some(wait).filter(|wait| !wait.is_zero());
    }
    door.forced_alarm = section.boolean("forced-alarm").unwrap_or(door.forced_alarm);
    if let Some(outputs) = outputs {
        check_strike(&section, &door, output.as_ref(), outputs);
    }
    door.output = output.map(|output| output.value.into());
    section.finish();
    door
}

fn read_who(section: &Section<'_>, who: Vec<Located<&str>>, contacts: &Contacts) -> Who {
    if who.is_empty() {
        let at = section.key_at("who").unwrap_or(section.at);
        let cure = "name somebody, or leave who out for calls of this box and of its contacts";
        section.note(at, Problem::new("who names nobody", cure));
    }
    let mut numbers = Vec::new();
    for party in who {
        match known_party(party.value, contacts) {
            Ok(number) => numbers.push(number),
            Err(problem) => section.note(party.at, problem),
        }
    }
    Who::Only(numbers)
}

/// What is to open the door must be there, and may be on for as long.
fn check_strike(
    section: &Section<'_>,
    door: &DoorSettings,
    output: Option<&Located<&str>>,
    outputs: &BTreeMap<OutputName, OutputSettings>,
) {
    let strikes: Vec<(&OutputName, &OutputSettings)> =
        outputs.iter().filter(|(_, output)| output.function == OutputFunction::Strike).collect();
    let names = strikes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    let strike = match output {
        Some(output) => strikes.iter().find(|(name, _)| name.as_str() == output.value),
        None => strikes.first(),
    };
    match (strike, output) {
        (Some((name, strike)), _) => {
            let cap = strike.max_on.unwrap_or(STRIKE_LIMIT);
            if let Some(at) = section.value_at("pulse").filter(|_| door.pulse > cap) {
                let what = format!(
                    "the board lets {} be on for {} at most",
                    quoted(name.as_str()),
                    value::in_words(cap)
                );
                section.note(at, Problem::new(what, "make pulse shorter, or max-on of the board longer"));
            }
        }
        (None, Some(output)) => {
            let what = format!("{} is no door strike of the board", quoted(output.value));
            let cure = match names.as_slice() {
                [] => "it has none: add an [[output]] with function = \"strike\" to the board".to_owned(),
                names => format!("its strikes are {}", names.join(", ")),
            };
            section.note(output.at, Problem::new(what, cure));
        }
        (None, None) => {
            let asked = ["codes", "allow-command"].into_iter().find_map(|key| section.key_at(key));
            if let Some(at) = asked.filter(|_| !door.codes.is_empty() || door.allow_command) {
                let cure = "add an [[output]] with function = \"strike\" to the board, or remove this";
                section.note(at, Problem::new("the board has no door strike", cure));
            }
        }
    }
}

fn set(section: &mut Section<'_>, key: &'static str, range: RangeInclusive<Duration>, into: &mut Duration) {
    if let Some(duration) = section.duration(key, range) {
        *into = duration;
    }
}
