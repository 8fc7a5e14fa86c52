//! The person at the box: what a gesture on a button does, and what is heard of it.

use std::sync::Arc;

use super::Appliance;
use super::action::Action;
use super::button::Gesture;
use super::command::Refusal;
use super::door;
use super::fault::Fault;
use super::feedback;
use super::id::ButtonName;
use super::input::{Change, InputFunction};
use super::log::Kind;
use super::phone::By;
use super::push_to_talk::Talker;
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
                    let _ = self.act(Some(name), action);
                }
            }
            Gesture::DoublePress => {
                cx.log(pushed("double-press"), format!("button {name} pressed twice"));
                if let Some(action) = &button.double_press {
                    let _ = self.act(Some(name), action);
                }
            }
            Gesture::LetGo => self.phone.talk_let_go(cx, name),
            Gesture::Chatter | Gesture::Calm => {
                self.phone.talk_let_go(cx, name);
                self.stuck_buttons();
                self.chattering_lines();
            }
            Gesture::Stuck | Gesture::Free => {
                self.phone.talk_let_go(cx, name);
                self.stuck_buttons();
            }
        }
    }

    /// A level of an input counts from now on, or an input's health has changed.
    pub(super) fn input(&mut self, change: Option<Change>) {
        self.chattering_lines();
        self.stuck_inputs();
        let cx = &mut self.cx;
        let Some(Change { function, active, first }) = change else { return };
        match (function, active) {
            (InputFunction::Exit, true) => {
                door::exit(cx);
                feedback::press(cx);
            }
            (InputFunction::Exit, false) => {}
            (InputFunction::Tamper, _) => door::tamper(cx, self.inputs.any_active(function)),
            (InputFunction::DoorContact, _) => door::contact(cx, self.inputs.any_active(function)),
            (InputFunction::Hook, _) if first => {}
            (InputFunction::Hook, off) => self.hook(off),
        }
    }

    /// The handset was taken off the hook, or put back.
    fn hook(&mut self, off: bool) {
        let settings = Arc::clone(&self.cx.settings);
        let action = if off { &settings.hook.off } else { &settings.hook.on };
        match action {
            // Nothing to answer, and no reason to complain of it.
            Some(Action::Answer) if self.phone.status() != CallStatus::Incoming => {}
            Some(Action::HangUp) if self.phone.calls.present().is_none() => {}
            Some(action) => {
                let _ = self.act(None, action);
            }
            None => {}
        }
    }

    fn stuck_buttons(&mut self) {
        let cx = &mut self.cx;
        match self.buttons.all_stuck().as_slice() {
            [] => cx.clear(Fault::StuckButton),
            names => {
                let detail =
                    format!("held for too long: {}; look for dirt or a wedged key", names.join(", "));
                cx.raise(Fault::StuckButton, detail);
            }
        }
    }

    fn stuck_inputs(&mut self) {
        let cx = &mut self.cx;
        match self.inputs.all_stuck().as_slice() {
            [] => cx.clear(Fault::StuckInput),
            names => {
                let detail =
                    format!("active for too long: {}; look for dirt or a short circuit", names.join(", "));
                cx.raise(Fault::StuckInput, detail);
            }
        }
    }

    fn chattering_lines(&mut self) {
        let mut names = self.buttons.all_chattering();
        names.extend(self.inputs.all_chattering());
        let cx = &mut self.cx;
        if names.is_empty() {
            cx.clear(Fault::ChatteringLine);
        } else {
            let names = names.join(", ");
            let detail = format!(
                "changes faster than anybody could: {names}; look for a loose wire or a worn contact"
            );
            cx.raise(Fault::ChatteringLine, detail);
        }
    }

    /// A press. One that comes too soon after the last that acted is answered,
    /// and changes nothing; a call that rings here is never kept from its answer.
    fn press(&mut self, name: &ButtonName, action: &Action) {
        let cx = &mut self.cx;
        let answers = self.phone.status() == CallStatus::Incoming;
        if answers || !self.buttons.too_soon(cx, name) {
            if self.act(Some(name), action).is_ok() && !answers {
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
    pub(super) fn act(&mut self, button: Option<&ButtonName>, action: &Action) -> Result<(), Refusal> {
        if *action == Action::HangUp {
            self.forget_kept_press();
        }
        let cx = &mut self.cx;
        let result = match action {
            Action::Talk { on } => {
                let talker = button.map_or(Talker::Control, |name| Talker::Button(name.clone()));
                self.phone.talk(cx, talker, *on)
            }
            action => self.phone.act(cx, action, By::Button),
        };
        match result {
            Ok(()) => match action {
                // A call has its own tone; an answered one must not blip.
                Action::Call { .. } | Action::TakeOver if self.phone.is_calling() => {}
                // Who talks hears that the far end is silent now, and a lamp tells; the sweep must be alone.
                Action::Talk { .. } | Action::SelfTest => {}
                Action::Call { .. }
                | Action::TakeOver
                | Action::Answer
                | Action::HangUp
                | Action::Swap
                | Action::Merge
                | Action::ToPhone
                | Action::Dtmf { .. }
                | Action::Mute { .. }
                | Action::Volume { .. }
                | Action::OpenDoor { .. }
                | Action::ResetTamper => feedback::press(cx),
            },
            // Somebody who presses once more is only impatient, and who hangs
            // up when all is over has what was wanted.
            Err(refusal)
                if refusal == Refusal::Busy || (refusal, action) == (Refusal::NoCall, &Action::HangUp) =>
            {
                feedback::press(cx);
                cx.ignored("press-ignored", "a press that changes nothing now");
            }
            Err(Refusal::Offline) => {
                let call = matches!(action, Action::Call { .. });
                if !(call && self.keep(button, action)) {
                    self.refused_for_want_of_a_session();
                }
            }
            Err(refusal) => {
                feedback::end_tone(cx, Tone::Error);
                feedback::notice(cx);
                cx.counters.count("press-refused");
                cx.log(Kind::Refused, refusal.to_string());
            }
        }
        result
    }
}
