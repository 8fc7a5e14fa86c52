//! `MultiPipe` carries several calls at once, and with it what one press can
//! do wrong: ring on at those who were late, leave a caller in silence, let a
//! held party listen. Shown with a foreign core and real media for each party.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/foreign/mod.rs"]
mod foreign;
mod support;

use foreign::door::{CALLEE, NEAR_HERTZ, SOON};
use foreign::peer::Peer;
use foreign::scene::{CALLER, FAR_HERTZ, IDS, Mode, Scene, sdp, text};
use foreign::server::Options;
use serde_json::json;

const OTHER: &str = "+4700000002";
/// The tone of the second party.
const OTHER_HERTZ: u32 = 1500;

fn scene(more: &str) -> Scene {
    Scene::with_times(Mode::MultiPipe, &Options::default(), &format!("{SOON}{more}"))
}

/// A second caller's Offer, and that it rings for him.
fn rings_meanwhile(scene: &mut Scene, id: &str) -> Peer {
    let peer = Peer::new(OTHER_HERTZ);
    scene.say(id, json!({ "offer": { "sdp": peer.offer(), "msisdn": { "e164": CALLER } } }));
    assert_eq!(scene.core.wait_message("ringing")["call_id"], id);
    peer
}

fn takes(scene: &mut Scene, peer: &Peer, id: &str) {
    let answer = scene.core.wait_message("answer");
    assert_eq!(answer["call_id"], id);
    peer.accept(sdp(&answer, "answer"));
    peer.connected();
}

#[test]
fn one_press_rings_at_all_and_the_first_to_answer_has_the_call() {
    let mut scene = scene(&format!(
        "[[button]]\nname = \"exit\"\npress = {{ action = \"call\", to = [\"front\", {OTHER:?}], ring = \"all\" }}\n"
    ));
    for winner in [0, 1] {
        scene.door.wait_ready();
        scene.door.press("exit");
        let offers = [scene.core.wait_message("offer"), scene.core.wait_message("offer")];
        let number = |n: usize| text(&offers[n]["offer"]["msisdn"]["e164"]);
        assert_eq!([number(0), number(1)], [CALLEE, OTHER]);
        let id = |n: usize| text(&offers[n]["call_id"]);
        assert_ne!(id(0), id(1));
        for n in [0, 1] {
            scene.say(id(n), json!({ "ringing": {} }));
        }
        scene.door.wait_call("ringing");
        let peer = Peer::new(FAR_HERTZ);
        scene.say(id(winner), json!({ "answer": { "sdp": peer.answer(sdp(&offers[winner], "offer")) } }));
        assert_eq!(scene.core.wait_message("bye")["call_id"], id(1 - winner));
        scene.talks(&peer);
        // He who answers a moment too late hears nobody, and disturbs nobody.
        let late = Peer::new(OTHER_HERTZ);
        let answer = json!({ "answer": { "sdp": late.answer(sdp(&offers[1 - winner], "offer")) } });
        scene.say(id(1 - winner), answer);
        assert_eq!(scene.core.wait_message("bye")["call_id"], id(1 - winner), "he is told so");
        scene.talks(&peer);
        assert_eq!(scene.door.status().unwrap()["peer"], number(winner));
        scene.door.press("hang-up");
        assert_eq!(scene.core.wait_message("bye")["call_id"], id(winner));
        scene.door.wait_call("idle");
    }
}

#[test]
fn a_call_that_comes_meanwhile_waits_and_rings_when_the_line_is_free() {
    let mut scene = scene("[incoming]\nwhile-busy = \"queue\"\n");
    let (first, id) = scene.call_out();
    let second = rings_meanwhile(&mut scene, IDS[0]);
    scene.talks(&first);
    scene.say(&id, json!({ "bye": {} }));
    scene.door.wait_call("incoming");
    scene.door.press("call");
    takes(&mut scene, &second, IDS[0]);
    scene.door.hears(OTHER_HERTZ);
    second.hears(NEAR_HERTZ);
    scene.hang_up(IDS[0]);
}

#[test]
fn a_caller_who_waits_in_vain_gives_up() {
    let mut scene = scene("[incoming]\nwhile-busy = \"queue\"\n");
    let (first, id) = scene.call_out();
    rings_meanwhile(&mut scene, IDS[0]);
    scene.say(IDS[0], json!({ "bye": {} }));
    scene.obeyed();
    scene.talks(&first);
    scene.hang_up(&id);
    scene.takes_a_call();
}

#[test]
fn two_calls_are_held_and_swapped_and_joined() {
    let mut scene = scene("[incoming]\nwhile-busy = \"swap\"\n");
    let (first, id) = scene.call_out();
    let second = rings_meanwhile(&mut scene, IDS[0]);
    scene.door.act(&json!({ "action": "swap" })).unwrap();
    takes(&mut scene, &second, IDS[0]);
    for _ in 0..2 {
        // The second has the person, the first hears nothing, and neither hears the other.
        scene.door.hears(OTHER_HERTZ);
        second.hears_only(&[NEAR_HERTZ], &[FAR_HERTZ]);
        first.hears_only(&[], &[NEAR_HERTZ, OTHER_HERTZ]);
        scene.door.act(&json!({ "action": "swap" })).unwrap();
        scene.door.hears(FAR_HERTZ);
        first.hears_only(&[NEAR_HERTZ], &[OTHER_HERTZ]);
        second.hears_only(&[], &[NEAR_HERTZ, FAR_HERTZ]);
        scene.door.act(&json!({ "action": "swap" })).unwrap();
    }
    // Three who talk: each hears the two others, and not himself.
    scene.door.act(&json!({ "action": "merge" })).unwrap();
    first.hears_only(&[NEAR_HERTZ, OTHER_HERTZ], &[FAR_HERTZ]);
    second.hears_only(&[NEAR_HERTZ, FAR_HERTZ], &[OTHER_HERTZ]);
    // One leaves, two go on.
    scene.say(&id, json!({ "bye": {} }));
    second.hears_only(&[NEAR_HERTZ], &[FAR_HERTZ]);
    scene.door.hears(OTHER_HERTZ);
    scene.hang_up(IDS[0]);
}

#[test]
fn invalid_call_id_of_one_of_two_calls_leaves_the_other() {
    let mut scene = scene("[incoming]\nwhile-busy = \"swap\"\n");
    let (first, id) = scene.call_out();
    let second = rings_meanwhile(&mut scene, IDS[0]);
    scene.door.act(&json!({ "action": "swap" })).unwrap();
    takes(&mut scene, &second, IDS[0]);
    scene.door.hears(OTHER_HERTZ);
    scene.say(IDS[0], json!({ "error": { "err": "INVALID_CALL_ID" } }));
    // The one that was held comes back.
    scene.talks(&first);
    scene.hang_up(&id);
}
