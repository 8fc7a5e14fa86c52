//! Calls that come in, and Offers in a call that is up. A box must ring for
//! those who may call, stay quiet for others, and never drop the one call it has.

mod appliance_support;

use appliance_support::{ANSWER, Bench, FAMILY, NEIGHBOUR, OFFER, call_to, number, secs, settings};
use callbox::appliance::action::Action;
use callbox::appliance::command::{AudioCommand, Command, MediaCommand, Refusal, Role};
use callbox::appliance::event::{Body, CloseReason, ErrorCode, MediaErrorKind, MediaEvent, SessionEvent};
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::{AnswerPolicy, IncomingSettings, Mode, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

fn with_policy(answer: AnswerPolicy, allow: Option<&[&str]>) -> Settings {
    let allow = allow.map(|list| list.iter().map(|text| number(text)).collect());
    Settings { incoming: IncomingSettings { allow, answer, ..IncomingSettings::default() }, ..settings() }
}

fn multi() -> Settings {
    Settings { mode: Mode::MultiPipe, ..settings() }
}

fn connected() -> MediaEvent {
    MediaEvent::Connected { codec: "PCMU".to_owned() }
}

fn local_answer() -> MediaEvent {
    MediaEvent::Answer { sdp: "v=0 local answer".to_owned() }
}

#[test]
fn it_rings_is_answered_at_the_button_and_hung_up_by_the_caller() {
    let mut bench = Bench::ready(settings());
    let peer = bench.call_in("in-1");
    assert_eq!(bench.tone, None, "it must not ring before media can take the Offer");
    bench.media(peer, MediaEvent::Acceptable);
    assert_eq!((bench.tone, bench.lamp("calling")), (Some(Tone::Ring), Pattern::Fast));
    assert_eq!(bench.sent()[0].body, Body::Ringing);
    bench.take();
    bench.down("call");
    assert_eq!(bench.tone, Some(Tone::Press));
    assert!(bench.commands.contains(&Command::Media { peer, command: MediaCommand::Answer }));
    bench.media(peer, local_answer());
    let sent = bench.sent();
    assert_eq!((sent.len(), sent[0].call_id.as_str()), (1, "in-1"));
    assert_eq!(sent[0].body, Body::Answer { sdp: "v=0 local answer".to_owned() });
    assert!(bench.commands.contains(&Command::Audio(AudioCommand::Connect(vec![(peer, Role::Talk)]))));
    assert_eq!(bench.call(), CallStatus::Connecting);
    bench.media(peer, connected());
    bench.media(peer, MediaEvent::FirstAudio);
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.pass(secs(100));
    assert_eq!(bench.call(), CallStatus::InCall, "no ring timer may be left over");
    bench.take();
    bench.message("in-1", Body::Bye);
    assert_eq!((bench.tone, bench.sent()), (Some(Tone::Busy), vec![]));
    bench.still_works();
}

#[test]
fn the_caller_gives_up_while_it_rings() {
    let mut bench = Bench::ready(settings());
    bench.ring("in-1");
    bench.take();
    bench.message("in-1", Body::Bye);
    assert_eq!((bench.tone, bench.sent()), (None, vec![]));
    bench.close_all();
    assert_eq!(bench.call(), CallStatus::Idle);
    bench.still_works();
}

#[test]
fn it_rings_in_vain() {
    let mut bench = Bench::ready(settings());
    bench.ring("in-1");
    bench.take();
    bench.pass(secs(45));
    assert_eq!((bench.tone, bench.sent_byes()), (None, vec!["in-1".to_owned()]));
    bench.still_works();
}

#[test]
fn rejecting_at_the_box() {
    let mut bench = Bench::ready(settings());
    bench.ring("in-1");
    bench.take();
    assert_eq!(bench.ask(Action::HangUp), Ok(()));
    assert_eq!((bench.tone, bench.sent_byes()), (None, vec!["in-1".to_owned()]));
    assert_eq!(bench.ask(Action::HangUp), Err(Refusal::NoCall));
    assert_eq!(bench.ask(Action::Answer), Err(Refusal::NoCall));
    bench.still_works();
}

#[test]
fn auto_answer_answers_without_ringing() {
    let mut bench = Bench::ready(with_policy(AnswerPolicy::Auto, None));
    let peer = bench.call_in("in-1");
    bench.media(peer, MediaEvent::Acceptable);
    assert_eq!((bench.tone, bench.sent()), (None, vec![]));
    bench.media(peer, local_answer());
    bench.media(peer, connected());
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.still_works();
}

#[test]
fn only_those_on_the_list_may_call_and_hidden_numbers_are_not_on_it() {
    let mut bench = Bench::ready(with_policy(AnswerPolicy::Ring, Some(&[FAMILY])));
    for (id, from) in [("a", Some(NEIGHBOUR)), ("b", None)] {
        bench.take();
        bench.offer(id, from);
        assert_eq!((bench.sent_byes(), bench.call()), (vec![id.to_owned()], CallStatus::Idle));
    }
    assert_eq!(bench.counter("incoming-not-allowed"), 2);
    bench.ring("c");
    bench.take();
    // The core replaces the Offer by one of somebody who may not call.
    bench.offer("c", Some(NEIGHBOUR));
    assert_eq!((bench.sent_byes(), bench.tone), (vec!["c".to_owned()], None));
    bench.still_works();
    let mut bench = Bench::ready(with_policy(AnswerPolicy::Reject, None));
    bench.take();
    bench.offer("a", Some(FAMILY));
    assert_eq!((bench.sent_byes(), bench.counter("incoming-rejected")), (vec!["a".to_owned()], 1));
    bench.still_works();
}

#[test]
fn an_offer_that_media_cannot_take_is_rejected_counted_and_shown_without_a_sound() {
    for (kind, counter) in [
        (MediaErrorKind::BadSdp, "media-bad-sdp"),
        (MediaErrorKind::NoAudio, "media-no-audio"),
        (MediaErrorKind::NoCommonCodec, "media-no-common-codec"),
    ] {
        let mut bench = Bench::ready(settings());
        let peer = bench.call_in("in-1");
        bench.take();
        bench.media_failed(peer, kind);
        assert_eq!((bench.sent_byes(), bench.counter(counter)), (vec!["in-1".to_owned()], 1));
        assert_eq!((bench.tones(), bench.lamp("fault")), (vec![], Pattern::DoubleFlash));
        bench.close_all();
        bench.pass(secs(2));
        assert_eq!((bench.call(), bench.lamp("fault")), (CallStatus::Idle, Pattern::Off));
        bench.still_works();
    }
}

#[test]
fn a_media_shell_that_never_answers_does_not_keep_the_caller() {
    let mut bench = Bench::ready(settings());
    bench.call_in("in-1");
    bench.pass(secs(10));
    assert_eq!(bench.sent_byes(), ["in-1"]);
    bench.still_works();
    let mut bench = Bench::ready(settings());
    bench.ring("in-1");
    bench.ask(Action::Answer).unwrap();
    bench.take();
    bench.pass(secs(10));
    assert_eq!(bench.sent_byes(), ["in-1"]);
    bench.still_works();
}

#[test]
fn answering_while_the_offer_is_still_being_read_counts() {
    let mut bench = Bench::ready(settings());
    let peer = bench.call_in("in-1");
    bench.press("call");
    bench.media(peer, MediaEvent::Acceptable);
    assert!(bench.commands.contains(&Command::Media { peer, command: MediaCommand::Answer }));
    bench.press("call");
    assert_eq!(bench.counter("press-ignored"), 1);
    bench.media(peer, local_answer());
    assert_eq!(bench.call(), CallStatus::Connecting);
}

#[test]
fn a_second_offer_replaces_the_first_while_it_rings_and_the_ring_time_goes_on() {
    let mut bench = Bench::ready(settings());
    let first = bench.ring("in-1");
    bench.pass(secs(30));
    let second = bench.call_in("in-1");
    assert_ne!(first, second);
    assert!(!bench.peers[&first]);
    bench.media(first, MediaEvent::Closed);
    assert_eq!((bench.call(), bench.tone), (CallStatus::Incoming, Some(Tone::Ring)));
    bench.media(second, MediaEvent::Acceptable);
    assert_eq!(bench.sent(), [], "Ringing is not said twice");
    bench.pass(secs(15));
    assert_eq!(bench.sent_byes(), ["in-1"]);
    bench.still_works();

    let mut bench = Bench::ready(settings());
    bench.ring("in-1");
    bench.ask(Action::Answer).unwrap();
    let second = bench.call_in("in-1");
    bench.media(second, MediaEvent::Acceptable);
    bench.media(second, local_answer());
    assert_eq!(bench.call(), CallStatus::Connecting, "the person has answered already");
}

#[test]
fn renegotiation_in_a_call_is_answered_and_audio_stays() {
    for settings in [settings(), multi()] {
        let mode = settings.mode;
        let mut bench = Bench::ready(settings);
        let (peer, id) = bench.talk();
        for round in 0..5 {
            bench.take();
            // `Pipe` may leave the id out or send any.
            let sent_id = if mode == Mode::Pipe { ["", "x"][round % 2] } else { &id };
            bench.offer(sent_id, None);
            let command = MediaCommand::Renegotiate { sdp: OFFER.to_owned() };
            assert_eq!(bench.commands, [Command::Media { peer, command }]);
            bench.media(peer, local_answer());
            let sent = bench.sent();
            assert_eq!((sent.len(), sent[0].call_id.as_str()), (1, id.as_str()));
            assert_eq!(bench.call(), CallStatus::InCall);
        }
        // An answer that nobody asked for stays here.
        bench.take();
        bench.media(peer, local_answer());
        assert_eq!((bench.sent(), bench.counter("media-unexpected")), (vec![], 1));
        // One that media never answers is counted and ends nothing.
        bench.offer(&id, None);
        bench.offer(&id, None);
        assert_eq!((bench.call(), bench.counter("renegotiation-unanswered")), (CallStatus::InCall, 1));
        bench.press("hangup");
        assert_eq!(bench.counter("renegotiation-unanswered"), 2);
        bench.still_works();
    }
}

#[test]
fn a_second_caller_on_multi_pipe_is_busy_in_every_state_and_the_first_call_lives() {
    type Reach = fn(&mut Bench);
    let states: [(Reach, CallStatus); 5] = [
        (|bench| _ = bench.call_out(), CallStatus::Outgoing),
        (|bench| _ = bench.ring("in-1"), CallStatus::Incoming),
        (
            |bench| {
                let (_, id) = bench.call_out();
                bench.message(&id, Body::Ringing);
            },
            CallStatus::Ringing,
        ),
        (
            |bench| {
                let (_, id) = bench.call_out();
                bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
            },
            CallStatus::Connecting,
        ),
        (|bench| _ = bench.talk(), CallStatus::InCall),
    ];
    for (reach, state) in states {
        let mut bench = Bench::ready(multi());
        reach(&mut bench);
        bench.take();
        bench.offer("another", Some(NEIGHBOUR));
        assert_eq!((bench.sent_byes(), bench.call()), (vec!["another".to_owned()], state));
        // Its own end, and its messages, are not ours.
        bench.take();
        for body in [Body::Bye, Body::Ringing, Body::Answer { sdp: ANSWER.to_owned() }] {
            bench.message("another", body);
        }
        assert_eq!((bench.commands.as_slice(), bench.call()), ([].as_slice(), state));
        assert_eq!(bench.counter("offer-busy"), 1);
        bench.still_works();
    }
}

#[test]
fn multi_pipe_needs_a_call_id() {
    let mut bench = Bench::ready(multi());
    bench.offer("", Some(FAMILY));
    bench.message("", Body::InCall { msisdn: None });
    assert_eq!((bench.call(), bench.counter("call-id-missing")), (CallStatus::Idle, 2));
    assert!(!bench.box_.status().busy_elsewhere);
}

#[test]
fn a_call_that_comes_while_the_last_is_releasing_rings() {
    for settings in [settings(), multi()] {
        let mut bench = Bench::ready(settings);
        let (old, _) = bench.talk();
        bench.press("hangup");
        assert_eq!(bench.call(), CallStatus::Releasing);
        let peer = bench.ring("in-2");
        bench.media(old, MediaEvent::Closed);
        bench.pass(secs(3));
        assert_eq!((bench.call(), bench.tone), (CallStatus::Incoming, Some(Tone::Ring)));
        assert_eq!(bench.counter("media-close-timeout"), 0);
        bench.ask(Action::Answer).unwrap();
        bench.media(peer, local_answer());
        assert_eq!(bench.call(), CallStatus::Connecting);
        bench.still_works();
    }
}

#[test]
fn pipe_trusts_no_call_id() {
    let mut bench = Bench::ready(settings());
    let (peer, _) = bench.call_out();
    bench.message("", Body::Ringing);
    assert_eq!(bench.call(), CallStatus::Ringing);
    bench.message("whatever", Body::Answer { sdp: ANSWER.to_owned() });
    bench.media(peer, connected());
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.message("something else", Body::Bye);
    assert_eq!(bench.call(), CallStatus::Releasing);
    bench.still_works();
}

#[test]
fn an_offer_that_was_refused_may_come_again_under_its_id() {
    let mut bench = Bench::ready(Settings { mode: Mode::MultiPipe, ..settings() });
    let peer = bench.call_in("again");
    bench.media_failed(peer, MediaErrorKind::BadSdp);
    assert_eq!(bench.sent_byes(), ["again"]);
    bench.close_all();
    bench.ring("again");
    assert_eq!(bench.call(), CallStatus::Incoming);
    bench.still_works();
}

#[test]
fn invalid_call_id_forgets_the_call_without_a_bye() {
    for settings in [settings(), multi()] {
        let mode = settings.mode;
        let mut bench = Bench::ready(settings);
        let (_, id) = bench.talk();
        if mode == Mode::MultiPipe {
            bench.message("another", Body::Error(ErrorCode::InvalidCallId));
            assert_eq!(bench.call(), CallStatus::InCall);
        }
        bench.message(&id, Body::Error(ErrorCode::InvalidCallId));
        assert_eq!((bench.call(), bench.sent()), (CallStatus::Releasing, vec![]));
        bench.still_works();
    }
}

#[test]
fn digits_and_mute_in_a_call() {
    let mut bench = Bench::ready(settings());
    let digits = |text: &str| Action::Dtmf { digits: text.to_owned() };
    assert_eq!(bench.ask(digits("1")), Err(Refusal::NoCall));
    let (peer, _) = bench.talk();
    for wrong in ["", "1 2", "E", "a", "1\n"] {
        assert_eq!(bench.ask(digits(wrong)), Err(Refusal::NotADigit), "{wrong:?}");
    }
    assert_eq!(bench.ask(digits("0123456789*#ABCD")), Ok(()));
    let command = MediaCommand::Digits("0123456789*#ABCD".to_owned());
    assert!(bench.commands.contains(&Command::Media { peer, command }));
    assert_eq!(bench.ask(Action::Mute { on: None }), Ok(()));
    assert!(bench.box_.status().muted);
    bench.press("hangup");
    assert!(!bench.box_.status().muted, "the next visitor must be heard");
    assert!(bench.commands.contains(&Command::Audio(AudioCommand::Mute(false))));
}

#[test]
fn the_digits_of_a_door_code_are_never_logged() {
    let mut bench = Bench::ready(settings());
    let (peer, _) = bench.talk();
    let before = bench.logs.len();
    bench.media(peer, MediaEvent::Digit('7'));
    assert_eq!(bench.counter("digits-received"), 1);
    assert!(bench.logs[before..].iter().all(|line| !line.contains('7')), "{:?}", bench.logs);
}

#[test]
fn a_ringing_call_ends_quietly_when_the_session_is_lost() {
    let mut bench = Bench::ready(settings());
    bench.ring("in-1");
    bench.closed(CloseReason::Lost);
    assert_eq!((bench.tone, bench.call()), (None, CallStatus::Releasing));
    bench.pass(secs(3));
    bench.take();
    bench.session(SessionEvent::Opened);
    assert_eq!(bench.sent(), [], "the core may let it ring again");
    bench.still_works();
}

#[test]
fn a_control_call_does_not_answer_a_call_that_rings() {
    let mut bench = Bench::ready(settings());
    bench.ring("in-1");
    assert_eq!(bench.ask(call_to(&["family"])), Err(Refusal::Busy));
    assert_eq!((bench.call(), bench.tone), (CallStatus::Incoming, Some(Tone::Ring)));
}
