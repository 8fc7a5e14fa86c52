//! Peer connections that are made before the press, so that an Offer leaves at once: one
//! that is old, late, cannot be made or closes by itself.

mod appliance_support;

use appliance_support::{Bench, call_to, ms, secs, settings};
use callbox::appliance::command::Refusal;
use callbox::appliance::event::{MediaErrorKind, MediaEvent, SessionEvent, SystemEvent};
use callbox::appliance::indicator::Pattern;
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

#[test]
fn a_press_waits_for_a_peer_connection_that_is_on_its_way() {
    let mut bench = Bench::ready(settings());
    bench.system(SystemEvent::AddressesChanged);
    bench.take();
    bench.down("call");
    assert_eq!((bench.call(), bench.tone), (CallStatus::Outgoing, Some(Tone::Progress)));
    assert_eq!(bench.sent(), []);
    bench.pass(secs(1));
    let waiting = *bench.peers.iter().rev().nth(1).unwrap().0;
    bench.media(waiting, MediaEvent::Prepared { sdp: "late".to_owned() });
    assert_eq!(bench.sent_offer().unwrap().2, "late");

    let mut bench = Bench::ready(settings());
    bench.system(SystemEvent::AddressesChanged);
    bench.down("call");
    bench.pass(secs(2));
    assert_eq!((bench.call(), bench.tone), (CallStatus::Releasing, Some(Tone::Error)));
    assert_eq!(bench.sent(), [], "the core never heard of this call");
    bench.still_works();

    let mut bench = Bench::ready(settings());
    bench.system(SystemEvent::AddressesChanged);
    bench.down("call");
    let waiting = *bench.peers.iter().rev().nth(1).unwrap().0;
    bench.media_failed(waiting, MediaErrorKind::NoAddress);
    assert_eq!(bench.tone, Some(Tone::Error));
    assert_eq!(bench.sent(), []);
    bench.still_works();
}

#[test]
fn prepared_peers_are_renewed_and_the_one_in_use_is_left_alone() {
    let mut bench = Bench::ready(settings());
    let first = *bench.peers.first_key_value().unwrap().0;
    bench.pass(secs(600));
    assert!(!bench.peers[&first], "ten minutes old");
    bench.prepare_all();
    let (in_use, _) = bench.talk();
    for _ in 0..3 {
        bench.system(SystemEvent::AddressesChanged);
        bench.prepare_all();
    }
    assert!(bench.peers[&in_use]);
    assert_eq!(bench.peers.values().filter(|open| **open).count(), 2);
    assert_eq!(bench.call(), CallStatus::InCall);
}

#[test]
fn a_peer_that_cannot_be_prepared_is_a_fault_and_is_tried_again_ever_slower() {
    let mut bench = Bench::new(settings());
    bench.session(SessionEvent::Opened);
    let start = bench.now;
    let mut waits = Vec::new();
    let mut last = start;
    for _ in 0..8 {
        let peer = *bench.peers.last_key_value().unwrap().0;
        assert!(bench.peers[&peer]);
        bench.media_failed(peer, MediaErrorKind::NoAddress);
        assert_eq!(bench.lamp("fault"), Pattern::DoubleFlash);
        let count = bench.peers.len();
        while bench.peers.len() == count {
            bench.pass(ms(500));
        }
        waits.push((bench.now - last).as_secs());
        last = bench.now;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    bench.take();
    let peer = *bench.peers.last_key_value().unwrap().0;
    bench.media_failed(peer, MediaErrorKind::NoAddress);
    bench.down("call");
    assert_eq!((bench.tone, bench.sent()), (Some(Tone::Error), vec![]));
    assert_eq!(bench.ask(call_to(&["family"])), Err(Refusal::MediaNotReady));
    bench.still_works();
    assert_eq!(bench.lamp("fault"), Pattern::Off);
}

#[test]
fn a_peer_connection_that_closes_by_itself_ends_its_call_and_no_other() {
    let mut bench = Bench::ready(settings());
    let (peer, id) = bench.talk();
    bench.media(peer, MediaEvent::Closed);
    assert_eq!((bench.call(), bench.tone), (CallStatus::Idle, Some(Tone::Congestion)));
    assert_eq!(bench.sent_byes(), [id]);
    bench.still_works();
}
