//! The `audio-dsp` thread's end of a peer connection.
//!
//! Real-time rules: nothing here allocates, locks, logs or waits. Sound
//! crosses to the peer's tasks through SPSC rings of fixed-size packets; an
//! encoder that was replaced goes back through a ring to be freed there. The
//! one call out is `tokio::sync::Notify::notify_one`, which wakes the sending
//! task: it takes Notify's short internal lock only when that task is parked,
//! and no other thread holds it for longer than a few instructions.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};
use tokio::sync::Notify;

use super::codec::{CodecError, Decoder, Encoder, MAX_SAMPLES, PACKET_SAMPLES};
use super::in_band::{Detector, Inbox};
use super::jitter::{JitterBuffer, Turn};
use super::packet::{Arrived, MAX_PAYLOAD, Outgoing, Payload};
use super::pause::Pauses;
use super::{Codec, LegStats};
use crate::audio::{FRAME_SAMPLES, Frame, Leg};

/// Packets between the network and the audio thread: 640 ms of 20 ms packets.
const ARRIVED_RING: usize = 32;

/// Encoded packets that wait for the sending task: 320 ms.
const OUTGOING_RING: usize = 16;

/// Encoders on their way in or out.
const ENCODER_RING: usize = 4;

/// What the audio thread and the peer's tasks share.
pub(super) struct Shared {
    pub(super) stats: Arc<LegStats>,
    /// Whether anything of the near end is wanted: connected, and not on hold.
    pub(super) sending: AtomicBool,
    /// Wakes the sending task when a packet is ready.
    pub(super) ready: Notify,
    /// Set where the next packet that comes is news.
    pub(super) quiet: AtomicBool,
    /// Digits heard in the far end's sound.
    pub(super) in_band: Inbox,
    /// RTP packets of any kind that came, and when the last one did, in ms since `epoch`.
    rtp: AtomicU64,
    last_rtp: AtomicU64,
    epoch: Instant,
}

impl Shared {
    fn new() -> Self {
        Self {
            stats: Arc::new(LegStats::default()),
            sending: AtomicBool::new(false),
            ready: Notify::new(),
            quiet: AtomicBool::new(false),
            in_band: Inbox::default(),
            rtp: AtomicU64::new(0),
            last_rtp: AtomicU64::new(0),
            epoch: Instant::now(),
        }
    }

    /// An RTP packet has come.
    pub(super) fn note_rtp(&self, arrival: Instant) {
        let since = arrival.saturating_duration_since(self.epoch).as_millis() as u64;
        self.last_rtp.store(since, Ordering::Relaxed);
        self.rtp.fetch_add(1, Ordering::Relaxed);
    }

    /// How many RTP packets came so far, and when the last one did.
    pub(super) fn rtp(&self) -> (u64, Option<Instant>) {
        let packets = self.rtp.load(Ordering::Relaxed);
        let last = self.epoch + Duration::from_millis(self.last_rtp.load(Ordering::Relaxed));
        (packets, Some(last).filter(|_| packets > 0))
    }
}

/// The peer's ends of the rings. They outlive a peer connection: the far end
/// may move the call to another server, and the leg must not notice. The
/// mutexes are never contended and never touched by the audio thread.
#[derive(Clone)]
pub(super) struct Wires {
    /// For packets from the network.
    pub(super) arrived: Arc<Mutex<Producer<Arrived>>>,
    /// For packets to the network.
    pub(super) outgoing: Arc<Mutex<Consumer<Outgoing>>>,
    pub(super) shared: Arc<Shared>,
}

/// Replaces the leg's encoder from outside of the audio thread.
pub(super) struct EncoderSwitch {
    new: Producer<Box<Encoder>>,
    old: Consumer<Box<Encoder>>,
    codec: Codec,
    bitrate: u32,
}

impl EncoderSwitch {
    /// Makes the leg encode with `codec` from its next packet on.
    pub(super) fn switch_to(&mut self, codec: Codec) -> Result<(), CodecError> {
        while self.old.pop().is_ok() {}
        if codec == self.codec {
            return Ok(());
        }
        let encoder = Box::new(Encoder::new(codec, self.bitrate)?);
        // A full ring means that no audio thread runs this leg; nobody hears.
        if self.new.push(encoder).is_ok() {
            self.codec = codec;
        }
        Ok(())
    }
}

/// See the module's documentation.
pub(super) struct AudioLeg {
    shared: Arc<Shared>,
    // Near end.
    encoder: Box<Encoder>,
    new_encoders: Consumer<Box<Encoder>>,
    old_encoders: Producer<Box<Encoder>>,
    outgoing: Producer<Outgoing>,
    pending: [i16; PACKET_SAMPLES],
    half_full: bool,
    sample: u64,
    scratch: Box<[u8; MAX_PAYLOAD]>,
    // Far end.
    detector: Detector,
    arrived: Consumer<Arrived>,
    jitter: JitterBuffer,
    decoder: Decoder,
    sound: Box<[i16; MAX_SAMPLES]>,
    sound_from: usize,
    sound_to: usize,
    pauses: Pauses,
    pause: bool,
}

