//! Buttons: bounces, and the gestures press, hold and double press.
//!
//! Inputs: lines `Pressed`, `Released`; timers `Debounce`, `Hold`,
//! `DoublePress`, `Stuck` of each button.
//! Outputs: one [`Gesture`] an input at most; the timers.
//!
//! The leading edge counts at once and what follows within `debounce` is a
//! bounce. When that time is over the button takes the level it last saw, so
//! that a release hidden among bounces is not lost.

use std::collections::BTreeMap;
use std::time::Instant;

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
    /// When a press last acted.
    acted: Option<Instant>,
}

/// What the line does.
#[derive(Clone, Copy)]
enum Contact {
    /// Edges count.
    Settled { down: bool },
    /// Edges are bounces until `Debounce`.
    Bouncing { accepted: bool, seen: bool },
}

impl Default for Contact {
    fn default() -> Self {
        Self::Settled { down: false }
    }
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
        match button.contact {
            Contact::Settled { down: before } if before == down => {
                cx.counters.count("button-edge-repeated");
                None
            }
            Contact::Settled { .. } => button.accept(cx, name, settings, down),
            Contact::Bouncing { accepted, .. } => {
                cx.counters.count("button-bounces");
                button.contact = Contact::Bouncing { accepted, seen: down };
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
            Contact::Bouncing { accepted, seen } if accepted == seen => {
                button.contact = Contact::Settled { down: seen };
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
        self.contact = Contact::Bouncing { accepted: down, seen: down };
        cx.after(Timer::Debounce(name.clone()), settings.debounce);
        if down { self.pushed(cx, name, settings) } else { self.let_go(cx, name) }
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
            Gesture::Press | Gesture::PressDecided | Gesture::Hold | Gesture::Stuck | Gesture::Free => {}
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
                None
            }
            Finger::Stuck => {
                self.finger = Finger::Off;
                Some(Gesture::Free)
            }
            Finger::Off | Finger::Between => None,
        }
    }
}
