//! The way to the core: the session shell as the box sees it, the token
//! server, and what networks do to streams.
//!
//! As the real shell does, this one reports exactly one `Closed` for each
//! `Connect`, and nothing of an older stream. The core has no such luck: what
//! an old stream carried may reach it after the new one has registered.

use std::time::Duration;

use callbox::appliance::command::SessionCommand;
use callbox::appliance::event::{CloseReason, Closed, Event, Message, SessionEvent};
use callbox::appliance::settings::KeepAlive;

use super::chance::Chance;
use super::plan::Trouble;
use super::{Happening, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Closed,
    /// `Connect` was obeyed, `Sent` is not reported yet.
    Opening,
    Open,
}

pub struct Network {
    /// Counts the streams; the last one is the one that may live.
    pub stream: u64,
    pub phase: Phase,
    /// No header before the first message.
    late_headers: bool,
    /// A token is at hand, and the core would take it.
    token: Token,
    /// When the request is at the core; none if it never gets there.
    arrives: Option<Duration>,
    last_to_box: Duration,
    last_to_core: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    None,
    Stale,
    Good,
}

impl Network {
    pub fn new(chance: &mut Chance) -> Self {
        Self {
            stream: 0,
            phase: Phase::Closed,
            late_headers: chance.percent(30),
            token: Token::None,
            arrives: None,
            last_to_box: Duration::ZERO,
            last_to_core: Duration::ZERO,
        }
    }
}

