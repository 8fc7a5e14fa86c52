//! Hours of quiet. A door that rings at three in the morning is soon switched
//! off for good; one that does not know the time must still let people through.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod appliance_support;

use appliance_support::{Bench, FAMILY, NEIGHBOUR, number, secs, settings};
use callbox::appliance::do_not_disturb::{DoNotDisturb, DoNotDisturbStatus, Window};
use callbox::appliance::event::{Body, Clock, SystemEvent};
use callbox::appliance::settings::{AnswerPolicy, IncomingSettings, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::timer::Timer;
use callbox::appliance::wall_clock::{Weekday, Zone};
use callbox::config::{BoardLoader, Config};

fn window(from: u64, to: u64, days: &[Weekday]) -> Window {
    let hour = |n| secs(3600 * n);
    Window { from: hour(from), to: hour(to), days: days.iter().copied().collect() }
}

fn quiet(windows: Vec<Window>, priority: &[&str]) -> Bench {
    let zone = Zone::new(jiff::tz::TimeZone::get("Europe/Oslo").unwrap());
    let incoming = IncomingSettings {
        do_not_disturb: Some(DoNotDisturb { zone, windows }),
        priority: priority.iter().map(|text| number(text)).collect(),
        ..IncomingSettings::default()
    };
    Bench::ready(Settings { incoming, ..settings() })
}

fn nights() -> Bench {
    quiet(vec![window(22, 6, &Weekday::ALL)], &[NEIGHBOUR])
}

/// Whether a call rings now. One that is turned away gets a Bye, is counted, and nobody hears it.
fn rings(bench: &mut Bench, from: Option<&str>) -> bool {
    let before = bench.counter("incoming-do-not-disturb");
    let tone = bench.tone;
    bench.take();
    bench.offer("in", from);
    let rings = bench.call() == CallStatus::Incoming;
    if rings {
        bench.message("in", Body::Bye);
        bench.close_all();
    } else {
        assert_eq!((bench.sent_byes(), bench.tone), (vec!["in".to_owned()], tone));
    }
    assert_eq!(bench.counter("incoming-do-not-disturb"), before + u64::from(!rings));
    rings
}

fn status(bench: &Bench) -> DoNotDisturbStatus {
    bench.box_.status().do_not_disturb
}

#[test]
fn at_night_only_priority_numbers_ring() {
    let mut bench = nights();
    bench.clock("2026-01-05T20:59:59Z");
    assert!(rings(&mut bench, Some(FAMILY)));
    assert_eq!(status(&bench), DoNotDisturbStatus::Off);
    bench.pass(secs(1));
    assert_eq!(status(&bench), DoNotDisturbStatus::On, "nobody called, and still status must tell");
    assert!(!rings(&mut bench, Some(FAMILY)) && !rings(&mut bench, None));
    assert!(rings(&mut bench, Some(NEIGHBOUR)));
    bench.pass(secs(8 * 3600 - 1));
    assert!(!rings(&mut bench, Some(FAMILY)), "a second before six");
    bench.pass(secs(1));
    assert_eq!(status(&bench), DoNotDisturbStatus::Off);
    assert!(rings(&mut bench, Some(FAMILY)));
    bench.still_works();
}

#[test]
fn a_window_that_ends_when_it_begins_lasts_a_day() {
    let mut bench = quiet(vec![window(8, 8, &[Weekday::Mon])], &[]);
    // Monday, 07:59 and 08:00 by the wall; Tuesday, 07:59 and 08:00.
    let times = [
        ("2026-01-05T06:59:00Z", true),
        ("2026-01-05T07:00:00Z", false),
        ("2026-01-06T06:59:00Z", false),
        ("2026-01-06T07:00:00Z", true),
    ];
    for (utc, expected) in times {
        bench.clock(utc);
        assert_eq!(rings(&mut bench, Some(FAMILY)), expected, "{utc}");
    }
}

#[test]
fn while_the_clock_is_unknown_everybody_rings_and_status_says_so() {
    let mut bench = nights();
    assert_eq!(status(&bench), DoNotDisturbStatus::ClockUnknown);
    bench.system(SystemEvent::Clock(Clock { unix: secs(23 * 3600), known: false }));
    assert!(rings(&mut bench, Some(FAMILY)));
    assert_eq!(status(&bench), DoNotDisturbStatus::ClockUnknown);
    bench.clock("2026-01-05T23:00:00Z");
    assert_eq!(status(&bench), DoNotDisturbStatus::On);
    assert!(!rings(&mut bench, Some(FAMILY)));
    // A battery that dies: the clock falls back to 1970.
    bench.system(SystemEvent::Clock(Clock { unix: secs(5), known: false }));
    assert!(rings(&mut bench, Some(FAMILY)));
    assert_eq!(status(&bench), DoNotDisturbStatus::ClockUnknown);
    assert!(bench.logs.iter().any(|line| line.contains("the time of day is not known")), "{:?}", bench.logs);
    bench.still_works();
}

#[test]
fn a_clock_that_is_set_counts_at_once() {
    let mut bench = nights();
    bench.clock("2026-01-05T12:00:00Z");
    assert!(rings(&mut bench, Some(FAMILY)));
    bench.clock("2026-01-05T22:30:00Z");
    assert!(!rings(&mut bench, Some(FAMILY)));
    bench.clock("2026-01-05T12:00:00Z");
    assert!(rings(&mut bench, Some(FAMILY)));
}

#[test]
fn the_day_of_a_window_is_the_day_on_which_it_begins() {
    // 2026-01-09 is a Friday.
    let mut bench = quiet(vec![window(22, 6, &[Weekday::Fri]), window(13, 15, &[Weekday::Sun])], &[]);
    for (utc, quiet) in [
        ("2026-01-08T22:00:00Z", false),
        ("2026-01-09T04:00:00Z", false),
        ("2026-01-09T22:00:00Z", true),
        ("2026-01-10T04:00:00Z", true),
        ("2026-01-10T05:00:00Z", false),
        ("2026-01-10T12:30:00Z", false),
        ("2026-01-10T22:00:00Z", false),
        ("2026-01-11T12:30:00Z", true),
        ("2026-01-11T14:00:00Z", false),
    ] {
        bench.clock(utc);
        assert_eq!(rings(&mut bench, Some(FAMILY)), !quiet, "{utc}");
    }
}

#[test]
fn summer_time_moves_the_window_with_the_wall_clock_and_status_is_never_late() {
    // 2026-03-29 at 01:00 UTC the clocks in Oslo go from 02:00 to 03:00.
    let mut bench = quiet(vec![window(3, 4, &Weekday::ALL)], &[]);
    bench.clock("2026-03-29T00:50:00Z");
    let mut on = Vec::new();
    for second in 0..7200u64 {
        if status(&bench) == DoNotDisturbStatus::On {
            on.push(second);
        }
        bench.pass(secs(1));
    }
    assert_eq!((on.first(), on.last(), on.len()), (Some(&600), Some(&4199), 3600));
    // And back: 2026-10-25 at 01:00 UTC it is 02:00 for the second time.
    let mut bench = quiet(vec![window(2, 3, &Weekday::ALL)], &[]);
    bench.clock("2026-10-25T00:00:00Z");
    let mut on = 0;
    for _ in 0..3 * 3600 {
        on += u64::from(status(&bench) == DoNotDisturbStatus::On);
        bench.pass(secs(1));
    }
    assert_eq!(on, 7200);
}

#[test]
fn a_call_that_rings_when_the_window_begins_rings_on() {
    let mut bench = nights();
    bench.clock("2026-01-05T20:59:50Z");
    let peer = bench.ring("in-1");
    bench.pass(secs(15));
    assert_eq!(status(&bench), DoNotDisturbStatus::On);
    // The core replaces its Offer: the same caller, who was let in.
    bench.offer("in-1", Some(FAMILY));
    assert_eq!(bench.call(), CallStatus::Incoming);
    assert!(!bench.peers[&peer]);
    bench.still_works();
}

#[test]
fn calling_out_is_free_and_auto_answer_is_not() {
    let mut bench = nights();
    bench.clock("2026-01-05T23:00:00Z");
    bench.talk();
    bench.press("hangup");
    bench.close_all();
    let zone = Zone::new(jiff::tz::TimeZone::get("Europe/Oslo").unwrap());
    let incoming = IncomingSettings {
        do_not_disturb: Some(DoNotDisturb { zone, windows: vec![window(22, 6, &Weekday::ALL)] }),
        answer: AnswerPolicy::Auto,
        ..IncomingSettings::default()
    };
    let mut bench = Bench::ready(Settings { incoming, ..settings() });
    bench.clock("2026-01-05T23:00:00Z");
    assert!(!rings(&mut bench, Some(FAMILY)));
    bench.still_works();
}

#[test]
fn a_box_without_windows_sets_no_timer_for_them() {
    let mut bench = Bench::ready(settings());
    bench.clock("2026-01-05T23:00:00Z");
    assert_eq!(status(&bench), DoNotDisturbStatus::Off);
    assert!(rings(&mut bench, Some(FAMILY)));
}

fn config(terminal: &str, incoming: &str) -> Result<Config, Vec<String>> {
    let text = format!(
        "[terminal]\n{terminal}\n[auth]\nmethod = \"none\"\n[board]\nfile = \"desktop-mock\"\n[incoming]\n{incoming}\n"
    );
    Config::parse(&text, "f", &BoardLoader::new(Vec::new()))
        .map_err(|found| found.iter().map(ToString::to_string).collect())
}

const ZONE: &str = "time-zone = \"Europe/Oslo\"";

#[test]
fn windows_are_read_from_the_configuration() {
    let incoming = r#"do-not-disturb = [
        { from = "22:00", to = "06:30" }, { from = "00:00", to = "24:00", days = ["sat", "sun"] }
    ]"#;
    let settings = config(ZONE, incoming).unwrap().appliance.incoming;
    let windows = settings.do_not_disturb.unwrap().windows;
    assert_eq!(windows[0], Window { to: secs(6 * 3600 + 1800), ..window(22, 6, &Weekday::ALL) });
    assert_eq!(windows[1], window(0, 24, &[Weekday::Sat, Weekday::Sun]));
    assert_eq!(windows.len(), 2);
    assert!(config(ZONE, "do-not-disturb = []").unwrap().appliance.incoming.do_not_disturb.is_none());
}

