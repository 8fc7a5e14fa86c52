//! The kernel's monotonic clock, with which it stamps edges.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What the clock says now.
pub(super) fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0))
}

/// When the clock said `stamp`; now for a stamp of the future, which only a
/// chip with a clock of its own could give.
pub(super) fn instant(stamp: Duration) -> Instant {
    let (instant, clock) = *PAIR.get_or_init(pair);
    let told = match stamp.checked_sub(clock) {
        Some(after) => instant.checked_add(after),
        None => instant.checked_sub(clock.saturating_sub(stamp)),
    };
    let now = Instant::now();
    told.map_or(now, |told| told.min(now))
}

/// One moment on both clocks. It is the same one for all stamps, or two edges
/// would move against each other where the thread is held between two looks.
static PAIR: OnceLock<(Instant, Duration)> = OnceLock::new();

/// The closest of several looks at both clocks.
fn pair() -> (Instant, Duration) {
    let looks = (0..16).map(|_| {
        let (before, instant, after) = (now(), Instant::now(), now());
        (after.saturating_sub(before), (instant, before))
    });
    looks.min_by_key(|(took, _)| *took).map_or_else(|| (Instant::now(), now()), |(_, pair)| pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_becomes_the_instant_at_which_it_was_made() {
        let (before, stamp, after) = (Instant::now(), now(), Instant::now());
        std::thread::sleep(Duration::from_millis(20));
        let instant = instant(stamp);
        // Two clocks are read one after the other, so a busy machine may shift it a little, to one side.
        assert!(instant >= before - Duration::from_millis(10), "{:?} too early", before - instant);
        assert!(instant <= after + Duration::from_millis(10), "{:?} too late", instant - after);
    }

    #[test]
    fn a_stamp_of_the_future_is_now() {
        assert!(instant(now() + Duration::from_secs(3600)) <= Instant::now());
    }
}
