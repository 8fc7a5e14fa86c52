//! Self-tests of the sound. A loudspeaker whose wire came off must be found
//! before a visitor stands in front of it; and a test must never be heard in a
//! call, nor call a technician for a lorry that passed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod appliance_support;

use std::time::Duration;

use appliance_support::{Bench, ms, secs, settings};
use callbox::appliance::action::Action;
use callbox::appliance::command::{AudioCommand, Command, Refusal};
use callbox::appliance::do_not_disturb::Window;
use callbox::appliance::event::SystemEvent;
use callbox::appliance::fault::Fault;
use callbox::appliance::self_test::{Measured, SelfTestReport, SelfTestResult, SelfTestSettings};
use callbox::appliance::settings::Settings;
use callbox::appliance::wall_clock::{Weekday, Zone};
use jiff::tz::TimeZone;

const HEARD: SelfTestReport =
    SelfTestReport::Heard(Measured { delay: Duration::from_millis(63), level_db: -48, noise_db: -71 });
const NOTHING: [i32; 0] = [];
const UNHEARD: SelfTestReport = SelfTestReport::Unheard { noise_db: -70 };

fn with(self_test: SelfTestSettings) -> Settings {
    let mut settings = settings();
    settings.call.sound.self_test = self_test;
    settings
}

fn daily() -> Bench {
    Bench::ready(with(SelfTestSettings { every: Some(secs(86_400)), window: None }))
}

/// What the audio shell is told of self-tests: attempts, and -1 for breaking off.
fn told(bench: &mut Bench) -> Vec<i32> {
    let told = |command| match command {
        Command::Audio(AudioCommand::SelfTest { attempt }) => Some(i32::from(attempt)),
        Command::Audio(AudioCommand::StopSelfTest) => Some(-1),
        _ => None,
    };
    bench.take().into_iter().filter_map(told).collect()
}

/// Waits until a test begins; how long that took.
#[track_caller]
fn next_test(bench: &mut Bench, within: Duration) -> Duration {
    let began = bench.now;
    while told(bench) != [0] {
        assert!(bench.now - began < within, "no test within {within:?}");
        bench.pass(secs(1));
        bench.prepare_all();
    }
    bench.now - began
}

fn answer(bench: &mut Bench, report: SelfTestReport) {
    bench.system(SystemEvent::SelfTest(report));
}

fn faults(bench: &Bench) -> Vec<Fault> {
    bench.box_.status().faults.into_iter().map(|status| status.fault).collect()
}

#[test]
fn it_is_made_on_schedule_and_what_it_measured_is_told() {
    let mut bench = daily();
    let wait = next_test(&mut bench, secs(86_401));
    assert!(wait > secs(86_400 - 601), "after {wait:?}");
    assert!(bench.box_.status().self_test.running);
    answer(&mut bench, HEARD);
    let now = bench.now + secs(90);
    let status = bench.box_.status().at(now).self_test;
    assert_eq!((status.running, status.result), (false, Some(SelfTestResult::Passed)));
    assert_eq!((status.delay_ms, status.level_db, status.noise_db), (Some(63), Some(-48), Some(-71)));
    assert_eq!(status.age_s, Some(90));
    assert!(
        bench.logs.iter().any(|line| line.contains("delay 63 ms, -48 dB over -71 dB")),
        "{:?}",
        bench.logs
    );
    next_test(&mut bench, secs(86_401));
}

#[test]
fn without_a_schedule_it_is_made_only_when_asked() {
    let mut bench = Bench::ready(settings());
    bench.pass(secs(40 * 86_400));
    assert_eq!(told(&mut bench), NOTHING);
    assert_eq!(bench.ask(Action::SelfTest), Ok(()));
    assert_eq!(bench.ask(Action::SelfTest), Ok(()), "who asks again waits for the same");
    assert_eq!(told(&mut bench), [0]);
    answer(&mut bench, HEARD);
    bench.pass(secs(40 * 86_400));
    assert_eq!(told(&mut bench), NOTHING);
}

