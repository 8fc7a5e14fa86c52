//! Why: a far end whose media server has died looks like one that says
//! nothing: ICE may still answer. Only missing RTP tells, and only where the
//! far end had agreed to send: on hold it need not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/media.rs"]
mod support;

use std::time::{Duration, Instant};

use callbox::appliance::event::MediaEvent;
use callbox::media::{Codec, MediaOutput};
use raw::Raw;
use support::{Card, Engine, settings, tone};

const ALL: [Codec; 3] = [Codec::Opus, Codec::Pcmu, Codec::Pcma];

fn is_about_quiet(event: &MediaEvent) -> bool {
    matches!(event, MediaEvent::Quiet | MediaEvent::AudioBack)
}

/// The next news about quiet, and how long it took.
async fn news(box_: &mut Engine) -> (MediaEvent, Duration) {
    let began = Instant::now();
    let event = box_.wait_for(1, is_about_quiet).await;
    (event, began.elapsed())
}

/// No news about quiet in this time.
async fn no_news(box_: &mut Engine, time: Duration, when: &str) {
    let event = tokio::time::timeout(time, async {
        loop {
            if let MediaOutput::Event(event) = box_.next(1).await
                && is_about_quiet(&event)
            {
                return event;
            }
        }
    });
    assert!(event.await.is_err(), "{when}: news of quiet");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_seconds_without_rtp_are_told_and_so_is_their_end() {
    let mut far = Raw::new(false).await;
    let mut box_ = Engine::new(settings(&ALL));
    let offer = far.offer(false).await;
    let (answer, leg) = box_.answer(1, offer.clone()).await;
    far.accept(answer).await;
    box_.connected(1).await;
    far.connected().await;
    let _near = Card::new(leg, tone(440.0));
    // One that never sends at all, though nobody has said that it need not.
    let (event, took) = news(&mut box_).await;
    assert_eq!(event, MediaEvent::Quiet);
    assert!(took > Duration::from_millis(4_500), "after {took:?}");
    far.speak(20).await;
    assert_eq!(news(&mut box_).await.0, MediaEvent::AudioBack);
    let (event, took) = news(&mut box_).await;
    assert_eq!(event, MediaEvent::Quiet);
    assert!(took > Duration::from_millis(4_000), "after {took:?}");
    no_news(&mut box_, Duration::from_secs(6), "told once").await;

    // On hold it need not send; that is no quiet, however long it lasts.
    for held in ["a=recvonly", "a=inactive"] {
        box_.renegotiate(1, offer.replace("a=sendrecv", held)).await;
        if held == "a=recvonly" {
            assert_eq!(news(&mut box_).await.0, MediaEvent::AudioBack, "hold ends the quiet");
        }
        no_news(&mut box_, Duration::from_secs(7), held).await;
    }
    // After it the time begins anew.
    let resumed = Instant::now();
    box_.renegotiate(1, offer.clone()).await;
    assert_eq!(news(&mut box_).await.0, MediaEvent::Quiet);
    assert!(resumed.elapsed() > Duration::from_millis(4_900), "after {:?}", resumed.elapsed());
    far.speak(5).await;
    assert_eq!(news(&mut box_).await.0, MediaEvent::AudioBack);
    // It holds us: it sends, and must.
    box_.renegotiate(1, offer.replace("a=sendrecv", "a=sendonly")).await;
    assert_eq!(news(&mut box_).await.0, MediaEvent::Quiet);
    box_.close(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_that_sends_is_never_quiet() {
    let (mut box_, mut far) = (Engine::new(settings(&ALL)), Engine::new(settings(&ALL)));
    let (near, away) = support::call(&mut box_, &mut far, 1).await;
    // Silence is sound, too: what counts is RTP.
    let (_near, _away) = (Card::new(near, tone(440.0)), Card::new(away, vec![0; 480]));
    no_news(&mut box_, Duration::from_secs(12), "silence").await;
}
