//! The brake on guessing the password: each source waits longer after every
//! wrong one, and all sources together get so many tries a minute.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Slips of the finger that cost nothing.
const FREE: u32 = 5;

/// The first wait, doubled by every further failure up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Wrong passwords a minute from everywhere.
const A_MINUTE: usize = 30;
const MINUTE: Duration = Duration::from_secs(60);

/// Sources remembered; the one that failed longest ago is forgotten first.
const SOURCES: usize = 256;

/// The failures so far.
#[derive(Default)]
pub struct Throttle {
    tries: Mutex<Tries>,
}

#[derive(Default)]
struct Tries {
    by_source: BTreeMap<IpAddr, Failures>,
    recent: VecDeque<Instant>,
}

struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn wait(&self, now: Instant) -> Option<Duration> {
        let doublings = self.count.checked_sub(FREE)?.min(16);
        let wait = FIRST.saturating_mul(1 << doublings).min(LONGEST);
        wait.checked_sub(now.saturating_duration_since(self.last)).filter(|left| !left.is_zero())
    }
}

impl Throttle {
    /// Whether a try may be made now.
    ///
    /// # Errors
    /// How long to wait.
    pub fn may_try(&self, source: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut tries = self.lock();
        tries.forget_old(now);
        let own = tries.by_source.get(&group(source)).and_then(|failures| failures.wait(now));
        let all = (tries.recent.len() >= A_MINUTE)
            .then(|| {
                tries.recent.front().map(|first| MINUTE.saturating_sub(now.saturating_duration_since(*first)))
            })
            .flatten();
        match own.max(all) {
            Some(wait) => Err(wait),
            None => Ok(()),
        }
    }

    /// A wrong password came.
    pub fn failed(&self, source: IpAddr, now: Instant) {
        let mut tries = self.lock();
        tries.forget_old(now);
        tries.recent.push_back(now);
        let source = group(source);
        if tries.by_source.len() >= SOURCES && !tries.by_source.contains_key(&source) {
            let oldest =
                tries.by_source.iter().min_by_key(|(_, failures)| failures.last).map(|(key, _)| *key);
            oldest.and_then(|oldest| tries.by_source.remove(&oldest));
        }
        let failures = tries.by_source.entry(source).or_insert(Failures { count: 0, last: now });
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }

    /// The right one came.
    pub fn succeeded(&self, source: IpAddr) {
        self.lock().by_source.remove(&group(source));
    }

    fn lock(&self) -> MutexGuard<'_, Tries> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tries {
    fn forget_old(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|first| now.saturating_duration_since(*first) >= MINUTE) {
            self.recent.pop_front();
        }
        self.by_source.retain(|_, failures| now.saturating_duration_since(failures.last) < 4 * LONGEST);
    }
}

/// One person has a whole /64 of IPv6 (RFC 4291 section 2.5.4).
fn group(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn waits_double_for_one_source_and_end() {
        let throttle = Throttle::default();
        let mut now = Instant::now();
        for _ in 0..FREE {
            assert_eq!(throttle.may_try(SOURCE, now), Ok(()));
            throttle.failed(SOURCE, now);
        }
        for wait in [30, 60, 120, 240, 480, 900, 900] {
            let wait = Duration::from_secs(wait);
            assert_eq!(throttle.may_try(SOURCE, now), Err(wait));
            assert_eq!(throttle.may_try(OTHER, now), Ok(()));
            now += wait;
            assert_eq!(throttle.may_try(SOURCE, now), Ok(()));
            throttle.failed(SOURCE, now);
        }
        throttle.succeeded(SOURCE);
        assert_eq!(throttle.may_try(SOURCE, now), Ok(()));
    }

    #[test]
    fn many_sources_together_are_braked_too_and_remembered_within_bounds() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for last in 0..A_MINUTE as u8 {
            throttle.failed(IpAddr::from([198, 51, 100, last]), now);
        }
        assert_eq!(throttle.may_try(OTHER, now), Err(MINUTE));
        assert_eq!(throttle.may_try(OTHER, now + MINUTE), Ok(()));
        for source in 0..10_000_u16 {
            throttle.failed(IpAddr::from([10, 0, (source >> 8) as u8, source as u8]), now);
        }
        assert!(throttle.lock().by_source.len() <= SOURCES);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for last in 0..=FREE as u16 {
            throttle.failed(IpAddr::from([0x2001, 0xdb8, 0, 0, 1, 2, 3, last]), now);
        }
        assert!(throttle.may_try("2001:db8::ffff".parse().unwrap(), now).is_err());
        assert!(throttle.may_try("2001:db8:0:1::1".parse().unwrap(), now).is_ok());
    }
}
