//! The door: who opens it, when, and for how long.
//!
//! | by | when |
//! |---|---|
//! | a code in a call | the call is up, its other party may (`[door] who`), no tamper alarm, no lock-out |
//! | a command | `allow-command`, at most [`COMMANDS`] a minute, no tamper alarm |
//! | the exit button | at any time: people must get out |
//!
//! Inputs: digits of calls; action `OpenDoor`, `ResetTamper`; inputs `Exit`,
//! `Tamper`, `DoorContact`; system `Remembered`; timers `DoorEntry`,
//! `DoorLocked`, `DoorForget`, `DoorHeld`, `StrikeOff`.
//! Outputs: what the strikes and alarms show (see `output.rs`); `Remember`;
//! faults `Tampered`, `DoorHeldOpen`, `DoorForced`; log.

mod entry;
mod lock_out;
pub mod settings;
mod strike;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::call::{Origin, Part, State};
use super::command::Refusal;
use super::context::Context;
use super::fault::Fault;
use super::id::{CallRef, OutputName};
use super::input::InputFunction;
use super::log::Kind;
use super::memory::Memory;
use super::output::OutputFunction;
use super::phone::Phone;
use super::settings::Settings;
use super::timer::Timer;
use entry::{Entry, Verdict};
use lock_out::LockOut;
use settings::{TamperClear, Who};
use strike::{Opened, Opener, Strike};

/// No strike is on for longer than this, unless the board says so.
pub const STRIKE_LIMIT: Duration = Duration::from_secs(10);

/// So many openings by command within [`COMMANDS_WITHIN`].
pub const COMMANDS: usize = 6;
/// See [`COMMANDS`].
pub const COMMANDS_WITHIN: Duration = Duration::from_secs(60);

/// The bolt may stand back this long after the strike has shut.
const GRACE: Duration = Duration::from_secs(2);

/// The door's state in public words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoorState {
    /// Shut for whoever may not open it.
    Secured,
    /// A strike is released.
    Released,
    /// Codes do not count, after wrong ones.
    LockedOut,
    /// Codes and commands do not count, after the tamper alarm.
    Tampered,
}

/// What status tells of the door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoorStatus {
    /// Its state; of several the last in the order above, but released before all.
    pub state: DoorState,
    /// Seconds until codes count again.
    pub locked_for_s: Option<u64>,
    /// The tamper alarm is on.
    pub tampered: bool,
    /// The contact says that the door is open; none without a contact.
    pub open: Option<bool>,
    /// It has been open for too long.
    pub held: bool,
    /// When codes count again.
    #[serde(skip)]
    pub locked_until: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Door {
    strikes: BTreeMap<OutputName, Strike>,
    entries: BTreeMap<CallRef, Entry>,
    lock: LockOut,
    /// A tamper contact is active now.
    tamper_contact: bool,
    open: Option<bool>,
    held: bool,
    forced: bool,
    /// When the last openings by command were.
    commands: VecDeque<Instant>,
}

/// What was kept over the restart. A box without a tamper contact cannot have
/// been tampered with as far as anybody knows.
pub(super) fn remembered(cx: &mut Context, memory: Memory) {
    let contact = cx.settings.inputs.values().any(|input| input.function == InputFunction::Tamper);
    let tampered = contact && memory.tampered || cx.memory.tampered;
    cx.memory = Memory { tampered, ..memory };
    if tampered {
        alarm(cx);
    }
    lock_out::remembered(cx);
}

