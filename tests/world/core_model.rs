//! The voice core as the contract describes it, for one terminal: who is
//! registered, which calls there are (with `Pipe` one), and what it says when.

use std::time::Duration;

use callbox::appliance::event::{Body, ErrorCode, Message};
use callbox::appliance::id::CallId;
use callbox::appliance::settings::Mode;

use super::house::{FAMILY, number};
use super::person::Does;
use super::plan::{Stray, Whim};
use super::{Happening, World};

/// A core keeps no more for a terminal that is away.
const UNSAID: usize = 4;

pub struct Core {
    pub mode: Mode,
    pub stream: Option<u64>,
    pub calls: Vec<CoreCall>,
    /// The associated number's call on another terminal.
    pub elsewhere: Option<(u64, CallId)>,
    /// What could not be said for want of a stream, and may be said later.
    unsaid: Vec<Message>,
    serial: u64,
}

#[derive(Clone)]
pub struct CoreCall {
    pub serial: u64,
    pub id: CallId,
    pub from_box: bool,
    pub up: bool,
}

impl Core {
    pub fn new(mode: Mode) -> Self {
        Self { mode, stream: None, calls: Vec::new(), elsewhere: None, unsaid: Vec::new(), serial: 0 }
    }

    pub fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// What the core writes as `call_id`: with `Pipe` it may leave it out.
    pub fn spoken(&self, id: &CallId, omit: bool) -> CallId {
        match self.mode {
            Mode::Pipe if omit => "".into(),
            Mode::Pipe | Mode::MultiPipe => id.clone(),
        }
    }

    pub fn call(&mut self, serial: u64) -> Option<&mut CoreCall> {
        self.calls.iter_mut().find(|call| call.serial == serial)
    }

    /// The call that a message of the box is about: with `Pipe` the one there is.
    fn about(&mut self, id: &CallId) -> Option<&mut CoreCall> {
        let any = self.mode == Mode::Pipe;
        self.calls.iter_mut().find(|call| any || call.id == *id)
    }

    pub fn end(&mut self, serial: u64) {
        self.calls.retain(|call| call.serial != serial);
    }

    /// Takes a call up; with `Pipe` it replaces what there was.
    pub fn begin(&mut self, call: CoreCall) {
        self.calls.retain(|other| self.mode == Mode::MultiPipe && other.id != call.id);
        self.calls.push(call);
    }

    pub fn forget(&mut self) {
        self.calls.clear();
        self.elsewhere = None;
        self.unsaid.clear();
    }
}

