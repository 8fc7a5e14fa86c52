//! Why: doors are opened by DTMF. One key press must be one digit whatever the
//! network does, and sending digits must not break the audio behind them (two
//! numberings on one source trip the far end's replay protection).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/media.rs"]
mod support;

use std::time::Duration;

use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::MediaEvent;
use callbox::media::Codec;
use support::{Card, Engine, call, hears, settings, tone};

async fn digits_and_then_sound(codec: Codec) {
    let (mut box_, mut far) = (Engine::new(settings(&[codec])), Engine::new(settings(&[codec])));
    let (near_leg, far_leg) = call(&mut box_, &mut far, 1).await;
    let near = Card::new(near_leg, tone(440.0));
    let away = Card::new(far_leg, tone(1_000.0));
    far.wait_for(1, |event| *event == MediaEvent::FirstAudio).await;
    for digits in ["1", "5592#*ABCD0", "x+ 7"] {
        box_.tell(1, MediaCommand::Digits(digits.to_owned())).await;
        for digit in digits.chars().filter(|digit| "0123456789*#ABCD".contains(*digit)) {
            let event = far.wait_for(1, |event| matches!(event, MediaEvent::Digit(_))).await;
            assert_eq!(event, MediaEvent::Digit(digit), "{codec:?} {digits}");
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let sound = away.listen(Duration::from_millis(1_000)).await;
    assert!(hears(440.0, &sound), "{codec:?}: no sound after the digits");
    // Both ways at once.
    far.tell(1, MediaCommand::Digits("42".to_owned())).await;
    for digit in ['4', '2'] {
        let event = box_.wait_for(1, |event| matches!(event, MediaEvent::Digit(_))).await;
        assert_eq!(event, MediaEvent::Digit(digit));
    }
    assert!(near.stats.packets_received.get() > 0);
    far.tell(1, MediaCommand::Close).await;
    let rest = far.wait_for(1, |event| matches!(event, MediaEvent::Closed | MediaEvent::Digit(_))).await;
    assert_eq!(rest, MediaEvent::Closed, "a digit too many");
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_pass_beside_opus() {
    digits_and_then_sound(Codec::Opus).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_pass_beside_pcmu() {
    digits_and_then_sound(Codec::Pcmu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_that_the_far_end_does_not_take_are_counted() {
    let (mut box_, mut far) = (Engine::new(settings(&[Codec::Opus])), Engine::new(settings(&[Codec::Opus])));
    let offer = far.prepare(1).await;
    let without = offer.replace("SAVPF 111 126\r\n", "SAVPF 111\r\n");
    assert_ne!(offer, without);
    let (answer, leg) = box_.answer(1, without).await;
    far.tell(1, MediaCommand::Start { sdp: answer }).await;
    box_.connected(1).await;
    box_.tell(1, MediaCommand::Digits("12#".to_owned())).await;
    let counted = async {
        while leg.stats.digits_unsent.get() < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted).await.expect("lost in silence");
    assert_eq!(leg.stats.digits_unsent.get(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_telephone_event_is_answered_where_two_are_offered() {
    // Chromium's offers have 110 at 48 kHz and 126 at 8 kHz; the library
    // confuses them, so only the latter may be in the answer.
    let all = [Codec::Opus, Codec::Pcmu, Codec::Pcma];
    let (mut far, mut box_) = (Engine::new(settings(&all)), Engine::new(settings(&all)));
    let offer = far.prepare(1).await;
    for (formats, kept) in [("111 0 110 126", Some("126")), ("111 0 126 110", Some("126")), ("111 110", None)]
    {
        let peer = formats.len() as u64 * 10 + u64::from(formats.ends_with('6'));
        let offer = offer
            .replace(
                "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 126",
                &format!("m=audio 9 UDP/TLS/RTP/SAVPF {formats}"),
            )
            .replace("a=rtpmap:126 ", "a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 ");
        assert!(offer.contains(&format!("SAVPF {formats}\r\n")), "{offer}");
        let (answer, _leg) = box_.answer(peer, offer).await;
        let events: Vec<&str> = answer.lines().filter(|line| line.contains("telephone-event")).collect();
        let expected: Vec<String> =
            kept.iter().map(|number| format!("a=rtpmap:{number} telephone-event/8000")).collect();
        assert_eq!(events, expected, "offered {formats}");
        box_.close(peer).await;
    }
}
