//! A WebRTC stack that is not ours: headless Chromium is the far end, its SDP
//! carried by the simulated core without trickle. Two copies of the same
//! library agree on their common mistakes; a browser does not.
//!
//! Each way carries a tone of its own, so that an echo is no proof.

mod support;

use support::appliance::{Appliance, CALLEE, Config};
use support::cable::Cable;
use support::chromium::Chromium;
use support::core::{Core, CoreOptions};
use support::score::tone_level;
use support::{one_at_a_time, speech};

/// What the page's microphone hears, Hz.
const FROM_PAGE: u32 = 1000;
/// What the box's microphone hears, Hz.
const FROM_BOX: u32 = 700;

#[derive(Clone, Copy, PartialEq)]
enum Offerer {
    TheBox,
    ThePage,
}

fn both_hear_each_other(codec: &'static str, offerer: Offerer) {
    let _alone = one_at_a_time();
    let call_box = format!("[call-box]\nafter = \"2s\"\nfrom = {CALLEE:?}\n");
    let phone = "[default-phone]\nmedia = \"browser\"\n";
    let script = format!("{phone}{}", if offerer == Offerer::ThePage { &call_box } else { "" });
    let mut core = Core::start(&CoreOptions { browser: true, ..CoreOptions::script(&script) });
    let url = format!("{}?auto=answer&codec={codec}&processing=off", core.browser_url());
    let _browser = Chromium::open(&url, &speech::tone(FROM_PAGE, 10));
    core.wait_event(0, "page-opened", |_| true);

    let cable = Cable::start();
    let mut appliance = Appliance::start(&Config::for_core(&core), &cable);
    if offerer == Offerer::TheBox {
        appliance.wait_ready();
        appliance.must(&["press", "call", "--for", "100"]);
    }
    appliance.wait_call("in-call");
    let _speaking = cable.speak(&speech::tone(FROM_BOX, 20));
    let seen = core.events().len();

    // What the page says that it hears, three reports in a row.
    let mut after = seen;
    for _ in 0..3 {
        core.wait_event(after, "page", |page| {
            let heard = page["hz"].as_f64().unwrap_or(0.0);
            (heard - f64::from(FROM_BOX)).abs() < 5.0
                && page["level_db"].as_f64().unwrap_or(-120.0) > -25.0
                && page["state"] == "connected"
                && page["codec"].as_str().unwrap_or("").eq_ignore_ascii_case(&format!("audio/{codec}"))
        });
        after = core.events().len();
    }
    // What comes out of the box.
    let recording = cable.listen();
    std::thread::sleep(std::time::Duration::from_secs(3));
    let (tone, rest) = tone_level(&recording.finish(), FROM_PAGE);
    let status = appliance.status().expect("a status");
    println!(
        "{codec}: the box plays {FROM_PAGE} Hz at {tone} dB, all else at {rest} dB; {}",
        status["audio"]
    );
    assert!(tone > -25.0, "the page's tone is at {tone} dB at the loudspeaker; {status}");
    assert!(tone - rest > 15.0, "the page's tone {tone} dB drowns in {rest} dB; {status}");

    appliance.must(&["hangup"]);
    appliance.wait_call("idle");
    core.wait_event(after, "page", |page| page["state"] == "none");
}

#[test]
fn chromium_answers_an_opus_call() {
    both_hear_each_other("opus", Offerer::TheBox);
}

#[test]
fn chromium_answers_a_pcmu_call() {
    both_hear_each_other("pcmu", Offerer::TheBox);
}

#[test]
fn chromium_makes_an_opus_call() {
    both_hear_each_other("opus", Offerer::ThePage);
}

#[test]
fn chromium_makes_a_pcmu_call() {
    both_hear_each_other("pcmu", Offerer::ThePage);
}
