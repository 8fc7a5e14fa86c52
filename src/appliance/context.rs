//! What every part of the appliance shares: the time it was told, settings,
//! timers, faults, counters, chance, and the commands of the event at hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Entropy;
use super::clock::WallClock;
use super::command::{AudioCommand, Command, MediaCommand, SessionCommand};
use super::counters::Counters;
use super::do_not_disturb::DoNotDisturbStatus;
use super::door::Door;
use super::event::{Body, Message};
use super::fault::{Fault, Faults};
use super::feedback::Feedback;
use super::id::{CallId, PeerId};
use super::keep_alive::Pace;
use super::log::{Kind, Record};
use super::memory::Memory;
use super::session::Session;
use super::settings::Settings;
use super::status::{CallStatus, SessionStatus};
use super::timer::{Timer, Timers};

pub(super) struct Context {
    /// The time of the event at hand.
    pub now: Instant,
    pub clock: WallClock,
    pub settings: Arc<Settings>,
    pub timers: Timers,
    pub session: Session,
    pub pace: Pace,
    pub faults: Faults,
    pub counters: Counters,
    pub feedback: Feedback,
    pub do_not_disturb: DoNotDisturbStatus,
    pub door: Door,
    pub memory: Memory,
    entropy: Entropy,
    fresh: Vec<Command>,
}

impl Context {
    pub fn new(settings: Settings, entropy: Entropy, now: Instant) -> Self {
        Self {
            now,
            clock: WallClock::default(),
            settings: Arc::new(settings),
            timers: Timers::default(),
            session: Session::default(),
            pace: Pace::default(),
            faults: Faults::default(),
            counters: Counters::default(),
            feedback: Feedback::default(),
            do_not_disturb: DoNotDisturbStatus::default(),
            door: Door::default(),
            memory: Memory::default(),
            entropy,
            fresh: Vec::new(),
        }
    }

    pub fn emit(&mut self, command: Command) {
        self.fresh.push(command);
    }

    /// The commands since the last call, in order.
    pub fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.fresh)
    }

    pub fn tell_session(&mut self, command: SessionCommand) {
        self.emit(Command::Session(command));
    }

    /// Sends a message; only where the session is known to be registered.
    pub fn send(&mut self, call_id: CallId, body: Body) {
        self.tell_session(SessionCommand::Send(Message { call_id, body }));
    }

    pub fn media(&mut self, peer: PeerId, command: MediaCommand) {
        self.emit(Command::Media { peer, command });
    }

    pub fn audio(&mut self, command: AudioCommand) {
        self.emit(Command::Audio(command));
    }

    pub fn log(&mut self, kind: Kind, text: impl Into<String>) {
        self.emit(Command::Log(Record { kind, text: text.into() }));
    }

    pub fn step(&mut self, step: &'static str, call_id: &CallId, text: impl Into<String>) {
        self.log(Kind::Step { step, call_id: call_id.clone() }, text);
    }

    pub fn call_state(&mut self, status: CallStatus, call_id: &CallId, text: impl Into<String>) {
        let state = match status {
            CallStatus::Idle => "idle",
            CallStatus::Outgoing => "outgoing",
            CallStatus::Ringing => "ringing",
            CallStatus::Incoming => "incoming",
            CallStatus::Connecting => "connecting",
            CallStatus::InCall => "in-call",
            CallStatus::Releasing => "releasing",
        };
        self.log(Kind::Call { state, call_id: call_id.clone() }, text);
    }

    /// Something came that does not fit: counted and logged, otherwise nothing.
    pub fn ignored(&mut self, counter: &'static str, text: impl Into<String>) {
        self.odd(Kind::Ignored { counter }, counter, text);
    }

    /// Counts every one, but logs at most one a second by counter: who floods
    /// the box must not push out of the log what matters.
    pub fn odd(&mut self, kind: Kind, counter: &'static str, text: impl Into<String>) {
        self.counters.count(counter);
        if self.counters.log_is_due(counter, self.now) {
            self.log(kind, text);
        }
    }

    /// Sets a timer. A time beyond what the clock can hold means never.
    pub fn after(&mut self, timer: Timer, wait: Duration) {
        match self.now.checked_add(wait) {
            Some(at) => self.timers.set(timer, at),
            None => self.timers.stop(&timer),
        }
    }

    /// Moves a timer to this wait from now unless it is due sooner.
    pub fn hasten(&mut self, timer: Timer, wait: Duration) {
        if let Some(at) = self.now.checked_add(wait)
            && self.timers.at(&timer).is_none_or(|due| at < due)
        {
            self.timers.set(timer, at);
        }
    }

    pub fn raise(&mut self, fault: Fault, detail: impl Into<String>) {
        let detail = detail.into();
        if self.faults.raise(fault, detail.clone()) {
            self.log(Kind::FaultRaised { fault }, detail);
        }
    }

    pub fn clear(&mut self, fault: Fault) {
        if let Some(detail) = self.faults.clear(fault) {
            self.log(Kind::FaultCleared { fault }, format!("over: {detail}"));
        }
    }

    /// Changes what must outlive a restart, and has it kept if it did change.
    pub fn remember(&mut self, change: impl FnOnce(&mut Memory)) {
        let mut memory = self.memory.clone();
        change(&mut memory);
        if memory != self.memory {
            self.memory = memory.clone();
            self.emit(Command::Remember(memory));
        }
    }

    pub fn registered(&self) -> bool {
        match self.session.status() {
            SessionStatus::Registered => true,
            SessionStatus::Offline | SessionStatus::Connecting => false,
        }
    }

    /// A random time from zero up to `limit`, evenly spread.
    pub fn random_up_to(&mut self, limit: Duration) -> Duration {
        // The upper 53 bits are what a double holds exactly.
        let unit = ((self.entropy)() >> 11) as f64 / (1u64 << 53) as f64;
        limit.mul_f64(unit)
    }

    /// A random UUID in lower-case text form (RFC 9562 section 5.4, version 4).
    pub fn new_call_id(&mut self) -> CallId {
        let high = ((self.entropy)() & !0xf000) | 0x4000;
        let low = ((self.entropy)() & !(0b11 << 62)) | (0b10 << 62);
        CallId(format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        ))
    }
}

