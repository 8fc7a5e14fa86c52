//! Push-to-talk: in a call the person at the box listens, and talks while the
//! talk button is held.
//!
//! Inputs: action `Talk` of buttons and of people on the control socket; a talk
//! button that is let go or stuck; timer `TalkTooLong`; the end of a call.
//! Outputs: who holds the word, of which `hearing.rs` makes the direction of
//! sound; the timer.
//!
//! A microphone that stays open because of a wedged key is heard by everybody
//! in the call and shuts the far end out, so talking always ends: with the
//! finger, with the call, and after the button's `stuck_after` at the latest.

use std::collections::BTreeSet;
use std::time::Duration;

use super::command::{Refusal, Role};
use super::context::Context;
use super::id::ButtonName;
use super::phone::Phone;
use super::settings::TalkMode;
use super::timer::Timer;

/// Nobody on the control socket lets go of a button that was never pushed.
const LONGEST: Duration = Duration::from_secs(60);

/// Who talks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Talker {
    /// A finger on this button.
    Button(ButtonName),
    /// Somebody on the control socket or the panel.
    Control,
}

/// Who holds the word.
#[derive(Debug, Default)]
pub(super) struct PushToTalk {
    talkers: BTreeSet<Talker>,
}

impl PushToTalk {
    /// Whether the person at the box talks now.
    pub fn is_held(&self) -> bool {
        !self.talkers.is_empty()
    }

    /// No call: the next one begins by listening.
    pub fn call_over(&mut self, cx: &mut Context) {
        self.talkers.clear();
        cx.timers.stop(&Timer::TalkTooLong);
    }
}

impl Phone {
    /// Action: talk, or listen again. Without `on` a button talks until it is
    /// let go, and others toggle.
    pub fn talk(&mut self, cx: &mut Context, talker: Talker, on: Option<bool>) -> Result<(), Refusal> {
        match cx.settings.call.sound.talk {
            TalkMode::PushToTalk => {}
            TalkMode::Both | TalkMode::Alternate => return Err(Refusal::NotPushToTalk),
        }
        let is_button = matches!(talker, Talker::Button(_));
        let talks = on.unwrap_or(is_button || !self.push_to_talk.is_held());
        if !talks {
            self.push_to_talk.call_over(cx);
            self.sound(cx);
            return Ok(());
        }
        if !self.calls_talk() {
            return Err(Refusal::NoCall);
        }
        let longest = match &talker {
            Talker::Button(name) => {
                cx.settings.buttons.get(name).map_or(LONGEST, |button| button.stuck_after)
            }
            Talker::Control => LONGEST,
        };
        self.push_to_talk.talkers.insert(talker);
        cx.after(Timer::TalkTooLong, longest);
        cx.counters.count("talks");
        self.sound(cx);
        Ok(())
    }

    /// A button was let go, or is stuck: it talks no more.
    pub fn talk_let_go(&mut self, cx: &mut Context, name: &ButtonName) {
        if self.push_to_talk.talkers.remove(&Talker::Button(name.clone())) {
            if !self.push_to_talk.is_held() {
                cx.timers.stop(&Timer::TalkTooLong);
            }
            self.sound(cx);
        }
    }

    /// `Timer::TalkTooLong`: the far end gets the word back.
    pub fn talked_too_long(&mut self, cx: &mut Context) {
        if self.push_to_talk.is_held() {
            cx.ignored("talk-too-long", "talk was on for too long and is off");
        }
        self.push_to_talk.call_over(cx);
        self.sound(cx);
    }

    /// Whether there is a call in which the person at the box may have the word.
    pub fn calls_talk(&self) -> bool {
        self.hearing.connected().iter().any(|(_, role)| *role == Role::Talk)
    }
}
