//! Talks of a box whose stream broke: a voice core does not end a call because
//! its signalling is gone. The box may come back for them for a while.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::call::Call;
use super::core::Shared;

/// Longer than any back-off of a box.
const KEPT_FOR: Duration = Duration::from_secs(90);

#[derive(Default)]
pub(super) struct Kept(Mutex<Vec<Call>>);

impl Kept {
    /// All of them, the oldest first.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, calls: Vec<Call>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(calls);
    }

    fn drop_these(&self, serials: &[u64]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|call| !serials.contains(&call.reports.serial));
    }
}

/// Keeps these calls until somebody takes them or nobody comes.
pub(super) fn keep(shared: &Arc<Shared>, calls: Vec<Call>) {
    if calls.is_empty() {
        return;
    }
    let serials: Vec<u64> = calls.iter().map(|call| call.reports.serial).collect();
    shared.kept.add(calls);
    // Weak, so that waiting does not keep the core alive.
    let shared = Arc::downgrade(shared);
    tokio::spawn(async move {
        tokio::time::sleep(KEPT_FOR).await;
        if let Some(shared) = shared.upgrade() {
            shared.kept.drop_these(&serials);
        }
    });
}
