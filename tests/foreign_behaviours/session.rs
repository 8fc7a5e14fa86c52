//! Behaviour 1: registration.

use std::time::Duration;

use serde_json::json;

use super::foreign::door::{Door, SOON};
use super::foreign::scene::{CALLER, Mode, Scene};
use super::foreign::server::{Options, Server};
use super::in_call;

pub fn a_call_elsewhere_is_told_at_the_start(mode: Mode) {
    let core = Server::start(&Options::default());
    let door = Door::start(mode.name(), &core, SOON);
    let mut scene = Scene { mode, core, door };
    scene.register(in_call(CALLER));
    scene.busy_elsewhere(true);
    assert_eq!(scene.door.wait_ready()["leds"]["online"], "on");
    scene.say("", json!({ "idle": {} }));
    scene.busy_elsewhere(false);
}

pub fn a_stream_that_says_nothing_is_a_registration(mode: Mode) {
    let silent = Options { headers_after_ms: Some(0), ..Options::default() };
    let mut scene = Scene::with(mode, &silent);
    assert_eq!(scene.door.wait_ready()["busy_elsewhere"], false);
    scene.takes_a_call();
}

pub fn headers_that_come_late_hold_nothing_up(mode: Mode) {
    let late = Options { headers_after_ms: Some(4_000), ..Options::default() };
    let mut scene = Scene::with(mode, &late);
    let begin = std::time::Instant::now();
    scene.press_call();
    assert!(begin.elapsed() < Duration::from_secs(3), "the call waited for the headers");
    scene.door.wait_call("outgoing");
}

pub fn a_stream_whose_token_was_revoked_begins_again_with_a_new_one(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.core.revoke();
    scene.core.end("UNAUTHENTICATED");
    scene.register(json!({ "idle": {} }));
    scene.takes_a_call();
}

pub fn a_stream_that_breaks_begins_again(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.core.cut();
    scene.register(json!({ "idle": {} }));
    scene.takes_a_call();
}
