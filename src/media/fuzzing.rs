//! Doors for the fuzz targets in `tests/fuzz`: what reads the far end's bytes
//! here, which nothing outside of `media` calls otherwise.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rtc::interceptor::{AttributedPacket, Packet, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::marshal::Unmarshal;
use tokio::sync::mpsc;

use super::codec::limits::Limits;
use super::dtmf;
use super::jitter::{JitterBuffer, Turn};
use super::leg::{self, AudioLeg, EncoderSwitch, Wires};
use super::packet::{Arrived, Payload};
use super::report::Reports;
use super::sdp::{Choice, PayloadTypes, Remote, complete_answer};
use super::tap::{Heard, SharedTypes, Tap};
use super::{Codec, FrameLength, LegStats};
use crate::appliance::event::MediaError;
use crate::audio::{FRAME_SAMPLES, Frame, Leg};

/// What became of a remote description.
pub struct Description {
    /// What the library is shown of it.
    pub reduced: String,
    /// The library's answer to that, made right for who offered.
    pub answer: String,
}

/// Reads a remote description as an offer or as an answer; `answered` is the
/// library's answer to the reduced one.
///
/// # Errors
/// As a call would meet it.
pub fn describe(text: &str, is_answer: bool, answered: &str) -> Result<Description, MediaError> {
    let ours = &[Codec::Opus, Codec::Pcmu, Codec::Pcma];
    let choice = if is_answer { Choice::Theirs(ours) } else { Choice::Ours(ours) };
    let remote = Remote::read(text, choice)?;
    let answer = complete_answer(answered, &remote, remote.setup.in_answer(answered));
    Ok(Description { reduced: remote.reduced, answer })
}

/// The way of decrypted datagrams to the loudspeaker.
pub struct Ear {
    tap: Tap,
    reports: Reports,
    leg: AudioLeg,
    wires: Wires,
    encoders: EncoderSwitch,
    tapped: mpsc::Receiver<Heard>,
    reported: mpsc::Receiver<Heard>,
    start: Instant,
}

impl Ear {
    /// Opus is 111, PCMU 0, PCMA 8, telephone-event 101, and our source 7. `None` if libopus refuses.
    pub fn new() -> Option<Self> {
        let limits = Limits::new(32_000, FrameLength::Auto);
        let (leg, wires, encoders) = leg::pair(Codec::Opus, limits).ok()?;
        let types = Arc::new(SharedTypes::default());
        let all = PayloadTypes { opus: Some(111), pcmu: Some(0), pcma: Some(8), telephone_event: Some(101) };
        types.set(&all, &all);
        let (hear, tapped) = mpsc::channel(64);
        let (report, reported) = mpsc::channel(64);
        let (shared, arrived) = (Arc::clone(&wires.shared), Arc::clone(&wires.arrived));
        let tap = Tap::new(Arc::clone(&types), shared, arrived, hear, Arc::new(AtomicBool::new(true)));
        let reports = Reports::new(types, report);
        let start = Instant::now();
        let mut ear = Self { tap, reports, leg, wires, encoders, tapped, reported, start };
        let header = rtc::rtp::Header { payload_type: 111, ssrc: 7, ..Default::default() };
        let sent = Packet::Rtp(rtc::rtp::Packet { header, ..Default::default() });
        ear.reports.handle_write(ear.tagged(sent, Duration::ZERO)).ok()?;
        ear.reports.poll_write();
        Some(ear)
    }

    fn tagged(&self, packet: Packet, at: Duration) -> TaggedPacket {
        let transport = TransportContext::default();
        TaggedPacket { now: self.start + at, transport, message: AttributedPacket::new(packet) }
    }

    /// A datagram that was authentic, after `at`. False: the library cannot parse it.
    pub fn arrive(&mut self, mut datagram: &[u8], at: Duration) -> bool {
        let packet = if rtc::shared::util::is_rtcp(datagram) {
            rtc::rtcp::packet::unmarshal(&mut datagram).map(Packet::Rtcp)
        } else {
            rtc::rtp::Packet::unmarshal(&mut datagram).map(Packet::Rtp)
        };
        let Ok(packet) = packet else { return false };
        let tagged = self.tagged(packet, at);
        if self.reports.handle_read(tagged).is_err() {
            return false;
        }
        while let Some(packet) = self.reports.poll_read() {
            if self.tap.handle_read(packet).is_err() {
                return false;
            }
            self.tap.poll_read();
        }
        true
    }

