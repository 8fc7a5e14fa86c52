//! Offers that come when nobody expects them: several before an Answer, one
//! that crosses ours, the same one again, one for a call that has just ended.
//! Each must be answered once, or not at all, and no call may be lost by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appliance_support;

use appliance_support::*;
use callbox::appliance::action::Action;
use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::{Body, MediaEvent};
use callbox::appliance::settings::{Mode, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

const MODES: [Mode; 2] = [Mode::Pipe, Mode::MultiPipe];

fn bench(mode: Mode) -> Bench {
    Bench::ready(Settings { mode, ..settings() })
}

fn answers(bench: &Bench) -> Vec<String> {
    let answers = bench.sent().into_iter().filter_map(|message| match message.body {
        Body::Answer { sdp } => Some(sdp),
        _ => None,
    });
    answers.collect()
}

fn local(answer: &str) -> MediaEvent {
    MediaEvent::Answer { sdp: answer.to_owned() }
}

#[test]
fn several_offers_before_the_answer_are_answered_in_their_order() {
    for mode in MODES {
        let mut bench = bench(mode);
        let (peer, id) = bench.call_out();
        bench.take();
        for _ in 0..3 {
            bench.offer(&id, None);
        }
        for answer in ["first", "second", "third"] {
            bench.media(peer, local(answer));
        }
        assert_eq!(answers(&bench), ["first", "second", "third"]);
        bench.media(peer, local("one too many"));
        assert_eq!(answers(&bench).len(), 3);
        assert_eq!(bench.counter("media-unexpected"), 1);
        bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
        bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
        assert_eq!(bench.call(), CallStatus::InCall);
    }
}

#[test]
fn an_offer_that_crosses_ours_is_answered_and_ours_may_still_be() {
    for mode in MODES {
        let mut bench = bench(mode);
        let (peer, id) = bench.call_out();
        bench.take();
        bench.offer(&id, None);
        // The core's Answer overtakes what media has to say to its Offer.
        bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
        assert_eq!(bench.call(), CallStatus::Connecting);
        bench.media(peer, local("late"));
        assert_eq!(answers(&bench), ["late"]);
        bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
        assert_eq!(bench.call(), CallStatus::InCall);
        assert_eq!(bench.sent_byes(), Vec::<String>::new());
    }
}

#[test]
fn the_same_offer_again_is_answered_again() {
    for mode in MODES {
        let mut bench = bench(mode);
        let (peer, id) = bench.talk();
        for n in 1..=3 {
            bench.offer(&id, None);
            bench.media(peer, local("the same"));
            assert_eq!(answers(&bench).len(), n);
        }
        assert_eq!(bench.call(), CallStatus::InCall);
    }
}

#[test]
fn the_same_offer_again_before_the_answer_rings_on_and_not_for_longer() {
    for mode in MODES {
        let mut bench = bench(mode);
        bench.ring("in");
        for _ in 0..4 {
            bench.pass(secs(10));
            bench.take();
            let peer = bench.call_in("in");
            bench.media(peer, MediaEvent::Acceptable);
            assert_eq!(bench.sent(), [], "one Ringing is enough");
            assert_eq!((bench.call(), bench.tone), (CallStatus::Incoming, Some(Tone::Ring)));
        }
        bench.take();
        assert_eq!(bench.ask(Action::Answer), Ok(()));
        let peer = bench.peer_told(|command| *command == MediaCommand::Answer).unwrap();
        // And once more while media makes the Answer.
        let newest = bench.call_in("in");
        assert_ne!(newest, peer);
        bench.media(newest, MediaEvent::Acceptable);
        bench.media(newest, local("here"));
        assert_eq!(answers(&bench), ["here"]);
        assert_eq!(bench.call(), CallStatus::Connecting);
    }
}

#[test]
fn a_call_that_is_being_moved_is_renegotiated_all_the_same() {
    for mode in MODES {
        let mut bench = bench(mode);
        let (peer, id) = bench.talk();
        assert_eq!(bench.ask(Action::ToPhone), Ok(()));
        bench.offer(&id, None);
        bench.media(peer, local("moving"));
        assert_eq!(answers(&bench), ["moving"]);
        assert_eq!(bench.call(), CallStatus::InCall);
        bench.take();
        bench.message(&id, Body::InCall { msisdn: Some(number(FAMILY)) });
        assert_eq!((bench.call(), bench.sent()), (CallStatus::Releasing, vec![]));
    }
}

#[test]
fn an_offer_that_crosses_our_bye_gets_bye_and_does_not_ring() {
    let mut bench = bench(Mode::MultiPipe);
    let (_, id) = bench.talk();
    bench.press("hangup");
    bench.take();
    bench.offer(&id, None);
    assert_eq!((bench.sent_byes(), bench.call()), (vec![id.clone()], CallStatus::Releasing));
    bench.close_all();
    bench.take();
    bench.offer(&id, None);
    assert_eq!((bench.sent_byes(), bench.call()), (vec![id.clone()], CallStatus::Idle));
    // Much later it can only be a new call.
    bench.pass(secs(4));
    bench.offer(&id, Some(FAMILY));
    assert_eq!(bench.call(), CallStatus::Incoming);
}

#[test]
fn on_pipe_who_calls_while_the_last_call_ends_is_not_turned_away() {
    let mut bench = bench(Mode::Pipe);
    bench.talk();
    bench.press("hangup");
    bench.take();
    bench.offer("", Some(FAMILY));
    assert_eq!((bench.call(), bench.sent()), (CallStatus::Incoming, vec![]));
}

#[test]
fn who_presses_is_first_and_a_caller_at_that_moment_is_told_so() {
    for mode in MODES {
        let mut bench = Bench::new(Settings { mode, ..settings() });
        bench.session(callbox::appliance::event::SessionEvent::Opened);
        bench.press("call");
        assert_eq!(bench.sent(), [], "the peer connection is not ready");
        bench.offer("in", Some(FAMILY));
        assert_eq!(bench.sent_byes(), ["in"]);
        bench.prepare_all();
        assert!(bench.sent_offer().is_some(), "the press is not lost");
    }
}
