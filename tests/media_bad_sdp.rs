//! Why: descriptions come from strangers. Whatever they hold, the answer is a
//! typed error for that call, and the next call works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/media.rs"]
mod support;

use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::{MediaErrorKind, MediaEvent};
use callbox::media::Codec;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::{Engine, call, settings};

const ALL: [Codec; 3] = [Codec::Opus, Codec::Pcmu, Codec::Pcma];

/// What a browser with camera and data channel offers, shortened.
const BROWSER: &str = include_str!("support/browser_offer.sdp");

/// What `Check` says to `sdp`, with the peer closed afterwards.
async fn check(engine: &mut Engine, peer: u64, sdp: &str) -> Option<MediaErrorKind> {
    engine.tell(peer, MediaCommand::Check { sdp: sdp.to_owned() }).await;
    let said = engine.event(peer).await;
    engine.tell(peer, MediaCommand::Close).await;
    assert_eq!(engine.event(peer).await, MediaEvent::Closed);
    match said {
        MediaEvent::Acceptable => None,
        MediaEvent::Failed(error) => Some(error.kind),
        other => panic!("{other:?}"),
    }
}

fn browser_offer() -> String {
    BROWSER.replace('\n', "\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_bad_offer_has_its_error_and_the_next_call_works() {
    let mut engine = Engine::new(settings(&ALL));
    let good = browser_offer();
    let audio_only = good.split("m=video").next().unwrap().to_owned();
    let video_only =
        format!("{}m=video{}", good.split("m=audio").next().unwrap(), good.split("m=video").nth(1).unwrap());
    let strange = audio_only.replace("SAVPF 111 110 0 8 126", "SAVPF 9 18 101");
    let junk: String = (0..64 * 1024).map(|i| char::from(b'!' + (i % 90) as u8)).collect();
    let long = format!("{audio_only}{}", "a=x:y\r\n".repeat(10_000));
    let few = format!("{audio_only}{}", "m=text 0 RTP c\r\n".repeat(31));
    let many = format!("{audio_only}{}", "m=text 0 RTP c\r\n".repeat(1_500));
    let no_port = audio_only.replace("m=audio 9 ", "m=audio 0 ");
    let no_ice = audio_only.replace("a=ice-ufrag:", "a=x-ufrag:");
    let no_dtls = audio_only.replace("a=fingerprint:", "a=x-fingerprint:");
    for (peer, (what, sdp, expected)) in [
        ("good", good.as_str(), None),
        ("audio only", &audio_only, None),
        ("without carriage returns", BROWSER, None),
        ("empty", "", Some(MediaErrorKind::BadSdp)),
        ("blank", " \r\n", Some(MediaErrorKind::BadSdp)),
        ("64 KiB of junk", &junk, Some(MediaErrorKind::BadSdp)),
        ("too long", &long, Some(MediaErrorKind::BadSdp)),
        ("as many sections as allowed", &few, None),
        ("an answer over 64 KiB", &many, Some(MediaErrorKind::BadSdp)),
        ("no sections", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", Some(MediaErrorKind::NoAudio)),
        ("video only", &video_only, Some(MediaErrorKind::NoAudio)),
        ("audio rejected", &no_port, Some(MediaErrorKind::NoAudio)),
        ("no common codec", &strange, Some(MediaErrorKind::NoCommonCodec)),
        ("no ICE", &no_ice, Some(MediaErrorKind::BadSdp)),
        ("no DTLS", &no_dtls, Some(MediaErrorKind::BadSdp)),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(check(&mut engine, peer as u64, sdp).await, expected, "{what}");
    }
    let mut far = Engine::new(settings(&ALL));
    call(&mut engine, &mut far, 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_fails_the_call_and_not_the_engine() {
    let mut engine = Engine::new(settings(&ALL));
    let strange = browser_offer().replace("SAVPF 111 110 0 8 126", "SAVPF 9");
    for (peer, (sdp, expected)) in [
        ("", MediaErrorKind::BadSdp),
        ("v=0\r\n", MediaErrorKind::BadSdp),
        (strange.as_str(), MediaErrorKind::NoCommonCodec),
    ]
    .into_iter()
    .enumerate()
    {
        let peer = peer as u64;
        engine.prepare(peer).await;
        engine.tell(peer, MediaCommand::Start { sdp: sdp.to_owned() }).await;
        match engine.event(peer).await {
            MediaEvent::Failed(error) => assert_eq!(error.kind, expected, "{}", error.detail),
            other => panic!("{other:?}"),
        }
        engine.tell(peer, MediaCommand::Close).await;
        assert_eq!(engine.event(peer).await, MediaEvent::Closed);
    }
    let mut far = Engine::new(settings(&ALL));
    call(&mut engine, &mut far, 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_cut_off_after_any_line_is_refused_or_complete() {
    let mut engine = Engine::new(settings(&ALL));
    let good = browser_offer();
    let lines: Vec<&str> = good.split_inclusive("\r\n").collect();
    let audio = lines.iter().position(|line| line.starts_with("m=audio")).unwrap();
    let needed = lines.iter().position(|line| line.starts_with("a=fingerprint")).unwrap();
    for kept in 0..lines.len() {
        let cut: String = lines[..kept].concat();
        let said = check(&mut engine, kept as u64, &cut).await;
        match kept {
            _ if kept <= 3 => assert_eq!(said, Some(MediaErrorKind::BadSdp), "after {kept} lines"),
            _ if kept <= audio => {
                let refused = matches!(said, Some(MediaErrorKind::BadSdp | MediaErrorKind::NoAudio));
                assert!(refused, "after {kept} lines: {said:?}");
            }
            _ if kept <= needed => assert!(said.is_some(), "after {kept} lines"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_sections_are_rejected_in_their_places() {
    let mut engine = Engine::new(settings(&ALL));
    let good = browser_offer();
    let (head, rest) = good.split_once("m=audio").unwrap();
    let (audio, others) = rest.split_once("m=video").unwrap();
    let (video, data) = others.split_once("m=application").unwrap();
    let audio_last = format!("{head}m=video{video}m=application{data}m=audio{audio}");
    for (peer, (offer, order)) in [
        (good.clone(), ["audio 9", "video 0", "application 0"]),
        (audio_last, ["video 0", "application 0", "audio 9"]),
    ]
    .into_iter()
    .enumerate()
    {
        let (answer, _leg) = engine.answer(peer as u64, offer).await;
        let sections: Vec<&str> = answer.lines().filter_map(|line| line.strip_prefix("m=")).collect();
        assert_eq!(sections.len(), 3, "{answer}");
        for (section, expected) in sections.iter().zip(order) {
            assert!(section.starts_with(expected), "{section} where {expected} was due");
        }
        assert!(answer.contains("a=group:BUNDLE audio-1\r\n"), "{answer}");
        assert!(answer.contains("a=mid:audio-1\r\n"), "{answer}");
        assert!(answer.contains("a=mid:video-1\r\n"), "{answer}");
        engine.close(peer as u64).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_repeats_the_offers_protocol() {
    let mut engine = Engine::new(settings(&ALL));
    for (peer, protocol) in ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF"].into_iter().enumerate() {
        let offer = browser_offer().replace("m=audio 9 UDP/TLS/RTP/SAVPF", &format!("m=audio 9 {protocol}"));
        let (answer, _leg) = engine.answer(peer as u64, offer).await;
        assert!(answer.contains(&format!("m=audio 9 {protocol} 111 ")), "{protocol}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_mutations_never_break_the_engine() {
    let seed: u64 =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut engine = Engine::new(settings(&ALL));
    let good = browser_offer();
    let (mut accepted, mut refused) = (0, 0);
    for peer in 0..300 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..random.random_range(1..12) {
            let at = random.random_range(0..bytes.len());
            let length = random.random_range(1..40).min(bytes.len() - at);
            match random.random_range(0..5) {
                0 => bytes[at] = random.random(),
                1 => drop(bytes.drain(at..at + length)),
                2 => {
                    let copy = bytes[at..at + length].to_vec();
                    let to = random.random_range(0..bytes.len());
                    bytes.splice(to..to, copy);
                }
                3 => bytes.insert(at, *b"0:/ -=9\r\n".get(random.random_range(0..9)).unwrap()),
                _ => bytes.swap(at, 0),
            }
        }
        let sdp = String::from_utf8_lossy(&bytes).into_owned();
        engine.tell(peer, MediaCommand::Check { sdp: sdp.clone() }).await;
        match engine.event(peer).await {
            MediaEvent::Failed(error) => {
                assert_ne!(error.kind, MediaErrorKind::Internal, "SEED={seed} {}: {sdp}", error.detail);
                refused += 1;
            }
            MediaEvent::Acceptable => {
                accepted += 1;
                engine.tell(peer, MediaCommand::Answer).await;
                // A leg and an answer, or a failure; never silence.
                if let callbox::media::MediaOutput::Event(event) = engine.next(peer).await {
                    let MediaEvent::Failed(error) = event else { panic!("SEED={seed} {event:?}") };
                    assert_eq!(error.kind, MediaErrorKind::BadSdp, "SEED={seed} {}: {sdp}", error.detail);
                }
            }
            other => panic!("SEED={seed} {other:?}"),
        }
        engine.close(peer).await;
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(accepted > 10 && refused > 10, "the mutations test nothing");
    let mut far = Engine::new(settings(&ALL));
    call(&mut engine, &mut far, 1_000).await;
}
