//! What the box does: `[[button]]`, `[call]` and `[backoff]`, as the appliance's settings.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::appliance::acknowledge::Acknowledge;
use crate::appliance::id::ButtonName;
use crate::appliance::settings::{BackoffSettings, ButtonSettings, CallSettings, Mode};

use super::action::read_action;
use super::board::Board;
use super::contacts::Contacts;
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
    set(section, "ignore-again", Duration::ZERO..=SECS(3600), &mut button.ignore_again);
    let at = section.key_at("stuck-after").unwrap_or(section.at);
    if button.stuck_after <= button.hold_after {
        let what = "the button counts as stuck before it counts as held";
        section.note(at, Problem::new(what, "make stuck-after longer than hold-after"));
    }
    button
}

pub(super) fn read_call(section: Option<Section<'_>>) -> CallSettings {
    let mut call = CallSettings::default();
    let Some(mut section) = section else { return call };
    set(&mut section, "ring-timeout", SECS(1)..=SECS(600), &mut call.ring_timeout);
    if let Some(cycles) = section.integer("hunt-cycles", 1..=100) {
        call.hunt_cycles = cycles;
    }
    call.acknowledge = read_acknowledge(&mut section);
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
    call.sound.keep_mute = section.boolean("keep-mute").unwrap_or(call.sound.keep_mute);
    section.finish();
    call
}

fn read_acknowledge(section: &mut Section<'_>) -> Option<Acknowledge> {
    let digit = section.parsed("acknowledge", |text| {
        let digits = super::action::digits(text)?;
        let mut each = digits.chars();
        match (each.next(), each.next()) {
            (Some(digit), None) => Ok(digit),
            (Some(_) | None, _) => {
                let what = format!("acknowledge = {} is more than one digit", quoted(text));
                Err(Problem::new(what, "write one such as \"1\""))
            }
        }
    });
    let timeout = section.duration("acknowledge-timeout", SECS(5)..=SECS(120));
    if let Some(at) = section.key_at("acknowledge-timeout")
        && !section.has("acknowledge")
    {
        let what = "acknowledge-timeout needs a digit to wait for";
        section.note(at, Problem::new(what, "add acknowledge = \"1\", or leave acknowledge-timeout out"));
    }
    Some(Acknowledge { digit: digit?.value, timeout: timeout.unwrap_or(SECS(20)) })
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
