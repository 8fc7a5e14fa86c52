//! Both ends of our own simulator could share a mistake about the contract.
//! Here the voice core is by other hands (Python, `grpcio`), and so are its
//! phones (`aiortc`): every behaviour of the contract, on `Pipe` and on
//! `MultiPipe`, with the real binary, TLS and a token. ARCHITECTURE.md says
//! which test shows what, and `foreign_table.rs` checks that.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "foreign_behaviours/call.rs"]
mod call;
#[path = "foreign_behaviours/elsewhere.rs"]
mod elsewhere;
#[path = "support/foreign/mod.rs"]
mod foreign;
#[path = "foreign_behaviours/path.rs"]
mod path;
#[path = "foreign_behaviours/refusal.rs"]
mod refusal;
#[path = "foreign_behaviours/renegotiation.rs"]
mod renegotiation;
#[path = "foreign_behaviours/session.rs"]
mod session;
mod support;

use std::time::Duration;

use call::*;
use elsewhere::*;
use foreign::peer::Peer;
use foreign::scene::{CALLER, Mode, Scene, sdp};
use path::*;
use refusal::*;
use renegotiation::*;
use serde_json::{Value, json};
use session::*;

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
