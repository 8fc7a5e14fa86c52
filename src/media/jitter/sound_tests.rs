//! What is heard, on virtual time, with real codecs: arrival traces (made by
//! tests/traces/make.py), clocks that drift, and packets that lie.

use std::f64::consts::TAU;
use std::sync::atomic::Ordering;

use super::*;
use crate::audio::{FRAME_SAMPLES, Frame};
use crate::media::LegStats;
use crate::media::codec::Encoder;
use crate::media::packet::{MAX_PAYLOAD, Payload, rtp_clock};

const PACKET_SAMPLES: usize = 960;

/// A click of -30 dBFS.
pub(in crate::media) const CLICK: f64 = 1036.0;

/// Two seconds of a voice of nothing above 1 kHz, in syllables with pauses
/// between them; the end fits to the begin.
pub(in crate::media) fn voice() -> Vec<i16> {
    let sample = |i: usize| {
        let t = i as f64 / 48_000.0;
        let buzz: f64 = (1..=6).map(|n| (TAU * 150.0 * f64::from(n) * t).sin() / f64::from(n)).sum();
        let syllable = (TAU * 2.0 * t).sin().max(0.0).sqrt();
        // A pause ends and begins softly: it must not look like a click.
        let soft = if syllable < 0.5 { (syllable * 2.0).powi(4) / 2.0 } else { syllable };
        (5_000.0 * buzz * soft) as i16
    };
    (0..96_000).map(sample).collect()
}

pub(in crate::media) fn encoded(codec: Codec, sound: &[i16]) -> Vec<Payload> {
    let mut encoder = Encoder::new(codec, 32_000).unwrap();
    let mut payload = [0; MAX_PAYLOAD];
    let mut encode = |block: &[i16]| {
        let length = encoder.encode(block, &mut payload).unwrap();
        Payload::copy_of(&payload[..length]).unwrap()
    };
    // Once for the encoder to settle.
    for block in sound.chunks_exact(PACKET_SAMPLES) {
        encode(block);
    }
    sound.chunks_exact(PACKET_SAMPLES).map(encode).collect()
}

/// The largest step in the sound: a fourth difference, which hardly sees what
/// is below 1 kHz and makes three times its height of a step.
pub(in crate::media) fn largest_step(sound: &[i16]) -> f64 {
    let difference = |w: &[i16]| {
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|i| f64::from(w[i]));
        (a - 4.0 * b + 6.0 * c - 4.0 * d + e).abs() / 3.0
    };
    sound.windows(5).map(difference).fold(0.0, f64::max)
}

struct Listener {
    player: Player,
    stats: LegStats,
    start: Instant,
    /// The last samples and the largest step so far.
    tail: Vec<i16>,
    step: f64,
    energy: f64,
}

impl Listener {
    fn new() -> Self {
        let (player, stats) = (Player::new().unwrap(), LegStats::default());
        Self { player, stats, start: Instant::now(), tail: vec![0; 4], step: 0.0, energy: 0.0 }
    }

    fn packet(&self, codec: Codec, number: u64, at: f64, payload: &Payload) -> Arrived {
        Arrived {
            ssrc: 1,
            sequence: (60_000 + number) as u16,
            timestamp: (number * u64::from(rtp_clock(codec)) / 50) as u32,
            codec,
            comfort: false,
            samples: 960,
            arrival: self.start + Duration::from_secs_f64(at),
            payload: payload.clone(),
        }
    }

    /// Reads the frame that is asked for at `at` seconds.
    fn read(&mut self, at: f64) {
        let mut frame: Frame = [0; FRAME_SAMPLES];
        self.player.read(&mut frame, self.start + Duration::from_secs_f64(at), &self.stats);
        self.tail.extend_from_slice(&frame);
        self.step = self.step.max(largest_step(&self.tail));
        self.tail.drain(..FRAME_SAMPLES);
        self.energy += frame.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    }

