//! The real appliance, and the same with one bug planted between it and the
//! world: the simulator must find each of them.

use std::time::{Duration, Instant};

use callbox::appliance::Appliance;
use callbox::appliance::action::Action;
use callbox::appliance::command::{AudioCommand, Command, LineCommand, MediaCommand, SessionCommand};
use callbox::appliance::event::{
    Body, CloseReason, Closed, Event, LineEvent, MediaEvent, Message, SessionEvent, SystemEvent,
};
use callbox::appliance::id::{PeerId, RequestId};
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::Settings;
use callbox::appliance::status::{CallStatus, Status};
use callbox::appliance::timer::Timer;

use super::bug::Bug;
use super::chance::Chance;
use super::house;

/// A request that the world did not make.
const NOBODYS: RequestId = RequestId(u64::MAX);

pub struct Device {
    appliance: Appliance,
    bug: Option<Bug>,
    /// How often the planted bug could have struck.
    chances: u64,
    extra: Option<Command>,
    hang_up: bool,
    /// A deadline that the planted bug changed.
    spoilt: Option<(Instant, Timer)>,
}

impl Device {
    pub fn new(mut settings: Settings, seed: u64, now: Instant, bug: Option<Bug>) -> Self {
        match bug {
            // Without its memory of the refusal the box would wait so long.
            Some(Bug::HammersTokenServer) => settings.backoff.ceiling = Duration::from_secs(5),
            Some(Bug::Oversleeps) => settings.backoff.ceiling = Duration::from_secs(600),
            Some(Bug::DeafToStuckButton) => {
                let never = Duration::from_secs(86_400 * 365);
                settings.buttons.values_mut().for_each(|button| button.stuck_after = never);
            }
            Some(_) | None => {}
        }
        let mut chance = Chance::new(seed, 4);
        let appliance = Appliance::new(settings, Box::new(move || chance.next()), now);
        Self { appliance, bug, chances: 0, extra: None, hang_up: false, spoilt: None }
    }

    fn every(&mut self, n: u64) -> bool {
        self.chances += 1;
        self.chances.is_multiple_of(n)
    }

    pub fn event(&mut self, event: Event, now: Instant) {
        let Some(event) = (if self.bug.is_some() { self.heard(event) } else { Some(event) }) else { return };
        self.appliance.handle_event(event, now);
        if std::mem::take(&mut self.hang_up) {
            let request = NOBODYS;
            self.appliance.handle_event(Event::Control { request, action: Action::HangUp }, now);
        }
    }

    /// What the planted bug leaves of an event.
    fn heard(&mut self, event: Event) -> Option<Event> {
        match (self.bug?, &event) {
            (Bug::AnyDigitWillDo, Event::Media { peer, event: MediaEvent::Digit(_) }) => {
                return Some(Event::Media { peer: *peer, event: MediaEvent::Digit(house::ACCEPTS) });
            }
            (Bug::DeafToInterruption, Event::Media { event: MediaEvent::Interrupted, .. }) => return None,
            (Bug::HammersTokenServer, Event::Session(SessionEvent::Closed(closed)))
                if closed.reason == CloseReason::TokenRefused =>
            {
                let reason = CloseReason::TokenUnavailable;
                let closed = Closed { reason, detail: closed.detail.clone() };
                return Some(Event::Session(SessionEvent::Closed(closed)));
            }
            (Bug::DeafToEnd, Event::Session(SessionEvent::Closed(_))) => {
                self.chances += 1;
                return (self.chances < 10).then_some(event);
            }
            (Bug::DeafToCore, Event::Session(SessionEvent::Closed(_))) => self.chances += 1,
            (Bug::DeafToCore, Event::Session(_)) if self.chances >= 10 => return None,
            (Bug::OfferWhileOffline, Event::Session(SessionEvent::Closed(_))) => {
                let body = Body::Offer { sdp: "offer of peer 0".to_owned(), msisdn: None };
                let message = Message { call_id: "stale".into(), body };
                self.extra = Some(Command::Session(SessionCommand::Send(message)));
            }
            (Bug::IgnoresHangUp, Event::Control { request, action: Action::HangUp }) => {
                self.extra = Some(Command::Reply { request: *request, result: Ok(()) });
                return None;
            }
            (Bug::GlowsWhenOff, Event::System(SystemEvent::Shutdown)) => self.chances = 1,
            (Bug::DeafToClock, Event::System(SystemEvent::Clock(_))) => return None,
            (Bug::ClockHangsUp, Event::System(SystemEvent::Clock(_))) => self.hang_up = true,
            (Bug::HammersWithPings, Event::Session(SessionEvent::Closed(closed)))
                if closed.reason == CloseReason::TooManyPings =>
            {
                let closed = Closed { reason: CloseReason::Lost, detail: closed.detail.clone() };
                return Some(Event::Session(SessionEvent::Closed(closed)));
            }
            (Bug::DeafButton, Event::Line(LineEvent::Pressed(_))) => {
                return (!self.every(10)).then_some(event);
            }
            (Bug::Panics, _) => assert!(!self.every(100), "a planted panic"),
            _ => {}
        }
        Some(event)
    }

    pub fn timeout(&mut self, now: Instant) {
        match self.bug {
            Some(Bug::LeakedTimer) if self.spoilt.take_if(|(at, _)| *at <= now).is_some() => {}
            Some(Bug::MissedDeadline) => {
                if !self.every(50) {
                    self.appliance.handle_timeout(now);
                }
            }
            Some(Bug::RestlessTimer | Bug::NoTimer) => {
                self.chances += 1;
                self.spoilt = Some((now + Duration::from_millis(1), Timer::PeerRefresh));
                self.appliance.handle_timeout(now);
            }
            Some(_) | None => self.appliance.handle_timeout(now),
        }
    }

