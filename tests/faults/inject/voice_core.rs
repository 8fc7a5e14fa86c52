//! The voice core ends, hangs and comes back, as a process of its own that is
//! killed and stopped. A relay stands where the core's address is.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::appliance::{Appliance, Config};
use crate::support::core::{Core, CoreOptions};
use crate::support::proxy::Proxy;
use crate::within;

const SECOND: Duration = Duration::from_secs(1);

fn core() -> Core {
    Core::start(&CoreOptions { secure: false, ..CoreOptions::default() })
}

fn address(core: &Core) -> SocketAddr {
    let port = core.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn appliance(at: SocketAddr) -> Appliance {
    Appliance::start_with_environment(
        &Config {
            endpoint: format!("http://{at}"),
            audio: ("synth:tone=440".to_owned(), "synth:silence".to_owned()),
            backoff: ("1s", "60s"),
            ..Config::bare()
        },
        &[],
    )
}

fn talk(appliance: &mut Appliance) {
    appliance.must(&["press", "call", "--for", "100"]);
    appliance.wait_call("in-call");
    thread::sleep(SECOND);
}

fn lost(appliance: &mut Appliance) {
    appliance.wait_status(40, "lost session", |status| status["session"] != "registered");
}

#[test]
fn a_core_that_restarts_is_found_again() {
    let mut core = core();
    let relay = Proxy::start(Some(address(&core)));
    let mut appliance = appliance(relay.address());
    for in_call in [false, true] {
        appliance.wait_ready();
        if in_call {
            talk(&mut appliance);
        }
        let killed = Instant::now();
        core.process().kill();
        lost(&mut appliance);
        let which = if in_call { "in a call" } else { "idle" };
        within(&format!("core killed, {which}: the lost session is noticed"), SECOND, killed.elapsed());
        thread::sleep(Duration::from_secs(5).saturating_sub(killed.elapsed()));
        core = self::core();
        relay.point_at(address(&core));
        let up = Instant::now();
        appliance.wait_status(40, "registered box", |status| status["session"] == "registered");
        // Full jitter below 1, 2, 4, 8, 16 and 32 s, so that a fleet does not come at once: the first five may be short.
        within(&format!("core back after 5 s, {which}: registered"), 32 * SECOND, up.elapsed());
        if in_call {
            // Its far end went with it, and it knows of no call.
            appliance.wait_call("idle");
            within("core killed in a call and back: the dead call is over", 45 * SECOND, up.elapsed());
        }
    }
    appliance.takes_a_call();
}

#[test]
fn a_core_that_hangs_is_noticed_and_taken_back() {
    let mut core = core();
    let mut appliance = appliance(address(&core));
    appliance.wait_ready();
    for (in_call, bound) in [(false, 20), (true, 5)] {
        if in_call {
            talk(&mut appliance);
        }
        let which = if in_call { "in a call" } else { "idle" };
        let stopped = Instant::now();
        core.process().signal("STOP");
        lost(&mut appliance);
        let noticed = stopped.elapsed();
        thread::sleep(Duration::from_secs(10).saturating_sub(noticed));
        core.process().signal("CONT");
        let up = Instant::now();
        within(&format!("core hangs, {which}: noticed"), bound * SECOND, noticed);
        appliance.wait_status(40, "registered box", |status| status["session"] == "registered");
        within(&format!("core goes on after it hung, {which}: registered"), 16 * SECOND, up.elapsed());
        if in_call {
            let status = appliance.status().unwrap();
            assert_eq!(status["call"], "in-call", "the call was dropped: {status}");
            appliance.must(&["hangup"]);
            appliance.wait_call("idle");
        }
    }
    appliance.takes_a_call();
}
