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
                    (Some(action), _) => self.act(action),
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
                    self.act(action);
                }
            }
            Gesture::Hold => {
                cx.log(pushed("hold"), format!("button {name} held"));
                if let Some(action) = &button.hold {
                    self.act(action);
                }
            }
            Gesture::DoublePress => {
                cx.log(pushed("double-press"), format!("button {name} pressed twice"));
                if let Some(action) = &button.double_press {
                    self.act(action);
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

    /// Does what a person at the box asks for, and lets the person hear so.
    fn act(&mut self, action: &Action) {
        let cx = &mut self.cx;
        match self.phone.act(cx, action, By::Button) {
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
                feedback::end_tone(cx, Tone::Error);
                feedback::notice(cx);
                cx.counters.count("press-refused");
                cx.log(Kind::Refused, refusal.to_string());
            }
        }
    }
}
