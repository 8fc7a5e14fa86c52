//! Hang-ups that the core could not hear of at once.
//!
//! With `MultiPipe` a Bye names its call, and is sent as soon as there is a
//! stream again. With `Pipe` the core looks at no id: a late Bye would end
//! whatever call there is then. So it waits for the core's first word on the
//! new stream, and is sent only if that is an `InCall` of the call that was
//! hung up. After any other word there is nothing to end, or nothing of ours;
//! and once a new call begins here it is not sent any more. A core that says
//! nothing at all is told after a moment.
//!
//! Inputs: ends of calls; the session's changes; messages; timer `LateBye`.
//! Outputs: `Send` Bye.

use std::time::{Duration, Instant};

use super::adoption::{Known, Signalling};
use super::call::Leg;
use super::context::Context;
use super::event::{Body, Message};
use super::id::CallId;
use super::phone::Phone;
use super::settings::Mode;
use super::timer::Timer;

/// With `Pipe`, where only a number may tell the call: the same people may
/// soon be in another one.
const PIPE_LIFE: Duration = Duration::from_secs(30);
/// With `MultiPipe`, where the worst answer is INVALID_CALL_ID.
const MULTI_PIPE_LIFE: Duration = Duration::from_secs(600);

/// A core that has a first word to say says it at once.
const FIRST_WORD: Duration = Duration::from_secs(2);

/// Hang-ups to be told.
#[derive(Default)]
pub(super) struct LateByes(Vec<LateBye>);

struct LateBye {
    leg: Leg,
    until: Instant,
}

impl Phone {
    /// Tells the core that a call is over, now or when it can be told.
    pub fn bye(&mut self, cx: &mut Context, leg: Leg) {
        let now = match &leg.signalling {
            Signalling::Up | Signalling::Asked(_) | Signalling::Orphan(Known::Maybe) => cx.registered(),
            Signalling::Lost | Signalling::Awaited => false,
            // The core has said that it knows nothing of it: a Bye could only
            // end another call.
            Signalling::Forgotten | Signalling::Orphan(Known::No) => return,
        };
        if now {
            cx.send(leg.id, Body::Bye);
            return;
        }
        let life = match cx.settings.mode {
            Mode::Pipe => PIPE_LIFE,
            Mode::MultiPipe => MULTI_PIPE_LIFE,
        };
        if let Some(until) = cx.now.checked_add(life) {
            self.late_byes.0.retain(|bye| cx.now <= bye.until);
            self.late_byes.0.push(LateBye { leg, until });
        }
        if cx.registered() {
            cx.after(Timer::LateBye, FIRST_WORD);
        }
    }

    /// A new stream is up.
    pub fn late_byes_due(&mut self, cx: &mut Context) {
        match cx.settings.mode {
            Mode::Pipe if self.late_byes.0.is_empty() => {}
            Mode::Pipe => cx.after(Timer::LateBye, FIRST_WORD),
            Mode::MultiPipe => self.send_late_byes(cx),
        }
    }

    /// `Timer::LateBye`, or at once: no word of the core is awaited.
    pub fn send_late_byes(&mut self, cx: &mut Context) {
        if cx.registered() {
            for LateBye { leg, until } in std::mem::take(&mut self.late_byes.0) {
                if cx.now <= until {
                    late_bye(cx, leg.id);
                }
            }
        }
    }

    /// A message of the core; with `Pipe` the first one settles late Byes.
    pub fn settle_late_byes(&mut self, cx: &mut Context, message: &Message) {
        let byes = match cx.settings.mode {
            Mode::Pipe => std::mem::take(&mut self.late_byes.0),
            Mode::MultiPipe => return,
        };
        cx.timers.stop(&Timer::LateBye);
        for LateBye { leg, until } in byes {
            match &message.body {
                Body::InCall { msisdn } if cx.now <= until && leg.is(&message.call_id, msisdn.as_ref()) => {
                    let id =
                        if message.call_id.as_str().is_empty() { leg.id } else { message.call_id.clone() };
                    late_bye(cx, id);
                }
                Body::InCall { .. }
                | Body::Offer { .. }
                | Body::Answer { .. }
                | Body::Ringing
                | Body::Bye
                | Body::Idle
                | Body::Error(_)
                | Body::ToPhone => cx.counters.count("bye-not-needed"),
            }
        }
    }

    /// A new call begins.
    pub fn forget_late_byes(&mut self, cx: &mut Context) {
        match cx.settings.mode {
            Mode::Pipe => {
                self.late_byes.0.clear();
                cx.timers.stop(&Timer::LateBye);
            }
            Mode::MultiPipe => {}
        }
    }
}

fn late_bye(cx: &mut Context, id: CallId) {
    cx.step("hang-up", &id, "Bye sent late: the session was gone");
    cx.send(id, Body::Bye);
}
