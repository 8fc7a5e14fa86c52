//! Days of many boxes in minutes: what needs a week to go wrong, such as a leak,
//! a wait that grows, or an outage at the wrong moment, must not need a week to
//! be found. `make sim` runs ten thousand boxes for seven days.
//!
//! `WORLD_DEVICES` and `WORLD_DAYS` say how many, `CALLBOX_SEED` which first: without
//! `WORLD_DEVICES` the same few boxes as always, with it boxes that nobody has tried before.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, which the lint does not see"
)]

mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use world::plan::{Pace, plan};
use world::{Failure, Tally, run, shrink};

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
        Err(_) => default,
    }
}

#[test]
fn no_rule_is_broken_in_days_of_many_boxes() {
    let (devices, days) = (setting("WORLD_DEVICES", 60), setting("WORLD_DAYS", 2));
    let new = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 1_000_000_000 * 100_000;
    let base = setting("CALLBOX_SEED", if std::env::var("WORLD_DEVICES").is_ok() { new() } else { 0 });
    println!("{devices} boxes, {days} days, seeds from {base}");
    let day = Duration::from_secs(86_400);
    let pace = Pace {
        length: day * u32::try_from(days).unwrap(),
        gap: Duration::from_secs(3600),
        heal_every: day / 2,
    };
    let begin = Instant::now();
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    let failed: Mutex<Option<(u64, Failure)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let mut sum = Tally::default();
                while failed.lock().unwrap().is_none() {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= devices {
                        break;
                    }
                    let seed = base + index;
                    match run(&plan(seed, pace), None, false) {
                        Ok(one) => sum.add(&one),
                        Err(failure) => _ = failed.lock().unwrap().get_or_insert((seed, failure)),
                    }
                }
                tally.lock().unwrap().add(&sum);
            });
        }
    });
    if let Some((seed, failure)) = failed.into_inner().unwrap() {
        let report = shrink::report(&plan(seed, pace), &failure, None);
        panic!("with WORLD_DEVICES=1 WORLD_DAYS={days}: {report}");
    }
    let tally = tally.into_inner().unwrap();
    println!("{devices} boxes for {days} days in {:?}: {:?}", begin.elapsed(), tally.0);
    assert_eq!(tally.0["exits"], devices, "every box ran to its end");
    assert!(tally.0["exams"] >= devices * days, "every box was examined each day");
}
