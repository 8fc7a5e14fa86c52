//! The voice core may say anything: session descriptions that are none,
//! messages that the contract does not know, calls at the wrong time. Each is
//! answered, counted or shown, none ends the process, and the box takes the
//! next call as if nothing had been.

// Helpers outside of test functions may panic too: that is how they fail a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::appliance::{Appliance, CALLEE, Config};
use support::cable::Cable;
use support::core::{Core, CoreOptions};
use support::proxy::Proxy;
use support::{future_core, one_at_a_time};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n\
    a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\na=fingerprint:sha-256 \
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n";
const CANDIDATE: &str = "a=rtcp-mux\r\na=mid:0\r\na=sendrecv\r\n\
    a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n";

/// Session descriptions that no call can come of, each with its name and the
/// counter that tells what is wrong with it.
fn bad_descriptions() -> Vec<(&'static str, &'static str, String)> {
    let media = |lines: &str| format!("{HEAD}{lines}c=IN IP4 0.0.0.0\r\n{CANDIDATE}");
    let audio = media("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n");
    let many = "a=x-filler:abcdefghijklmnopqrstuvwxyz\r\n".repeat(1500);
    vec![
        ("empty", "media-bad-sdp", String::new()),
        ("cut before the audio", "media-no-audio", audio[..audio.len() / 3].to_owned()),
        ("cut inside a line", "media-bad-sdp", audio[..HEAD.len() + 20].to_owned()),
        (
            "video only",
            "media-no-audio",
            media("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n"),
        ),
        (
            "no common codec",
            "media-no-common-codec",
            media("m=audio 9 UDP/TLS/RTP/SAVPF 18\r\na=rtpmap:18 G729/8000\r\n"),
        ),
        ("almost 64 KiB of nothing", "media-no-audio", format!("{HEAD}{many}")),
    ]
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn events_of_kind(appliance: &Appliance, kind: &str) -> Vec<Value> {
    appliance.events().into_iter().filter(|event| event["kind"] == kind).collect()
}

fn count(appliance: &Appliance, counter: &str) -> u64 {
    appliance.status().expect("a status")["counters"][counter].as_u64().unwrap_or(0)
}

/// Waits until the counter is at least `at_least`; the box is well and shows it.
fn counted(appliance: &mut Appliance, counter: &str, at_least: u64) {
    let status = appliance.wait_status(15, &format!("count of {counter}"), |status| {
        status["counters"][counter].as_u64().unwrap_or(0) >= at_least
    });
    assert_eq!(status["session"], "registered", "{status}");
    let ignored = events_of_kind(appliance, "ignored");
    assert!(ignored.iter().any(|event| event["counter"] == counter), "{counter} is in no event: {ignored:?}");
    // The lamps tell of it for a moment, then of a box that is well.
    let status = appliance.wait_status(15, "lamp of a box that is well", |status| {
        status["call"] == "idle" && status["leds"]["status"] == "heartbeat"
    });
    assert_eq!(status["leds"]["online"], "on", "{status}");
}

#[test]
fn answers_without_a_usable_description_end_that_call_only() {
    let _alone = one_at_a_time();
    let bad = bad_descriptions();
    let phones = bad.iter().enumerate().map(|(n, (_, _, sdp))| {
        format!("[[phone]]\nnumber = \"+47100000{n}\"\nanswer-sdp = {}\n", quoted(sdp))
    });
    let script = format!("[default-phone]\nmedia = \"echo\"\n{}", phones.collect::<String>());
    let cable = Cable::start();
    let mut core = Core::start(&CoreOptions::script(&script));
    let mut appliance = Appliance::registered(&Config::for_core(&core), &cable);
    for (n, (name, counter, _)) in bad.iter().enumerate() {
        println!("answer: {name}");
        let before = count(&appliance, counter);
        appliance.wait_ready();
        let seen = core.events().len();
        appliance.must(&["call", &format!("+47100000{n}")]);
        // The lamps show trouble while the tone at the call's end plays.
        appliance.wait_status(15, "lamp that shows the failed call", |status| {
            status["leds"]["fault"] == "double-flash"
        });
        core.wait_event(seen, "bye-received", |_| true);
        assert_eq!(count(&appliance, counter), before + 1, "{name}: {counter}");
        appliance.wait_ready();
    }
    appliance.takes_a_call();
}

#[test]
fn offers_without_a_usable_description_are_rejected() {
    let _alone = one_at_a_time();
    let bad = bad_descriptions();
    let sends = bad.iter().enumerate().map(|(n, (_, _, sdp))| {
        let after = 2 + 3 * n;
        format!("[[send]]\nafter = \"{after}s\"\noffer-sdp = {}\nfrom = \"+4720000000\"\n", quoted(sdp))
    });
    let cable = Cable::start();
    let core = Core::start(&CoreOptions::script(&sends.collect::<String>()));
    let mut appliance = Appliance::registered(&Config::for_core(&core), &cable);
    for (n, (name, _, _)) in bad.iter().enumerate() {
        println!("offer: {name}");
        support::wait_for(Duration::from_secs(20), "Bye to every bad Offer so far", || {
            let byes = core.events().iter().filter(|event| event["event"] == "bye-received").count();
            if byes > n { Ok(()) } else { Err(format!("{byes} came")) }
        });
    }
    for counter in ["media-bad-sdp", "media-no-audio", "media-no-common-codec"] {
        let expected = bad.iter().filter(|(_, expected, _)| *expected == counter).count() as u64;
        assert_eq!(count(&appliance, counter), expected, "{counter}");
    }
    appliance.takes_a_call();
}

#[test]
fn a_description_past_the_message_limit_breaks_the_stream_and_the_box_comes_back() {
    let _alone = one_at_a_time();
    let long = "a=x-filler:abcdefghijklmnopqrstuvwxyz\r\n".repeat(1700);
    assert!(long.len() > 64 * 1024);
    let number = "+4710000001";
    let script =
        format!("[[phone]]\nnumber = {number:?}\nanswer-sdp = {}\n", quoted(&format!("{HEAD}{long}")));
    let cable = Cable::start();
    let mut core = Core::start(&CoreOptions::script(&script));
    let config = Config::for_core(&core);
    let mut appliance = Appliance::registered(&config, &cable);
    appliance.must(&["call", "+4710000001"]);
    core.wait_event(0, "unregistered", |_| true);
    appliance.wait_status(15, "lamp that shows the lost session", |status| {
        status["leds"]["status"] == "double-flash"
    });
    appliance.wait_ready();
    assert!(
        events_of_kind(&appliance, "session").iter().any(|event| event["state"] == "offline"),
        "the lost session is in no event"
    );
    appliance.takes_a_call();
}

#[test]
fn messages_that_mean_nothing_are_counted() {
    let _alone = one_at_a_time();
    let script = "[default-phone]\nmedia = \"echo\"\n\
        [[send]]\nafter = \"500ms\"\nempty = true\n\
        [[send]]\nafter = \"600ms\"\nerror = 99\n\
        [[send]]\nafter = \"700ms\"\nbye = true\n\
        [[send]]\nafter = \"800ms\"\nringing = true\n\
        [[send]]\nafter = \"900ms\"\nanswer-sdp = \"v=0\"\n";
    let cable = Cable::start();
    let core = Core::start(&CoreOptions::script(script));
    let mut appliance = Appliance::registered(&Config::for_core(&core), &cable);
    for counter in
        ["message-unknown", "error-unknown", "bye-unexpected", "ringing-unexpected", "answer-unexpected"]
    {
        counted(&mut appliance, counter, 1);
    }
    appliance.takes_a_call();
}

#[test]
fn a_member_of_the_oneof_that_is_not_known_is_counted() {
    let _alone = one_at_a_time();
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::default() });
    let proxy = Proxy::start(Some(future_core::start()));
    let endpoint = format!("http://{}", proxy.address());
    let cable = Cable::start();
    let mut appliance = Appliance::registered(&Config { endpoint, ..Config::for_core(&core) }, &cable);
    counted(&mut appliance, "message-unknown", 1);
    let core_at = core.endpoint().trim_start_matches("http://").replace("localhost", "127.0.0.1");
    proxy.point_at(core_at.parse().unwrap());
    appliance.takes_a_call();
}

