//! Several calls and one person: who waits, who is held, who comes on next,
//! and whom the person joins.
//!
//! Holding is silence: the contract has no message for a hold of ours, so the
//! far end's packets flow on and what it hears is nothing (`hearing.rs`).
//!
//! Inputs: Offers while another call is up (only `MultiPipe` has them); actions
//! `Answer`, `Swap`, `Merge`; the end of a call. Outputs: changes of calls.

use super::call::{Part, Stage, State, Then};
use super::command::Refusal;
use super::context::Context;
use super::id::{CallId, CallRef, PhoneNumber};
use super::log::Kind;
use super::phone::Phone;
use super::settings::{AnswerPolicy, WhileBusy};
use super::status::CallStatus;

/// Calls in all: with one that talks, three may wait or be held.
const MOST: usize = 4;

impl Phone {
    /// An Offer for a new call while others are up.
    pub fn offered_meanwhile(
        &mut self,
        cx: &mut Context,
        id: CallId,
        sdp: String,
        number: Option<PhoneNumber>,
    ) {
        let room = match cx.settings.incoming.while_busy {
            WhileBusy::Busy => false,
            WhileBusy::Queue | WhileBusy::Swap => self.calls.live().count() < MOST,
        };
        if room {
            self.offered(cx, id, sdp, number);
        } else {
            self.turn_away(cx, id, "offer-busy", "a second call was rejected: one is up");
        }
    }

    /// Whether a call has, or is about to have, the person at the box.
    pub fn is_engaged(&self) -> bool {
        self.calls.live().any(|call| is_engaged(&call.state))
    }

    /// Whether a call for this box waits for an answer.
    pub fn rings(&self) -> bool {
        self.calls.live().any(|call| call.state.status() == CallStatus::Incoming)
    }

    /// Action: answer the call that rings here; with `swap`, what waits while
    /// another talks, which is held then.
    pub fn answer(&mut self, cx: &mut Context) -> Result<(), Refusal> {
        match self.first(is_waiting) {
            Some(call) => {
                self.make_room(cx)?;
                self.answer_call(cx, call)
            }
            None => {
                let answering = self.first(|state| {
                    matches!(state, State::Incoming(Stage::Checking(Then::Answer) | Stage::Answering))
                });
                self.answer_call(cx, answering.ok_or(Refusal::NoCall)?)
            }
        }
    }

    /// Action: to the call that waits, or else to the next one that is held.
    pub fn swap(&mut self, cx: &mut Context) -> Result<(), Refusal> {
        if self.first(is_waiting).is_some() {
            return self.answer(cx);
        }
        let next = self.next_held().ok_or(Refusal::NoSecondCall)?;
        self.make_room(cx)?;
        self.enter(cx, next, State::Talking(Part::Present), "back from hold");
        Ok(())
    }

    /// Action: everybody who is held joins the one who talks.
    pub fn merge(&mut self, cx: &mut Context) -> Result<(), Refusal> {
        let held = self.calls.which(|call| call.state.is_held());
        if held.is_empty() || self.first(|state| *state == State::Talking(Part::Present)).is_none() {
            return Err(Refusal::NoSecondCall);
        }
        for call in held {
            self.enter(cx, call, State::Talking(Part::Present), "joined");
        }
        Ok(())
    }

    /// Calls have ended: whoever was held longest comes back, since a person
    /// must not be left in limbo; else whoever waits is answered if this box
    /// answers by itself. Where it does not, what waits rings now.
    pub fn next_in_line(&mut self, cx: &mut Context) {
        if self.is_engaged() {
            return;
        }
        if let Some(held) = self.first(State::is_held) {
            self.enter(cx, held, State::Talking(Part::Present), "back from hold");
            return;
        }
        match (cx.settings.incoming.answer, self.first(is_waiting)) {
            (AnswerPolicy::Auto, Some(waiting)) => {
                if let Err(refusal) = self.answer_call(cx, waiting) {
                    cx.log(Kind::Refused, refusal.to_string());
                }
            }
            (AnswerPolicy::Auto, None) | (AnswerPolicy::Ring | AnswerPolicy::Reject, Some(_) | None) => {}
        }
    }

    /// Holds who talks, so that another call can have the person at the box.
    fn make_room(&mut self, cx: &mut Context) -> Result<(), Refusal> {
        let engaged = self.calls.which(|call| is_engaged(&call.state));
        let talking = self.calls.which(|call| call.state == State::Talking(Part::Present));
        let may_hold = match cx.settings.incoming.while_busy {
            WhileBusy::Swap => engaged == talking,
            WhileBusy::Busy | WhileBusy::Queue => engaged.is_empty(),
        };
        if !may_hold {
            return Err(Refusal::Busy);
        }
        for call in talking {
            self.enter(cx, call, State::Talking(Part::Held), "held");
        }
        Ok(())
    }

    /// The held call after the one that talks, in the order in which they
    /// began, so that every one has its turn.
    fn next_held(&self) -> Option<CallRef> {
        let talking = self.first(|state| *state == State::Talking(Part::Present));
        let held = self.calls.which(|call| call.state.is_held());
        let after = held.iter().find(|held| talking.is_some_and(|talking| **held > talking));
        after.or(held.first()).copied()
    }

    fn first(&self, holds: impl Fn(&State) -> bool) -> Option<CallRef> {
        self.calls.live().find(|call| holds(&call.state)).map(|call| call.reference)
    }
}

/// Rings here, or is about to.
fn is_waiting(state: &State) -> bool {
    match state {
        State::Incoming(Stage::Checking(Then::Ring | Then::KeepRinging) | Stage::Ringing) => true,
        State::Incoming(Stage::Checking(Then::Answer) | Stage::Answering)
        | State::Preparing
        | State::Outgoing { .. }
        | State::Ringing { .. }
        | State::Acknowledging { .. }
        | State::Connecting
        | State::Talking(_)
        | State::Releasing => false,
    }
}

fn is_engaged(state: &State) -> bool {
    match state {
        State::Preparing
        | State::Outgoing { .. }
        | State::Ringing { .. }
        | State::Acknowledging { .. }
        | State::Incoming(Stage::Checking(Then::Answer) | Stage::Answering)
        | State::Connecting
        | State::Talking(Part::Present) => true,
        State::Incoming(Stage::Checking(Then::Ring | Then::KeepRinging) | Stage::Ringing)
        | State::Talking(Part::Held)
        | State::Releasing => false,
    }
}
