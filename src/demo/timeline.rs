//! The time line of a call: every event with its time since what led to it.

use crate::appliance::log::Kind;
use crate::system::event_log::Entry;

/// Remembers what the call at hand began with.
pub struct Timeline {
    from_us: u64,
    began: &'static str,
}

impl Timeline {
    /// No press yet: times count from the start.
    pub fn new() -> Self {
        Self { from_us: 0, began: "the start" }
    }

    /// One event as a line, such as `0.8 ms after the press  Offer sent`.
    pub fn line(&mut self, entry: &Entry) -> String {
        match entry.record.kind {
            Kind::Button { .. } => (self.from_us, self.began) = (entry.t_us, "the press"),
            Kind::Call { state: "incoming", .. } => (self.from_us, self.began) = (entry.t_us, "the call"),
            Kind::Session { .. }
            | Kind::Call { .. }
            | Kind::Step { .. }
            | Kind::FaultRaised { .. }
            | Kind::FaultCleared { .. }
            | Kind::Ignored { .. }
            | Kind::Statistics { .. }
            | Kind::Refused
            | Kind::DoNotDisturb { .. }
            | Kind::SelfTest { .. }
            | Kind::Door { .. } => {}
        }
        let ms = entry.t_us.saturating_sub(self.from_us) as f64 / 1000.0;
        format!("{ms:>10.1} ms after {:<9}  {}", self.began, entry.record.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appliance::log::Record;

    fn entry(t_us: u64, kind: Kind, text: &str) -> Entry {
        Entry { seq: 1, t_us, time: String::new(), record: Record { kind, text: text.to_owned() } }
    }

    #[test]
    fn times_count_from_the_last_press_or_call() {
        let mut timeline = Timeline::new();
        let press = Kind::Button { button: "call".into(), gesture: "press" };
        assert_eq!(timeline.line(&entry(1500, Kind::Refused, "a")), "       1.5 ms after the start  a");
        assert_eq!(timeline.line(&entry(5000, press, "b")), "       0.0 ms after the press  b");
        assert_eq!(timeline.line(&entry(7250, Kind::Refused, "c")), "       2.2 ms after the press  c");
        let call = Kind::Call { state: "incoming", call_id: "".into() };
        timeline.line(&entry(9000, call, "d"));
        assert_eq!(timeline.line(&entry(9100, Kind::Refused, "e")), "       0.1 ms after the call   e");
    }
}
