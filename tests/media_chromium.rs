//! Why: two peers of one stack agree with each other's mistakes. Chromium does
//! not: it must hear the box and be heard, with either side offering, with
//! Opus and PCMU, on hold and off, after an ICE restart, and when offers cross.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/browser/mod.rs"]
mod browser;
#[path = "support/media.rs"]
mod support;

use std::time::Duration;

use browser::Browser;
use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::MediaEvent;
use callbox::media::{Codec, LegHandle, MediaSettings};
use serde_json::json;
use support::{Card, Engine, hears, level, settings, tone};

const OURS: f64 = 440.0;
const THEIRS: f64 = 1_000.0;

fn everywhere() -> MediaSettings {
    MediaSettings { addresses: Vec::new(), ..settings(&[Codec::Opus, Codec::Pcmu, Codec::Pcma]) }
}

async fn both_hear(near: &Card, browser: &mut Browser, when: &str) {
    let (volume, hertz) = browser.listen(1_500).await;
    assert!((hertz - OURS).abs() < 10.0 && volume > 0.03, "{when}: Chromium hears {hertz} Hz at {volume}");
    let sound = near.listen(Duration::from_millis(1_000)).await;
    assert!(hears(THEIRS, &sound), "{when}: the box does not hear Chromium, level {}", level(&sound));
}

