//! Calls that this box had when its process was killed or its power failed.
//!
//! Their media is gone, and at the other end somebody holds a telephone in which
//! nobody speaks. So the ids of all calls that the core knows of are kept over a
//! restart, and ended on the first stream: with `MultiPipe` at once, with `Pipe`,
//! where a Bye ends whatever call there is, only if the core's first word is an
//! `InCall` of that very id. A number alone would not do: hours later the same
//! people may be in another call.
//!
//! Inputs: what was remembered; the session's changes; messages; the set of calls.
//! Outputs: `Send` Bye; `Remember`.

use super::call::State;
use super::context::Context;
use super::event::{Body, Message};
use super::id::CallId;
use super::phone::Phone;
use super::settings::Mode;

/// More calls than a box can have; a file may say anything.
const MOST: usize = 16;

impl Phone {
    /// What an earlier process left behind; once, at start.
    pub fn left_over(&mut self, mut calls: Vec<CallId>) {
        calls.retain(|id| !id.as_str().is_empty());
        calls.truncate(MOST);
        self.left_over = calls;
    }

    /// A new stream is up.
    pub fn end_left_over(&mut self, cx: &mut Context) {
        match cx.settings.mode {
            Mode::Pipe => {}
            Mode::MultiPipe => self.settle_left_over(cx, |_| true),
        }
    }

    /// A message of the core; with `Pipe` the first one settles what was left over.
    pub fn left_over_heard(&mut self, cx: &mut Context, message: &Message) {
        let is_said = matches!(message.body, Body::InCall { .. });
        self.settle_left_over(cx, |id| is_said && *id == message.call_id);
    }

    /// A new call begins: with `Pipe` a Bye could end that.
    pub fn forget_left_over(&mut self, cx: &mut Context) {
        match cx.settings.mode {
            Mode::Pipe => self.settle_left_over(cx, |_| false),
            Mode::MultiPipe => {}
        }
    }

    /// Has the ids kept of every call that the core knows of; after every change of the set of calls.
    pub fn keep_calls(&self, cx: &mut Context) {
        let known = self.calls.live().filter(|call| call.state != State::Preparing);
        let known = known.map(|call| call.leg.id.clone()).filter(|id| !id.as_str().is_empty());
        let calls: Vec<CallId> = self.left_over.iter().cloned().chain(known).take(MOST).collect();
        cx.remember(|memory| memory.calls = calls);
    }

    fn settle_left_over(&mut self, cx: &mut Context, ours: impl Fn(&CallId) -> bool) {
        if self.left_over.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.left_over).into_iter().filter(ours) {
            cx.counters.count("calls-left-over");
            cx.step("hang-up", &id, "Bye sent for a call that an earlier process left behind");
            cx.send(id, Body::Bye);
        }
        self.keep_calls(cx);
    }
}