/// A DTMF digit in a call in which codes count.
pub(super) fn digit(cx: &mut Context, call: CallRef, digit: char) {
    if cx.settings.door.codes.is_empty() || door_output(&cx.settings).is_none() {
        return;
    }
    if cx.memory.tampered || lock_out::until(cx).is_some() {
        cx.ignored("door-digits-barred", "a digit does not count: codes are barred");
        return;
    }
    let settings = std::sync::Arc::clone(&cx.settings);
    let codes = &settings.door.codes;
    let paused = |entry: &Entry| cx.now.saturating_duration_since(entry.last()) >= settings.door.digit_pause;
    if cx.door.entries.get(&call).is_some_and(paused) {
        entry_over(cx, call);
        if lock_out::until(cx).is_some() {
            return;
        }
    }
    let now = cx.now;
    let entry = cx.door.entries.entry(call).or_insert_with(|| Entry::new(now));
    match entry.digit(digit, codes, now) {
        Verdict::Open => cx.after(Timer::DoorEntry(call), settings.door.digit_pause),
        Verdict::Wrong => {
            cx.after(Timer::DoorEntry(call), settings.door.digit_pause);
            wrong_code(cx);
        }
        Verdict::Right => {
            cx.timers.stop(&Timer::DoorEntry(call));
            lock_out::right_code(cx);
            if let Err(refusal) = release(cx, None, Opener::Code) {
                cx.log(Kind::Refused, refusal.to_string());
            }
        }
    }
}

/// `Timer::DoorEntry`, or the call is no longer one in which codes count.
pub(super) fn entry_over(cx: &mut Context, call: CallRef) {
    let Some(entry) = cx.door.entries.get(&call) else { return };
    let wrong = entry.is_wrong(&cx.settings.door.codes);
    forget_entry(cx, call);
    if wrong {
        wrong_code(cx);
    }
}

/// The calls have changed: digits of those in which codes no longer count are void.
pub(super) fn follow_calls(cx: &mut Context, phone: &Phone) {
    let over: Vec<CallRef> =
        cx.door.entries.keys().copied().filter(|call| !phone.codes_count(cx, *call)).collect();
    for call in over {
        entry_over(cx, call);
    }
}

/// Action `OpenDoor`.
pub(super) fn command(cx: &mut Context, output: Option<&OutputName>) -> Result<(), Refusal> {
    if !cx.settings.door.allow_command {
        return Err(Refusal::NotPermitted);
    }
    let now = cx.now;
    let old = |at: &Instant| now.saturating_duration_since(*at) >= COMMANDS_WITHIN;
    while cx.door.commands.front().is_some_and(old) {
        cx.door.commands.pop_front();
    }
    let settings = std::sync::Arc::clone(&cx.settings);
    let name = output.or_else(|| door_output(&settings)).ok_or(Refusal::NoDoor)?;
    if cx.door.commands.len() >= COMMANDS && released(cx, name).is_none() {
        return Err(Refusal::TooManyOpenings);
    }
    if release(cx, Some(name), Opener::Command)? == Opened::Now {
        cx.door.commands.push_back(now);
    }
    Ok(())
}

/// The exit button.
pub(super) fn exit(cx: &mut Context) {
    if let Err(refusal) = release(cx, None, Opener::Exit) {
        cx.log(Kind::Refused, refusal.to_string());
    }
}

/// The tamper contacts.
pub(super) fn tamper(cx: &mut Context, active: bool) {
    cx.door.tamper_contact = active;
    if !active {
        return;
    }
    cx.remember(|memory| memory.tampered = true);
    for call in cx.door.entries.keys().copied().collect::<Vec<_>>() {
        forget_entry(cx, call);
    }
    for name in cx.door.strikes.keys().cloned().collect::<Vec<_>>() {
        let now = cx.now;
        if cx.door.strikes.get_mut(&name).is_some_and(|strike| strike.shut(now)) {
            secured(cx, &name);
        }
    }
    alarm(cx);
}

/// Action `ResetTamper`, of somebody who is not at the box.
pub(super) fn reset_tamper(cx: &mut Context) -> Result<(), Refusal> {
    match cx.settings.door.tamper_clear {
        TamperClear::Never => return Err(Refusal::NotPermitted),
        TamperClear::Command => {}
    }
    if cx.door.tamper_contact {
        return Err(Refusal::TamperContact);
    }
    if cx.memory.tampered {
        cx.remember(|memory| memory.tampered = false);
        cx.clear(Fault::Tampered);
        cx.log(Kind::Door { event: "tamper-reset" }, "the tamper alarm was ended by command");
    }
    Ok(())
}