/// Chromium offers, the box answers.
async fn answered_by_box(box_: &mut Engine, browser: &mut Browser, codec: &str) -> LegHandle {
    let order = json!({ "op": "offer", "hertz": THEIRS, "codec": codec, "video": true });
    let offer = browser.sdp(order).await;
    let (answer, leg) = box_.answer(1, offer).await;
    browser.ask(json!({ "op": "accept", "sdp": answer })).await;
    assert!(box_.connected(1).await.eq_ignore_ascii_case(codec));
    leg
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_offers_with_opus_and_pcmu() {
    let mut browser = Browser::open().await;
    for codec in ["opus", "PCMU"] {
        let mut box_ = Engine::new(everywhere());
        let leg = answered_by_box(&mut box_, &mut browser, codec).await;
        let near = Card::new(leg, tone(OURS));
        both_hear(&near, &mut browser, codec).await;
        browser.ask(json!({ "op": "dtmf", "digits": "15#" })).await;
        for digit in ['1', '5', '#'] {
            let event = box_.wait_for(1, |event| matches!(event, MediaEvent::Digit(_))).await;
            assert_eq!(event, MediaEvent::Digit(digit), "{codec}");
        }
        println!("{codec}: {:?}", near.stats);
        box_.close(1).await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_box_offers_and_chromium_answers_with_opus_and_pcmu() {
    let mut browser = Browser::open().await;
    for codec in ["opus", "PCMU"] {
        let mut box_ = Engine::new(everywhere());
        let offer = box_.prepare(1).await;
        let order = json!({ "op": "answer", "sdp": offer, "hertz": THEIRS, "codec": codec });
        let answer = browser.sdp(order).await;
        box_.tell(1, MediaCommand::Start { sdp: answer }).await;
        let near = Card::new(box_.leg(1).await, tone(OURS));
        assert!(box_.connected(1).await.eq_ignore_ascii_case(codec));
        both_hear(&near, &mut browser, codec).await;
        // The far end offers anew in a call that the box began.
        let offer = browser.sdp(json!({ "op": "reoffer", "codec": "PCMU" })).await;
        let answer = box_.renegotiate(1, offer).await;
        browser.ask(json!({ "op": "accept", "sdp": answer })).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        both_hear(&near, &mut browser, "after a new offer").await;
        box_.close(1).await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_holds_changes_codec_and_restarts_ice() {
    let mut browser = Browser::open().await;
    let mut box_ = Engine::new(everywhere());
    let leg = answered_by_box(&mut box_, &mut browser, "opus").await;
    let near = Card::new(leg, tone(OURS));
    both_hear(&near, &mut browser, "at first").await;
    let orders = [
        (json!({ "op": "reoffer", "direction": "sendonly" }), "a=recvonly", false, true),
        (json!({ "op": "reoffer", "direction": "sendrecv" }), "a=sendrecv", true, true),
        (json!({ "op": "reoffer", "direction": "inactive" }), "a=inactive", false, false),
        (json!({ "op": "reoffer", "direction": "sendrecv" }), "a=sendrecv", true, true),
        (json!({ "op": "reoffer", "codec": "PCMA" }), "a=sendrecv", true, true),
        (json!({ "op": "reoffer", "codec": "opus" }), "a=sendrecv", true, true),
        (json!({ "op": "reoffer", "restart": true }), "a=sendrecv", true, true),
    ];
    for (order, direction, box_speaks, chromium_speaks) in orders {
        let when = order.to_string();
        let offer = browser.sdp(order).await;
        let answer = box_.renegotiate(1, offer).await;
        assert!(answer.contains(direction), "{when}: {answer}");
        browser.ask(json!({ "op": "accept", "sdp": answer })).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        if box_speaks && chromium_speaks {
            both_hear(&near, &mut browser, &when).await;
            continue;
        }
        let sent = near.stats.packets_sent.get();
        let (volume, _) = browser.listen(1_000).await;
        assert!(volume < 0.003, "{when}: Chromium still hears the box at {volume}");
        assert_eq!(near.stats.packets_sent.get(), sent, "{when}: RTP was sent on hold");
        let sound = near.listen(Duration::from_millis(1_000)).await;
        assert_eq!(hears(THEIRS, &sound), chromium_speaks, "{when}: the box, level {}", level(&sound));
    }
    box_.close(1).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_offers_several_times_before_it_takes_an_answer() {
    let mut browser = Browser::open().await;
    let mut box_ = Engine::new(everywhere());
    let near = Card::new(answered_by_box(&mut box_, &mut browser, "opus").await, tone(OURS));
    let mut answer = String::new();
    for order in [
        json!({ "op": "reoffer", "direction": "sendonly" }),
        json!({ "op": "reoffer", "codec": "PCMU" }),
        json!({ "op": "reoffer", "restart": true }),
        json!({ "op": "reoffer" }),
    ] {
        let offer = browser.sdp(order).await;
        answer = box_.renegotiate(1, offer).await;
    }
    browser.ask(json!({ "op": "accept", "sdp": answer })).await;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    both_hear(&near, &mut browser, "after the last answer").await;
    box_.close(1).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_chromium_crosses_ours_and_then_it_answers_ours() {
    let mut browser = Browser::open().await;
    let mut box_ = Engine::new(everywhere());
    let ours = box_.prepare(1).await;
    let theirs = browser.sdp(json!({ "op": "offer", "hertz": THEIRS })).await;
    box_.tell(1, MediaCommand::Renegotiate { sdp: theirs }).await;
    let near = Card::new(box_.leg(1).await, tone(OURS));
    let event = box_.wait_for(1, |event| matches!(event, MediaEvent::Answer { .. })).await;
    let MediaEvent::Answer { sdp } = event else { panic!("{event:?}") };
    browser.ask(json!({ "op": "accept", "sdp": sdp })).await;
    box_.connected(1).await;
    both_hear(&near, &mut browser, "early media").await;
    // A new connection of the page, and the end of the one before.
    let answer = browser.sdp(json!({ "op": "answer", "sdp": ours, "hertz": THEIRS })).await;
    box_.tell(1, MediaCommand::Start { sdp: answer }).await;
    box_.connected(1).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    both_hear(&near, &mut browser, "after the answer").await;
    // And it goes on as any call.
    let offer = browser.sdp(json!({ "op": "reoffer", "codec": "PCMU" })).await;
    let answer = box_.renegotiate(1, offer).await;
    browser.ask(json!({ "op": "accept", "sdp": answer })).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    both_hear(&near, &mut browser, "after an offer").await;
    box_.close(1).await;
    browser.close().await;
}
