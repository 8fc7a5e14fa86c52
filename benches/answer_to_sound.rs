//! From the Answer to the first sound: the far end's first word must not be
//! lost while ICE and DTLS come up. By the box's own clock, from the received
//! Answer to the first non-silent sample of the far end that is written to
//! the playback device, an ALSA device on a paced cable.
//!
//! The far end answers in the pause of the ringing tone, so that the box's
//! own sound cannot be taken for the far end's.

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
    let calls = runs(30);
    let cable = Cable::start();
    let core = Core::start(&CoreOptions::script("[default-phone]\nanswer-after = \"1500ms\"\ntone = 1000\n"));
    let mut appliance = Appliance::registered(&Config::for_core(&core), &cable);
    appliance.assert_alive();
    let control = Control::new(&appliance.socket());
    let entries = control.follow();
    let mut sounds = Vec::new();
    for n in 1..=calls {
        control.press("call");
        control.wait_call("in-call");
        thread::sleep(Duration::from_millis(500));
        let status = control.status();
        sounds
            .push(status["audio"]["last_sound_us"].as_f64().unwrap_or_else(|| panic!("no sound: {status}")));
        control.hang_up();
        control.wait_call("idle");
        thread::sleep(Duration::from_millis(2500));
        progress(n, calls);
    }
    let entries = entries.lock().unwrap();
    for (step, what) in
        [("ice", "Answer -> ICE and DTLS up"), ("first-audio", "Answer -> first packet of audio")]
    {
        let samples = intervals(&entries, |entry| entry["step"] == "answer", |entry| entry["step"] == step);
        assert_eq!(samples.len(), calls, "{step} is missing in some calls");
        report(what, "<= 40 ms", samples);
    }
    let answers =
        entries.iter().filter(|entry| entry["step"] == "answer").map(|entry| entry["t_us"].as_f64());
    let samples: Vec<f64> = sounds
        .iter()
        .zip(answers)
        .map(|(sound, answer)| (sound - answer.expect("a time")) / 1000.0)
        .collect();
    assert_eq!(samples.len(), calls, "an Answer is missing");
    assert!(samples.iter().all(|sample| *sample > 0.0), "a tone of the box was taken for the far end");
    report("Answer -> first sound written to ALSA", "<= 40 ms", samples);
}