    fn insert(&mut self, packet: Arrived) {
        let now = packet.arrival;
        self.player.insert(packet, now);
    }
}

/// (Name, trace, most frames made up in 30 s with PCMU, most of mean delay in ms.)
const TRACES: [(&str, &str, u64, u64); 11] = [
    ("quiet", include_str!("../../../tests/traces/quiet.trace"), 0, 12),
    ("loss5", include_str!("../../../tests/traces/loss5.trace"), 180, 15),
    ("loss10", include_str!("../../../tests/traces/loss10.trace"), 310, 15),
    ("loss20", include_str!("../../../tests/traces/loss20.trace"), 660, 15),
    ("bursts4", include_str!("../../../tests/traces/bursts4.trace"), 300, 25),
    ("jitter30", include_str!("../../../tests/traces/jitter30.trace"), 40, 100),
    ("jitter100", include_str!("../../../tests/traces/jitter100.trace"), 140, 250),
    ("wifi", include_str!("../../../tests/traces/wifi.trace"), 90, 130),
    ("lte", include_str!("../../../tests/traces/lte.trace"), 50, 60),
    ("stall300", include_str!("../../../tests/traces/stall300.trace"), 45, 160),
    ("reordered", include_str!("../../../tests/traces/reordered.trace"), 40, 60),
];

#[test]
fn every_trace_is_played_with_little_delay_little_made_up_and_no_click() {
    let sound = voice();
    for codec in [Codec::Pcmu, Codec::Opus] {
        let payloads = encoded(codec, &sound);
        for (name, trace, most_made_up, most_delay) in TRACES {
            let words = trace.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
            let mut listener = Listener::new();
            let mut packets: Vec<Arrived> = words
                .enumerate()
                .filter_map(|(i, word)| {
                    let at = i as f64 * 0.02 + word.parse::<f64>().ok()? / 10_000.0;
                    Some(listener.packet(codec, i as u64, at, &payloads[i % payloads.len()]))
                })
                .collect();
            packets.sort_by_key(|packet| packet.arrival);
            let mut packets = packets.into_iter().peekable();
            let mut delay = 0;
            for tick in 0..3_000 {
                let at = f64::from(tick) * 0.01 + 0.0034;
                let now = listener.start + Duration::from_secs_f64(at);
                while let Some(packet) = packets.next_if(|packet| packet.arrival <= now) {
                    listener.player.insert(packet, now);
                }
                listener.read(at);
                delay += listener.stats.playout_delay_ms.get();
            }
            let made_up = listener.stats.frames_concealed.get();
            let delay = delay / 3_000;
            println!("{name} {codec:?}: {made_up} made up, {delay} ms, step {:.0}", listener.step);
            // The network still has what comes last.
            assert!(made_up <= most_made_up + 10, "{name} {codec:?}: {made_up} frames made up");
            // FEC waits for the packet after the lost one.
            let most_delay = most_delay + if codec == Codec::Opus { 25 } else { 0 };
            assert!(delay <= most_delay, "{name} {codec:?}: {delay} ms");
            assert!(listener.step < CLICK, "{name} {codec:?}: a click of {:.0}", listener.step);
            assert!(listener.energy > 0.5e6 * 3_000.0 * 480.0, "{name} {codec:?}: hardly anything was heard");
        }
    }
}

