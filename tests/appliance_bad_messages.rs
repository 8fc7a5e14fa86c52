//! Every message in every state, with every kind of call id: a core that errs,
//! or an attacker who speaks its protocol, must not be able to stop the box.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which the lint does not see")]

mod appliance_support;

use appliance_support::{ANSWER, Bench, FAMILY, OFFER, ms, number, secs, settings};
use callbox::appliance::action::Action;
use callbox::appliance::command::{Command, MediaCommand};
use callbox::appliance::event::{
    Body, CloseReason, ErrorCode, MediaErrorKind, MediaEvent, SessionEvent, SystemEvent,
};
use callbox::appliance::settings::{AnswerPolicy, IncomingSettings, Mode, Settings};
use callbox::appliance::status::CallStatus;

type Reach = fn(&mut Bench) -> String;

/// Ways into every state of the call; each gives the call's id.
const STATES: [(&str, Reach, CallStatus); 11] = [
    ("idle", |_| String::new(), CallStatus::Idle),
    (
        "preparing",
        |bench| {
            bench.system(SystemEvent::AddressesChanged);
            bench.down("call");
            bench.box_.status().call_id.unwrap().0
        },
        CallStatus::Outgoing,
    ),
    ("outgoing", |bench| bench.call_out().1, CallStatus::Outgoing),
    (
        "ringing",
        |bench| {
            let (_, id) = bench.call_out();
            bench.message(&id, Body::Ringing);
            id
        },
        CallStatus::Ringing,
    ),
    (
        "checking",
        |bench| {
            bench.call_in("in-1");
            "in-1".to_owned()
        },
        CallStatus::Incoming,
    ),
    (
        "incoming",
        |bench| {
            bench.ring("in-1");
            "in-1".to_owned()
        },
        CallStatus::Incoming,
    ),
    (
        "answering",
        |bench| {
            bench.ring("in-1");
            bench.ask(Action::Answer).unwrap();
            "in-1".to_owned()
        },
        CallStatus::Incoming,
    ),
    (
        "connecting",
        |bench| {
            let (_, id) = bench.call_out();
            bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
            id
        },
        CallStatus::Connecting,
    ),
    ("in-call", |bench| bench.talk().1, CallStatus::InCall),
    (
        "moving",
        |bench| {
            let (_, id) = bench.talk();
            bench.ask(Action::ToPhone).unwrap();
            id
        },
        CallStatus::InCall,
    ),
    (
        "releasing",
        |bench| {
            let (_, id) = bench.talk();
            bench.press("hangup");
            id
        },
        CallStatus::Releasing,
    ),
];

fn bodies() -> Vec<Body> {
    vec![
        Body::Offer { sdp: OFFER.to_owned(), msisdn: Some(number(FAMILY)) },
        Body::Offer { sdp: String::new(), msisdn: None },
        Body::Answer { sdp: ANSWER.to_owned() },
        Body::Answer { sdp: String::new() },
        Body::Ringing,
        Body::Bye,
        Body::Idle,
        Body::InCall { msisdn: Some(number(FAMILY)) },
        Body::InCall { msisdn: None },
        Body::Error(ErrorCode::Unknown(0)),
        Body::Error(ErrorCode::Unknown(-7)),
        Body::Error(ErrorCode::NotInCall),
        Body::Error(ErrorCode::TryAgain),
        Body::Error(ErrorCode::InvalidCallId),
        Body::Error(ErrorCode::RateLimitHit),
        Body::ToPhone,
    ]
}

fn media_events() -> Vec<MediaEvent> {
    vec![
        MediaEvent::Prepared { sdp: "again".to_owned() },
        MediaEvent::Acceptable,
        MediaEvent::Answer { sdp: "unasked".to_owned() },
        MediaEvent::Connected { codec: String::new() },
        MediaEvent::FirstAudio,
        MediaEvent::Interrupted,
        MediaEvent::Quiet,
        MediaEvent::AudioBack,
        MediaEvent::Digit('#'),
        MediaEvent::Closed,
    ]
}

