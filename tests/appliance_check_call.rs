//! Calls that the box makes by itself to show that it still can. A lift's
//! telephone that broke in spring must not be found broken in autumn by
//! somebody stuck; and the check must never be in the way of a person.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod appliance_support;

use std::time::Duration;

use appliance_support::{ANSWER, Bench, FAMILY, NEIGHBOUR, number, settings};
use callbox::appliance::action::Action;
use callbox::appliance::check_call::{CheckCallSettings, CheckCallStatus, CheckResult};
use callbox::appliance::command::{MediaCommand, Refusal, Role};
use callbox::appliance::event::{Body, CloseReason, ErrorCode, MediaErrorKind, MediaEvent, SessionEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::id::PeerId;
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::{CallSettings, Mode, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;
use callbox::appliance::wall_clock::Zone;
use callbox::config::{BoardLoader, Config};

const DAY: Duration = secs(86_400);
const HOUR: Duration = secs(3600);

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn daily() -> CheckCallSettings {
    CheckCallSettings { to: number(NEIGHBOUR), every: DAY, at: None, overdue_after: 2 }
}

fn with(check: CheckCallSettings, mode: Mode, seed: u64) -> Bench {
    let call = CallSettings { check: Some(check), ..CallSettings::default() };
    Bench::ready_seeded(Settings { mode, call, ..settings() }, seed)
}

fn boxed() -> Bench {
    with(daily(), Mode::Pipe, 1)
}

/// Waits for the next check call, in steps of a second; how long that took.
#[track_caller]
fn next_check(bench: &mut Bench, within: Duration) -> (Duration, PeerId, String) {
    bench.take();
    let began = bench.now;
    while bench.now - began <= within {
        bench.pass(secs(1));
        bench.prepare_all();
        if let Some((id, to, sdp)) = bench.sent_offer() {
            assert_eq!(to, Some(number(NEIGHBOUR)));
            let peer = bench.peer_of(&sdp);
            return (bench.now - began, peer, id.0);
        }
    }
    panic!("no check call within {within:?}");
}

/// Answered, media up, audio: all that a good one needs.
fn good(bench: &mut Bench, peer: PeerId, id: &str) {
    bench.message(id, Body::Ringing);
    bench.message(id, Body::Answer { sdp: ANSWER.to_owned() });
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    bench.media(peer, MediaEvent::FirstAudio);
}

fn status(bench: &Bench) -> CheckCallStatus {
    bench.box_.status().at(bench.now).check_call.unwrap()
}

fn result(bench: &Bench) -> Option<CheckResult> {
    status(bench).last_result
}

fn overdue(bench: &Bench) -> bool {
    bench.box_.status().faults.iter().any(|fault| fault.fault == Fault::CheckCallOverdue)
}

#[test]
fn a_good_one_is_answered_heard_and_hung_up_without_a_sound_or_the_microphone() {
    let mut bench = boxed();
    assert_eq!(status(&bench).last_good_s, None);
    let (waited, peer, id) = next_check(&mut bench, HOUR);
    assert!(waited <= HOUR);
    bench.message(&id, Body::Ringing);
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    assert_eq!(bench.connected, [(peer, Role::Listen)], "the microphone stays closed");
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    assert_eq!((bench.call(), bench.sent_byes()), (CallStatus::InCall, vec![]));
    bench.media(peer, MediaEvent::FirstAudio);
    assert_eq!((bench.call(), bench.sent_byes()), (CallStatus::Releasing, vec![id]));
    assert_eq!((bench.tones(), bench.tone), (vec![], None));
    bench.close_all();
    assert_eq!(result(&bench), Some(CheckResult::Good));
    bench.pass(secs(100));
    assert_eq!(status(&bench).last_good_s, Some(100), "the age grows while nothing happens");
    let json = serde_json::to_value(bench.box_.status().at(bench.now)).unwrap();
    assert_eq!(json["check_call"], serde_json::json!({ "last_good_s": 100, "last_result": "good" }));
    bench.still_works();
}

#[test]
fn audio_may_come_before_the_answer() {
    let mut bench = boxed();
    let (_, peer, id) = next_check(&mut bench, HOUR);
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    bench.media(peer, MediaEvent::FirstAudio);
    assert_eq!(bench.call(), CallStatus::Outgoing, "an announcement is no answer");
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    assert_eq!((result(&bench), bench.sent_byes()), (Some(CheckResult::Good), vec![id]));
}

#[test]
fn they_go_on_at_the_interval_and_never_later() {
    let mut bench = boxed();
    let (_, peer, id) = next_check(&mut bench, HOUR);
    good(&mut bench, peer, &id);
    bench.close_all();
    for _ in 0..5 {
        let (waited, peer, id) = next_check(&mut bench, DAY);
        assert!(waited >= DAY - HOUR - secs(1), "after {waited:?}");
        good(&mut bench, peer, &id);
        bench.close_all();
    }
    assert_eq!((bench.counter("check-calls-good"), overdue(&bench)), (6, false));
}

#[test]
fn they_are_spread_over_the_last_tenth_of_the_interval() {
    for seed in 0..8 {
        let mut bench = with(CheckCallSettings { every: HOUR, ..daily() }, Mode::Pipe, seed);
        let (_, peer, id) = next_check(&mut bench, HOUR);
        good(&mut bench, peer, &id);
        bench.close_all();
        let (waited, ..) = next_check(&mut bench, HOUR + secs(1));
        assert!(waited >= secs(54 * 60), "{waited:?}");
    }
}

#[test]
fn a_fleet_that_starts_at_once_does_not_call_at_once() {
    let first: Vec<u64> = (0..200)
        .map(|seed| {
            let (waited, ..) = next_check(&mut with(daily(), Mode::Pipe, seed), HOUR + secs(1));
            waited.as_secs()
        })
        .collect();
    for tenth in 0..10 {
        let count = first.iter().filter(|wait| **wait / 360 == tenth).count();
        assert!((5..=40).contains(&count), "{count} of 200 in the tenth {tenth} of the hour: {first:?}");
    }
}

/// One check call that fails in this way, and what is said of it.
fn fails(with: impl Fn(&mut Bench, PeerId, &str)) -> (Bench, Option<CheckResult>) {
    let mut bench = boxed();
    let (_, peer, id) = next_check(&mut bench, HOUR);
    with(&mut bench, peer, &id);
    bench.close_all();
    assert_eq!((bench.tones(), bench.lamp("fault")), (vec![], Pattern::Off), "nobody need hear or see it");
    assert_eq!(status(&bench).last_good_s, None);
    let result = result(&bench);
    (bench, result)
}

#[test]
fn every_way_to_fail_has_its_word_and_is_tried_again_within_minutes() {
    let answered = |bench: &mut Bench, peer, id: &str| {
        bench.message(id, Body::Answer { sdp: ANSWER.to_owned() });
        bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    };
    type Way<'a> = (CheckResult, &'a dyn Fn(&mut Bench, PeerId, &str));
    let ways: [Way; 8] = [
        (CheckResult::Rejected, &|bench, _, id| bench.message(id, Body::Bye)),
        (CheckResult::NoAnswer, &|bench, _, _| bench.pass(secs(45))),
        (CheckResult::NoMedia, &|bench, _, id| {
            bench.message(id, Body::Answer { sdp: ANSWER.to_owned() });
            bench.pass(secs(10));
        }),
        (CheckResult::NoMedia, &|bench, peer, _| bench.media_failed(peer, MediaErrorKind::IceFailed)),
        (CheckResult::NoAudio, &|bench, peer, id| {
            answered(bench, peer, id);
            bench.pass(secs(10));
        }),
        (CheckResult::Rejected, &|bench, peer, id| {
            answered(bench, peer, id);
            bench.message(id, Body::Bye);
        }),
        (CheckResult::Failed, &|bench, _, id| bench.message(id, Body::Error(ErrorCode::InvalidCallId))),
        (CheckResult::Interrupted, &|bench, _, _| {
            assert_eq!(bench.ask(Action::HangUp), Err(Refusal::NoCall))
        }),
    ];
    for (expected, way) in ways {
        let (mut bench, result) = fails(way);
        assert_eq!(result, Some(expected));
        let (waited, peer, id) = next_check(&mut bench, secs(301));
        assert!(waited >= secs(149), "{expected:?} again after only {waited:?}");
        good(&mut bench, peer, &id);
        assert_eq!(status(&bench).last_result, Some(CheckResult::Good));
        bench.still_works();
    }
}

#[test]
fn failures_in_a_row_wait_ever_longer_and_then_there_is_a_fault_until_one_is_good() {
    let mut bench = boxed();
    let began = bench.now;
    let mut waits = Vec::new();
    while bench.now - began < DAY * 2 - HOUR * 20 {
        let (waited, _, id) = next_check(&mut bench, DAY);
        waits.push(waited);
        bench.message(&id, Body::Bye);
        bench.close_all();
        assert!(!overdue(&bench));
    }
    for (i, wait) in waits.iter().enumerate().skip(1) {
        let most = secs(300 * 2_u64.pow(u32::try_from(i).unwrap() - 1)).min(DAY);
        assert!((most / 2..=most + secs(1)).contains(wait), "{i}: {waits:?}");
    }
    assert!(waits.len() >= 7, "{waits:?}");
    bench.pass(began + DAY * 2 - bench.now);
    assert!(overdue(&bench));
    let faults = bench.box_.status().faults;
    assert!(faults.iter().any(|fault| fault.detail.contains("for 48.0 h")), "{faults:?}");
    assert_eq!(bench.lamp("fault"), Pattern::DoubleFlash);
    let (_, peer, id) = next_check(&mut bench, DAY + HOUR);
    good(&mut bench, peer, &id);
    bench.close_all();
    assert!(!overdue(&bench));
    bench.still_works();
}

#[test]
fn a_press_wins_at_once_and_the_visitor_never_notices() {
    for mode in [Mode::Pipe, Mode::MultiPipe] {
        for answered in [false, true] {
            let mut bench = with(daily(), mode, 3);
            let (_, peer, id) = next_check(&mut bench, HOUR);
            if answered {
                bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
                bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
            }
            bench.take();
            bench.down("call");
            let sent = bench.sent();
            assert_eq!((sent[0].call_id.as_str(), &sent[0].body), (id.as_str(), &Body::Bye));
            let Body::Offer { msisdn, .. } = &sent[1].body else { panic!("{sent:?}") };
            assert_eq!(*msisdn, Some(number(FAMILY)));
            assert_eq!((bench.tone, bench.call()), (Some(Tone::Progress), CallStatus::Outgoing));
            assert_eq!(result(&bench), Some(CheckResult::Interrupted));
            assert!(!bench.tones().contains(&Some(Tone::Busy)));
            bench.up("call");
            bench.close_all();
            let (own, own_id) = (bench.box_.status().call_id.unwrap().0, bench.counter("press-ignored"));
            // The core's word of the check call crosses our Bye.
            bench.message(&id, Body::Bye);
            assert_eq!((bench.box_.status().call_id.unwrap().0, own_id), (own, 0));
            bench.still_works();
        }
    }
}

#[test]
fn hanging_up_is_no_action_on_a_call_that_nobody_made() {
    let mut bench = boxed();
    let (_, peer, id) = next_check(&mut bench, HOUR);
    good(&mut bench, peer, &id);
    bench.close_all();
    let (_, _, id) = next_check(&mut bench, DAY);
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    assert_eq!(bench.ask(Action::ToPhone), Err(Refusal::NoCall));
    assert_eq!((bench.sent_byes(), result(&bench)), (vec![id], Some(CheckResult::Interrupted)));
}

#[test]
fn a_call_for_the_box_goes_first() {
    let mut bench = with(daily(), Mode::MultiPipe, 5);
    let (_, _, id) = next_check(&mut bench, HOUR);
    bench.take();
    bench.ring("in-1");
    assert_eq!((result(&bench), bench.tone), (Some(CheckResult::Interrupted), Some(Tone::Ring)));
    bench.still_works();
    let mut bench = with(daily(), Mode::MultiPipe, 5);
    let (_, peer, id) = {
        let (waited, peer, again) = next_check(&mut bench, HOUR);
        assert_eq!(again, id, "the same seed");
        (waited, peer, again)
    };
    bench.take();
    bench.offer(&id, Some(NEIGHBOUR));
    assert_eq!(bench.call(), CallStatus::Outgoing, "an Offer in the check call is none for the box");
    bench.media(peer, MediaEvent::Closed);
    bench.still_works();
}

#[test]
fn it_waits_while_somebody_talks_and_that_is_no_failure() {
    let mut bench = boxed();
    bench.talk();
    bench.pass(HOUR * 3);
    assert_eq!((bench.sent_offer(), result(&bench)), (None, None));
    bench.press("hangup");
    bench.close_all();
    let (waited, ..) = next_check(&mut bench, secs(61));
    assert!(waited <= secs(61));
}

#[test]
fn without_a_session_it_fails_and_is_tried_again_when_there_is_one() {
    let mut bench = boxed();
    bench.closed(CloseReason::Unreachable);
    let began = bench.now;
    while bench.now - began < HOUR + secs(1) {
        bench.pass(secs(10));
        if !bench.connects().is_empty() {
            bench.take();
            bench.closed(CloseReason::Unreachable);
        }
    }
    assert_eq!(result(&bench), Some(CheckResult::Offline));
    for _ in 0..60 {
        bench.pass(secs(10));
        if !bench.connects().is_empty() {
            bench.take();
            bench.session(SessionEvent::Opened);
        }
    }
    bench.prepare_all();
    let (_, peer, id) = next_check(&mut bench, HOUR * 2);
    bench.closed(CloseReason::Lost);
    assert_eq!(result(&bench), Some(CheckResult::Offline));
    bench.media(peer, MediaEvent::Closed);
    assert_ne!(id, "");
    bench.still_works();
}

fn nightly(every: Duration) -> CheckCallSettings {
    let zone = Zone::new(jiff::tz::TimeZone::get("Europe/Oslo").unwrap());
    CheckCallSettings { every, at: Some((zone, HOUR * 3)), ..daily() }
}

/// The hour by the wall in Oslo, in winter.
fn local_hour(clock_was: &str, since: Duration) -> u64 {
    let at: jiff::Timestamp = clock_was.parse().unwrap();
    (u64::try_from(at.as_second()).unwrap() + since.as_secs() + 3600) / 3600 % 24
}

#[test]
fn a_time_of_day_is_kept_once_the_time_is_known() {
    const START: &str = "2026-01-05T12:00:00Z";
    for (every, days) in [(DAY, 1), (DAY * 3, 2)] {
        let mut bench = with(nightly(every), Mode::Pipe, 9);
        let start = bench.now;
        bench.clock(START);
        let (waited, peer, id) = next_check(&mut bench, DAY);
        assert_eq!(local_hour(START, bench.now - start), 3, "first after {waited:?}");
        good(&mut bench, peer, &id);
        bench.close_all();
        for _ in 0..4 {
            let (waited, peer, id) = next_check(&mut bench, every + HOUR);
            assert_eq!(local_hour(START, bench.now - start), 3);
            assert!(waited >= DAY * days - HOUR, "{waited:?}");
            good(&mut bench, peer, &id);
            bench.close_all();
        }
        assert!(!overdue(&bench));
    }
}

#[test]
fn with_an_unknown_clock_it_is_made_all_the_same() {
    let mut bench = with(nightly(DAY), Mode::Pipe, 9);
    let (_, peer, id) = next_check(&mut bench, HOUR);
    good(&mut bench, peer, &id);
    bench.close_all();
    next_check(&mut bench, DAY);
}

#[test]
fn a_clock_that_is_set_again_and_again_does_not_put_it_off_for_ever() {
    let mut bench = with(nightly(DAY), Mode::Pipe, 9);
    let start: jiff::Timestamp = "2026-01-05T12:00:00Z".parse().unwrap();
    let began = bench.now;
    for minute in 0..60 * 24 {
        let at = start + jiff::Span::new().minutes(minute);
        bench.clock(&at.to_string());
        bench.pass(secs(60));
        bench.prepare_all();
        if bench.sent_offer().is_some() {
            break;
        }
    }
    assert!(bench.sent_offer().is_some(), "none in {:?}", bench.now - began);
}

#[test]
fn a_clock_that_goes_back_by_a_year_does_not_put_it_off_by_a_year() {
    let mut bench = with(nightly(DAY), Mode::Pipe, 9);
    bench.clock("2026-01-05T12:00:00Z");
    bench.clock("2025-01-05T12:00:00Z");
    next_check(&mut bench, DAY);
}

#[test]
fn a_clock_that_is_set_does_not_put_off_the_next_try_of_one_that_failed() {
    let mut bench = with(nightly(DAY), Mode::Pipe, 9);
    bench.clock("2026-01-05T12:00:00Z");
    let (_, _, id) = next_check(&mut bench, DAY);
    bench.message(&id, Body::Bye);
    bench.close_all();
    bench.clock("2026-01-06T04:00:00Z");
    next_check(&mut bench, HOUR);
}

#[test]
fn on_pipe_an_offer_is_of_the_check_call_as_soon_as_the_core_knows_of_that() {
    let mut bench = boxed();
    let (_, peer, id) = next_check(&mut bench, HOUR);
    bench.take();
    bench.offer(&id, None);
    assert_eq!((bench.call(), bench.sent_byes()), (CallStatus::Outgoing, vec![]));
    assert_eq!(bench.peer_told(|c| matches!(c, MediaCommand::Renegotiate { .. })), Some(peer));
    bench.still_works();
}

#[test]
fn a_box_without_the_setting_makes_none() {
    let mut bench = Bench::ready(settings());
    bench.clock("2026-01-05T12:00:00Z");
    bench.take();
    for _ in 0..72 {
        bench.pass(HOUR);
        bench.prepare_all();
    }
    assert_eq!((bench.sent_offer(), bench.box_.status().check_call), (None, None));
    bench.still_works();
}

fn config(terminal: &str, check: &str) -> Result<CallSettings, Vec<String>> {
    let text = format!(
        "[terminal]\n{terminal}\n[auth]\nmethod = \"none\"\n[board]\nfile = \"desktop-mock\"\n[contacts]\nhome = \"{FAMILY}\"\n[check-call]\n{check}\n"
    );
    Config::parse(&text, "f", &BoardLoader::new(Vec::new()))
        .map(|config| config.appliance.call)
        .map_err(|found| found.iter().map(ToString::to_string).collect())
}

#[test]
fn the_section_is_read() {
    let check = config("", "to = \"home\"").unwrap().check.unwrap();
    assert_eq!((check.to, check.every, check.overdue_after), (number(FAMILY), DAY, 2));
    assert!(check.at.is_none());
    let zone = "time-zone = \"Europe/Oslo\"";
    let text = format!("to = \"{NEIGHBOUR}\"\nevery = \"72h\"\nat = \"03:30\"\noverdue-after = 3");
    let check = config(zone, &text).unwrap().check.unwrap();
    assert_eq!((check.to, check.every, check.overdue_after), (number(NEIGHBOUR), DAY * 3, 3));
    assert_eq!(check.at.map(|(_, time)| time), Some(HOUR * 3 + secs(1800)));
}

#[test]
fn mistakes_in_the_section_name_the_place_and_the_cure() {
    let zone = "time-zone = \"Europe/Oslo\"";
    for (terminal, text, said) in [
        ("", "", "f:9:1: [check-call] has no to; add to = \"NAME\""),
        ("", "to = \"hone\"", "f:10:6: \"hone\" is not in [contacts]; did you mean \"home\"?"),
        (
            "",
            "to = \"home\"\nevery = \"1s\"",
            "f:11:9: every = \"1s\" is out of range; write a duration from \"1min\" to \"744h\"",
        ),
        (
            "",
            "to = \"home\"\nat = \"03:00\"",
            "f:11:1: a time of day needs the box's time zone; add time-zone",
        ),
        (zone, "to = \"home\"\nat = \"3\"", "f:11:6: \"3\" is not a time of day; write hours and minutes"),
        (
            zone,
            "to = \"home\"\nat = \"03:00\"\nevery = \"2h\"",
            "f:11:1: a time of day comes once a day, and every is shorter; write every = \"24h\"",
        ),
        (
            "",
            "to = \"home\"\noverdue-after = 0",
            "f:11:17: overdue-after = 0 is out of range; write a number from 1 to 100",
        ),
        ("", "to = \"home\"\nfrom = \"home\"", "f:11:1: unknown key \"from\" in [check-call]"),
    ] {
        let found = config(terminal, text).unwrap_err();
        assert!(found.len() == 1 && found[0].starts_with(said), "{text}: {found:#?}");
    }
}
