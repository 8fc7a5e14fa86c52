//! From the Answer to the first sound: the far end's first word must not be
//! lost while ICE and DTLS come up. By the box's event log, from the received
//! Answer to the first non-silent sample of the far end that is written to
//! the playback device, an ALSA device on a paced cable.

// A benchmark that cannot go on should stop with words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/mod.rs"]
mod common;
#[path = "../tests/support/mod.rs"]
mod support;

use std::thread;
use std::time::Duration;

use common::{Control, intervals, progress, report, runs};
use support::appliance::{Appliance, Config};
use support::cable::Cable;
use support::core::{Core, CoreOptions};

fn main() {
    let calls = runs(50);
    let cable = Cable::start();
    let core = Core::start(&CoreOptions::script("[default-phone]\nno-ringing = true\ntone = 1000\n"));
    let mut appliance = Appliance::registered(&Config::for_core(&core), &cable);
    appliance.assert_alive();
    let control = Control::new(&appliance.socket());
    let entries = control.follow();
    for n in 1..=calls {
        control.press("call");
        control.wait_call("in-call");
        thread::sleep(Duration::from_millis(500));
        control.hang_up();
        control.wait_call("idle");
        thread::sleep(Duration::from_millis(200));
        progress(n, calls);
    }
    let entries = entries.lock().unwrap();
    for (step, what) in [
        ("ice", "Answer -> ICE and DTLS up"),
        ("first-audio", "Answer -> first packet of audio"),
        ("first-sound", "Answer -> first sound written to ALSA"),
    ] {
        let samples = intervals(&entries, |entry| entry["step"] == "answer", |entry| entry["step"] == step);
        assert_eq!(samples.len(), calls, "{step} is missing in some calls");
        report(what, "<= 40 ms", samples);
    }
}
