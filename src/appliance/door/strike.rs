//! One strike: when it is released, and until when.
//!
//! Two bounds hold at once: the pulse, and the cap of the board, which no
//! number of openings in a row extends.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Strike {
    /// Holds the door shut; `since` is when the last opening ended.
    #[default]
    Rest,
    Shut {
        since: Instant,
    },
    Released {
        since: Instant,
        until: Instant,
        by: Opener,
    },
}

/// What released it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    Code,
    Command,
    Exit,
}

/// What an opening came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// It is released now.
    Now,
    /// It was released already; the exit button may have made it longer.
    Already,
    /// It ended only just now.
    TooSoon,
}

impl Strike {
    /// Releases it for `pulse`, and never longer than `cap` at a time.
    pub fn open(
        &mut self,
        by: Opener,
        now: Instant,
        pulse: Duration,
        cap: Duration,
        pause: Duration,
    ) -> Opened {
        self.expire(now);
        match (*self, by) {
            (Strike::Released { since, until, .. }, Opener::Exit) => {
                let until = until.max((now + pulse).min(since + cap));
                *self = Strike::Released { since, until, by };
                Opened::Already
            }
            (Strike::Released { .. }, Opener::Code | Opener::Command) => Opened::Already,
            (Strike::Shut { since }, Opener::Code | Opener::Command)
                if now.saturating_duration_since(since) < pause =>
            {
                Opened::TooSoon
            }
            (Strike::Rest | Strike::Shut { .. }, Opener::Exit | Opener::Code | Opener::Command) => {
                *self = Strike::Released { since: now, until: now + pulse.min(cap), by };
                Opened::Now
            }
        }
    }

    /// Shuts it if its time is over; true if it was released.
    pub fn expire(&mut self, now: Instant) -> bool {
        match *self {
            Strike::Released { until, .. } if until <= now => {
                *self = Strike::Shut { since: until };
                true
            }
            Strike::Released { .. } | Strike::Rest | Strike::Shut { .. } => false,
        }
    }

    /// Shuts it at once, unless somebody is on the way out; true if it was released.
    pub fn shut(&mut self, now: Instant) -> bool {
        match *self {
            Strike::Released { by: Opener::Code | Opener::Command, .. } => {
                *self = Strike::Shut { since: now };
                true
            }
            Strike::Released { by: Opener::Exit, .. } | Strike::Rest | Strike::Shut { .. } => false,
        }
    }

    /// Since when and until when it is released, if it is.
    pub fn released(&self) -> Option<(Instant, Instant)> {
        match *self {
            Strike::Released { since, until, .. } => Some((since, until)),
            Strike::Rest | Strike::Shut { .. } => None,
        }
    }

    /// Whether it is released, or was so short a time ago.
    pub fn was_released(&self, now: Instant, ago: Duration) -> bool {
        match *self {
            Strike::Released { .. } => true,
            Strike::Shut { since } => now.saturating_duration_since(since) < ago,
            Strike::Rest => false,
        }
    }
}
