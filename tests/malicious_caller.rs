//! Who speaks in a call, and who only knows its port, may send any packet. Digits
//! by the thousand open no door, lies in RTP cost no memory, and a stranger's
//! packets are neither heard nor answered with more than they were.
#![cfg(feature = "fuzzing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod appliance_support;
#[path = "support/media.rs"]
mod support;

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use appliance_support::{ANSWER, Bench, ms, secs};
use callbox::appliance::command::{Command, LineCommand};
use callbox::appliance::door::settings::Code;
use callbox::appliance::event::{Body, MediaEvent};
use callbox::media::Codec;
use callbox::media::fuzzing::Ear;
use support::{Card, Engine};

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[test]
fn a_storm_of_digits_opens_nothing_and_is_locked_out() {
    let mut settings = appliance_support::settings();
    settings.door.codes = vec![Code::new("7351")];
    let mut bench = Bench::ready(settings);
    bench.press("call");
    let id = bench.box_.status().call_id.unwrap().0;
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    for (peer, _) in bench.peers.clone() {
        bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    }
    let peer = bench.connected.first().expect("nobody is connected").0;
    // Every code in order, ten digits a second: twelve hours without a brake, and the 7352nd would open.
    for code in 0..10_000 {
        for digit in format!("{code:04}").chars() {
            bench.media(peer, MediaEvent::Digit(digit));
            bench.pass(ms(100));
        }
        let opened = bench
            .commands
            .drain(..)
            .any(|command| matches!(command, Command::Line(LineCommand::Output { on: true, .. })));
        assert!(!opened, "{code:04} opened the door, or a code that was not to count");
    }
    assert!(bench.counter("door-digits-barred") > 30_000, "{:?}", bench.box_.status().counters);
    // An hour later the right one opens.
    bench.pass(secs(3_700));
    if bench.connected.iter().any(|(is, _)| *is == peer) {
        for digit in "7351".chars() {
            bench.media(peer, MediaEvent::Digit(digit));
            bench.pass(ms(100));
        }
        assert_eq!(bench.counter("door-opened-by-code"), 1, "{:?}", bench.box_.status().counters);
    }
}

