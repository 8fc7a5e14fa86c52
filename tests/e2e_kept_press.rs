//! A press while the core cannot be reached, over the real thing: the box waits
//! for its next attempt, the core is back unknown to it, and whoever presses
//! must get the call and not the end of a wait.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use support::appliance::{Appliance, Config};
use support::core::{Core, CoreOptions};
use support::one_at_a_time;
use support::proxy::Proxy;

/// Where nobody listens.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

#[test]
fn a_press_while_the_session_is_down_calls_as_soon_as_the_core_can_be_reached() {
    let _alone = one_at_a_time();
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::default() });
    let core_at = core.endpoint().trim_start_matches("http://").replace("localhost", "127.0.0.1");
    let relay = Proxy::start(Some(core_at.parse().unwrap()));
    let config = Config {
        endpoint: format!("http://{}", relay.address()),
        audio: ("synth:tone=440".to_owned(), "synth:silence".to_owned()),
        ..Config::for_core(&core)
    };
    let mut appliance = Appliance::start_with_environment(&config, &[]);
    appliance.wait_ready();

    relay.point_at(NOWHERE);
    appliance.wait_status(30, "lost session", |status| status["session"] == "offline");
    appliance.must(&["press", "call", "--for", "100"]);
    let status =
        appliance.wait_status(10, "press refused", |status| status["counters"]["press-refused"] == 1);
    assert_eq!(status["call"], "idle", "{status}");

    // Long enough for waits of many seconds between attempts.
    thread::sleep(Duration::from_secs(8));
    relay.point_at(core_at.parse().unwrap());
    let pressed = Instant::now();
    appliance.must(&["press", "call", "--for", "100"]);
    appliance.wait_call("in-call");
    let took = pressed.elapsed();
    println!("press to call up: {took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}
