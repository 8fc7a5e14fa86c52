//! A small board has no battery clock and starts in 1970, when no certificate
//! is valid. The box must say that it waits for the time, never skip the
//! certificate, and be there as soon as the time is: nobody comes to restart it.
//!
//! The box is told the wrong time by libfaketime, and that its clock was set
//! by the kernel: the test sets the machine's clock to what it is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use support::appliance::{Appliance, Config, has_fault, lamps_show_a_fault};
use support::core::{Core, CoreOptions};
use support::process::run;
use tempfile::TempDir;

/// libfaketime for programs with threads; Debian keeps it out of the usual places.
fn faketime() -> PathBuf {
    let found = fs::read_dir("/usr/lib").unwrap().filter_map(|entry| {
        let library = entry.ok()?.path().join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    });
    found.last().expect("libfaketime is missing: run `make setup`")
}

/// A box whose clock says what stands in the file.
fn appliance(core: &Core, time: &TempDir) -> Appliance {
    let environment = [
        ("LD_PRELOAD", faketime().display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", time.path().join("time").display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // Timers go on as ever.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let silence = "synth:silence".to_owned();
    let config = Config { audio: (silence.clone(), silence), ..Config::for_core(core) };
    Appliance::start_with_environment(&config, &environment)
}

fn set_time(time: &TempDir, text: &str) {
    fs::write(time.path().join("time"), text).unwrap();
}

/// Sets the machine's clock to the time that it has: every program is told.
fn clock_is_set() {
    let program = "import time; time.clock_settime_ns(time.CLOCK_REALTIME, time.time_ns())";
    run(Command::new("python3").args(["-c", program])).unwrap_or_else(|error| {
        panic!("the clock cannot be set here: run as root with CAP_SYS_TIME (docker run --cap-add SYS_TIME): {error}")
    });
}

fn attempts(core: &Core) -> usize {
    core.events().iter().filter(|event| event["event"] == "registered").count()
}

#[test]
fn in_1970_the_box_says_that_it_waits_for_the_time_and_registers_when_the_clock_is_set() {
    let core = Core::start(&CoreOptions::default());
    let time = TempDir::new().unwrap();
    set_time(&time, "@1970-01-01 00:00:10");
    let mut appliance = appliance(&core, &time);
    let status = appliance.wait_fault("clock-not-set");
    assert_eq!(status["session"], "offline", "{status}");
    let detail = status["session_detail"].as_str().unwrap();
    assert!(detail.starts_with("waiting for the time"), "{detail}");
    assert!(lamps_show_a_fault(&status), "{}", status["leds"]);
    // A clock that is set, but not to the time.
    set_time(&time, "@1971-01-01 00:00:10");
    clock_is_set();
    thread::sleep(Duration::from_secs(3));
    let status = appliance.status().unwrap();
    assert!(has_fault(&status, "clock-not-set"), "{status}");
    let tried = appliance.events().iter().any(|event| event["state"] == "connecting");
    assert!(!tried, "it tried in 1970");
    assert_eq!(attempts(&core), 0);

    set_time(&time, "+0");
    clock_is_set();
    appliance.wait_status(5, "registered box", |status| {
        status["session"] == "registered" && status["faults"] == serde_json::Value::Array(vec![])
    });
    // Back in 1970 the session stands, and the box says what is wrong.
    set_time(&time, "@1970-01-01 00:00:10");
    clock_is_set();
    let status = appliance.wait_fault("clock-not-set");
    assert_eq!(status["session"], "registered", "{status}");
}

#[test]
fn without_tls_there_is_nothing_to_wait_for() {
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::default() });
    let time = TempDir::new().unwrap();
    set_time(&time, "@1970-01-01 00:00:10");
    let mut appliance = appliance(&core, &time);
    appliance.wait_status(10, "registered box that knows no time", |status| {
        status["session"] == "registered" && has_fault(status, "clock-not-set")
    });
}