    /// The next 10 ms of sound, after `at`.
    pub fn listen(&mut self, at: Duration) -> Frame {
        let mut frame = [0; FRAME_SAMPLES];
        self.leg.far_end(&mut frame, self.start + at);
        frame
    }

    /// Takes note of what the far end said: its digits. What it reported steers the encoder.
    pub fn digits(&mut self, at: Duration) -> Vec<char> {
        while let Ok(heard) = self.reported.try_recv() {
            if let Heard::Feedback(feedback) = heard {
                self.encoders.report(feedback, self.start + at);
            }
        }
        let mut digits = Vec::new();
        while let Ok(heard) = self.tapped.try_recv() {
            if let Heard::Digit(digit) = heard {
                digits.push(digit);
            }
        }
        digits
    }

    /// 10 ms of the near end, so that a packet leaves now and then.
    pub fn speak(&mut self, frame: &Frame, at: Duration) {
        self.leg.near_end(frame, self.start + at);
        let mut outgoing = self.wires.outgoing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while outgoing.pop().is_ok() {}
    }

    /// What was counted.
    pub fn stats(&self) -> &LegStats {
        &self.wires.shared.stats
    }
}

/// A packet for [`Jitter`].
#[derive(Clone, Copy, Debug)]
pub struct Parcel {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// In units of the codec's RTP clock.
    pub timestamp: u32,
    /// The codec.
    pub codec: Codec,
    /// It describes noise.
    pub comfort: bool,
    /// Samples at 48 kHz that it holds, 1 to 8400.
    pub samples: u16,
    /// When it came.
    pub arrival: Duration,
    /// Its first two bytes; more do not matter here.
    pub payload: [u8; 2],
}

/// The jitter buffer alone.
pub struct Jitter(JitterBuffer, Instant);

impl Default for Jitter {
    fn default() -> Self {
        Self(JitterBuffer::new(), Instant::now())
    }
}

impl Jitter {
    /// A packet that is fetched at `now`.
    pub fn insert(&mut self, parcel: &Parcel, now: Duration) {
        let Some(payload) = Payload::copy_of(&parcel.payload) else { return };
        let packet = Arrived {
            ssrc: parcel.ssrc,
            sequence: parcel.sequence,
            timestamp: parcel.timestamp,
            codec: parcel.codec,
            comfort: parcel.comfort,
            samples: parcel.samples,
            arrival: self.1 + parcel.arrival,
            payload,
        };
        self.0.insert_fresh(packet, self.1 + now);
    }

    /// What the player gets at `now`: samples at 48 kHz.
    pub fn turn(&mut self, now: Duration) -> u16 {
        let now = self.1 + now;
        match self.0.next_turn(now) {
            Turn::Packet(packet) => packet.samples,
            Turn::Lost { samples, .. } => samples,
            Turn::Starved | Turn::Comfort | Turn::Silence => FRAME_SAMPLES as u16,
        }
    }

    /// The player begins a frame.
    pub fn frame(&mut self, now: Duration) {
        self.0.begin_frame(self.1 + now);
    }

    /// The player made the sound longer or shorter.
    pub fn stretched(&mut self, samples: i64) {
        self.0.stretched(samples);
    }

    /// By how much it is asked to, in samples.
    pub fn surplus(&self) -> i64 {
        self.0.surplus()
    }

    /// Sound held.
    pub fn buffered(&self) -> Duration {
        self.0.buffered()
    }

    /// Packets that came, and those that were lost, late, dropped or came twice.
    pub fn counted(&self) -> (u64, u64) {
        let counts = self.0.counts();
        (counts.received, counts.lost + counts.late + counts.dropped + counts.duplicated)
    }
}

/// Key presses out of telephone-events.
#[derive(Default)]
pub struct Digits(dtmf::Receiver);

impl Digits {
    /// A report's payload; the digit, if a press begins with it.
    pub fn take(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) -> Option<char> {
        self.0.take(ssrc, timestamp, payload)
    }
}
