//! Messages of the core, each to the call that it is about. What does not fit
//! is counted and logged and changes nothing: a core that errs must not be
//! able to stop the box.

use super::call::{Moving, Origin, State};
use super::cause::Cause;
use super::context::Context;
use super::event::{Body, ErrorCode, Message};
use super::feedback;
use super::id::{CallId, CallRef, PhoneNumber};
use super::log::Kind;
use super::phone::Phone;
use super::settings::Mode;

/// The longest call id that is taken for one, in bytes. The contract's is a UUID (36), and some
/// cores use SIP's; what is longer only fills log and status.
const LONGEST_ID: usize = 256;

impl Phone {
    /// Obeys a message of a registered session.
    pub fn message(&mut self, cx: &mut Context, message: Message) {
        if message.call_id.as_str().len() > LONGEST_ID {
            cx.ignored("call-id-too-long", "a message came with a call id that is longer than any id");
            return;
        }
        self.settle_late_byes(cx, &message);
        self.left_over_heard(cx, &message);
        let Message { call_id, body } = message;
        match body {
            Body::Offer { sdp, msisdn } => self.offer_received(cx, call_id, sdp, msisdn),
            Body::Answer { sdp } => {
                let call = self.about(cx, &call_id);
                if let Some(call) = self.asked(call) {
                    self.adoption_answered(cx, call, sdp);
                } else if !call.is_some_and(|call| self.far_end_answers(cx, call, sdp)) {
                    cx.ignored("answer-unexpected", "an Answer came that no Offer waits for");
                    self.refuse_late_answer(cx, call, call_id);
                }
            }
            Body::Ringing => {
                let call = self.about(cx, &call_id);
                if self.asked(call).is_none() && !call.is_some_and(|call| self.far_end_rings(cx, call)) {
                    cx.ignored("ringing-unexpected", "a Ringing came that no Offer waits for");
                }
            }
            Body::Bye => self.bye_received(cx, &call_id),
            Body::Idle => {
                self.elsewhere.ended(cx, &call_id);
                self.core_is_idle(cx);
            }
            Body::InCall { msisdn } => self.in_call_received(cx, call_id, msisdn),
            Body::Error(code) => self.error_received(cx, &call_id, code),
            Body::ToPhone => {
                cx.ignored("to-phone-unexpected", "the core sent ToPhone, which only terminals do")
            }
        }
    }

    fn offer_received(&mut self, cx: &mut Context, id: CallId, sdp: String, number: Option<PhoneNumber>) {
        match cx.settings.mode {
            Mode::MultiPipe if id.as_str().is_empty() => {
                cx.ignored("call-id-missing", "an Offer came without the call id that MultiPipe needs");
                return;
            }
            Mode::Pipe | Mode::MultiPipe => {}
        }
        self.check_gives_way_to(cx, &id);
        self.core_offers(cx);
        // On `Pipe` every Offer is for the one call: a Bye to another id would
        // end it at a core that does not look at ids.
        let call = match cx.settings.mode {
            Mode::Pipe => self.calls.present(),
            Mode::MultiPipe => self.calls.live().find(|call| call.leg.id == id),
        };
        let Some(call) = call else {
            match (cx.settings.mode, self.calls.present()) {
                // It crossed our Bye, and means what it says no more.
                (Mode::MultiPipe, Some(_) | None) if self.is_former(cx, &id) => {
                    self.turn_away(cx, id, "offer-late", "an Offer came for a call that is over");
                }
                (Mode::Pipe | Mode::MultiPipe, None) => self.offered(cx, id, sdp, number),
                (Mode::Pipe | Mode::MultiPipe, Some(_)) => self.offered_meanwhile(cx, id, sdp, number),
            }
            return;
        };
        match call.state {
            // `Pipe` has one call: this may be a caller who came before our
            // Offer. There is nothing on the wire yet to hold on to, yet the
            // person at the box was first.
            State::Preparing => self.turn_away(cx, id, "offer-busy", "a call came while one is being made"),
            State::Incoming(_) => self.offered_anew(cx, call.reference, sdp, number),
            State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Connecting
            | State::Talking(_) => {
                self.renegotiate(cx, call.reference, sdp);
            }
            // Not among those that live.
            State::Releasing => {}
        }
    }

    /// Somebody answered what this box has let go of and holds a telephone in
    /// which nobody speaks. `Pipe` cannot say which call a Bye is for.
    fn refuse_late_answer(&mut self, cx: &mut Context, call: Option<CallRef>, id: CallId) {
        match (cx.settings.mode, call) {
            (Mode::MultiPipe, None) if self.was_let_go(&id) => cx.send(id, Body::Bye),
            (Mode::Pipe | Mode::MultiPipe, Some(_) | None) => {}
        }
    }

