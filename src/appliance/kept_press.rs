//! A press that asked for a call while the session was down: it is kept for a
//! moment, and made good when the session comes back.
//!
//! Whoever presses does not know of sessions, and the wait before the next
//! attempt may be a minute; a press is the best of reasons to try now. The
//! person hears at once that the press is felt, and within [`KEPT`] either the
//! call or that there is none.
//!
//! Inputs: presses that were refused for want of a session, news of the session, timer `KeptPress`.
//! Outputs: the press, once more; or what tells that nobody can be reached.

use std::time::Duration;

use super::Appliance;
use super::action::Action;
use super::command::Refusal;
use super::feedback;
use super::id::ButtonName;
use super::log::Kind;
use super::session;
use super::status::SessionStatus;
use super::timer::Timer;

/// How long a press is kept: a token, a handshake and a registration over a
/// mobile network fit, and nobody has gone away yet.
pub(super) const KEPT: Duration = Duration::from_secs(4);

/// A press that waits for the session.
#[derive(Debug)]
pub(super) struct KeptPress {
    button: Option<ButtonName>,
    action: Action,
    /// The attempt under way is older than the press and may fail by what was before.
    once_more: bool,
}

impl Appliance {
    /// Keeps a call that somebody at the box wants, if a registration may come
    /// of it soon; whether it is kept.
    pub(super) fn keep(&mut self, button: Option<&ButtonName>, action: &Action) -> bool {
        let once_more = self.cx.session.is_under_way();
        if !session::hurry(&mut self.cx) {
            return false;
        }
        if self.kept.is_none() {
            self.cx.after(Timer::KeptPress, KEPT);
        }
        self.kept = Some(KeptPress { button: button.cloned(), action: action.clone(), once_more });
        self.cx.counters.count("press-kept");
        feedback::press(&mut self.cx);
        true
    }

    /// Somebody hung up: the call is wanted no more.
    pub(super) fn forget_kept_press(&mut self) {
        self.kept = None;
        self.cx.timers.stop(&Timer::KeptPress);
    }

    /// The session may have changed.
    pub(super) fn look_at_kept_press(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        match self.cx.session.status() {
            SessionStatus::Registered => {
                let Some(KeptPress { button, action, .. }) = self.kept.take() else { return };
                self.forget_kept_press();
                if self.act(button.as_ref(), &action).is_ok()
                    && let Some(name) = button
                {
                    self.buttons.acted(&self.cx, &name);
                }
            }
            SessionStatus::Connecting => {}
            SessionStatus::Offline if self.cx.session.is_under_way() => {}
            SessionStatus::Offline => {
                let again = std::mem::take(&mut kept.once_more);
                if !(again && session::hurry(&mut self.cx)) {
                    self.kept_for_nothing();
                }
            }
        }
    }

    /// Timer `KeptPress`, or the attempt has failed: the person is told.
    pub(super) fn kept_for_nothing(&mut self) {
        if self.kept.take().is_some() {
            self.cx.timers.stop(&Timer::KeptPress);
            self.refused_for_want_of_a_session();
        }
    }

    /// Nobody can be reached: heard, seen, counted and logged.
    pub(super) fn refused_for_want_of_a_session(&mut self) {
        let cx = &mut self.cx;
        feedback::offline(cx);
        feedback::notice(cx);
        cx.counters.count("press-refused");
        cx.log(Kind::Refused, Refusal::Offline.to_string());
    }
}
