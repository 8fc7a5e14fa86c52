//! Messages of the core, each to the call that it is about. What does not fit
//! is counted and logged and changes nothing: a core that errs must not be
//! able to stop the box.

use super::call::{Call, Moving, Phone};
use super::context::Context;
use super::ending::Cause;
use super::event::{Body, ErrorCode, Message};
use super::feedback;
use super::id::{CallId, PhoneNumber};
use super::log::Kind;
use super::settings::Mode;

impl Phone {
    /// Obeys a message of a registered session.
    pub fn message(&mut self, cx: &mut Context, message: Message) {
        let Message { call_id, body } = message;
        match body {
            Body::Offer { sdp, msisdn } => self.offer_received(cx, call_id, sdp, msisdn),
            Body::Answer { sdp } => {
                if !(self.is_ours(cx, &call_id) && self.far_end_answers(cx, sdp)) {
                    cx.ignored("answer-unexpected", "an Answer came that no Offer waits for");
                }
            }
            Body::Ringing => {
                if !(self.is_ours(cx, &call_id) && self.far_end_rings(cx)) {
                    cx.ignored("ringing-unexpected", "a Ringing came that no Offer waits for");
                }
            }
            Body::Bye => self.bye_received(cx, &call_id),
            Body::Idle => self.elsewhere.ended(cx, &call_id),
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
        // On `Pipe` every Offer is for the one call: a Bye to another id would
        // end it at a core that does not look at ids.
        let ours = cx.settings.mode == Mode::Pipe || self.is_ours(cx, &id);
        match &self.call {
            Call::Idle | Call::Releasing(_) => self.offered(cx, id, sdp, number),
            // `Pipe` has one call: this may be a caller who came before our
            // Offer. There is nothing on the wire yet to hold on to, yet the
            // person at the box was first.
            Call::Preparing(_) => self.turn_away(cx, id, "offer-busy", "a call came while one is being made"),
            Call::Incoming(_) if ours => self.offered_anew(cx, sdp, number),
            Call::Outgoing(_) | Call::Ringing(_) | Call::Connecting(_) | Call::Talking(_) if ours => {
                self.renegotiate(cx, sdp);
            }
            Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_) => {
                self.turn_away(cx, id, "offer-busy", "a second call was rejected: one is up")
            }
        }
    }

    fn bye_received(&mut self, cx: &mut Context, id: &CallId) {
        match &self.call {
            Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_)
                if self.is_ours(cx, id) =>
            {
                self.far_end_hung_up(cx);
            }
            // Of a call being prepared the core knows nothing yet.
            Call::Idle
            | Call::Preparing(_)
            | Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_)
            | Call::Releasing(_) => cx.ignored("bye-unexpected", "a Bye came for no call of this box"),
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
        let moved = self.call.leg().is_some_and(|leg| leg.moving == Moving::Asked) && self.is_ours(cx, &id);
        // First: a call that ends is forgotten, and this one goes on elsewhere.
        if moved {
            self.end(cx, Cause::MovedToPhone);
        }
        self.elsewhere.began(cx, id, number);
    }

    fn error_received(&mut self, cx: &mut Context, id: &CallId, code: ErrorCode) {
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
                if id.as_str().is_empty() || self.is_ours(cx, id) {
                    self.not_moved(cx);
                    self.not_taken_over(cx);
                }
                feedback::notice(cx);
            }
            ErrorCode::TryAgain => {
                cx.ignored("error-try-again", "the core says: try again");
                if self.is_ours(cx, id) && !self.try_again(cx) && !self.not_moved(cx) {
                    cx.counters.count("error-try-again-unexpected");
                }
            }
            ErrorCode::InvalidCallId => {
                cx.ignored("error-invalid-call-id", "the core does not know the call id");
                self.elsewhere.forget(id);
                match &self.call {
                    Call::Outgoing(_)
                    | Call::Ringing(_)
                    | Call::Incoming(_)
                    | Call::Connecting(_)
                    | Call::Talking(_)
                        if self.is_ours(cx, id) =>
                    {
                        self.end(cx, Cause::UnknownToCore);
                    }
                    Call::Idle
                    | Call::Preparing(_)
                    | Call::Outgoing(_)
                    | Call::Ringing(_)
                    | Call::Incoming(_)
                    | Call::Connecting(_)
                    | Call::Talking(_)
                    | Call::Releasing(_) => {}
                }
            }
            ErrorCode::RateLimitHit => {
                cx.ignored("error-rate-limit-hit", "the core asks for fewer calls");
                self.rate_limit_hit(cx, id);
            }
        }
    }

    /// The call elsewhere that this box asked for is over.
    fn not_taken_over(&mut self, cx: &mut Context) {
        let (Call::Outgoing(out) | Call::Ringing(out)) = &self.call else { return };
        if out.msisdn.is_none() {
            self.elsewhere.forget(&out.leg.id);
            self.end(cx, Cause::UnknownToCore);
        }
    }

    /// The core will not move the call to the mobile phone. False: nobody asked it to.
    fn not_moved(&mut self, cx: &mut Context) -> bool {
        let Some(leg) = self.call.leg_mut().filter(|leg| leg.moving == Moving::Asked) else { return false };
        leg.moving = Moving::No;
        cx.step("to-phone-refused", &leg.id, "the core did not move the call");
        feedback::notice(cx);
        true
    }
}
