//! The person at the box: what a gesture on a button does, and what is heard of it.

use std::sync::Arc;

use super::Appliance;
use super::action::Action;
use super::button::Gesture;
use super::command::Refusal;
use super::fault::Fault;
use super::feedback;
use super::id::ButtonName;
use super::log::Kind;
use super::phone::By;
use super::status::CallStatus;
use super::tone::Tone;

impl Appliance {
    /// Does what a button means now.
    pub(super) fn gesture(&mut self, name: &ButtonName, gesture: Option<Gesture>) {
        let settings = Arc::clone(&self.cx.settings);
        let (Some(gesture), Some(button)) = (gesture, settings.buttons.get(name)) else { return };
        let cx = &mut self.cx;
        let pushed = |gesture| Kind::Button { button: name.clone(), gesture };
        match gesture {
            Gesture::Press => {
                cx.log(pushed("press"), format!("button {name} pressed"));
                match (&button.press, &button.hold) {
                    (Some(action), _) => self.press(name, action),
                    // It may become a hold: the finger hears that it is felt.
                    (None, Some(_)) => feedback::press(cx),
                    (None, None) => cx.counters.count("button-without-action"),
                }
            }
            Gesture::FirstPush => {
                cx.log(pushed("press"), format!("button {name} pressed"));
                feedback::press(cx);
            }
            Gesture::PressDecided => {
                if let Some(action) = &button.press {
                    self.press(name, action);
                }
            }
            Gesture::Hold => {
                cx.log(pushed("hold"), format!("button {name} held"));
                if let Some(action) = &button.hold {
                    let _ = self.act(action);
                }
            }
            Gesture::DoublePress => {
                cx.log(pushed("double-press"), format!("button {name} pressed twice"));
                if let Some(action) = &button.double_press {
                    let _ = self.act(action);
                }
            }
            Gesture::Stuck | Gesture::Free => match self.buttons.all_stuck().as_slice() {
                [] => cx.clear(Fault::StuckButton),
                names => {
                    let detail =
                        format!("held for too long: {}; look for dirt or a wedged key", names.join(", "));
                    cx.raise(Fault::StuckButton, detail);
                }
            },
        }
    }

    /// A press. One that comes too soon after the last that acted is answered,
    /// and changes nothing; a call that rings here is never kept from its answer.
    fn press(&mut self, name: &ButtonName, action: &Action) {
        let cx = &mut self.cx;
        let answers = self.phone.status() == CallStatus::Incoming;
        if answers || !self.buttons.too_soon(cx, name) {
            if self.act(action).is_ok() && !answers {
                self.buttons.acted(&self.cx, name);
            }
            return;
        }
        feedback::press(cx);
        if self.phone.calls.present().is_none() {
            // No lamp of a call tells that the press is felt.
            feedback::notice(cx);
        }
        cx.ignored("press-too-soon", format!("button {name} pressed again too soon"));
    }

    /// Does what a person at the box asks for, and lets the person hear so.
    fn act(&mut self, action: &Action) -> Result<(), Refusal> {
        let cx = &mut self.cx;
        let result = self.phone.act(cx, action, By::Button);
        match result {
            Ok(()) => match action {
                // A call has its own tone; an answered one must not blip.
                Action::Call { .. } | Action::TakeOver if self.phone.is_calling() => {}
                Action::Call { .. }
                | Action::TakeOver
                | Action::Answer
                | Action::HangUp
                | Action::Swap
                | Action::Merge
                | Action::ToPhone
                | Action::Dtmf { .. }
                | Action::Mute { .. } => feedback::press(cx),
            },
            // Somebody who presses once more is only impatient, and who hangs
            // up when all is over has what was wanted.
            Err(refusal)
                if refusal == Refusal::Busy || (refusal, action) == (Refusal::NoCall, &Action::HangUp) =>
            {
                feedback::press(cx);
                cx.ignored("press-ignored", "a press that changes nothing now");
            }
            Err(refusal) => {
                match refusal {
                    Refusal::Offline => feedback::offline(cx),
                    Refusal::NoCall
                    | Refusal::NoSecondCall
                    | Refusal::Busy
                    | Refusal::RateLimited
                    | Refusal::UnknownContact
                    | Refusal::MediaNotReady
                    | Refusal::NotADigit
                    | Refusal::NothingToTakeOver
                    | Refusal::OneAtATime
                    | Refusal::ShuttingDown => feedback::end_tone(cx, Tone::Error),
                }
                feedback::notice(cx);
                cx.counters.count("press-refused");
                cx.log(Kind::Refused, refusal.to_string());
            }
        }
        result
    }
}