#[cfg(test)]
impl Context {
    /// One without buttons, lamps and contacts, whose chance is always zero.
    pub fn quiet() -> Self {
        use std::collections::BTreeMap;

        use super::door::settings::DoorSettings;
        use super::input::HookSettings;
        use super::settings::{
            BackoffSettings, CallSettings, IncomingSettings, Mode, SessionSettings, Settings,
        };
        let settings = Settings {
            mode: Mode::Pipe,
            contacts: BTreeMap::new(),
            buttons: BTreeMap::new(),
            leds: BTreeMap::new(),
            inputs: BTreeMap::new(),
            hook: HookSettings::default(),
            outputs: BTreeMap::new(),
            door: DoorSettings::default(),
            incoming: IncomingSettings::default(),
            call: CallSettings::default(),
            backoff: BackoffSettings::default(),
            session: SessionSettings::default(),
        };
        Self::new(settings, Box::new(|| 0), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_hastened_and_never_put_off() {
        let mut cx = Context::quiet();
        let in_secs = |cx: &Context| cx.timers.at(&Timer::Reconnect).map(|at| at - cx.now);
        cx.hasten(Timer::Reconnect, Duration::from_secs(9));
        assert_eq!(in_secs(&cx), Some(Duration::from_secs(9)));
        cx.hasten(Timer::Reconnect, Duration::from_secs(5));
        cx.hasten(Timer::Reconnect, Duration::from_secs(7));
        assert_eq!(in_secs(&cx), Some(Duration::from_secs(5)));
        cx.hasten(Timer::Reconnect, Duration::MAX);
        assert_eq!(in_secs(&cx), Some(Duration::from_secs(5)));
        cx.after(Timer::Reconnect, Duration::MAX);
        assert_eq!(in_secs(&cx), None, "never");
    }

    #[test]
    fn a_fault_is_logged_when_it_begins_and_when_it_ends() {
        let mut cx = Context::quiet();
        cx.clear(Fault::LineLost);
        cx.raise(Fault::LineLost, "a line");
        cx.raise(Fault::LineLost, "two lines");
        cx.clear(Fault::LineLost);
        let texts = cx.take_commands().into_iter().map(|command| match command {
            Command::Log(record) => record.text,
            other => panic!("{other:?}"),
        });
        assert_eq!(texts.collect::<Vec<_>>(), ["a line", "over: two lines"]);
    }

    #[test]
    fn chance_is_spread_over_the_whole_range() {
        for (drawn, millis) in [(0, 0), (u64::MAX / 4, 250), (u64::MAX / 2, 500), (u64::MAX, 1000)] {
            let mut cx = Context::quiet();
            cx.entropy = Box::new(move || drawn);
            let time = cx.random_up_to(Duration::from_secs(1));
            assert_eq!((time.as_secs_f64() * 1000.0).round() as u64, millis);
        }
    }
}
