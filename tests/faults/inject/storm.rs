//! Calls one after the other in a network whose weather changes every few
//! seconds, for as long as is asked for: `FAULTS_HOURS=3`, else six minutes. No
//! single profile finds what comes of a cut in a handover in a loss. Whatever
//! came, the box must be there for the next call, and hold on to nothing.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::row;
use crate::weather::Call;

/// From fair weather to registered and idle again: sessions that break one after the other have let the wait
/// for the next attempt grow to anything up to its ceiling of 60 s. A dead call's last 30 s are over by then.
const RECOVERED: Duration = Duration::from_secs(75);

/// What the resident memory may grow by, KiB, after the first calls.
const MOST_GROWTH: i64 = 2_048;

fn fair() -> Value {
    json!({"loss": 0, "burst": 1, "delay": 0, "jitter": 0, "rate": 0, "cut": false})
}

fn weather(random: &mut StdRng) -> Value {
    match random.random_range(0..8) {
        0 => json!({"loss": 0.05, "delay": 100, "jitter": 25}),
        1 => json!({"loss": 0.05, "burst": 4, "delay": 250, "jitter": 100}),
        2 => json!({"loss": 0.3}),
        3 => json!({"rate": 25}),
        4 => json!({"rate": 100, "delay": 50}),
        5 => json!({"cut": true}),
        6 => json!({"rebind": true}),
        _ => fair(),
    }
}

/// Descriptors and resident KiB.
fn held(process: u32) -> (usize, i64) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let rss = rss.trim().trim_end_matches(" kB").parse().unwrap();
    (fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(), rss)
}

/// Presses where the box is ready for it; whether somebody was reached.
fn reached(call: &mut Call) -> bool {
    call.appliance.wait_status(RECOVERED.as_secs(), "registered and idle", |status| {
        status["session"] == "registered" && status["call"] == "idle"
    });
    thread::sleep(Duration::from_secs(1));
    call.appliance.must(&["press", "call", "--for", "100"]);
    let pressed = Instant::now();
    while pressed.elapsed() < Duration::from_secs(5) {
        if call.appliance.status().unwrap()["call"] == "in-call" {
            return true;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let _ = call.appliance.command(&["hangup"]);
    false
}

#[test]
fn calls_in_changing_weather() {
    let hours: f64 = std::env::var("FAULTS_HOURS").map_or(0.1, |hours| hours.parse().expect("FAULTS_HOURS"));
    let end = Instant::now() + Duration::from_secs_f64(hours * 3600.0);
    let seed: u64 =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut call = Call::begin("pipe");
    let process = call.appliance.id();
    let (mut calls, mut outlived, mut slowest) = (0, 0, Duration::ZERO);
    let mut early = None;
    while Instant::now() < end {
        for _ in 0..random.random_range(2..6) {
            let now = weather(&mut random);
            call.weather.change(&now);
            thread::sleep(Duration::from_millis(random.random_range(1_000..9_000)));
            if now["cut"] == true {
                call.weather.change(&json!({"cut": false}));
            }
        }
        call.weather.change(&fair());
        let cleared = Instant::now();
        calls += 1;
        outlived += usize::from(call.appliance.status().unwrap()["call"] == "in-call");
        // Refused where it has ended already.
        let _ = call.appliance.command(&["hangup"]);
        // A connection that died unseen passes for a good one until keep-alive or a press shows it.
        while !reached(&mut call) {
            assert!(cleared.elapsed() < RECOVERED, "{}", call.appliance.status().unwrap());
        }
        slowest = slowest.max(cleared.elapsed());
        if calls == 5 {
            early = Some(held(process));
        }
    }
    call.appliance.must(&["hangup"]);
    call.appliance.wait_call("idle");
    thread::sleep(Duration::from_secs(15));
    let late = held(process);
    let early = early.expect("more than five calls");
    let growth = late.1 - early.1;
    row(
        &format!(
            "{:.0} min of calls while loss, delay, rate, cuts and NAT change every few seconds",
            hours * 60.0
        ),
        &format!("ready {} s after it clears; nothing leaks", RECOVERED.as_secs()),
        format_args!(
            "{calls} calls, {outlived} of them outlived it; ready again after {:.1} s at most; descriptors {} and {}; \
             memory {growth:+} KiB since the fifth call",
            slowest.as_secs_f64(),
            early.0,
            late.0
        ),
    );
    assert!(late.0 <= early.0 + 2, "descriptors: {early:?} {late:?}");
    assert!(growth <= MOST_GROWTH, "{early:?} {late:?}");
}
