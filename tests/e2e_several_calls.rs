//! Several calls at once over the real thing: gRPC, ICE, DTLS and RTP to a
//! simulated core on `MultiPipe`, asked for with the commands that a person
//! types. What the pure core decides in virtual time must be what three
//! telephones see.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::Value;
use support::appliance::{Appliance, Config};
use support::core::{Core, CoreOptions};
use support::one_at_a_time;

fn start(script: &str) -> (Core, Appliance) {
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::script(script) });
    let config = Config {
        mode: "multi-pipe",
        answer: "ring",
        audio: ("synth:silence".to_owned(), "synth:silence".to_owned()),
        while_busy: "swap",
        ..Config::for_core(&core)
    };
    let mut appliance = Appliance::start_with_environment(&config, &[]);
    appliance.wait_ready();
    (core, appliance)
}

fn call_ids(core: &Core, event: &str) -> Vec<String> {
    let events = core.events().into_iter().filter(|one| one["event"] == event);
    events.map(|one| one["call_id"].as_str().unwrap_or_default().to_owned()).collect()
}

fn calls(status: &Value) -> Vec<(String, bool)> {
    let calls = status["calls"].as_array().unwrap().iter();
    calls.map(|call| (call["state"].as_str().unwrap().to_owned(), call["held"] == true)).collect()
}

#[test]
fn the_first_of_three_telephones_to_answer_has_the_call_and_the_others_stop_ringing() {
    let _alone = one_at_a_time();
    let script = "[default-phone]\nsilent = true\n\
        [[phone]]\nnumber = \"+4700000021\"\nanswer-after = \"1500ms\"\nmedia = \"echo\"\n";
    let (mut core, mut appliance) = start(script);
    appliance.must(&["call", "+4700000020", "+4700000021", "+4700000022", "--all"]);
    let status = appliance.wait_call("in-call");
    assert_eq!(status["peer"], "+4700000021");
    let offered = call_ids(&core, "offer-received");
    assert_eq!(offered.len(), 3, "{offered:?}");
    let winner = status["call_id"].as_str().unwrap();
    for loser in offered.iter().filter(|id| *id != winner) {
        core.wait_event(0, "bye-received", |event| event["call_id"] == loser.as_str());
    }
    assert!(!call_ids(&core, "bye-received").contains(&winner.to_owned()));
    appliance.must(&["hangup"]);
    appliance.wait_call("idle");
    core.wait_event(0, "bye-received", |event| event["call_id"] == winner);
}

#[test]
fn a_call_waits_is_gone_to_and_joined_and_one_hang_up_ends_all() {
    let _alone = one_at_a_time();
    let script = "[default-phone]\nanswer-after = \"0s\"\nmedia = \"echo\"\n\
        [call-box]\nafter = \"6s\"\nfrom = \"+4700000031\"\n";
    let (mut core, mut appliance) = start(script);
    assert!(appliance.command(&["swap"]).unwrap_err().contains("no second call"));
    appliance.must(&["call", "+4700000030"]);
    appliance.wait_call("in-call");
    let both = |first: (&str, bool), second: (&str, bool)| {
        vec![(first.0.to_owned(), first.1), (second.0.to_owned(), second.1)]
    };
    let waits = both(("in-call", false), ("incoming", false));
    appliance.wait_status(20, "call that waits", |status| calls(status) == waits);
    appliance.must(&["swap"]);
    let held = both(("in-call", true), ("in-call", false));
    let status = appliance.wait_status(20, "held call", |status| calls(status) == held);
    assert_eq!(status["peer"], "+4700000031");
    appliance.must(&["swap"]);
    let back = both(("in-call", false), ("in-call", true));
    assert_eq!(calls(&appliance.status().unwrap()), back);
    let text = appliance.must(&["status"]);
    assert!(text.contains("in-call +4700000031, held"), "{text}");
    appliance.must(&["merge"]);
    let joined = both(("in-call", false), ("in-call", false));
    assert_eq!(calls(&appliance.status().unwrap()), joined);
    appliance.must(&["hangup"]);
    appliance.wait_call("idle");
    for call in calls_of(&status) {
        core.wait_event(0, "bye-received", |event| event["call_id"] == call.as_str());
    }
}

fn calls_of(status: &Value) -> Vec<String> {
    let calls = status["calls"].as_array().unwrap().iter();
    calls.map(|call| call["call_id"].as_str().unwrap().to_owned()).collect()
}
