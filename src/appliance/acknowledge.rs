//! A human acknowledgement: an answer counts only when the callee sends a digit.
//!
//! A voicemail or a company's menu answers too, and whoever stands at the box
//! would talk to a machine while the next number was never called. So, where
//! the configuration asks for it, a call of this box is not in talk when it is
//! answered, but in [`State::Acknowledging`]:
//!
//! ```text
//! Outgoing, Ringing --Answer--> Acknowledging --the digit--> Talking
//!                                    |
//!                                    +--time over, Bye, media fails--> as if nobody had answered
//! ```
//!
//! Meanwhile the callee hears an announcement again and again, the microphone
//! is shut, and the person at the box hears ringback. Numbers that are called
//! all at once go on ringing; several may be asked, and the first digit wins.
//! A call that loses the session goes on, since a digit needs no core; it is
//! adopted as any that is answered, and announced anew on its new media.
//!
//! Inputs: Answer; media `Connected`, `Interrupted`, `Digit`; timer `Acknowledge`.
//! Outputs: audio `Announce`; the talk, or the failure that the hunt goes on from.

use std::time::Duration;

use super::call::{EarlyMedia, Origin, Part, State};
use super::cause::Cause;
use super::command::{AudioCommand, Clip, Listener};
use super::context::Context;
use super::id::CallRef;
use super::phone::Phone;
use super::timer::Timer;

/// What a callee must do before the call counts as answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledge {
    /// The DTMF digit that accepts the call: 0 to 9, `*`, `#`, A to D.
    pub digit: char,
    /// How long the callee may take from the first announcement on. Default 20 s.
    pub timeout: Duration,
}

impl Phone {
    /// An Answer came for a call that this box made.
    pub fn callee_answers(&mut self, cx: &mut Context, call: CallRef, media: EarlyMedia) {
        let asked = cx.settings.call.acknowledge.is_some()
            && self.calls.get(call).is_some_and(|call| call.leg.origin == Origin::Dialled);
        if !asked {
            self.answered(cx, call, media);
            self.won(cx);
            return;
        }
        self.enter(cx, call, State::Acknowledging { media }, "answered; the callee has yet to accept");
        match media {
            EarlyMedia::Down => {
                let media_timeout = cx.settings.call.media_timeout;
                cx.after(Timer::MediaTimeout(call), media_timeout);
            }
            EarlyMedia::Up => self.ask_callee(cx, call),
        }
    }

    /// The callee can hear: says, from the begin, what is asked for.
    pub fn ask_callee(&mut self, cx: &mut Context, call: CallRef) {
        let (Some(found), Some(asked)) = (self.calls.get(call), cx.settings.call.acknowledge) else { return };
        let to = Listener::FarEnd(found.leg.peer);
        cx.audio(AudioCommand::Announce { clip: Some(Clip::Acknowledge), to });
        // Media that was away, or was changed, is no reason to wait for longer.
        if !cx.timers.is_set(&Timer::Acknowledge(call)) {
            cx.after(Timer::Acknowledge(call), asked.timeout);
        }
    }

    /// A digit of the far end. True: it was asked for, and is nobody else's.
    pub fn acknowledged(&mut self, cx: &mut Context, call: CallRef, digit: char) -> bool {
        let (Some(found), Some(asked)) = (self.calls.get(call), cx.settings.call.acknowledge) else {
            return false;
        };
        let media = match found.state {
            State::Acknowledging { media } if digit.eq_ignore_ascii_case(&asked.digit) => media,
            State::Acknowledging { .. } => {
                cx.counters.count("acknowledge-wrong-digit");
                return true;
            }
            State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Talking(_)
            | State::Releasing => return false,
        };
        let to = Listener::FarEnd(found.leg.peer);
        cx.step("acknowledged", &found.leg.id, "the callee has accepted the call");
        cx.timers.stop(&Timer::Acknowledge(call));
        cx.timers.stop(&Timer::MediaTimeout(call));
        cx.audio(AudioCommand::Announce { clip: None, to });
        // The digit may have been the last that came of media that is down.
        self.answered(cx, call, media);
        self.won(cx);
        true
    }

    /// `Timer::Acknowledge`.
    pub fn not_acknowledged(&mut self, cx: &mut Context, call: CallRef) {
        cx.counters.count("not-acknowledged");
        self.fail(cx, call, Cause::NotAcknowledged);
    }

    /// A call has just left the state `before`: whoever this box has called,
    /// and is now in talk with, is told where the box is.
    pub fn tell_place(&self, cx: &mut Context, call: CallRef, before: &State) {
        let Some(found) = self.calls.get(call).filter(|_| cx.settings.call.announce_location) else { return };
        let begins = match before {
            State::Preparing | State::Outgoing { .. } | State::Ringing { .. } | State::Connecting => true,
            // Said already, and before that nobody talks.
            State::Acknowledging { .. } | State::Incoming(_) | State::Talking(_) | State::Releasing => false,
        };
        if begins && found.leg.origin == Origin::Dialled && found.state == State::Talking(Part::Present) {
            let to = Listener::FarEnd(found.leg.peer);
            cx.audio(AudioCommand::Announce { clip: Some(Clip::Location), to });
        }
    }
}