/// The door contact. What it says first is how the door was found.
pub(super) fn contact(cx: &mut Context, open: bool) {
    let found = cx.door.open.replace(open).is_none();
    if !open {
        cx.timers.stop(&Timer::DoorHeld);
        cx.door.held = false;
        cx.door.forced = false;
        cx.clear(Fault::DoorHeldOpen);
        cx.clear(Fault::DoorForced);
        if !found {
            cx.log(Kind::Door { event: "closed" }, "the door is closed");
        }
        return;
    }
    if let Some(wait) = cx.settings.door.held_open_after {
        cx.after(Timer::DoorHeld, wait);
    }
    let released = cx.door.strikes.values().any(|strike| strike.was_released(cx.now, GRACE));
    if found || released {
        cx.log(Kind::Door { event: "opened" }, "the door is open");
        return;
    }
    cx.counters.count("door-forced");
    cx.log(Kind::Door { event: "forced" }, "the door is open, and nobody had released it");
    if cx.settings.door.forced_alarm {
        cx.door.forced = true;
        cx.raise(Fault::DoorForced, "the door was opened without being released; look after it and close it");
    }
}

/// `Timer::DoorHeld`.
pub(super) fn held_open(cx: &mut Context) {
    cx.door.held = true;
    cx.counters.count("door-held-open");
    cx.log(Kind::Door { event: "held-open" }, "the door has been open for too long");
    cx.raise(Fault::DoorHeldOpen, "the door has been open for too long; close it");
}

/// `Timer::StrikeOff`.
pub(super) fn strike_off(cx: &mut Context, name: &OutputName) {
    let now = cx.now;
    if cx.door.strikes.get_mut(name).is_some_and(|strike| strike.expire(now)) {
        secured(cx, name);
    }
}

/// `Timer::DoorLocked`.
pub(super) fn lock_out_over(cx: &mut Context) {
    lock_out::over(cx);
}

/// `Timer::DoorForget`.
pub(super) fn forget_wrong_codes(cx: &mut Context) {
    lock_out::forget(cx);
}

/// Since when and until when a strike is released, if it is.
pub(super) fn released(cx: &Context, name: &OutputName) -> Option<(Instant, Instant)> {
    cx.door.strikes.get(name).and_then(Strike::released)
}

/// Whether the door is open for too long, or was forced.
pub(super) fn is_alarming(cx: &Context) -> bool {
    cx.door.held || cx.door.forced
}

/// Whether the door may be opened now, or is open.
pub(super) fn is_open(cx: &Context) -> bool {
    cx.door.open == Some(true) || cx.door.strikes.values().any(|strike| strike.released().is_some())
}

/// For people and programs; none on a board that has nothing of a door.
pub(super) fn status(cx: &Context) -> Option<DoorStatus> {
    let contact = cx.settings.inputs.values().any(|input| input.function != InputFunction::Hook);
    if door_output(&cx.settings).is_none() && !contact {
        return None;
    }
    let locked_until = lock_out::until(cx);
    let state = if cx.door.strikes.values().any(|strike| strike.released().is_some()) {
        DoorState::Released
    } else if cx.memory.tampered {
        DoorState::Tampered
    } else if locked_until.is_some() {
        DoorState::LockedOut
    } else {
        DoorState::Secured
    };
    let Door { open, held, .. } = cx.door;
    Some(DoorStatus { state, locked_for_s: None, tampered: cx.memory.tampered, open, held, locked_until })
}

