//! A press while the session is down. Nobody at the box knows of sessions: the
//! press is felt at once, the next attempt is made now and not in a minute, and
//! if it comes about while the person still stands there, so does the call. If
//! not, the person is told, and nothing calls anybody later.

mod appliance_support;

use appliance_support::outage::{cut, pipe, until_connect};
use appliance_support::{Bench, FAMILY, call_to, ms, number, secs, settings};
use callbox::appliance::command::Refusal;
use callbox::appliance::event::{Body, CloseReason, SessionEvent};
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::{BackoffSettings, Mode, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

/// The wait before the next attempt is long and never zero.
fn slow() -> Settings {
    let backoff = BackoffSettings { base: secs(60), ..BackoffSettings::default() };
    Settings { backoff, ..settings() }
}

/// Registered once, and down; the next attempt is some time away.
fn down() -> Bench {
    let mut bench = Bench::ready(slow());
    bench.closed(CloseReason::Unreachable);
    assert!(bench.box_.poll_timeout().is_some());
    bench.pass(ms(1));
    bench.take();
    assert!(!bench.stream, "the first attempt came too soon for this test");
    bench
}

fn offers(bench: &Bench) -> usize {
    bench.sent().iter().filter(|message| matches!(message.body, Body::Offer { .. })).count()
}

fn count(bench: &Bench, counter: &str) -> u64 {
    bench.box_.status().counters.get(counter).copied().unwrap_or_default()
}

#[test]
fn a_press_in_a_long_wait_connects_at_once_and_calls_when_the_session_is_back() {
    let mut bench = down();
    bench.down("call");
    bench.pass(ms(0));
    assert_eq!(bench.connects(), [false], "the next attempt is made now");
    assert_eq!(bench.tone, Some(Tone::Press), "the person hears that the press is felt");
    assert_eq!(bench.lamp("calling"), Pattern::On, "and sees it");
    assert_eq!((offers(&bench), count(&bench, "press-refused")), (0, 0));
    bench.pass(secs(2));
    bench.session(SessionEvent::Opened);
    assert_eq!((offers(&bench), bench.call()), (1, CallStatus::Outgoing));
    assert_eq!(bench.box_.status().peer, Some(number(FAMILY)));
    assert_eq!(count(&bench, "press-kept"), 1);
}

#[test]
fn an_attempt_that_fails_tells_the_person_and_nothing_calls_later() {
    let mut bench = down();
    bench.press("call");
    bench.closed(CloseReason::Unreachable);
    assert_eq!((bench.tone, bench.lamp("calling")), (Some(Tone::Error), Pattern::DoubleFlash));
    assert_eq!(count(&bench, "press-refused"), 1);
    bench.take();
    until_connect(&mut bench);
    bench.session(SessionEvent::Opened);
    assert_eq!((offers(&bench), bench.call()), (0, CallStatus::Idle));
}

#[test]
fn an_attempt_that_hangs_is_waited_for_for_four_seconds() {
    let mut bench = down();
    bench.press("call");
    // 150 ms of it went by while the finger was there.
    bench.pass(ms(3_840));
    assert_eq!(count(&bench, "press-refused"), 0);
    bench.pass(ms(10));
    assert_eq!((bench.tone, count(&bench, "press-refused")), (Some(Tone::Error), 1));
    bench.session(SessionEvent::Opened);
    assert_eq!((offers(&bench), bench.call()), (0, CallStatus::Idle));
}

#[test]
fn an_attempt_that_was_under_way_may_fail_once() {
    let mut bench = Bench::new(slow());
    bench.prepare_all();
    bench.take();
    bench.press("call");
    assert!(bench.connects().is_empty(), "one is under way since the box was switched on");
    bench.closed(CloseReason::Unreachable);
    bench.pass(ms(0));
    assert_eq!((bench.connects().len(), count(&bench, "press-refused")), (1, 0));
    bench.session(SessionEvent::Opened);
    assert_eq!(bench.call(), CallStatus::Outgoing);
}

#[test]
fn with_multi_pipe_silence_that_registers_makes_the_call_too() {
    let mut bench = Bench::new(Settings { mode: Mode::MultiPipe, ..slow() });
    bench.prepare_all();
    bench.press("call");
    bench.session(SessionEvent::Sent);
    bench.pass(secs(1));
    assert_eq!(bench.call(), CallStatus::Outgoing);
}

#[test]
fn however_often_somebody_presses_attempts_are_not_made_more_often_than_every_three_seconds() {
    let mut bench = down();
    let mut connects = 0;
    for _ in 0..30 {
        bench.press("call");
        connects += bench.connects().len();
        bench.take();
        if bench.stream {
            bench.closed(CloseReason::Unreachable);
        }
        bench.pass(ms(200));
        bench.take();
    }
    // Each push and its release take a little time, too.
    assert!((2..=5).contains(&connects), "{connects} attempts");
}

#[test]
fn a_core_that_asked_for_a_rest_has_it() {
    let mut bench = Bench::ready(slow());
    bench.closed(CloseReason::RateLimited);
    bench.take();
    bench.press("call");
    assert!(bench.connects().is_empty());
    assert_eq!((bench.tone, count(&bench, "press-refused")), (Some(Tone::Error), 1));
}

#[test]
fn two_presses_are_one_call_and_the_later_one_counts() {
    let mut bench = down();
    bench.press("hunt");
    bench.pass(secs(1));
    bench.press("call");
    bench.session(SessionEvent::Opened);
    assert_eq!(offers(&bench), 1);
    assert_eq!(bench.box_.status().calls.len(), 1);
}

#[test]
fn who_hangs_up_meanwhile_wants_no_call_any_more() {
    let mut bench = down();
    bench.press("call");
    bench.pass(ms(500));
    bench.press("hangup");
    bench.session(SessionEvent::Opened);
    assert_eq!((offers(&bench), bench.call()), (0, CallStatus::Idle));
}

#[test]
fn programs_are_told_at_once_and_nothing_is_kept_for_them() {
    let mut bench = down();
    assert_eq!(bench.ask(call_to(&["family"])), Err(Refusal::Offline));
    assert!(bench.connects().is_empty());
}

#[test]
fn a_stream_that_has_just_broken_loses_no_press() {
    let mut bench = pipe();
    cut(&mut bench);
    bench.press("call");
    bench.session(SessionEvent::Opened);
    assert_eq!(bench.call(), CallStatus::Outgoing);
}
