//! The machine's clock: what it says at the start and whenever it was set. The
//! kernel tells (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET); nobody asks again and again.

use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::appliance::event::{Clock, SystemEvent};

/// A time that never comes: the timer is there to be cancelled.
const NEVER: Timespec = Timespec { tv_sec: i64::MAX / 1_000_000_000, tv_nsec: 0 };

/// Reports the clock now and each time that it was set, until the receiver is gone.
#[allow(
    deprecated,
    reason = "AsyncFd's constructors are unsafe or deprecated, for types that may close or swap their \
              descriptor while it is watched; an OwnedFd does neither"
)]
pub async fn watch(system: mpsc::Sender<SystemEvent>) {
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)
        .map_err(std::io::Error::from)
        .and_then(|timer| AsyncFd::with_interest(timer, Interest::READABLE));
    let timer = match timer {
        Ok(timer) => timer,
        Err(error) => {
            tracing::warn!(%error, "a clock that is set later will not be noticed");
            let _ = system.send(SystemEvent::Clock(read())).await;
            return;
        }
    };
    loop {
        // Armed before the clock is read: what is set in between is told, too.
        let never = Itimerspec { it_interval: Timespec::default(), it_value: NEVER };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        match timerfd_settime(timer.get_ref(), flags, &never) {
            // Set once more since the last time: the timer is armed all the same.
            Ok(_) | Err(Errno::CANCELED) => {}
            Err(error) => tracing::warn!(%error, "a clock that is set later may not be noticed"),
        }
        let clock = read();
        tracing::info!(unix = clock.unix.as_secs(), known = clock.known, "the clock");
        if system.send(SystemEvent::Clock(clock)).await.is_err() {
            return;
        }
        let cancelled = timer.async_io(Interest::READABLE, |timer| {
            rustix::io::read(timer, &mut [0u8; 8]).map_err(std::io::Error::from)
        });
        match cancelled.await {
            Err(error) if error.raw_os_error() == Some(Errno::CANCELED.raw_os_error()) => {}
            end => {
                tracing::warn!(?end, "a clock that is set later will not be noticed");
                return;
            }
        }
    }
}

fn read() -> Clock {
    // A clock before 1970 is none.
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Clock { unix, known: unix >= built() }
}

/// When this program was built, or older (see build.rs): no true clock says less.
fn built() -> Duration {
    Duration::from_secs(env!("CALLBOX_BUILT").parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reading_comes_at_once_and_a_built_program_knows_the_time() {
        let (system, mut events) = mpsc::channel(1);
        tokio::spawn(watch(system));
        let Some(SystemEvent::Clock(clock)) = events.recv().await else { panic!("no reading") };
        assert!(clock.known, "{clock:?} is before {:?}", built());
        assert!(built() > Duration::from_secs(1_700_000_000), "{:?}", built());
    }
}
