//! What the audio thread and a call's tasks share without a lock must be right in
//! every order in which two processors may see it, not only in those that this
//! machine happens to show. loom tries them all.
#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the file under test is whole, and each model uses a part")]

/// In the place of the real ones.
mod atomic {
    pub use loom::sync::atomic::{AtomicU64, Ordering};
}
#[path = "../../../src/media/lock_free.rs"]
mod lock_free;

use lock_free::{Agreement, Arrivals, DigitRing};
use loom::sync::Arc;
use loom::thread;

#[test]
fn every_digit_is_fetched_once_and_in_order() {
    loom::model(|| {
        let ring = Arc::new(DigitRing::new());
        let pushes = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || (0..3).for_each(|digit| assert!(ring.push(digit))))
        };
        let mut fetched: Vec<u8> = ring.take().collect();
        fetched.extend(ring.take());
        pushes.join().unwrap();
        fetched.extend(ring.take());
        assert_eq!(fetched, [0, 1, 2]);
    });
}

#[test]
fn a_full_ring_refuses_and_loses_nothing_that_it_took() {
    loom::model(|| {
        let ring = Arc::new(DigitRing::new());
        assert!((0..11).all(|digit| ring.push(digit)));
        let pushes = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || [11, 12].map(|digit| ring.push(digit)))
        };
        let mut fetched: Vec<u8> = ring.take().collect();
        let taken = pushes.join().unwrap();
        fetched.extend(ring.take());
        let expected = (0..11)
            .chain([11, 12].into_iter().zip(taken).filter(|(_, taken)| *taken).map(|(digit, _)| digit));
        assert_eq!(fetched, expected.collect::<Vec<u8>>());
    });
}

#[test]
fn who_sees_a_packet_sees_its_time_or_a_later_one() {
    loom::model(|| {
        let arrivals = Arc::new(Arrivals::new());
        let network = {
            let arrivals = Arc::clone(&arrivals);
            thread::spawn(move || [10, 20].into_iter().for_each(|ms| arrivals.note(ms)))
        };
        let (packets, last) = arrivals.seen();
        assert!(last.is_none_or(|last| last >= packets * 10), "{packets} packets, the last at {last:?} ms");
        assert_eq!(packets == 0, last.is_none());
        network.join().unwrap();
        assert_eq!(arrivals.seen(), (2, Some(20)));
    });
}

#[test]
fn what_was_agreed_on_is_known_also_in_the_midst_of_a_change() {
    loom::model(|| {
        let agreement = Arc::new(Agreement::new());
        agreement.set(1, 1);
        let negotiation = {
            let agreement = Arc::clone(&agreement);
            thread::spawn(move || agreement.set(2, 2))
        };
        // The far end still sends what was agreed on before, until it has our answer.
        let known = agreement.received();
        assert!(known.contains(&1), "a packet of the former agreement meets {known:?}");
        negotiation.join().unwrap();
        assert_eq!(agreement.received(), [2, 2, 1]);
    });
}
