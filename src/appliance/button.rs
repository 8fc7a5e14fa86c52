//! Buttons: bounces, and the gestures press, hold and double press.
//!
//! Inputs: lines `Pressed`, `Released`; timers `Debounce`, `Hold`,
//! `DoublePress`, `Stuck`, `Calm` of each button.
//! Outputs: one [`Gesture`] an input at most; the timers.
//!
//! The leading edge counts at once and what follows within `debounce` is a
//! bounce. When that time is over the button takes the level it last saw, so
//! that a release hidden among bounces is not lost. An edge counts from when it
//! was made: one of that time that is only told after it is a bounce, too.

use std::collections::BTreeMap;
use std::time::Instant;

use super::chatter::{CALM, Chatter};
use super::context::Context;
use super::id::ButtonName;
use super::settings::ButtonSettings;
use super::timer::Timer;

#[derive(Default)]
pub(super) struct Buttons {
    buttons: BTreeMap<ButtonName, Button>,
}

#[derive(Default)]
struct Button {
    contact: Contact,
    finger: Finger,
    chatter: Chatter,
    /// When a press last acted.
    acted: Option<Instant>,
}

/// What the line does.
#[derive(Clone, Copy)]
enum Contact {
    /// Edges count.
    Settled { down: bool, late: Option<Late> },
    /// Edges are bounces until `Debounce`, which is due at `until`.
    Bouncing { accepted: bool, seen: bool, until: Instant },
}

impl Contact {
    fn settled(down: bool) -> Self {
        Self::Settled { down, late: None }
    }
}

impl Default for Contact {
    fn default() -> Self {
        Self::settled(false)
    }
}

/// What tells an edge that comes late.
#[derive(Clone, Copy)]
struct Late {
    /// The end of the time of bounces.
    until: Instant,
    /// When that end was acted on.
    acted: Instant,
}

/// What the person does.
#[derive(Clone, Copy, Default)]
enum Finger {
    /// Off the button.
    #[default]
    Off,
    /// First push of what may become a double press.
    FirstPush,
    /// Let go after that; a second push may come.
    Between,
    /// Pushed, and what it means is decided.
    On,
    /// The hold has acted.
    Holding,
    /// On for longer than anybody would.
    Stuck,
}

/// What a button means now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gesture {
    /// Pushed in, and the press acts.
    Press,
    /// Pushed in; whether it is a press or a double press is not known yet.
    FirstPush,
    /// The first push was a press: the time for a second is over.
    PressDecided,
    /// Held.
    Hold,
    /// Pushed in for the second time.
    DoublePress,
    /// Pushed in for longer than anybody would.
    Stuck,
    /// A stuck button came free.
    Free,
    /// Let go.
    LetGo,
    /// Its edges mean nothing from now on: nobody could make so many.
    Chatter,
    /// They mean something again.
    Calm,
}

impl Buttons {
    pub fn new(names: impl Iterator<Item = ButtonName>) -> Self {
        Self { buttons: names.map(|name| (name, Button::default())).collect() }
    }

    /// An edge on a button's line.
    pub fn edge(&mut self, cx: &mut Context, name: &ButtonName, down: bool) -> Option<Gesture> {
        let settings = std::sync::Arc::clone(&cx.settings);
        let (Some(button), Some(settings)) = (self.buttons.get_mut(name), settings.buttons.get(name)) else {
            cx.ignored("button-unknown", format!("button {name} is not configured"));
            return None;
        };
        let begins = button.chatter.edge(cx.now);
        if button.chatter.is_on() {
            button.contact = Contact::settled(down);
            cx.after(Timer::Calm(name.clone()), CALM);
            return begins.then(|| button.ignore(cx, name));
        }
        match button.contact {
            Contact::Settled { down: accepted, late: Some(late) } if cx.now < late.until => {
                cx.counters.count("button-bounces");
                // More of them may be on their way.
                let until = late.acted.checked_add(settings.debounce).unwrap_or(late.acted);
                cx.timers.set(Timer::Debounce(name.clone()), until);
                button.contact = Contact::Bouncing { accepted, seen: down, until };
                None
            }
            Contact::Settled { down: before, .. } if before == down => {
                cx.counters.count("button-edge-repeated");
                None
            }
            Contact::Settled { .. } => button.accept(cx, name, settings, down),
            Contact::Bouncing { accepted, until, .. } => {
                cx.counters.count("button-bounces");
                button.contact = Contact::Bouncing { accepted, seen: down, until };
                None
            }
        }
    }

    /// `Timer::Debounce`.
    pub fn debounced(&mut self, cx: &mut Context, name: &ButtonName) -> Option<Gesture> {
        let settings = std::sync::Arc::clone(&cx.settings);
        let button = self.buttons.get_mut(name)?;
        match button.contact {
            Contact::Settled { .. } => None,
            Contact::Bouncing { accepted, seen, until } if accepted == seen => {
                button.contact = Contact::Settled { down: seen, late: Some(Late { until, acted: cx.now }) };
                None
            }
            Contact::Bouncing { seen, .. } => button.accept(cx, name, settings.buttons.get(name)?, seen),
        }
    }

