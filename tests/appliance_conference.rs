//! Three at one table: who is held joins who talks. Everybody hears everybody,
//! one who leaves does not end it for the others, and hanging up at the box
//! ends it for all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appliance_support;

use appliance_support::*;
use callbox::appliance::action::Action;
use callbox::appliance::command::{MediaCommand, Refusal, Role};
use callbox::appliance::event::{Body, MediaEvent};
use callbox::appliance::id::PeerId;
use callbox::appliance::settings::{Mode, Settings, WhileBusy};
use callbox::appliance::status::CallStatus;

fn swapping() -> Settings {
    let mut settings = Settings { mode: Mode::MultiPipe, ..settings() };
    settings.incoming.while_busy = WhileBusy::Swap;
    settings
}

/// One is held, one talks; the first one's id is given.
fn two() -> (Bench, PeerId, String, PeerId) {
    let mut bench = Bench::ready(swapping());
    let (first, id) = bench.talk();
    let second = join(&mut bench, "second");
    (bench, first, id, second)
}

fn join(bench: &mut Bench, id: &str) -> PeerId {
    bench.take();
    bench.offer(id, Some(NEIGHBOUR));
    let peer = bench.peer_told(|command| matches!(command, MediaCommand::Check { .. })).expect("no Check");
    bench.media(peer, MediaEvent::Acceptable);
    assert_eq!(bench.ask(Action::Swap), Ok(()));
    bench.media(peer, MediaEvent::Answer { sdp: "v=0 local answer".to_owned() });
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    bench.take();
    peer
}

#[test]
fn merged_calls_all_talk() {
    let (mut bench, first, _, second) = two();
    assert_eq!(bench.connected, [(first, Role::Hold), (second, Role::Talk)]);
    assert_eq!(bench.ask(Action::Merge), Ok(()));
    assert_eq!(bench.connected, [(first, Role::Talk), (second, Role::Talk)]);
    assert!(bench.box_.status().calls.iter().all(|call| !call.held));
    assert_eq!(bench.sent(), [], "nobody else need know");
}

#[test]
fn hanging_up_ends_it_for_all() {
    let (mut bench, _, id, _) = two();
    assert_eq!(bench.ask(Action::Merge), Ok(()));
    bench.take();
    bench.press("hangup");
    assert_eq!(bench.sent_byes(), [id, "second".to_owned()]);
    assert_eq!((bench.call(), bench.connected.clone()), (CallStatus::Releasing, vec![]));
    bench.still_works();
}

#[test]
fn who_leaves_leaves_the_others_talking() {
    for leaver in 0..2 {
        let (mut bench, first, id, second) = two();
        assert_eq!(bench.ask(Action::Merge), Ok(()));
        bench.take();
        bench.message([id.as_str(), "second"][leaver], Body::Bye);
        assert_eq!(bench.connected, [([second, first][leaver], Role::Talk)]);
        assert_eq!((bench.call(), bench.sent()), (CallStatus::InCall, vec![]));
        bench.pass(ms(500));
        assert_eq!(bench.tone, None, "the others go on talking");
    }
}

#[test]
fn one_whose_media_is_lost_leaves_too() {
    let (mut bench, first, id, second) = two();
    assert_eq!(bench.ask(Action::Merge), Ok(()));
    bench.take();
    bench.media(first, MediaEvent::Interrupted);
    bench.pass(secs(31));
    assert_eq!(bench.sent_byes(), [id]);
    assert_eq!(bench.connected, [(second, Role::Talk)]);
}

#[test]
fn a_third_may_join_later() {
    let (mut bench, first, _, second) = two();
    assert_eq!(bench.ask(Action::Merge), Ok(()));
    let third = join(&mut bench, "third");
    assert_eq!(bench.connected, [(first, Role::Hold), (second, Role::Hold), (third, Role::Talk)]);
    assert_eq!(bench.ask(Action::Merge), Ok(()));
    assert_eq!(bench.connected, [(first, Role::Talk), (second, Role::Talk), (third, Role::Talk)]);
}

#[test]
fn there_must_be_two_to_be_joined() {
    let mut bench = Bench::ready(swapping());
    assert_eq!(bench.ask(Action::Merge), Err(Refusal::NoSecondCall));
    bench.talk();
    assert_eq!(bench.ask(Action::Merge), Err(Refusal::NoSecondCall));
}

#[test]
fn while_the_second_call_is_being_answered_there_is_nobody_to_join_to() {
    let mut bench = Bench::ready(swapping());
    bench.talk();
    bench.offer("second", Some(NEIGHBOUR));
    let peer = bench.peer_told(|command| matches!(command, MediaCommand::Check { .. })).expect("no Check");
    bench.media(peer, MediaEvent::Acceptable);
    assert_eq!(bench.ask(Action::Swap), Ok(()));
    assert_eq!(bench.ask(Action::Merge), Err(Refusal::NoSecondCall));
}
