//! Digits between the box and far ends by other hands, while packets are lost.
//! A door opens by a digit, and a call is accepted by one: none may be missing,
//! none may come twice, and the talk goes on behind it.
//!
//! `aiortc` has no telephone events: `dtmf.py` writes and reads them as RTP.
//! Chromium sends them by `insertDTMF`; what it receives no page can see, so of
//! the box's digits only its sound behind them is looked at there.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/browser/mod.rs"]
mod browser;
#[path = "support/foreign/mod.rs"]
mod foreign;
#[path = "support/media.rs"]
mod media;
#[path = "support/relay.rs"]
mod relay;
mod support;

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use browser::Browser;
use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::MediaEvent;
use callbox::media::{Codec, MediaSettings};
use foreign::peer::Peer;
use media::{Card, Engine, hears, settings, tone};
use relay::Relay;
use serde_json::{Value, json};

const ALL: &str = "0123456789*#ABCD";
const LOSS_PERCENT: u32 = 5;

fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random::<u32>);
    println!("SEED={seed}");
    seed.into()
}

/// The digits that come at the box until so many are there, and in the second after that.
async fn digits_at(box_: &mut Engine, many: usize) -> String {
    let mut digits = String::new();
    while digits.len() < many {
        let next = box_.wait_for(1, |event| matches!(event, MediaEvent::Digit(_)));
        match tokio::time::timeout(Duration::from_secs(20), next).await {
            Ok(MediaEvent::Digit(digit)) => digits.push(digit),
            Ok(other) => panic!("{other:?}"),
            Err(_) => panic!("no more digits after {digits}"),
        }
    }
    let next = box_.wait_for(1, |event| matches!(event, MediaEvent::Digit(_)));
    if let Ok(MediaEvent::Digit(digit)) = tokio::time::timeout(Duration::from_secs(1), next).await {
        panic!("{digit} after {digits}");
    }
    digits
}

/// The same description with telephone events, of which aiortc says nothing.
fn with_events(sdp: &str) -> String {
    let line = |line: &str| match line.strip_prefix("m=audio ") {
        Some(_) => format!("{line} 126\r\n"),
        None => format!("{line}\r\n"),
    };
    let lines: String = sdp.lines().map(line).collect();
    // The audio section is the last.
    assert_eq!(sdp.matches("\nm=").count(), 1, "{sdp}");
    lines + "a=rtpmap:126 telephone-event/8000\r\na=fmtp:126 0-15\r\n"
}

fn without_events(sdp: &str) -> String {
    let lines =
        sdp.lines().filter(|line| !line.starts_with("a=rtpmap:126") && !line.starts_with("a=fmtp:126"));
    let strip = |line: &str| match line.strip_prefix("m=audio ") {
        Some(_) => line.replace(" 126", ""),
        None => line.to_owned(),
    };
    lines.map(|line| format!("{}\r\n", strip(line))).collect()
}

fn number(packet: &Value, field: usize) -> u64 {
    packet[field].as_u64().unwrap()
}

