//! The session to the voice core: a box that nobody looks after must come back
//! by itself from whatever the network, the core or the token server does,
//! and thousands of them must not come back at the same instant.

mod appliance_support;

use appliance_support::outage::{faults, until_connect};
use appliance_support::{ANSWER, Bench, ms, secs, settings};
use callbox::appliance::action::Action;
use callbox::appliance::command::{
    AudioCommand, Command, LineCommand, MediaCommand, Refusal, SessionCommand,
};
use callbox::appliance::event::{Body, CloseReason, Event, LineEvent, MediaEvent, SessionEvent, SystemEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::id::RequestId;
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::{BackoffSettings, Mode, Settings};
use callbox::appliance::status::{CallStatus, SessionStatus};
use callbox::appliance::tone::Tone;

#[test]
fn switched_on_it_connects_prepares_and_sets_every_lamp_and_output() {
    let bench = Bench::new(settings());
    assert_eq!(bench.connects(), [false]);
    let count = |wanted: fn(&&Command) -> bool| bench.commands.iter().filter(wanted).count();
    assert_eq!(count(|c| matches!(c, Command::Line(LineCommand::Led { .. }))), 7);
    assert_eq!(count(|c| matches!(c, Command::Line(LineCommand::Output { on: false, .. }))), 1);
    assert_eq!(count(|c| matches!(c, Command::Media { command: MediaCommand::Prepare, .. })), 1);
    assert_eq!((bench.lamp("status"), bench.lamp("online")), (Pattern::DoubleFlash, Pattern::Off));
    assert_eq!(bench.session_status(), SessionStatus::Connecting);
}

#[test]
fn three_ways_to_be_registered() {
    let mut bench = Bench::new(settings());
    bench.session(SessionEvent::Sent);
    assert_eq!(bench.session_status(), SessionStatus::Connecting);
    bench.session(SessionEvent::Opened);
    assert_eq!(bench.session_status(), SessionStatus::Registered);
    assert_eq!((bench.lamp("status"), bench.lamp("online")), (Pattern::Heartbeat, Pattern::On));

    let mut bench = Bench::new(settings());
    bench.session(SessionEvent::Sent);
    bench.message("", Body::Idle);
    assert_eq!(bench.session_status(), SessionStatus::Registered);

    let mut bench = Bench::new(Settings { mode: Mode::MultiPipe, ..settings() });
    bench.session(SessionEvent::Sent);
    bench.pass(ms(999));
    assert_eq!(bench.session_status(), SessionStatus::Connecting);
    bench.pass(ms(1));
    assert_eq!(bench.session_status(), SessionStatus::Registered);
    assert_eq!(bench.box_.status().session_detail, "");
}

#[test]
fn a_stream_that_neither_opens_nor_fails_is_given_up() {
    let mut bench = Bench::new(settings());
    bench.prepare_all();
    bench.pass(secs(20));
    assert!(bench.commands.contains(&Command::Session(SessionCommand::Close)));
    bench.closed(CloseReason::Requested);
    assert_eq!(faults(&bench), [Fault::CoreUnreachable]);
    bench.still_works();
    // Even from a session part that never says Closed.
    let mut bench = Bench::new(settings());
    bench.take();
    bench.pass(secs(45));
    assert_eq!(bench.connects(), [false]);
    bench.still_works();
}

#[test]
fn every_reason_has_its_fault_and_registration_clears_it() {
    for (reason, fault) in [
        (CloseReason::NameNotResolved, Fault::NameNotResolved),
        (CloseReason::Unreachable, Fault::CoreUnreachable),
        (CloseReason::CertificateRefused, Fault::CertificateRefused),
        (CloseReason::PermissionDenied, Fault::CredentialsRefused),
        (CloseReason::TokenRefused, Fault::CredentialsRefused),
        (CloseReason::TokenUnavailable, Fault::TokenUnavailable),
        (CloseReason::SecretUnreadable, Fault::SecretUnreadable),
        (CloseReason::RateLimited, Fault::RateLimited),
        (CloseReason::EndedByCore, Fault::CoreUnreachable),
        (CloseReason::Lost, Fault::CoreUnreachable),
    ] {
        let mut bench = Bench::ready(settings());
        bench.closed(reason);
        assert_eq!(
            (bench.session_status(), faults(&bench)),
            (SessionStatus::Offline, vec![fault]),
            "{reason:?}"
        );
        assert_eq!(bench.box_.status().session_detail, format!("{reason:?}"));
        assert_eq!((bench.lamp("status"), bench.lamp("fault")), (Pattern::DoubleFlash, Pattern::DoubleFlash));
        until_connect(&mut bench);
        bench.session(SessionEvent::Sent);
        bench.session(SessionEvent::Opened);
        assert_eq!(faults(&bench), [], "{reason:?}");
        bench.still_works();
    }
}

#[test]
fn one_reason_replaces_the_other() {
    let mut bench = Bench::new(settings());
    bench.closed(CloseReason::NameNotResolved);
    until_connect(&mut bench);
    bench.closed(CloseReason::Unreachable);
    assert_eq!(faults(&bench), [Fault::CoreUnreachable]);
}

#[test]
fn waits_grow_to_the_ceiling_are_spread_evenly_and_start_afresh_when_healthy() {
    let boxes = 400;
    let mut sums = [0.0; 9];
    let mut most = [0.0f64; 9];
    for seed in 0..boxes {
        let mut bench = Bench::seeded(settings(), seed);
        bench.prepare_all();
        for attempt in 0..9 {
            bench.closed(CloseReason::Unreachable);
            let wait = until_connect(&mut bench);
            sums[attempt] += wait;
            most[attempt] = most[attempt].max(wait);
        }
    }
    for attempt in 0..9 {
        let limit = f64::from(1u32 << attempt).min(60.0);
        let mean = sums[attempt] / boxes as f64;
        assert!(most[attempt] <= limit, "attempt {attempt}: {} s", most[attempt]);
        // The mean of 400 even draws lies within 10 % of the half with 3 sigma to spare.
        assert!((mean - limit / 2.0).abs() < limit * 0.06, "attempt {attempt}: mean {mean} of {limit}");
    }
    for (healthy, limit) in [(secs(59), 60.0), (secs(60), 2.0)] {
        let mut longest = 0.0f64;
        for seed in 0..50 {
            let mut bench = Bench::seeded(settings(), seed);
            for _ in 0..8 {
                bench.closed(CloseReason::Unreachable);
                until_connect(&mut bench);
            }
            bench.session(SessionEvent::Opened);
            bench.pass(healthy);
            bench.closed(CloseReason::Lost);
            until_connect(&mut bench);
            // Later than the session would have been healthy, had it lived.
            bench.pass(secs(2));
            bench.closed(CloseReason::Unreachable);
            longest = longest.max(until_connect(&mut bench));
        }
        assert!(longest <= limit && longest > limit / 2.0, "after {healthy:?}: {longest} s");
    }
}

#[test]
fn a_core_that_asks_for_less_gets_less() {
    let backoff = BackoffSettings { rate_limit: secs(90), ..BackoffSettings::default() };
    let mut bench = Bench::new(Settings { backoff, ..settings() });
    for _ in 0..4 {
        bench.closed(CloseReason::RateLimited);
        assert!(until_connect(&mut bench) >= 90.0);
    }
}

#[test]
fn a_call_outlives_the_loss_of_its_session() {
    let mut bench = Bench::ready(settings());
    let (peer, id) = bench.talk();
    bench.closed(CloseReason::Lost);
    assert_eq!((bench.call(), bench.tone), (CallStatus::InCall, None));
    assert!(!bench.commands.iter().any(|c| matches!(c, Command::Audio(AudioCommand::Connect(_)))));
    assert_eq!(bench.ask(Action::ToPhone), Err(Refusal::Offline));
    until_connect(&mut bench);
    bench.session(SessionEvent::Opened);
    bench.message("", Body::InCall { msisdn: None });
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.message("", Body::Idle);
    assert_eq!(bench.call(), CallStatus::InCall);
    assert!(bench.peers[&peer]);
    bench.take();
    bench.press("hangup");
    assert_eq!(bench.sent_byes(), [id]);
    bench.still_works();
}

#[test]
fn a_bye_that_could_not_be_sent_is_sent_when_the_session_is_back_unless_it_is_old() {
    for (gap, byes) in [(secs(27), 1), (secs(31), 0)] {
        let backoff = BackoffSettings { base: ms(0), ..BackoffSettings::default() };
        let mut bench = Bench::ready(Settings { backoff, ..settings() });
        bench.talk();
        bench.closed(CloseReason::Lost);
        let from = bench.now;
        bench.press("hangup");
        assert_eq!((bench.call(), bench.sent()), (CallStatus::Releasing, vec![]));
        // With no back-off it has begun to connect already.
        bench.pass(secs(15));
        bench.closed(CloseReason::Unreachable);
        until_connect(&mut bench);
        bench.pass(gap - (bench.now - from));
        bench.take();
        bench.session(SessionEvent::Opened);
        assert_eq!(bench.sent_byes(), Vec::<String>::new(), "the core may have a new call by now");
        bench.pass(secs(2));
        assert_eq!(bench.sent_byes().len(), byes, "after {gap:?}");
        bench.still_works();
    }
}

#[test]
fn a_call_that_is_not_answered_ends_with_its_session() {
    for rings in [false, true] {
        let mut bench = Bench::ready(settings());
        let (_, id) = bench.call_out();
        if rings {
            bench.message(&id, Body::Ringing);
        }
        bench.take();
        bench.closed(CloseReason::Lost);
        assert_eq!((bench.call(), bench.tone), (CallStatus::Releasing, Some(Tone::Congestion)));
        until_connect(&mut bench);
        bench.session(SessionEvent::Opened);
        bench.pass(secs(2));
        assert_eq!(bench.sent_byes(), [id], "the far end must not go on ringing");
        bench.still_works();
    }
}

#[test]
fn media_of_an_answered_call_may_come_up_without_a_session() {
    let mut bench = Bench::ready(settings());
    let (peer, id) = bench.call_out();
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    bench.closed(CloseReason::Lost);
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.still_works();
}

#[test]
fn busy_elsewhere_is_forgotten_with_the_session() {
    let mut bench = Bench::ready(settings());
    bench.message("", Body::InCall { msisdn: None });
    assert_eq!(bench.lamp("busy"), Pattern::On);
    bench.closed(CloseReason::Lost);
    assert_eq!(bench.lamp("busy"), Pattern::Off);
}

#[test]
fn faults_of_the_machine_are_shown_until_they_are_mended() {
    let mut bench = Bench::ready(settings());
    for detail in ["unplugged", "still unplugged"] {
        let detail = detail.to_owned();
        bench.system(SystemEvent::FaultRaised { fault: Fault::CaptureDevice, detail });
    }
    assert_eq!(bench.box_.status().faults[0].detail, "still unplugged");
    let raised = bench.kinds.iter().filter(|kind| kind["kind"] == "fault-raised").count();
    assert_eq!(raised, 1);
    assert_eq!(bench.lamp("fault"), Pattern::DoubleFlash);
    bench.call_out();
    bench.press("hangup");
    bench.system(SystemEvent::FaultCleared(Fault::CaptureDevice));
    bench.system(SystemEvent::FaultCleared(Fault::CaptureDevice));
    assert_eq!((bench.lamp("fault"), faults(&bench)), (Pattern::Off, vec![]));
}

#[test]
fn shutting_down_hangs_up_darkens_and_exits_when_the_shells_have_let_go() {
    let mut bench = Bench::ready(settings());
    let (_, id) = bench.talk();
    bench.system(SystemEvent::Shutdown);
    assert_eq!(bench.sent_byes(), [id]);
    assert!(bench.commands.contains(&Command::Session(SessionCommand::Close)));
    assert!(bench.commands.contains(&Command::Audio(AudioCommand::Tone(None))));
    assert!(bench.lamps.values().all(|pattern| *pattern == Pattern::Off), "{:?}", bench.lamps);
    assert!(bench.commands.iter().any(|c| matches!(c, Command::Line(LineCommand::Output { on: false, .. }))));
    assert!(bench.peers.values().all(|open| !open));
    let exits = |bench: &Bench| bench.commands.iter().filter(|c| **c == Command::Exit).count();
    assert_eq!(exits(&bench), 0);
    assert_eq!(bench.ask(Action::Answer), Err(Refusal::ShuttingDown));
    bench.event(Event::Line(LineEvent::Pressed("call".into())));
    bench.close_all();
    assert_eq!(exits(&bench), 0);
    bench.closed(CloseReason::Requested);
    assert_eq!(exits(&bench), 1);
    bench.system(SystemEvent::Shutdown);
    assert_eq!(bench.ask(Action::Answer), Err(Refusal::ShuttingDown));
    bench.event(Event::Control { request: RequestId(99), action: Action::HangUp });
    bench.pass(secs(10));
    assert_eq!((exits(&bench), bench.box_.poll_timeout()), (1, None));
}

#[test]
fn shutting_down_waits_half_a_second_for_silent_shells() {
    let mut bench = Bench::ready(settings());
    bench.system(SystemEvent::Shutdown);
    bench.pass(ms(499));
    assert!(!bench.commands.contains(&Command::Exit));
    bench.pass(ms(1));
    assert!(bench.commands.contains(&Command::Exit));
}

#[test]
fn shutting_down_waits_for_media_too() {
    let mut bench = Bench::ready(settings());
    bench.talk();
    bench.system(SystemEvent::Shutdown);
    bench.closed(CloseReason::Requested);
    assert!(!bench.commands.contains(&Command::Exit));
    bench.close_all();
    assert!(bench.commands.contains(&Command::Exit));
}

#[test]
fn once_shutting_down_nothing_begins_any_more() {
    let mut with_double = settings();
    let call = with_double.buttons.get_mut(&"call".into()).expect("configured");
    call.double_press = call.press.clone();
    let mut bench = Bench::ready(with_double);
    bench.down("call");
    bench.system(SystemEvent::Shutdown);
    bench.take();
    bench.pass(secs(600));
    assert_eq!(bench.commands, [Command::Exit]);
}

#[test]
fn a_network_that_changes_cuts_the_wait_short_but_not_one_that_was_asked_for() {
    let backoff = BackoffSettings { base: secs(1), ..BackoffSettings::default() };
    for seed in 0..30 {
        let mut bench = Bench::seeded(Settings { backoff: backoff.clone(), ..settings() }, seed);
        for _ in 0..8 {
            bench.closed(CloseReason::Unreachable);
            until_connect(&mut bench);
        }
        bench.closed(CloseReason::Unreachable);
        bench.system(SystemEvent::AddressesChanged);
        assert!(until_connect(&mut bench) <= 1.0);
        bench.closed(CloseReason::TokenRefused);
        bench.system(SystemEvent::AddressesChanged);
        assert!(until_connect(&mut bench) >= 60.0);
    }
}

#[test]
fn a_network_that_changes_under_an_attempt_is_not_forgotten_when_that_fails() {
    for seed in 0..30 {
        let mut bench = Bench::seeded(settings(), seed);
        for _ in 0..8 {
            bench.closed(CloseReason::Unreachable);
            until_connect(&mut bench);
        }
        // The attempt began without a route; the link comes up, the attempt fails all the same.
        bench.system(SystemEvent::AddressesChanged);
        bench.closed(CloseReason::Unreachable);
        assert!(until_connect(&mut bench) <= 1.0);
        // Once: the next one has seen the new network. Who asked for a pause gets it.
        bench.system(SystemEvent::AddressesChanged);
        bench.closed(CloseReason::TokenRefused);
        assert!(until_connect(&mut bench) >= 60.0);
    }
    let mut later = 0.0f64;
    for seed in 0..30 {
        let mut bench = Bench::seeded(settings(), seed);
        for _ in 0..8 {
            bench.closed(CloseReason::Unreachable);
            until_connect(&mut bench);
        }
        bench.system(SystemEvent::AddressesChanged);
        for _ in 0..2 {
            bench.closed(CloseReason::Unreachable);
            later = until_connect(&mut bench).max(later);
        }
    }
    assert!(later > 30.0, "one change must not end the back-off: {later} s");
}

#[test]
fn a_new_session_does_not_hide_that_offers_must_wait() {
    let mut bench = Bench::ready(settings());
    bench.message("", Body::Error(callbox::appliance::event::ErrorCode::RateLimitHit));
    bench.closed(CloseReason::Lost);
    until_connect(&mut bench);
    bench.session(SessionEvent::Opened);
    assert_eq!(faults(&bench), [Fault::RateLimited]);
    bench.pass(secs(30));
    assert_eq!(faults(&bench), []);
}
