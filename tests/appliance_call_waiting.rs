//! A second call while one is up (`MultiPipe`): by the household's choice it
//! is busy, waits, or may be gone to and come back from. Whatever happens, at
//! most one party hears the person at the box, and nobody is left in silence
//! for good.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appliance_support;

use appliance_support::*;
use callbox::appliance::action::Action;
use callbox::appliance::command::{MediaCommand, Refusal, Role};
use callbox::appliance::event::{Body, CloseReason, MediaEvent, SessionEvent};
use callbox::appliance::id::PeerId;
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::{AnswerPolicy, Mode, Settings, WhileBusy};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

fn box_with(while_busy: WhileBusy) -> Settings {
    let mut settings = Settings { mode: Mode::MultiPipe, ..settings() };
    settings.incoming.while_busy = while_busy;
    settings
}

/// Talks to the first; the second waits. Peers of both and the first's id.
fn waiting(settings: Settings) -> (Bench, PeerId, String, PeerId) {
    let mut bench = Bench::ready(settings);
    let (first, id) = bench.talk();
    let second = waits(&mut bench, "second");
    (bench, first, id, second)
}

fn waits(bench: &mut Bench, id: &str) -> PeerId {
    bench.take();
    bench.offer(id, Some(NEIGHBOUR));
    let peer = bench.peer_told(|command| matches!(command, MediaCommand::Check { .. })).expect("no Check");
    bench.media(peer, MediaEvent::Acceptable);
    assert_eq!(bench.sent().last().unwrap().body, Body::Ringing, "the caller hears that it rings");
    peer
}

/// Media answers for a call that the box has taken.
fn comes_up(bench: &mut Bench, peer: PeerId) {
    assert_eq!(bench.peer_told(|command| *command == MediaCommand::Answer), Some(peer));
    bench.media(peer, MediaEvent::Answer { sdp: "v=0 local answer".to_owned() });
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
}

fn states(bench: &Bench) -> Vec<(CallStatus, bool)> {
    let live = bench.box_.status().calls.into_iter().filter(|call| call.state != CallStatus::Releasing);
    live.map(|call| (call.state, call.held)).collect()
}

const TALKS: (CallStatus, bool) = (CallStatus::InCall, false);
const HELD: (CallStatus, bool) = (CallStatus::InCall, true);
const RINGS: (CallStatus, bool) = (CallStatus::Incoming, false);

#[test]
fn busy_is_the_default() {
    let mut bench = Bench::ready(box_with(WhileBusy::default()));
    bench.talk();
    bench.offer("second", Some(NEIGHBOUR));
    assert_eq!(bench.sent_byes(), ["second"]);
    assert_eq!((states(&bench), bench.tone), (vec![TALKS], None));
}

#[test]
fn a_call_that_waits_is_heard_over_the_call_and_rings_when_the_line_is_free() {
    let (mut bench, first, id, _) = waiting(box_with(WhileBusy::Queue));
    assert_eq!(bench.tone, Some(Tone::CallWaiting));
    assert_eq!((bench.lamp("calling"), bench.lamp("answered")), (Pattern::Fast, Pattern::On));
    assert_eq!(bench.connected, [(first, Role::Talk)]);
    assert_eq!(states(&bench), [TALKS, RINGS]);
    assert_eq!(bench.box_.status().call_id.unwrap().0, id);
    assert_eq!(bench.ask(Action::Answer), Err(Refusal::Busy), "it waits: hang up first");
    bench.message(&id, Body::Bye);
    assert_eq!((bench.call(), bench.tone), (CallStatus::Incoming, Some(Tone::Ring)));
    assert_eq!(bench.connected, []);
    bench.take();
    bench.press("call");
    let second = bench.peer_told(|command| *command == MediaCommand::Answer).unwrap();
    comes_up(&mut bench, second);
    bench.pass(ms(200));
    assert_eq!((states(&bench), bench.tone), (vec![TALKS], None));
}

#[test]
fn a_box_that_answers_by_itself_takes_who_waits_as_soon_as_it_can() {
    let mut settings = box_with(WhileBusy::Queue);
    settings.incoming.answer = AnswerPolicy::Auto;
    let (mut bench, _, _, second) = waiting(settings);
    bench.take();
    bench.press("hangup");
    comes_up(&mut bench, second);
    assert_eq!(states(&bench), [TALKS]);
    assert_eq!(bench.connected, [(second, Role::Talk)]);
}