#[test]
fn an_offer_while_a_call_is_up_leaves_that_call_alone() {
    for mode in ["pipe", "multi-pipe"] {
        let _alone = one_at_a_time();
        println!("{mode}");
        let script = "[default-phone]\nmedia = \"echo\"\n\
            [[send]]\nafter = \"4s\"\noffer-sdp = \"v=0\"\nfrom = \"+4720000000\"\n\
            call-id = \"6f1cbe0e-22ab-4c39-93c3-36b1ae27a1a6\"\n";
        let cable = Cable::start();
        let mut core = Core::start(&CoreOptions::script(script));
        let mut appliance = Appliance::registered(&Config { mode, ..Config::for_core(&core) }, &cable);
        appliance.must(&["press", "call", "--for", "100"]);
        let before = appliance.wait_call("in-call");
        assert_eq!(before["peer"], CALLEE);
        core.wait_event(0, "raw-sent", |_| true);
        std::thread::sleep(Duration::from_secs(2));
        let after = appliance.status().expect("a status");
        assert_eq!(after["call"], "in-call", "{mode}: {after}");
        assert_eq!(after["call_id"], before["call_id"], "{mode}: {after}");
        assert_eq!(after["leds"]["answered"], "on", "{mode}: {after}");
        appliance.must(&["hangup"]);
        appliance.wait_call("idle");
        appliance.takes_a_call();
    }
}
