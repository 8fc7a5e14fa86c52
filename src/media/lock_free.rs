//! What threads of a call share without a lock, apart from single numbers and
//! the rings of `rtrb`. Nothing else is here, so that `tests/loom` can
//! try every order in which two threads may do it (loom; Norris and Demsky 2013).

use super::atomic::{AtomicU64, Ordering};

/// Digits on their way from the audio thread, which must not wait, to the
/// peer's task. One of each.
#[derive(Debug)]
pub(super) struct DigitRing {
    /// The digits not fetched yet, 5 bits each, the last one lowest: 1 and its index.
    digits: AtomicU64,
}

const BITS: u32 = 5;
const MOST: u32 = u64::BITS / BITS;

impl DigitRing {
    pub(super) fn new() -> Self {
        Self { digits: AtomicU64::new(0) }
    }

    /// Adds the digit of this index, 0 to 15. False: nobody has fetched for half
    /// a second, and there is no room.
    pub(super) fn push(&self, index: u8) -> bool {
        let mut digits = self.digits.load(Ordering::Relaxed);
        // One other thread at most is in between, and it only fetches.
        while digits < 1 << ((MOST - 1) * BITS) {
            let more = digits << BITS | 1 << (BITS - 1) | u64::from(index & 0xf);
            match self.digits.compare_exchange_weak(digits, more, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => digits = now,
            }
        }
        false
    }

    /// The indices of the digits since the last call, in order.
    pub(super) fn take(&self) -> impl Iterator<Item = u8> + use<> {
        let digits = self.digits.swap(0, Ordering::Relaxed);
        (0..MOST).rev().filter_map(move |place| {
            let digit = digits >> (place * BITS);
            (digit >> (BITS - 1) & 1 == 1).then_some((digit & 0xf) as u8)
        })
    }
}

/// How many packets came, and when the last one did. Written by one thread.
#[derive(Debug)]
pub(super) struct Arrivals {
    packets: AtomicU64,
    last_ms: AtomicU64,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self { packets: AtomicU64::new(0), last_ms: AtomicU64::new(0) }
    }

    /// A packet has come at this time.
    pub(super) fn note(&self, ms: u64) {
        self.last_ms.store(ms, Ordering::Relaxed);
        // Who sees this packet sees its time, or a later one's.
        self.packets.fetch_add(1, Ordering::Release);
    }

    /// How many, and when the last one came if there was any. The time may be
    /// that of a packet which is not counted yet, and never of one before.
    pub(super) fn seen(&self) -> (u64, Option<u64>) {
        let packets = self.packets.load(Ordering::Acquire);
        (packets, (packets > 0).then(|| self.last_ms.load(Ordering::Relaxed)))
    }
}

/// What was agreed on, as words: what we send, what we receive, and what we
/// received before that. Written by one thread.
#[derive(Debug)]
pub(super) struct Agreement {
    send: AtomicU64,
    receive: AtomicU64,
    former: AtomicU64,
}

impl Agreement {
    pub(super) fn new() -> Self {
        Self { send: AtomicU64::new(0), receive: AtomicU64::new(0), former: AtomicU64::new(0) }
    }

    pub(super) fn set(&self, send: u64, receive: u64) {
        let before = self.receive.load(Ordering::Relaxed);
        if before != receive {
            self.former.store(before, Ordering::Relaxed);
        }
        self.send.store(send, Ordering::Relaxed);
        // Who sees the new one sees the former one where it now stands.
        self.receive.store(receive, Ordering::Release);
    }

    pub(super) fn send(&self) -> u64 {
        self.send.load(Ordering::Relaxed)
    }

    /// What packets that come in may follow: our wish, the far end's, and what
    /// was agreed on before.
    pub(super) fn received(&self) -> [u64; 3] {
        let receive = self.receive.load(Ordering::Acquire);
        [receive, self.send.load(Ordering::Relaxed), self.former.load(Ordering::Relaxed)]
    }
}
