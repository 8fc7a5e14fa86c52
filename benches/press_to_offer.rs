//! From the press of a button to the Offer: what a person at a door waits for
//! before anything can ring.
//!
//! Measured twice. From outside: from the request to press on the control
//! socket to the line that the simulated core prints when the Offer is there,
//! so with two sockets and a pipe more than a real button. And by the box's
//! event log: from the accepted edge to the Offer's hand-over to the stream.

// A benchmark that cannot go on should stop with words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/mod.rs"]
mod common;
#[path = "../tests/support/mod.rs"]
mod support;

use std::thread;
use std::time::{Duration, Instant};

use common::{Control, intervals, progress, report, runs};
use support::appliance::{Appliance, Config};
use support::core::{Core, CoreOptions};

fn main() {
    let presses = runs(1000);
    let core = Core::start(&CoreOptions::script("[default-phone]\nno-ringing = true\nsilent = true\n"));
    let config =
        Config { audio: ("synth:silence".to_owned(), "synth:silence".to_owned()), ..Config::for_core(&core) };
    let mut appliance = Appliance::start_with_environment(&config, &[]);
    appliance.wait_ready();
    let control = Control::new(&appliance.socket());
    let entries = control.follow();
    let mut outside = Vec::new();
    let mut seen = core.events().len();
    for n in 1..=presses {
        // Time for a new peer connection to be made ready, as between two visitors.
        thread::sleep(Duration::from_millis(100));
        let begin = Instant::now();
        control.press("call");
        let (at, count) = wait_for_offer(&core, seen);
        outside.push(at.duration_since(begin).as_secs_f64() * 1000.0);
        seen += count;
        control.hang_up();
        control.wait_call("idle");
        progress(n, presses);
    }
    let entries = entries.lock().unwrap();
    let inside =
        intervals(&entries, |entry| entry["kind"] == "button", |entry| entry["step"] == "offer-sent");
    assert_eq!(inside.len(), presses, "the event log misses presses");
    report("press -> Offer, seen by the core", "p99 <= 10 ms", outside);
    report("press -> Offer, in the box alone", "p99 <= 10 ms", inside);
}

/// When the next Offer came, and how many events up to it.
fn wait_for_offer(core: &Core, seen: usize) -> (Instant, usize) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(10) {
        let events = core.events_after(seen);
        if let Some(n) = events.iter().position(|(_, event)| event["event"] == "offer-received") {
            return (events[n].0, n + 1);
        }
        thread::sleep(Duration::from_millis(2));
    }
    panic!("no Offer within 10 s of a press");
}
