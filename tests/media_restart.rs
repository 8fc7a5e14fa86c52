//! Why: a far end whose media address changes says so with new ICE credentials
//! and new candidates in an offer (RFC 8839 section 4.4.1), and the old address
//! may be dead by then. One that only repeats itself with another port in the
//! `m=` line must not disturb a call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/relay.rs"]
mod relay;
#[path = "support/media.rs"]
mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use callbox::appliance::command::MediaCommand;
use callbox::media::Codec;
use raw::Raw;
use relay::Relay;
use support::{Card, Engine, hears, settings, tone};

const ALL: [Codec; 3] = [Codec::Opus, Codec::Pcmu, Codec::Pcma];

#[tokio::test(flavor = "multi_thread")]
async fn media_moves_to_another_address_and_the_old_one_is_dead() {
    let first = Relay::new(1).await;
    let mut far = Raw::new(false).await;
    let mut box_ = Engine::new(settings(&ALL));
    let (offer, offerer) = first.offer(&far.offer(false).await);
    let (answer, leg) = box_.answer(1, offer).await;
    far.accept(first.answer(&answer, offerer)).await;
    box_.connected(1).await;
    far.connected().await;
    let near = Card::new(leg, tone(440.0));
    far.speak(25).await;
    let mut old = first;
    for round in 0..2 {
        old.weather.cut.store(true, Ordering::Relaxed);
        let new = Relay::new(2 + round).await;
        let (offer, offerer) = new.offer(&far.offer(true).await);
        let answer = box_.renegotiate(1, offer).await;
        far.accept(new.answer(&answer, offerer)).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        far.connected().await;
        let (heard, received) = (far.heard.load(Ordering::Relaxed), near.stats.packets_received.get());
        far.speak(50).await;
        assert!(far.heard.load(Ordering::Relaxed) > heard + 30, "the box is silent, round {round}");
        assert!(near.stats.packets_received.get() > received + 30, "the box is deaf, round {round}");
        old = new;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_port_or_more_candidates_with_the_same_credentials_disturb_nothing() {
    let (mut box_, mut far) = (Engine::new(settings(&ALL)), Engine::new(settings(&ALL)));
    let offer = far.prepare(1).await;
    let (answer, leg) = box_.answer(1, offer.clone()).await;
    far.tell(1, MediaCommand::Start { sdp: answer.clone() }).await;
    let away = Card::new(far.leg(1).await, tone(1_000.0));
    box_.connected(1).await;
    far.connected(1).await;
    let near = Card::new(leg, tone(440.0));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let port =
        offer.replace("m=audio 9 ", "m=audio 40000 ").replace("c=IN IP4 0.0.0.0", "c=IN IP4 192.0.2.7");
    // RFC 5737: documentation, nobody answers there.
    let more = format!("{port}a=candidate:99 1 udp 2130706431 192.0.2.7 40000 typ host\r\n");
    let line = offer.lines().find(|line| line.starts_with("a=candidate:")).unwrap();
    let none = port.replace(&format!("{line}\r\n"), "");
    for sdp in [port, more, none, offer] {
        let lost = near.stats.packets_lost.get();
        let again = box_.renegotiate(1, sdp.clone()).await;
        let ufrag =
            |sdp: &str| sdp.lines().find(|line| line.starts_with("a=ice-ufrag")).map(ToOwned::to_owned);
        assert_eq!(ufrag(&again), ufrag(&answer), "ICE began anew after {sdp}");
        assert!(hears(1_000.0, &near.listen(Duration::from_millis(700)).await), "deaf after {sdp}");
        assert!(hears(440.0, &away.listen(Duration::from_millis(700)).await), "mute after {sdp}");
        assert_eq!(near.stats.packets_lost.get(), lost, "{sdp}");
    }
}
