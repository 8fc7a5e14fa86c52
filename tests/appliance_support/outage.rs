//! Streams that break and come back.

use callbox::appliance::event::{Body, CloseReason, MediaEvent, SessionEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::id::PeerId;
use callbox::appliance::settings::{BackoffSettings, Mode, Settings};

use super::{ANSWER, Bench, ms, number, secs, settings};

pub fn faults(bench: &Bench) -> Vec<Fault> {
    bench.box_.status().faults.into_iter().map(|fault| fault.fault).collect()
}

/// Seconds until the next Connect.
pub fn until_connect(bench: &mut Bench) -> f64 {
    bench.take();
    let from = bench.now;
    while bench.connects().is_empty() {
        assert!(bench.now - from < secs(600), "it never connects again");
        let (at, _) = bench.box_.poll_timeout().expect("no timer");
        bench.pass(at - bench.now);
        bench.prepare_all();
    }
    (bench.now - from).as_secs_f64()
}

pub fn with(mode: Mode) -> Bench {
    // No back-off: when to connect again is another test's business.
    let backoff = BackoffSettings { base: ms(0), ..BackoffSettings::default() };
    Bench::ready(Settings { mode, backoff, ..settings() })
}

pub fn pipe() -> Bench {
    with(Mode::Pipe)
}

/// The stream breaks; a new one is asked for at once.
pub fn cut(bench: &mut Bench) {
    bench.take();
    bench.closed(CloseReason::Lost);
    bench.pass(ms(1));
    assert_eq!(bench.connects().len(), 1);
}

/// The next stream is up; nothing is said on it yet.
pub fn back(bench: &mut Bench) {
    bench.prepare_all();
    bench.take();
    bench.session(SessionEvent::Opened);
}

pub fn in_call(bench: &mut Bench, id: &str, number_: Option<&str>) {
    bench.message(id, Body::InCall { msisdn: number_.map(number) });
}

/// The attempt to connect fails, and another is made.
pub fn cut_again(bench: &mut Bench) {
    bench.closed(CloseReason::Unreachable);
    bench.pass(ms(1));
}

pub fn is_open(bench: &Bench, peer: PeerId) -> bool {
    bench.peers[&peer]
}

pub fn connected() -> MediaEvent {
    MediaEvent::Connected { codec: "opus".to_owned() }
}

pub fn answer(bench: &mut Bench, id: &str) {
    bench.message(id, Body::Answer { sdp: ANSWER.to_owned() });
}
