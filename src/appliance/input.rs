//! Inputs other than buttons: bounces, chatter, and what they are for.
//!
//! Inputs: lines `Input`, `InputBounced`; timers `InputSettled`, `InputStuck`, `InputCalm`.
//! Outputs: one [`Change`] an input at most; the timers.
//!
//! The exit button acts at its first edge, like any button. The others count
//! when they have kept a level for `debounce`, so that a spark raises no alarm.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::chatter::{CALM, Chatter};
use super::context::Context;
use super::id::InputName;
use super::timer::Timer;

/// Nobody leans on the exit button for longer.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// What an input other than a button is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputFunction {
    /// Lets people out at any time.
    Exit,
    /// The case is open or the box is off its wall.
    Tamper,
    /// Active while the door is open.
    DoorContact,
    /// Active while the handset is off the hook.
    Hook,
}

/// One input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputSettings {
    /// What it is for.
    pub function: InputFunction,
    /// Edges within this time after an accepted edge are bounces (exit), or how
    /// long a level must last to count (others). Default 30 ms.
    pub debounce: Duration,
}

impl From<InputFunction> for InputSettings {
    fn from(function: InputFunction) -> Self {
        Self { function, debounce: Duration::from_millis(30) }
    }
}

/// What a handset does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSettings {
    /// When it is taken off the hook. Default: answer the call that rings here.
    pub off: Option<Action>,
    /// When it is put back. Default: hang up.
    pub on: Option<Action>,
}

impl Default for HookSettings {
    fn default() -> Self {
        Self { off: Some(Action::Answer), on: Some(Action::HangUp) }
    }
}

#[derive(Default)]
pub(super) struct Inputs {
    inputs: BTreeMap<InputName, Input>,
}

struct Input {
    settings: InputSettings,
    /// The level that counts; none before the first.
    level: Option<bool>,
    /// The level of the last edge.
    seen: bool,
    /// An exit button's edges are bounces until `InputSettled`.
    bouncing: bool,
    stuck: bool,
    chatter: Chatter,
}

/// A level that counts from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub function: InputFunction,
    pub active: bool,
    /// Nothing was known of this input before.
    pub first: bool,
}

impl Inputs {
    pub fn new(settings: &BTreeMap<InputName, InputSettings>) -> Self {
        Self {
            inputs: settings.iter().map(|(name, settings)| (name.clone(), Input::new(*settings))).collect(),
        }
    }

    /// An edge on an input's line, or its level at start.
    pub fn edge(&mut self, cx: &mut Context, name: &InputName, active: bool) -> Option<Change> {
        let Some(input) = self.inputs.get_mut(name) else {
            cx.ignored("input-unknown", format!("input {name} is not configured"));
            return None;
        };
        input.seen = active;
        let begins = input.counted(cx, name);
        match input.settings.function {
            // People must get out, whatever state its contact is in.
            InputFunction::Exit if input.bouncing => {
                cx.counters.count("input-bounces");
                None
            }
            InputFunction::Exit => input.accept(cx, name),
            InputFunction::Tamper | InputFunction::DoorContact | InputFunction::Hook if begins => {
                input.begins_to_chatter(cx, name)
            }
            InputFunction::Tamper | InputFunction::DoorContact | InputFunction::Hook => {
                if !input.chatter.is_on() {
                    cx.after(Timer::InputSettled(name.clone()), input.settings.debounce);
                }
                None
            }
        }
    }

    /// An edge that the back-end took for a bounce.
    pub fn bounce(&mut self, cx: &mut Context, name: &InputName) -> Option<Change> {
        cx.counters.count("input-bounces");
        let input = self.inputs.get_mut(name)?;
        if input.counted(cx, name) { input.begins_to_chatter(cx, name) } else { None }
    }

    /// `Timer::InputSettled`.
    pub fn settled(&mut self, cx: &mut Context, name: &InputName) -> Option<Change> {
        let input = self.inputs.get_mut(name)?;
        input.bouncing = false;
        input.accept(cx, name)
    }

    /// `Timer::InputCalm`: the level that it has come to rest at counts.
    pub fn calm(&mut self, cx: &mut Context, name: &InputName) -> Option<Change> {
        let input = self.inputs.get_mut(name)?;
        input.chatter.calm();
        input.accept(cx, name)
    }

    /// `Timer::InputStuck`.
    pub fn stuck(&mut self, name: &InputName) {
        if let Some(input) = self.inputs.get_mut(name) {
            input.stuck = true;
        }
    }

    /// Whether any input of this function is active. One that chatters counts
    /// as what it was when it began.
    pub fn any_active(&self, function: InputFunction) -> bool {
        self.inputs.values().any(|input| input.settings.function == function && input.level == Some(true))
    }

    /// Every input and whether it is active.
    pub fn levels(&self) -> BTreeMap<InputName, bool> {
        self.inputs.iter().map(|(name, input)| (name.clone(), input.level == Some(true))).collect()
    }

    /// The names of all inputs that are stuck.
    pub fn all_stuck(&self) -> Vec<&str> {
        self.inputs.iter().filter(|(_, input)| input.stuck).map(|(name, _)| name.as_str()).collect()
    }

    /// The names of all inputs that chatter.
    pub fn all_chattering(&self) -> Vec<&str> {
        self.inputs.iter().filter(|(_, input)| input.chatter.is_on()).map(|(name, _)| name.as_str()).collect()
    }
}

impl Input {
    fn new(settings: InputSettings) -> Self {
        Self {
            settings,
            level: None,
            seen: false,
            bouncing: false,
            stuck: false,
            chatter: Chatter::default(),
        }
    }

    /// Counts an edge; true if with it the line begins to chatter.
    fn counted(&mut self, cx: &mut Context, name: &InputName) -> bool {
        let begins = self.chatter.edge(cx.now);
        if self.chatter.is_on() {
            cx.after(Timer::InputCalm(name.clone()), CALM);
        }
        begins
    }

    fn begins_to_chatter(&mut self, cx: &mut Context, name: &InputName) -> Option<Change> {
        match self.settings.function {
            InputFunction::Exit => None,
            // Whoever makes a contact chatter does not get past it.
            InputFunction::Tamper => {
                cx.timers.stop(&Timer::InputSettled(name.clone()));
                self.seen = true;
                self.accept(cx, name)
            }
            InputFunction::DoorContact | InputFunction::Hook => {
                cx.timers.stop(&Timer::InputSettled(name.clone()));
                None
            }
        }
    }

    /// The level last seen counts.
    fn accept(&mut self, cx: &mut Context, name: &InputName) -> Option<Change> {
        let (before, active) = (self.level.replace(self.seen), self.seen);
        if before == Some(active) {
            return None;
        }
        let function = self.settings.function;
        if function == InputFunction::Exit {
            self.bouncing = true;
            cx.after(Timer::InputSettled(name.clone()), self.settings.debounce);
            self.stuck = false;
            let stuck = Timer::InputStuck(name.clone());
            if active { cx.after(stuck, STUCK_AFTER) } else { cx.timers.stop(&stuck) }
        }
        Some(Change { function, active, first: before.is_none() })
    }
}