#[test]
fn mistakes_in_windows_name_the_place_and_the_cure() {
    let one = |terminal: &str, incoming: &str| match config(terminal, incoming) {
        Ok(_) => panic!("{terminal} {incoming} was accepted"),
        Err(found) => {
            assert_eq!(found.len(), 1, "{found:#?}");
            found[0].clone()
        }
    };
    assert_eq!(
        one("", r#"do-not-disturb = [{ from = "22:00", to = "06:00" }]"#),
        "f:8:1: do-not-disturb needs to know the box's time zone; add time-zone = \"Europe/Oslo\", or another, to [terminal]"
    );
    for (terminal, incoming, said) in [
        (
            "time-zone = \"Europe/Olso\"",
            "",
            "f:2:13: \"Europe/Olso\" is no time zone; did you mean \"Europe/Oslo\"?",
        ),
        ("time-zone = \"\"", "", "f:2:13: \"\" is no time zone; write a name of the IANA"),
        ("time-zone = 1", "", "f:2:13: time-zone is a whole number; write text in double quotes"),
        (
            ZONE,
            r#"do-not-disturb = "22:00-06:00""#,
            "f:8:18: do-not-disturb is text; write a list of tables such as [{ from =",
        ),
        (ZONE, r#"do-not-disturb = ["22:00"]"#, "f:8:19: do-not-disturb is text; write a list of tables"),
        (
            ZONE,
            r#"do-not-disturb = [{ from = "22:00" }]"#,
            "f:8:19: do-not-disturb in [incoming] has no to; add to = \"06:00\"",
        ),
        (
            ZONE,
            r#"do-not-disturb = [{ from = "22", to = "06:00" }]"#,
            "f:8:28: \"22\" is not a time of day; write hours and minutes",
        ),
        (
            ZONE,
            r#"do-not-disturb = [{ from = "24:00", to = "06:00" }]"#,
            "f:8:28: \"24:00\" is not a time of day",
        ),
        (ZONE, r#"do-not-disturb = [{ from = "2:00", to = "06:00" }]"#, "\"2:00\" is not a time of day"),
        (ZONE, r#"do-not-disturb = [{ from = "02:60", to = "06:00" }]"#, "\"02:60\" is not a time of day"),
        (
            ZONE,
            r#"do-not-disturb = [{ from = "06:00", to = "06:00" }]"#,
            "f:8:42: the window ends when it begins; write from = \"00:00\" and to = \"24:00\"",
        ),
        (
            ZONE,
            r#"do-not-disturb = [{ from = "22:00", to = "06:00", days = ["monday"] }]"#,
            "f:8:59: days cannot be \"monday\"; write one of \"mon\", \"tue\"",
        ),
        (
            ZONE,
            r#"do-not-disturb = [{ from = "22:00", to = "06:00", days = [] }]"#,
            "f:8:51: days names no day; name one, or leave days out",
        ),
        (
            ZONE,
            r#"do-not-disturb = [{ from = "22:00", until = "06:00", to = "06:00" }]"#,
            "unknown key \"until\" in do-not-disturb in [incoming]",
        ),
    ] {
        let found = one(terminal, incoming);
        assert!(found.contains(said), "{found}\n{said}");
    }
}

#[test]
fn the_box_wakes_at_a_windows_edge_so_that_status_and_log_tell_of_it() {
    let mut bench =
        quiet(vec![Window { from: secs(22 * 3600 + 7 * 60), ..window(22, 6, &Weekday::ALL) }], &[]);
    bench.clock("2026-01-05T21:06:30Z");
    assert_eq!(bench.box_.poll_timeout(), Some((bench.now + secs(30), Timer::DoNotDisturb)));
}
