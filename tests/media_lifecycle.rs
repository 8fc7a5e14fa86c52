//! Why: a box makes peer connections for years. A prepared one may wait ten
//! minutes for a press; a closed one must leave nothing behind; and one that
//! nobody needs any more must not cost a packet.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/media.rs"]
mod support;

use std::time::Duration;

use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::{MediaErrorKind, MediaEvent};
use callbox::appliance::id::PeerId;
use callbox::audio::FRAME_SAMPLES;
use callbox::media::{Codec, MediaSettings, spawn};
use support::{Card, Engine, call, hears, settings, tone};
use tokio::sync::mpsc;

/// Open files of this process.
fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[test]
fn a_hundred_calls_leave_nothing_behind() {
    // A process of its own would be the only other way to count files while
    // the tests beside this one open their own.
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "counted::a_hundred_calls", "--nocapture", "--include-ignored"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    println!("{text}");
}

mod counted {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by a_hundred_calls_leave_nothing_behind in a process of its own"]
    async fn a_hundred_calls() {
        let all = [Codec::Opus, Codec::Pcmu, Codec::Pcma];
        let (mut box_, mut far) = (Engine::new(settings(&all)), Engine::new(settings(&all)));
        let mut before = (0, 0);
        for peer in 0..105 {
            if peer == 5 {
                tokio::time::sleep(Duration::from_millis(300)).await;
                before = (files(), tasks());
            }
            let legs = call(&mut box_, &mut far, peer).await;
            box_.close(peer).await;
            far.close(peer).await;
            drop(legs);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let after = (files(), tasks());
        println!("files and tasks: {before:?} before, {after:?} after");
        assert!(after.0 <= before.0 + 1 && after.1 <= before.1 + 2, "{before:?} {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_offer_works_long_after() {
    let (mut box_, mut far) = (Engine::new(settings(&[Codec::Opus])), Engine::new(settings(&[Codec::Opus])));
    let offer = box_.prepare(1).await;
    // Longer than ICE's own limits of 5 s and 25 s, which must not run yet.
    tokio::time::sleep(Duration::from_secs(33)).await;
    let (answer, far_leg) = far.answer(1, offer).await;
    box_.tell(1, MediaCommand::Start { sdp: answer }).await;
    let near = Card::new(box_.leg(1).await, tone(440.0));
    box_.connected(1).await;
    let away = Card::new(far_leg, tone(1_000.0));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(hears(440.0, &away.listen(Duration::from_millis(1_000)).await));
    assert!(hears(1_000.0, &near.listen(Duration::from_millis(1_000)).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_outlives_its_peer_in_silence() {
    let (mut box_, mut far) = (Engine::new(settings(&[Codec::Opus])), Engine::new(settings(&[Codec::Opus])));
    let (mut leg, _far_leg) = call(&mut box_, &mut far, 1).await;
    box_.close(1).await;
    for _ in 0..200 {
        leg.leg.near_end(&[1_000; FRAME_SAMPLES], std::time::Instant::now());
        let mut frame = [1; FRAME_SAMPLES];
        leg.leg.far_end(&mut frame, std::time::Instant::now());
        assert_eq!(frame, [0; FRAME_SAMPLES]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn close_answers_in_every_state_and_the_engine_ends() {
    let (commands, received) = mpsc::channel(8);
    let (sent, mut outputs) = mpsc::channel(8);
    let engine = spawn(settings(&[Codec::Opus]), received, sent);
    let closed = async |outputs: &mut mpsc::Receiver<_>| loop {
        match outputs.recv().await.unwrap() {
            (_, callbox::media::MediaOutput::Event(MediaEvent::Closed)) => return,
            (_, callbox::media::MediaOutput::Event(_) | callbox::media::MediaOutput::Leg(_)) => {}
        }
    };
    // Unknown, prepared, failed.
    commands.send((PeerId(1), MediaCommand::Close)).await.unwrap();
    closed(&mut outputs).await;
    commands.send((PeerId(2), MediaCommand::Prepare)).await.unwrap();
    commands.send((PeerId(2), MediaCommand::Close)).await.unwrap();
    closed(&mut outputs).await;
    commands.send((PeerId(3), MediaCommand::Check { sdp: String::new() })).await.unwrap();
    commands.send((PeerId(3), MediaCommand::Answer)).await.unwrap();
    commands.send((PeerId(3), MediaCommand::Close)).await.unwrap();
    closed(&mut outputs).await;
    commands.send((PeerId(4), MediaCommand::Prepare)).await.unwrap();
    drop(commands);
    while outputs.recv().await.is_some() {}
    engine.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_flooded_with_commands_still_closes() {
    // What fits into its inbox with a Close behind it, and more than fits without one.
    for (flood, close) in [(64, true), (70, false)] {
        let mut far = Engine::new(settings(&[Codec::Opus]));
        let offer = far.prepare(1).await;
        let (commands, received) = mpsc::channel(8);
        let (sent, mut outputs) = mpsc::channel(1);
        let engine = spawn(settings(&[Codec::Opus]), received, sent);
        commands.send((PeerId(1), MediaCommand::Check { sdp: offer })).await.unwrap();
        commands.send((PeerId(1), MediaCommand::Answer)).await.unwrap();
        // Nobody takes its outputs yet: it stands still at the second one.
        tokio::time::sleep(Duration::from_secs(3)).await;
        for _ in 0..flood {
            commands.send((PeerId(1), MediaCommand::Digits("1".to_owned()))).await.unwrap();
        }
        if close {
            commands.send((PeerId(1), MediaCommand::Close)).await.unwrap();
        }
        let closed = async {
            while let Some((_, output)) = outputs.recv().await {
                if matches!(output, callbox::media::MediaOutput::Event(MediaEvent::Closed)) {
                    return true;
                }
            }
            false
        };
        let closed = tokio::time::timeout(Duration::from_secs(20), closed).await;
        assert_eq!(closed, Ok(true), "after {flood} commands");
        drop(commands);
        engine.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_there_is_no_address() {
    // RFC 5737: documentation, on no interface.
    let settings =
        MediaSettings { addresses: vec!["203.0.113.1".parse().unwrap()], ..settings(&[Codec::Opus]) };
    let mut engine = Engine::new(settings);
    engine.tell(1, MediaCommand::Prepare).await;
    match engine.event(1).await {
        MediaEvent::Failed(error) => assert_eq!(error.kind, MediaErrorKind::NoAddress, "{}", error.detail),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_usable_addresses_are_offered_and_loopback_only_when_asked_for() {
    for loopback in [false, true] {
        let wide = MediaSettings { addresses: Vec::new(), loopback, ..settings(&[Codec::Opus]) };
        let sdp = Engine::new(wide).prepare(1).await;
        let offered: Vec<std::net::IpAddr> = sdp
            .lines()
            .filter_map(|line| line.strip_prefix("a=candidate:")?.split(' ').nth(4)?.parse().ok())
            .collect();
        assert!(!offered.is_empty(), "{sdp}");
        let others = offered.iter().any(|address| !address.is_loopback());
        let loopbacks = offered.iter().any(|address| address.is_loopback());
        assert!(loopbacks == (loopback || !others), "loopback {loopback}: {offered:?}");
        assert!(!sdp.contains(".local"), "{sdp}");
    }
}
