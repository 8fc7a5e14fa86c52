//! Behaviours 4 to 6: calls elsewhere are observed, taken over, and ours moved to the phone.

use serde_json::json;

use super::foreign::door::{CALLEE, Door};
use super::foreign::peer::Peer;
use super::foreign::scene::{CALLER, FAR_HERTZ, IDS, Mode, Scene, sdp};
use super::{A_WHILE, bye, in_call};

// 4. Observing status

pub fn a_call_elsewhere_is_shown_until_it_ends(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.say(IDS[0], in_call(CALLER));
    scene.busy_elsewhere(true);
    assert_eq!(scene.door.status().unwrap()["call"], "idle");
    scene.say(IDS[0], json!({ "idle": {} }));
    scene.busy_elsewhere(false);
}

pub fn a_new_call_elsewhere_replaces_the_old(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.core.send(IDS[0], in_call(CALLER));
    scene.core.send(IDS[1], in_call("+4788888888"));
    scene.obeyed();
    scene.busy_elsewhere(true);
    scene.door.press("take-over");
    assert_eq!(scene.core.wait_message("offer")["call_id"], IDS[1]);
    assert_eq!(scene.door.wait_call("outgoing")["peer"], "+4788888888");
    scene.say("", bye());
    scene.say("", json!({ "idle": {} }));
    scene.busy_elsewhere(false);
}

pub fn calls_elsewhere_end_each_by_its_id(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.say(IDS[0], in_call(CALLER));
    scene.say(IDS[1], in_call("+4788888888"));
    scene.busy_elsewhere(true);
    scene.say(IDS[1], json!({ "idle": {} }));
    scene.say(IDS[2], json!({ "idle": {} }));
    scene.door.counted("idle-unknown-call", 1);
    scene.busy_elsewhere(true);
    scene.door.press("take-over");
    assert_eq!(scene.core.wait_message("offer")["call_id"], IDS[0]);
    scene.say(IDS[0], bye());
    scene.door.wait_call("idle");
    scene.say(IDS[0], json!({ "idle": {} }));
    scene.busy_elsewhere(false);
}

pub fn an_idle_that_names_a_number_is_an_idle(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.say(IDS[0], in_call(CALLER));
    scene.busy_elsewhere(true);
    // Idle{msisdn}, as the public documentation has it (field 1 of the member 5).
    let mut bytes = b"\x2a\x09\x0a\x07\x0a\x05+4712".to_vec();
    if mode == Mode::MultiPipe {
        bytes.extend([0x52, 36]);
        bytes.extend(IDS[0].as_bytes());
    }
    scene.core.send_bytes(&bytes);
    scene.busy_elsewhere(false);
}

// 5. Transferring a call to this terminal

fn taken_over(mode: Mode, take_over: impl Fn(&Door)) {
    let mut scene = Scene::new(mode);
    // With its id, also on `Pipe`.
    scene.core.send(IDS[0], in_call(CALLER));
    scene.busy_elsewhere(true);
    take_over(&scene.door);
    let offer = scene.core.wait_message("offer");
    assert_eq!((&offer["call_id"], offer["offer"].get("msisdn")), (&json!(IDS[0]), None));
    let peer = Peer::new(FAR_HERTZ);
    scene.say(IDS[0], json!({ "answer": { "sdp": peer.answer(sdp(&offer, "offer")) } }));
    scene.talks(&peer);
    assert_eq!(scene.door.status().unwrap()["peer"], CALLER);
    scene.door.press("hang-up");
    assert_eq!(scene.core.wait_message("bye")["call_id"], IDS[0]);
    scene.door.wait_call("idle");
}

pub fn a_button_takes_over_a_call(mode: Mode) {
    taken_over(mode, |door| door.press("take-over"));
}

pub fn a_command_takes_over_a_call(mode: Mode) {
    taken_over(mode, |door| drop(door.command(&["take-over"]).unwrap()));
}

pub fn the_control_socket_takes_over_a_call(mode: Mode) {
    taken_over(mode, |door| door.act(&json!({ "action": "take-over" })).unwrap());
}

pub fn a_call_without_an_id_is_taken_over(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.core.send("", in_call(CALLER));
    scene.busy_elsewhere(true);
    scene.door.press("take-over");
    let offer = scene.core.wait_message("offer");
    let peer = Peer::new(FAR_HERTZ);
    scene.say("", json!({ "answer": { "sdp": peer.answer(sdp(&offer, "offer")) } }));
    scene.talks(&peer);
    scene.say("", bye());
    scene.door.wait_call("idle");
}

pub fn a_take_over_is_rejected(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.core.send(IDS[0], in_call(CALLER));
    scene.busy_elsewhere(true);
    scene.door.press("take-over");
    scene.core.wait_message("offer");
    scene.say(IDS[0], bye());
    scene.door.wait_call("idle");
    scene.core.never("bye", A_WHILE);
    scene.takes_a_call();
}

pub fn nothing_elsewhere_is_nothing_to_take_over(mode: Mode) {
    let mut scene = Scene::new(mode);
    let why = scene.door.act(&json!({ "action": "take-over" })).unwrap_err();
    assert!(why.contains("in no call elsewhere"), "{why}");
    assert!(scene.door.command(&["take-over"]).is_err());
    scene.door.press("take-over");
    scene.door.counted("press-refused", 1);
    scene.core.never("offer", A_WHILE);
}

// 6. Transferring to the mobile phone

fn moved_to_phone(mode: Mode, to_phone: impl Fn(&Door)) {
    let mut scene = Scene::new(mode);
    let (peer, id) = scene.call_out();
    to_phone(&scene.door);
    let action = scene.core.wait_message("action");
    assert_eq!((&action["action"], &action["call_id"]), (&json!({ "toPhone": {} }), &json!(id)));
    assert_eq!(scene.door.status().unwrap()["call"], "in-call", "it goes on until the core says so");
    scene.say(&id, in_call(CALLEE));
    scene.door.wait_call("idle");
    scene.busy_elsewhere(true);
    peer.state("closed");
    assert!(peer.hear(A_WHILE).1 < -60.0, "media goes on");
    scene.say(&id, json!({ "idle": {} }));
    scene.busy_elsewhere(false);
    assert_eq!(scene.core.count("bye"), 0, "a Bye would end the call at the phone");
}

pub fn a_button_moves_the_call_to_the_phone(mode: Mode) {
    moved_to_phone(mode, |door| door.press("to-phone"));
}

pub fn a_command_moves_the_call_to_the_phone(mode: Mode) {
    moved_to_phone(mode, |door| drop(door.command(&["to-phone"]).unwrap()));
}

pub fn the_control_socket_moves_the_call_to_the_phone(mode: Mode) {
    moved_to_phone(mode, |door| door.act(&json!({ "action": "to-phone" })).unwrap());
}

pub fn without_a_call_nothing_moves_to_the_phone(mode: Mode) {
    let mut scene = Scene::new(mode);
    let why = scene.door.act(&json!({ "action": "to-phone" })).unwrap_err();
    assert!(why.contains("no call"), "{why}");
    scene.door.press("to-phone");
    scene.door.counted("press-refused", 1);
    scene.core.never("action", A_WHILE);
}