    /// A deadline that leaks is remembered when it is set.
    fn spoil_deadline(&mut self) {
        if self.bug == Some(Bug::LeakedTimer)
            && let Some((at, timer @ Timer::RingTimeout(_))) = self.appliance.poll_timeout()
        {
            self.spoilt.get_or_insert((at, timer));
        }
    }

    pub fn command(&mut self) -> Option<Command> {
        loop {
            let Some(command) = self.appliance.poll_command() else {
                self.spoil_deadline();
                return self.extra.take();
            };
            if self.bug.is_none() {
                return Some(command);
            }
            if let Some(command) = self.told(command) {
                return Some(command);
            }
        }
    }

    /// What the planted bug leaves of a command.
    fn told(&mut self, mut command: Command) -> Option<Command> {
        let bug = self.bug?;
        let lost = match (bug, &mut command) {
            (Bug::DroppedClose, Command::Media { command: MediaCommand::Close, .. }) => self.every(10),
            (Bug::ClosesTwice, Command::Media { command: MediaCommand::Close, .. }) => {
                if self.every(10) {
                    self.extra = Some(command.clone());
                }
                false
            }
            (Bug::PeerNameAgain, Command::Media { peer, command: MediaCommand::Prepare }) => {
                if self.every(4) {
                    *peer = PeerId(1);
                }
                false
            }
            (Bug::ForgottenLamp, Command::Line(LineCommand::Led { .. })) => self.every(20),
            (Bug::GlowsWhenOff, Command::Line(LineCommand::Led { .. })) => self.chances == 1,
            (
                Bug::DarkLamp | Bug::LyingLamp | Bug::LastingTrouble,
                Command::Line(LineCommand::Led { led, pattern }),
            ) => {
                self.chances += u64::from(led.as_str() == "calling" && *pattern == Pattern::DoubleFlash);
                *pattern = self.lie(led.as_str(), *pattern);
                false
            }
            (Bug::ClockHangsUp, Command::Reply { request, .. }) => *request == NOBODYS,
            (Bug::NoReply, Command::Reply { .. }) => self.every(5),
            (Bug::EndlessTone, Command::Audio(AudioCommand::Tone(None))) => self.every(10),
            (Bug::MuteStays, Command::Audio(AudioCommand::Mute(false))) => true,
            (Bug::OpenMicrophone, Command::Audio(AudioCommand::Connect(peers))) => {
                peers.is_empty() && self.every(10)
            }
            (Bug::StrikeOnAnswer, Command::Audio(AudioCommand::Connect(peers))) if !peers.is_empty() => {
                let on = LineCommand::Output { output: "strike".into(), on: true, longest: None };
                self.extra = Some(Command::Line(on));
                false
            }
            (Bug::SecondCall, Command::Session(SessionCommand::Send(message))) => {
                if matches!(message.body, Body::Offer { .. }) && self.every(5) {
                    let body = Body::Offer { sdp: "offer of peer 1000000".to_owned(), msisdn: None };
                    let message = Message { call_id: "second".into(), body };
                    self.extra = Some(Command::Session(SessionCommand::Send(message)));
                }
                false
            }
            (Bug::LostOffers, Command::Session(SessionCommand::Send(message))) => {
                matches!(message.body, Body::Offer { .. }) && {
                    self.chances += 1;
                    self.chances >= 20
                }
            }
            (Bug::TwoConnects, Command::Session(SessionCommand::Connect { .. })) => {
                if self.every(5) {
                    self.extra = Some(command.clone());
                }
                false
            }
            (Bug::NeverExits, Command::Exit)
            | (Bug::SlowPings, Command::Session(SessionCommand::KeepAlive(_))) => true,
            _ => false,
        };
        (!lost).then_some(command)
    }

    fn due(&self) -> Option<(Instant, Timer)> {
        let due = self.appliance.poll_timeout();
        match (self.bug, &self.spoilt) {
            (Some(Bug::NoTimer), _) if self.chances > 100 => None,
            (Some(Bug::LeakedTimer), Some(leaked)) => due.into_iter().chain([leaked.clone()]).min(),
            (Some(Bug::RestlessTimer), Some(soon)) if self.chances > 50 => {
                due.into_iter().chain([soon.clone()]).min()
            }
            (Some(_) | None, _) => due,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.due().map(|(at, _)| at)
    }

    pub fn timer(&self) -> Option<Timer> {
        self.due().map(|(_, timer)| timer)
    }

    pub fn status(&self) -> Status {
        let mut status = self.appliance.status();
        match self.bug {
            Some(Bug::CallWithoutId) if status.call == CallStatus::InCall => status.call_id = None,
            Some(Bug::DarkLamp | Bug::LyingLamp | Bug::LastingTrouble) => {
                for (led, pattern) in &mut status.leds {
                    *pattern = self.lie(led.as_str(), *pattern);
                }
            }
            Some(_) | None => {}
        }
        status
    }

    /// What a lamp shows instead.
    fn lie(&self, lamp: &str, pattern: Pattern) -> Pattern {
        match (self.bug, lamp) {
            (Some(Bug::DarkLamp), "answered") => Pattern::Off,
            (Some(Bug::LyingLamp), "online") => Pattern::On,
            (Some(Bug::LastingTrouble), "calling" | "status" | "fault") if self.chances > 0 => {
                Pattern::DoubleFlash
            }
            _ => pattern,
        }
    }
}
