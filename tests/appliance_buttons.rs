//! Buttons. A worn contact bounces for milliseconds and a visitor's finger
//! does whatever it likes; one push is one press, at once, and never none.

mod appliance_support;

use std::time::Duration;

use appliance_support::{Bench, Rng, call_to, ms, secs, settings};
use callbox::appliance::action::{Action, Ring};
use callbox::appliance::command::{Command, LineCommand};
use callbox::appliance::event::Body;
use callbox::appliance::fault::Fault;
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::{ButtonSettings, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

fn with(name: &str, button: ButtonSettings) -> Settings {
    let mut settings = settings();
    settings.buttons.insert(name.into(), button);
    settings
}

/// Mutes at a press, sends to the phone at a hold, calls at a double press:
/// three actions that cannot be mistaken for each other.
fn rich(hold: bool, double: bool) -> Bench {
    Bench::ready(with(
        "rich",
        ButtonSettings {
            press: Some(Action::Mute { on: None }),
            hold: hold.then_some(Action::Call { to: vec!["stranger".to_owned()], ring: Ring::InOrder }),
            double_press: double.then(|| call_to(&["family"])),
            ..ButtonSettings::default()
        },
    ))
}

fn gestures(bench: &Bench) -> Vec<String> {
    let gestures = bench.kinds.iter().filter_map(|kind| kind.get("gesture"));
    gestures.map(|gesture| gesture.as_str().unwrap_or_default().to_owned()).collect()
}

/// Edges at random times within `window`, beginning with `first` at zero and ending with it.
fn bounces(rng: &mut Rng, first: bool, window: Duration) -> Vec<(Duration, bool)> {
    let pairs = rng.below(8) as usize;
    let mut times: Vec<u64> = (0..pairs * 2).map(|_| rng.below(window.as_micros() as u64 - 1) + 1).collect();
    times.sort_unstable();
    let mut edges = vec![(Duration::ZERO, first)];
    edges.extend(times.iter().enumerate().map(|(i, t)| (Duration::from_micros(*t), first == (i % 2 == 1))));
    edges
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// One push with bounces at both ends, of any length, is exactly one press,
    /// and the press acts at its first edge. proptest prints the seed of a failure.
    #[test]
    fn a_bouncing_push_is_one_press(seed in any::<u64>(), held_ms in 0u64..2000) {
        let mut rng = Rng(seed);
        let mut bench = Bench::ready(settings());
        let window = ms(30);
        let mut edges = bounces(&mut rng, true, window);
        let released = window + ms(held_ms) + Duration::from_micros(1);
        edges.extend(bounces(&mut rng, false, window).into_iter().map(|(at, down)| (released + at, down)));
        let start = bench.now;
        for (at, down) in edges {
            bench.pass(start + at - bench.now);
            if down { bench.down("call") } else { bench.up("call") }
            prop_assert_eq!(bench.call(), CallStatus::Outgoing, "it acts at the first edge");
        }
        bench.pass(secs(1));
        prop_assert_eq!(gestures(&bench), ["press"]);
        prop_assert_eq!(bench.sent().len(), 1);
        // The button is up: the next push counts.
        bench.down("call");
        prop_assert_eq!(gestures(&bench), ["press", "press"]);
    }

    /// However the edges fall, the button ends up at the level of the last one.
    #[test]
    fn no_edge_is_lost_for_good(seed in any::<u64>()) {
        let mut rng = Rng(seed);
        let mut bench = Bench::ready(settings());
        let mut down = false;
        for _ in 0..rng.below(60) {
            down = !down;
            if down { bench.down("phone") } else { bench.up("phone") }
            bench.pass(ms(rng.below(50)));
        }
        bench.pass(secs(1));
        let before = gestures(&bench).len();
        // An edge to the level that the button has is no press; to the other it is one.
        bench.down("phone");
        prop_assert_eq!(gestures(&bench).len() - before, usize::from(!down));
    }
}

#[test]
fn a_release_hidden_among_bounces_is_not_lost() {
    let mut bench = Bench::ready(settings());
    bench.down("call");
    bench.pass(ms(10));
    bench.up("call");
    bench.pass(ms(100));
    bench.down("call");
    assert_eq!(gestures(&bench), ["press", "press"]);
    assert_eq!(bench.counter("button-bounces"), 1);
}

#[test]
fn edges_that_come_late_in_one_batch_are_not_lost() {
    // A busy machine may deliver edges before the debounce deadline was acted on.
    let mut bench = Bench::ready(settings());
    bench.down("call");
    bench.now += ms(200);
    bench.up("call");
    bench.pass(ms(100));
    bench.down("call");
    assert_eq!(gestures(&bench), ["press", "press"]);
}

#[test]
fn bounces_that_are_told_only_when_their_time_is_over_are_no_press() {
    // The thread that reads the line may be later than the debounce's end: stamps tell what was a bounce.
    for late_by in [ms(31), ms(45), secs(2)] {
        let mut bench = Bench::ready(settings());
        let pushed = bench.now;
        bench.down("call");
        bench.pass(late_by);
        for (at, down) in [(5, false), (9, true), (14, false), (15, true)] {
            bench.edge_made("call", down, pushed + ms(at));
        }
        bench.pass(ms(200));
        assert_eq!(gestures(&bench), ["press"], "late by {late_by:?}");
        bench.up("call");
        bench.pass(ms(200));
        bench.down("call");
        assert_eq!(gestures(&bench), ["press", "press"], "late by {late_by:?}");
    }
}

#[test]
fn a_release_that_is_told_late_is_a_release() {
    let mut bench = Bench::ready(settings());
    let pushed = bench.now;
    bench.down("call");
    bench.pass(ms(45));
    bench.edge_made("call", false, pushed + ms(20));
    bench.pass(ms(100));
    bench.down("call");
    assert_eq!(gestures(&bench), ["press", "press"]);
}

#[test]
fn a_press_acts_at_the_edge_also_where_a_hold_is_configured() {
    let mut bench = rich(true, false);
    bench.down("rich");
    assert!(bench.box_.status().muted);
    assert_eq!(bench.tone, Some(Tone::Press));
    bench.pass(ms(999));
    assert_eq!(gestures(&bench), ["press"]);
    bench.pass(ms(1));
    assert_eq!(gestures(&bench), ["press", "hold"]);
    assert_eq!(bench.tone, Some(Tone::Error), "the hold's action was refused aloud");
    bench.pass(secs(10));
    bench.up("rich");
    assert_eq!(gestures(&bench), ["press", "hold"]);
}

#[test]
fn with_a_double_press_the_press_is_heard_at_once_and_acts_when_no_second_comes() {
    let mut bench = rich(false, true);
    bench.down("rich");
    assert_eq!((bench.tone, bench.box_.status().muted), (Some(Tone::Press), false));
    bench.pass(ms(100));
    bench.up("rich");
    bench.pass(ms(299));
    assert!(!bench.box_.status().muted);
    bench.pass(ms(1));
    assert!(bench.box_.status().muted);
    assert_eq!(gestures(&bench), ["press"]);
}

#[test]
fn a_double_press_acts_at_its_second_edge_and_the_press_does_not() {
    let mut bench = rich(true, true);
    bench.down("rich");
    bench.pass(ms(100));
    bench.up("rich");
    bench.pass(ms(200));
    bench.down("rich");
    assert_eq!(bench.call(), CallStatus::Outgoing);
    assert_eq!(gestures(&bench), ["press", "double-press"]);
    bench.pass(secs(5));
    assert!(!bench.box_.status().muted);
    assert_eq!(gestures(&bench), ["press", "double-press"], "a long second push is no hold");
}

#[test]
fn with_both_a_long_push_is_a_press_and_then_a_hold() {
    let mut bench = rich(true, true);
    bench.down("rich");
    bench.pass(ms(400));
    assert!(bench.box_.status().muted);
    bench.pass(ms(600));
    assert_eq!(gestures(&bench), ["press", "hold"]);
    bench.up("rich");
    bench.pass(secs(1));
    bench.down("rich");
    assert_eq!(gestures(&bench), ["press", "hold", "press"]);
}

#[test]
fn a_stuck_button_is_a_fault_with_its_name_and_others_work_on() {
    let mut bench = Bench::ready(settings());
    bench.down("hangup");
    bench.down("phone");
    bench.pass(secs(60));
    let faults = bench.box_.status().faults;
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].fault, Fault::StuckButton);
    assert!(faults[0].detail.contains("hangup, phone"), "{}", faults[0].detail);
    assert_eq!(bench.lamp("fault"), Pattern::DoubleFlash);
    bench.press("call");
    assert_eq!(bench.call(), CallStatus::Outgoing);
    bench.up("hangup");
    let detail = bench.box_.status().faults[0].detail.clone();
    assert!(detail.contains("phone") && !detail.contains("hangup"), "{detail}");
    bench.up("phone");
    assert_eq!(bench.box_.status().faults, []);
    bench.pass(secs(1));
    bench.press("hangup");
    assert_eq!(bench.call(), CallStatus::Releasing);
    bench.still_works();
}