#[test]
fn a_far_end_that_sends_what_it_likes_costs_no_memory_and_its_call_goes_on() {
    let mut ear = Ear::new().unwrap();
    let mut now = Duration::from_secs(1);
    let packet = |payload_type: u8, number: u32, ssrc: u32, length: usize| {
        let mut packet = vec![0x80, payload_type];
        packet.extend((number as u16).to_be_bytes());
        packet.extend((number * 160).to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        packet.resize(12 + length, 0x55);
        packet
    };
    let mut storm = |rounds: u32, now: &mut Duration| {
        for round in 0..rounds {
            // In each 10 ms: another source, another type, more than any packet holds, and keys without end.
            ear.arrive(&packet(0, round, round, 160), *now);
            ear.arrive(&packet(round as u8 & 0x7f, round, 1, 160), *now);
            ear.arrive(&packet(0, round, 1, 9_000), *now);
            for key in 0..20_u32 {
                let mut event = packet(101, round, 1, 4);
                event[4..8].copy_from_slice(&(round * 20 + key).to_be_bytes());
                event[12..].copy_from_slice(&[(key % 16) as u8, 10, 0, 160]);
                ear.arrive(&event, *now);
            }
            ear.listen(*now);
            *now += Duration::from_millis(10);
        }
    };
    storm(2_000, &mut now);
    let before = resident();
    storm(6_000, &mut now);
    let grown = resident().saturating_sub(before);
    println!("grown by {grown} bytes");
    assert!(grown < 2 << 20, "160,000 packets left {grown} bytes behind");
    let stats = ear.stats();
    assert!(stats.packets_unreadable.get() > 8_000, "{}", stats.packets_unreadable.get());
    assert!(stats.stream_restarts.get() > 4_000, "{}", stats.stream_restarts.get());
    assert!(stats.digits_dropped.get() > 100_000, "{}", stats.digits_dropped.get());
    assert!(stats.playout_delay_ms.get() < 600, "{} ms", stats.playout_delay_ms.get());
    // A sender that has come to its senses is heard.
    let played = stats.frames_played.get();
    for number in 0..100 {
        ear.arrive(&packet(0, 30_000 + number, 99, 160), now);
        ear.listen(now);
        ear.listen(now + Duration::from_millis(10));
        now += Duration::from_millis(20);
    }
    let heard = ear.stats().frames_played.get() - played;
    assert!(heard > 150, "{heard} of 200 frames are heard again");
}

/// The first UDP candidate of a description.
fn candidate(sdp: &str) -> SocketAddr {
    let line = sdp.lines().find_map(|line| line.strip_prefix("a=candidate:")).expect("a candidate");
    let words: Vec<&str> = line.split_whitespace().collect();
    format!("{}:{}", words[4], words[5]).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_packets_to_a_calls_port_are_not_heard_and_open_nothing() {
    let settings = support::settings(&[Codec::Pcmu]);
    let (mut near, mut far) = (Engine::new(settings.clone()), Engine::new(settings));
    let offer = near.prepare(1).await;
    let port = candidate(&offer);
    let (answer, far_leg) = far.answer(1, offer).await;
    near.tell(1, callbox::appliance::command::MediaCommand::Start { sdp: answer }).await;
    let near_leg = near.leg(1).await;
    near.connected(1).await;
    far.connected(1).await;
    let tone: Vec<i16> = (0..48_000).map(|n| ((f64::from(n) * 0.05).sin() * 8_000.0) as i16).collect();
    let (near_card, _far_card) = (Card::new(near_leg, vec![0; 480]), Card::new(far_leg, tone));
    tokio::time::sleep(Duration::from_secs(1)).await;

    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    // A STUN request of nobody (RFC 8489), the begin of a handshake, sound and keys in the clear, nonsense.
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    let hello = [&[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 1][..], &[0; 99]].concat();
    let sound = [&[0x80, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 7][..], &[0x2a; 160]].concat();
    let key = [&[0x80, 126, 1, 2, 0, 0, 1, 1, 0, 0, 0, 7][..], &[4, 10, 0, 160]].concat();
    let nonsense = vec![0xff; 1_400];
    // A record that no key protects and that the library answers with a fatal alert to the far end:
    // ChangeCipherSpec of the epoch in use, of a kind that there is not (RFC 6347 section 4.1).
    let spec = |n: u8| vec![20, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 1, n, 0, 1, 2];
    // Fragments of a byte each, from the last to the first, which the library joins by recursion.
    let fragment = |at: u16, number: u16| {
        let ([high, low], [first, second]) = (at.to_be_bytes(), number.to_be_bytes());
        let record = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 1, first, second, 0, 13];
        [&record[..], &[11, 0, 0xff, 0xff, 0, 6, 0, high, low, 0, 0, 1, 7]].concat()
    };
    // A source in each packet, for which the library keeps a state before it looks whether it is authentic.
    let source = |n: u32| [&[0x80, 0, 0, 1, 0, 0, 0, 1][..], &n.to_be_bytes(), &[0x2a; 20]].concat();
    let (before, received) = (resident(), near_card.stats.packets_received.get());
    let (mut sent_bytes, mut back_bytes) = (0, 0);
    for round in 0..100_u16 {
        let fragments: Vec<u8> =
            (0..50).rev().flat_map(|n| fragment((99 - round) * 50 + n, round * 50 + 49 - n)).collect();
        for n in 0..20_u16 {
            let many = u32::from(round) << 16 | u32::from(n);
            let (spec, source) = (spec(n as u8), source(many));
            for datagram in [&stun, &hello, &sound, &key, &nonsense, &spec, &fragments, &source] {
                // The kernel's own buffer may be full.
                sent_bytes += stranger.send_to(datagram, port).unwrap_or(0);
            }
        }
        let mut back = [0; 2_048];
        while let Ok((length, _)) = stranger.recv_from(&mut back) {
            back_bytes += length;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let grown = resident().saturating_sub(before);
    println!("{sent_bytes} bytes sent, {back_bytes} came back, grown by {grown}");
    assert!(back_bytes <= sent_bytes / 10, "{back_bytes} bytes came back for {sent_bytes}");
    assert!(grown < 8 << 20, "grown by {grown} bytes");
    // The call goes on, and only its own packets are in it: at most 100 a second.
    let played = near_card.stats.frames_played.get();
    let heard = near_card.listen(Duration::from_secs(1)).await;
    assert!(near_card.stats.frames_played.get() >= played + 60, "the call has fallen silent");
    assert!(heard.iter().any(|sample| sample.unsigned_abs() > 4_000), "nothing of the tone is heard");
    let refused = near_card.stats.packets_refused.get();
    assert!(refused > 1_000, "only {refused} packets were refused");
    let took = near_card.stats.packets_received.get() - received;
    assert!(took < 1_500, "{took} packets were taken for the far end's");
    drop(near_card);
    near.tell(1, callbox::appliance::command::MediaCommand::Close).await;
    loop {
        match near.next(1).await {
            callbox::media::MediaOutput::Event(MediaEvent::Digit(digit)) => {
                panic!("{digit} was pressed by a stranger")
            }
            callbox::media::MediaOutput::Event(MediaEvent::Closed) => break,
            callbox::media::MediaOutput::Event(_) | callbox::media::MediaOutput::Leg(_) => {}
        }
    }
}
