//! Somebody hangs up while the stream is broken. The core must hear of it when
//! it is back, and the Bye must end that call and never another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod appliance_support;

use appliance_support::outage::{back, cut, cut_again, in_call, is_open, pipe, with};
use appliance_support::{FAMILY, NEIGHBOUR, OFFER, number, secs};
use callbox::appliance::event::Body;
use callbox::appliance::settings::Mode;
use callbox::appliance::status::CallStatus;
use callbox::appliance::timer::Timer;

#[test]
fn with_multi_pipe_nothing_is_said_and_a_hang_up_in_the_gap_is_told() {
    let mut bench = with(Mode::MultiPipe);
    let (old, id) = bench.talk();
    cut(&mut bench);
    back(&mut bench);
    in_call(&mut bench, &id, Some(FAMILY));
    bench.message(&id, Body::Idle);
    bench.pass(secs(100));
    assert_eq!((bench.call(), bench.sent()), (CallStatus::InCall, vec![]));
    assert!(is_open(&bench, old));
    cut(&mut bench);
    bench.press("hangup");
    bench.pass(secs(15));
    for _ in 0..4 {
        cut_again(&mut bench);
        bench.pass(secs(15));
    }
    back(&mut bench);
    assert_eq!(bench.sent_byes(), [id], "after a minute too");
    bench.still_works();
}

#[test]
fn a_hang_up_in_the_gap_is_told_once_the_core_speaks_of_that_call() {
    for (core_id, from) in [(true, Some(FAMILY)), (true, None), (false, Some(FAMILY))] {
        let mut bench = pipe();
        let (_, id) = bench.talk();
        cut(&mut bench);
        bench.press("hangup");
        back(&mut bench);
        assert_eq!(bench.sent(), vec![]);
        let said = if core_id { id.as_str() } else { "" };
        in_call(&mut bench, said, from);
        assert_eq!(bench.sent_byes(), [id]);
        assert_eq!(bench.sent_offer(), None);
        bench.message("", Body::Idle);
        assert!(!bench.box_.status().busy_elsewhere);
        bench.still_works();
    }
}

#[test]
fn a_hang_up_before_the_first_word_waits_for_it() {
    let mut bench = pipe();
    let (_, id) = bench.talk();
    cut(&mut bench);
    back(&mut bench);
    bench.press("hangup");
    assert_eq!(bench.sent(), vec![]);
    in_call(&mut bench, &id, Some(FAMILY));
    assert_eq!(bench.sent_byes(), [id]);
    bench.still_works();
}

#[test]
fn a_hang_up_in_the_gap_never_hits_another_call() {
    let first_words: [(&str, Body); 5] = [
        ("new", Body::Offer { sdp: OFFER.to_owned(), msisdn: Some(number(FAMILY)) }),
        ("", Body::Offer { sdp: OFFER.to_owned(), msisdn: None }),
        ("", Body::Idle),
        ("other", Body::InCall { msisdn: Some(number(NEIGHBOUR)) }),
        ("other", Body::InCall { msisdn: None }),
    ];
    for (id, body) in first_words {
        let mut bench = pipe();
        bench.talk();
        cut(&mut bench);
        bench.press("hangup");
        bench.close_all();
        back(&mut bench);
        bench.message(id, body.clone());
        bench.pass(secs(4));
        bench.message("", Body::InCall { msisdn: Some(number(FAMILY)) });
        bench.pass(secs(4));
        assert_eq!(bench.sent_byes(), Vec::<String>::new(), "{body:?}");
        bench.still_works();
    }
    // Nor a call that the next visitor makes before the core has spoken.
    let mut bench = pipe();
    bench.talk();
    cut(&mut bench);
    bench.press("hangup");
    bench.close_all();
    back(&mut bench);
    let (_, id) = bench.call_out();
    bench.pass(secs(10));
    in_call(&mut bench, &id, Some(FAMILY));
    assert_eq!(bench.sent_byes(), Vec::<String>::new());
    bench.still_works();
}

#[test]
fn where_nobody_hung_up_no_word_is_awaited() {
    let bench = pipe();
    assert!(!matches!(bench.box_.poll_timeout(), Some((_, Timer::LateBye))));
}
