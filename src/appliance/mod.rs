//! The appliance: everything that decides, and nothing else.
//!
//! Pure: no clock, no I/O, no threads. Events and the time go in, commands
//! and the next deadline come out, so a week of a thousand boxes runs in
//! seconds in a test.
//!
//! The session (`session.rs`), the calls (`phone.rs`, `call.rs` and its steps),
//! the peer connection that stands ready (`peers.rs`) and the buttons
//! (`button.rs`) are state machines of their own; this file hands events and
//! deadlines to them.

pub mod acknowledge;
pub mod action;
mod adoption;
mod button;
mod call;
mod call_time;
mod calls;
mod cause;
mod chatter;
pub mod check_call;
mod clock;
pub mod command;
mod context;
mod counters;
mod dial;
pub mod do_not_disturb;
pub mod door;
mod elsewhere;
mod ending;
pub mod event;
pub mod fault;
mod feedback;
mod hearing;
mod hunt;
pub mod id;
mod incoming;
pub mod indicator;
pub mod input;
mod keep_alive;
mod kept_press;
mod late_bye;
mod left_over;
pub mod log;
pub mod memory;
mod message;
mod outgoing;
pub mod output;
mod peers;
mod person;
mod phone;
mod push_to_talk;
pub mod self_test;
mod session;
pub mod settings;
pub mod statistics;
pub mod status;
mod talking;
pub mod timer;
pub mod tone;
pub mod update;
pub mod volume;
mod waiting;
pub mod wall_clock;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use button::Buttons;
use call::Call;
use cause::Cause;
use command::{Command, LineCommand, Refusal};
use context::Context;
use event::{Event, LineEvent, SystemEvent};
use id::{LedName, RequestId};
use indicator::{Pattern, View};
use input::Inputs;
use kept_press::KeptPress;
use log::Kind;
use output::{Outputs, Scene};
use phone::{By, Phone};
use settings::Settings;
use status::{CallStatus, Status};
use timer::Timer;

/// A source of random 64-bit numbers; injected, as the time is.
pub type Entropy = Box<dyn FnMut() -> u64 + Send>;

/// Shells get this long to say that they have let go.
const EXIT: Duration = Duration::from_millis(500);

/// The box's behaviour as one state machine.
///
/// After every `handle_*`, drain [`Appliance::poll_command`] fully, then sleep
/// until [`Appliance::poll_timeout`].
pub struct Appliance {
    cx: Context,
    phone: Phone,
    buttons: Buttons,
    inputs: Inputs,
    outputs: Outputs,
    shown: BTreeMap<LedName, Pattern>,
    /// As the audio shell last told.
    microphone: bool,
    life: Life,
    kept: Option<KeptPress>,
    commands: VecDeque<Command>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    /// Everything is told to let go; `Timer::Exit` bounds the wait.
    Stopping,
    Stopped,
}

impl Appliance {
    /// A box that has just been switched on. Its first commands (connect,
    /// prepare a peer connection, lamps) are ready to be polled.
    pub fn new(settings: Settings, entropy: Entropy, now: Instant) -> Self {
        let buttons = Buttons::new(settings.buttons.keys().cloned());
        let inputs = Inputs::new(&settings.inputs);
        let mut appliance = Self {
            cx: Context::new(settings, entropy, now),
            phone: Phone::new(),
            buttons,
            inputs,
            outputs: Outputs::default(),
            shown: BTreeMap::new(),
            microphone: false,
            life: Life::Running,
            kept: None,
            commands: VecDeque::new(),
        };
        do_not_disturb::now(&mut appliance.cx);
        session::start(&mut appliance.cx);
        appliance.phone.peers.prepare(&mut appliance.cx);
        appliance.phone.check.start(&mut appliance.cx);
        appliance.phone.start_sound(&mut appliance.cx);
        appliance.flush();
        appliance
    }

    /// Takes note of something that happened.
    pub fn handle_event(&mut self, event: Event, now: Instant) {
        self.cx.now = now;
        match self.life {
            Life::Running => self.obey(event),
            Life::Stopping | Life::Stopped => self.wind_down(event),
        }
        self.flush();
    }

