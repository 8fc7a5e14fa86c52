//! Calls elsewhere that are taken over, and calls that are moved to the phone. A call
//! must be in one place, and must stay where it is when moving it comes to nothing.

mod appliance_support;

use appliance_support::{ANSWER, Bench, FAMILY, number, secs, settings};
use callbox::appliance::action::Action;
use callbox::appliance::command::{MediaCommand, Refusal};
use callbox::appliance::event::{Body, ErrorCode};
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::{Mode, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

fn multi() -> Settings {
    Settings { mode: Mode::MultiPipe, ..settings() }
}

#[test]
fn moving_a_call_to_the_phone_and_taking_it_back() {
    for settings in [settings(), multi()] {
        let mut bench = Bench::ready(settings);
        let (_, id) = bench.talk();
        assert_eq!(bench.ask(Action::TakeOver), Err(Refusal::Busy));
        assert_eq!(bench.ask(Action::ToPhone), Ok(()));
        assert_eq!(
            (bench.sent()[0].body.clone(), bench.sent()[0].call_id.as_str()),
            (Body::ToPhone, id.as_str())
        );
        assert_eq!(bench.call(), CallStatus::InCall);
        bench.take();
        bench.message(&id, Body::InCall { msisdn: Some(number(FAMILY)) });
        assert_eq!((bench.call(), bench.sent(), bench.tone), (CallStatus::Releasing, vec![], None));
        assert!(bench.box_.status().busy_elsewhere);
        assert_eq!(bench.lamp("busy"), Pattern::On);
        bench.close_all();
        bench.prepare_all();
        bench.take();

        bench.press("take");
        let (taken, msisdn, _) = bench.sent_offer().unwrap();
        assert_eq!((taken.as_str(), msisdn), (id.as_str(), None));
        assert_eq!(bench.box_.status().peer, Some(number(FAMILY)));
        let peer = bench.peer_told(|c| matches!(c, MediaCommand::Prepare)).unwrap();
        bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
        bench.message(&id, Body::Idle);
        assert!(!bench.box_.status().busy_elsewhere);
        assert_eq!(bench.call(), CallStatus::Connecting);
        assert_ne!(bench.peer_told(|c| matches!(c, MediaCommand::Start { .. })), Some(peer));
        bench.still_works();
        assert_eq!(bench.ask(Action::TakeOver), Err(Refusal::NothingToTakeOver));
        assert_eq!(bench.ask(Action::ToPhone), Err(Refusal::NoCall));
    }
}

#[test]
fn a_take_over_of_a_call_that_is_over_ends_at_once_and_is_forgotten() {
    for settings in [settings(), multi()] {
        for rings in [false, true] {
            for id in ["there", ""] {
                let mut bench = Bench::ready(settings.clone());
                bench.message("there", Body::InCall { msisdn: Some(number(FAMILY)) });
                bench.press("take");
                assert_eq!(bench.sent_offer().unwrap().0.as_str(), "there");
                if rings {
                    bench.message("there", Body::Ringing);
                }
                bench.take();
                bench.message(id, Body::Error(ErrorCode::NotInCall));
                assert_eq!((bench.call(), bench.tone), (CallStatus::Releasing, Some(Tone::Congestion)));
                assert_eq!(bench.sent_byes(), [""; 0], "the core knows of no call");
                assert!(!bench.box_.status().busy_elsewhere);
                bench.still_works();
            }
        }
        // A call of its own is not touched.
        let mut bench = Bench::ready(settings);
        let (_, id) = bench.call_out();
        bench.message(&id, Body::Error(ErrorCode::NotInCall));
        assert_eq!(bench.call(), CallStatus::Outgoing);
    }
    let mut bench = Bench::ready(multi());
    bench.message("there", Body::InCall { msisdn: None });
    bench.press("take");
    bench.message("another", Body::Error(ErrorCode::NotInCall));
    assert_eq!(bench.call(), CallStatus::Outgoing, "not of this call");
}

#[test]
fn a_take_over_that_comes_to_nothing_leaves_the_call_where_it_is() {
    for settings in [settings(), multi()] {
        for cancelled in [false, true] {
            let mut bench = Bench::ready(settings.clone());
            bench.message("there", Body::InCall { msisdn: None });
            bench.press("take");
            if cancelled {
                bench.press("hangup");
            } else {
                bench.message("there", Body::Bye);
            }
            assert_eq!(bench.call(), CallStatus::Releasing);
            assert!(bench.box_.status().busy_elsewhere, "it goes on there");
            bench.close_all();
            bench.prepare_all();
            bench.take();
            bench.press("take");
            assert_eq!(bench.sent_offer().unwrap().0.as_str(), "there", "it can be tried again");
        }
    }
}

#[test]
fn a_call_that_was_taken_over_is_here_and_not_elsewhere() {
    for settings in [settings(), multi()] {
        let mut bench = Bench::ready(settings);
        bench.message("there", Body::InCall { msisdn: None });
        bench.press("take");
        assert!(bench.box_.status().busy_elsewhere, "not yet");
        bench.message("there", Body::Answer { sdp: ANSWER.to_owned() });
        assert!(!bench.box_.status().busy_elsewhere);
    }
}

#[test]
fn a_call_that_was_taken_over_and_ends_here_is_not_elsewhere_any_more() {
    for hangs_up_here in [false, true] {
        let mut bench = Bench::ready(multi());
        bench.message("there", Body::InCall { msisdn: None });
        bench.press("take");
        bench.message("there", Body::Answer { sdp: ANSWER.to_owned() });
        assert_eq!(bench.call(), CallStatus::Connecting);
        // The core says no Idle.
        if hangs_up_here {
            bench.press("hangup");
        } else {
            bench.message("there", Body::Bye);
        }
        assert!(!bench.box_.status().busy_elsewhere);
        bench.still_works();
        assert_eq!(bench.ask(Action::TakeOver), Err(Refusal::NothingToTakeOver));
    }
}

#[test]
fn of_several_calls_elsewhere_the_newest_is_taken_over_and_the_oldest_forgotten() {
    let mut bench = Bench::ready(multi());
    for id in ["b", "a", "c", "b"] {
        bench.message(id, Body::InCall { msisdn: None });
    }
    bench.press("take");
    assert_eq!(bench.sent_offer().unwrap().0.as_str(), "c", "a repeated InCall is no newer call");

    let mut bench = Bench::ready(multi());
    for n in (10..27).rev() {
        bench.message(&format!("call-{n}"), Body::InCall { msisdn: None });
    }
    assert_eq!(bench.counter("in-call-too-many"), 1);
    bench.message("call-26", Body::Idle);
    assert_eq!(bench.counter("idle-unknown-call"), 1, "the oldest made room");
    bench.press("take");
    assert_eq!(bench.sent_offer().unwrap().0.as_str(), "call-10");
}

#[test]
fn in_call_without_our_asking_leaves_our_call_alone() {
    let mut bench = Bench::ready(settings());
    let (_, id) = bench.talk();
    bench.message(&id, Body::InCall { msisdn: None });
    assert_eq!(bench.call(), CallStatus::InCall);
    // A refused transfer is forgotten: the next InCall does not end the call.
    for (refusal, counter) in
        [(ErrorCode::NotInCall, "error-not-in-call"), (ErrorCode::TryAgain, "error-try-again")]
    {
        bench.ask(Action::ToPhone).unwrap();
        bench.message(&id, Body::Error(refusal));
        assert_eq!(bench.counter(counter), 1);
        assert_eq!(bench.lamp("calling"), Pattern::DoubleFlash);
        bench.message(&id, Body::InCall { msisdn: None });
        assert_eq!(bench.call(), CallStatus::InCall);
        bench.pass(secs(2));
    }
    bench.still_works();
}