#[test]
fn half_an_hour_of_drifting_clocks_neither_clicks_nor_grows_nor_starves() {
    let payloads = encoded(Codec::Pcmu, &voice());
    for ppm in [-100.0, 100.0] {
        let mut listener = Listener::new();
        let (mut number, mut most) = (0, 0);
        for tick in 0..180_000 {
            let at = f64::from(tick) * 0.01 + 0.0034;
            loop {
                // Half a millisecond of jitter, without a random number.
                let jitter = (number * 7 % 11) as f64 * 0.000_05;
                let came = number as f64 * 0.02 * (1.0 + ppm * 1e-6) + jitter;
                if came > at {
                    break;
                }
                let payload = &payloads[number as usize % payloads.len()];
                let packet = listener.packet(Codec::Pcmu, number, came, payload);
                listener.insert(packet);
                number += 1;
            }
            listener.read(at);
            if tick > 100 {
                most = most.max(listener.stats.playout_delay_ms.get());
            }
        }
        let stats = &listener.stats;
        let concealed = stats.frames_concealed.get();
        let (out, more) = (stats.samples_left_out.get(), stats.samples_put_in.get());
        println!(
            "{ppm} ppm: {concealed} made up, most {most} ms, -{out} +{more} samples, step {:.0}",
            listener.step
        );
        assert!(concealed < 5, "{ppm} ppm: {concealed} frames in 30 minutes");
        assert!(most <= 30, "{ppm} ppm: the delay grew to {most} ms");
        assert!(listener.step < CLICK, "{ppm} ppm: a click of {:.0}", listener.step);
        assert_eq!(stats.packets_lost.get() + stats.packets_dropped.get(), 0);
        // 100 ppm of half an hour are 180 ms, nearly all of it taken out by the resampler.
        let found = stats.clock_drift_ppb.load(Ordering::Relaxed);
        assert!((found + (ppm * 1e3) as i64).abs() < 3_000, "{ppm} ppm: found {found} ppb");
        assert!(out + more < 3_000, "{ppm} ppm: {out} + {more} samples by splices");
    }
}

/// A small linear congruential generator (Knuth, TAOCP 2, 3.3.4).
pub(in crate::media) fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn sources_timestamps_sequences_and_codecs_that_jump_do_not_click() {
    let sound = voice();
    let payloads = [Codec::Pcmu, Codec::Pcma, Codec::Opus].map(|codec| (codec, encoded(codec, &sound)));
    let mut seed: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20);
    println!("SEED={seed}");
    for kind in ["source", "timestamp", "sequence", "codec", "hole", "all"] {
        let mut listener = Listener::new();
        let (mut source, mut stamp, mut sequence, mut which, mut from) = (1, 0_u32, 0_u16, 0, 0);
        for number in 0..1_500_u64 {
            let at = number as f64 * 0.02;
            let jump = number % 23 == 22;
            let is = |what: &str| jump && (kind == what || kind == "all");
            if is("source") {
                source += 1;
                from += random(&mut seed) as usize;
            }
            if is("timestamp") {
                stamp = stamp.wrapping_add(random(&mut seed) as u32);
            }
            if is("sequence") {
                sequence = sequence.wrapping_add(random(&mut seed) as u16);
                from += random(&mut seed) as usize;
            }
            if is("codec") {
                which = (which + 1) % payloads.len();
            }
            let (codec, payloads) = &payloads[which];
            let payload = &payloads[from.wrapping_add(number as usize) % payloads.len()];
            let mut packet = listener.packet(*codec, number, at, payload);
            packet.ssrc = source;
            packet.timestamp = packet.timestamp.wrapping_add(stamp);
            packet.sequence = packet.sequence.wrapping_add(sequence);
            // A packet is lost.
            if !(is("hole") && random(&mut seed).is_multiple_of(2)) {
                listener.insert(packet);
            }
            listener.read(at + 0.0034);
            listener.read(at + 0.0134);
        }
        println!("{kind}: step {:.0}, {:?}", listener.step, listener.stats);
        assert!(listener.step < CLICK, "{kind}: a click of {:.0}", listener.step);
        let played = listener.stats.frames_played.get();
        assert!(played > 2_000, "{kind}: only {played} of 3000 frames were played");
    }
}

