//! RTP that lies, from the bytes on the wire to what is heard, on virtual
//! time. Whoever can reach the call's port after the handshake may send any of
//! it: it must not click, stop the call, or go uncounted.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rtc::interceptor::{AttributedPacket, Packet, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::marshal::Unmarshal;
use tokio::sync::mpsc;

use super::codec::limits::Limits;
use super::jitter::sound_tests::{CLICK, encoded, largest_step, random, voice};
use super::leg::{self, AudioLeg, Wires};
use super::sdp::PayloadTypes;
use super::tap::{Heard, SharedTypes, Tap};
use super::{Codec, FrameLength};
use crate::audio::{FRAME_SAMPLES, Leg};

/// An RTP packet before it is bytes (RFC 3550 section 5.1).
struct Rtp {
    /// Version, padding, extension, CSRC count.
    first: u8,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: Vec<u8>,
    cut: usize,
}

impl Rtp {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.first, self.payload_type];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        bytes.extend(&self.payload);
        bytes.truncate(self.cut.min(bytes.len()));
        bytes
    }
}

struct Line {
    tap: Tap,
    leg: AudioLeg,
    wires: Wires,
    _heard: mpsc::Receiver<Heard>,
    start: Instant,
    tail: Vec<i16>,
    step: f64,
    refused: u64,
}

impl Line {
    fn new() -> Self {
        let (leg, wires, _) = leg::pair(Codec::Pcmu, Limits::new(32_000, FrameLength::Auto)).unwrap();
        let types = Arc::new(SharedTypes::default());
        let pcmu = PayloadTypes { pcmu: Some(0), telephone_event: Some(101), ..Default::default() };
        types.set(&pcmu, &pcmu);
        let (hear, heard) = mpsc::channel(64);
        let live = Arc::new(AtomicBool::new(true));
        let tap = Tap::new(types, Arc::clone(&wires.shared), Arc::clone(&wires.arrived), hear, live);
        let start = Instant::now();
        Self { tap, leg, wires, _heard: heard, start, tail: vec![0; 4], step: 0.0, refused: 0 }
    }

    /// As the library does: what it cannot parse it drops.
    fn arrive(&mut self, bytes: &[u8], at: f64) {
        let Ok(packet) = rtc::rtp::Packet::unmarshal(&mut &bytes[..]) else {
            self.refused += 1;
            return;
        };
        let now = self.start + Duration::from_secs_f64(at);
        let message = AttributedPacket::new(Packet::Rtp(packet));
        let tagged = TaggedPacket { now, transport: TransportContext::default(), message };
        self.tap.handle_read(tagged).unwrap();
    }

    fn listen(&mut self, at: f64) {
        let mut frame = [0; FRAME_SAMPLES];
        self.leg.far_end(&mut frame, self.start + Duration::from_secs_f64(at));
        self.tail.extend_from_slice(&frame);
        self.step = self.step.max(largest_step(&self.tail));
        self.tail.drain(..FRAME_SAMPLES);
    }
}

/// What is wrong with every tenth packet, and how much of the sound is heard all the same.
const LIES: [(&str, f64); 12] = [
    ("a payload type that nobody agreed on", 0.85),
    ("no payload", 0.85),
    ("a payload that fits no packet", 0.85),
    ("a timestamp from anywhere", 0.85),
    ("a sequence number from anywhere", 0.85),
    ("another source for one packet", 0.5),
    ("padding longer than the packet", 0.85),
    ("padding that is all there is", 0.85),
    ("padding of no length", 0.85),
    ("an extension that is longer than the packet", 0.85),
    ("a header that is cut off", 0.85),
    ("noise", 0.85),
];

#[test]
fn packets_that_lie_neither_click_nor_end_the_call_and_are_counted() {
    let payloads = encoded(Codec::Pcmu, &voice());
    let mut seed: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4);
    println!("SEED={seed}");
    for (lie, heard) in LIES {
        let mut line = Line::new();
        for number in 0..1_000_u32 {
            let at = f64::from(number) * 0.02;
            let payload = payloads[number as usize % payloads.len()].as_slice().to_vec();
            let mut rtp = Rtp {
                first: 0x80,
                payload_type: 0,
                sequence: 65_000_u16.wrapping_add(number as u16),
                timestamp: (number * 160).wrapping_sub(8_000),
                ssrc: 7,
                payload,
                cut: usize::MAX,
            };
            let mut extra = None;
            if number % 10 == 9 {
                match lie {
                    "a payload type that nobody agreed on" => rtp.payload_type = 77,
                    "no payload" => rtp.payload.clear(),
                    "a payload that fits no packet" => rtp.payload = vec![0xff; 4_000],
                    "a timestamp from anywhere" => rtp.timestamp = random(&mut seed) as u32,
                    "a sequence number from anywhere" => rtp.sequence = random(&mut seed) as u16,
                    "another source for one packet" => rtp.ssrc = random(&mut seed) as u32,
                    "padding longer than the packet" => {
                        rtp.first |= 0x20;
                        rtp.payload = vec![0xff; 100];
                        rtp.payload[99] = 200;
                    }
                    "padding that is all there is" => {
                        rtp.first |= 0x20;
                        rtp.payload = vec![100; 100];
                    }
                    "padding of no length" => {
                        rtp.first |= 0x20;
                        rtp.payload[159] = 0;
                    }
                    "an extension that is longer than the packet" => {
                        rtp.first |= 0x1f;
                        rtp.payload[60..64].copy_from_slice(&[0xbe, 0xde, 0xff, 0xff]);
                    }
                    "a header that is cut off" => rtp.cut = (random(&mut seed) % 12) as usize,
                    "noise" => {
                        let length = random(&mut seed) % 300;
                        extra = Some((0..length).map(|_| random(&mut seed) as u8).collect::<Vec<u8>>());
                    }
                    other => unreachable!("{other}"),
                }
            }
            line.arrive(&extra.unwrap_or_else(|| rtp.bytes()), at);
            line.listen(at + 0.0034);
            line.listen(at + 0.0134);
        }
        let stats = &line.wires.shared.stats;
        let counted = line.refused
            + stats.packets_unreadable.get()
            + stats.packets_dropped.get()
            + stats.packets_lost.get()
            + stats.stream_restarts.get()
            + stats.timestamp_jumps.get();
        let played = stats.frames_played.get() as f64 / 2_000.0;
        println!("{lie}: step {:.0}, {counted} counted, {played:.3} played", line.step);
        assert!(line.step < CLICK, "{lie}: a click of {:.0}", line.step);
        assert!(played > heard, "{lie}: only {played:.3} of the sound was played");
        // What hides no sound is no loss to count, such as padding of which there is none.
        assert!(counted >= 95 || played > 0.98, "{lie}: only {counted} were counted");
        assert!(stats.playout_delay_ms.get() < 150, "{lie}: {} ms", stats.playout_delay_ms.get());
    }
}
