//! A call for this box: from the Offer to the answer.

use super::call::{Call, Incoming, Leg, Phone, Stage, Then};
use super::command::{AudioCommand, MediaCommand, Refusal};
use super::context::Context;
use super::dial;
use super::ending::Cause;
use super::event::Body;
use super::feedback;
use super::id::{CallId, PhoneNumber};
use super::log::Kind;
use super::settings::AnswerPolicy;
use super::timer::Timer;
use super::tone::Tone;

impl Phone {
    /// An Offer while no call lives.
    ///
    /// One that comes while the last call is releasing is taken as a new call
    /// at once. With `Pipe` it may be a renegotiation that crossed our Bye, so
    /// the box may ring in vain until the core's Bye; the other choice would
    /// turn away a visitor who calls at that moment.
    pub fn offered(&mut self, cx: &mut Context, id: CallId, sdp: String, number: Option<PhoneNumber>) {
        if let Err(why) = dial::may_call_in(cx, number.as_ref()) {
            self.turn_away(cx, id, why.counter(), why.text());
            return;
        }
        let then = match cx.settings.incoming.answer {
            AnswerPolicy::Ring => Then::Ring,
            AnswerPolicy::Auto => Then::Answer,
            AnswerPolicy::Reject => {
                self.turn_away(cx, id, "incoming-rejected", "a call was rejected: this box takes none");
                return;
            }
        };
        cx.timers.stop(&Timer::Releasing);
        let caller = number.as_ref().map_or("a hidden number", PhoneNumber::as_str).to_owned();
        let peer = self.peers.allocate();
        let ring_timeout = cx.settings.call.ring_timeout;
        cx.after(Timer::RingTimeout, ring_timeout);
        let call = Call::Incoming(Incoming { leg: Leg::new(id, peer, number), stage: Stage::Checking(then) });
        self.enter(cx, call, format!("{caller} calls"));
        self.check(cx, sdp);
    }

    /// Another Offer for a call that is not answered yet: it replaces the
    /// first, on a new peer connection. The ring time goes on.
    pub fn offered_anew(&mut self, cx: &mut Context, sdp: String, number: Option<PhoneNumber>) {
        // Whoever was let in stays in, also when an hour of quiet begins.
        let another = number.is_some() && self.call.leg().is_some_and(|leg| leg.number != number);
        if another && let Err(why) = dial::may_call_in(cx, number.as_ref()) {
            cx.counters.count(why.counter());
            self.end(cx, Cause::NotAllowed);
            return;
        }
        let Call::Incoming(incoming) = &mut self.call else { return };
        cx.counters.count("offer-replaced");
        incoming.stage = Stage::Checking(match incoming.stage {
            Stage::Checking(then) => then,
            Stage::Ringing => Then::KeepRinging,
            Stage::Answering => Then::Answer,
        });
        if number.is_some() {
            incoming.leg.number = number;
        }
        let old = incoming.leg.peer;
        incoming.leg.peer = self.peers.allocate();
        self.peers.close(cx, old);
        self.check(cx, sdp);
    }

    /// Rejects a call without touching the one that may live.
    pub fn turn_away(&mut self, cx: &mut Context, id: CallId, counter: &'static str, text: &str) {
        cx.ignored(counter, text);
        cx.send(id, Body::Bye);
    }

    /// A person, or the box itself, answers.
    pub fn answer(&mut self, cx: &mut Context) -> Result<(), Refusal> {
        let Call::Incoming(incoming) = &mut self.call else { return Err(Refusal::NoCall) };
        match incoming.stage {
            Stage::Checking(_) => incoming.stage = Stage::Checking(Then::Answer),
            Stage::Ringing => {
                incoming.stage = Stage::Answering;
                let peer = incoming.leg.peer;
                feedback::tone_of_call(cx, None);
                cx.timers.stop(&Timer::RingTimeout);
                let media_timeout = cx.settings.call.media_timeout;
                cx.after(Timer::MediaTimeout, media_timeout);
                cx.media(peer, MediaCommand::Answer);
            }
            Stage::Answering => cx.counters.count("answer-repeated"),
        }
        Ok(())
    }

    /// Media: the Offer can be answered.
    pub fn acceptable(&mut self, cx: &mut Context) {
        let stage = match &mut self.call {
            Call::Incoming(incoming) => Some(&mut incoming.stage),
            Call::Idle
            | Call::Preparing(_)
            | Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Connecting(_)
            | Call::Talking(_)
            | Call::Releasing(_) => None,
        };
        let Some((stage, then)) = stage.and_then(|stage| match *stage {
            Stage::Checking(then) => Some((stage, then)),
            Stage::Ringing | Stage::Answering => None,
        }) else {
            cx.ignored("media-unexpected", "a peer connection checked an Offer that nobody asked about");
            return;
        };
        *stage = Stage::Ringing;
        cx.timers.stop(&Timer::MediaTimeout);
        match then {
            Then::Ring => {
                feedback::tone_of_call(cx, Some(Tone::Ring));
                if let Some(leg) = self.call.leg() {
                    let id = leg.id.clone();
                    cx.send(id.clone(), Body::Ringing);
                    cx.step("ringing", &id, "rings here");
                }
            }
            Then::KeepRinging => {}
            Then::Answer => {
                // In the state just entered an answer cannot be refused.
                if let Err(refusal) = self.answer(cx) {
                    cx.log(Kind::Refused, refusal.to_string());
                }
            }
        }
    }

    /// Media made an Answer: for the call that rings here, or for an Offer in a call.
    pub fn media_answer(&mut self, cx: &mut Context, sdp: String) {
        match std::mem::replace(&mut self.call, Call::Idle) {
            Call::Incoming(Incoming { leg, stage: Stage::Answering }) => {
                let id = leg.id.clone();
                cx.send(id.clone(), Body::Answer { sdp });
                cx.audio(AudioCommand::Connect(Some(leg.peer)));
                cx.step("answer", &id, "Answer sent");
                self.answered(cx, leg, super::call::EarlyMedia::Down);
            }
            other @ (Call::Preparing(_)
            | Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Connecting(_)
            | Call::Talking(_)
            | Call::Incoming(_)
            | Call::Idle
            | Call::Releasing(_)) => {
                self.call = other;
                self.renegotiated(cx, sdp);
            }
        }
    }

    fn check(&mut self, cx: &mut Context, sdp: String) {
        if let Some(leg) = self.call.leg() {
            let peer = leg.peer;
            let media_timeout = cx.settings.call.media_timeout;
            cx.after(Timer::MediaTimeout, media_timeout);
            cx.media(peer, MediaCommand::Check { sdp });
        }
    }
}