#[test]
fn payloads_that_no_decoder_reads_or_that_are_too_long_are_counted_and_survived() {
    let payloads = encoded(Codec::Pcmu, &voice());
    let mut listener = Listener::new();
    for number in 0..1_000_u64 {
        let at = number as f64 * 0.02;
        let mut packet =
            listener.packet(Codec::Pcmu, number, at, &payloads[number as usize % payloads.len()]);
        match number % 20 {
            // Zero length; Opus that ends in the middle; a second of G.711 silence in one packet.
            5 => packet.payload = Payload::copy_of(&[]).unwrap(),
            10 => {
                packet.codec = Codec::Opus;
                packet.payload = Payload::copy_of(&[0x4b, 0xff, 0xff]).unwrap();
            }
            15 => {
                packet.payload = Payload::copy_of(&[0xff; MAX_PAYLOAD]).unwrap();
                packet.samples = (MAX_PAYLOAD * 6) as u16;
            }
            _ => {}
        }
        listener.insert(packet);
        listener.read(at + 0.0034);
        listener.read(at + 0.0134);
    }
    assert!(listener.stats.packets_unreadable.get() >= 50, "{:?}", listener.stats);
    assert!(listener.step < CLICK, "a click of {:.0}", listener.step);
    assert!(listener.stats.playout_delay_ms.get() <= 600, "{:?}", listener.stats);
}

#[test]
fn whatever_comes_the_player_goes_on() {
    let mut seed: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2026);
    println!("SEED={seed}");
    let mut listener = Listener::new();
    let mut at = 0.0;
    for number in 0..20_000_u64 {
        let mut dice = |sides: u64| random(&mut seed) % sides;
        let codec = [Codec::Opus, Codec::Pcmu, Codec::Pcma][dice(3) as usize];
        let length = [dice(4), dice(200), dice(MAX_PAYLOAD as u64 + 1)][dice(3) as usize];
        let bytes: Vec<u8> = (0..length).map(|_| dice(256) as u8).collect();
        let mut packet = listener.packet(codec, number, at, &Payload::copy_of(&bytes).unwrap());
        packet.comfort = dice(20) == 0;
        packet.samples = [960, 480, 1 + dice(8_400)][dice(3) as usize] as u16;
        packet.sequence =
            packet.sequence.wrapping_add([0, dice(8), dice(70_000)][dice(50).min(2) as usize] as u16);
        packet.ssrc = u32::from(dice(300) == 0);
        if dice(10) == 0 {
            packet.timestamp = dice(1 << 32) as u32;
        }
        let wait = [0.0, 0.01, 0.02, 0.2][dice(4) as usize];
        listener.insert(packet);
        at += wait;
        for tick in 0..(wait * 100.0) as u64 {
            listener.read(at + tick as f64 * 0.01);
        }
    }
    assert!(listener.stats.frames_played.get() > 100, "{:?}", listener.stats);
}

#[test]
fn a_pause_that_is_announced_is_no_loss() {
    let payloads = encoded(Codec::Opus, &voice());
    let mut listener = Listener::new();
    let mut sequence = 0;
    for number in 0..500_u64 {
        let at = number as f64 * 0.02;
        // From the second 2 to 8 the far end pauses: one packet every 400 ms, of one byte.
        let pause = (100..400).contains(&number);
        if !pause || number % 20 == 0 {
            let mut packet =
                listener.packet(Codec::Opus, number, at, &payloads[number as usize % payloads.len()]);
            packet.sequence = sequence;
            sequence += 1;
            if pause {
                packet.payload = Payload::copy_of(&[0x48]).unwrap();
            }
            listener.insert(packet);
        }
        listener.read(at + 0.0034);
        listener.read(at + 0.0134);
    }
    let stats = &listener.stats;
    assert_eq!((stats.frames_concealed.get(), stats.packets_lost.get()), (0, 0), "{stats:?}");
    assert!(stats.frames_comfort.get() > 500, "{stats:?}");
    assert!(stats.playout_delay_ms.get() <= 20, "{stats:?}");
    assert!(listener.step < CLICK, "a click of {:.0}", listener.step);
}