#[test]
fn who_waits_is_given_up_after_the_ring_time_or_gives_up() {
    let (mut bench, first, _, _) = waiting(box_with(WhileBusy::Queue));
    bench.take();
    bench.pass(secs(46));
    assert_eq!(bench.sent_byes(), ["second"]);
    assert_eq!((states(&bench), bench.tone), (vec![TALKS], None));
    waits(&mut bench, "third");
    assert_eq!(bench.tone, Some(Tone::CallWaiting));
    bench.message("third", Body::Bye);
    assert_eq!((states(&bench), bench.tone), (vec![TALKS], None), "no busy tone into the call");
    assert_eq!(bench.connected, [(first, Role::Talk)]);
}

#[test]
fn to_who_waits_and_back_and_only_one_hears_the_microphone() {
    let (mut bench, first, _, second) = waiting(box_with(WhileBusy::Swap));
    bench.take();
    assert_eq!(bench.ask(Action::Swap), Ok(()));
    assert_eq!(bench.connected, [(first, Role::Hold)]);
    assert_eq!(bench.tone, None);
    comes_up(&mut bench, second);
    assert_eq!(bench.connected, [(first, Role::Hold), (second, Role::Talk)]);
    assert_eq!(states(&bench), [HELD, TALKS]);
    assert_eq!(bench.box_.status().peer, Some(number(NEIGHBOUR)));
    bench.take();
    assert_eq!(bench.ask(Action::Swap), Ok(()));
    assert_eq!(bench.connected, [(first, Role::Talk), (second, Role::Hold)]);
    assert_eq!(bench.sent(), [], "the contract has no word for a hold of ours");
    // Digits go to the one who talks.
    assert_eq!(bench.ask(Action::Dtmf { digits: "5".to_owned() }), Ok(()));
    assert_eq!(bench.peer_told(|command| matches!(command, MediaCommand::Digits(_))), Some(first));
}

#[test]
fn answer_goes_to_who_waits_as_well() {
    let (mut bench, first, _, second) = waiting(box_with(WhileBusy::Swap));
    bench.take();
    assert_eq!(bench.ask(Action::Answer), Ok(()));
    comes_up(&mut bench, second);
    assert_eq!(bench.connected, [(first, Role::Hold), (second, Role::Talk)]);
}

#[test]
fn hanging_up_brings_the_held_one_back() {
    for far_end in [true, false] {
        let (mut bench, first, _, second) = waiting(box_with(WhileBusy::Swap));
        bench.take();
        assert_eq!(bench.ask(Action::Swap), Ok(()));
        comes_up(&mut bench, second);
        bench.take();
        if far_end {
            bench.message("second", Body::Bye);
        } else {
            bench.press("hangup");
            assert_eq!(bench.sent_byes(), ["second"]);
        }
        assert_eq!((states(&bench), bench.call()), (vec![TALKS], CallStatus::InCall));
        assert_eq!(bench.connected, [(first, Role::Talk)]);
        bench.pass(secs(1));
        assert_eq!(bench.tone, None, "no busy tone over who came back");
        bench.still_works();
    }
}

#[test]
fn a_call_that_cannot_be_answered_brings_the_held_one_back() {
    let (mut bench, first, _, _) = waiting(box_with(WhileBusy::Swap));
    assert_eq!(bench.ask(Action::Swap), Ok(()));
    assert_eq!(bench.ask(Action::Swap), Err(Refusal::Busy), "nobody talks yet");
    bench.pass(secs(11));
    assert_eq!((states(&bench), bench.connected.clone()), (vec![TALKS], vec![(first, Role::Talk)]));
}

#[test]
fn who_is_held_may_hang_up_without_a_sound_here() {
    let (mut bench, _, id, second) = waiting(box_with(WhileBusy::Swap));
    bench.take();
    assert_eq!(bench.ask(Action::Swap), Ok(()));
    comes_up(&mut bench, second);
    bench.message(&id, Body::Bye);
    assert_eq!((states(&bench), bench.tone), (vec![TALKS], None));
    assert_eq!(bench.connected, [(second, Role::Talk)]);
    assert_eq!(bench.ask(Action::Swap), Err(Refusal::NoSecondCall));
}

