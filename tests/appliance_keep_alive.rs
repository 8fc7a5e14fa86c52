//! A connection that is dead on the other side must be found, soon in a call,
//! and a core that finds the PINGs for it too many must not be driven away.

mod appliance_support;

use appliance_support::outage::{faults, until_connect};
use appliance_support::{Bench, ms, secs, settings};
use callbox::appliance::command::{Command, SessionCommand};
use callbox::appliance::event::{CloseReason, SessionEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::settings::{KeepAlive, SessionSettings, Settings};

/// The paces that the session shell was told, in order.
fn paces(bench: &mut Bench) -> Vec<KeepAlive> {
    let told = bench.take().into_iter().filter_map(|command| match command {
        Command::Session(SessionCommand::KeepAlive(pace)) => Some(pace),
        _ => None,
    });
    told.collect()
}

#[test]
fn keep_alive_finds_a_dead_connection_in_five_seconds_in_a_call_and_in_twenty_without() {
    let idle = KeepAlive::default();
    assert!(idle.every + idle.timeout <= secs(20));
    let mut bench = Bench::ready(settings());
    bench.pass(secs(300));
    assert_eq!(paces(&mut bench), [], "the shell knows the idle pace");
    bench.press("call");
    let told = paces(&mut bench);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].every + told[0].timeout < secs(5), "{told:?}");
    bench.press("hangup");
    bench.close_all();
    bench.pass(secs(10));
    assert_eq!(paces(&mut bench), [idle]);
    // A box set to be quick is not slowed down by a call.
    let idle = KeepAlive { every: secs(1), timeout: ms(500) };
    let mut bench = Bench::ready(Settings {
        session: SessionSettings { idle, ..SessionSettings::default() },
        ..settings()
    });
    bench.press("call");
    assert_eq!(paces(&mut bench), []);
}

/// The core ends the connection for too many PINGs; the box comes back.
fn too_many_pings(bench: &mut Bench) {
    bench.closed(CloseReason::TooManyPings);
    let wait = until_connect(bench);
    assert!(wait <= 60.0, "{wait} s: only keep-alive is too often");
    bench.session(SessionEvent::Opened);
}

#[test]
fn keep_alive_that_is_too_often_is_doubled_each_time_and_eased_a_day_later() {
    let mut bench = Bench::ready(settings());
    let mut every = vec![];
    for _ in 0..7 {
        bench.closed(CloseReason::TooManyPings);
        assert_eq!(faults(&bench), [Fault::RateLimited]);
        every.extend(paces(&mut bench).iter().map(|pace| pace.every.as_secs()));
        assert!(until_connect(&mut bench) <= 60.0, "only keep-alive is too often");
        bench.session(SessionEvent::Opened);
    }
    assert_eq!(every, [20, 40, 80, 160, 320, 330]);
    bench.take();
    bench.press("call");
    let told = paces(&mut bench);
    assert!(
        told.iter().all(|pace| pace.every == secs(330)),
        "a call is no reason to be thrown out: {told:?}"
    );
    bench.press("hangup");
    bench.close_all();
    bench.pass(secs(3600));
    assert!(paces(&mut bench).iter().all(|pace| pace.every == secs(330)), "eased too soon");
    let mut every = vec![];
    for _ in 0..9 {
        bench.pass(secs(86_400));
        every.extend(paces(&mut bench).iter().map(|pace| pace.every.as_millis()));
    }
    assert_eq!(every, [165_000, 82_500, 41_250, 20_625, 10_312, 10_000]);
}

#[test]
fn the_pace_of_a_call_may_be_too_often_while_that_of_an_idle_box_is_not() {
    let mut bench = Bench::ready(settings());
    bench.press("call");
    let first = paces(&mut bench)[0];
    too_many_pings(&mut bench);
    bench.press("hangup");
    bench.close_all();
    bench.pass(secs(10));
    bench.take();
    bench.pass(secs(1));
    bench.press("call");
    assert_eq!(paces(&mut bench), [KeepAlive { every: first.every * 2, ..first }]);
    bench.press("hangup");
    bench.close_all();
    bench.pass(secs(10));
    assert_eq!(paces(&mut bench), [KeepAlive::default()]);
}