impl World<'_> {
    pub fn say(&mut self, id: &CallId, body: Body) {
        let omit = self.chance.percent(50);
        let call_id = self.core.spoken(id, omit);
        let message = Message { call_id, body };
        if self.core.stream.is_none() && self.core.unsaid.len() < UNSAID {
            self.core.unsaid.push(message.clone());
        }
        self.send_to_box(message);
    }

    /// A core that queues for a terminal that was away tells it now, in an
    /// order of its own.
    fn catch_up(&mut self) {
        let mut unsaid = std::mem::take(&mut self.core.unsaid);
        while !unsaid.is_empty() {
            let message = unsaid.swap_remove(self.chance.below(unsaid.len() as u64) as usize);
            if self.odd(50) {
                self.count("late after reconnect");
                self.send_to_box(message);
            }
        }
    }

    pub fn core_sees(&mut self, stream: u64) {
        if stream != self.net.stream || self.net.phase == super::network::Phase::Closed {
            return;
        }
        self.tell("core", || format!("stream {stream} is registered"));
        self.core.stream = Some(stream);
        self.watch_accepted();
        self.count("registrations");
        self.headers(stream);
        if self.core.mode == Mode::Pipe {
            self.first_word();
        }
        self.catch_up();
        // Callers who are still there ring again.
        for call in self.core.calls.clone() {
            if !call.from_box && !call.up {
                self.offer_to_box(&call.id, call.serial, Some(FAMILY));
            }
        }
    }

    /// What a core says at once on a new `Pipe`: whether the number is in a call,
    /// be it one of this box that outlived its stream.
    fn first_word(&mut self) {
        let up = self.core.calls.iter().find(|call| call.up).cloned();
        match (self.core.elsewhere.clone(), up) {
            (Some((_, id)), _) => self.say(&id, Body::InCall { msisdn: Some(number(FAMILY)) }),
            (None, Some(call)) if self.chance.percent(70) => {
                self.say(&call.id, Body::InCall { msisdn: Some(number(FAMILY)) });
            }
            (None, call) => {
                call.into_iter().for_each(|call| self.core.end(call.serial));
                self.send_to_box(Message { call_id: "".into(), body: Body::Idle });
            }
        }
    }

    pub fn core_loses(&mut self, stream: u64) {
        if self.core.stream == Some(stream) {
            self.tell("core", || format!("stream {stream} is gone"));
            self.core.stream = None;
            // Calls that nobody answered end with it.
            self.core.calls.retain(|call| call.up || !call.from_box);
        }
    }

    pub fn offer_to_box(&mut self, id: &CallId, serial: u64, from: Option<&str>) {
        let sdp = if self.odd(5) { "bad".to_owned() } else { format!("far end's offer in call {serial}") };
        self.say(id, Body::Offer { sdp, msisdn: from.map(number) });
    }

    pub fn core_hears(&mut self, stream: u64, message: Message) {
        // Half of what comes late on a stream that is gone is still obeyed.
        if self.core.stream != Some(stream) && (self.core.stream.is_none() || self.chance.percent(50)) {
            self.tell("core", || format!("hears no more: {message:?}"));
            return;
        }
        let Message { call_id, body } = message;
        let call = self.core.about(&call_id).cloned();
        match (body, call) {
            (Body::Offer { msisdn, .. }, _) => self.core_gets_offer(call_id, msisdn.is_none()),
            (Body::Answer { .. }, Some(call)) if !call.from_box && !call.up => {
                self.core.call(call.serial).into_iter().for_each(|call| call.up = true);
                self.count("answered here");
                self.person_talks(call.serial);
            }
            (Body::Bye, Some(call)) => {
                self.core.end(call.serial);
                if call.from_box && !call.up && self.odd(40) {
                    self.count("late answers");
                    self.say(&call.id, Body::Answer { sdp: "far end's late answer".to_owned() });
                }
            }
            (Body::Ringing, Some(_)) => self.person_at_the_box(),
            (Body::ToPhone, Some(call)) if call.up => {
                self.core.end(call.serial);
                self.call_elsewhere(call.id, Duration::from_secs(30));
            }
            (Body::ToPhone, _) => self.say(&call_id, Body::Error(ErrorCode::NotInCall)),
            (
                Body::Answer { .. }
                | Body::Bye
                | Body::Ringing
                | Body::Idle
                | Body::InCall { .. }
                | Body::Error(_),
                _,
            ) => {}
        }
    }

    fn core_gets_offer(&mut self, id: CallId, taking_over: bool) {
        self.count("offers");
        if let Some(whim) = self.whims.pop() {
            self.count("whims");
            let code = match whim {
                Whim::TryAgain => ErrorCode::TryAgain,
                Whim::RateLimit => ErrorCode::RateLimitHit,
                Whim::InvalidCallId => ErrorCode::InvalidCallId,
                Whim::NotInCall => ErrorCode::NotInCall,
                Whim::UnknownError => ErrorCode::Unknown(99),
                Whim::Silence => return,
            };
            return self.say(&id, Body::Error(code));
        }
        if taking_over && self.core.mode == Mode::Pipe && self.core.calls.iter().any(|call| call.up) {
            self.count("adoptions");
            return self.say(&id, Body::Answer { sdp: "far end's answer".to_owned() });
        }
        if taking_over && self.core.elsewhere.take().is_none() {
            return self.say(&id, Body::Error(ErrorCode::InvalidCallId));
        }
        let serial = self.core.next_serial();
        self.core.begin(CoreCall { serial, id, from_box: true, up: false });
        self.person_is_called(serial);
    }

    pub fn call_elsewhere(&mut self, id: CallId, lasts: Duration) {
        let serial = self.core.next_serial();
        self.core.elsewhere = Some((serial, id.clone()));
        self.say(&id, Body::InCall { msisdn: Some(number(FAMILY)) });
        self.count("calls elsewhere");
        self.after(lasts, Happening::Person(serial, Does::EndsElsewhere));
    }

    pub fn restart(&mut self) {
        self.core.forget();
        self.core.stream = None;
    }

    /// A message that nobody waits for.
    pub fn stray(&mut self, stray: Stray) {
        let count = self.core.calls.len() as u64;
        let id = if count > 0 && self.chance.percent(50) {
            self.core.calls[self.chance.below(count) as usize].id.clone()
        } else {
            CallId("0-no-such-call".to_owned())
        };
        let body = match stray {
            Stray::Answer => Body::Answer { sdp: "stray answer".to_owned() },
            Stray::Ringing => Body::Ringing,
            Stray::Bye => Body::Bye,
            Stray::Idle => Body::Idle,
            Stray::InCall => Body::InCall { msisdn: None },
            Stray::InvalidCallId => Body::Error(ErrorCode::InvalidCallId),
            Stray::TryAgain => Body::Error(ErrorCode::TryAgain),
            Stray::NotInCall => Body::Error(ErrorCode::NotInCall),
            Stray::RateLimit => Body::Error(ErrorCode::RateLimitHit),
            Stray::ToPhone => Body::ToPhone,
            Stray::Unknown => Body::Error(ErrorCode::Unknown(0)),
        };
        self.say(&id, body);
    }
}
