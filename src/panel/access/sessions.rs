//! Who is logged in. A session lives in memory: a restart logs everybody out.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// More people than these do not look at one box; the oldest goes.
const MOST: usize = 16;

/// A session without a request for this long is over.
const IDLE: Duration = Duration::from_secs(3600);

/// And after this in any case.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// 256 random bits in hexadecimal.
pub fn random_token() -> String {
    let bytes: [u8; 32] = StdRng::from_os_rng().random();
    hex(&bytes)
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Session {
    csrf: String,
    began: Instant,
    used: Instant,
}

/// All sessions, by the hash of their token: a search by hash tells nothing
/// about a token by the time it takes.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<BTreeMap<[u8; 32], Session>>,
}

impl Sessions {
    /// Begins a session: its token, for the cookie, and its CSRF token.
    pub fn begin(&self, now: Instant) -> (String, String) {
        let (token, csrf) = (random_token(), random_token());
        let mut open = self.lock();
        open.retain(|_, session| is_alive(session, now));
        if open.len() >= MOST
            && let Some(oldest) = open.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key)
        {
            open.remove(&oldest);
        }
        open.insert(key(&token), Session { csrf: csrf.clone(), began: now, used: now });
        (token, csrf)
    }

    /// The CSRF token of a session that is alive; using it keeps it so.
    pub fn find(&self, token: &str, now: Instant) -> Option<String> {
        let mut open = self.lock();
        let session = open.get_mut(&key(token)).filter(|session| is_alive(session, now))?;
        session.used = now;
        Some(session.csrf.clone())
    }

    /// Ends a session.
    pub fn end(&self, token: &str) {
        self.lock().remove(&key(token));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn is_alive(session: &Session, now: Instant) -> bool {
    now.saturating_duration_since(session.used) < IDLE
        && now.saturating_duration_since(session.began) < LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_ended_unused_or_old() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let (token, csrf) = sessions.begin(start);
        assert_ne!(token, csrf);
        assert_eq!(sessions.find(&token, start), Some(csrf.clone()));
        assert_eq!(sessions.find(&csrf, start), None);
        assert_eq!(sessions.find(&token, start + IDLE), None);
        let mut now = start;
        while now < start + LONGEST - IDLE / 2 {
            assert!(sessions.find(&token, now).is_some(), "{:?}", now - start);
            now += IDLE / 2;
        }
        assert_eq!(sessions.find(&token, start + LONGEST), None);
        let (token, _) = sessions.begin(start);
        sessions.end(&token);
        assert_eq!(sessions.find(&token, start), None);
    }

    #[test]
    fn the_least_used_session_makes_room() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let (first, _) = sessions.begin(start);
        let (second, _) = sessions.begin(start + Duration::from_secs(1));
        sessions.find(&first, start + Duration::from_secs(2));
        for _ in 0..MOST - 1 {
            sessions.begin(start + Duration::from_secs(3));
        }
        let now = start + Duration::from_secs(4);
        assert!(sessions.find(&first, now).is_some() && sessions.find(&second, now).is_none());
    }
}
