//! Why: gateways number payload types as they like, and media servers change
//! the source of a stream in mid-call. The library keeps to the numbers of the
//! first description and to the source it saw first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/media.rs"]
mod support;

use std::sync::atomic::Ordering;

use callbox::media::{Codec, LegHandle};
use raw::Raw;
use support::{Card, Engine, settings, tone};

const ALL: [Codec; 3] = [Codec::Opus, Codec::Pcmu, Codec::Pcma];

async fn answered(box_: &mut Engine, far: &mut Raw) -> LegHandle {
    let offer = far.offer(false).await;
    let (answer, leg) = box_.answer(1, offer).await;
    far.accept(answer).await;
    box_.connected(1).await;
    far.connected().await;
    leg
}

#[tokio::test(flavor = "multi_thread")]
async fn the_far_ends_payload_type_is_used_both_ways() {
    let mut far = Raw::with(false, 100).await;
    let mut box_ = Engine::new(settings(&ALL));
    let near = Card::new(answered(&mut box_, &mut far).await, tone(440.0));
    far.speak(50).await;
    assert!(near.stats.packets_received.get() > 30, "{:?}", near.stats);
    assert_eq!(near.stats.packets_unreadable.get(), 0);
    assert!(far.heard.load(Ordering::Relaxed) > 30, "the far end does not know the payload type");
}

#[tokio::test(flavor = "multi_thread")]
async fn early_media_that_nobody_fetched_does_not_delay_what_follows() {
    let mut far = Raw::new(false).await;
    let mut box_ = Engine::new(settings(&ALL));
    let leg = answered(&mut box_, &mut far).await;
    far.speak(150).await;
    let near = Card::new(leg, tone(440.0));
    far.speak(50).await;
    let stats = &near.stats;
    assert!(stats.frames_played.get() > 60, "{stats:?}");
    assert!(stats.frames_concealed.get() < 30, "{stats:?}");
    assert!(stats.playout_delay_ms.get() < 300, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_source_in_mid_call_is_heard() {
    let mut far = Raw::new(false).await;
    let mut box_ = Engine::new(settings(&ALL));
    let near = Card::new(answered(&mut box_, &mut far).await, tone(440.0));
    for ssrc in [7, 8, 7] {
        far.ssrc.store(ssrc, Ordering::Relaxed);
        let played = near.stats.frames_played.get();
        far.speak(50).await;
        let played = near.stats.frames_played.get() - played;
        assert!(played > 60, "source {ssrc}: only {played} frames were played: {:?}", near.stats);
    }
}