fn modes() -> [Settings; 3] {
    let auto = IncomingSettings { answer: AnswerPolicy::Auto, ..IncomingSettings::default() };
    [settings(), Settings { mode: Mode::MultiPipe, ..settings() }, Settings { incoming: auto, ..settings() }]
}

/// Reaches a state if these settings have it.
fn reach(settings: &Settings, name: &str, reach: Reach, status: CallStatus) -> Option<(Bench, String)> {
    if settings.incoming.answer == AnswerPolicy::Auto && matches!(name, "incoming" | "answering") {
        return None;
    }
    let mut bench = Bench::ready(settings.clone());
    let id = reach(&mut bench);
    assert_eq!(bench.call(), status, "{name}");
    Some((bench, id))
}

/// With nothing more from outside, timers must lead out of every state but an
/// established call. Longer than any of them, the end of a silent call included.
fn leaves_by_itself(bench: &mut Bench, what: &str) {
    bench.pass(secs(75));
    let status = bench.call();
    assert!(matches!(status, CallStatus::Idle | CallStatus::InCall), "{what}: stuck in {status:?}");
}

#[test]
fn every_message_in_every_state() {
    for settings in modes() {
        for (name, way, status) in STATES {
            for body in bodies() {
                for foreign in [false, true] {
                    let Some((mut bench, id)) = reach(&settings, name, way, status) else { continue };
                    let what = format!("{:?} {name} {body:?} foreign {foreign}", settings.mode);
                    let id = if foreign { "foreign".to_owned() } else { id };
                    let logged = bench.logs.len();
                    bench.take();
                    bench.message(&id, body.clone());
                    let reacted = !bench.commands.is_empty() || bench.logs.len() > logged;
                    let silent = matches!(body, Body::Idle);
                    assert!(reacted || silent, "{what}: neither done nor logged");
                    // The same twice more, then nothing at all.
                    bench.message(&id, body.clone());
                    bench.pass(ms(700));
                    bench.message(&id, body.clone());
                    leaves_by_itself(&mut bench, &what);
                    bench.still_works();
                }
            }
        }
    }
}

#[test]
fn a_foreign_call_id_on_multi_pipe_never_touches_the_call() {
    let settings = Settings { mode: Mode::MultiPipe, ..settings() };
    for (name, way, status) in STATES {
        for body in bodies() {
            let rate_limit = body == Body::Error(ErrorCode::RateLimitHit);
            let begins = matches!(body, Body::Offer { .. }) && matches!(name, "idle" | "releasing");
            if rate_limit || begins {
                continue;
            }
            let Some((mut bench, _)) = reach(&settings, name, way, status) else { continue };
            let before = (bench.box_.status().call_id, bench.tone);
            bench.message("foreign", body.clone());
            assert_eq!(bench.call(), status, "{name} {body:?}");
            assert_eq!((bench.box_.status().call_id, bench.tone), before, "{name} {body:?}");
        }
    }
}

#[test]
fn unknown_messages_are_counted_and_change_nothing() {
    for (name, way, status) in STATES {
        let Some((mut bench, _)) = reach(&settings(), name, way, status) else { continue };
        bench.take();
        bench.session(SessionEvent::Unknown);
        assert_eq!((bench.call(), bench.counter("message-unknown")), (status, 1), "{name}");
        assert_eq!(bench.commands, []);
    }
}

#[test]
fn every_media_event_and_failure_in_every_state_from_every_peer() {
    for (name, way, status) in STATES {
        let Some((probe, _)) = reach(&settings(), name, way, status) else { continue };
        for peer in probe.peers.keys().copied().chain([callbox::appliance::id::PeerId(999)]) {
            let mut failures =
                vec![MediaErrorKind::BadSdp, MediaErrorKind::IceFailed, MediaErrorKind::Internal];
            failures.push(MediaErrorKind::NoAddress);
            for kind in failures {
                let (mut bench, _) = reach(&settings(), name, way, status).unwrap();
                bench.media_failed(peer, kind);
                bench.media(peer, MediaEvent::Closed);
                leaves_by_itself(&mut bench, &format!("{name} {peer:?} {kind:?}"));
                bench.still_works();
            }
            for event in media_events() {
                let (mut bench, _) = reach(&settings(), name, way, status).unwrap();
                bench.media(peer, event.clone());
                bench.media(peer, event.clone());
                leaves_by_itself(&mut bench, &format!("{name} {peer:?} {event:?}"));
                bench.still_works();
            }
        }
    }
}

