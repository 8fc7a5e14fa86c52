//! A call that outlives its signalling, over the real thing: gRPC through a
//! relay that breaks, and ICE, DTLS and RTP that do not. Whoever talks must hear
//! no gap, and a hang-up in the gap must reach the core.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use support::appliance::{Appliance, Config};
use support::core::{Core, CoreOptions};
use support::proxy::Proxy;
use support::{one_at_a_time, wait_for};

/// Where nobody listens.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

struct Scene {
    core: Core,
    relay: Proxy,
    core_at: SocketAddr,
    appliance: Appliance,
    call_id: String,
}

/// Both talk, by way of the relay.
fn talking(mode: &'static str) -> Scene {
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::default() });
    let core_at = core.endpoint().trim_start_matches("http://").replace("localhost", "127.0.0.1");
    let core_at = core_at.parse().unwrap();
    let relay = Proxy::start(Some(core_at));
    let config = Config {
        endpoint: format!("http://{}", relay.address()),
        mode,
        audio: ("synth:tone=440".to_owned(), "synth:silence".to_owned()),
        ..Config::for_core(&core)
    };
    let mut appliance = Appliance::start_with_environment(&config, &[]);
    appliance.wait_ready();
    appliance.must(&["press", "call", "--for", "100"]);
    let status = appliance.wait_call("in-call");
    let call_id = status["call_id"].as_str().unwrap().to_owned();
    Scene { core, relay, core_at, appliance, call_id }
}

fn counter(status: &Value, name: &str) -> u64 {
    status["counters"][name].as_u64().unwrap_or(0)
}

fn steps(appliance: &Appliance) -> Vec<String> {
    let step = |event: &Value| Some(event["step"].as_str()?.to_owned());
    appliance.events().iter().filter_map(step).collect()
}

#[test]
fn a_broken_stream_in_mid_call_is_healed_and_the_sound_goes_over_to_new_media() {
    let _alone = one_at_a_time();
    let Scene { mut core, relay, core_at, mut appliance, call_id } = talking("pipe");
    for round in 1..=2 {
        let skip = core.events().len();
        relay.point_at(core_at);
        core.wait_event(skip, "in-call-sent", |event| event["call_id"] == call_id.as_str());
        appliance.wait_status(30, "call on new media", |status| {
            assert_eq!(status["call"], "in-call", "the call was dropped: {status}");
            counter(status, "calls-adopted") == round
        });
    }
    let status = appliance.status().unwrap();
    assert_eq!((&status["call_id"], &status["peer"].is_string()), (&Value::from(call_id.as_str()), &true));
    // The new media carries sound: the far end's first packet came on each of the three.
    let heard = || steps(&appliance).iter().filter(|step| *step == "first-audio").count();
    wait_for(Duration::from_secs(20), "sound on all media", || match heard() {
        3 => Ok(()),
        count => Err(format!("first audio {count} times: {:?}", steps(&appliance))),
    });
    appliance.must(&["hangup"]);
    appliance.wait_call("idle");
    core.wait_event(0, "bye-received", |event| event["call_id"] == call_id.as_str());
    appliance.takes_a_call();
}

#[test]
fn a_hang_up_in_the_gap_reaches_the_core() {
    for mode in ["pipe", "multi-pipe"] {
        let _alone = one_at_a_time();
        let Scene { mut core, relay, core_at, mut appliance, call_id } = talking(mode);
        let skip = core.events().len();
        relay.point_at(NOWHERE);
        appliance.wait_status(20, "lost session", |status| status["session"] != "registered");
        assert_eq!(appliance.status().unwrap()["call"], "in-call", "{mode}: sound needs no session");
        appliance.must(&["hangup"]);
        appliance.wait_call("idle");
        relay.point_at(core_at);
        core.wait_event(skip, "bye-received", |event| event["call_id"] == call_id.as_str());
        appliance.takes_a_call();
    }
}

#[test]
fn with_multi_pipe_the_call_just_goes_on() {
    let _alone = one_at_a_time();
    let Scene { mut core, relay, core_at, mut appliance, call_id } = talking("multi-pipe");
    let skip = core.events().len();
    relay.point_at(core_at);
    core.wait_event(skip, "registered", |_| true);
    let status = appliance.wait_status(20, "registration", |status| status["session"] == "registered");
    assert_eq!(
        (&status["call"], &status["call_id"]),
        (&Value::from("in-call"), &Value::from(call_id.as_str()))
    );
    assert_eq!(counter(&status, "calls-adopted"), 0);
    appliance.must(&["hangup"]);
    core.wait_event(skip, "bye-received", |event| event["call_id"] == call_id.as_str());
    appliance.takes_a_call();
}
