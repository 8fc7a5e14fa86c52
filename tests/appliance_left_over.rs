//! A box is killed in mid-call, or its power fails. When it is back, the person
//! at the other end must not go on holding a dead telephone, and no Bye may hit
//! a call that is somebody else's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod appliance_support;

use appliance_support::outage::in_call;
use appliance_support::{Bench, FAMILY, NEIGHBOUR, OFFER, number, secs, settings};
use callbox::appliance::command::Command;
use callbox::appliance::event::{Body, SessionEvent, SystemEvent};
use callbox::appliance::memory::Memory;
use callbox::appliance::settings::{Mode, Settings};

/// What the box has last asked to be kept, of what it has said since `take`.
fn kept(bench: &Bench) -> Option<Vec<String>> {
    let mut kept = bench.commands.iter().filter_map(|command| match command {
        Command::Remember(memory) => Some(memory.calls.iter().map(ToString::to_string).collect()),
        _ => None,
    });
    kept.next_back()
}

/// A box that starts with these calls in its memory, up to the moment when its stream is open.
fn restarted(mode: Mode, calls: &[&str]) -> Bench {
    let mut bench = Bench::new(Settings { mode, ..settings() });
    let calls = calls.iter().map(|id| (*id).into()).collect();
    bench.system(SystemEvent::Remembered(Memory { calls, ..Memory::default() }));
    bench.prepare_all();
    bench.pass(secs(1));
    bench.take();
    bench.session(SessionEvent::Sent);
    bench.session(SessionEvent::Opened);
    bench
}

#[test]
fn a_call_is_kept_from_its_offer_to_its_end() {
    for mode in [Mode::Pipe, Mode::MultiPipe] {
        let mut bench = Bench::ready(Settings { mode, ..settings() });
        bench.take();
        let (_, id) = bench.call_out();
        assert_eq!(kept(&bench), Some(vec![id.clone()]));
        bench.take();
        bench.message(&id, Body::Ringing);
        assert_eq!(kept(&bench), None, "nothing has changed, nothing is written");
        bench.press("hangup");
        assert_eq!(kept(&bench), Some(vec![]));

        bench.close_all();
        bench.take();
        bench.message("theirs", Body::Offer { sdp: OFFER.to_owned(), msisdn: Some(number(FAMILY)) });
        assert_eq!(kept(&bench), Some(vec!["theirs".to_owned()]));
        bench.message("theirs", Body::Bye);
        assert_eq!(kept(&bench), Some(vec![]));
    }
}

#[test]
fn with_multi_pipe_what_was_left_is_ended_at_once() {
    let bench = restarted(Mode::MultiPipe, &["one", "", "two"]);
    assert_eq!(bench.sent_byes(), ["one", "two"]);
    assert_eq!(kept(&bench), Some(vec![]));
}

#[test]
fn with_pipe_it_is_ended_if_the_core_speaks_of_it_first() {
    let mut bench = restarted(Mode::Pipe, &["one"]);
    assert_eq!(bench.sent_byes(), Vec::<String>::new());
    in_call(&mut bench, "one", Some(FAMILY));
    assert_eq!(bench.sent_byes(), ["one"]);
    assert_eq!(kept(&bench), Some(vec![]));
    bench.message("", Body::Idle);
    assert!(!bench.box_.status().busy_elsewhere);
    bench.still_works();
}

#[test]
fn with_pipe_no_other_call_is_ended() {
    let first_words: [(&str, Body); 5] = [
        ("", Body::Idle),
        ("", Body::InCall { msisdn: Some(number(FAMILY)) }),
        ("other", Body::InCall { msisdn: Some(number(FAMILY)) }),
        ("other", Body::InCall { msisdn: Some(number(NEIGHBOUR)) }),
        ("one", Body::Offer { sdp: OFFER.to_owned(), msisdn: None }),
    ];
    for (id, body) in first_words {
        let mut bench = restarted(Mode::Pipe, &["one"]);
        bench.message(id, body.clone());
        in_call(&mut bench, "one", Some(FAMILY));
        assert_eq!(bench.sent_byes(), Vec::<String>::new(), "{body:?}");
    }
    // Nor the call of a visitor who was faster than the core.
    let mut bench = restarted(Mode::Pipe, &["one"]);
    let (_, id) = bench.call_out();
    assert_eq!(kept(&bench), Some(vec![id.clone()]));
    in_call(&mut bench, "one", Some(FAMILY));
    assert_eq!(bench.sent_byes(), Vec::<String>::new());
}

#[test]
fn a_file_may_say_anything() {
    let many: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let bench = restarted(Mode::MultiPipe, &many);
    assert_eq!(bench.sent_byes().len(), 16);
}