    /// `Timer::DoublePress`.
    pub fn no_second_press(&mut self, name: &ButtonName) -> Option<Gesture> {
        let finger = &mut self.buttons.get_mut(name)?.finger;
        match *finger {
            Finger::FirstPush => {
                *finger = Finger::On;
                Some(Gesture::PressDecided)
            }
            Finger::Between => {
                *finger = Finger::Off;
                Some(Gesture::PressDecided)
            }
            Finger::Off | Finger::On | Finger::Holding | Finger::Stuck => None,
        }
    }

    /// `Timer::Hold`.
    pub fn held(&mut self, name: &ButtonName) -> Option<Gesture> {
        let finger = &mut self.buttons.get_mut(name)?.finger;
        match *finger {
            Finger::FirstPush | Finger::On => {
                *finger = Finger::Holding;
                Some(Gesture::Hold)
            }
            Finger::Off | Finger::Between | Finger::Holding | Finger::Stuck => None,
        }
    }

    /// `Timer::Stuck`.
    pub fn stuck(&mut self, name: &ButtonName) -> Option<Gesture> {
        let finger = &mut self.buttons.get_mut(name)?.finger;
        match *finger {
            Finger::FirstPush | Finger::On | Finger::Holding => {
                *finger = Finger::Stuck;
                Some(Gesture::Stuck)
            }
            Finger::Off | Finger::Between | Finger::Stuck => None,
        }
    }

    /// `Timer::Calm`: a button that came to rest pushed in is no press.
    pub fn calm(&mut self, cx: &mut Context, name: &ButtonName) -> Option<Gesture> {
        let button = self.buttons.get_mut(name)?;
        button.chatter.calm();
        if let Contact::Settled { down: true, .. } = button.contact {
            button.finger = Finger::On;
            let stuck_after = cx.settings.buttons.get(name)?.stuck_after;
            cx.after(Timer::Stuck(name.clone()), stuck_after);
        }
        Some(Gesture::Calm)
    }

    /// The names of all buttons that chatter.
    pub fn all_chattering(&self) -> Vec<&str> {
        self.buttons
            .iter()
            .filter(|(_, button)| button.chatter.is_on())
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Whether the last press that acted was only a moment ago.
    pub fn too_soon(&self, cx: &Context, name: &ButtonName) -> bool {
        let ignore_again = cx.settings.buttons.get(name).map(|settings| settings.ignore_again);
        let acted = self.buttons.get(name).and_then(|button| button.acted);
        acted.zip(ignore_again).is_some_and(|(at, wait)| cx.now.saturating_duration_since(at) < wait)
    }

    /// A press did something.
    pub fn acted(&mut self, cx: &Context, name: &ButtonName) {
        if let Some(button) = self.buttons.get_mut(name) {
            button.acted = Some(cx.now);
        }
    }

    /// The names of all buttons that are stuck.
    pub fn all_stuck(&self) -> Vec<&str> {
        let stuck = self.buttons.iter().filter(|(_, button)| matches!(button.finger, Finger::Stuck));
        stuck.map(|(name, _)| name.as_str()).collect()
    }
}

impl Button {
    fn accept(
        &mut self,
        cx: &mut Context,
        name: &ButtonName,
        settings: &ButtonSettings,
        down: bool,
    ) -> Option<Gesture> {
        let until = cx.now.checked_add(settings.debounce).unwrap_or(cx.now);
        cx.timers.set(Timer::Debounce(name.clone()), until);
        self.contact = Contact::Bouncing { accepted: down, seen: down, until };
        if down { self.pushed(cx, name, settings) } else { self.let_go(cx, name) }
    }

    /// What was under way comes to nothing.
    fn ignore(&mut self, cx: &mut Context, name: &ButtonName) -> Gesture {
        self.finger = Finger::Off;
        for timer in [Timer::Debounce, Timer::Hold, Timer::DoublePress, Timer::Stuck] {
            cx.timers.stop(&timer(name.clone()));
        }
        cx.counters.count("button-chatters");
        Gesture::Chatter
    }

    fn pushed(&mut self, cx: &mut Context, name: &ButtonName, settings: &ButtonSettings) -> Option<Gesture> {
        let (finger, gesture) = match (self.finger, &settings.double_press) {
            (Finger::Off, None) => (Finger::On, Gesture::Press),
            (Finger::Off, Some(_)) => (Finger::FirstPush, Gesture::FirstPush),
            (Finger::Between, Some(_) | None) => (Finger::On, Gesture::DoublePress),
            // The contact says up before it says down again.
            (Finger::FirstPush | Finger::On | Finger::Holding | Finger::Stuck, Some(_) | None) => {
                return None;
            }
        };
        self.finger = finger;
        cx.after(Timer::Stuck(name.clone()), settings.stuck_after);
        match gesture {
            Gesture::FirstPush => cx.after(Timer::DoublePress(name.clone()), settings.double_within),
            Gesture::DoublePress => cx.timers.stop(&Timer::DoublePress(name.clone())),
            Gesture::Press
            | Gesture::PressDecided
            | Gesture::Hold
            | Gesture::Stuck
            | Gesture::Free
            | Gesture::LetGo
            | Gesture::Chatter
            | Gesture::Calm => {}
        }
        if settings.hold.is_some() && gesture != Gesture::DoublePress {
            cx.after(Timer::Hold(name.clone()), settings.hold_after);
        }
        Some(gesture)
    }

