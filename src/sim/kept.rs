//! Talks of a box whose stream broke: a voice core does not end a call because
//! its signalling is gone. The box may come back for them for a while.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::call::Call;
use super::core::Shared;

/// Longer than any back-off of a box.
const KEPT_FOR: Duration = Duration::from_secs(90);

/// Each call, and until when it is kept: one that was taken and comes back has a time of its own.
#[derive(Default)]
pub(super) struct Kept {
    calls: Mutex<Vec<(Instant, Call)>>,
    /// Somebody left calls behind.
    pub left: Notify,
}

impl Kept {
    /// All of them, the oldest first.
    pub fn take(&self) -> Vec<Call> {
        let kept = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        kept.into_iter().map(|(_, call)| call).collect()
    }

    fn add(&self, until: Instant, calls: Vec<Call>) {
        let calls = calls.into_iter().map(|call| (until, call));
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).extend(calls);
    }

    fn drop_old(&self, now: Instant) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).retain(|(until, _)| *until > now);
    }
}

/// Keeps these calls until somebody takes them or nobody comes.
pub(super) fn keep(shared: &Arc<Shared>, calls: Vec<Call>) {
    if calls.is_empty() {
        return;
    }
    let until = Instant::now() + KEPT_FOR;
    shared.kept.add(until, calls);
    shared.kept.left.notify_one();
    // Weak, so that waiting does not keep the core alive.
    let shared = Arc::downgrade(shared);
    tokio::spawn(async move {
        sleep_until(until).await;
        if let Some(shared) = shared.upgrade() {
            shared.kept.drop_old(Instant::now());
        }
    });
}
