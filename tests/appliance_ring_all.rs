//! A press that rings several telephones at once: whoever answers first has
//! the call and every other telephone stops ringing at once. Two people who
//! both believe that they talk to the visitor, or a telephone that goes on
//! ringing, is what must never be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appliance_support;

use appliance_support::*;
use callbox::appliance::action::{Action, Ring};
use callbox::appliance::command::{MediaCommand, Refusal, Role};
use callbox::appliance::event::{Body, CloseReason, ErrorCode, MediaErrorKind, MediaEvent};
use callbox::appliance::id::PeerId;
use callbox::appliance::settings::{Mode, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

const THIRD: &str = "+4744444444";

fn multi() -> Settings {
    Settings { mode: Mode::MultiPipe, ..settings() }
}

fn all(names: &[&str]) -> Action {
    Action::Call { to: names.iter().map(|name| (*name).to_owned()).collect(), ring: Ring::All }
}

/// Number, call id and SDP of every Offer since the last `take`.
fn all_offers(bench: &Bench) -> Vec<(String, String, String)> {
    let offers = bench.sent().into_iter().filter_map(|message| match message.body {
        Body::Offer { sdp, msisdn } => Some((msisdn.unwrap().as_str().to_owned(), message.call_id.0, sdp)),
        _ => None,
    });
    offers.collect()
}

fn peer_of(offer: &(String, String, String)) -> PeerId {
    PeerId(offer.2.rsplit(' ').next().unwrap().parse().unwrap())
}

/// All three ring.
fn three() -> (Bench, Vec<(String, String, String)>) {
    let mut bench = Bench::ready(multi());
    assert_eq!(bench.ask(all(&["family", "neighbour", THIRD])), Ok(()));
    bench.prepare_all();
    let offers = all_offers(&bench);
    for (_, id, _) in &offers {
        bench.message(id, Body::Ringing);
    }
    (bench, offers)
}

fn answer(bench: &mut Bench, id: &str) {
    bench.message(id, Body::Answer { sdp: ANSWER.to_owned() });
}

#[test]
fn one_press_offers_to_all_and_the_first_does_not_wait_for_the_others() {
    let mut bench = Bench::ready(multi());
    assert_eq!(bench.ask(all(&["family", "neighbour", THIRD])), Ok(()));
    let first: Vec<String> = all_offers(&bench).into_iter().map(|(number, ..)| number).collect();
    assert_eq!(first, [FAMILY], "the prepared peer connection goes at once");
    bench.prepare_all();
    let numbers: Vec<String> = all_offers(&bench).into_iter().map(|(number, ..)| number).collect();
    assert_eq!(numbers, [FAMILY, NEIGHBOUR, THIRD]);
    let peers: std::collections::BTreeSet<PeerId> = all_offers(&bench).iter().map(peer_of).collect();
    assert_eq!(peers.len(), 3, "each call has a peer connection of its own");
    let calls = bench.box_.status().calls;
    assert_eq!(calls.iter().map(|call| call.state).collect::<Vec<_>>(), [CallStatus::Outgoing; 3]);
}

#[test]
fn ringback_begins_with_the_first_that_rings() {
    let mut bench = Bench::ready(multi());
    assert_eq!(bench.ask(all(&["family", "neighbour"])), Ok(()));
    bench.prepare_all();
    let offers = all_offers(&bench);
    assert_eq!(bench.tone, Some(Tone::Progress));
    bench.message(&offers[1].1, Body::Ringing);
    assert_eq!((bench.tone, bench.call()), (Some(Tone::Ringback), CallStatus::Ringing));
    bench.take();
    bench.message(&offers[0].1, Body::Ringing);
    assert_eq!(bench.tones(), [], "one ringback for all");
}

#[test]
fn the_first_answer_wins_and_every_other_gets_bye_in_the_same_step() {
    let (mut bench, offers) = three();
    bench.take();
    answer(&mut bench, &offers[1].1);
    assert_eq!(bench.sent_byes(), [offers[0].1.clone(), offers[2].1.clone()]);
    let winner = peer_of(&offers[1]);
    assert_eq!(bench.connected, [(winner, Role::Talk)]);
    bench.media(winner, MediaEvent::Connected { codec: "opus".to_owned() });
    assert_eq!((bench.call(), bench.tone), (CallStatus::InCall, None));
    assert_eq!(bench.box_.status().peer, Some(number(NEIGHBOUR)));
    bench.close_all();
    assert_eq!(bench.box_.status().calls.len(), 1);
}

#[test]
fn a_loser_that_answers_late_is_told_so_and_never_connected() {
    let (mut bench, offers) = three();
    answer(&mut bench, &offers[1].1);
    bench.take();
    answer(&mut bench, &offers[0].1);
    assert_eq!(bench.sent_byes(), [offers[0].1.clone()]);
    assert_eq!(bench.connected, [(peer_of(&offers[1]), Role::Talk)]);
    assert_eq!(bench.peer_told(|command| matches!(command, MediaCommand::Start { .. })), None);
    // Somebody else's Answer is nothing to us.
    bench.take();
    answer(&mut bench, "never-heard-of");
    assert_eq!(bench.sent(), []);
}

#[test]
fn whoever_rejects_or_does_not_answer_leaves_the_others_ringing() {
    let mut settings = multi();
    settings.call.ring_times.insert(number(NEIGHBOUR), secs(10));
    let mut bench = Bench::ready(settings);
    assert_eq!(bench.ask(all(&["family", "neighbour", THIRD])), Ok(()));
    bench.prepare_all();
    let offers = all_offers(&bench);
    for (_, id, _) in &offers {
        bench.message(id, Body::Ringing);
    }
    bench.take();
    bench.message(&offers[0].1, Body::Bye);
    assert_eq!((bench.call(), bench.tone, bench.sent()), (CallStatus::Ringing, Some(Tone::Ringback), vec![]));
    bench.pass(secs(11));
    assert_eq!(bench.sent_byes(), [offers[1].1.clone()], "its ring time was over");
    assert_eq!((bench.call(), bench.tone), (CallStatus::Ringing, Some(Tone::Ringback)));
    bench.take();
    bench.message(&offers[2].1, Body::Bye);
    assert_eq!(bench.tone, Some(Tone::Busy), "nobody is left");
    assert_eq!(bench.sent_offer(), None);
    bench.still_works();
}

#[test]
fn a_peer_connection_that_fails_does_not_stop_the_others() {
    let mut bench = Bench::ready(multi());
    assert_eq!(bench.ask(all(&["family", "neighbour", THIRD])), Ok(()));
    let waiting: Vec<PeerId> = bench.preparing.iter().copied().collect();
    bench.media_failed(waiting[0], MediaErrorKind::Internal);
    bench.prepare_all();
    let offers = all_offers(&bench);
    let numbers: Vec<&str> = offers.iter().map(|(number, ..)| number.as_str()).collect();
    assert_eq!(numbers, [FAMILY, THIRD]);
    assert_eq!(bench.tone, Some(Tone::Progress));
    answer(&mut bench, &offers[1].1);
    assert_eq!(bench.connected, [(peer_of(&offers[1]), Role::Talk)]);
    // One that never gets ready does not either.
    let mut bench = Bench::ready(multi());
    assert_eq!(bench.ask(all(&["family", "neighbour"])), Ok(()));
    bench.pass(secs(3));
    assert_eq!(bench.call(), CallStatus::Outgoing);
    assert_eq!(bench.sent_byes(), Vec::<String>::new(), "the core has not heard of it");
}

#[test]
fn hanging_up_cancels_all_of_them() {
    let (mut bench, offers) = three();
    bench.take();
    bench.press("hangup");
    let ids: Vec<String> = offers.iter().map(|(_, id, _)| id.clone()).collect();
    assert_eq!(bench.sent_byes(), ids);
    assert_eq!(bench.call(), CallStatus::Releasing);
    bench.still_works();
}

#[test]
fn an_error_for_one_number_is_for_that_number_alone() {
    let (mut bench, offers) = three();
    bench.take();
    bench.message(&offers[0].1, Body::Error(ErrorCode::InvalidCallId));
    assert_eq!((bench.call(), bench.sent()), (CallStatus::Ringing, vec![]));
    // Rate limits are for what is not under way yet.
    let mut bench = Bench::ready(multi());
    assert_eq!(bench.ask(all(&["family", "neighbour", THIRD])), Ok(()));
    let first = bench.sent()[0].call_id.0.clone();
    bench.message(&first, Body::Ringing);
    bench.message("", Body::Error(ErrorCode::RateLimitHit));
    bench.prepare_all();
    assert_eq!(all_offers(&bench).len(), 1, "no Offer after RATE_LIMIT_HIT");
    assert_eq!(bench.call(), CallStatus::Ringing);
}

#[test]
fn without_a_session_all_end_and_the_box_works_again() {
    let (mut bench, _) = three();
    bench.closed(CloseReason::Lost);
    assert_eq!(bench.call(), CallStatus::Releasing);
    assert_eq!(bench.tone, Some(Tone::Congestion));
    bench.still_works();
}

#[test]
fn a_number_named_twice_rings_once() {
    let mut bench = Bench::ready(multi());
    assert_eq!(bench.ask(all(&["family", FAMILY, "neighbour"])), Ok(()));
    bench.prepare_all();
    assert_eq!(all_offers(&bench).len(), 2);
}

#[test]
fn pipe_has_one_call_and_says_so() {
    let mut bench = Bench::ready(settings());
    assert_eq!(bench.ask(all(&["family", "neighbour"])), Err(Refusal::OneAtATime));
    assert_eq!(bench.sent(), []);
}

#[test]
fn more_than_eight_telephones_are_never_rung_at_once() {
    let mut bench = Bench::ready(multi());
    let numbers: Vec<String> = (0..20).map(|n| format!("+47000000{n:02}")).collect();
    let names: Vec<&str> = numbers.iter().map(String::as_str).collect();
    assert_eq!(bench.ask(all(&names)), Ok(()));
    bench.prepare_all();
    let offered: Vec<String> = all_offers(&bench).into_iter().map(|(number, ..)| number).collect();
    assert_eq!(offered, numbers[..8]);
}

#[test]
fn a_rate_limit_that_names_a_call_is_for_that_call() {
    let mut bench = Bench::ready(multi());
    assert_eq!(bench.ask(all(&["family", "neighbour", THIRD])), Ok(()));
    bench.prepare_all();
    let offers = all_offers(&bench);
    bench.take();
    bench.message(&offers[1].1, Body::Error(ErrorCode::RateLimitHit));
    assert_eq!(bench.sent_byes(), [offers[1].1.clone()]);
    answer(&mut bench, &offers[2].1);
    assert_eq!(bench.connected, [(peer_of(&offers[2]), Role::Talk)]);
}

#[test]
fn try_again_is_for_one_of_them_and_an_answer_stops_it() {
    let mut bench = Bench::ready(multi());
    assert_eq!(bench.ask(all(&["family", "neighbour"])), Ok(()));
    bench.prepare_all();
    let offers = all_offers(&bench);
    bench.take();
    bench.message(&offers[1].1, Body::Error(ErrorCode::TryAgain));
    bench.pass(secs(3));
    assert_eq!(all_offers(&bench), [offers[1].clone()], "the same Offer again, and no other");
    bench.message(&offers[1].1, Body::Error(ErrorCode::TryAgain));
    answer(&mut bench, &offers[0].1);
    bench.take();
    bench.pass(secs(3));
    assert_eq!(all_offers(&bench), []);
}

#[test]
fn the_list_is_rung_again_as_often_as_asked() {
    let mut settings = multi();
    settings.call.hunt_cycles = 2;
    let mut bench = Bench::ready(settings);
    assert_eq!(bench.ask(all(&["family", "neighbour"])), Ok(()));
    for cycle in 1..=2 {
        bench.prepare_all();
        let offers = all_offers(&bench);
        assert_eq!(offers.len(), 2, "cycle {cycle}");
        bench.take();
        bench.message(&offers[0].1, Body::Bye);
        bench.prepare_all();
        assert_eq!(all_offers(&bench), [], "the other one rings yet");
        bench.message(&offers[1].1, Body::Bye);
    }
    bench.prepare_all();
    assert_eq!((bench.sent_offer(), bench.call()), (None, CallStatus::Releasing));
}
