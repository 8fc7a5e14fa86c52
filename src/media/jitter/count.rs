//! What the jitter buffer counts, and the jitter it measures.

use std::time::{Duration, Instant};

use super::Arrived;
use crate::media::packet::rtp_clock;

/// A transit time that differs by more than this from the last one is a new
/// timestamp base, not jitter.
const IMPLAUSIBLE: Duration = Duration::from_secs(2);

/// Counters since the buffer was made.
#[derive(Clone, Debug, Default)]
pub(in crate::media) struct Counts {
    pub(in crate::media) received: u64,
    pub(in crate::media) lost: u64,
    pub(in crate::media) late: u64,
    pub(in crate::media) reordered: u64,
    pub(in crate::media) duplicated: u64,
    pub(in crate::media) dropped: u64,
    /// Times that another source, or another numbering, began.
    pub(in crate::media) restarts: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub(in crate::media) jitter: Duration,
    /// How long the packet played last had waited.
    pub(in crate::media) delay: Duration,
    last: Option<(Instant, u32, u32)>,
}

impl Counts {
    pub(super) fn forget_transit(&mut self) {
        self.last = None;
    }

    /// J += (|D| - J) / 16, with D the change of the transit time.
    pub(super) fn note_jitter(&mut self, packet: &Arrived) {
        let clock = rtp_clock(packet.codec);
        let last = self.last.replace((packet.arrival, packet.timestamp, clock));
        let Some((arrival, timestamp, last_clock)) = last else { return };
        if last_clock != clock {
            return;
        }
        let sent = f64::from(packet.timestamp.wrapping_sub(timestamp) as i32) / f64::from(clock);
        let came = packet.arrival.saturating_duration_since(arrival).as_secs_f64()
            - arrival.saturating_duration_since(packet.arrival).as_secs_f64();
        let change = (came - sent).abs();
        if change < IMPLAUSIBLE.as_secs_f64() {
            let jitter = self.jitter.as_secs_f64();
            self.jitter = Duration::from_secs_f64(jitter + (change - jitter) / 16.0);
        }
    }
}