impl Phone {
    /// Whether codes that are dialled in this call count: it is up, the person
    /// at the box is in it, and its other party may open the door.
    pub fn codes_count(&self, cx: &Context, call: CallRef) -> bool {
        let Some(call) = self.calls.get(call) else { return false };
        let up = match call.state {
            State::Talking(Part::Present) => true,
            State::Talking(Part::Held)
            | State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Releasing => false,
        };
        let number = call.leg.number.as_ref();
        let may = match (&cx.settings.door.who, call.leg.origin) {
            (Who::Usual | Who::Only(_), Origin::Check) => false,
            (Who::Usual, Origin::Dialled) => true,
            (Who::Usual, Origin::TakenOver | Origin::Offered) => {
                number.is_some_and(|number| cx.settings.contacts.values().any(|known| known == number))
            }
            (Who::Only(numbers), Origin::Dialled | Origin::TakenOver | Origin::Offered) => {
                number.is_some_and(|number| numbers.contains(number))
            }
        };
        up && may
    }
}

fn release(cx: &mut Context, output: Option<&OutputName>, by: Opener) -> Result<Opened, Refusal> {
    let settings = std::sync::Arc::clone(&cx.settings);
    let name = output.or_else(|| door_output(&settings)).ok_or(Refusal::NoDoor)?;
    let strike = settings.outputs.get(name).filter(|output| output.function == OutputFunction::Strike);
    let cap = strike.ok_or(Refusal::NoDoor)?.max_on.unwrap_or(STRIKE_LIMIT);
    if cx.memory.tampered && by != Opener::Exit {
        cx.counters.count("door-barred");
        return Err(Refusal::Tampered);
    }
    let (now, door) = (cx.now, &settings.door);
    let strike = cx.door.strikes.entry(name.clone()).or_default();
    let opened = strike.open(by, now, door.pulse, cap, door.pause);
    if let Some((_, until)) = strike.released() {
        cx.timers.set(Timer::StrikeOff(name.clone()), until);
    }
    match opened {
        Opened::Now => {
            cx.counters.count(match by {
                Opener::Code => "door-opened-by-code",
                Opener::Command => "door-opened-by-command",
                Opener::Exit => "door-opened-by-exit",
            });
            let who = match by {
                Opener::Code => "a code",
                Opener::Command => "a command",
                Opener::Exit => "the exit button",
            };
            cx.log(Kind::Door { event: "released" }, format!("{who} releases {name}"));
        }
        Opened::Already => cx.counters.count("door-opened-already"),
        Opened::TooSoon => return Err(Refusal::DoorResting),
    }
    Ok(opened)
}

fn secured(cx: &mut Context, name: &OutputName) {
    cx.timers.stop(&Timer::StrikeOff(name.clone()));
    cx.log(Kind::Door { event: "secured" }, format!("{name} is shut again"));
}

fn alarm(cx: &mut Context) {
    cx.log(
        Kind::Door { event: "tampered" },
        "the box was opened or torn off its wall: only the exit button opens",
    );
    let detail =
        "the box was opened or torn off its wall; look after it, close it, then `callbox reset-tamper`";
    cx.raise(Fault::Tampered, detail);
}

fn wrong_code(cx: &mut Context) {
    lock_out::wrong_code(cx);
    if lock_out::until(cx).is_some() {
        // What was dialled in other calls before does not count after it.
        for call in cx.door.entries.keys().copied().collect::<Vec<_>>() {
            forget_entry(cx, call);
        }
    }
}

fn forget_entry(cx: &mut Context, call: CallRef) {
    cx.door.entries.remove(&call);
    cx.timers.stop(&Timer::DoorEntry(call));
}

/// The strike that codes and the exit button open.
fn door_output(settings: &Settings) -> Option<&OutputName> {
    let mut strikes = settings.outputs.iter().filter(|(_, output)| output.function == OutputFunction::Strike);
    settings.door.output.as_ref().or_else(|| strikes.next().map(|(name, _)| name))
}
