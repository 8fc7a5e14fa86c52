//! A hunt: the numbers that one press calls, one after the other or all at
//! once, until somebody answers, and accepts where that is asked for, or nobody is left.
//!
//! Inputs: the action; how each of its calls fails; the first Answer.
//! Outputs: new calls, and the end of those that lost.

use std::collections::{BTreeSet, VecDeque};

use super::action::Ring;
use super::call::{Call, Origin, State};
use super::cause::Cause;
use super::command::Refusal;
use super::context::Context;
use super::dial;
use super::id::{CallRef, PhoneNumber};
use super::log::Kind;
use super::outgoing::Target;
use super::phone::Phone;
use super::settings::Mode;
use super::timer::Timer;

pub(super) struct Hunt {
    ring: Ring,
    numbers: Vec<PhoneNumber>,
    /// Whom to call yet before the list begins anew.
    left: VecDeque<PhoneNumber>,
    /// How many times the list may begin yet.
    cycles: u32,
}

impl Hunt {
    fn new(ring: Ring, mut numbers: Vec<PhoneNumber>, cycles: u32) -> Self {
        match ring {
            Ring::InOrder => {}
            Ring::All => {
                // One telephone rings once, by however many names it is called.
                let mut seen = BTreeSet::new();
                numbers.retain(|number| seen.insert(number.clone()));
                numbers.truncate(Ring::AT_ONCE);
            }
        }
        Self { ring, numbers, left: VecDeque::new(), cycles }
    }

    /// Whom to call now that nobody rings; nobody when all is through.
    fn next(&mut self) -> Vec<PhoneNumber> {
        if self.left.is_empty() && self.cycles > 0 {
            self.cycles -= 1;
            self.left = self.numbers.iter().cloned().collect();
        }
        let count = match self.ring {
            Ring::InOrder => self.left.len().min(1),
            Ring::All => self.left.len(),
        };
        self.left.drain(..count).collect()
    }
}

impl Phone {
    /// Action: calls `to`, in order or all at once.
    pub fn start_call(&mut self, cx: &mut Context, to: &[String], ring: Ring) -> Result<(), Refusal> {
        match (ring, cx.settings.mode) {
            (Ring::All, Mode::Pipe) => return Err(Refusal::OneAtATime),
            (Ring::InOrder, Mode::Pipe | Mode::MultiPipe) | (Ring::All, Mode::MultiPipe) => {}
        }
        self.may_offer(cx)?;
        let mut hunt = Hunt::new(ring, dial::numbers(to, &cx.settings), cx.settings.call.hunt_cycles);
        let first = hunt.next();
        if first.is_empty() {
            return Err(Refusal::UnknownContact);
        }
        if !self.peers.available() {
            return Err(Refusal::MediaNotReady);
        }
        self.hunt = Some(hunt);
        self.dial_all(cx, first);
        Ok(())
    }

    /// The calls of the hunt that nobody has answered yet.
    pub fn hunted(&self) -> Vec<CallRef> {
        self.calls.which(is_hunted)
    }

    /// A call failed. Others of its hunt go on; else the next number is
    /// called; else it is over.
    pub fn fail(&mut self, cx: &mut Context, call: CallRef, cause: Cause) {
        let hunted = self.hunted();
        if !hunted.contains(&call) {
            self.end(cx, call, cause);
        } else if hunted.len() > 1 {
            self.let_go(cx, call, cause);
            self.sound(cx);
        } else {
            let next = if cause.is_of_that_number() { self.next_numbers(cx) } else { Vec::new() };
            if next.is_empty() {
                self.end(cx, call, cause);
            } else {
                self.let_go(cx, call, cause);
                self.dial_all(cx, next);
            }
        }
    }

    /// One of the hunt's calls is answered: nobody else need hurry any more.
    pub fn won(&mut self, cx: &mut Context) {
        self.hunt = None;
        for call in self.hunted() {
            self.let_go(cx, call, Cause::AnsweredByAnother);
        }
    }

    fn next_numbers(&mut self, cx: &Context) -> Vec<PhoneNumber> {
        // An answer that nobody acknowledged may have outlived the session.
        if !cx.registered() || cx.timers.is_set(&Timer::OfferPause) || !self.peers.available() {
            return Vec::new();
        }
        self.hunt.as_mut().map(Hunt::next).unwrap_or_default()
    }

    /// The first gets the peer connection that stands ready, each other one of its own.
    fn dial_all(&mut self, cx: &mut Context, numbers: Vec<PhoneNumber>) {
        for number in numbers {
            let target = Target { id: cx.new_call_id(), number: Some(number), origin: Origin::Dialled };
            // One was available for the first, and each call has another prepared.
            if let Err(refusal) = self.dial(cx, target) {
                cx.log(Kind::Refused, refusal.to_string());
            }
        }
    }
}

fn is_hunted(call: &Call) -> bool {
    match (&call.state, call.leg.origin) {
        (
            State::Preparing | State::Outgoing { .. } | State::Ringing { .. } | State::Acknowledging { .. },
            Origin::Dialled,
        ) => true,
        (
            State::Preparing | State::Outgoing { .. } | State::Ringing { .. } | State::Acknowledging { .. },
            Origin::TakenOver | Origin::Offered | Origin::Check,
        )
        | (
            State::Incoming(_) | State::Connecting | State::Talking(_) | State::Releasing,
            Origin::Dialled | Origin::TakenOver | Origin::Offered | Origin::Check,
        ) => false,
    }
}
