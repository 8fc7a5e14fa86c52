//! The time line of a call: every event with its time since the press that led to it.

use crate::appliance::log::Kind;
use crate::system::event_log::Entry;

/// Remembers the last press.
pub struct Timeline {
    pressed_us: Option<u64>,
}

impl Timeline {
    /// No press yet.
    pub fn new() -> Self {
        Self { pressed_us: None }
    }

    /// One event as a line, such as `+   0.8 ms  offer sent`.
    pub fn line(&mut self, entry: &Entry) -> String {
        if matches!(entry.record.kind, Kind::Button { .. }) {
            self.pressed_us = Some(entry.t_us);
        }
        let (from, unit) = match self.pressed_us {
            Some(pressed) => (entry.t_us.saturating_sub(pressed), "after the press"),
            None => (entry.t_us, "after the start"),
        };
        let ms = from as f64 / 1000.0;
        format!("{ms:>10.1} ms {unit}  {}", entry.record.text)
    }
}
