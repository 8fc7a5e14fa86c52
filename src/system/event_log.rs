//! The event log: the last entries in memory, and new ones to whoever follows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::appliance::log::Record;

/// How many entries are kept.
pub const KEPT: usize = 1000;

/// How far a follower may lag before it misses entries.
const FOLLOWER_QUEUE: usize = 256;

/// One line of `callbox events --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Running number from 1; a gap means missed entries.
    pub seq: u64,
    /// Microseconds since the process started, monotonic.
    pub t_us: u64,
    /// Wall time, RFC 3339, UTC; wrong where the machine's clock is.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub record: Record,
}

/// The log. Cheap to share.
pub struct EventLog {
    start: Instant,
    kept: Mutex<VecDeque<Arc<Entry>>>,
    followers: broadcast::Sender<Arc<Entry>>,
}

impl EventLog {
    /// An empty log; `start` is time zero of `t_us`.
    pub fn new(start: Instant) -> Self {
        Self { start, kept: Mutex::default(), followers: broadcast::channel(FOLLOWER_QUEUE).0 }
    }

    /// Adds an entry that happened at `at`.
    pub fn add(&self, record: Record, at: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = kept.back().map_or(1, |entry| entry.seq + 1);
        let since_start = at.saturating_duration_since(self.start);
        let entry = Arc::new(Entry {
            seq,
            t_us: u64::try_from(since_start.as_micros()).unwrap_or(u64::MAX),
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            record,
        });
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&entry));
        // Without followers there is nobody to tell.
        let _ = self.followers.send(entry);
    }

    /// The kept entries, and the ones to come without a gap between.
    pub fn follow(&self) -> (Vec<Arc<Entry>>, broadcast::Receiver<Arc<Entry>>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.iter().cloned().collect(), self.followers.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appliance::log::Kind;

    fn record(text: &str) -> Record {
        Record { kind: Kind::Refused, text: text.to_owned() }
    }

    #[test]
    fn the_oldest_entries_go_and_numbers_run_on() {
        let start = Instant::now();
        let log = EventLog::new(start);
        for n in 0..KEPT + 5 {
            log.add(record(&n.to_string()), start);
        }
        let (kept, _) = log.follow();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[0].seq, 6);
        assert_eq!(kept[KEPT - 1].record.text, (KEPT + 4).to_string());
    }

    #[test]
    fn a_follower_misses_nothing_between_the_past_and_the_future() {
        let log = EventLog::new(Instant::now());
        log.add(record("past"), Instant::now());
        let (kept, mut future) = log.follow();
        log.add(record("future"), Instant::now());
        assert_eq!(kept[0].record.text, "past");
        assert_eq!(future.try_recv().unwrap().seq, 2);
    }
}
