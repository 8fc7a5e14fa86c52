//! Behaviours 2 and 3: calls that go out, calls that come in.

use serde_json::json;

use super::foreign::door::CALLEE;
use super::foreign::peer::Peer;
use super::foreign::scene::{FAR_HERTZ, IDS, Mode, Scene, sdp, text};
use super::{A_WHILE, bye};

// 2. Outgoing call

pub fn an_outgoing_call_rings_is_answered_and_ended_there(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (offer, id) = scene.press_call();
    assert_eq!(offer["offer"]["msisdn"]["e164"], CALLEE);
    scene.door.wait_call("outgoing");
    scene.say(&id, json!({ "ringing": {} }));
    let status = scene.door.wait_call("ringing");
    assert_eq!((&status["peer"], &status["leds"]["ringing"]), (&json!(CALLEE), &json!("slow")));
    let peer = Peer::new(FAR_HERTZ);
    scene.say(&id, json!({ "answer": { "sdp": peer.answer(sdp(&offer, "offer")) } }));
    scene.talks(&peer);
    scene.say(&id, bye());
    scene.door.wait_call("idle");
    scene.core.never("bye", A_WHILE);
}

pub fn an_outgoing_call_is_answered_at_once_and_ended_here(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (peer, id) = scene.call_out();
    scene.door.press("hang-up");
    assert_eq!(scene.core.wait_message("bye")["call_id"], id);
    scene.door.wait_call("idle");
    // The box tells the peer too, as DTLS does.
    peer.state("closed");
}

pub fn an_outgoing_call_is_rejected(mode: Mode) {
    let mut scene = Scene::new(mode);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (_, id) = scene.press_call();
        // A UUID in lower-case text form, version 4 (RFC 9562 section 5.4).
        assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4, "{id}");
        assert_eq!((id.len(), id.to_lowercase()), (36, id.clone()));
        scene.say(&id, bye());
        scene.door.wait_call("idle");
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
    scene.core.never("bye", A_WHILE);
}

pub fn an_outgoing_call_is_cancelled_before_the_answer(mode: Mode) {
    let mut scene = Scene::new(mode);
    for rings in [false, true] {
        let (_, id) = scene.press_call();
        if rings {
            scene.say(&id, json!({ "ringing": {} }));
            scene.door.wait_call("ringing");
        }
        scene.door.press("hang-up");
        assert_eq!(scene.core.wait_message("bye")["call_id"], id);
        scene.door.wait_call("idle");
    }
}

pub fn a_pcmu_call_carries_sound(mode: Mode) {
    let mut scene = Scene::new(mode);
    let peer = Peer::with_codec(FAR_HERTZ, "PCMU");
    let id = scene.call_out_to(&peer);
    assert!(scene.door.events().iter().any(|event| text(&event["text"]).contains("codec PCMU")));
    scene.hang_up(&id);
}

// 3. Incoming call

pub fn an_incoming_call_rings_is_answered_and_ended_there(mode: Mode) {
    let mut scene = Scene::new(mode);
    let peer = scene.ring(IDS[0]);
    // The button that calls also answers.
    scene.door.press("call");
    let answer = scene.core.wait_message("answer");
    assert_eq!(answer["call_id"], scene.own(IDS[0]));
    peer.accept(sdp(&answer, "answer"));
    scene.talks(&peer);
    scene.say(IDS[0], bye());
    scene.door.wait_call("idle");
    scene.core.never("bye", A_WHILE);
}

pub fn an_incoming_call_is_rejected(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.ring(IDS[0]);
    scene.hang_up(IDS[0]);
    scene.core.never("answer", A_WHILE);
}

pub fn a_caller_gives_up(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.ring(IDS[0]);
    scene.say(IDS[0], bye());
    scene.door.wait_call("idle");
    scene.core.never("bye", A_WHILE);
    scene.takes_a_call();
}