/// Makes a leg, the peer's ends of it, and the switch of its encoder.
pub(super) fn pair(codec: Codec, bitrate: u32) -> Result<(AudioLeg, Wires, EncoderSwitch), CodecError> {
    let (arrived_in, arrived_out) = RingBuffer::new(ARRIVED_RING);
    let (outgoing_in, outgoing_out) = RingBuffer::new(OUTGOING_RING);
    let (new_in, new_out) = RingBuffer::new(ENCODER_RING);
    let (old_in, old_out) = RingBuffer::new(ENCODER_RING);
    let shared = Arc::new(Shared::new());
    let leg = AudioLeg {
        shared: Arc::clone(&shared),
        encoder: Box::new(Encoder::new(codec, bitrate)?),
        new_encoders: new_out,
        old_encoders: old_in,
        outgoing: outgoing_in,
        pending: [0; PACKET_SAMPLES],
        half_full: false,
        sample: 0,
        scratch: Box::new([0; MAX_PAYLOAD]),
        detector: Detector::default(),
        arrived: arrived_out,
        jitter: JitterBuffer::new(),
        decoder: Decoder::new()?,
        sound: Box::new([0; MAX_SAMPLES]),
        sound_from: 0,
        sound_to: 0,
        pauses: Pauses::default(),
        pause: true,
    };
    let encoders = EncoderSwitch { new: new_in, old: old_out, codec, bitrate };
    let (arrived, outgoing) = (Arc::new(Mutex::new(arrived_in)), Arc::new(Mutex::new(outgoing_out)));
    Ok((leg, Wires { arrived, outgoing, shared }, encoders))
}

impl AudioLeg {
    fn take_new_encoder(&mut self) {
        // Only when the old one can be handed back: freeing it here would not be real-time.
        if self.old_encoders.slots() > 0
            && let Ok(new) = self.new_encoders.pop()
        {
            let old = std::mem::replace(&mut self.encoder, new);
            let _ = self.old_encoders.push(old);
        }
    }

    fn send(&mut self, first_sample: u64) {
        self.take_new_encoder();
        let Ok(length) = self.encoder.encode(&self.pending, &mut self.scratch) else { return };
        let Some(payload) = Payload::copy_of(&self.scratch[..length]) else { return };
        let packet = Outgoing { codec: self.encoder.codec(), first_sample, payload };
        if self.outgoing.push(packet).is_err() {
            self.shared.stats.send_ring_overflows.add(1);
        }
        self.shared.ready.notify_one();
    }

    /// Puts the next piece of sound into `sound`; at least 10 ms of it.
    fn refill(&mut self, now: Instant) {
        let stats = &self.shared.stats;
        let frames = |samples: usize| (samples / FRAME_SAMPLES).max(1) as u64;
        let filled = match self.jitter.next_turn(now, self.pause) {
            Turn::Packet(packet) => {
                match self.decoder.decode(packet.codec, packet.payload.as_slice(), &mut self.sound) {
                    Ok(samples) if samples > 0 => {
                        stats.frames_played.add(frames(samples));
                        samples
                    }
                    Ok(_) | Err(_) => {
                        stats.packets_unreadable.add(1);
                        self.decoder.conceal(&mut self.sound[..FRAME_SAMPLES]);
                        stats.frames_concealed.add(1);
                        FRAME_SAMPLES
                    }
                }
            }
            Turn::Lost { samples, next } => {
                let sound = &mut self.sound[..usize::from(samples).clamp(1, MAX_SAMPLES)];
                let next = next.map(|packet| (packet.codec, packet.payload.as_slice()));
                if next.is_some_and(|next| self.decoder.recover(next, sound)) {
                    stats.frames_recovered.add(frames(sound.len()));
                } else {
                    self.decoder.conceal(sound);
                    stats.frames_concealed.add(frames(sound.len()));
                }
                sound.len()
            }
            Turn::Starved => {
                self.decoder.conceal(&mut self.sound[..FRAME_SAMPLES]);
                stats.frames_concealed.add(1);
                FRAME_SAMPLES
            }
            Turn::Silence => {
                self.sound[..FRAME_SAMPLES].fill(0);
                stats.frames_silent.add(1);
                FRAME_SAMPLES
            }
        };
        self.pause = self.pauses.hear(&self.sound[..filled]);
        self.sound_from = 0;
        self.sound_to = filled;
    }

    fn publish(&self) {
        let (stats, counts) = (&self.shared.stats, self.jitter.counts());
        stats.packets_lost.set(counts.lost);
        stats.packets_late.set(counts.late);
        stats.packets_reordered.set(counts.reordered);
        stats.packets_duplicated.set(counts.duplicated);
        stats.packets_dropped.set(counts.dropped);
        stats.jitter_us.set(counts.jitter.as_micros() as u64);
        stats.playout_delay_ms.set(counts.delay.as_millis() as u64);
    }
}

impl Leg for AudioLeg {
    fn near_end(&mut self, frame: &Frame, _now: Instant) {
        self.sample += FRAME_SAMPLES as u64;
        if !self.shared.sending.load(Ordering::Relaxed) {
            // The last frame waits as the first half, so that a packet leaves
            // with the very next frame once the far end can hear.
            self.pending[..FRAME_SAMPLES].copy_from_slice(frame);
            self.half_full = true;
            return;
        }
        let half = if self.half_full { FRAME_SAMPLES } else { 0 };
        self.pending[half..half + FRAME_SAMPLES].copy_from_slice(frame);
        if self.half_full {
            self.send(self.sample - PACKET_SAMPLES as u64);
        }
        self.half_full = !self.half_full;
    }

    fn far_end(&mut self, frame: &mut Frame, now: Instant) {
        while let Ok(packet) = self.arrived.pop() {
            self.jitter.insert_fresh(packet, now);
        }
        let mut filled = 0;
        while filled < FRAME_SAMPLES {
            if self.sound_from == self.sound_to {
                self.refill(now);
            }
            let count = (FRAME_SAMPLES - filled).min(self.sound_to - self.sound_from);
            frame[filled..filled + count]
                .copy_from_slice(&self.sound[self.sound_from..self.sound_from + count]);
            self.sound_from += count;
            filled += count;
        }
        self.publish();
        self.shared.in_band.hear(&mut self.detector, frame);
    }
}
