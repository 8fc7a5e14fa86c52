//! Why: a local three-way talk is two real calls, each with its own clock,
//! jitter buffer and codec, mixed on the audio thread. Both far ends must hear
//! the microphone and each other, and one on hold nothing at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audio_support;

#[path = "support/media.rs"]
mod support;

use std::time::Duration;

use callbox::appliance::command::Role;
use callbox::appliance::id::PeerId;
use callbox::media::{Codec, LegHandle};
use support::{Card, Engine, call, level, settings, share_at, tone};

const MICROPHONE: f64 = 1_000.0;
/// What each far end says, and its codec.
const FAR: [(f64, Codec); 2] = [(500.0, Codec::Opus), (700.0, Codec::Pcmu)];

/// How much of the loudest of these tones each one has, in the best 250 ms.
fn heard(sound: &[i16], hertz: f64) -> f64 {
    let pieces = sound.chunks_exact(12_000).filter(|piece| level(piece) > 300.0);
    pieces.map(|piece| share_at(hertz, piece)).fold(0.0, f64::max)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_and_the_box_talk_together() {
    let audio_settings = audio_support::settings(&format!("synth:tone={MICROPHONE}"), "synth:silence");
    let (audio, _faults) = audio_support::engine(audio_settings);
    let mut engines = Vec::new();
    let mut cards = Vec::new();
    for (peer, (hertz, codec)) in (1_u64..).zip(FAR) {
        let (mut box_, mut far) = (Engine::new(settings(&[codec])), Engine::new(settings(&[codec])));
        let (LegHandle { leg, .. }, far_leg) = call(&mut box_, &mut far, peer).await;
        audio.attach(PeerId(peer), leg);
        // Quieter than full, so that all three fit under the limiter's knee.
        let said = tone(hertz).into_iter().map(|sample| sample / 2).collect();
        cards.push(Card::new(far_leg, said));
        engines.push((box_, far));
    }
    audio.connect(&[(PeerId(1), Role::Talk), (PeerId(2), Role::Talk)]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let sounds =
        [cards[0].listen(Duration::from_secs(2)).await, cards[1].listen(Duration::from_secs(2)).await];
    for (who, sound) in sounds.iter().enumerate() {
        let (own, other) = (FAR[who].0, FAR[1 - who].0);
        let shares = [MICROPHONE, other, own].map(|hertz| heard(sound, hertz));
        println!("far end {who} hears microphone, other, itself: {shares:.3?}");
        assert!(shares[0] > 0.15 && shares[1] > 0.15, "far end {who}: {shares:?}");
        assert!(shares[2] < 0.02, "far end {who} hears itself: {shares:?}");
    }
    // The first one is put on hold: silence for it, and nothing of it for the other.
    audio.connect(&[(PeerId(1), Role::Hold), (PeerId(2), Role::Talk)]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let received = cards[0].stats.packets_received.get();
    let held = cards[0].listen(Duration::from_secs(1)).await;
    assert!(level(&held) < 10.0, "hold is not silent: {}", level(&held));
    assert!(cards[0].stats.packets_received.get() > received + 30, "packets must flow on");
    let talking = cards[1].listen(Duration::from_secs(2)).await;
    let shares = [MICROPHONE, FAR[0].0].map(|hertz| heard(&talking, hertz));
    assert!(shares[0] > 0.8 && shares[1] < 0.02, "the other one hears {shares:?}");
    audio.stop();
}
