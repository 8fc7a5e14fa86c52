//! Recorded human speech goes in at the microphone's device and must come out
//! of the loudspeaker's, over everything that a call is made of: libasound, the
//! codec, DTLS-SRTP, a far end that echoes, the jitter buffer and libasound
//! again; the call itself is made by a button (or comes in), with a token
//! from the token endpoint and over TLS.
//!
//! A part that drops, repeats or garbles sound lowers the score, so this is
//! the test that says "it carries a voice".

#![allow(clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::thread;
use std::time::Duration;

use support::appliance::{Appliance, CALLEE, Config};
use support::cable::Cable;
use support::core::{Core, CoreOptions};
use support::score::{Score, score};
use support::{one_at_a_time, speech};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Outgoing,
    Incoming,
}

/// PulseAudio's null sinks stall now and then, mostly when they wake up, for
/// longer than this, or until a card runs dry. Behind a stall a call has delay to give up, and a score
/// that compares pieces at one delay each says nothing of the voice.
const STALL_MS: f64 = 50.0;

/// How often a card has run dry or over: the box counts it.
fn xruns(appliance: &Appliance) -> u64 {
    appliance.status().expect("a status")["audio"]["xruns"].as_u64().expect("a count")
}

/// Speaks into the call and scores what comes back.
fn measure(appliance: &Appliance, cable: &Cable, wav: &Path, way: Way, codec: &str) -> Score {
    let recording = cable.listen();
    let mut speaker = cable.speak(wav);
    support::wait_for(Duration::from_secs(30), "end of the speech", || {
        speaker.exited().map_or_else(|| Err("still speaking".to_owned()), Ok)
    });
    // The echo of the last word is still on its way.
    thread::sleep(Duration::from_millis(1500));
    // Kept, so that a person can listen to what a score says.
    let heard = support::cache().join(format!("heard-{way:?}-{codec}.wav"));
    std::fs::copy(recording.finish(), &heard).expect("a copy of the recording");
    let status = appliance.status().expect("a status");
    assert_eq!(status["call"], "in-call", "the call ended by itself: {status}");
    let found = score(wav, &heard);
    println!("{codec}: {found:?}, {}", status["audio"]);
    found
}

fn speech_comes_back(way: Way, codec: &'static str, wav: &Path, at_least: f64) {
    let _alone = one_at_a_time();
    let call_box = format!("[call-box]\nafter = \"500ms\"\nfrom = {CALLEE:?}\n");
    let script =
        if way == Way::Incoming { call_box } else { "[default-phone]\nmedia = \"echo\"\n".to_owned() };
    let cable = Cable::start();
    let mut core = Core::start(&CoreOptions::script(&script));
    let config = Config { codecs: vec![codec], ..Config::for_core(&core) };
    let mut appliance = Appliance::start(&config, &cable);
    if way == Way::Outgoing {
        appliance.wait_ready();
        appliance.must(&["press", "call", "--for", "150"]);
    }
    let status = appliance.wait_call("in-call");
    assert_eq!(status["peer"], CALLEE);
    let connected = core.wait_event(0, "media-connected", |_| true);
    let negotiated = connected["codec"].as_str().unwrap_or_default().to_lowercase();
    assert_eq!(negotiated, codec, "the call was to use {codec}");

    let mut before = xruns(&appliance);
    let mut found = measure(&appliance, &cable, wav, way, codec);
    for _ in 0..2 {
        let (after, change) = (xruns(&appliance), found.delay_change_ms);
        if change <= STALL_MS && after == before {
            break;
        }
        println!(
            "void: the sound server stalled, the delay changed by {change} ms, {} xruns; once more",
            after - before
        );
        before = after;
        found = measure(&appliance, &cable, wav, way, codec);
    }
    let status = appliance.status().expect("a status");
    assert!(found.stoi >= at_least, "{codec}: STOI {} is under {at_least}; {status}", found.stoi);
    assert!((-6.0..=6.0).contains(&found.gain_db), "{codec}: level changed by {} dB", found.gain_db);

    appliance.must(&["hangup"]);
    appliance.wait_call("idle");
    core.wait_event(0, "bye-received", |_| true);
}

#[test]
fn speech_of_an_outgoing_opus_call_comes_back() {
    speech_comes_back(Way::Outgoing, "opus", &speech::english(), 0.95);
}

#[test]
fn speech_of_an_outgoing_pcmu_call_comes_back() {
    speech_comes_back(Way::Outgoing, "pcmu", &speech::english(), 0.9);
}

#[test]
fn speech_of_an_outgoing_pcma_call_comes_back() {
    speech_comes_back(Way::Outgoing, "pcma", &speech::italian(), 0.9);
}

#[test]
fn speech_of_an_incoming_opus_call_comes_back() {
    speech_comes_back(Way::Incoming, "opus", &speech::italian(), 0.95);
}

#[test]
fn speech_of_an_incoming_pcmu_call_comes_back() {
    speech_comes_back(Way::Incoming, "pcmu", &speech::english(), 0.9);
}

#[test]
fn speech_of_an_incoming_pcma_call_comes_back() {
    speech_comes_back(Way::Incoming, "pcma", &speech::italian(), 0.9);
}
