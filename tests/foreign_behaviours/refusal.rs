//! Behaviour 8: errors of the core.

use serde_json::json;

use super::foreign::peer::Peer;
use super::foreign::scene::{CALLER, FAR_HERTZ, IDS, Mode, Scene, sdp, text};
use super::{A_WHILE, error, in_call};

pub fn not_in_call_ends_the_wish_for_the_phone(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (peer, id) = scene.call_out();
    scene.door.press("to-phone");
    scene.core.wait_message("action");
    scene.say(&id, error("NOT_INCALL"));
    scene.door.wait("lamp that shows the refusal", |status| status["leds"]["fault"] == "double-flash");
    scene.door.counted("error-not-in-call", 1);
    // An InCall is now of another call: this one goes on.
    scene.core.send(IDS[0], in_call(CALLER));
    scene.busy_elsewhere(true);
    scene.talks(&peer);
    scene.hang_up(&id);
}

pub fn not_in_call_ends_a_take_over(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.core.send(IDS[0], in_call(CALLER));
    scene.busy_elsewhere(true);
    scene.door.press("take-over");
    scene.core.wait_message("offer");
    scene.say(IDS[0], error("NOT_INCALL"));
    scene.door.wait_call("idle");
    scene.busy_elsewhere(false);
    scene.core.never("bye", A_WHILE);
}

pub fn try_again_repeats_the_offer(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (first, id) = scene.press_call();
    scene.say(&id, error("TRY_AGAIN"));
    let second = scene.core.wait_message("offer");
    assert_eq!(first, second);
    let peer = Peer::new(FAR_HERTZ);
    scene.say(&id, json!({ "answer": { "sdp": peer.answer(sdp(&second, "offer")) } }));
    scene.talks(&peer);
    scene.hang_up(&id);
}

pub fn invalid_call_id_ends_the_call(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (_, id) = scene.call_out();
    scene.say(&id, error("INVALID_CALL_ID"));
    scene.door.wait_call("idle");
    scene.core.never("bye", A_WHILE);
    scene.takes_a_call();
}

pub fn invalid_call_id_forgets_that_call_alone(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (peer, id) = scene.call_out();
    scene.say(IDS[0], in_call(CALLER));
    scene.say(IDS[1], in_call(CALLER));
    scene.busy_elsewhere(true);
    scene.say(IDS[1], error("INVALID_CALL_ID"));
    scene.say(IDS[2], error("INVALID_CALL_ID"));
    scene.door.counted("error-invalid-call-id", 2);
    scene.busy_elsewhere(true);
    scene.talks(&peer);
    scene.hang_up(&id);
    scene.door.press("take-over");
    assert_eq!(scene.core.wait_message("offer")["call_id"], IDS[0]);
    scene.say(IDS[0], error("INVALID_CALL_ID"));
    scene.door.wait_call("idle");
    scene.busy_elsewhere(false);
}

pub fn rate_limit_hit_holds_calls_back(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (_, id) = scene.press_call();
    scene.say(&id, error("RATE_LIMIT_HIT"));
    assert_eq!(scene.core.wait_message("bye")["call_id"], id);
    let status = scene.door.wait_call("idle");
    assert_eq!(status["faults"][0]["fault"], "rate-limited", "{status}");
    assert_eq!(status["session"], "registered");
    let why = scene.door.act(&json!({ "action": "call", "to": ["front"] })).unwrap_err();
    assert!(why.contains("wait before the next call"), "{why}");
    scene.core.never("offer", A_WHILE);
    // `rate-limit` is one second here.
    scene.takes_a_call();
}

pub fn an_unknown_error_is_counted_and_shown(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (peer, id) = scene.call_out();
    scene.say(&id, error("UNKNOWN"));
    scene.say(&id, json!({ "error": {} }));
    scene.say(&id, json!({ "error": { "err": 99 } }));
    scene.door.wait("lamp that shows the error", |status| status["leds"]["fault"] == "double-flash");
    scene.door.counted("error-unknown", 3);
    let log = scene.door.events();
    assert!(log.iter().any(|event| text(&event["text"]).contains("reports error 0")), "{log:?}");
    scene.talks(&peer);
    scene.hang_up(&id);
}
