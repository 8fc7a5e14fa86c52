//! Behaviour 7: an Offer in a call.

use serde_json::{Value, json};

use super::foreign::peer::Peer;
use super::foreign::scene::{FAR_HERTZ, IDS, Mode, Scene, sdp};
use super::offer;

pub fn a_renegotiation_of_an_outgoing_call_keeps_the_sound(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (peer, id) = scene.call_out();
    for _ in 0..2 {
        scene.renegotiate(&id, &peer);
        scene.talks(&peer);
    }
    scene.hang_up(&id);
}

pub fn a_renegotiation_of_an_incoming_call_keeps_the_sound(mode: Mode) {
    let mut scene = Scene::new(mode);
    let peer = scene.call_in(IDS[0]);
    for _ in 0..2 {
        scene.renegotiate(IDS[0], &peer);
        scene.talks(&peer);
    }
    scene.hang_up(IDS[0]);
}

pub fn an_offer_of_any_id_in_a_call_is_a_renegotiation(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (peer, id) = scene.call_out();
    for other in ["", IDS[0], IDS[1]] {
        scene.core.send(other, json!({ "offer": { "sdp": peer.offer() } }));
        let answer = scene.core.wait_message("answer");
        peer.accept(sdp(&answer, "answer"));
        scene.talks(&peer);
    }
    assert_eq!(scene.core.count("bye"), 0);
    scene.hang_up(&id);
}

pub fn several_offers_in_a_call_are_all_answered(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (peer, id) = scene.call_out();
    let again = peer.offer();
    for _ in 0..3 {
        scene.say(&id, offer(&again));
    }
    let answers: Vec<Value> = (0..3).map(|_| scene.core.wait_message("answer")).collect();
    peer.accept(sdp(&answers[2], "answer"));
    scene.talks(&peer);
    scene.hang_up(&id);
}

pub fn an_offer_that_crosses_ours_is_answered(mode: Mode) {
    const EARLY_HERTZ: u32 = 1500;
    let mut scene = Scene::new(mode);
    let (ours, id) = scene.press_call();
    let early = Peer::new(EARLY_HERTZ);
    scene.say(&id, offer(&early.offer()));
    let answer = scene.core.wait_message("answer");
    early.accept(sdp(&answer, "answer"));
    early.connected();
    // A second one, before our own is answered.
    scene.renegotiate(&id, &early);
    scene.door.hears(EARLY_HERTZ);
    assert_eq!(scene.door.status().unwrap()["call"], "outgoing");
    // The answer to ours comes from elsewhere, and there the call goes.
    let late = Peer::new(FAR_HERTZ);
    scene.say(&id, json!({ "answer": { "sdp": late.answer(sdp(&ours, "offer")) } }));
    scene.talks(&late);
    scene.hang_up(&id);
}
