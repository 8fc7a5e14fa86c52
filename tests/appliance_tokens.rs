//! Tokens end, are revoked and are refused. A box renews a token that was good
//! at once, and never hammers the token server with one that is not.

mod appliance_support;

use appliance_support::outage::{faults, until_connect};
use appliance_support::{Bench, ms, secs, settings};
use callbox::appliance::command::Role;
use callbox::appliance::event::{CloseReason, SessionEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::status::{CallStatus, SessionStatus};

#[test]
fn a_refused_token_is_renewed_once_at_once_and_then_no_more_than_once_a_minute() {
    let mut bench = Bench::ready(settings());
    bench.closed(CloseReason::Unauthenticated);
    assert_eq!(bench.connects(), [true]);
    assert_eq!(faults(&bench), []);
    bench.session(SessionEvent::Sent);
    bench.closed(CloseReason::Unauthenticated);
    assert_eq!(faults(&bench), [Fault::CredentialsRefused]);
    for _ in 0..5 {
        let wait = until_connect(&mut bench);
        assert!((60.0..=120.0).contains(&wait), "{wait} s");
        assert_eq!(bench.connects(), [true]);
        bench.session(SessionEvent::Sent);
        bench.closed(CloseReason::Unauthenticated);
    }
    until_connect(&mut bench);
    bench.session(SessionEvent::Opened);
    assert_eq!(faults(&bench), []);
    // A day later it may be renewed at once again.
    bench.pass(secs(86_400));
    bench.take();
    bench.closed(CloseReason::Unauthenticated);
    assert_eq!(bench.connects(), [true]);
}

#[test]
fn a_core_that_ends_each_stream_with_its_token_is_met_with_a_new_one_at_once() {
    let mut bench = Bench::ready(settings());
    for _ in 0..20 {
        bench.pass(secs(4));
        bench.take();
        bench.closed(CloseReason::Unauthenticated);
        assert_eq!(bench.connects(), [true]);
        bench.session(SessionEvent::Sent);
        bench.session(SessionEvent::Opened);
        assert_eq!(faults(&bench), []);
    }
    // One that opens streams and refuses the token right after that is not.
    bench.closed(CloseReason::Unauthenticated);
    assert!((60.0..=120.0).contains(&until_connect(&mut bench)));
}

#[test]
fn a_token_that_outlived_itself_while_the_core_forbade_is_renewed_at_once() {
    let mut bench = Bench::ready(settings());
    for _ in 0..3 {
        bench.closed(CloseReason::PermissionDenied);
        until_connect(&mut bench);
        assert_eq!(bench.connects(), [false]);
        bench.take();
    }
    bench.closed(CloseReason::Unauthenticated);
    assert_eq!(bench.connects(), [true]);
}

#[test]
fn refused_credentials_never_cause_more_than_one_token_request_a_minute() {
    for reason in [CloseReason::TokenRefused, CloseReason::PermissionDenied] {
        let mut bench = Bench::new(settings());
        for _ in 0..5 {
            bench.closed(reason);
            let wait = until_connect(&mut bench);
            assert!((60.0..=120.0).contains(&wait), "{reason:?}: {wait} s");
        }
    }
    // A core that refuses only after the time at which others are registered.
    let mut bench = Bench::ready(settings());
    let start = bench.now;
    let mut renewals = 0;
    while bench.now - start < secs(1200) {
        renewals += bench.connects().iter().filter(|renew| **renew).count();
        bench.take();
        if bench.session_status() == SessionStatus::Offline {
            until_connect(&mut bench);
            continue;
        }
        bench.session(SessionEvent::Sent);
        bench.pass(ms(1500));
        bench.closed(CloseReason::Unauthenticated);
    }
    assert!((5..=21).contains(&renewals), "{renewals} token requests in 20 minutes");
    assert_eq!(faults(&bench), [Fault::CredentialsRefused]);
    let flaps = bench.kinds.iter().filter(|kind| kind["kind"] == "fault-cleared").count();
    assert_eq!(flaps, 0, "a slow refusal must not look like a cure");
}

#[test]
fn a_new_token_is_asked_for_once_however_long_the_core_cannot_be_reached_with_it() {
    for reason in [CloseReason::Unreachable, CloseReason::RateLimited, CloseReason::NameNotResolved] {
        let mut bench = Bench::ready(settings());
        bench.closed(CloseReason::Unauthenticated);
        assert_eq!(bench.connects(), [true]);
        // Without a token there is nothing to show: it is still asked for.
        bench.take();
        bench.closed(CloseReason::TokenUnavailable);
        until_connect(&mut bench);
        assert_eq!(bench.connects(), [true]);
        for attempt in 0..5 {
            bench.take();
            bench.closed(reason);
            until_connect(&mut bench);
            assert_eq!(bench.connects(), [false], "{reason:?}, attempt {attempt}");
        }
        bench.take();
        bench.closed(CloseReason::Unauthenticated);
        until_connect(&mut bench);
        assert_eq!(bench.connects(), [true], "{reason:?}: the new one is refused too");
    }
}

#[test]
fn a_token_had_at_last_and_refused_by_the_core_is_not_renewed_within_the_minute() {
    let mut bench = Bench::new(settings());
    bench.closed(CloseReason::TokenRefused);
    until_connect(&mut bench);
    bench.take();
    // The token server gives one again; the core does not take it.
    bench.session(SessionEvent::Sent);
    bench.closed(CloseReason::Unauthenticated);
    assert!(bench.connects().is_empty(), "at once again");
    let wait = until_connect(&mut bench);
    assert!((60.0..=120.0).contains(&wait), "{wait} s");
    assert_eq!(bench.connects(), [true]);
}

#[test]
fn tokens_that_end_or_are_refused_do_not_touch_a_call() {
    let mut bench = Bench::ready(settings());
    let (peer, _) = bench.talk();
    for reason in [CloseReason::Unauthenticated, CloseReason::TokenRefused, CloseReason::TokenUnavailable] {
        bench.closed(reason);
        // Longer than the pause after a refusal: no lamp, sound or message of the call changes.
        for _ in 0..3 {
            if bench.connects().is_empty() {
                until_connect(&mut bench);
            }
            bench.take();
            bench.closed(reason);
        }
        until_connect(&mut bench);
        bench.take();
        bench.session(SessionEvent::Opened);
        assert_eq!(
            (bench.call(), bench.connected.as_slice()),
            (CallStatus::InCall, [(peer, Role::Talk)].as_slice()),
            "{reason:?}"
        );
        assert!(bench.peers[&peer] && bench.sent().is_empty(), "{reason:?}");
    }
    bench.still_works();
}
