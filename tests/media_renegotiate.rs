//! Why: a voice core may offer anew at any time in a call: with another codec,
//! with the same words again, or from
//! another media server. Each must be answered and the sound must go on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/media.rs"]
mod support;

use std::time::Duration;

use callbox::appliance::command::MediaCommand;
use callbox::media::Codec;
use support::{Card, Engine, hears, settings, tone};

const ALL: [Codec; 3] = [Codec::Opus, Codec::Pcmu, Codec::Pcma];

fn with_formats(sdp: &str, formats: &str) -> String {
    let lines = sdp.lines().map(|line| match line.starts_with("m=audio") {
        true => format!("m=audio 9 UDP/TLS/RTP/SAVPF {formats}\r\n"),
        false => format!("{line}\r\n"),
    });
    lines.collect::<String>().replace("a=setup:active", "a=setup:actpass")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_codec_changes_in_mid_call() {
    let (mut box_, mut far) = (Engine::new(settings(&ALL)), Engine::new(settings(&ALL)));
    let offer = far.prepare(1).await;
    let (answer, box_leg) = box_.answer(1, offer.clone()).await;
    far.tell(1, MediaCommand::Start { sdp: answer.clone() }).await;
    let far_leg = far.leg(1).await;
    assert_eq!(box_.connected(1).await, "opus");
    assert_eq!(far.connected(1).await, "opus");
    let near = Card::new(box_leg, tone(440.0));
    let away = Card::new(far_leg, tone(1_000.0));
    for formats in ["0 126", "111 126", "8 126", "111 0 126", "111 0 8 126", "0 126"] {
        let said = box_.renegotiate(1, with_formats(&offer, formats)).await;
        let first = formats.split(' ').next().unwrap();
        assert!(said.contains(&format!("m=audio 9 UDP/TLS/RTP/SAVPF {first} 126\r\n")), "{formats}:\n{said}");
        far.renegotiate(1, with_formats(&answer, formats)).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        let sound = away.listen(Duration::from_millis(1_000)).await;
        assert!(hears(440.0, &sound), "the box is not heard after {formats}");
        let sound = near.listen(Duration::from_millis(1_000)).await;
        assert!(hears(1_000.0, &sound), "the far end is not heard after {formats}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_offer_again_changes_nothing() {
    let (mut box_, mut far) = (Engine::new(settings(&ALL)), Engine::new(settings(&ALL)));
    let offer = far.prepare(1).await;
    let (answer, box_leg) = box_.answer(1, offer.clone()).await;
    far.tell(1, MediaCommand::Start { sdp: answer.clone() }).await;
    let far_leg = far.leg(1).await;
    box_.connected(1).await;
    far.connected(1).await;
    let near = Card::new(box_leg, tone(440.0));
    let away = Card::new(far_leg, tone(1_000.0));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (lost, received) = (near.stats.packets_lost.get(), near.stats.packets_received.get());
    let essence = |sdp: &str| {
        let keep = |line: &&str| !line.starts_with("o=");
        let mut lines: Vec<String> = sdp.lines().filter(keep).map(ToOwned::to_owned).collect();
        lines.sort();
        lines
    };
    for _ in 0..5 {
        let again = box_.renegotiate(1, offer.clone()).await;
        assert_eq!(essence(&again), essence(&answer));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(near.stats.packets_lost.get(), lost);
    assert!(near.stats.packets_received.get() >= received + 30);
    let sound = away.listen(Duration::from_millis(1_000)).await;
    assert!(hears(440.0, &sound));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_cannot_be_read_leaves_the_call_as_it_was() {
    let (mut box_, mut far) = (Engine::new(settings(&ALL)), Engine::new(settings(&ALL)));
    let offer = far.prepare(1).await;
    let (answer, box_leg) = box_.answer(1, offer.clone()).await;
    far.tell(1, MediaCommand::Start { sdp: answer }).await;
    let far_leg = far.leg(1).await;
    box_.connected(1).await;
    let _near = Card::new(box_leg, tone(440.0));
    let away = Card::new(far_leg, tone(1_000.0));
    for bad in ["", "v=0", &offer.replace("m=audio", "m=video"), &with_formats(&offer, "18")] {
        box_.tell(1, MediaCommand::Renegotiate { sdp: bad.to_owned() }).await;
    }
    box_.renegotiate(1, offer).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(hears(440.0, &away.listen(Duration::from_millis(1_000)).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_call_moves_to_another_server_on_the_same_leg() {
    let (mut box_, mut far) = (Engine::new(settings(&ALL)), Engine::new(settings(&ALL)));
    let offer = far.prepare(1).await;
    let (answer, box_leg) = box_.answer(1, offer).await;
    far.tell(1, MediaCommand::Start { sdp: answer }).await;
    let first = Card::new(far.leg(1).await, tone(1_000.0));
    box_.connected(1).await;
    let near = Card::new(box_leg, tone(440.0));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(hears(1_000.0, &near.listen(Duration::from_millis(1_000)).await));
    // Another peer of the far end takes over: other certificate, other ports.
    let offer = far.prepare(2).await;
    let answer = box_.renegotiate(1, offer).await;
    far.tell(2, MediaCommand::Start { sdp: answer }).await;
    let second = Card::new(far.leg(2).await, tone(1_500.0));
    box_.connected(1).await;
    drop(first);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(hears(1_500.0, &near.listen(Duration::from_millis(1_000)).await));
    assert!(hears(440.0, &second.listen(Duration::from_millis(1_000)).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_that_offers_to_begin_the_handshake_may() {
    let (mut box_, mut far) = (Engine::new(settings(&ALL)), Engine::new(settings(&ALL)));
    let offer = far.prepare(1).await.replace("a=setup:actpass", "a=setup:active");
    let (answer, _box_leg) = box_.answer(1, offer.clone()).await;
    assert!(answer.contains("a=setup:passive\r\n"), "{answer}");
    far.tell(1, MediaCommand::Start { sdp: answer }).await;
    let _far_leg = far.leg(1).await;
    box_.connected(1).await;
    far.connected(1).await;
    // The part stays whatever a later offer leaves open (RFC 8842 section 5.5).
    let again = box_.renegotiate(1, offer.replace("a=setup:active", "a=setup:actpass")).await;
    assert!(again.contains("a=setup:passive\r\n"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_leaves_the_handshake_open_is_remembered_as_it_was_taken() {
    for said in ["a=setup:actpass\r\n", ""] {
        let (mut box_, mut far) = (Engine::new(settings(&ALL)), Engine::new(settings(&ALL)));
        let offer = box_.prepare(1).await;
        let (answer, _far_leg) = far.answer(1, offer).await;
        assert!(answer.contains("a=setup:active\r\n"), "{answer}");
        let open = answer.replace("a=setup:active\r\n", said);
        box_.tell(1, MediaCommand::Start { sdp: open }).await;
        let _box_leg = box_.leg(1).await;
        box_.connected(1).await;
        far.connected(1).await;
        let again = box_.renegotiate(1, with_formats(&answer, "111 126")).await;
        assert!(again.contains("a=setup:passive\r\n"), "{said:?}: {again}");
    }
}
