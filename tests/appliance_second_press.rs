//! A second press within a set time calls nobody, so that a child at the door
//! does not ring ten times. But a press is never dead: each is heard and seen,
//! and none that matters is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod appliance_support;

use appliance_support::{Bench, FAMILY, call_to, ms, secs, settings};
use callbox::appliance::action::Action;
use callbox::appliance::event::{Body, SessionEvent};
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::{ButtonSettings, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;
use callbox::config::{BoardLoader, Config};

/// `call` ignores further presses for a minute.
fn patient(button: ButtonSettings) -> Settings {
    let mut settings = settings();
    settings.buttons.insert("call".into(), ButtonSettings { ignore_again: secs(60), ..button });
    settings
}

fn caller() -> ButtonSettings {
    ButtonSettings { press: Some(call_to(&["family"])), ..ButtonSettings::default() }
}

/// A call that is rejected at once, with everything quiet again.
fn rejected(bench: &mut Bench) {
    let (_, id) = bench.call_out();
    bench.message(&id, Body::Bye);
    bench.close_all();
    bench.pass(secs(5));
    bench.take();
    assert_eq!((bench.call(), bench.tone), (CallStatus::Idle, None));
}

#[test]
fn the_second_press_is_heard_and_seen_and_calls_nobody() {
    let mut bench = Bench::ready(patient(caller()));
    rejected(&mut bench);
    for _ in 0..3 {
        bench.pass(secs(5));
        bench.take();
        bench.down("call");
        // At once, in the same turn.
        assert_eq!((bench.tone, bench.lamp("status")), (Some(Tone::Press), Pattern::DoubleFlash));
        bench.up("call");
        bench.pass(secs(3));
        assert_eq!((bench.sent(), bench.call()), (vec![], CallStatus::Idle));
        assert_eq!((bench.tone, bench.lamp("status")), (None, Pattern::Heartbeat));
    }
    assert_eq!(bench.counter("press-too-soon"), 3);
    bench.pass(secs(60));
    bench.call_out();
}

#[test]
fn presses_that_were_ignored_do_not_put_off_the_next_that_counts() {
    let mut bench = Bench::ready(patient(caller()));
    rejected(&mut bench);
    let began = bench.now - secs(5);
    while bench.now < began + secs(58) {
        bench.press("call");
        bench.pass(secs(1));
    }
    assert_eq!(bench.sent(), vec![]);
    bench.pass(secs(3));
    bench.call_out();
    assert_eq!(bench.call(), CallStatus::Outgoing);
}

#[test]
fn in_a_call_the_blip_is_enough_and_the_calls_lamp_stays() {
    let mut bench = Bench::ready(patient(caller()));
    bench.call_out();
    bench.take();
    bench.press("call");
    assert_eq!(bench.tones()[0], Some(Tone::Press));
    assert_eq!(bench.lamp("calling"), Pattern::Slow);
    bench.pass(ms(300));
    assert_eq!(bench.tone, Some(Tone::Progress), "the call's own tone goes on");
    bench.still_works_after_a_minute();
}

#[test]
fn a_press_that_was_refused_does_not_keep_the_next_from_acting() {
    let mut bench = Bench::new(patient(caller()));
    bench.press("call");
    bench.pass(secs(4));
    assert_eq!((bench.tone, bench.counter("press-refused")), (Some(Tone::Error), 1));
    bench.session(SessionEvent::Opened);
    bench.prepare_all();
    bench.call_out();
}

#[test]
fn a_call_that_rings_is_answered_however_soon_the_press_comes() {
    let mut bench = Bench::ready(patient(caller()));
    rejected(&mut bench);
    let peer = bench.ring("in-1");
    bench.take();
    bench.press("call");
    assert!(
        bench.commands.iter().any(|command| matches!(
            command,
            callbox::appliance::command::Command::Media {
                peer: told,
                command: callbox::appliance::command::MediaCommand::Answer
            } if *told == peer
        )),
        "{:?}",
        bench.commands
    );
}

#[test]
fn other_buttons_holds_and_the_default_are_not_touched() {
    let button = ButtonSettings { hold: Some(Action::HangUp), ..caller() };
    let mut bench = Bench::ready(patient(button));
    bench.call_out();
    bench.down("call");
    bench.pass(secs(2));
    assert_eq!(bench.sent_byes().len(), 1, "a hold acts");
    bench.up("call");
    bench.close_all();
    bench.pass(secs(5));
    bench.take();
    bench.press("hunt");
    assert!(bench.sent_offer().is_some(), "another button acts");
    let mut bench = Bench::ready(settings());
    rejected(&mut bench);
    bench.call_out();
}

#[test]
fn a_press_that_may_become_a_double_press_is_ignored_too_and_the_double_press_acts() {
    let button = ButtonSettings { double_press: Some(Action::HangUp), ..caller() };
    let mut bench = Bench::ready(patient(button));
    bench.press("call");
    bench.pass(secs(1));
    let (id, ..) = bench.sent_offer().unwrap();
    bench.message(&id.0, Body::Bye);
    bench.close_all();
    bench.pass(secs(5));
    bench.take();
    bench.press("call");
    bench.pass(secs(1));
    assert_eq!((bench.sent(), bench.counter("press-too-soon")), (vec![], 1));
    bench.ring("in-1");
    bench.take();
    bench.press("call");
    bench.press("call");
    assert_eq!(bench.sent_byes(), ["in-1"]);
}

#[test]
fn the_time_is_read_from_the_configuration() {
    let parse = |time: &str| {
        let text = format!(
            "[auth]\nmethod = \"none\"\n[board]\nfile = \"desktop-mock\"\n[contacts]\nhome = \"{FAMILY}\"\n[[button]]\nname = \"call\"\nignore-again = {time}\n"
        );
        Config::parse(&text, "f", &BoardLoader::new(Vec::new()))
    };
    let config = parse("\"10s\"").unwrap();
    assert_eq!(config.appliance.buttons[&"call".into()].ignore_again, secs(10));
    for (time, said) in [
        ("\"2h\"", "f:9:16: ignore-again = \"2h\" is out of range; write a duration from \"0ms\" to \"1h\""),
        ("10", "f:9:16: ignore-again is a whole number; write a duration in double quotes"),
    ] {
        let found = parse(time).unwrap_err();
        assert!(found.len() == 1 && found[0].to_string().starts_with(said), "{found:#?}");
    }
}

trait Later {
    fn still_works_after_a_minute(&mut self);
}

impl Later for Bench {
    /// As `still_works`, once presses count again.
    fn still_works_after_a_minute(&mut self) {
        self.press("hangup");
        self.pass(secs(60));
        self.still_works();
    }
}
