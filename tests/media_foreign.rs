//! Why: gateways number payload types as they like, and media servers change
//! the source of a stream in mid-call. The library keeps to the numbers of the
//! first description and to the source it saw first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/media.rs"]
mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::MediaEvent;
use callbox::media::{Codec, LegHandle};
use raw::Raw;
use support::{Card, Engine, hears, settings, tone};

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
async fn an_answer_may_number_payload_types_anew_and_send_with_them() {
    let only = settings(&[Codec::Opus]);
    let (mut box_, mut far) = (Engine::new(only.clone()), Engine::new(only));
    let renumber = |sdp: &str| {
        let sdp = sdp.replace("SAVPF 111 126\r\n", "SAVPF 96 101\r\n");
        sdp.replace(":111 ", ":96 ").replace(":126 ", ":101 ")
    };
    let offer = renumber(&box_.prepare(1).await);
    // The far end believes that these are the box's numbers, and uses them.
    let (answer, far_leg) = far.answer(1, offer).await;
    assert!(answer.contains("SAVPF 96 101\r\n"), "{answer}");
    box_.tell(1, MediaCommand::Start { sdp: answer }).await;
    let near = Card::new(box_.leg(1).await, tone(440.0));
    let away = Card::new(far_leg, tone(1_000.0));
    box_.connected(1).await;
    far.connected(1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(hears(1_000.0, &near.listen(Duration::from_millis(1_000)).await), "{:?}", near.stats);
    assert!(hears(440.0, &away.listen(Duration::from_millis(1_000)).await), "{:?}", away.stats);
    far.tell(1, MediaCommand::Digits("7".to_owned())).await;
    box_.wait_for(1, |event| *event == MediaEvent::Digit('7')).await;
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
