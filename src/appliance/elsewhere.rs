//! Calls that the associated number has on other terminals.
//!
//! Inputs: messages `InCall`, `Idle`; the session's end; action take-over.
//! Outputs: an Offer for the call that is taken over; the lamp for "busy elsewhere".

use std::collections::VecDeque;

use super::call::Origin;
use super::command::Refusal;
use super::context::Context;
use super::id::{CallId, PhoneNumber};
use super::outgoing::Target;
use super::phone::Phone;
use super::settings::Mode;

/// More calls than one number can have; beyond it a core only fills memory.
const MOST: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// The newest last.
    calls: VecDeque<(CallId, Option<PhoneNumber>)>,
}

impl Elsewhere {
    pub fn busy(&self) -> bool {
        !self.calls.is_empty()
    }

    /// `InCall`.
    pub fn began(&mut self, cx: &mut Context, id: CallId, number: Option<PhoneNumber>) {
        match cx.settings.mode {
            // One number, one call: a new one replaces the old.
            Mode::Pipe => self.calls.clear(),
            Mode::MultiPipe => {}
        }
        if let Some(known) = self.calls.iter_mut().find(|(known, _)| *known == id) {
            known.1 = number;
            return;
        }
        if self.calls.len() >= MOST {
            self.calls.pop_front();
            cx.ignored(
                "in-call-too-many",
                "more calls elsewhere than anybody can have: the oldest is forgotten",
            );
        }
        self.calls.push_back((id, number));
    }

    /// `Idle`.
    pub fn ended(&mut self, cx: &mut Context, id: &CallId) {
        match cx.settings.mode {
            Mode::MultiPipe if !id.as_str().is_empty() => {
                let before = self.calls.len();
                self.forget(id);
                if self.calls.len() == before {
                    cx.counters.count("idle-unknown-call");
                }
            }
            Mode::Pipe | Mode::MultiPipe => self.calls.clear(),
        }
    }

    /// The core does not know this call, or it is over.
    pub fn forget(&mut self, id: &CallId) {
        self.calls.retain(|(known, _)| known != id);
    }

    /// Nothing is known without a session.
    pub fn clear(&mut self) {
        self.calls.clear();
    }
}

impl Phone {
    /// Action: take over the call that the number has elsewhere, of several the newest.
    pub fn take_over(&mut self, cx: &mut Context) -> Result<(), Refusal> {
        self.may_offer(cx)?;
        let (id, number) = self.elsewhere.calls.back().ok_or(Refusal::NothingToTakeOver)?;
        let target = Target { id: id.clone(), number: number.clone(), origin: Origin::TakenOver };
        self.dial(cx, target)
    }
}
