//! How calls end.

use std::time::Duration;

use super::adoption::Signalling;
use super::call::{Call, Origin, Part, State};
use super::cause::Cause;
use super::command::Refusal;
use super::context::Context;
use super::event::{MediaError, MediaErrorKind};
use super::fault::Fault;
use super::feedback;
use super::id::CallRef;
use super::phone::Phone;
use super::session::Change;
use super::settings::Mode;
use super::status::CallStatus;
use super::timer::Timer;

/// The media shell may take this long to close.
const RELEASING: Duration = Duration::from_secs(2);
impl Phone {
    /// Action: hang up, cancel or reject the call at the box. A hunt is one, and
    /// so are those who talk together.
    pub fn hang_up(&mut self, cx: &mut Context) -> Result<(), Refusal> {
        let present = self.calls.present().ok_or(Refusal::NoCall)?;
        let calls = match present.state {
            State::Talking(Part::Present) => {
                self.calls.which(|call| call.state == State::Talking(Part::Present))
            }
            State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
                if present.leg.origin == Origin::Dialled =>
            {
                self.hunted()
            }
            State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Talking(Part::Held)
            | State::Releasing => vec![present.reference],
        };
        self.end_calls(cx, &calls, Cause::HungUpHere);
        Ok(())
    }

    /// Media gave up on the call's peer connection.
    pub fn media_failed(&mut self, cx: &mut Context, call: CallRef, error: MediaError) {
        cx.counters.count(media_counter(error.kind));
        let Some(found) = self.calls.get(call) else { return };
        let cause = match found.state {
            State::Preparing => {
                cx.raise(Fault::MediaNotReady, error.detail.clone());
                Cause::PeerNotReady
            }
            State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Talking(_)
            | State::Releasing => Cause::MediaFailed(error.kind),
        };
        cx.step("media-failed", &found.leg.id, error.detail);
        if self.fall_back(cx, call) {
            return;
        }
        self.fail(cx, call, cause);
    }

    /// Ends every call for which something holds.
    pub fn end_all(&mut self, cx: &mut Context, cause: Cause, holds: impl Fn(&Call) -> bool) {
        let calls = self.calls.which(holds);
        self.end_calls(cx, &calls, cause);
    }

    /// Ends a call if it lives, and lets the person at the box hear why.
    pub fn end(&mut self, cx: &mut Context, call: CallRef, cause: Cause) {
        self.end_all(cx, cause, |one| one.reference == call);
    }

    fn end_calls(&mut self, cx: &mut Context, calls: &[CallRef], cause: Cause) {
        if calls.is_empty() {
            return;
        }
        let at_box = self.calls.present().filter(|call| calls.contains(&call.reference));
        // What only rang here ends in silence, and what no person asked for.
        let asked_for = at_box.is_some_and(|call| call.leg.origin != Origin::Check);
        let heard = asked_for && at_box.is_some_and(|call| call.state.status() != CallStatus::Incoming);
        let checks = calls.iter().filter_map(|call| self.calls.get(*call));
        let only_checks = checks.into_iter().all(|call| call.leg.origin == Origin::Check);
        for call in calls {
            self.let_go(cx, *call, cause);
        }
        if self.hunted().is_empty() {
            self.hunt = None;
        }
        self.next_in_line(cx);
        self.sound(cx);
        match cause.tone() {
            Some(tone) if heard && self.calls.present().is_none() => feedback::end_tone(cx, tone),
            Some(_) | None => {}
        }
        if cause.is_trouble() && !only_checks {
            feedback::notice(cx);
        }
    }

    /// Lets go of a call and its media, without a word to the person. Every
    /// call ends here.
    pub fn let_go(&mut self, cx: &mut Context, call: CallRef, cause: Cause) {
        let Some(found) = self.calls.get_mut(call) else { return };
        // A caller whose Offer was refused may send a better one under the same id.
        let may_come_again = cx.settings.mode == Mode::MultiPipe && matches!(found.state, State::Incoming(_));
        let (told, answered) = match std::mem::replace(&mut found.state, State::Releasing) {
            // The core has not heard of it.
            State::Preparing => (false, false),
            // It may ring again when the session is back: that is for the core to say.
            State::Incoming(_) => (cause != Cause::SessionLost, false),
            State::Outgoing { .. } | State::Ringing { .. } => (true, false),
            State::Acknowledging { .. } | State::Connecting | State::Talking(_) | State::Releasing => {
                (true, true)
            }
        };
        let (id, peer, leg) = (found.leg.id.clone(), found.leg.peer, found.leg.clone());
        found.leg.signalling = Signalling::Up;
        if found.leg.answers_owed > 0 {
            cx.counters.count("renegotiation-unanswered");
        }
        cx.timers.stop_call(call);
        self.drop_adoption(cx, &leg);
        if told && !id.as_str().is_empty() {
            if !may_come_again {
                self.remember(cx, &id);
            }
            if answered {
                // On `MultiPipe` no Idle may come for a call that ends here. One that
                // was not taken over in the end goes on elsewhere.
                self.elsewhere.forget(&id);
            }
        }
        if told && cause.needs_bye() {
            self.bye(cx, leg);
        }
        self.keep_calls(cx);
        self.check_over(cx, call, cause);
        self.connect(cx);
        self.peers.close(cx, peer, Some(id.clone()));
        cx.after(Timer::Releasing(call), RELEASING);
        cx.step("hang-up", &id, cause.text());
        cx.call_state(CallStatus::Releasing, &id, cause.text());
        if self.calls.present().is_none() {
            // The next visitor must not find a box that says nothing.
            if self.muted && !cx.settings.call.sound.keep_mute {
                self.mute(cx, false);
            }
            self.volume.call_over(cx);
        }
    }

    /// An ended call's media is closed.
    pub fn released(&mut self, cx: &mut Context, which: impl Fn(&Call) -> bool) {
        if let Some(call) = self.calls.remove_released(which) {
            cx.timers.stop_call(call.reference);
            cx.call_state(CallStatus::Idle, &call.leg.id, "the call is over");
        }
    }

    /// The session came or went.
    ///
    /// Without it a call that is answered goes on: its media does not need the
    /// core. One that is not answered ends: nobody could tell us of the answer.
    pub fn session_changed(&mut self, cx: &mut Context, change: Change) {
        match change {
            Change::Registered => {
                self.late_byes_due(cx);
                self.end_left_over(cx);
                self.signalling_back(cx);
            }
            Change::Lost => {
                self.elsewhere.clear();
                self.end_all(cx, Cause::SessionLost, |call| {
                    call.state.is_unanswered() || call.leg.origin == Origin::Check
                });
                self.signalling_lost(cx);
            }
        }
    }
}

fn media_counter(kind: MediaErrorKind) -> &'static str {
    match kind {
        MediaErrorKind::BadSdp => "media-bad-sdp",
        MediaErrorKind::NoAudio => "media-no-audio",
        MediaErrorKind::NoCommonCodec => "media-no-common-codec",
        MediaErrorKind::IceFailed => "media-ice-failed",
        MediaErrorKind::DtlsFailed => "media-dtls-failed",
        MediaErrorKind::NoAddress => "media-no-address",
        MediaErrorKind::Internal => "media-internal",
    }
}
