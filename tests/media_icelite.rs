//! Why: the voice core's media servers may be ICE-lite: they only answer
//! checks. Then the box must take the controlling role although the far end
//! offered (RFC 8445 section 6.1.1), or no pair is ever nominated.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/media.rs"]
mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use callbox::appliance::event::MediaEvent;
use callbox::media::Codec;
use raw::Raw;
use support::{Card, Engine, settings, tone};

const ALL: [Codec; 3] = [Codec::Pcmu, Codec::Opus, Codec::Pcma];

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_an_ice_lite_server_is_connected() {
    let mut server = Raw::new(true).await;
    let offer = server.offer(false).await;
    assert!(offer.contains("a=ice-lite"), "the server is not lite:\n{offer}");
    let mut box_ = Engine::new(settings(&ALL));
    let (answer, leg) = box_.answer(1, offer).await;
    assert!(!answer.contains("a=ice-lite"));
    server.accept(answer).await;
    assert_eq!(box_.connected(1).await, "PCMU");
    server.connected().await;
    let near = Card::new(leg, tone(440.0));
    server.speak(50).await;
    box_.wait_for(1, |event| *event == MediaEvent::FirstAudio).await;
    assert!(near.stats.packets_received.get() > 30);
    assert!(server.heard.load(Ordering::Relaxed) > 30);
    box_.close(1).await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ice_lite_server_that_waits_for_the_handshake_gets_one() {
    let mut server = Raw::new(true).await;
    let offer = server.offer(false).await.replace("a=setup:actpass", "a=setup:passive");
    let mut box_ = Engine::new(settings(&ALL));
    let (answer, _leg) = box_.answer(1, offer).await;
    assert!(answer.contains("a=setup:active\r\n"), "{answer}");
    server.accept(answer).await;
    box_.connected(1).await;
    server.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ice_is_restarted_in_mid_call() {
    let mut far = Raw::new(false).await;
    let offer = far.offer(false).await;
    let mut box_ = Engine::new(settings(&ALL));
    let (answer, leg) = box_.answer(1, offer).await;
    far.accept(answer.clone()).await;
    box_.connected(1).await;
    far.connected().await;
    let near = Card::new(leg, tone(440.0));
    for round in 0..3 {
        let again = box_.renegotiate(1, far.offer(true).await).await;
        let ufrag =
            |sdp: &str| sdp.lines().find(|line| line.starts_with("a=ice-ufrag")).map(ToOwned::to_owned);
        assert_ne!(ufrag(&again), ufrag(&answer), "round {round}");
        far.accept(again).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        far.connected().await;
        let (heard, received) = (far.heard.load(Ordering::Relaxed), near.stats.packets_received.get());
        far.speak(50).await;
        assert!(far.heard.load(Ordering::Relaxed) > heard + 30, "the box is silent, round {round}");
        assert!(near.stats.packets_received.get() > received + 30, "the box is deaf, round {round}");
    }
}
