//! Inputs and outputs that are no door: broken contacts, handsets, and what
//! follows a call. A box with one bad wire must stay a box.

mod appliance_support;

use std::time::Duration;

use appliance_support::{ANSWER, Bench, call_to, ms, secs, settings};
use callbox::appliance::action::Action;
use callbox::appliance::command::{Command, LineCommand};
use callbox::appliance::event::{Body, Event, LineEvent, MediaEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::indicator::Pattern;
use callbox::appliance::input::{InputFunction, InputSettings};
use callbox::appliance::output::{OutputFunction, OutputSettings};
use callbox::appliance::settings::Settings;
use callbox::appliance::status::CallStatus;

fn with_inputs() -> Settings {
    let mut settings = settings();
    for (name, function) in [
        ("exit", InputFunction::Exit),
        ("tamper", InputFunction::Tamper),
        ("contact", InputFunction::DoorContact),
        ("hook", InputFunction::Hook),
    ] {
        settings.inputs.insert(name.into(), function.into());
    }
    settings
}

fn edge(bench: &mut Bench, name: &str, active: bool) {
    bench.event(Event::Line(LineEvent::Input { input: name.into(), active }));
}

fn set(bench: &mut Bench, name: &str, active: bool) {
    edge(bench, name, active);
    bench.pass(ms(50));
}

/// Edges at this pace, as many as fit into `time`, beginning with active.
fn chatter(bench: &mut Bench, name: &str, every: Duration, time: Duration) {
    let edges = time.as_micros() / every.as_micros();
    for n in 0..edges {
        match name {
            "call" if n % 2 == 0 => bench.down(name),
            "call" => bench.up(name),
            input => edge(bench, input, n % 2 == 0),
        }
        bench.pass(every);
    }
}

fn has(bench: &Bench, fault: Fault) -> bool {
    bench.box_.status().faults.iter().any(|raised| raised.fault == fault)
}

fn detail(bench: &Bench, fault: Fault) -> String {
    let faults = bench.box_.status().faults;
    faults.into_iter().find(|raised| raised.fault == fault).map(|raised| raised.detail).unwrap_or_default()
}

#[test]
fn a_button_stuck_for_an_hour_makes_one_call_and_a_fault_and_the_others_work() {
    let mut bench = Bench::ready(settings());
    bench.down("call");
    assert_eq!(bench.sent().len(), 1);
    let (id, _, _) = bench.sent_offer().unwrap();
    bench.take();
    bench.pass(secs(61));
    assert_eq!(bench.call(), CallStatus::Idle, "nobody answered");
    assert_eq!(bench.sent_byes(), [id.0]);
    assert_eq!(detail(&bench, Fault::StuckButton).split(';').next(), Some("held for too long: call"));
    assert_eq!(bench.lamp("fault"), Pattern::DoubleFlash);
    bench.take();
    for _ in 0..59 {
        bench.pass(secs(60));
        bench.close_all();
        bench.prepare_all();
    }
    assert_eq!(bench.sent(), [], "one press is one call");
    bench.press("hunt");
    assert_eq!((bench.sent().len(), bench.call()), (1, CallStatus::Outgoing));
    bench.press("hangup");
    bench.up("call");
    assert!(!has(&bench, Fault::StuckButton));
    bench.still_works();
}

#[test]
fn a_chattering_button_makes_one_call_and_a_fault_until_it_is_calm() {
    let mut bench = Bench::ready(settings());
    chatter(&mut bench, "call", ms(5), secs(60));
    assert_eq!(bench.sent().iter().filter(|said| matches!(said.body, Body::Offer { .. })).count(), 1);
    assert_eq!(
        detail(&bench, Fault::ChatteringLine).split(';').next(),
        Some("changes faster than anybody could: call")
    );
    assert_eq!(bench.counter("button-chatters"), 1);
    // What it ends with is no press.
    bench.down("call");
    bench.pass(ms(79));
    assert!(has(&bench, Fault::ChatteringLine));
    bench.press("hangup");
    bench.take();
    assert!(!has(&bench, Fault::ChatteringLine));
    bench.pass(secs(60));
    assert_eq!(bench.sent(), []);
    assert!(has(&bench, Fault::StuckButton), "it still is pushed in");
    bench.still_works();
}

#[test]
fn a_chattering_input_is_a_fault_and_ignored_but_the_exit_button_opens() {
    let mut bench = Bench::ready(with_inputs());
    set(&mut bench, "contact", false);
    chatter(&mut bench, "contact", ms(5), secs(2));
    assert!(has(&bench, Fault::ChatteringLine));
    assert_eq!(bench.box_.status().door.unwrap().open, Some(false));
    edge(&mut bench, "contact", true);
    bench.pass(secs(1));
    assert!(!has(&bench, Fault::ChatteringLine));
    assert_eq!(bench.box_.status().door.unwrap().open, Some(true), "the level it came to rest at");

    chatter(&mut bench, "exit", ms(5), secs(2));
    assert!(has(&bench, Fault::ChatteringLine) && bench.counter("door-opened-by-exit") == 1);
    // The opening ends all the same, and the next edge opens again.
    chatter(&mut bench, "exit", ms(5), secs(20));
    let strikes = bench
        .commands
        .iter()
        .filter(|command| matches!(command, Command::Line(LineCommand::Output { on: false, .. })));
    assert!(strikes.count() >= 2);
    assert!(bench.counter("door-opened-by-exit") >= 2);
}

#[test]
fn a_tamper_contact_that_chatters_is_tampered_with() {
    let mut bench = Bench::ready(with_inputs());
    set(&mut bench, "tamper", false);
    // Too fast for any level to count.
    chatter(&mut bench, "tamper", ms(10), ms(500));
    assert!(!has(&bench, Fault::Tampered));
    chatter(&mut bench, "tamper", ms(10), ms(500));
    assert!(has(&bench, Fault::Tampered));
}

#[test]
fn bounces_that_a_back_end_tells_as_such_are_no_edges_but_too_many_are_chatter() {
    let bounce = |bench: &mut Bench, event: LineEvent, times: u32| {
        for _ in 0..times {
            bench.event(Event::Line(event.clone()));
            bench.pass(ms(10));
        }
    };
    let mut bench = Bench::ready(with_inputs());
    for name in ["tamper", "contact", "exit"] {
        set(&mut bench, name, false);
    }
    bench.take();
    bench.down("call");
    bounce(&mut bench, LineEvent::ButtonBounced("call".into()), 40);
    assert_eq!((bench.sent().len(), bench.counter("button-bounces")), (1, 40));
    assert!(!has(&bench, Fault::ChatteringLine));
    bench.pass(secs(1));
    bounce(&mut bench, LineEvent::ButtonBounced("call".into()), 62);
    assert!(has(&bench, Fault::ChatteringLine));
    bench.pass(secs(1));
    assert!(!has(&bench, Fault::ChatteringLine), "it is calm");

    bounce(&mut bench, LineEvent::InputBounced("contact".into()), 62);
    assert!(has(&bench, Fault::ChatteringLine));
    assert_eq!(bench.box_.status().door.unwrap().open, Some(false));
    bench.pass(secs(1));
    bounce(&mut bench, LineEvent::InputBounced("exit".into()), 62);
    assert_eq!(bench.counter("door-opened-by-exit"), 0);
    bounce(&mut bench, LineEvent::InputBounced("tamper".into()), 60);
    assert!(!has(&bench, Fault::Tampered));
    bounce(&mut bench, LineEvent::InputBounced("tamper".into()), 2);
    assert!(has(&bench, Fault::Tampered), "who makes it chatter gets past it");
    // Of lines that nobody knows they are nothing.
    bounce(&mut bench, LineEvent::ButtonBounced("other".into()), 62);
    bounce(&mut bench, LineEvent::InputBounced("other".into()), 62);
    bench.still_works();
}

#[test]
fn a_spark_on_a_wire_raises_no_alarm_and_bounces_are_one_change() {
    let mut bench = Bench::ready(with_inputs());
    set(&mut bench, "tamper", false);
    edge(&mut bench, "tamper", true);
    bench.pass(ms(1));
    edge(&mut bench, "tamper", false);
    bench.pass(secs(1));
    assert!(!has(&bench, Fault::Tampered));
    for active in [true, false, true, false, true] {
        edge(&mut bench, "exit", active);
        bench.pass(ms(5));
    }
    bench.pass(ms(30));
    assert_eq!((bench.counter("door-opened-by-exit"), bench.counter("door-opened-already")), (1, 0));
    assert!(bench.box_.status().inputs[&"exit".into()]);
    // The board may ask for more.
    let mut settings = with_inputs();
    let slow = InputSettings { function: InputFunction::Tamper, debounce: ms(300) };
    settings.inputs.insert("tamper".into(), slow);
    let mut bench = Bench::ready(settings);
    edge(&mut bench, "tamper", true);
    bench.pass(ms(299));
    assert!(!has(&bench, Fault::Tampered));
    bench.pass(ms(1));
    assert!(has(&bench, Fault::Tampered));
}

#[test]
fn an_exit_button_that_is_stuck_is_a_fault_and_opens_once() {
    let mut bench = Bench::ready(with_inputs());
    edge(&mut bench, "exit", true);
    bench.pass(secs(59));
    assert!(!has(&bench, Fault::StuckInput));
    bench.pass(secs(3541));
    assert!(has(&bench, Fault::StuckInput));
    assert_eq!(bench.counter("door-opened-by-exit"), 1);
    set(&mut bench, "exit", false);
    assert!(!has(&bench, Fault::StuckInput));
    edge(&mut bench, "exit", true);
    assert_eq!(bench.counter("door-opened-by-exit"), 2);
}

#[test]
fn an_input_that_nobody_knows_is_counted() {
    let mut bench = Bench::ready(settings());
    edge(&mut bench, "exit", true);
    assert_eq!(bench.counter("input-unknown"), 1);
}

#[test]
fn a_handset_answers_and_hangs_up() {
    let mut bench = Bench::ready(with_inputs());
    set(&mut bench, "hook", false);
    let peer = bench.ring("a");
    set(&mut bench, "hook", true);
    bench.media(peer, MediaEvent::Answer { sdp: ANSWER.to_owned() });
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    assert_eq!(bench.call(), CallStatus::InCall);
    set(&mut bench, "hook", false);
    assert_eq!(bench.call(), CallStatus::Releasing);
    // Lifted while nothing rings, and at start: nothing happens, nobody complains.
    bench.close_all();
    bench.pass(secs(3));
    bench.take();
    set(&mut bench, "hook", true);
    set(&mut bench, "hook", false);
    assert_eq!((bench.tones(), bench.call()), (vec![], CallStatus::Idle));
}

#[test]
fn a_handset_may_call_when_it_is_lifted() {
    let mut settings = with_inputs();
    settings.hook.off = Some(call_to(&["family"]));
    settings.hook.on = Some(Action::HangUp);
    let mut bench = Bench::ready(settings);
    set(&mut bench, "hook", true);
    assert_eq!(bench.call(), CallStatus::Idle, "it lay beside the box at start");
    set(&mut bench, "hook", false);
    set(&mut bench, "hook", true);
    assert_eq!(bench.call(), CallStatus::Outgoing);
    set(&mut bench, "hook", false);
    assert_eq!(bench.call(), CallStatus::Releasing);
    // A call that rings is answered, not called over.
    bench.close_all();
    bench.pass(secs(3));
    bench.ring("a");
    set(&mut bench, "hook", true);
    assert_eq!(bench.sent().iter().filter(|said| matches!(said.body, Body::Offer { .. })).count(), 0);
}

#[test]
fn outputs_follow_the_call() {
    let mut settings = settings();
    settings.outputs.clear();
    for (name, function, max_on) in [
        ("light", OutputFunction::Light, None),
        ("bell", OutputFunction::Bell, Some(secs(5))),
        ("amplifier", OutputFunction::Amplifier, None),
        ("strobe", OutputFunction::Strobe, None),
        ("sounder", OutputFunction::Sounder, None),
    ] {
        settings.outputs.insert(name.into(), OutputSettings { function, max_on });
    }
    let mut bench = Bench::new(settings);
    let on = |bench: &Bench| -> Vec<String> {
        let outputs = bench.box_.status().outputs.into_iter();
        outputs.filter(|(_, on)| *on).map(|(name, _)| name.0).collect()
    };
    let offs =
        bench.commands.iter().filter(|c| matches!(c, Command::Line(LineCommand::Output { on: false, .. })));
    assert_eq!((offs.count(), on(&bench).len()), (5, 0));
    bench.session(callbox::appliance::event::SessionEvent::Sent);
    bench.session(callbox::appliance::event::SessionEvent::Opened);
    bench.prepare_all();
    bench.take();
    bench.down("call");
    assert_eq!(on(&bench), ["amplifier", "light", "strobe"]);
    // The amplifier is on before the first tone.
    let at = |wanted: fn(&Command) -> bool| bench.commands.iter().position(wanted).unwrap();
    let amplifier = at(
        |c| matches!(c, Command::Line(LineCommand::Output { output, .. }) if output.as_str() == "amplifier"),
    );
    assert!(amplifier < at(|c| matches!(c, Command::Audio(_))));
    bench.up("call");
    bench.press("hangup");
    bench.close_all();
    // The tone of the end, then the amplifier's own patience.
    while bench.tone.is_some() {
        bench.pass(ms(10));
    }
    bench.pass(ms(2980));
    assert_eq!(on(&bench), ["amplifier"]);
    bench.pass(ms(20));
    assert!(on(&bench).is_empty());

    bench.prepare_all();
    let peer = bench.call_in("a");
    assert_eq!(on(&bench), ["amplifier", "light", "strobe"], "the amplifier has time to wake up");
    bench.media(peer, MediaEvent::Acceptable);
    assert_eq!(on(&bench), ["amplifier", "bell", "light", "sounder", "strobe"]);
    bench.pass(secs(5));
    assert_eq!(on(&bench), ["amplifier", "light", "sounder", "strobe"], "the bell has its limit");
    bench.event(Event::System(callbox::appliance::event::SystemEvent::Shutdown));
    assert!(on(&bench).is_empty());
}
