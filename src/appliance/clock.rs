//! The time of day: what the machine's clock last said, and the time since.
//!
//! Only dates need it. Every timer counts the monotonic time that events come
//! with, so a clock that jumps disturbs none.

use std::time::{Duration, Instant};

use super::event::Clock;

/// What is known of the time of day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WallClock {
    last: Option<(Clock, Instant)>,
}

impl WallClock {
    /// Takes note of a reading; true if it is the first.
    pub fn set(&mut self, clock: Clock, now: Instant) -> bool {
        self.last.replace((clock, now)).is_none()
    }

    /// Time since 1970-01-01 UTC; none while the clock is not set.
    pub fn unix(&self, now: Instant) -> Option<Duration> {
        let (clock, at) = self.last.filter(|(clock, _)| clock.known)?;
        clock.unix.checked_add(now.saturating_duration_since(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_goes_on_from_the_last_reading_and_a_clock_not_set_tells_none() {
        let start = Instant::now();
        let later = start + Duration::from_secs(90);
        let clock = |secs, known| Clock { unix: Duration::from_secs(secs), known };
        let mut wall = WallClock::default();
        assert_eq!(wall.unix(start), None);
        assert!(wall.set(clock(5, false), start));
        assert_eq!(wall.unix(later), None);
        assert!(!wall.set(clock(1_800_000_000, true), start));
        assert_eq!(wall.unix(later), Some(Duration::from_secs(1_800_000_090)));
        wall.set(clock(u64::MAX, true), start);
        assert_eq!(wall.unix(later), None, "no overflow");
    }
}