    /// Acts on every deadline that `now` has reached.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.cx.now = now;
        while let Some(timer) = self.cx.timers.take_due(now) {
            self.timeout(timer);
            self.flush();
        }
    }

    /// The next command for the shells, in order.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When to call [`Appliance::handle_timeout`] next, and for which timer.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        self.cx.timers.next()
    }

    /// A snapshot for people and programs.
    pub fn status(&self) -> Status {
        let present = self.phone.calls.present().map(|call| &call.leg);
        Status {
            session: self.cx.session.status(),
            session_detail: self.cx.session.detail().to_owned(),
            call: self.phone.status(),
            peer: present.and_then(|leg| leg.number.clone()),
            call_id: present.map(|leg| leg.id.clone()),
            calls: self.phone.calls.all().map(Call::entry).collect(),
            muted: self.phone.muted,
            talk_allowed: self.phone.talk_allowed(),
            volume: self.phone.volume.percent(),
            self_test: self.phone.self_test.status(),
            busy_elsewhere: self.phone.elsewhere.busy(),
            do_not_disturb: self.cx.do_not_disturb,
            check_call: self.cx.settings.call.check.as_ref().map(|_| self.phone.check.status()),
            leds: self.shown.clone(),
            outputs: self.outputs.status(),
            inputs: self.inputs.levels(),
            door: door::status(&self.cx),
            faults: self.cx.faults.all(),
            counters: self.cx.counters.all().clone(),
        }
    }

    fn obey(&mut self, event: Event) {
        let cx = &mut self.cx;
        match event {
            Event::Line(LineEvent::Pressed(name)) => {
                let gesture = self.buttons.edge(cx, &name, true);
                self.gesture(&name, gesture);
            }
            Event::Line(LineEvent::Released(name)) => {
                let gesture = self.buttons.edge(cx, &name, false);
                self.gesture(&name, gesture);
            }
            Event::Line(LineEvent::ButtonBounced(name)) => {
                let gesture = self.buttons.bounce(cx, &name);
                self.gesture(&name, gesture);
            }
            Event::Line(LineEvent::InputBounced(input)) => {
                let change = self.inputs.bounce(cx, &input);
                self.input(change);
            }
            Event::Line(LineEvent::Input { input, active }) => {
                let change = self.inputs.edge(cx, &input, active);
                self.input(change);
            }
            Event::Session(event) => {
                let (change, message) = session::handle(cx, event);
                if let Some(change) = change {
                    self.phone.session_changed(cx, change);
                }
                if let Some(message) = message {
                    self.phone.message(cx, message);
                }
                self.look_at_kept_press();
            }
            Event::Media { peer, event } => self.phone.media(cx, peer, event),
            Event::Control { request, action } => {
                let result = self.phone.act(cx, &action, By::Control);
                if let Err(refusal) = &result {
                    cx.log(Kind::Refused, refusal.to_string());
                }
                cx.emit(Command::Reply { request, result });
            }
            Event::System(SystemEvent::FaultRaised { fault, detail }) => cx.raise(fault, detail),
            Event::System(SystemEvent::FaultCleared(fault)) => cx.clear(fault),
            Event::System(SystemEvent::AddressesChanged) => {
                self.phone.peers.renew(cx);
                session::addresses_changed(cx);
            }
            Event::System(SystemEvent::Clock(clock)) => {
                session::clock_set(cx, clock);
                do_not_disturb::now(cx);
                self.phone.check.clock_set(cx);
            }
            Event::System(SystemEvent::SelfTest(report)) => self.phone.self_test.answer(cx, report),
            Event::System(SystemEvent::Microphone(live)) => self.microphone = live,
            Event::System(SystemEvent::Remembered(memory)) => {
                self.phone.left_over(memory.calls.clone());
                door::remembered(cx, memory);
                self.phone.volume.remembered(cx);
            }
            Event::System(SystemEvent::Shutdown) => self.shut_down(),
        }
    }

    fn timeout(&mut self, timer: Timer) {
        let cx = &mut self.cx;
        match timer {
            Timer::Reconnect => session::reconnect(cx),
            Timer::Connecting => session::connecting_too_long(cx),
            Timer::Registration => {
                if let Some(change) = session::registration_due(cx) {
                    self.phone.session_changed(cx, change);
                }
                self.look_at_kept_press();
            }
            Timer::Healthy => session::healthy(cx),
            Timer::KeepAliveFaster => keep_alive::faster(cx),
            Timer::PeerRefresh
            | Timer::PeerRetry
            | Timer::PeerWait(_)
            | Timer::OfferRetry(_)
            | Timer::OfferPause
            | Timer::RingTimeout(_)
            | Timer::MediaTimeout(_)
            | Timer::MediaLost(_)
            | Timer::NoMedia(_)
            | Timer::CallEnding(_)
            | Timer::CallTooLong(_)
            | Timer::LateBye
            | Timer::CheckCall
            | Timer::CheckSilent(_)
            | Timer::Adoption(_)
            | Timer::CheckOverdue
            | Timer::SelfTest
            | Timer::TalkTooLong
            | Timer::Acknowledge(_)
            | Timer::Releasing(_) => self.phone.timeout(cx, &timer),
            Timer::KeptPress => self.kept_for_nothing(),
            Timer::ToneEnd => feedback::tone_ended(cx),
            // The timer itself is what lamps show; `flush` sees that it is gone.
            Timer::Notice => {}
            Timer::DoNotDisturb => {
                do_not_disturb::now(cx);
            }
            Timer::Exit => self.exit(),
            Timer::Debounce(name) => {
                let gesture = self.buttons.debounced(cx, &name);
                self.gesture(&name, gesture);
            }
            Timer::Hold(name) => {
                let gesture = self.buttons.held(&name);
                self.gesture(&name, gesture);
            }
            Timer::DoublePress(name) => {
                let gesture = self.buttons.no_second_press(&name);
                self.gesture(&name, gesture);
            }
            Timer::Stuck(name) => {
                let gesture = self.buttons.stuck(&name);
                self.gesture(&name, gesture);
            }
            Timer::Calm(name) => {
                let gesture = self.buttons.calm(cx, &name);
                self.gesture(&name, gesture);
            }
            Timer::InputSettled(name) => {
                let change = self.inputs.settled(cx, &name);
                self.input(change);
            }
            Timer::InputCalm(name) => {
                let change = self.inputs.calm(cx, &name);
                self.input(change);
            }
            Timer::InputStuck(name) => {
                self.inputs.stuck(&name);
                self.input(None);
            }
            Timer::DoorEntry(call) => door::entry_over(cx, call),
            Timer::DoorLocked => door::lock_out_over(cx),
            Timer::DoorForget => door::forget_wrong_codes(cx),
            Timer::DoorHeld => door::held_open(cx),
            Timer::StrikeOff(name) => door::strike_off(cx, &name),
            // `flush` looks at what is due.
            Timer::OutputLimit(_) | Timer::AmplifierOff => {}
        }
    }

    fn shut_down(&mut self) {
        let cx = &mut self.cx;
        self.life = Life::Stopping;
        self.kept = None;
        self.phone.end_all(cx, Cause::ShuttingDown, |_| true);
        self.phone.peers.shut_down(cx);
        session::shut_down(cx);
        feedback::silence(cx);
        self.outputs.all_off(cx);
        self.phone.self_test.give_way(cx);
        cx.timers.clear();
        cx.after(Timer::Exit, EXIT);
        self.exit_when_done();
    }

    /// While stopping only the shells' last words matter; whoever asks for
    /// something still gets an answer.
    fn wind_down(&mut self, event: Event) {
        let cx = &mut self.cx;
        match event {
            Event::Session(event) => {
                session::handle(cx, event);
            }
            Event::Media { peer, event } => self.phone.media(cx, peer, event),
            Event::Control { request, action: _ } => self.refuse(request),
            Event::Line(_) | Event::System(_) => {}
        }
        self.exit_when_done();
    }

    fn refuse(&mut self, request: RequestId) {
        self.cx.emit(Command::Reply { request, result: Err(Refusal::ShuttingDown) });
    }

    fn exit_when_done(&mut self) {
        if self.cx.session.ended() && self.phone.peers.all_closed() {
            self.exit();
        }
    }

    fn exit(&mut self) {
        if self.life == Life::Stopping {
            self.life = Life::Stopped;
            self.cx.timers.clear();
            self.cx.emit(Command::Exit);
        }
    }

    /// Makes the commands of one event ready to be polled, changed lamps
    /// first: a person sees before the network does.
    fn flush(&mut self) {
        let view = View {
            session: self.cx.session.status(),
            call: self.phone.status(),
            rings: self.phone.rings(),
            busy_elsewhere: self.phone.elsewhere.busy(),
            talk_allowed: self.phone.talk_allowed(),
            fault: self.cx.faults.any(),
            trouble: self.cx.timers.is_set(&Timer::Notice),
            felt: feedback::is_felt(&self.cx),
            microphone: self.microphone,
            door_open: door::is_open(&self.cx),
            door_alarm: door::is_alarming(&self.cx),
        };
        for (led, function) in &self.cx.settings.leds {
            let pattern = match self.life {
                Life::Running => indicator::pattern(*function, &view),
                Life::Stopping | Life::Stopped => Pattern::Off,
            };
            if self.shown.get(led) != Some(&pattern) {
                self.shown.insert(led.clone(), pattern);
                self.commands.push_back(Command::Line(LineCommand::Led { led: led.clone(), pattern }));
            }
        }
        let scene = Scene {
            call: view.call,
            rings: self.phone.rings_aloud(),
            sound: view.call != CallStatus::Idle || feedback::is_sounding(&self.cx),
        };
        if self.life == Life::Running {
            door::follow_calls(&mut self.cx, &self.phone);
        }
        let scene = (self.life == Life::Running).then_some(&scene);
        self.commands.extend(self.outputs.follow(&mut self.cx, scene));
        if self.life == Life::Running {
            keep_alive::follow(&mut self.cx, view.call != CallStatus::Idle);
        }
        self.commands.extend(self.cx.take_commands());
    }
}

#[cfg(test)]
mod tests {
    use super::Appliance;

    #[test]
    fn the_driver_may_run_it_on_any_thread() {
        fn is_send<T: Send>() {}
        is_send::<Appliance>();
    }
}
