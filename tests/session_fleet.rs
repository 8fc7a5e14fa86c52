//! A voice core that comes back after an outage must not be knocked over by
//! everybody who comes back with it: a thousand boxes, each the pure appliance
//! on virtual time, must not return in the same second.
#![allow(clippy::expect_used, clippy::panic)]

mod appliance_support;

use std::time::Duration;

use appliance_support::{Bench, Rng, ms, secs, settings};
use callbox::appliance::event::{CloseReason, SessionEvent, SystemEvent};
use callbox::appliance::status::SessionStatus;

const BOXES: u64 = 1000;

/// How a connection fails while the core is away.
#[derive(Clone, Copy, Debug)]
enum Outage {
    /// At once: nobody listens.
    Refused,
    /// By the connect time-out: nothing answers.
    Silent,
}

/// The time from the end of the outage to the registration of one box.
fn comes_back(seed: u64, outage: Outage, lasts: Duration) -> Duration {
    let mut chance = Rng(seed ^ 0x5eed);
    let mut bench = Bench::ready_seeded(settings(), seed);
    // Healthy for a while; each box was switched on at another time.
    bench.pass(secs(120) + ms(chance.below(600_000)));
    let end = bench.now + lasts;
    bench.take();
    bench.closed(CloseReason::Lost);
    while bench.session_status() != SessionStatus::Registered {
        bench.prepare_all();
        if bench.connects().is_empty() {
            let (at, _) = bench.box_.poll_timeout().expect("a timer");
            bench.pass(at - bench.now);
            continue;
        }
        bench.take();
        if bench.now >= end {
            bench.pass(ms(20 + chance.below(80)));
            bench.session(SessionEvent::Sent);
            bench.session(SessionEvent::Opened);
        } else {
            match outage {
                Outage::Refused => bench.pass(ms(chance.below(50))),
                Outage::Silent => bench.pass(secs(10)),
            }
            bench.closed(CloseReason::Unreachable);
        }
    }
    bench.now - end
}

#[test]
fn after_an_outage_of_ten_minutes_no_second_sees_more_than_a_twentieth_of_the_boxes() {
    let seed: u64 = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    for outage in [Outage::Refused, Outage::Silent] {
        let mut bins = [0_u64; 120];
        for number in 0..BOXES {
            let back = comes_back(seed * BOXES + number, outage, secs(600));
            bins[usize::try_from(back.as_secs()).expect("small")] += 1;
        }
        let (second, peak) = bins.iter().enumerate().max_by_key(|(_, count)| **count).expect("bins");
        let last = bins.iter().rposition(|count| *count > 0).expect("bins");
        println!(
            "{outage:?}: at most {peak} of {BOXES} in one second (the {second}th), the last in the {last}th; SEED={seed}"
        );
        assert!(*peak * 20 <= BOXES, "{outage:?}: {peak} boxes in second {second}; SEED={seed}");
        assert!(last <= 75, "{outage:?}: a box came back only after {last} s; SEED={seed}");
    }
}

#[test]
fn boxes_whose_network_comes_back_all_at_once_come_back_within_a_second_but_not_all_at_once() {
    let mut waits: Vec<u128> = Vec::new();
    for seed in 0..BOXES {
        let mut bench = Bench::ready_seeded(settings(), seed);
        for _ in 0..8 {
            bench.take();
            bench.closed(CloseReason::Unreachable);
            while bench.connects().is_empty() {
                let (at, _) = bench.box_.poll_timeout().expect("a timer");
                bench.pass(at - bench.now);
                bench.prepare_all();
            }
        }
        bench.take();
        bench.closed(CloseReason::Unreachable);
        bench.system(SystemEvent::AddressesChanged);
        bench.prepare_all();
        let up = bench.now;
        while bench.connects().is_empty() {
            let (at, _) = bench.box_.poll_timeout().expect("a timer");
            bench.pass(at - bench.now);
        }
        waits.push((bench.now - up).as_millis());
    }
    assert!(waits.iter().all(|wait| *wait <= 1000));
    for tenth in 0..10 {
        let share = waits.iter().filter(|wait| **wait / 100 == tenth).count();
        assert!((60..=140).contains(&share), "{share} of {BOXES} in the {tenth}th tenth of the second");
    }
}
