//! A call that outlives its signalling. The mobile link of a box drops its
//! stream several times a day; who talks at that moment must not notice, and a
//! hang-up in the gap must end that call and never another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod appliance_support;

use appliance_support::outage::{answer, back, connected, cut, cut_again, in_call, is_open, pipe};
use appliance_support::{ANSWER, Bench, FAMILY, OFFER, ms, secs, settings};
use callbox::appliance::action::Action;
use callbox::appliance::command::{AudioCommand, Command, MediaCommand, Role};
use callbox::appliance::event::{
    Body, ErrorCode, MediaErrorKind, MediaEvent, Message, SessionEvent, SystemEvent,
};
use callbox::appliance::id::PeerId;
use callbox::appliance::settings::{BackoffSettings, CallSettings, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

/// Talking, the stream broke, and the new core's InCall has been answered by
/// an Offer: old peer, new peer, the call's id.
fn asked(bench: &mut Bench) -> (PeerId, PeerId, String) {
    let (old, id) = bench.talk();
    cut(bench);
    back(bench);
    in_call(bench, &id, Some(FAMILY));
    let (offered, msisdn, sdp) = bench.sent_offer().expect("no Offer");
    assert_eq!((offered.0.as_str(), msisdn), (id.as_str(), None), "a take-over names nobody");
    let new = bench.peer_of(&sdp);
    (old, new, id)
}

#[test]
fn an_offer_that_media_had_not_answered_is_counted_as_lost_with_its_stream() {
    let mut bench = pipe();
    let (_, id) = bench.talk();
    bench.offer(&id, None);
    cut(&mut bench);
    back(&mut bench);
    in_call(&mut bench, &id, Some(FAMILY));
    assert!(bench.sent_offer().is_some());
    assert_eq!(bench.counter("renegotiation-unanswered"), 1);
}

#[test]
fn the_call_is_taken_up_again_and_nobody_hears_it() {
    let mut bench = pipe();
    let (old, new, id) = asked(&mut bench);
    assert_ne!(old, new);
    assert!(bench.box_.status().calls[0].adopting);
    assert_eq!(bench.connected, [(old, Role::Talk)], "the old media goes on until the new one is up");
    answer(&mut bench, &id);
    assert!(
        bench
            .commands
            .contains(&Command::Media { peer: new, command: MediaCommand::Start { sdp: ANSWER.to_owned() } })
    );
    assert!(is_open(&bench, old));
    bench.take();
    bench.media(new, connected());
    // Make before break.
    let connect = Command::Audio(AudioCommand::Connect(vec![(new, Role::Talk)]));
    let close = Command::Media { peer: old, command: MediaCommand::Close };
    let at = |wanted: &Command| bench.commands.iter().position(|command| command == wanted).unwrap();
    assert!(at(&connect) < at(&close), "{:?}", bench.commands);
    assert_eq!((bench.call(), bench.tones(), bench.sent()), (CallStatus::InCall, vec![], vec![]));
    assert!(!bench.box_.status().busy_elsewhere, "the call is here");
    assert!(!bench.box_.status().calls[0].adopting);
    bench.media(new, MediaEvent::FirstAudio);
    bench.media(old, MediaEvent::Closed);
    assert_eq!((bench.call(), bench.counter("calls-adopted")), (CallStatus::InCall, 1));
    assert_eq!(bench.counter("renegotiation-unanswered"), 0);
    // And it is a call as any: renegotiated, digits, hung up.
    bench.offer(&id, None);
    assert!(bench.commands.contains(&Command::Media {
        peer: new,
        command: MediaCommand::Renegotiate { sdp: OFFER.to_owned() }
    }));
    bench.take();
    bench.press("hangup");
    assert_eq!(bench.sent_byes(), [id]);
    bench.still_works();
}

#[test]
fn two_outages_in_a_row_and_two_adoptions() {
    let mut bench = pipe();
    let (_, new, id) = asked(&mut bench);
    answer(&mut bench, &id);
    bench.media(new, connected());
    cut(&mut bench);
    cut_again(&mut bench);
    back(&mut bench);
    in_call(&mut bench, &id, None);
    let (_, _, sdp) = bench.sent_offer().unwrap();
    let third = bench.peer_of(&sdp);
    answer(&mut bench, &id);
    bench.media(third, connected());
    assert_eq!(bench.connected, [(third, Role::Talk)]);
    assert_eq!(bench.counter("calls-adopted"), 2);
    bench.still_works();
}

#[test]
fn an_outage_before_the_answer_begins_anew_and_lets_go_of_the_first_try() {
    let mut bench = pipe();
    let (old, new, id) = asked(&mut bench);
    cut(&mut bench);
    assert!(!is_open(&bench, new) && is_open(&bench, old));
    assert_eq!((bench.call(), bench.connected.clone()), (CallStatus::InCall, vec![(old, Role::Talk)]));
    back(&mut bench);
    in_call(&mut bench, &id, Some(FAMILY));
    let (_, _, sdp) = bench.sent_offer().unwrap();
    let third = bench.peer_of(&sdp);
    answer(&mut bench, &id);
    bench.media(third, connected());
    assert_eq!(bench.connected, [(third, Role::Talk)]);
    bench.still_works();
}

#[test]
fn an_outage_after_the_answer_does_not_stop_the_new_media() {
    let mut bench = pipe();
    let (old, new, id) = asked(&mut bench);
    answer(&mut bench, &id);
    cut(&mut bench);
    bench.media(new, connected());
    assert_eq!(bench.connected, [(new, Role::Talk)]);
    assert!(!is_open(&bench, old));
    back(&mut bench);
    in_call(&mut bench, &id, Some(FAMILY));
    assert!(bench.sent_offer().is_some(), "the new core must know of it too");
    bench.still_works();
}

#[test]
fn an_outage_while_the_new_media_comes_up_begins_anew_on_the_next_stream() {
    let mut bench = pipe();
    let (old, new, id) = asked(&mut bench);
    answer(&mut bench, &id);
    cut(&mut bench);
    back(&mut bench);
    assert!(!is_open(&bench, new) && is_open(&bench, old));
    in_call(&mut bench, &id, Some(FAMILY));
    let (_, _, sdp) = bench.sent_offer().unwrap();
    assert_ne!(bench.peer_of(&sdp), new);
    bench.still_works();
}

#[test]
fn hanging_up_while_adopting_closes_both_and_says_one_bye() {
    for answered in [false, true] {
        let mut bench = pipe();
        let (old, new, id) = asked(&mut bench);
        if answered {
            answer(&mut bench, &id);
        }
        bench.take();
        bench.press("hangup");
        assert_eq!(bench.sent_byes(), [id]);
        assert!(!is_open(&bench, old) && !is_open(&bench, new));
        assert!(bench.connected.is_empty());
        bench.close_all();
        assert_eq!(bench.call(), CallStatus::Idle);
        bench.still_works();
    }
}

#[test]
fn a_refusal_leaves_the_call_to_its_media() {
    let refusals: [Body; 3] =
        [Body::Bye, Body::Error(ErrorCode::NotInCall), Body::Error(ErrorCode::InvalidCallId)];
    for refusal in refusals {
        for id_says in [true, false] {
            let mut bench = pipe();
            let (old, new, id) = asked(&mut bench);
            bench.take();
            bench.message(if id_says { &id } else { "" }, refusal.clone());
            assert_eq!(bench.call(), CallStatus::InCall, "{refusal:?}: both still hear each other");
            assert!(!is_open(&bench, new) && is_open(&bench, old));
            bench.pass(secs(120));
            assert_eq!(bench.call(), CallStatus::InCall);
            bench.media(old, MediaEvent::Quiet);
            assert_eq!((bench.call(), bench.tone), (CallStatus::Releasing, Some(Tone::Congestion)));
            assert_eq!(bench.sent(), vec![], "the core has said that it knows of no call");
            bench.still_works();
        }
    }
}

#[test]
fn a_refusal_when_the_media_is_dead_already_ends_the_call_at_once() {
    let mut bench = pipe();
    let (old, id) = bench.talk();
    cut(&mut bench);
    bench.media(old, MediaEvent::Quiet);
    back(&mut bench);
    in_call(&mut bench, &id, Some(FAMILY));
    bench.message(&id, Body::Bye);
    assert_eq!(bench.call(), CallStatus::Releasing);
    bench.still_works();
}

#[test]
fn a_bye_after_the_answer_ends_the_call_as_any() {
    let mut bench = pipe();
    let (old, new, id) = asked(&mut bench);
    answer(&mut bench, &id);
    bench.message(&id, Body::Bye);
    assert_eq!((bench.call(), bench.tone), (CallStatus::Releasing, Some(Tone::Busy)));
    assert!(!is_open(&bench, old) && !is_open(&bench, new));
    bench.still_works();
}

#[test]
fn try_again_and_silence() {
    let mut bench = pipe();
    let (_, new, id) = asked(&mut bench);
    bench.take();
    bench.message(&id, Body::Error(ErrorCode::TryAgain));
    bench.pass(secs(1));
    assert_eq!(bench.sent_offer().map(|(offered, ..)| offered.0), Some(id.clone()));
    answer(&mut bench, &id);
    bench.media(new, connected());
    assert_eq!(bench.connected, [(new, Role::Talk)]);
    bench.still_works();
    // No answer at all: after a while the old media decides, and the core is told of the end.
    let mut bench = pipe();
    let (old, new, id) = asked(&mut bench);
    bench.pass(secs(10));
    assert!(!is_open(&bench, new) && is_open(&bench, old));
    bench.take();
    bench.media(old, MediaEvent::Quiet);
    assert_eq!(bench.sent_byes(), [id]);
    bench.still_works();
}

#[test]
fn a_rate_limit_leaves_the_call_to_its_media_and_new_calls_wait() {
    let mut bench = pipe();
    let (old, new, id) = asked(&mut bench);
    bench.message(&id, Body::Error(ErrorCode::RateLimitHit));
    assert_eq!(bench.call(), CallStatus::InCall);
    assert!(!is_open(&bench, new) && is_open(&bench, old));
    bench.still_works();
}

#[test]
fn new_media_that_fails_leaves_the_old() {
    for event in [None, Some(MediaErrorKind::IceFailed)] {
        for answered in [false, true] {
            let mut bench = pipe();
            let (old, new, id) = asked(&mut bench);
            if answered {
                answer(&mut bench, &id);
            }
            match event {
                Some(kind) => bench.media_failed(new, kind),
                None => bench.media(new, MediaEvent::Closed),
            }
            assert_eq!(
                (bench.call(), bench.connected.clone()),
                (CallStatus::InCall, vec![(old, Role::Talk)])
            );
            assert!(!is_open(&bench, new));
            bench.still_works();
        }
    }
    let mut bench = pipe();
    let (old, new, id) = asked(&mut bench);
    answer(&mut bench, &id);
    bench.pass(secs(10));
    assert!(is_open(&bench, old) && !is_open(&bench, new), "it took too long to come up");
    bench.still_works();
}

#[test]
fn old_media_that_dies_while_the_new_comes_up_does_not_end_the_call() {
    // Before the Answer, after it, and while the peer connection is being prepared.
    let mut bench = pipe();
    let (old, new, id) = asked(&mut bench);
    bench.media_failed(old, MediaErrorKind::DtlsFailed);
    assert_eq!((bench.call(), bench.tone), (CallStatus::Outgoing, Some(Tone::Progress)));
    answer(&mut bench, &id);
    bench.media(new, connected());
    assert_eq!((bench.call(), bench.connected.clone()), (CallStatus::InCall, vec![(new, Role::Talk)]));
    bench.still_works();

    let mut bench = pipe();
    let (old, new, id) = asked(&mut bench);
    answer(&mut bench, &id);
    bench.media(old, MediaEvent::Closed);
    assert_eq!(bench.call(), CallStatus::Connecting);
    bench.media(new, connected());
    assert_eq!((bench.call(), bench.connected.clone()), (CallStatus::InCall, vec![(new, Role::Talk)]));
    bench.still_works();

    let mut bench = pipe();
    let (old, id) = bench.talk();
    cut(&mut bench);
    bench.system(SystemEvent::AddressesChanged);
    bench.take();
    bench.session(SessionEvent::Opened);
    in_call(&mut bench, &id, Some(FAMILY));
    assert_eq!(bench.sent_offer(), None, "its peer connection is not ready yet");
    bench.media_failed(old, MediaErrorKind::IceFailed);
    bench.prepare_all();
    let (offered, _, sdp) = bench.sent_offer().unwrap();
    let new = bench.peer_of(&sdp);
    assert_eq!(offered.0, id);
    answer(&mut bench, &id);
    bench.media(new, connected());
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.still_works();
}

#[test]
fn an_interruption_that_lasted_too_long_goes_over_to_the_new_media_too() {
    let mut bench = pipe();
    let (old, id) = bench.talk();
    bench.media(old, MediaEvent::Interrupted);
    cut(&mut bench);
    bench.pass(secs(19));
    cut_again(&mut bench);
    bench.pass(secs(5));
    back(&mut bench);
    in_call(&mut bench, &id, Some(FAMILY));
    let (_, _, sdp) = bench.sent_offer().unwrap();
    bench.pass(secs(7));
    assert_eq!(bench.call(), CallStatus::Outgoing, "30 s without the old media");
    let new = bench.peer_of(&sdp);
    answer(&mut bench, &id);
    bench.media(new, connected());
    bench.pass(secs(100));
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.still_works();
}

#[test]
fn an_offer_of_the_core_while_adopting_is_about_the_new_media() {
    let mut bench = pipe();
    let (old, new, id) = asked(&mut bench);
    bench.take();
    bench.offer(&id, None);
    assert_eq!(bench.peer_told(|command| matches!(command, MediaCommand::Renegotiate { .. })), Some(new));
    // The old media has an Answer left over from before: not for this core.
    bench.media(old, MediaEvent::Answer { sdp: "v=0 stale".to_owned() });
    assert_eq!(bench.sent(), vec![]);
    bench.media(new, MediaEvent::Answer { sdp: "v=0 fresh".to_owned() });
    assert_eq!(
        bench.sent(),
        [Message { call_id: id.as_str().into(), body: Body::Answer { sdp: "v=0 fresh".to_owned() } }]
    );
    // Early media: it is up before the Answer.
    bench.media(new, connected());
    assert!(is_open(&bench, old));
    answer(&mut bench, &id);
    assert_eq!(bench.connected, [(new, Role::Talk)]);
    bench.still_works();
}

#[test]
fn the_longest_time_goes_on_through_it_all() {
    let call = CallSettings { longest: Some(secs(300)), ..CallSettings::default() };
    let mut bench = Bench::ready(Settings {
        call,
        backoff: BackoffSettings { base: ms(0), ..BackoffSettings::default() },
        ..settings()
    });
    let (old, new, id) = asked(&mut bench);
    bench.pass(secs(5));
    bench.media_failed(old, MediaErrorKind::IceFailed);
    answer(&mut bench, &id);
    bench.media(new, connected());
    bench.pass(secs(294));
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.pass(secs(1));
    assert_eq!(bench.call(), CallStatus::Releasing);
    bench.still_works();
}

#[test]
fn a_call_that_was_asked_to_the_phone_is_there_when_the_core_says_so() {
    let mut bench = pipe();
    let (_, id) = bench.talk();
    assert_eq!(bench.ask(Action::ToPhone), Ok(()));
    cut(&mut bench);
    back(&mut bench);
    in_call(&mut bench, &id, Some(FAMILY));
    assert_eq!((bench.call(), bench.sent()), (CallStatus::Releasing, vec![]));
    assert!(bench.box_.status().busy_elsewhere);
    bench.still_works();
}

#[test]
fn media_that_was_coming_up_when_the_stream_broke_is_adopted_too() {
    let mut bench = pipe();
    let (old, id) = bench.call_out();
    answer(&mut bench, &id);
    cut(&mut bench);
    back(&mut bench);
    in_call(&mut bench, &id, Some(FAMILY));
    let (_, _, sdp) = bench.sent_offer().unwrap();
    let new = bench.peer_of(&sdp);
    answer(&mut bench, &id);
    bench.media(new, connected());
    assert_eq!((bench.call(), bench.connected.clone()), (CallStatus::InCall, vec![(new, Role::Talk)]));
    assert!(!is_open(&bench, old));
    bench.pass(secs(60));
    assert_eq!(bench.call(), CallStatus::InCall, "no timer of the old media is left over");
    bench.still_works();
}
