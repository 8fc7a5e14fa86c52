//! Why: everything else rests on two of our own peers hearing each other over
//! real UDP, ICE and DTLS-SRTP with every codec, in both directions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/media.rs"]
mod support;

use std::time::{Duration, Instant};

use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::MediaEvent;
use callbox::media::Codec;
use support::{Card, Engine, call, chirp, correlation, settings, tone};

async fn sound_passes_both_ways(codec: Codec) {
    let (mut box_, mut far) = (Engine::new(settings(&[codec])), Engine::new(settings(&[codec])));
    let (near_leg, far_leg) = call(&mut box_, &mut far, 1).await;
    let forth = chirp();
    let back: Vec<i16> = chirp().into_iter().rev().collect();
    let near = Card::new(near_leg, forth.clone());
    let away = Card::new(far_leg, back.clone());
    assert_eq!(box_.event(1).await, MediaEvent::FirstAudio);
    assert_eq!(far.event(1).await, MediaEvent::FirstAudio);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (heard_near, heard_away) = (near.take_heard(), away.take_heard());
    let there = correlation(&forth, &heard_away);
    let here = correlation(&back, &heard_near);
    println!("{codec:?}: correlation {there:.3} there, {here:.3} back; {:?}", near.stats);
    assert!(there > 0.9 && here > 0.9, "{codec:?}: {there:.3} {here:.3}");
    assert!(near.stats.packets_received.get() > 100);
    assert!(near.stats.packets_sent.get() > 100);
    box_.close(1).await;
    far.close(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opus_passes_both_ways() {
    sound_passes_both_ways(Codec::Opus).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pcmu_passes_both_ways() {
    sound_passes_both_ways(Codec::Pcmu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pcma_passes_both_ways() {
    sound_passes_both_ways(Codec::Pcma).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_takes_milliseconds() {
    let all = [Codec::Opus, Codec::Pcmu, Codec::Pcma];
    let (mut box_, mut far) = (Engine::new(settings(&all)), Engine::new(settings(&all)));
    let (mut times, mut sounds) = (Vec::new(), Vec::new());
    for peer in 0..10 {
        let offer = box_.prepare(peer).await;
        let (answer, far_leg) = far.answer(peer, offer).await;
        let _away = Card::new(far_leg, tone(1_000.0));
        let began = Instant::now();
        box_.tell(peer, MediaCommand::Start { sdp: answer }).await;
        let near = Card::new(box_.leg(peer).await, Vec::new());
        box_.connected(peer).await;
        times.push(began.elapsed());
        while near.take_heard().iter().all(|sample| sample.abs() < 200) {
            assert!(began.elapsed() < Duration::from_secs(5), "nothing is heard");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sounds.push(began.elapsed());
        box_.close(peer).await;
        far.close(peer).await;
    }
    times.sort();
    sounds.sort();
    println!("Start to Connected on loopback: {times:?}");
    println!("Start to first sound: {sounds:?}");
    // The library's own 200 ms between checks would show here.
    assert!(times[2] < Duration::from_millis(150), "{times:?}");
}