    fn bye_received(&mut self, cx: &mut Context, id: &CallId) {
        match self.known_to_core(cx, id) {
            Some(call) if self.asked(Some(call)).is_some() => self.adoption_refused(cx, call),
            Some(call) => self.fail(cx, call, Cause::HungUpThere),
            None => cx.ignored("bye-unexpected", "a Bye came for no call of this box"),
        }
    }

    /// The call that a message is about, unless the core cannot know of it yet.
    fn known_to_core(&self, cx: &Context, id: &CallId) -> Option<CallRef> {
        let call = self.about(cx, id)?;
        match self.calls.get(call)?.state {
            State::Preparing => None,
            State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Talking(_)
            | State::Releasing => Some(call),
        }
    }

    fn in_call_received(&mut self, cx: &mut Context, id: CallId, number: Option<PhoneNumber>) {
        match cx.settings.mode {
            Mode::MultiPipe if id.as_str().is_empty() => {
                cx.ignored("call-id-missing", "an InCall came without the call id that MultiPipe needs");
                return;
            }
            Mode::Pipe | Mode::MultiPipe => {}
        }
        let moved = self.about(cx, &id).filter(|call| self.is_moving(*call));
        // First: a call that ends is forgotten, and this one goes on elsewhere.
        if let Some(call) = moved {
            self.end(cx, call, Cause::MovedToPhone);
        }
        if !self.adopt(cx, &id, number.as_ref()) {
            self.elsewhere.began(cx, id, number);
        }
    }

    fn error_received(&mut self, cx: &mut Context, id: &CallId, code: ErrorCode) {
        let asked = self.asked(self.about(cx, id));
        match code {
            ErrorCode::Unknown(number) => {
                cx.ignored(
                    "error-unknown",
                    format!("the core reports error {number}, which the contract does not name"),
                );
                feedback::notice(cx);
            }
            ErrorCode::NotInCall => {
                cx.odd(Kind::Refused, "error-not-in-call", "the core says that there is no call to act on");
                if let Some(call) = asked {
                    return self.adoption_error(cx, call, code);
                }
                for call in self.blamed(cx, id) {
                    self.not_moved(cx, call);
                    self.not_taken_over(cx, call);
                }
                feedback::notice(cx);
            }
            ErrorCode::TryAgain => {
                cx.ignored("error-try-again", "the core says: try again");
                if let Some(call) = asked {
                    return self.adoption_error(cx, call, code);
                }
                if let Some(call) = self.about(cx, id)
                    && !self.try_again(cx, call)
                    && !self.not_moved(cx, call)
                {
                    cx.counters.count("error-try-again-unexpected");
                }
            }
            ErrorCode::InvalidCallId => {
                cx.ignored("error-invalid-call-id", "the core does not know the call id");
                self.elsewhere.forget(id);
                if let Some(call) = asked {
                    return self.adoption_error(cx, call, code);
                }
                if let Some(call) = self.known_to_core(cx, id) {
                    self.fail(cx, call, Cause::UnknownToCore);
                }
            }
            ErrorCode::RateLimitHit => {
                cx.ignored("error-rate-limit-hit", "the core asks for fewer calls");
                if let Some(call) = asked {
                    self.adoption_error(cx, call, code);
                }
                self.rate_limit_hit(cx, id);
            }
        }
    }

    /// The calls that an action may have been refused for: without an id, any.
    fn blamed(&self, cx: &Context, id: &CallId) -> Vec<CallRef> {
        if id.as_str().is_empty() {
            self.calls.which(|_| true)
        } else {
            self.about(cx, id).into_iter().collect()
        }
    }

    /// The call elsewhere that this box asked for is over.
    fn not_taken_over(&mut self, cx: &mut Context, call: CallRef) {
        let Some(found) = self.calls.get(call) else { return };
        match found.state {
            State::Outgoing { .. } | State::Ringing { .. } if found.leg.origin == Origin::TakenOver => {
                self.elsewhere.forget(&found.leg.id);
                self.end(cx, call, Cause::UnknownToCore);
            }
            State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Talking(_)
            | State::Releasing => {}
        }
    }

    fn is_moving(&self, call: CallRef) -> bool {
        self.calls.get(call).is_some_and(|call| call.leg.moving == Moving::Asked)
    }

    /// The core will not move the call to the mobile phone. False: nobody asked it to.
    fn not_moved(&mut self, cx: &mut Context, call: CallRef) -> bool {
        if !self.is_moving(call) {
            return false;
        }
        if let Some(found) = self.calls.get_mut(call) {
            found.leg.moving = Moving::No;
            cx.step("to-phone-refused", &found.leg.id, "the core did not move the call");
        }
        feedback::notice(cx);
        true
    }
}
