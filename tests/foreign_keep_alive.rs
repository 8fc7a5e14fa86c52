//! As it comes, `grpcio` ends a connection after two HTTP/2 PINGs within five
//! minutes (`too_many_pings`), and a box in a call asks more often than that.
//! That may cost the connection; it may not cost the call, nor the hang-up.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/foreign/mod.rs"]
mod foreign;
mod support;

use foreign::door::CALLEE;
use foreign::peer::Peer;
use foreign::scene::{FAR_HERTZ, Mode, Scene, sdp, text};
use foreign::server::Options;
use serde_json::json;

fn survives_a_core_that_takes_no_pings(mode: Mode) {
    let stock = Options { stock_pings: true, ..Options::default() };
    let mut scene = Scene::with(mode, &stock);
    let (mut peer, id) = scene.call_out();
    scene.core.wait_event("ended");
    scene.talks(&peer);
    scene.register(json!({ "in_call": { "msisdn": { "e164": CALLEE } } }));
    if mode == Mode::Pipe {
        // Only there the core speaks of the call, and the box goes on with it.
        let offer = scene.core.wait_message("offer");
        let again = Peer::new(FAR_HERTZ);
        scene.say(&id, json!({ "answer": { "sdp": again.answer(sdp(&offer, "offer")) } }));
        scene.talks(&again);
        peer = again;
    }
    let detail = scene.door.events();
    let said = |words: &str| detail.iter().any(|event| text(&event["text"]).contains(words));
    assert!(said("keep-alive every 1.5s too often"), "{detail:?}");
    scene.talks(&peer);
    scene.hang_up(&id);
    scene.takes_a_call();
}

#[test]
fn a_call_on_pipe_survives_a_core_that_takes_no_pings() {
    survives_a_core_that_takes_no_pings(Mode::Pipe);
}

#[test]
fn a_call_on_multi_pipe_survives_a_core_that_takes_no_pings() {
    survives_a_core_that_takes_no_pings(Mode::MultiPipe);
}
