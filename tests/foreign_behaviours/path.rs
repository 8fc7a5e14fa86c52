//! Behaviours 9 and 10: how media finds its way, and what a `call_id` is for.

use serde_json::json;

use super::foreign::door::count;
use super::foreign::peer::Peer;
use super::foreign::scene::{CALLER, FAR_HERTZ, IDS, Mode, Scene, sdp};
use super::{A_WHILE, bye, error, in_call, offer};

// 9. ICE

pub fn candidates_stand_in_the_description(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (message, id) = scene.press_call();
    let peer = Peer::new(FAR_HERTZ);
    let answer = peer.answer(sdp(&message, "offer"));
    for described in [sdp(&message, "offer"), &answer] {
        assert!(described.contains("\r\na=candidate:"), "{described}");
        assert!(described.contains("\r\na=end-of-candidates\r\n"), "{described}");
    }
    assert!(!sdp(&message, "offer").contains("trickle"), "nothing would follow");
    scene.say(&id, json!({ "answer": { "sdp": answer } }));
    scene.talks(&peer);
    scene.hang_up(&id);
    let peer = scene.ring(IDS[0]);
    scene.door.press("call");
    let message = scene.core.wait_message("answer");
    assert!(sdp(&message, "answer").contains("\r\na=candidate:"), "{message}");
    peer.accept(sdp(&message, "answer"));
    scene.talks(&peer);
    scene.hang_up(IDS[0]);
}

pub fn an_ice_lite_server_is_reached(mode: Mode) {
    let mut scene = Scene::new(mode);
    let lite = |sdp: &str| sdp.replacen("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n", 1);
    let (message, id) = scene.press_call();
    let peer = Peer::new(FAR_HERTZ);
    let answer = lite(&peer.answer(sdp(&message, "offer")));
    scene.say(&id, json!({ "answer": { "sdp": answer } }));
    scene.talks(&peer);
    scene.hang_up(&id);
    // The box controls ICE though it did not offer (RFC 8445 section 6.1.1).
    let peer = Peer::lite(FAR_HERTZ);
    scene.say(IDS[0], offer(&lite(&peer.offer())));
    scene.door.wait_call("incoming");
    scene.door.press("call");
    peer.accept(sdp(&scene.core.wait_message("answer"), "answer"));
    scene.talks(&peer);
    scene.hang_up(IDS[0]);
}

// 10. call_id

pub fn call_ids_that_change_are_ignored(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (message, id) = scene.press_call();
    scene.core.send(IDS[0], json!({ "ringing": {} }));
    scene.door.wait_call("ringing");
    let peer = Peer::new(FAR_HERTZ);
    let answer = peer.answer(sdp(&message, "offer"));
    scene.core.send(IDS[1], json!({ "answer": { "sdp": answer } }));
    scene.talks(&peer);
    scene.door.press("to-phone");
    assert_eq!(scene.core.wait_message("action")["call_id"], id);
    scene.core.send(IDS[2], error("NOT_INCALL"));
    scene.core.send("not even a UUID", bye());
    scene.door.wait_call("idle");
    // An incoming call whose caller gives up under another id.
    let peer = Peer::new(FAR_HERTZ);
    scene.core.send(IDS[0], offer(&peer.offer()));
    scene.door.wait_call("incoming");
    scene.core.send(IDS[1], bye());
    scene.door.wait_call("idle");
}

pub fn messages_of_other_calls_change_nothing(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (message, id) = scene.press_call();
    let peer = Peer::new(FAR_HERTZ);
    let answer = json!({ "answer": { "sdp": peer.answer(sdp(&message, "offer")) } });
    for other in ["", IDS[0]] {
        scene.core.send(other, json!({ "ringing": {} }));
        scene.core.send(other, answer.clone());
        scene.core.send(other, bye());
    }
    let status = scene.door.counted("bye-unexpected", 2);
    assert_eq!((count(&status, "ringing-unexpected"), count(&status, "answer-unexpected")), (2, 2));
    assert_eq!(status["call"], "outgoing");
    scene.say(&id, answer);
    scene.talks(&peer);
    // A second call is turned away under its own id, and the first goes on.
    scene.say(IDS[1], offer(&Peer::new(1500).offer()));
    assert_eq!(scene.core.wait_message("bye")["call_id"], IDS[1]);
    scene.talks(&peer);
    scene.hang_up(&id);
}

pub fn an_offer_without_an_id_is_not_taken(mode: Mode) {
    let mut scene = Scene::new(mode);
    let peer = Peer::new(FAR_HERTZ);
    scene.core.send("", offer(&peer.offer()));
    scene.core.send("", in_call(CALLER));
    let status = scene.door.counted("call-id-missing", 2);
    assert_eq!((&status["call"], &status["busy_elsewhere"]), (&json!("idle"), &json!(false)));
    scene.core.never("ringing", A_WHILE);
    scene.takes_a_call();
}