#[test]
fn four_calls_and_no_more_and_each_has_its_turn() {
    let mut bench = Bench::ready(box_with(WhileBusy::Swap));
    bench.talk();
    for id in ["b", "c", "d"] {
        let peer = waits(&mut bench, id);
        bench.take();
        assert_eq!(bench.ask(Action::Swap), Ok(()));
        comes_up(&mut bench, peer);
    }
    assert_eq!(states(&bench), [HELD, HELD, HELD, TALKS]);
    bench.take();
    bench.offer("e", Some(NEIGHBOUR));
    assert_eq!(bench.sent_byes(), ["e"]);
    let talks = |bench: &Bench| states(bench).iter().position(|state| *state == TALKS).unwrap();
    let mut turns = Vec::new();
    for _ in 0..4 {
        assert_eq!(bench.ask(Action::Swap), Ok(()));
        turns.push(talks(&bench));
    }
    assert_eq!(turns, [0, 1, 2, 3]);
}

#[test]
fn without_a_session_who_talks_and_who_is_held_stay_and_who_waits_goes() {
    let (mut bench, _, _, second) = waiting(box_with(WhileBusy::Swap));
    bench.take();
    assert_eq!(bench.ask(Action::Swap), Ok(()));
    comes_up(&mut bench, second);
    waits(&mut bench, "third");
    bench.closed(CloseReason::Lost);
    assert_eq!((states(&bench), bench.tone), (vec![HELD, TALKS], None));
}

#[test]
fn a_call_may_wait_while_the_box_calls() {
    let mut bench = Bench::ready(box_with(WhileBusy::Queue));
    let (peer, id) = bench.call_out();
    waits(&mut bench, "second");
    assert_eq!(bench.tone, Some(Tone::Progress), "the call that is made is what is heard");
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    assert_eq!(bench.tone, Some(Tone::CallWaiting));
}

#[test]
fn byes_of_several_calls_wait_for_the_session_together() {
    let (mut bench, _, id, second) = waiting(box_with(WhileBusy::Swap));
    bench.take();
    assert_eq!(bench.ask(Action::Swap), Ok(()));
    comes_up(&mut bench, second);
    bench.closed(CloseReason::Lost);
    assert_eq!(bench.ask(Action::HangUp), Ok(()));
    assert_eq!(bench.ask(Action::HangUp), Ok(()));
    bench.take();
    bench.pass(secs(2));
    assert_eq!(bench.connects().len(), 1);
    bench.session(SessionEvent::Opened);
    assert_eq!(bench.sent_byes(), ["second".to_owned(), id]);
}

#[test]
fn a_new_offer_of_who_waits_waits_on() {
    let (mut bench, first, _, _) = waiting(box_with(WhileBusy::Queue));
    bench.pass(secs(30));
    bench.take();
    bench.offer("second", Some(NEIGHBOUR));
    let peer = bench.peer_told(|command| matches!(command, MediaCommand::Check { .. })).unwrap();
    assert_eq!(bench.tones(), [], "the waiting tone goes on");
    bench.media(peer, MediaEvent::Acceptable);
    assert_eq!((bench.sent(), bench.connected.clone()), (vec![], vec![(first, Role::Talk)]));
    bench.pass(secs(16));
    assert_eq!(bench.sent_byes(), ["second"], "the ring time is that of the first Offer");
}

#[test]
fn a_muted_microphone_stays_muted_until_the_last_call_is_over() {
    let (mut bench, _, _, second) = waiting(box_with(WhileBusy::Swap));
    assert_eq!(bench.ask(Action::Mute { on: Some(true) }), Ok(()));
    bench.take();
    assert_eq!(bench.ask(Action::Swap), Ok(()));
    comes_up(&mut bench, second);
    assert_eq!(bench.ask(Action::HangUp), Ok(()));
    assert!(bench.box_.status().muted, "the first call goes on as it was");
    assert_eq!(bench.ask(Action::HangUp), Ok(()));
    assert!(!bench.box_.status().muted, "the next visitor is heard");
}

#[test]
fn who_may_not_call_may_not_wait_either() {
    let mut settings = box_with(WhileBusy::Queue);
    settings.incoming.allow = Some(vec![number(FAMILY)]);
    let mut bench = Bench::ready(settings);
    bench.talk();
    bench.offer("second", Some(NEIGHBOUR));
    assert_eq!((bench.sent_byes(), bench.tone), (vec!["second".to_owned()], None));
}
