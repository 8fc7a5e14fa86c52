//! Why: networks lose, reorder and delay packets and go away for seconds. The
//! call must stay intelligible, say when it is interrupted, and come back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/relay.rs"]
mod relay;
#[path = "support/media.rs"]
mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::{MediaErrorKind, MediaEvent};
use callbox::media::{Codec, FrameLength, MediaOutput, MediaSettings};
use relay::{Relay, redirect};
use support::{Card, Engine, hears, settings, tone};

async fn call_through(relay: &Relay, box_: &mut Engine, far: &mut Engine) -> (Card, Card) {
    let (offer, offerer) = relay.offer(&far.prepare(1).await);
    let (answer, box_leg) = box_.answer(1, offer).await;
    far.tell(1, MediaCommand::Start { sdp: relay.answer(&answer, offerer) }).await;
    let far_leg = far.leg(1).await;
    box_.connected(1).await;
    far.connected(1).await;
    (Card::new(box_leg, tone(440.0)), Card::new(far_leg, words(1_000.0)))
}

/// A tone with pauses, since Opus takes one without for a background that it need not protect.
fn words(hertz: f64) -> Vec<i16> {
    let mut sound = tone(hertz);
    let pause = sound.len() * 7 / 10;
    sound[pause..].fill(0);
    sound
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_survives_loss_and_jitter() {
    for codec in [Codec::Opus, Codec::Pcmu] {
        let seed: u64 = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
        println!("SEED={seed}");
        let relay = Relay::new(seed % 1_000_000).await;
        // Longer packets, which such a network gets otherwise, overtake each other less.
        let of = |codec| MediaSettings { frame: FrameLength::Ms20, ..settings(&[codec]) };
        let (mut box_, mut far) = (Engine::new(of(codec)), Engine::new(of(codec)));
        let (near, away) = call_through(&relay, &mut box_, &mut far).await;
        relay.weather.loss.store(8, Ordering::Relaxed);
        relay.weather.jitter.store(40, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(hears(1_000.0, &near.listen(Duration::from_millis(2_000)).await), "SEED={seed} {codec:?}");
        let stats = &near.stats;
        println!("{codec:?}: {stats:?}");
        assert!(stats.packets_lost.get() > 5, "SEED={seed} {stats:?}");
        // An end that takes the late packets for a queue sends longer ones, which overtake none.
        let overtaking = stats.packet_received_us.get() <= 20_000;
        assert!(stats.packets_reordered.get() > 5 || !overtaking, "SEED={seed} {stats:?}");
        assert!(stats.jitter_us.get() > 2_000, "SEED={seed} {stats:?}");
        let made_up = stats.frames_concealed.get() + stats.frames_recovered.get();
        let share = made_up as f64 / (made_up + stats.frames_played.get()) as f64;
        assert!(share < 0.4, "SEED={seed} {share:.2} of the sound is made up: {stats:?}");
        if codec == Codec::Opus {
            assert!(stats.frames_recovered.get() > 0, "SEED={seed} no FEC was used: {stats:?}");
        }
        // Both ends know by RTCP how the other one fares, and steer by it.
        for end in [&near, &away] {
            // A report tells of the time since the last one, which may have begun before the loss.
            let told = async {
                while end.stats.figures().far_end_lost_permille.unwrap_or(0) == 0 {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            let in_time = tokio::time::timeout(Duration::from_secs(12), told).await.is_ok();
            let figures = end.stats.figures();
            assert!(in_time, "SEED={seed} no report tells of loss: {figures:?}");
            let round_trip = figures.round_trip_us.expect("no round trip was measured");
            assert!((100..2_000_000).contains(&round_trip), "SEED={seed} {figures:?}");
            assert!(figures.expected_loss_percent > 0 || codec != Codec::Opus, "SEED={seed} {figures:?}");
            assert!(figures.r_factor < 93 && figures.mos_cq > 100, "SEED={seed} {figures:?}");
        }
        let told = |event: &MediaEvent| matches!(event, MediaEvent::Statistics(_));
        box_.tell(1, MediaCommand::Close).await;
        let MediaEvent::Statistics(last) = box_.wait_for(1, told).await else { unreachable!() };
        assert!(last.packets_received > 100 && last.packets_lost > 5, "SEED={seed} {last:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_reported_and_so_is_its_end() {
    let relay = Relay::new(1).await;
    let (mut box_, mut far) = (Engine::new(settings(&[Codec::Opus])), Engine::new(settings(&[Codec::Opus])));
    let (near, away) = call_through(&relay, &mut box_, &mut far).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    relay.weather.cut.store(true, Ordering::Relaxed);
    box_.wait_for(1, |event| *event == MediaEvent::Interrupted).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    relay.weather.cut.store(false, Ordering::Relaxed);
    assert_eq!(box_.connected(1).await, "opus");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(hears(1_000.0, &near.listen(Duration::from_millis(1_000)).await));
    assert!(hears(440.0, &away.listen(Duration::from_millis(1_000)).await));
    let delay = near.stats.playout_delay_ms.get();
    assert!(delay < 400, "the outage has become latency: {delay} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_that_never_answers_is_an_ice_failure() {
    let (mut box_, mut far) = (Engine::new(settings(&[Codec::Opus])), Engine::new(settings(&[Codec::Opus])));
    let offer = box_.prepare(1).await;
    let (answer, _leg) = far.answer(1, offer).await;
    // Nobody reads what comes to the discard port.
    let (answer, _) = redirect(&answer, "127.0.0.1:9".parse().unwrap());
    far.close(1).await;
    box_.tell(1, MediaCommand::Start { sdp: answer }).await;
    box_.leg(1).await;
    let began = Instant::now();
    loop {
        match tokio::time::timeout(Duration::from_secs(45), box_.next(1)).await {
            Ok(MediaOutput::Event(MediaEvent::Failed(error))) => {
                assert_eq!(error.kind, MediaErrorKind::IceFailed, "{}", error.detail);
                break;
            }
            Ok(MediaOutput::Event(_)) => {}
            Ok(MediaOutput::Leg(_)) => panic!("a second leg"),
            Err(_) => panic!("it never gave up"),
        }
    }
    // Not before the appliance's own limit of 10 s.
    assert!(began.elapsed() > Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_with_another_certificate_is_a_dtls_failure() {
    let (mut box_, mut far) = (Engine::new(settings(&[Codec::Opus])), Engine::new(settings(&[Codec::Opus])));
    let offer = box_.prepare(1).await;
    let (answer, _leg) = far.answer(1, offer).await;
    let forged: String = answer
        .lines()
        .map(|line| match line.strip_prefix("a=fingerprint:sha-256 ") {
            Some(digest) => {
                let other = if digest.starts_with("00") { "FF" } else { "00" };
                format!("a=fingerprint:sha-256 {other}{}\r\n", &digest[2..])
            }
            None => format!("{line}\r\n"),
        })
        .collect();
    assert_ne!(forged, answer);
    box_.tell(1, MediaCommand::Start { sdp: forged }).await;
    box_.leg(1).await;
    match box_.event(1).await {
        MediaEvent::Failed(error) => assert_eq!(error.kind, MediaErrorKind::DtlsFailed, "{}", error.detail),
        other => panic!("{other:?}"),
    }
}
