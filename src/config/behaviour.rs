//! What the box does: `[[button]]`, `[incoming]`, `[call]` and `[backoff]`, as
//! the appliance's settings.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::appliance::id::ButtonName;
use crate::appliance::settings::{
    AnswerPolicy, BackoffSettings, ButtonSettings, CallSettings, IncomingSettings, Mode, WhileBusy,
};

use super::action::read_action;
use super::board::Board;
use super::contacts::{Contacts, known_party};
use super::diagnostic::{Place, Problem, quoted};
use super::section::{Located, Section};
use super::value;

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECS: fn(u64) -> Duration = Duration::from_secs;

/// Every button of the board, with what it does if that is set.
pub(super) fn read_buttons(
    sections: Vec<Section<'_>>,
    contacts: &Contacts,
    mode: Mode,
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
        let button = read_button(&mut section, contacts, mode, debounce);
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

fn read_button(
    section: &mut Section<'_>,
    contacts: &Contacts,
    mode: Mode,
    debounce: Option<Duration>,
) -> ButtonSettings {
    let mut action = |key| section.section(key).and_then(|section| read_action(section, contacts, mode));
    let (press, hold, double_press) = (action("press"), action("hold"), action("double-press"));
    let usual = ButtonSettings::default();
    let mut button =
        ButtonSettings { press, hold, double_press, debounce: debounce.unwrap_or(usual.debounce), ..usual };
    set(section, "debounce", Duration::ZERO..=SECS(1), &mut button.debounce);
    set(section, "hold-after", MS(100)..=SECS(60), &mut button.hold_after);
    set(section, "double-within", MS(50)..=SECS(5), &mut button.double_within);
    set(section, "stuck-after", SECS(1)..=SECS(3600), &mut button.stuck_after);
    let at = section.key_at("stuck-after").unwrap_or(section.at);
    if button.stuck_after <= button.hold_after {
        let what = "the button counts as stuck before it counts as held";
        section.note(at, Problem::new(what, "make stuck-after longer than hold-after"));
    }
    button
}

pub(super) fn read_incoming(
    section: Option<Section<'_>>,
    contacts: &Contacts,
    mode: Mode,
) -> IncomingSettings {
    let mut incoming = IncomingSettings::default();
    let Some(mut section) = section else { return incoming };
    if let Some(parties) = section.texts("allow") {
        let mut numbers = Vec::new();
        for party in parties {
            match known_party(party.value, contacts) {
                Ok(number) => numbers.push(number),
                Err(problem) => section.note(party.at, problem),
            }
        }
        incoming.allow = Some(numbers);
    }
    let policies =
        [("ring", AnswerPolicy::Ring), ("auto", AnswerPolicy::Auto), ("reject", AnswerPolicy::Reject)];
    incoming.answer = section.choice("answer", &policies).unwrap_or_default();
    incoming.while_busy = read_while_busy(&mut section, mode);
    section.finish();
    incoming
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

pub(super) fn read_call(section: Option<Section<'_>>) -> CallSettings {
    let mut call = CallSettings::default();
    let Some(mut section) = section else { return call };
    set(&mut section, "ring-timeout", SECS(1)..=SECS(600), &mut call.ring_timeout);
    if let Some(cycles) = section.integer("hunt-cycles", 1..=100) {
        call.hunt_cycles = cycles;
    }
    set(&mut section, "media-timeout", SECS(1)..=SECS(120), &mut call.media_timeout);
    set(&mut section, "media-lost-after", SECS(1)..=SECS(600), &mut call.media_lost_after);
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

fn set(section: &mut Section<'_>, key: &'static str, range: RangeInclusive<Duration>, into: &mut Duration) {
    if let Some(duration) = section.duration(key, range) {
        *into = duration;
    }
}