#[test]
fn only_the_third_failure_is_a_fault_and_a_pass_ends_it() {
    let mut bench = Bench::ready(settings());
    bench.ask(Action::SelfTest).unwrap();
    for attempt in 0..3 {
        assert_eq!(told(&mut bench), [attempt]);
        assert_eq!(faults(&bench), []);
        answer(&mut bench, UNHEARD);
        bench.pass(ms(1100));
    }
    assert_eq!(faults(&bench), [Fault::LoudspeakerDead]);
    assert_eq!(bench.box_.status().self_test.result, Some(SelfTestResult::Failed));
    bench.pass(secs(60));
    assert_eq!(told(&mut bench), NOTHING, "no fourth");
    bench.ask(Action::SelfTest).unwrap();
    answer(&mut bench, UNHEARD);
    bench.pass(ms(1100));
    answer(&mut bench, HEARD);
    assert_eq!(faults(&bench), [], "heard at the second attempt");
}

#[test]
fn never_in_a_call() {
    let every = Some(secs(300));
    let mut bench = Bench::ready(with(SelfTestSettings { every, window: None }));
    bench.talk();
    assert_eq!(bench.ask(Action::SelfTest), Err(Refusal::Busy));
    bench.pass(secs(301));
    assert_eq!(told(&mut bench), NOTHING);
    bench.press("hangup");
    bench.close_all();
    next_test(&mut bench, secs(61));
}

#[test]
fn a_press_and_a_caller_break_it_off_in_the_same_turn() {
    for step in ["sweeping", "pausing"] {
        for press in [true, false] {
            let mut bench = daily();
            bench.ask(Action::SelfTest).unwrap();
            if step == "pausing" {
                answer(&mut bench, UNHEARD);
            }
            bench.take();
            if press {
                bench.down("call");
            } else {
                bench.offer("in-1", Some(appliance_support::FAMILY));
            }
            let stopped = told(&mut bench);
            assert_eq!(stopped, if step == "sweeping" { vec![-1] } else { vec![] }, "{step}");
            assert_eq!(bench.box_.status().self_test.result, Some(SelfTestResult::Interrupted));
            answer(&mut bench, UNHEARD);
            assert_eq!(faults(&bench), [], "an answer that crossed counts for nothing");
            assert_eq!(bench.counter("self-test-answer-late"), 1);
        }
    }
}

#[test]
fn an_audio_shell_that_does_not_answer_blocks_no_later_test() {
    let mut bench = Bench::ready(settings());
    bench.ask(Action::SelfTest).unwrap();
    bench.pass(secs(7));
    assert_eq!(told(&mut bench), [0, -1]);
    assert_eq!(bench.box_.status().self_test.result, Some(SelfTestResult::NoDevice));
    assert_eq!(faults(&bench), []);
    bench.ask(Action::SelfTest).unwrap();
    assert_eq!(told(&mut bench), [0]);
}

#[test]
fn it_waits_for_its_window_where_the_time_is_known() {
    let hours = |n: u64| secs(3600 * n);
    let window = Window { from: hours(2), to: hours(4), days: Weekday::ALL.into() };
    let oslo = Zone::new(TimeZone::get("Europe/Oslo").unwrap());
    let settings =
        || with(SelfTestSettings { every: Some(hours(24)), window: Some((oslo.clone(), window.clone())) });
    let mut bench = Bench::ready(settings());
    bench.clock("2026-01-05T11:00:00Z"); // 12:00 there
    bench.pass(hours(24 + 13));
    assert_eq!(told(&mut bench), NOTHING, "01:00 there");
    bench.pass(hours(1) + secs(1));
    assert_eq!(told(&mut bench), [0], "02:00 there");

    let mut bench = Bench::ready(settings());
    // A box that never knows the time is tested all the same.
    next_test(&mut bench, hours(24) + secs(1));
}

#[test]
fn the_end_of_the_process_ends_it() {
    let mut bench = Bench::ready(settings());
    bench.ask(Action::SelfTest).unwrap();
    bench.take();
    bench.system(SystemEvent::Shutdown);
    assert_eq!(told(&mut bench), [-1]);
}