    fn let_go(&mut self, cx: &mut Context, name: &ButtonName) -> Option<Gesture> {
        cx.timers.stop(&Timer::Hold(name.clone()));
        cx.timers.stop(&Timer::Stuck(name.clone()));
        match self.finger {
            Finger::FirstPush => {
                self.finger = Finger::Between;
                None
            }
            Finger::On | Finger::Holding => {
                self.finger = Finger::Off;
                Some(Gesture::LetGo)
            }
            Finger::Stuck => {
                self.finger = Finger::Off;
                Some(Gesture::Free)
            }
            Finger::Off | Finger::Between => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Buttons `plain`, and `rich` with all three gestures.
    fn bench() -> (Context, Buttons) {
        let mut cx = Context::quiet();
        let action = super::super::action::Action::Answer;
        let plain = ButtonSettings { press: Some(action.clone()), ..ButtonSettings::default() };
        let rich = ButtonSettings { hold: Some(action.clone()), double_press: Some(action), ..plain.clone() };
        let buttons = BTreeMap::from([("plain".into(), plain), ("rich".into(), rich)]);
        let names = Buttons::new(buttons.keys().cloned());
        std::sync::Arc::make_mut(&mut cx.settings).buttons = buttons;
        (cx, names)
    }

    fn settle(cx: &mut Context, buttons: &mut Buttons, name: &ButtonName) {
        // What is made within the debounce is a bounce however late it is told.
        cx.now += Duration::from_secs(1);
        cx.timers.stop(&Timer::Debounce(name.clone()));
        assert_eq!(buttons.debounced(cx, name), None);
        assert!(!cx.timers.is_set(&Timer::Debounce(name.clone())), "it is settled");
    }

    #[test]
    fn the_same_level_again_is_counted_and_no_edge() {
        let (mut cx, mut buttons) = bench();
        let name = "plain".into();
        assert_eq!(buttons.edge(&mut cx, &name, true), Some(Gesture::Press));
        settle(&mut cx, &mut buttons, &name);
        assert_eq!(buttons.edge(&mut cx, &name, true), None);
        assert!(!cx.timers.is_set(&Timer::Debounce(name.clone())));
        assert_eq!(cx.counters.all().get("button-edge-repeated"), Some(&1));
        assert_eq!(buttons.edge(&mut cx, &name, false), Some(Gesture::LetGo));
        assert!(cx.timers.is_set(&Timer::Debounce(name)));
    }

    #[test]
    fn letting_go_leaves_no_timer_of_the_push() {
        let (mut cx, mut buttons) = bench();
        let name: ButtonName = "rich".into();
        assert_eq!(buttons.edge(&mut cx, &name, true), Some(Gesture::FirstPush));
        let of_the_push = [Timer::Hold(name.clone()), Timer::Stuck(name.clone())];
        assert!(of_the_push.iter().all(|timer| cx.timers.is_set(timer)));
        settle(&mut cx, &mut buttons, &name);
        buttons.edge(&mut cx, &name, false);
        assert!(!of_the_push.iter().any(|timer| cx.timers.is_set(timer)));
        settle(&mut cx, &mut buttons, &name);
        assert_eq!(buttons.edge(&mut cx, &name, true), Some(Gesture::DoublePress));
        assert!(!cx.timers.is_set(&Timer::Hold(name.clone())), "a double press is no hold");
        assert!(!cx.timers.is_set(&Timer::DoublePress(name)));
    }

    #[test]
    fn only_what_is_pushed_can_be_held_or_stuck() {
        let (mut cx, mut buttons) = bench();
        let name: ButtonName = "rich".into();
        assert_eq!(
            (buttons.held(&name), buttons.stuck(&name), buttons.no_second_press(&name)),
            (None, None, None)
        );
        cx.now += Duration::from_secs(1);
        buttons.edge(&mut cx, &name, true);
        assert_eq!(buttons.no_second_press(&name), Some(Gesture::PressDecided));
        assert_eq!(buttons.held(&name), Some(Gesture::Hold));
        assert_eq!(buttons.held(&name), None);
        assert_eq!(buttons.stuck(&name), Some(Gesture::Stuck));
        assert_eq!(buttons.stuck(&name), None);
        assert_eq!(buttons.all_stuck(), ["rich"]);
        settle(&mut cx, &mut buttons, &name);
        assert_eq!(buttons.edge(&mut cx, &name, false), Some(Gesture::Free));
        assert_eq!(buttons.all_stuck(), Vec::<&str>::new());
    }
}
