//! The real appliance, and the same with one bug planted between it and the
//! world: the simulator must find each of them.

use std::time::Instant;

use callbox::appliance::Appliance;
use callbox::appliance::command::{AudioCommand, Command, LineCommand, MediaCommand, SessionCommand};
use callbox::appliance::event::{Body, Event, Message, SessionEvent};
use callbox::appliance::settings::Settings;
use callbox::appliance::status::Status;
use callbox::appliance::timer::Timer;

use super::chance::Chance;

/// A bug planted by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Every tenth Close of a peer connection is forgotten.
    DroppedClose,
    /// Every twentieth lamp command is forgotten.
    ForgottenLamp,
    /// Every fifth Connect is sent twice.
    TwoConnects,
    /// Every fifth request is not answered.
    NoReply,
    /// An Offer goes out the moment the stream is lost.
    OfferWhileOffline,
    /// Every tenth tone is forgotten.
    SilentPress,
    /// The microphone stays connected when a call ends.
    OpenMicrophone,
    /// From the tenth stream on, nothing but its end is noticed.
    DeafToCore,
    /// An interruption of media is not noticed.
    DeafToInterruption,
    /// Refused credentials are tried again after seconds.
    HammersTokenServer,
}

impl Bug {
    pub const ALL: [Bug; 10] = [
        Bug::DroppedClose,
        Bug::ForgottenLamp,
        Bug::TwoConnects,
        Bug::NoReply,
        Bug::OfferWhileOffline,
        Bug::SilentPress,
        Bug::OpenMicrophone,
        Bug::DeafToCore,
        Bug::DeafToInterruption,
        Bug::HammersTokenServer,
    ];
}

pub struct Device {
    appliance: Appliance,
    bug: Option<Bug>,
    /// How often the planted bug could have struck.
    chances: u64,
    extra: Option<Command>,
}

impl Device {
    pub fn new(mut settings: Settings, seed: u64, now: Instant, bug: Option<Bug>) -> Self {
        if bug == Some(Bug::HammersTokenServer) {
            // Without its memory of the refusal the box would wait so long.
            settings.backoff.ceiling = std::time::Duration::from_secs(5);
        }
        let mut chance = Chance::new(seed, 4);
        let appliance = Appliance::new(settings, Box::new(move || chance.next()), now);
        Self { appliance, bug, chances: 0, extra: None }
    }

    fn every(&mut self, n: u64) -> bool {
        self.chances += 1;
        self.chances.is_multiple_of(n)
    }

    pub fn event(&mut self, event: Event, now: Instant) {
        use callbox::appliance::event::{CloseReason, Closed, MediaEvent};
        let event = match (self.bug, event) {
            (Some(Bug::DeafToInterruption), Event::Media { event: MediaEvent::Interrupted, .. }) => return,
            (Some(Bug::HammersTokenServer), Event::Session(SessionEvent::Closed(closed)))
                if closed.reason == CloseReason::TokenRefused =>
            {
                let reason = CloseReason::TokenUnavailable;
                Event::Session(SessionEvent::Closed(Closed { reason, detail: closed.detail }))
            }
            (Some(Bug::DeafToCore), Event::Session(SessionEvent::Closed(closed))) => {
                self.chances += 1;
                Event::Session(SessionEvent::Closed(closed))
            }
            (Some(Bug::DeafToCore), Event::Session(_)) if self.chances >= 10 => return,
            (_, event) => event,
        };
        let lost = matches!(event, Event::Session(SessionEvent::Closed(_)));
        self.appliance.handle_event(event, now);
        if lost && self.bug == Some(Bug::OfferWhileOffline) {
            let body = Body::Offer { sdp: "offer of peer 0".to_owned(), msisdn: None };
            let message = Message { call_id: "stale".into(), body };
            self.extra = Some(Command::Session(SessionCommand::Send(message)));
        }
    }

    pub fn timeout(&mut self, now: Instant) {
        self.appliance.handle_timeout(now);
    }

    pub fn command(&mut self) -> Option<Command> {
        loop {
            let Some(command) = self.appliance.poll_command() else { return self.extra.take() };
            if !self.spoils(&command) {
                return Some(command);
            }
        }
    }

    /// Whether the planted bug swallows this command.
    fn spoils(&mut self, command: &Command) -> bool {
        match (self.bug, command) {
            (Some(Bug::DroppedClose), Command::Media { command: MediaCommand::Close, .. }) => self.every(10),
            (Some(Bug::ForgottenLamp), Command::Line(LineCommand::Led { .. })) => self.every(20),
            (Some(Bug::NoReply), Command::Reply { .. }) => self.every(5),
            (Some(Bug::SilentPress), Command::Audio(AudioCommand::Tone(Some(_)))) => self.every(10),
            (Some(Bug::OpenMicrophone), Command::Audio(AudioCommand::Connect(peers))) => {
                peers.is_empty() && self.every(10)
            }
            (Some(Bug::TwoConnects), Command::Session(SessionCommand::Connect { .. })) => {
                if self.every(5) {
                    self.extra = Some(command.clone());
                }
                false
            }
            _ => false,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.appliance.poll_timeout().map(|(at, _)| at)
    }

    pub fn timer(&self) -> Option<Timer> {
        self.appliance.poll_timeout().map(|(_, timer)| timer)
    }

    pub fn status(&self) -> Status {
        self.appliance.status()
    }
}
