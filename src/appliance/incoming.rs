//! A call for this box: from the Offer to the answer.

use super::call::{EarlyMedia, Leg, Origin, Stage, State, Then};
use super::cause::Cause;
use super::command::{MediaCommand, Refusal};
use super::context::Context;
use super::dial;
use super::event::Body;
use super::id::{CallId, CallRef, PhoneNumber};
use super::log::Kind;
use super::phone::Phone;
use super::settings::AnswerPolicy;
use super::timer::Timer;

impl Phone {
    /// An Offer of a new call.
    ///
    /// With `Pipe`, one that comes while the last call is releasing is taken as
    /// a new call at once. It may be a renegotiation that crossed our Bye, so the
    /// box may ring in vain until the core's Bye; the other choice would turn
    /// away a visitor who calls at that moment.
    pub fn offered(&mut self, cx: &mut Context, id: CallId, sdp: String, number: Option<PhoneNumber>) {
        if let Err(why) = dial::may_call_in(cx, number.as_ref()) {
            self.turn_away(cx, id, why.counter(), why.text());
            return;
        }
        let then = match cx.settings.incoming.answer {
            AnswerPolicy::Ring => Then::Ring,
            AnswerPolicy::Auto if !self.is_engaged() => Then::Answer,
            AnswerPolicy::Auto => Then::Ring,
            AnswerPolicy::Reject => {
                self.turn_away(cx, id, "incoming-rejected", "a call was rejected: this box takes none");
                return;
            }
        };
        let caller = number.as_ref().map_or("a hidden number", PhoneNumber::as_str).to_owned();
        let peer = self.peers.allocate();
        let state = State::Incoming(Stage::Checking(then));
        let call = self.begin(cx, Leg::new(id, peer, number, Origin::Offered), state.clone());
        let ring_timeout = cx.settings.call.ring_timeout;
        cx.after(Timer::RingTimeout(call), ring_timeout);
        self.enter(cx, call, state, format!("{caller} calls"));
        self.check(cx, call, sdp);
    }

    /// Another Offer for a call that is not answered yet: it replaces the
    /// first, on a new peer connection. The ring time goes on.
    pub fn offered_anew(
        &mut self,
        cx: &mut Context,
        call: CallRef,
        sdp: String,
        number: Option<PhoneNumber>,
    ) {
        // Whoever was let in stays in, also when an hour of quiet begins.
        let another = number.is_some() && self.calls.get(call).is_some_and(|call| call.leg.number != number);
        if another && let Err(why) = dial::may_call_in(cx, number.as_ref()) {
            cx.counters.count(why.counter());
            self.end(cx, call, Cause::NotAllowed);
            return;
        }
        let peer = self.peers.allocate();
        let Some(found) = self.calls.get_mut(call) else { return };
        let State::Incoming(stage) = &mut found.state else { return };
        cx.counters.count("offer-replaced");
        *stage = Stage::Checking(match *stage {
            Stage::Checking(then) => then,
            Stage::Ringing => Then::KeepRinging,
            Stage::Answering => Then::Answer,
        });
        if number.is_some() {
            found.leg.number = number;
        }
        let old = std::mem::replace(&mut found.leg.peer, peer);
        let id = found.leg.id.clone();
        self.peers.close(cx, old, Some(id));
        self.check(cx, call, sdp);
    }

    /// Rejects a call without touching those that live.
    pub fn turn_away(&mut self, cx: &mut Context, id: CallId, counter: &'static str, text: &str) {
        cx.ignored(counter, text);
        cx.send(id, Body::Bye);
    }

    /// A person, or the box itself, answers a call that rings here.
    pub fn answer_call(&mut self, cx: &mut Context, call: CallRef) -> Result<(), Refusal> {
        let Some(found) = self.calls.get_mut(call) else { return Err(Refusal::NoCall) };
        let State::Incoming(stage) = &mut found.state else { return Err(Refusal::NoCall) };
        match *stage {
            Stage::Checking(_) => {
                *stage = Stage::Checking(Then::Answer);
                self.sound(cx);
            }
            Stage::Ringing => {
                *stage = Stage::Answering;
                let peer = found.leg.peer;
                self.sound(cx);
                cx.timers.stop(&Timer::RingTimeout(call));
                let media_timeout = cx.settings.call.media_timeout;
                cx.after(Timer::MediaTimeout(call), media_timeout);
                cx.media(peer, MediaCommand::Answer);
            }
            Stage::Answering => cx.counters.count("answer-repeated"),
        }
        Ok(())
    }

    /// Media: the Offer can be answered.
    pub fn acceptable(&mut self, cx: &mut Context, call: CallRef) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let then = match found.state {
            State::Incoming(Stage::Checking(then)) => then,
            State::Incoming(Stage::Ringing | Stage::Answering)
            | State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Connecting
            | State::Talking(_)
            | State::Releasing => {
                cx.ignored("media-unexpected", "a peer connection checked an Offer that nobody asked about");
                return;
            }
        };
        found.state = State::Incoming(Stage::Ringing);
        let id = found.leg.id.clone();
        cx.timers.stop(&Timer::MediaTimeout(call));
        match then {
            Then::Ring => {
                self.sound(cx);
                cx.send(id.clone(), Body::Ringing);
                cx.step("ringing", &id, "rings here");
            }
            Then::KeepRinging => {}
            Then::Answer => {
                // In the state just entered an answer cannot be refused.
                if let Err(refusal) = self.answer_call(cx, call) {
                    cx.log(Kind::Refused, refusal.to_string());
                }
            }
        }
    }

    /// Media made an Answer: for a call that rings here, or for an Offer in a call.
    pub fn media_answer(&mut self, cx: &mut Context, call: CallRef, sdp: String) {
        let Some(found) = self.calls.get(call) else { return };
        match found.state {
            State::Incoming(Stage::Answering) => {
                let id = found.leg.id.clone();
                cx.send(id.clone(), Body::Answer { sdp });
                cx.step("answer", &id, "Answer sent");
                self.answered(cx, call, EarlyMedia::Down);
            }
            State::Incoming(Stage::Checking(_) | Stage::Ringing)
            | State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Connecting
            | State::Talking(_)
            | State::Releasing => self.renegotiated(cx, call, sdp),
        }
    }

    fn check(&mut self, cx: &mut Context, call: CallRef, sdp: String) {
        if let Some(found) = self.calls.get(call) {
            let media_timeout = cx.settings.call.media_timeout;
            cx.after(Timer::MediaTimeout(call), media_timeout);
            cx.media(found.leg.peer, MediaCommand::Check { sdp });
        }
    }
}