#[test]
fn every_end_of_the_session_in_every_state() {
    let reasons = [
        CloseReason::NameNotResolved,
        CloseReason::Unreachable,
        CloseReason::CertificateRefused,
        CloseReason::Unauthenticated,
        CloseReason::PermissionDenied,
        CloseReason::TokenRefused,
        CloseReason::TokenUnavailable,
        CloseReason::SecretUnreadable,
        CloseReason::RateLimited,
        CloseReason::TooManyPings,
        CloseReason::EndedByCore,
        CloseReason::Lost,
        CloseReason::Requested,
    ];
    for settings in modes() {
        for (name, way, status) in STATES {
            for reason in reasons {
                let Some((mut bench, _)) = reach(&settings, name, way, status) else { continue };
                bench.closed(reason);
                bench.closed(reason);
                leaves_by_itself(&mut bench, &format!("{name} {reason:?}"));
                bench.still_works();
            }
        }
    }
}

#[test]
fn every_action_in_every_state_gets_one_reply_and_every_press_a_sound() {
    let actions = [
        appliance_support::call_to(&["family"]),
        appliance_support::call_to(&[]),
        Action::Answer,
        Action::HangUp,
        Action::ToPhone,
        Action::TakeOver,
        Action::Dtmf { digits: "1".to_owned() },
        Action::Dtmf { digits: "?".to_owned() },
        Action::Mute { on: Some(true) },
        Action::Mute { on: None },
        Action::Talk { on: None },
        Action::SelfTest,
    ];
    for settings in modes() {
        for (name, way, status) in STATES {
            for action in &actions {
                let Some((mut bench, _)) = reach(&settings, name, way, status) else { continue };
                // `ask` insists on exactly one reply.
                _ = bench.ask(action.clone());
                leaves_by_itself(&mut bench, &format!("{name} {action:?}"));
                bench.still_works();
            }
            for button in ["call", "hunt", "nobody", "hangup", "phone", "take"] {
                let Some((mut bench, _)) = reach(&settings, name, way, status) else { continue };
                bench.up("call");
                bench.pass(ms(60));
                bench.take();
                bench.down(button);
                assert!(bench.tones().iter().any(Option::is_some), "{name} {button}: no sound");
                leaves_by_itself(&mut bench, &format!("{name} {button}"));
                bench.still_works();
            }
        }
    }
}

#[test]
fn a_flood_of_calls_elsewhere_does_not_fill_the_memory() {
    let mut bench = Bench::ready(Settings { mode: Mode::MultiPipe, ..settings() });
    for n in 0..1000 {
        bench.message(&format!("call-{n}"), Body::InCall { msisdn: None });
    }
    assert_eq!(bench.counter("in-call-too-many"), 984);
    for n in 0..1000 {
        bench.message(&format!("call-{n}"), Body::Idle);
    }
    assert!(!bench.box_.status().busy_elsewhere);
    bench.still_works();
}

/// The event log keeps a thousand entries and the status names each call: with ids
/// of 64 KiB both would be larger than the box's memory, and than what its clients read.
#[test]
fn an_id_that_is_longer_than_any_id_is_counted_and_kept_nowhere() {
    for mode in [Mode::Pipe, Mode::MultiPipe] {
        let mut bench = Bench::ready(Settings { mode, ..settings() });
        let (usual, long) = ("i".repeat(256), "i".repeat(257));
        for body in bodies() {
            bench.message(&long, body);
        }
        assert_eq!(bench.counter("call-id-too-long"), bodies().len() as u64, "{mode:?}");
        assert_eq!(bench.call(), CallStatus::Idle, "{mode:?}");
        assert!(bench.kinds.iter().all(|kind| !kind.to_string().contains(&long)), "{mode:?}");
        bench.call_in(&usual);
        assert_eq!(bench.call(), CallStatus::Incoming, "{mode:?}");
    }
}

