//! Who may ring at a box. A wrong list lets a prankster into a lift, or keeps
//! out the one who was asked to call back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod appliance_support;

use appliance_support::{Bench, FAMILY, NEIGHBOUR, number, settings};
use callbox::appliance::settings::{AnswerPolicy, IncomingSettings, Settings};
use callbox::appliance::status::CallStatus;
use callbox::config::{BoardLoader, Config};

const STRANGER: &str = "+4744444444";

fn with(incoming: IncomingSettings) -> Bench {
    Bench::ready(Settings { incoming, ..settings() })
}

fn list(numbers: &[&str]) -> Vec<callbox::appliance::id::PhoneNumber> {
    numbers.iter().map(|text| number(text)).collect()
}

/// Whether a call from this number rings; if not, which counter says why. One
/// that is turned away gets its Bye at once, and no lamp or tone stirs.
fn rings(bench: &mut Bench, from: Option<&str>) -> Result<(), &'static str> {
    const WHY: [&str; 3] = ["incoming-denied", "incoming-hidden", "incoming-not-allowed"];
    let before = WHY.map(|why| bench.counter(why));
    let (lamps, tone) = (bench.lamps.clone(), bench.tone);
    bench.take();
    bench.offer("in", from);
    if bench.call() == CallStatus::Incoming {
        assert_eq!(WHY.map(|why| bench.counter(why)), before);
        bench.message("in", callbox::appliance::event::Body::Bye);
        bench.close_all();
        return Ok(());
    }
    assert_eq!(bench.sent_byes(), ["in"]);
    assert_eq!((&bench.lamps, bench.tone), (&lamps, tone));
    let counted: Vec<_> = (0..3).filter(|i| bench.counter(WHY[*i]) > before[*i]).collect();
    assert_eq!(counted.len(), 1, "counted {counted:?}");
    Err(WHY[counted[0]])
}

#[test]
fn without_lists_everybody_may() {
    let mut bench = with(IncomingSettings::default());
    assert_eq!([Some(FAMILY), None].map(|from| rings(&mut bench, from)), [Ok(()), Ok(())]);
    bench.still_works();
}

#[test]
fn the_deny_list_keeps_out_only_those_on_it() {
    let mut bench = with(IncomingSettings { deny: list(&[NEIGHBOUR]), ..IncomingSettings::default() });
    assert_eq!(rings(&mut bench, Some(NEIGHBOUR)), Err("incoming-denied"));
    assert_eq!([Some(FAMILY), None].map(|from| rings(&mut bench, from)), [Ok(()), Ok(())]);
    bench.still_works();
}

#[test]
fn deny_wins_also_over_priority_and_auto_answer() {
    let mut bench = with(IncomingSettings {
        allow: Some(list(&[FAMILY, NEIGHBOUR])),
        deny: list(&[NEIGHBOUR]),
        priority: list(&[NEIGHBOUR]),
        answer: AnswerPolicy::Auto,
        ..IncomingSettings::default()
    });
    assert_eq!(rings(&mut bench, Some(NEIGHBOUR)), Err("incoming-denied"));
    assert_eq!(rings(&mut bench, Some(STRANGER)), Err("incoming-not-allowed"));
    assert_eq!(rings(&mut bench, None), Err("incoming-not-allowed"));
    assert_eq!(rings(&mut bench, Some(FAMILY)), Ok(()));
    bench.still_works();
}

#[test]
fn hidden_numbers_can_be_kept_out_without_a_list() {
    let mut bench = with(IncomingSettings { deny_hidden: true, ..IncomingSettings::default() });
    assert_eq!(rings(&mut bench, None), Err("incoming-hidden"));
    assert_eq!(rings(&mut bench, Some(STRANGER)), Ok(()));
    bench.still_works();
}

#[test]
fn an_offer_that_is_replaced_by_a_denied_callers_ends() {
    let mut bench = with(IncomingSettings { deny: list(&[NEIGHBOUR]), ..IncomingSettings::default() });
    bench.ring("in");
    bench.take();
    bench.offer("in", Some(NEIGHBOUR));
    assert_eq!((bench.sent_byes(), bench.counter("incoming-denied")), (vec!["in".to_owned()], 1));
    bench.still_works();
}

fn config(incoming: &str) -> Result<Config, Vec<String>> {
    let text = format!(
        "[auth]\nmethod = \"none\"\n[board]\nfile = \"desktop-mock\"\n[contacts]\nhome = \"{FAMILY}\"\n[incoming]\n{incoming}\n"
    );
    Config::parse(&text, "f", &BoardLoader::new(Vec::new()))
        .map_err(|found| found.iter().map(ToString::to_string).collect())
}

#[test]
fn the_lists_are_read_from_the_configuration() {
    let config = config(&format!("deny = [\"home\", \"{NEIGHBOUR}\"]\ndeny-hidden = true")).unwrap();
    let mut bench = with(config.appliance.incoming);
    assert_eq!(rings(&mut bench, Some(FAMILY)), Err("incoming-denied"));
    assert_eq!(rings(&mut bench, Some(NEIGHBOUR)), Err("incoming-denied"));
    assert_eq!(rings(&mut bench, None), Err("incoming-hidden"));
    assert_eq!(rings(&mut bench, Some(STRANGER)), Ok(()));
}

#[test]
fn lists_that_contradict_each_other_are_mistakes() {
    let one = |text: &str| match config(text) {
        Ok(_) => panic!("{text} was accepted"),
        Err(found) => {
            assert_eq!(found.len(), 1, "{found:#?}");
            found[0].clone()
        }
    };
    assert_eq!(
        one(&format!("allow = [\"home\"]\ndeny = [\"{STRANGER}\", \"{FAMILY}\"]")),
        format!("f:9:24: \"{FAMILY}\" is in allow and in deny; remove it from one of the two")
    );
    assert_eq!(
        one("priority = [\"home\"]\ndeny = [\"home\"]"),
        format!("f:9:9: \"{FAMILY}\" is in priority and in deny; remove it from one of the two")
    );
    assert_eq!(
        one(&format!("allow = [\"home\"]\npriority = [\"{NEIGHBOUR}\"]")),
        format!(
            "f:9:13: \"{NEIGHBOUR}\" is in priority, but not among those who may call; add it to allow too"
        )
    );
    assert!(one("deny = \"home\"").contains("a list"), "{}", one("deny = \"home\""));
    assert!(one("deny = [\"hone\"]").contains("did you mean \"home\"?"));
    assert!(one("deny-hidden = \"yes\"").contains("write true or false"));
}
