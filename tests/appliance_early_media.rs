//! What the far end says before it answers ("this number has changed", its own
//! ringback) is heard at the box, instead of the box's ringback, and nobody
//! hears the visitor before there is an answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appliance_support;

use appliance_support::*;
use callbox::appliance::action::{Action, Ring};
use callbox::appliance::command::{MediaCommand, Role};
use callbox::appliance::event::{Body, MediaEvent};
use callbox::appliance::id::PeerId;
use callbox::appliance::settings::{Mode, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

/// An early Offer of the core, answered, with its media up.
fn early(bench: &mut Bench, peer: PeerId, id: &str) {
    bench.take();
    bench.offer(id, None);
    assert_eq!(
        bench.peer_told(|command| matches!(command, MediaCommand::Renegotiate { .. })),
        Some(peer),
        "the Offer goes to the call it is for"
    );
    bench.media(peer, MediaEvent::Answer { sdp: "early".to_owned() });
    assert_eq!(bench.sent().len(), 1);
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
}

#[test]
fn an_announcement_is_heard_in_place_of_the_ringback_and_the_microphone_is_shut() {
    for mode in [Mode::Pipe, Mode::MultiPipe] {
        for rings in [false, true] {
            let mut bench = Bench::ready(Settings { mode, ..settings() });
            let (peer, id) = bench.call_out();
            if rings {
                bench.message(&id, Body::Ringing);
            }
            let tone = if rings { Tone::Ringback } else { Tone::Progress };
            early(&mut bench, peer, &id);
            assert_eq!(bench.connected, [(peer, Role::Listen)]);
            assert_eq!(bench.tone, Some(tone), "nothing is heard yet");
            bench.media(peer, MediaEvent::FirstAudio);
            assert_eq!(bench.tone, None);
            assert_eq!(bench.connected, [(peer, Role::Listen)]);
            bench.take();
            bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
            assert_eq!(
                (bench.call(), bench.connected.clone()),
                (CallStatus::InCall, vec![(peer, Role::Talk)])
            );
            bench.press("hangup");
            assert_eq!(bench.connected, []);
        }
    }
}

#[test]
fn the_ringback_comes_back_when_early_media_is_lost() {
    let mut bench = Bench::ready(settings());
    let (peer, id) = bench.call_out();
    bench.message(&id, Body::Ringing);
    early(&mut bench, peer, &id);
    bench.media(peer, MediaEvent::FirstAudio);
    bench.media(peer, MediaEvent::Interrupted);
    assert_eq!((bench.tone, bench.connected.clone()), (Some(Tone::Ringback), vec![]));
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    assert_eq!((bench.tone, bench.connected.clone()), (None, vec![(peer, Role::Listen)]));
}

#[test]
fn a_call_that_is_rejected_after_an_announcement_is_over() {
    let mut bench = Bench::ready(settings());
    let (peer, id) = bench.call_out();
    early(&mut bench, peer, &id);
    bench.media(peer, MediaEvent::FirstAudio);
    bench.message(&id, Body::Bye);
    assert_eq!((bench.call(), bench.connected.clone()), (CallStatus::Releasing, vec![]));
    assert_eq!(bench.tone, Some(Tone::Busy));
    bench.still_works();
}

#[test]
fn of_several_announcements_one_is_heard() {
    let mut bench = Bench::ready(Settings { mode: Mode::MultiPipe, ..settings() });
    let to = vec!["family".to_owned(), "neighbour".to_owned()];
    assert_eq!(bench.ask(Action::Call { to, ring: Ring::All }), Ok(()));
    bench.prepare_all();
    let offers: Vec<(String, PeerId)> = bench
        .sent()
        .into_iter()
        .filter_map(|message| match message.body {
            Body::Offer { sdp, .. } => {
                Some((message.call_id.0, PeerId(sdp.rsplit(' ').next().unwrap().parse().unwrap())))
            }
            _ => None,
        })
        .collect();
    for (id, peer) in offers.iter().rev() {
        early(&mut bench, *peer, id);
        bench.media(*peer, MediaEvent::FirstAudio);
    }
    assert_eq!(bench.connected, [(offers[0].1, Role::Listen)]);
    bench.message(&offers[0].0, Body::Bye);
    assert_eq!((bench.connected.clone(), bench.tone), (vec![(offers[1].1, Role::Listen)], None));
    bench.message(&offers[1].0, Body::Answer { sdp: ANSWER.to_owned() });
    assert_eq!(bench.connected, [(offers[1].1, Role::Talk)]);
}
