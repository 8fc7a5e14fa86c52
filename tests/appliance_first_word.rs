//! After a broken stream the core's first word decides about a call that goes
//! on: it is this call, somebody else's, none, or the core says nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod appliance_support;

use appliance_support::outage::{answer, back, connected, cut, in_call, is_open, pipe};
use appliance_support::{FAMILY, NEIGHBOUR, ms, number, secs};
use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::{Body, MediaEvent};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

#[test]
fn the_core_may_have_an_id_of_its_own() {
    let mut bench = pipe();
    let (_, id) = bench.talk();
    cut(&mut bench);
    back(&mut bench);
    in_call(&mut bench, "the-cores-own", Some(FAMILY));
    let (offered, _, sdp) = bench.sent_offer().unwrap();
    assert_eq!(offered.0, "the-cores-own");
    let new = bench.peer_of(&sdp);
    answer(&mut bench, "the-cores-own");
    bench.media(new, connected());
    assert_eq!(bench.box_.status().call_id.unwrap().0, "the-cores-own");
    // A Bye for the leg that is gone.
    bench.message(&id, Body::Bye);
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.pass(secs(5));
    bench.message("the-cores-own", Body::Bye);
    assert_eq!(bench.call(), CallStatus::Releasing);
    bench.still_works();
}

#[test]
fn somebody_elses_call_is_never_taken_over() {
    let others = [("other", Some(NEIGHBOUR)), ("other", None), ("", Some(NEIGHBOUR))];
    for (id, from) in others {
        let mut bench = pipe();
        let (old, _) = bench.talk();
        cut(&mut bench);
        back(&mut bench);
        in_call(&mut bench, id, from);
        assert_eq!(bench.sent(), vec![], "{id:?} {from:?}");
        assert!(bench.box_.status().busy_elsewhere);
        bench.pass(secs(100));
        assert_eq!(bench.call(), CallStatus::InCall, "as long as there is sound");
        bench.media(old, MediaEvent::Quiet);
        assert_eq!(
            (bench.call(), bench.sent()),
            (CallStatus::Releasing, vec![]),
            "a Bye would end the other"
        );
        bench.still_works();
    }
}

#[test]
fn hanging_up_beside_somebody_elses_call_says_nothing() {
    let mut bench = pipe();
    bench.talk();
    cut(&mut bench);
    back(&mut bench);
    in_call(&mut bench, "other", Some(NEIGHBOUR));
    bench.press("hangup");
    bench.pass(secs(60));
    assert_eq!(bench.sent(), vec![]);
    bench.still_works();
}

#[test]
fn idle_ends_the_call_after_a_moment_unless_an_in_call_comes() {
    let mut bench = pipe();
    bench.talk();
    cut(&mut bench);
    back(&mut bench);
    bench.message("", Body::Idle);
    bench.pass(secs(5) - ms(1));
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.pass(ms(1));
    assert_eq!((bench.call(), bench.tone), (CallStatus::Releasing, Some(Tone::Congestion)));
    assert_eq!(bench.sent(), vec![], "there is nothing to end at the core");
    bench.still_works();
    let mut bench = pipe();
    let (_, id) = bench.talk();
    cut(&mut bench);
    back(&mut bench);
    bench.message("", Body::Idle);
    bench.pass(secs(3));
    in_call(&mut bench, &id, Some(FAMILY));
    let (_, _, sdp) = bench.sent_offer().unwrap();
    let new = bench.peer_of(&sdp);
    answer(&mut bench, &id);
    bench.media(new, connected());
    bench.pass(secs(60));
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.still_works();
}

#[test]
fn an_offer_after_idle_is_a_new_call_and_one_without_it_a_renegotiation() {
    let mut bench = pipe();
    let (old, _) = bench.talk();
    cut(&mut bench);
    back(&mut bench);
    bench.message("", Body::Idle);
    bench.take();
    bench.offer("new", Some(NEIGHBOUR));
    assert!(!is_open(&bench, old));
    assert_eq!((bench.call(), bench.sent_byes()), (CallStatus::Incoming, vec![]));
    assert_eq!(bench.box_.status().peer, Some(number(NEIGHBOUR)));
    bench.still_works();
    let mut bench = pipe();
    let (old, id) = bench.talk();
    cut(&mut bench);
    back(&mut bench);
    bench.offer(&id, None);
    assert_eq!(bench.peer_told(|command| matches!(command, MediaCommand::Renegotiate { .. })), Some(old));
    bench.message("", Body::Idle);
    bench.pass(secs(60));
    assert_eq!(bench.call(), CallStatus::InCall, "the core knows of it after all");
    bench.still_works();
}

#[test]
fn a_core_that_says_nothing_leaves_the_call_as_it_was() {
    let mut bench = pipe();
    let (_, id) = bench.talk();
    cut(&mut bench);
    back(&mut bench);
    bench.pass(secs(60));
    assert_eq!((bench.call(), bench.sent()), (CallStatus::InCall, vec![]));
    in_call(&mut bench, "other", Some(NEIGHBOUR));
    bench.message("", Body::Idle);
    bench.pass(secs(60));
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.press("hangup");
    assert_eq!(bench.sent_byes(), [id]);
    bench.still_works();
}
