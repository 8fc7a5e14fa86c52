//! Hunting: one press tries several people, each for a time of their own, as
//! often as the household wants. A visitor who is given up too early goes
//! away, one who is never given up waits in the rain.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appliance_support;

use appliance_support::*;
use callbox::appliance::event::{Body, ErrorCode};
use callbox::appliance::settings::{Mode, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

fn hunting(mode: Mode, cycles: u32) -> Settings {
    let mut settings = Settings { mode, ..settings() };
    settings.call.hunt_cycles = cycles;
    settings.call.ring_times.insert(number(FAMILY), secs(20));
    settings
}

/// The number and the id of the Offer that went out last; there is at most one.
fn offered(bench: &mut Bench) -> Option<(String, String)> {
    bench.prepare_all();
    let offers: Vec<_> = bench
        .sent()
        .into_iter()
        .filter_map(|message| match message.body {
            Body::Offer { msisdn, .. } => Some((msisdn.unwrap().as_str().to_owned(), message.call_id.0)),
            _ => None,
        })
        .collect();
    assert!(offers.len() <= 1, "{offers:?}");
    bench.take();
    offers.into_iter().next()
}

#[test]
fn the_list_is_gone_through_as_often_as_asked_and_then_it_is_over() {
    for mode in [Mode::Pipe, Mode::MultiPipe] {
        let mut bench = Bench::ready(hunting(mode, 2));
        bench.press("hunt");
        let mut tried = Vec::new();
        while let Some((number, id)) = offered(&mut bench) {
            tried.push(number);
            bench.message(&id, Body::Ringing);
            bench.message(&id, Body::Bye);
            assert!(tried.len() < 10);
        }
        assert_eq!(tried, [FAMILY, NEIGHBOUR, FAMILY, NEIGHBOUR]);
        assert_eq!(bench.tone, Some(Tone::Busy));
        bench.still_works();
    }
}

#[test]
fn each_number_rings_for_its_own_time() {
    let mut bench = Bench::ready(hunting(Mode::Pipe, 1));
    bench.press("hunt");
    let (_, first) = offered(&mut bench).unwrap();
    bench.message(&first, Body::Ringing);
    bench.pass(ms(19_700));
    assert_eq!(offered(&mut bench), None, "family has 20 s");
    bench.pass(ms(400));
    let (number, second) = offered(&mut bench).expect("after 20 s the neighbour");
    assert_eq!(number, NEIGHBOUR);
    bench.message(&second, Body::Ringing);
    bench.pass(ms(44_500));
    assert_eq!(bench.call(), CallStatus::Ringing, "the neighbour has the usual 45 s");
    bench.pass(secs(1));
    assert_eq!((bench.call(), bench.tone), (CallStatus::Releasing, Some(Tone::Congestion)));
}

#[test]
fn an_answer_ends_the_hunt_for_good() {
    let mut bench = Bench::ready(hunting(Mode::Pipe, 5));
    bench.press("hunt");
    let (_, id) = offered(&mut bench).unwrap();
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    bench.message(&id, Body::Bye);
    assert_eq!(offered(&mut bench), None, "who hangs up after an answer is not called again");
    assert_eq!(bench.call(), CallStatus::Releasing);
}

#[test]
fn who_hangs_up_stops_all_cycles() {
    let mut bench = Bench::ready(hunting(Mode::MultiPipe, 5));
    bench.press("hunt");
    offered(&mut bench).unwrap();
    bench.press("hangup");
    assert_eq!(offered(&mut bench), None);
    bench.pass(secs(120));
    assert_eq!(offered(&mut bench), None);
}

#[test]
fn a_core_that_asks_for_fewer_calls_stops_the_hunt() {
    let mut bench = Bench::ready(hunting(Mode::Pipe, 5));
    bench.press("hunt");
    let (_, id) = offered(&mut bench).unwrap();
    bench.message(&id, Body::Error(ErrorCode::RateLimitHit));
    assert_eq!(offered(&mut bench), None);
    assert_eq!(bench.call(), CallStatus::Releasing);
}
