//! A board without a battery wakes in 1970, when no certificate is valid yet.
//! The box waits for the time and says so, and no jump of the clock disturbs it.

mod appliance_support;

use appliance_support::outage::{faults, until_connect};
use appliance_support::{Bench, secs, settings};
use callbox::appliance::command::Command;
use callbox::appliance::event::{Clock, CloseReason, MediaEvent, SessionEvent, SystemEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::{SessionSettings, Settings};
use callbox::appliance::status::SessionStatus;

fn with_tls() -> Settings {
    let session = SessionSettings { needs_time: true, ..SessionSettings::default() };
    Settings { session, ..settings() }
}

fn clock(bench: &mut Bench, unix: u64, known: bool) {
    bench.system(SystemEvent::Clock(Clock { unix: secs(unix), known }));
}

const TODAY: u64 = 1_800_000_000;

#[test]
fn a_clock_in_1970_is_waited_for_and_said_and_the_session_begins_when_it_is_set() {
    let mut bench = Bench::new(with_tls());
    assert!(bench.connects().is_empty(), "before the clock has spoken");
    clock(&mut bench, 3, false);
    bench.prepare_all();
    assert_eq!((bench.session_status(), faults(&bench)), (SessionStatus::Offline, vec![Fault::ClockNotSet]));
    let detail = bench.box_.status().session_detail;
    assert!(detail.starts_with("waiting for the time"), "{detail}");
    assert_eq!((bench.lamp("status"), bench.lamp("fault")), (Pattern::DoubleFlash, Pattern::DoubleFlash));
    bench.pass(secs(300));
    // Neither a link nor a clock that moves about in 1970 is the time.
    bench.system(SystemEvent::AddressesChanged);
    bench.prepare_all();
    clock(&mut bench, 100, false);
    bench.pass(secs(299));
    assert!(bench.connects().is_empty());
    clock(&mut bench, TODAY, true);
    assert!(until_connect(&mut bench) <= 1.0);
    bench.session(SessionEvent::Sent);
    bench.session(SessionEvent::Opened);
    assert_eq!((bench.session_status(), faults(&bench)), (SessionStatus::Registered, vec![]));
    bench.still_works();
}

#[test]
fn with_the_time_known_at_the_start_or_without_tls_nothing_is_waited_for() {
    let mut bench = Bench::new(with_tls());
    clock(&mut bench, TODAY, true);
    assert_eq!(bench.connects(), [false]);
    let mut bench = Bench::new(settings());
    clock(&mut bench, 3, false);
    assert_eq!(bench.connects(), [false]);
    assert_eq!(faults(&bench), [Fault::ClockNotSet]);
    bench.closed(CloseReason::Unreachable);
    assert!(until_connect(&mut bench) <= 1.0);
}

#[test]
fn a_time_that_never_comes_does_not_keep_a_box_away_for_good() {
    let mut bench = Bench::new(with_tls());
    clock(&mut bench, 3, false);
    for _ in 0..4 {
        let wait = until_connect(&mut bench);
        assert!((600.0..=660.0).contains(&wait), "{wait} s");
        bench.closed(CloseReason::CertificateRefused);
        assert_eq!(faults(&bench), [Fault::CertificateRefused, Fault::ClockNotSet]);
        assert_eq!(bench.box_.status().session_detail, "waiting for the time: CertificateRefused");
    }
    // Even where nothing ever tells what the clock says.
    let mut bench = Bench::new(with_tls());
    assert!(until_connect(&mut bench) <= 600.0);
}

#[test]
fn a_clock_that_is_set_cuts_the_wait_for_a_good_certificate_short() {
    for seed in 0..20 {
        let mut bench = Bench::seeded(with_tls(), seed);
        clock(&mut bench, TODAY, true);
        for _ in 0..8 {
            bench.closed(CloseReason::CertificateRefused);
            until_connect(&mut bench);
        }
        bench.closed(CloseReason::CertificateRefused);
        clock(&mut bench, TODAY + 86_400, true);
        assert!(until_connect(&mut bench) <= 1.0);
        // Who asked to be left in peace is.
        bench.closed(CloseReason::TokenRefused);
        clock(&mut bench, TODAY, true);
        assert!(until_connect(&mut bench) >= 60.0);
    }
}

#[test]
fn a_clock_that_jumps_moves_no_timer_and_touches_neither_session_nor_call() {
    let mut bench = Bench::new(with_tls());
    clock(&mut bench, TODAY, true);
    bench.session(SessionEvent::Sent);
    bench.session(SessionEvent::Opened);
    bench.prepare_all();
    let (peer, _) = bench.talk();
    bench.closed(CloseReason::Lost);
    until_connect(&mut bench);
    bench.session(SessionEvent::Opened);
    bench.media(peer, MediaEvent::Interrupted);
    bench.take();
    for unix in [0, u64::MAX, TODAY, TODAY * 2, TODAY - 3600] {
        let before = (bench.box_.poll_timeout(), bench.session_status(), bench.call());
        clock(&mut bench, unix, unix >= TODAY - 3600);
        let after = (bench.box_.poll_timeout(), bench.session_status(), bench.call());
        assert_eq!(before, after, "at {unix}");
    }
    let others: Vec<Command> =
        bench.take().into_iter().filter(|command| !matches!(command, Command::Line(_))).collect();
    assert_eq!((others, bench.session_status()), (vec![], SessionStatus::Registered));
}

#[test]
fn a_clock_that_is_wrong_again_and_again_does_not_put_off_the_next_try() {
    let mut bench = Bench::new(with_tls());
    clock(&mut bench, 3, false);
    bench.pass(secs(500));
    clock(&mut bench, 503, false);
    let waited = until_connect(&mut bench);
    assert!(waited <= 101.0, "{waited} s");
}