impl World<'_> {
    pub fn session_obeys(&mut self, command: SessionCommand) {
        match command {
            SessionCommand::Connect { renew_token } => self.connect(renew_token),
            SessionCommand::Send(message) => self.send_to_core(message),
            SessionCommand::KeepAlive(_) => {}
            SessionCommand::Close => {
                let wait = self.chance.ms(0, 50);
                self.close(CloseReason::Requested, wait);
            }
        }
    }

    fn latency(&mut self) -> Duration {
        if self.odd(2) { self.chance.ms(200, 4000) } else { self.chance.ms(10, 80) }
    }

    fn connect(&mut self, renew: bool) {
        self.net.stream += 1;
        self.net.phase = Phase::Opening;
        self.net.arrives = None;
        self.net.last_to_box = self.now;
        self.net.last_to_core = self.now;
        self.count("connects");
        let mut wait = self.latency();
        match self.find_token(renew, wait) {
            Ok(took) => wait += took,
            Err((reason, took)) => return self.close(reason, wait + took),
        }
        let cut = self.troubled(Trouble::Partition) || self.troubled(Trouble::HalfOpen);
        let refusals = [
            (Trouble::NoName, CloseReason::NameNotResolved),
            (Trouble::CoreDown, CloseReason::Unreachable),
            (Trouble::BadCertificate, CloseReason::CertificateRefused),
            (Trouble::StreamsLimited, CloseReason::RateLimited),
            (Trouble::Forbidden, CloseReason::PermissionDenied),
        ];
        if cut {
            // Some attempts end by themselves, some the box must end.
            if self.chance.percent(70) {
                let patience = self.chance.ms(0, 10_000);
                self.close(CloseReason::Unreachable, wait + patience);
            }
            return;
        }
        if self.needs_time && !self.time.known {
            return self.close(CloseReason::CertificateRefused, wait);
        }
        for (trouble, reason) in refusals {
            if self.troubled(trouble) {
                return self.close(reason, wait);
            }
        }
        let stream = self.net.stream;
        self.net.arrives = Some(self.now + wait);
        self.after(wait, Happening::Session(stream, SessionEvent::Sent));
        wait += self.latency();
        if self.troubled(Trouble::TokensRefused) || self.net.token == Token::Stale {
            let slow = if self.odd(20) { self.chance.ms(500, 15_000) } else { Duration::ZERO };
            self.close(CloseReason::Unauthenticated, wait + slow);
        } else {
            self.after(wait, Happening::CoreSees(stream));
        }
    }

    /// The token to show, or why there is none; either way how long it took.
    fn find_token(&mut self, renew: bool, wait: Duration) -> Result<Duration, (CloseReason, Duration)> {
        if self.troubled(Trouble::SecretUnreadable) {
            return Err((CloseReason::SecretUnreadable, Duration::ZERO));
        }
        if self.net.token != Token::None && !renew {
            return Ok(Duration::ZERO);
        }
        let cut = self.troubled(Trouble::Partition) || self.troubled(Trouble::HalfOpen);
        if cut || self.troubled(Trouble::TokenServerDown) {
            let patience = self.chance.ms(0, 10_000);
            return Err((CloseReason::TokenUnavailable, patience));
        }
        self.watch_token_request();
        self.count("token requests");
        if self.troubled(Trouble::SecretRevoked) {
            self.net.token = Token::None;
            return Err((CloseReason::TokenRefused, wait));
        }
        self.net.token = Token::Good;
        Ok(wait)
    }

    /// The stream ends after a while, for the box and for the core.
    pub fn close(&mut self, reason: CloseReason, wait: Duration) {
        let stream = self.net.stream;
        let closed = Closed { reason, detail: format!("{reason:?}") };
        self.after(wait, Happening::Session(stream, SessionEvent::Closed(closed)));
        let later = if self.odd(30) { self.chance.ms(0, 20_000) } else { Duration::ZERO };
        self.after(wait + later, Happening::CoreLoses(stream));
    }

    /// The core, or the way to it, ends the stream, should it get there at all.
    pub fn close_if_open(&mut self, reason: CloseReason, wait: Duration) {
        if self.net.phase != Phase::Closed
            && let Some(arrives) = self.net.arrives
        {
            self.close(reason, wait.max(arrives.saturating_sub(self.now)));
        }
    }

    pub fn session_news(&mut self, stream: u64, event: SessionEvent) {
        if stream != self.net.stream || self.net.phase == Phase::Closed {
            return;
        }
        match &event {
            SessionEvent::Sent => self.net.phase = Phase::Open,
            SessionEvent::Closed(closed) => {
                self.net.phase = Phase::Closed;
                self.watch_close(closed.reason);
                self.count("closes");
            }
            // What comes after the stream's end or before its begin is not delivered.
            SessionEvent::Opened | SessionEvent::Message(_) | SessionEvent::Unknown => {}
        }
        self.tell("core to box", || format!("{event:?}"));
        self.event(Event::Session(event));
    }

    /// The core has accepted a stream.
    pub fn headers(&mut self, stream: u64) {
        if !self.net.late_headers {
            let wait = self.latency();
            self.deliver(stream, SessionEvent::Opened, wait);
        }
    }

    /// A message to the box, sometimes twice, sometimes once more much later.
    pub fn send_to_box(&mut self, message: Message) {
        let Some(stream) = self.core.stream else { return };
        let wait = self.latency();
        if self.odd(4) {
            let again = self.chance.ms(0, 60_000);
            self.count("duplicates");
            self.deliver(stream, SessionEvent::Message(message.clone()), again);
        }
        self.deliver(stream, SessionEvent::Message(message), wait);
    }

    fn deliver(&mut self, stream: u64, event: SessionEvent, wait: Duration) {
        if self.troubled(Trouble::HalfOpen) {
            return;
        }
        let mut at = self.now + wait;
        if let Some(until) = self.troubles.get(&Trouble::Partition).filter(|until| **until > self.now) {
            at = *until + wait;
        }
        if wait < Duration::from_secs(5) {
            at = at.max(self.net.last_to_box);
            self.net.last_to_box = at;
        }
        self.at(at, Happening::Session(stream, event));
    }

    fn send_to_core(&mut self, message: Message) {
        let wait = self.latency();
        let mut at = self.now + wait;
        if let Some(until) = self.troubles.get(&Trouble::Partition).filter(|until| **until > self.now) {
            at = *until + wait;
        }
        at = at.max(self.net.last_to_core);
        self.net.last_to_core = at;
        self.at(at, Happening::ToCore(self.net.stream, message));
    }

    /// Keep-alive finds a dead connection if it stays dead for long enough.
    pub fn cut(&mut self, lasts: Duration) {
        // The box notices sooner in a call.
        let KeepAlive { every, timeout } = self.time.pace;
        let found = timeout + every.mul_f64(self.chance.below(100) as f64 / 100.0);
        if lasts > found {
            self.close_if_open(CloseReason::Lost, found);
        }
    }

    pub fn token_dies(&mut self) {
        if self.net.token == Token::Good {
            self.net.token = Token::Stale;
        }
        let wait = self.latency();
        self.close_if_open(CloseReason::Unauthenticated, wait);
    }
}
