//! How often each odd thing happened since the start.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The event log is short, and a disk wears out: a flood gets one record in this time.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// Counters by name; names are kebab-case and fixed in the code.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    counts: BTreeMap<&'static str, u64>,
    /// When each was last logged.
    logged: BTreeMap<&'static str, Instant>,
}

impl Counters {
    /// Counts one more.
    pub fn count(&mut self, name: &'static str) {
        let count = self.counts.entry(name).or_default();
        *count = count.saturating_add(1);
    }

    /// Whether a record about this counter is due; it is then taken as written.
    pub fn log_is_due(&mut self, name: &'static str, now: Instant) -> bool {
        let since = |at: &Instant| now.saturating_duration_since(*at);
        let due = self.logged.get(name).is_none_or(|at| since(at) >= LOG_PAUSE);
        if due {
            self.logged.insert(name, now);
        }
        due
    }

    /// All that ever counted anything.
    pub fn all(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }
}
