//! Why: hold is nothing but a direction in a new offer. The library answers
//! `sendonly` with `sendrecv` and stops its transceiver for good at
//! `inactive`; a caller put on hold must neither be heard nor be lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/media.rs"]
mod support;

use std::time::Duration;

use callbox::appliance::command::MediaCommand;
use callbox::media::Codec;
use support::{Card, Engine, hears, level, settings, tone};

const ALL: [Codec; 3] = [Codec::Opus, Codec::Pcmu, Codec::Pcma];

fn with_direction(sdp: &str, direction: &str) -> String {
    sdp.replace("a=sendrecv", &format!("a={direction}"))
}

fn direction(sdp: &str) -> &str {
    let all = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    sdp.lines().find(|line| all.contains(line)).expect("no direction")
}

/// The far end's offer is repeated with each direction in turn.
async fn hold_and_resume(box_answered: bool) {
    let (mut box_, mut far) = (Engine::new(settings(&ALL)), Engine::new(settings(&ALL)));
    let (box_leg, far_leg, description) = if box_answered {
        let offer = far.prepare(1).await;
        let (answer, box_leg) = box_.answer(1, offer.clone()).await;
        far.tell(1, MediaCommand::Start { sdp: answer }).await;
        (box_leg, far.leg(1).await, offer)
    } else {
        let offer = box_.prepare(1).await;
        let (answer, far_leg) = far.answer(1, offer).await;
        box_.tell(1, MediaCommand::Start { sdp: answer.clone() }).await;
        (box_.leg(1).await, far_leg, answer.replace("a=setup:active", "a=setup:actpass"))
    };
    box_.connected(1).await;
    far.connected(1).await;
    let near = Card::new(box_leg, tone(440.0));
    let away = Card::new(far_leg, tone(1_000.0));
    for (round, (offered, answered, heard)) in [
        ("sendonly", "a=recvonly", false),
        ("sendrecv", "a=sendrecv", true),
        ("inactive", "a=inactive", false),
        ("sendrecv", "a=sendrecv", true),
        ("recvonly", "a=sendonly", true),
        ("inactive", "a=inactive", false),
        ("sendrecv", "a=sendrecv", true),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = box_.renegotiate(1, with_direction(&description, offered)).await;
        assert_eq!(direction(&answer), answered, "answer to {offered}, round {round}");
        let setup = if box_answered { "a=setup:active" } else { "a=setup:passive" };
        assert!(answer.contains(setup), "the part in DTLS changed in round {round}:\n{answer}");
        let sent = near.stats.packets_sent.get();
        // What is on its way and concealed is over after a while.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let sound = away.listen(Duration::from_millis(1_000)).await;
        assert_eq!(hears(440.0, &sound), heard, "the box after {offered}, round {round}");
        if !heard {
            assert!(level(&sound) < 50.0, "hold is not silent: {}", level(&sound));
            assert_eq!(near.stats.packets_sent.get(), sent, "RTP was sent on hold");
        }
        assert_eq!(away.stats.packets_lost.get(), 0, "hold looks like loss, round {round}");
        if matches!(offered, "sendrecv" | "sendonly") {
            let sound = near.listen(Duration::from_millis(1_000)).await;
            assert!(hears(1_000.0, &sound), "the far end is not heard after {offered}, round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_answered_is_held_and_resumed() {
    hold_and_resume(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_offered_is_held_and_resumed() {
    hold_and_resume(false).await;
}
