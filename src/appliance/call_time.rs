//! How long a call may last: the longest time with a warning before it, and
//! the end of a call whose far end has fallen silent for good.
//!
//! Inputs: a call's change of state; media `Quiet`, `AudioBack`; timers
//! `CallEnding`, `CallTooLong`, `NoMedia`.
//! Outputs: the warning tone; the call's end.

use super::adoption::Signalling;
use super::call::{Audio, Call, Part, State};
use super::cause::Cause;
use super::context::Context;
use super::feedback;
use super::id::CallRef;
use super::phone::Phone;
use super::status::CallStatus;
use super::timer::Timer;
use super::tone::Tone;

impl Phone {
    /// A call has just left the state `before`.
    pub fn watch_time(&mut self, cx: &mut Context, call: CallRef, before: &State) {
        let Some(found) = self.calls.get(call) else { return };
        if found.state.status() == CallStatus::InCall && before.status() != CallStatus::InCall {
            both_can_talk(cx, call);
        }
        self.watch_media(cx, call);
    }

    /// Media: the far end should send audio, and does not.
    pub fn quiet(&mut self, cx: &mut Context, call: CallRef) {
        self.audio_is(cx, call, Audio::Quiet, "no audio from the far end");
        let orphan = |call: &Call| matches!(call.leg.signalling, Signalling::Orphan(_));
        if self.calls.get(call).is_some_and(orphan) {
            self.end(cx, call, Cause::NoMedia);
        }
    }

    /// Media: the far end sends again, or has put us on hold.
    pub fn audio_back(&mut self, cx: &mut Context, call: CallRef) {
        self.audio_is(cx, call, Audio::Flows, "audio from the far end again");
    }

    /// `Timer::CallEnding`.
    pub fn call_ends_soon(&mut self, cx: &mut Context, call: CallRef) {
        if let Some(found) = self.calls.get(call) {
            cx.step("ends-soon", &found.leg.id, "the longest time of a call is over soon");
            feedback::warning(cx, Tone::CallEnding);
        }
    }

    /// `Timer::CallTooLong`.
    pub fn call_too_long(&mut self, cx: &mut Context, call: CallRef) {
        cx.counters.count("call-too-long");
        self.end(cx, call, Cause::TooLong);
    }

    /// `Timer::NoMedia`.
    pub fn no_media(&mut self, cx: &mut Context, call: CallRef) {
        cx.counters.count("no-media");
        if self.fall_back(cx, call) {
            return;
        }
        self.end(cx, call, Cause::NoMedia);
    }

    fn audio_is(&mut self, cx: &mut Context, call: CallRef, audio: Audio, text: &str) {
        let Some(found) = self.calls.get_mut(call) else { return };
        found.leg.audio = audio;
        cx.step("audio", &found.leg.id, text);
        self.watch_media(cx, call);
    }

    /// The wait for audio runs while somebody waits for it: not while the call
    /// is held here (a far end that is told so may stop sending), nor before
    /// media is up, where `MediaTimeout` runs. Hold by the far end media knows.
    fn watch_media(&self, cx: &mut Context, call: CallRef) {
        let Some(found) = self.calls.get(call) else { return };
        let waits = match (&found.state, found.leg.audio) {
            (State::Talking(Part::Present), Audio::Quiet) => true,
            (State::Talking(Part::Present), Audio::Flows)
            | (
                State::Talking(Part::Held)
                | State::Preparing
                | State::Outgoing { .. }
                | State::Ringing { .. }
                | State::Acknowledging { .. }
                | State::Incoming(_)
                | State::Connecting
                | State::Releasing,
                Audio::Flows | Audio::Quiet,
            ) => false,
        };
        let timer = Timer::NoMedia(call);
        match cx.settings.call.no_media_timeout {
            Some(wait) if waits => {
                if !cx.timers.is_set(&timer) {
                    cx.after(timer, wait);
                }
            }
            Some(_) | None => cx.timers.stop(&timer),
        }
    }
}

fn both_can_talk(cx: &mut Context, call: CallRef) {
    // A call that changed its media goes on with the time it has left.
    let begun = cx.timers.is_set(&Timer::CallTooLong(call));
    let Some(longest) = cx.settings.call.longest.filter(|_| !begun) else { return };
    cx.after(Timer::CallTooLong(call), longest);
    let warn_before = cx.settings.call.warn_before;
    if !warn_before.is_zero()
        && let Some(wait) = longest.checked_sub(warn_before)
    {
        cx.after(Timer::CallEnding(call), wait);
    }
}
