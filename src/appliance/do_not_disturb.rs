//! Hours in which calls do not ring here, by the clock on the wall.
//!
//! Inputs: system `Clock`; timer `DoNotDisturb`; callers ask [`now`].
//! Outputs: the status; log; the timer.
//!
//! With an unknown clock no window applies: a person who must reach the box
//! matters more than a quiet night.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::context::Context;
use super::log::Kind;
use super::timer::Timer;
use super::wall_clock::{LocalTime, Weekday, Zone};

/// Clocks change at multiples of this by UTC in every zone of today: a look so
/// often never shows a window that a change of the clocks moved.
const LOOK: u64 = 15 * 60;

/// When calls do not ring.
#[derive(Clone, Debug)]
pub struct DoNotDisturb {
    /// Where the box is.
    pub zone: Zone,
    /// In any of these.
    pub windows: Vec<Window>,
}

/// A time of day, on some days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Since midnight, less than 24 h.
    pub from: Duration,
    /// Since midnight, at most 24 h, not in the window any more. Not after
    /// `from` means on the next day.
    pub to: Duration,
    /// Days on which it begins.
    pub days: BTreeSet<Weekday>,
}

/// Whether calls are turned away now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoNotDisturbStatus {
    /// Calls ring.
    #[default]
    Off,
    /// Only calls of priority numbers ring.
    On,
    /// Calls ring, because nobody knows what time it is.
    ClockUnknown,
}

impl Window {
    pub(super) fn holds(&self, local: &LocalTime) -> bool {
        let (begun, over) = (local.time >= self.from, local.time >= self.to);
        if self.from < self.to {
            begun && !over && self.days.contains(&local.today)
        } else {
            begun && self.days.contains(&local.today) || !over && self.days.contains(&local.yesterday)
        }
    }
}

impl DoNotDisturb {
    fn status(&self, unix: Option<Duration>) -> DoNotDisturbStatus {
        match unix.and_then(|unix| self.zone.local(unix)) {
            None => DoNotDisturbStatus::ClockUnknown,
            Some(local) if self.windows.iter().any(|window| window.holds(&local)) => DoNotDisturbStatus::On,
            Some(_) => DoNotDisturbStatus::Off,
        }
    }
}

/// Looks at the clock: whether calls are turned away now.
pub(super) fn now(cx: &mut Context) -> DoNotDisturbStatus {
    let Some(setting) = &cx.settings.incoming.do_not_disturb else { return DoNotDisturbStatus::Off };
    let unix = cx.clock.unix(cx.now);
    let status = setting.status(unix);
    if let Some(unix) = unix {
        let next = LOOK - unix.as_secs() % LOOK;
        let edge = setting.zone.local(unix).and_then(|local| setting.next_edge(&local));
        let wait = edge.map_or(next, |edge| edge.as_secs().min(next));
        // The clock's fraction of a second is not looked at: not too early.
        let early = Duration::from_nanos(unix.subsec_nanos().into());
        cx.after(Timer::DoNotDisturb, Duration::from_secs(wait).saturating_sub(early));
    }
    if cx.do_not_disturb != status {
        cx.do_not_disturb = status;
        let text = match status {
            DoNotDisturbStatus::Off => "calls ring again",
            DoNotDisturbStatus::On => "do not disturb: only priority numbers ring",
            DoNotDisturbStatus::ClockUnknown => {
                "do-not-disturb does not apply: the time of day is not known yet"
            }
        };
        cx.log(Kind::DoNotDisturb { state: status }, text);
    }
    status
}

impl DoNotDisturb {
    /// How long until a window's edge, if clocks do not change meanwhile.
    fn next_edge(&self, local: &LocalTime) -> Option<Duration> {
        let edges = self.windows.iter().flat_map(|window| [window.from, window.to]);
        edges.filter_map(|edge| edge.checked_sub(local.time)).filter(|wait| !wait.is_zero()).min()
    }
}
