//! Both ends of our own simulator could share a mistake about the contract.
//! Here the voice core is by other hands (Python, `grpcio`), and so are its
//! phones (`aiortc`): every behaviour of the contract, on `Pipe` and on
//! `MultiPipe`, with the real binary, TLS and a token. ARCHITECTURE.md says
//! which test shows what, and `foreign_table.rs` checks that.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/foreign/mod.rs"]
mod foreign;
mod support;

use std::time::Duration;

use foreign::door::{CALLEE, Door, SOON, count};
use foreign::peer::Peer;
use foreign::scene::{CALLER, FAR_HERTZ, IDS, Mode, Scene, sdp, text};
use foreign::server::{Options, Server};
use serde_json::{Value, json};

/// Each scene is a test for each rpc that it is listed for.
macro_rules! scenes {
    ($($mode:ident $rpc:ident { $($name:ident)* })*) => {
        $(mod $mode {
            $(#[test] fn $name() { super::$name(super::Mode::$rpc) })*
        })*
    };
}

scenes! {
    pipe Pipe {
        a_call_elsewhere_is_told_at_the_start
        headers_that_come_late_hold_nothing_up
        a_stream_whose_token_was_revoked_begins_again_with_a_new_one
        a_stream_that_breaks_begins_again
        an_outgoing_call_rings_is_answered_and_ended_there
        an_outgoing_call_is_answered_at_once_and_ended_here
        an_outgoing_call_is_rejected
        an_outgoing_call_is_cancelled_before_the_answer
        a_pcmu_call_carries_sound
        an_incoming_call_rings_is_answered_and_ended_there
        an_incoming_call_is_rejected
        a_caller_gives_up
        a_call_elsewhere_is_shown_until_it_ends
        a_new_call_elsewhere_replaces_the_old
        an_idle_that_names_a_number_is_an_idle
        a_button_takes_over_a_call
        a_command_takes_over_a_call
        the_control_socket_takes_over_a_call
        a_call_without_an_id_is_taken_over
        a_take_over_is_rejected
        nothing_elsewhere_is_nothing_to_take_over
        a_button_moves_the_call_to_the_phone
        a_command_moves_the_call_to_the_phone
        the_control_socket_moves_the_call_to_the_phone
        without_a_call_nothing_moves_to_the_phone
        a_renegotiation_of_an_outgoing_call_keeps_the_sound
        a_renegotiation_of_an_incoming_call_keeps_the_sound
        an_offer_of_any_id_in_a_call_is_a_renegotiation
        several_offers_in_a_call_are_all_answered
        an_offer_that_crosses_ours_is_answered
        not_in_call_ends_the_wish_for_the_phone
        not_in_call_ends_a_take_over
        try_again_repeats_the_offer
        invalid_call_id_ends_the_call
        rate_limit_hit_holds_calls_back
        an_unknown_error_is_counted_and_shown
        candidates_stand_in_the_description
        an_ice_lite_server_is_reached
        call_ids_that_change_are_ignored
    }
    multi_pipe MultiPipe {
        a_stream_that_says_nothing_is_a_registration
        headers_that_come_late_hold_nothing_up
        a_stream_whose_token_was_revoked_begins_again_with_a_new_one
        a_stream_that_breaks_begins_again
        an_outgoing_call_rings_is_answered_and_ended_there
        an_outgoing_call_is_answered_at_once_and_ended_here
        an_outgoing_call_is_rejected
        an_outgoing_call_is_cancelled_before_the_answer
        a_pcmu_call_carries_sound
        an_incoming_call_rings_is_answered_and_ended_there
        an_incoming_call_is_rejected
        a_caller_gives_up
        a_call_elsewhere_is_shown_until_it_ends
        calls_elsewhere_end_each_by_its_id
        an_idle_that_names_a_number_is_an_idle
        a_button_takes_over_a_call
        a_command_takes_over_a_call
        the_control_socket_takes_over_a_call
        a_take_over_is_rejected
        nothing_elsewhere_is_nothing_to_take_over
        a_button_moves_the_call_to_the_phone
        a_command_moves_the_call_to_the_phone
        the_control_socket_moves_the_call_to_the_phone
        without_a_call_nothing_moves_to_the_phone
        a_renegotiation_of_an_outgoing_call_keeps_the_sound
        a_renegotiation_of_an_incoming_call_keeps_the_sound
        several_offers_in_a_call_are_all_answered
        an_offer_that_crosses_ours_is_answered
        not_in_call_ends_the_wish_for_the_phone
        not_in_call_ends_a_take_over
        try_again_repeats_the_offer
        invalid_call_id_ends_the_call
        invalid_call_id_forgets_that_call_alone
        rate_limit_hit_holds_calls_back
        an_unknown_error_is_counted_and_shown
        candidates_stand_in_the_description
        an_ice_lite_server_is_reached
        messages_of_other_calls_change_nothing
        an_offer_without_an_id_is_not_taken
    }
}

/// Long enough for a message that must not come.
const A_WHILE: Duration = Duration::from_millis(300);

fn bye() -> Value {
    json!({ "bye": {} })
}

fn error(code: &str) -> Value {
    json!({ "error": { "err": code } })
}

fn offer(sdp: &str) -> Value {
    json!({ "offer": { "sdp": sdp, "msisdn": { "e164": CALLER } } })
}

fn in_call(number: &str) -> Value {
    json!({ "in_call": { "msisdn": { "e164": number } } })
}

impl Scene {
    fn busy_elsewhere(&mut self, busy: bool) {
        let lamp = if busy { "on" } else { "off" };
        self.door.wait(&format!("busy-elsewhere {busy}"), |status| {
            status["busy_elsewhere"] == busy && status["leds"]["busy"] == lamp
        });
    }

    /// An Offer of the core in a call, and the box's Answer to it.
    fn renegotiate(&mut self, id: &str, peer: &Peer) {
        self.say(id, json!({ "offer": { "sdp": peer.offer() } }));
        let answer = self.core.wait_message("answer");
        if self.mode == Mode::MultiPipe {
            assert_eq!(answer["call_id"], id);
        }
        peer.accept(sdp(&answer, "answer"));
    }
}

// 1. Registration

fn a_call_elsewhere_is_told_at_the_start(mode: Mode) {
    let core = Server::start(&Options::default());
    let door = Door::start(mode.name(), &core, SOON);
    let mut scene = Scene { mode, core, door };
    scene.register(in_call(CALLER));
    scene.busy_elsewhere(true);
    assert_eq!(scene.door.wait_ready()["leds"]["online"], "on");
    scene.say("", json!({ "idle": {} }));
    scene.busy_elsewhere(false);
}

fn a_stream_that_says_nothing_is_a_registration(mode: Mode) {
    let silent = Options { headers_after_ms: Some(0), ..Options::default() };
    let mut scene = Scene::with(mode, &silent);
    assert_eq!(scene.door.wait_ready()["busy_elsewhere"], false);
    scene.takes_a_call();
}

fn headers_that_come_late_hold_nothing_up(mode: Mode) {
    let late = Options { headers_after_ms: Some(4_000), ..Options::default() };
    let mut scene = Scene::with(mode, &late);
    let begin = std::time::Instant::now();
    scene.press_call();
    assert!(begin.elapsed() < Duration::from_secs(3), "the call waited for the headers");
    scene.door.wait_call("outgoing");
}

fn a_stream_whose_token_was_revoked_begins_again_with_a_new_one(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.core.revoke();
    scene.core.end("UNAUTHENTICATED");
    scene.register(json!({ "idle": {} }));
    scene.takes_a_call();
}

fn a_stream_that_breaks_begins_again(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.core.cut();
    scene.register(json!({ "idle": {} }));
    scene.takes_a_call();
}

// 2. Outgoing call

fn an_outgoing_call_rings_is_answered_and_ended_there(mode: Mode) {
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

fn an_outgoing_call_is_answered_at_once_and_ended_here(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (peer, id) = scene.call_out();
    scene.door.press("hang-up");
    assert_eq!(scene.core.wait_message("bye")["call_id"], id);
    scene.door.wait_call("idle");
    // The box tells the peer too, as DTLS does.
    peer.state("closed");
}

fn an_outgoing_call_is_rejected(mode: Mode) {
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

fn an_outgoing_call_is_cancelled_before_the_answer(mode: Mode) {
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

fn a_pcmu_call_carries_sound(mode: Mode) {
    let mut scene = Scene::new(mode);
    let peer = Peer::with_codec(FAR_HERTZ, "PCMU");
    let id = scene.call_out_to(&peer);
    assert!(scene.door.events().iter().any(|event| text(&event["text"]).contains("codec PCMU")));
    scene.hang_up(&id);
}

// 3. Incoming call

fn an_incoming_call_rings_is_answered_and_ended_there(mode: Mode) {
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

fn an_incoming_call_is_rejected(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.ring(IDS[0]);
    scene.hang_up(IDS[0]);
    scene.core.never("answer", A_WHILE);
}

fn a_caller_gives_up(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.ring(IDS[0]);
    scene.say(IDS[0], bye());
    scene.door.wait_call("idle");
    scene.core.never("bye", A_WHILE);
    scene.takes_a_call();
}

// 4. Observing status

fn a_call_elsewhere_is_shown_until_it_ends(mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.say(IDS[0], in_call(CALLER));
    scene.busy_elsewhere(true);
    assert_eq!(scene.door.status().unwrap()["call"], "idle");
    scene.say(IDS[0], json!({ "idle": {} }));
    scene.busy_elsewhere(false);
}

fn a_new_call_elsewhere_replaces_the_old(mode: Mode) {
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

fn calls_elsewhere_end_each_by_its_id(mode: Mode) {
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

fn an_idle_that_names_a_number_is_an_idle(mode: Mode) {
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

fn a_button_takes_over_a_call(mode: Mode) {
    taken_over(mode, |door| door.press("take-over"));
}

fn a_command_takes_over_a_call(mode: Mode) {
    taken_over(mode, |door| drop(door.command(&["take-over"]).unwrap()));
}

fn the_control_socket_takes_over_a_call(mode: Mode) {
    taken_over(mode, |door| door.act(&json!({ "action": "take-over" })).unwrap());
}

fn a_call_without_an_id_is_taken_over(mode: Mode) {
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

fn a_take_over_is_rejected(mode: Mode) {
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

fn nothing_elsewhere_is_nothing_to_take_over(mode: Mode) {
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

fn a_button_moves_the_call_to_the_phone(mode: Mode) {
    moved_to_phone(mode, |door| door.press("to-phone"));
}

fn a_command_moves_the_call_to_the_phone(mode: Mode) {
    moved_to_phone(mode, |door| drop(door.command(&["to-phone"]).unwrap()));
}

fn the_control_socket_moves_the_call_to_the_phone(mode: Mode) {
    moved_to_phone(mode, |door| door.act(&json!({ "action": "to-phone" })).unwrap());
}

fn without_a_call_nothing_moves_to_the_phone(mode: Mode) {
    let mut scene = Scene::new(mode);
    let why = scene.door.act(&json!({ "action": "to-phone" })).unwrap_err();
    assert!(why.contains("no call"), "{why}");
    scene.door.press("to-phone");
    scene.door.counted("press-refused", 1);
    scene.core.never("action", A_WHILE);
}

// 7. Renegotiation

fn a_renegotiation_of_an_outgoing_call_keeps_the_sound(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (peer, id) = scene.call_out();
    for _ in 0..2 {
        scene.renegotiate(&id, &peer);
        scene.talks(&peer);
    }
    scene.hang_up(&id);
}

fn a_renegotiation_of_an_incoming_call_keeps_the_sound(mode: Mode) {
    let mut scene = Scene::new(mode);
    let peer = scene.call_in(IDS[0]);
    for _ in 0..2 {
        scene.renegotiate(IDS[0], &peer);
        scene.talks(&peer);
    }
    scene.hang_up(IDS[0]);
}

fn an_offer_of_any_id_in_a_call_is_a_renegotiation(mode: Mode) {
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

fn several_offers_in_a_call_are_all_answered(mode: Mode) {
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

fn an_offer_that_crosses_ours_is_answered(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (ours, id) = scene.press_call();
    let early = Peer::new(FAR_HERTZ);
    scene.say(&id, offer(&early.offer()));
    let answer = scene.core.wait_message("answer");
    early.accept(sdp(&answer, "answer"));
    early.connected();
    // A second one, before our own is answered.
    scene.renegotiate(&id, &early);
    assert_eq!(scene.door.status().unwrap()["call"], "outgoing");
    let late = Peer::new(1500);
    scene.say(&id, json!({ "answer": { "sdp": late.answer(sdp(&ours, "offer")) } }));
    scene.talks(&early);
    scene.hang_up(&id);
}

// 8. Errors

fn not_in_call_ends_the_wish_for_the_phone(mode: Mode) {
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

fn not_in_call_ends_a_take_over(mode: Mode) {
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

fn try_again_repeats_the_offer(mode: Mode) {
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

fn invalid_call_id_ends_the_call(mode: Mode) {
    let mut scene = Scene::new(mode);
    let (_, id) = scene.call_out();
    scene.say(&id, error("INVALID_CALL_ID"));
    scene.door.wait_call("idle");
    scene.core.never("bye", A_WHILE);
    scene.takes_a_call();
}

fn invalid_call_id_forgets_that_call_alone(mode: Mode) {
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

fn rate_limit_hit_holds_calls_back(mode: Mode) {
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

fn an_unknown_error_is_counted_and_shown(mode: Mode) {
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

// 9. ICE

fn candidates_stand_in_the_description(mode: Mode) {
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

fn an_ice_lite_server_is_reached(mode: Mode) {
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

fn call_ids_that_change_are_ignored(mode: Mode) {
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

fn messages_of_other_calls_change_nothing(mode: Mode) {
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

fn an_offer_without_an_id_is_not_taken(mode: Mode) {
    let mut scene = Scene::new(mode);
    let peer = Peer::new(FAR_HERTZ);
    scene.core.send("", offer(&peer.offer()));
    scene.core.send("", in_call(CALLER));
    let status = scene.door.counted("call-id-missing", 2);
    assert_eq!((&status["call"], &status["busy_elsewhere"]), (&json!("idle"), &json!(false)));
    scene.core.never("ringing", A_WHILE);
    scene.takes_a_call();
}