/// What left the box: one sequence, time that never goes back, and each event as RFC 4733 has it.
fn check_stream(came: &[Value]) {
    for pair in came.windows(2) {
        let step = number(&pair[1], 0).wrapping_sub(number(&pair[0], 0)) as u16;
        assert_eq!(step, 1, "sequence numbers from {} to {}", pair[0], pair[1]);
        let time = number(&pair[1], 1).wrapping_sub(number(&pair[0], 1)) as u32;
        assert!(time < 1 << 31, "time goes back from {} to {}", pair[0], pair[1]);
    }
    let events: Vec<&Value> = came.iter().filter(|packet| !packet[3].is_null()).collect();
    let mut former_end: Option<u64> = None;
    for event in events.chunk_by(|a, b| a[1] == b[1]) {
        assert!(event.iter().all(|report| report[3] == event[0][3]), "two digits at one time: {event:?}");
        let markers: Vec<u64> = event.iter().map(|report| number(report, 2)).collect();
        assert!(markers[0] == 1 && markers[1..].iter().all(|marker| *marker == 0), "{event:?}");
        let ends = event.iter().filter(|report| number(report, 4) == 1).count();
        assert_eq!(ends, 3, "the end is told three times: {event:?}");
        assert!(event[event.len() - 3..].iter().all(|report| number(report, 4) == 1), "{event:?}");
        assert!(event.is_sorted_by(|a, b| number(a, 5) <= number(b, 5)), "{event:?}");
        // In units of 8 kHz: Q.24's 40 ms with room.
        let lasts = number(event[event.len() - 1], 5);
        assert!((640..8_000).contains(&lasts), "it lasts {lasts}: {event:?}");
        let begin = number(event[0], 1);
        if let Some(end) = former_end {
            // By the clock of the sound, at 48 kHz.
            let pause = begin.wrapping_sub(end) as u32;
            assert!((40 * 48..1 << 31).contains(&pause), "a pause of {pause} before {event:?}");
        }
        former_end = Some(begin + lasts * 6);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_digits_pass_both_ways_between_box_and_aiortc_while_packets_are_lost() {
    let seed = seed();
    let mut box_ = Engine::new(settings(&[Codec::Opus]));
    let peer = Peer::new(1_000);
    let (answer, leg) = box_.answer(1, with_events(&peer.offer())).await;
    assert!(answer.contains("telephone-event/8000"), "{answer}");
    peer.accept(&without_events(&answer));
    box_.connected(1).await;
    peer.connected();
    let near = Card::new(leg, tone(440.0));
    box_.wait_for(1, |event| *event == MediaEvent::FirstAudio).await;
    peer.keypad(f64::from(LOSS_PERCENT) / 100.0, seed);
    let twice = ALL.repeat(2);
    box_.tell(1, MediaCommand::Digits(twice.clone())).await;
    peer.press(&twice);
    assert_eq!(digits_at(&mut box_, twice.len()).await, twice, "SEED={seed}: from aiortc to the box");
    let until = Instant::now() + Duration::from_secs(20);
    let (mut heard, mut came) = peer.pressed();
    while heard.len() < twice.len() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(200)).await;
        (heard, came) = peer.pressed();
    }
    assert_eq!(heard, twice, "SEED={seed}: from the box to aiortc");
    check_stream(&came);
    // The talk goes on, though packets of it are lost.
    assert!(hears(1_000.0, &near.listen(Duration::from_secs(2)).await), "SEED={seed}: the box hears nothing");
    peer.hears(440);
    assert_eq!(peer.pressed().0, twice, "SEED={seed}: a digit too many");
    peer.close();
}

/// The address of the browser's candidate by UDP and IPv4.
fn address(sdp: &str) -> IpAddr {
    let mut candidates = sdp.lines().filter(|line| line.starts_with("a=candidate:"));
    let found = candidates.find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        words[4]
            .parse()
            .ok()
            .filter(|address: &IpAddr| words[2].eq_ignore_ascii_case("udp") && address.is_ipv4())
    });
    found.unwrap_or_else(|| panic!("no candidate:\n{sdp}"))
}

/// The description with that candidate alone.
fn with_one_candidate(sdp: &str, address: IpAddr) -> String {
    let mut taken = false;
    let mut keep = |line: &&str| {
        let is_it = line.to_ascii_lowercase().contains(" udp ") && line.contains(&format!(" {address} "));
        !line.starts_with("a=candidate:") || is_it && !std::mem::replace(&mut taken, true)
    };
    sdp.lines().filter(|line| keep(line)).map(|line| format!("{line}\r\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_s_digits_come_through_while_packets_are_lost_and_it_hears_on_after_ours() {
    let seed = seed();
    let mut browser = Browser::open().await;
    for codec in ["opus", "PCMU"] {
        let offer = browser.sdp(json!({ "op": "offer", "hertz": 1000, "codec": codec })).await;
        let here = address(&offer);
        let all = [Codec::Opus, Codec::Pcmu, Codec::Pcma];
        let mut box_ = Engine::new(MediaSettings { addresses: vec![here], ..settings(&all) });
        let relay = Relay::at(seed, here).await;
        let (offer, browser_s) = relay.offer(&with_one_candidate(&offer, here));
        let (answer, leg) = box_.answer(1, offer).await;
        let answer = relay.answer(&answer, browser_s);
        browser.ask(json!({ "op": "accept", "sdp": answer })).await;
        box_.connected(1).await;
        let near = Card::new(leg, tone(440.0));
        box_.wait_for(1, |event| *event == MediaEvent::FirstAudio).await;
        relay.weather.loss.store(LOSS_PERCENT, Ordering::Relaxed);
        // Ours go out at the same time.
        box_.tell(1, MediaCommand::Digits(ALL.to_owned())).await;
        browser.ask(json!({ "op": "dtmf", "digits": ALL })).await;
        assert_eq!(digits_at(&mut box_, ALL.len()).await, ALL, "SEED={seed} {codec}");
        relay.weather.loss.store(0, Ordering::Relaxed);
        assert_eq!(near.stats.digits_unsent.get(), 0);
        let (volume, hertz) = browser.listen(1_500).await;
        assert!(
            (hertz - 440.0).abs() < 10.0 && volume > 0.03,
            "{codec}: Chromium hears {hertz} Hz at {volume}"
        );
        assert!(hears(1_000.0, &near.listen(Duration::from_secs(1)).await), "{codec}: the box hears nothing");
        box_.close(1).await;
    }
    browser.close().await;
}
