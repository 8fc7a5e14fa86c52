//! A brake on what is read from the core. A flood then costs the box a known share of its processor; the
//! rest of it waits where it came from, since HTTP/2 gives no more room than is read (RFC 9113 section 5.2).

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two messages in the long run: 500 a second. A call takes a handful.
const EACH: Duration = Duration::from_millis(2);

/// That many may come at once, such as the news of a large installation after an outage.
const AT_ONCE: u32 = 1_000;

/// Counts what is read as the generic cell rate algorithm does (ITU-T I.371, annex A).
pub(super) struct Brake {
    /// The time up to which what was read is paid for.
    paid: Instant,
}

impl Brake {
    pub(super) fn new() -> Self {
        Self { paid: Instant::now() }
    }

    /// The outcome of `next`, begun as soon as one more may be read. As safe to drop early as `next` is.
    pub(super) async fn read<T>(&mut self, next: impl Future<Output = T>) -> T {
        let ahead = self.paid.saturating_duration_since(Instant::now());
        let wait = ahead.saturating_sub(EACH * AT_ONCE);
        // A sleep of no time is one of up to a millisecond.
        if !wait.is_zero() {
            sleep(wait).await;
        }
        let next = next.await;
        self.paid = self.paid.max(Instant::now()) + EACH;
        next
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    /// How long this many messages take that are all there already.
    async fn takes(brake: &mut Brake, messages: u32) -> Duration {
        let begin = Instant::now();
        for _ in 0..messages {
            brake.read(ready(())).await;
        }
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_pass_at_once_and_a_flood_at_its_pace() {
        let mut brake = Brake::new();
        assert_eq!(takes(&mut brake, 1_000).await, Duration::ZERO);
        let flood = takes(&mut brake, 5_000).await;
        assert!((9_990..=10_010).contains(&flood.as_millis()), "{flood:?}");
        // Half of what may come at once is free again after a second.
        sleep(Duration::from_secs(1)).await;
        assert_eq!(takes(&mut brake, 500).await, Duration::ZERO);
        assert!(takes(&mut brake, 100).await > Duration::from_millis(190));
    }

    #[tokio::test(start_paused = true)]
    async fn who_speaks_seldom_never_waits() {
        let mut brake = Brake::new();
        for _ in 0..3_000 {
            sleep(EACH).await;
            assert_eq!(takes(&mut brake, 1).await, Duration::ZERO);
        }
    }
}
