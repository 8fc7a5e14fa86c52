//! From the start of the process to a box that the voice core knows: how long
//! a door is deaf after an update or a power cut, beyond the system's own boot.
//! Includes reading the configuration, the token over TLS and the session over TLS.

// A benchmark that cannot go on should stop with words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/mod.rs"]
mod common;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use common::{progress, report, runs};
use support::appliance::{Appliance, Config};
use support::core::{Core, CoreOptions};

fn main() {
    let starts = runs(50);
    let core = Core::start(&CoreOptions::default());
    let config =
        Config { audio: ("synth:silence".to_owned(), "synth:silence".to_owned()), ..Config::for_core(&core) };
    let mut samples = Vec::new();
    for n in 1..=starts {
        let seen = core.events().len();
        let begin = Instant::now();
        let _appliance = Appliance::start_with_environment(&config, &[]);
        let registered = support::wait_for(Duration::from_secs(20), "registered box", || {
            let events = core.events_after(seen);
            let found = events.iter().find(|(_, event)| event["event"] == "registered");
            found.map(|(at, _)| *at).ok_or_else(|| format!("{} events", events.len()))
        });
        samples.push(registered.duration_since(begin).as_secs_f64() * 1000.0);
        progress(n, starts);
    }
    report("process start -> registered, token and TLS included", "<= 300 ms", samples);
}