#[test]
fn a_button_that_is_stuck_for_an_hour_makes_one_call_and_the_others_work() {
    let mut bench = Bench::ready(settings());
    bench.down("call");
    assert_eq!(bench.call(), CallStatus::Outgoing);
    for _ in 0..60 {
        bench.pass(secs(60));
        bench.close_all();
        bench.prepare_all();
    }
    let offers = bench.sent().iter().filter(|message| matches!(message.body, Body::Offer { .. })).count();
    assert_eq!((gestures(&bench), offers), (vec!["press".to_owned()], 1));
    assert_eq!(bench.call(), CallStatus::Idle, "nobody answered, and that was all");
    let faults = bench.box_.status().faults;
    assert_eq!(faults.iter().map(|fault| fault.fault).collect::<Vec<_>>(), [Fault::StuckButton]);
    assert!(faults[0].detail.contains("call"), "{}", faults[0].detail);
    assert_eq!(bench.lamp("fault"), Pattern::DoubleFlash);
    bench.press("hunt");
    assert_eq!(bench.call(), CallStatus::Outgoing);
}

#[test]
fn a_button_that_is_not_configured_is_counted() {
    let mut bench = Bench::ready(settings());
    bench.down("nonesuch");
    bench.up("nonesuch");
    assert_eq!(bench.counter("button-unknown"), 2);
    assert_eq!(bench.commands, []);
}

#[test]
fn a_button_with_only_a_hold_is_felt_at_the_edge() {
    let button = ButtonSettings { hold: Some(call_to(&["family"])), ..ButtonSettings::default() };
    let mut bench = Bench::ready(with("panic", button));
    bench.down("panic");
    assert_eq!((bench.tone, bench.call()), (Some(Tone::Press), CallStatus::Idle));
    bench.pass(secs(1));
    assert_eq!(bench.call(), CallStatus::Outgoing);
}

#[test]
fn the_lamp_changes_in_the_same_event_as_the_press() {
    let mut bench = Bench::ready(settings());
    bench.down("call");
    let led = |name: &str| {
        bench
            .commands
            .iter()
            .any(|c| matches!(c, Command::Line(LineCommand::Led { led, .. }) if led.as_str() == name))
    };
    assert!(led("status") && led("calling"));
}
