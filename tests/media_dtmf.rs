//! Why: doors are opened by DTMF. One key press must be one digit whatever the
//! network does, and sending digits must not break the audio behind them (two
//! numberings on one source trip the far end's replay protection).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/media.rs"]
mod support;

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::time::Duration;

use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::MediaEvent;
use callbox::audio::FRAME_SAMPLES;
use callbox::media::Codec;
use callbox::media::in_band::Detector;
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

/// All digits as a telephone without events sends them, 120 ms each, and a second of silence.
fn keypad_sound() -> Vec<i16> {
    let (low, high) = ([697.0, 770.0, 852.0, 941.0], [1209.0, 1336.0, 1477.0, 1633.0]);
    let mut sound = Vec::new();
    for digit in KEYS.chars() {
        let at = "123A456B789C*0#D".find(digit).unwrap();
        let sample = |n: i32, hertz: f64| (TAU * hertz * f64::from(n) / 48_000.0).sin() * 4_000.0;
        sound.extend((0..5_760).map(|n| (sample(n, low[at / 4]) + sample(n, high[at % 4])) as i16));
        sound.extend([0; 3_840]);
    }
    sound.extend([0; 48_000]);
    sound
}

const KEYS: &str = "1234567890*#ABCD";

/// A call of `codec` in which the far end plays its keypad once; the digits at the box. Where the
/// machine held the sound up meanwhile, it is no measurement and another is taken.
async fn digits_in_the_sound(codec: Codec, events: bool) -> String {
    let mut digits = None;
    for _ in 0..10 {
        digits = once_in_the_sound(codec, events).await;
        if digits.is_some() {
            break;
        }
    }
    digits.expect("the machine is too slow for any call")
}

async fn once_in_the_sound(codec: Codec, events: bool) -> Option<String> {
    let (mut box_, mut far) = (Engine::new(settings(&[codec])), Engine::new(settings(&[codec])));
    let offer = far.prepare(1).await;
    let offer = if events { offer } else { offer.replace(" 126\r\n", "\r\n") };
    let (answer, box_leg) = box_.answer(1, offer).await;
    assert_eq!(answer.contains("telephone-event"), events, "{answer}");
    far.tell(1, MediaCommand::Start { sdp: answer }).await;
    let far_leg = far.leg(1).await;
    box_.connected(1).await;
    far.connected(1).await;
    let near = Card::new(box_leg, tone(440.0));
    let away = Card::new(far_leg, tone(1_000.0));
    box_.wait_for(1, |event| *event == MediaEvent::FirstAudio).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stats = near.stats.clone();
    let disturbed =
        || stats.frames_concealed.get() + stats.frames_recovered.get() + stats.packets_dropped.get();
    let before = disturbed();
    away.play(keypad_sound());
    tokio::time::sleep(Duration::from_millis(3_800)).await;
    let undisturbed = disturbed() == before;
    away.play(vec![0; 480]);
    tokio::time::sleep(Duration::from_millis(600)).await;
    box_.tell(1, MediaCommand::Close).await;
    let mut digits = String::new();
    loop {
        match box_.wait_for(1, |event| matches!(event, MediaEvent::Closed | MediaEvent::Digit(_))).await {
            MediaEvent::Digit(digit) => digits.push(digit),
            _ => return undisturbed.then_some(digits),
        }
    }
}

/// Every sixth of Debian's recordings for Asterisk, a woman's English and a man's Italian.
fn speech(folder: &Path) -> Vec<i16> {
    let mut files: Vec<PathBuf> = ["en_US_f_Allison", "it_IT_m_Carlo"]
        .iter()
        .flat_map(|voice| {
            let folder = Path::new("/usr/share/asterisk/sounds").join(voice);
            folder
                .read_dir()
                .expect("no recorded speech: run `make setup`")
                .map(|entry| entry.unwrap().path())
        })
        .filter(|path| path.extension().is_some_and(|ending| ending == "g722"))
        .collect();
    files.sort();
    let joined: Vec<u8> = files.iter().step_by(6).flat_map(|file| std::fs::read(file).unwrap()).collect();
    let source = folder.join("speech.g722");
    std::fs::write(&source, joined).unwrap();
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "g722", "-i"]).arg(source);
    let output = ffmpeg.args(["-f", "s16le", "-ar", "48000", "-ac", "1", "-"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (samples, _) = output.stdout.as_chunks::<2>();
    samples.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect()
}

#[test]
fn minutes_of_speech_hold_no_digit() {
    let folder = tempfile::tempdir().unwrap();
    let speech = speech(folder.path());
    let minutes = speech.len() as f64 / 48_000.0 / 60.0;
    assert!(minutes > 5.0, "only {minutes} minutes");
    for gain in [0.25, 1.0, 4.0] {
        let mut detector = Detector::default();
        let (frames, _) = speech.as_chunks::<FRAME_SAMPLES>();
        let louder = |s: i16| (f32::from(s) * gain).clamp(-32_768.0, 32_767.0) as i16;
        let digits: String = frames.iter().filter_map(|frame| detector.hear(&frame.map(louder))).collect();
        assert_eq!(digits, "", "in {minutes:.1} minutes of speech, {gain} times as loud");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_are_found_in_the_sound_of_a_far_end_without_events_and_of_no_other() {
    let (pcmu, opus, with_events) = tokio::join!(
        digits_in_the_sound(Codec::Pcmu, false),
        digits_in_the_sound(Codec::Opus, false),
        digits_in_the_sound(Codec::Pcmu, true),
    );
    assert_eq!((pcmu.as_str(), opus.as_str()), (KEYS, KEYS));
    assert_eq!(with_events, "", "a far end that has events sends its digits by them");
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