#[test]
fn a_call_of_64_kib_of_sdp_passes_through_untouched() {
    let mut bench = Bench::ready(settings());
    let sdp = "a=x\r\n".repeat(13_000);
    bench.message("in-1", Body::Offer { sdp: sdp.clone(), msisdn: None });
    let checked = bench.commands.iter().any(
        |c| matches!(c, Command::Media { command: MediaCommand::Check { sdp: got }, .. } if *got == sdp),
    );
    assert!(checked);
    bench.still_works();
}

#[test]
fn a_flood_of_odd_messages_is_counted_whole_but_logged_once_a_second_by_kind() {
    let mut bench = Bench::ready(settings());
    let logged =
        |bench: &Bench, counter: &str| bench.kinds.iter().filter(|kind| kind["counter"] == counter).count();
    for n in 0..5000 {
        bench.message("x", Body::Bye);
        bench.message("x", Body::Ringing);
        bench.session(SessionEvent::Unknown);
        bench.message("x", Body::Error(ErrorCode::NotInCall));
        if n % 1000 == 999 {
            // 5 s in all.
            bench.pass(secs(1));
        }
    }
    for counter in ["bye-unexpected", "ringing-unexpected", "message-unknown", "error-not-in-call"] {
        assert_eq!(bench.counter(counter), 5000, "{counter}");
        // NOT_INCALL refuses what the box asked for, and is logged as that.
        let records = match counter {
            "error-not-in-call" => bench.kinds.iter().filter(|kind| kind["kind"] == "refused").count(),
            _ => logged(&bench, counter),
        };
        assert_eq!(records, 5, "{counter}");
    }
    // The last record is 1 s old: the next may come, and after it none for a second.
    for wait in [0, 999] {
        bench.pass(ms(wait));
        bench.message("x", Body::Bye);
        assert_eq!(logged(&bench, "bye-unexpected"), 6, "after {wait} ms");
    }
    bench.pass(ms(1));
    bench.message("x", Body::Bye);
    assert_eq!(logged(&bench, "bye-unexpected"), 7);
    // The first of another kind is not held back by these.
    bench.message("x", Body::ToPhone);
    assert_eq!(logged(&bench, "to-phone-unexpected"), 1);
}

#[test]
fn try_again_for_what_was_not_asked_is_counted() {
    let mut bench = Bench::ready(settings());
    let (_, id) = bench.call_out();
    bench.message(&id, Body::Error(ErrorCode::TryAgain));
    assert_eq!(bench.counter("error-try-again-unexpected"), 0);
    let mut bench = Bench::ready(settings());
    bench.ring("in");
    bench.message("in", Body::Error(ErrorCode::TryAgain));
    assert_eq!(bench.counter("error-try-again-unexpected"), 1);
}

#[test]
fn a_peer_connection_that_says_twice_that_it_is_prepared_keeps_its_first_word() {
    let mut bench = Bench::ready(settings());
    let peer = *bench.peers.keys().next_back().unwrap();
    bench.media(peer, MediaEvent::Prepared { sdp: "another".to_owned() });
    assert_eq!(bench.counter("media-unexpected"), 1);
    bench.take();
    bench.press("call");
    assert_ne!(bench.sent_offer().unwrap().2, "another");
}

#[test]
fn media_that_never_says_that_it_closed_is_counted_and_forgotten() {
    let mut bench = Bench::ready(settings());
    for closes in 1..=66_u64 {
        bench.system(SystemEvent::AddressesChanged);
        bench.prepare_all();
        assert_eq!(bench.counter("media-close-unanswered"), closes.saturating_sub(64));
    }
}
