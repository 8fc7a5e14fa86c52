//! The `audio-dsp` thread's end of a peer connection.
//!
//! Real-time rules: nothing here allocates, locks, logs or waits. Sound
//! crosses to the peer's tasks through SPSC rings of fixed-size packets; an
//! encoder that was replaced goes back through a ring to be freed there. The
//! one call out is `tokio::sync::Notify::notify_one`, which wakes the sending
//! task: it takes Notify's short internal lock only when that task is parked,
//! and no other thread holds it for longer than a few instructions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};
use tokio::sync::Notify;

use super::codec::control::{Control, Settings};
use super::codec::limits::{Limits, Wishes};
use super::codec::{CodecError, Encoder, LONGEST_PACKET};
use super::feedback::Feedback;
use super::in_band::{Detector, Inbox};
use super::jitter::Player;
use super::lock_free::Arrivals;
use super::packet::{Arrived, MAX_PAYLOAD, Outgoing, Payload};
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
    /// RTP packets of any kind, in ms since `epoch`.
    rtp: Arrivals,
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
            rtp: Arrivals::new(),
            epoch: Instant::now(),
        }
    }

    /// An RTP packet has come.
    pub(super) fn note_rtp(&self, arrival: Instant) {
        self.rtp.note(arrival.saturating_duration_since(self.epoch).as_millis() as u64);
    }

    /// How many RTP packets came so far, and when the last one did.
    pub(super) fn rtp(&self) -> (u64, Option<Instant>) {
        let (packets, last) = self.rtp.seen();
        (packets, last.map(|ms| self.epoch + Duration::from_millis(ms)))
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
    settings: Producer<Settings>,
    codec: Codec,
    /// What the configuration wants; `control` has what the far end leaves of it.
    limits: Limits,
    control: Control,
    stats: Arc<LegStats>,
}

impl EncoderSwitch {
    /// Makes the leg encode with `codec`, within the far end's wishes, from its next packet on.
    pub(super) fn switch_to(&mut self, codec: Codec, wishes: &Wishes) -> Result<(), CodecError> {
        while self.old.pop().is_ok() {}
        let changed = self.control.limit(self.limits.within(wishes));
        if codec == self.codec {
            self.pass_on(changed);
            return Ok(());
        }
        let settings = self.control.settings();
        let mut encoder = Box::new(Encoder::new(codec, settings.bitrate)?);
        encoder.set(settings)?;
        // A full ring means that no audio thread runs this leg; nobody hears.
        if self.new.push(encoder).is_ok() {
            self.codec = codec;
        }
        self.pass_on(Some(settings));
        Ok(())
    }

    /// Takes what the far end reported by RTCP, see [`codec::control`](super::codec::control),
    /// and makes the leg encode accordingly from its next packet on.
    pub(super) fn report(&mut self, feedback: Feedback, now: Instant) {
        self.stats.note_feedback(&feedback);
        let changed = self.control.report(feedback.lost, feedback.round_trip, now);
        self.pass_on(changed);
    }

    fn pass_on(&mut self, settings: Option<Settings>) {
        if let Some(settings) = settings {
            // A full ring means that no audio thread runs this leg; nobody hears.
            let _ = self.settings.push(settings);
        }
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
    new_settings: Consumer<Settings>,
    /// Sound of the next packet: so many frames of as many as `set` says.
    pending: [i16; LONGEST_PACKET],
    frames: usize,
    set: Settings,
    /// The packet before this one held nothing but the news of a pause.
    pausing: bool,
    sample: u64,
    scratch: Box<[u8; MAX_PAYLOAD]>,
    // Far end.
    detector: Detector,
    arrived: Consumer<Arrived>,
    player: Player,
}

/// Makes a leg, the peer's ends of it, and the switch of its encoder.
pub(super) fn pair(codec: Codec, limits: Limits) -> Result<(AudioLeg, Wires, EncoderSwitch), CodecError> {
    let (arrived_in, arrived_out) = RingBuffer::new(ARRIVED_RING);
    let (outgoing_in, outgoing_out) = RingBuffer::new(OUTGOING_RING);
    let (new_in, new_out) = RingBuffer::new(ENCODER_RING);
    let (old_in, old_out) = RingBuffer::new(ENCODER_RING);
    let (settings_in, settings_out) = RingBuffer::new(ENCODER_RING);
    let shared = Arc::new(Shared::new());
    let control = Control::new(limits);
    let set = control.settings();
    let mut encoder = Box::new(Encoder::new(codec, set.bitrate)?);
    encoder.set(set)?;
    let leg = AudioLeg {
        shared: Arc::clone(&shared),
        encoder,
        new_encoders: new_out,
        old_encoders: old_in,
        outgoing: outgoing_in,
        new_settings: settings_out,
        pending: [0; LONGEST_PACKET],
        frames: 0,
        set,
        pausing: false,
        sample: 0,
        scratch: Box::new([0; MAX_PAYLOAD]),
        detector: Detector::default(),
        arrived: arrived_out,
        player: Player::new()?,
    };
    let encoders = EncoderSwitch {
        new: new_in,
        old: old_out,
        settings: settings_in,
        codec,
        limits,
        control,
        stats: Arc::clone(&shared.stats),
    };
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

    fn append(&mut self, frame: &Frame) {
        let at = self.frames * FRAME_SAMPLES;
        self.pending[at..at + FRAME_SAMPLES].copy_from_slice(frame);
        self.frames += 1;
    }

    fn publish(&self) {
        let (stats, codec) = (&self.shared.stats, self.encoder.codec());
        stats.set_codec(codec);
        stats.packet_ms.set(self.set.length.frames() as u64 * 10);
        let opus = codec == Codec::Opus;
        stats.bitrate.set(if opus { u64::from(self.set.bitrate) } else { 64_000 });
        stats.expected_loss_percent.set(if opus { u64::from(self.set.expected_loss) } else { 0 });
    }

    /// Between two packets only: the one begun keeps its length.
    fn take_new_settings(&mut self) {
        while let Ok(settings) = self.new_settings.pop() {
            self.set = settings;
            // Refused settings leave the encoder as it was.
            let _ = self.encoder.set(settings);
        }
    }

    fn send(&mut self) {
        self.take_new_encoder();
        let samples = self.frames * FRAME_SAMPLES;
        self.frames = 0;
        let encoded = self.encoder.encode(&self.pending[..samples], &mut self.scratch);
        self.take_new_settings();
        let first_sample = self.sample - samples as u64;
        let Ok(length) = encoded else { return };
        // Opus says by an empty packet that a pause goes on, which need not be sent
        // (RFC 7587 section 3.1.3); the first one tells the far end that it begins.
        let pausing = self.set.dtx && self.encoder.codec() == Codec::Opus && length <= 2;
        if std::mem::replace(&mut self.pausing, pausing) && pausing {
            return;
        }
        let Some(payload) = Payload::copy_of(&self.scratch[..length]) else { return };
        let packet = Outgoing { codec: self.encoder.codec(), first_sample, payload };
        if self.outgoing.push(packet).is_err() {
            self.shared.stats.send_ring_overflows.add(1);
        }
        self.publish();
        let waiting = OUTGOING_RING - self.outgoing.slots();
        self.shared.stats.send_ring_packets.set(waiting as u64);
        self.shared.ready.notify_one();
    }
}

impl Leg for AudioLeg {
    fn near_end(&mut self, frame: &Frame, _now: Instant) {
        self.sample += FRAME_SAMPLES as u64;
        if !self.shared.sending.load(Ordering::Relaxed) {
            // The last frames wait as the begin of a packet, so that it leaves
            // with the very next frame once the far end can hear.
            self.take_new_settings();
            let waiting = self.set.length.frames() - 1;
            let too_many = (self.frames + 1).saturating_sub(waiting).min(self.frames);
            self.pending.copy_within(too_many * FRAME_SAMPLES.., 0);
            self.frames -= too_many;
            if waiting > 0 {
                self.append(frame);
            }
            return;
        }
        self.append(frame);
        self.shared.stats.level_sent.hear(frame);
        if self.frames >= self.set.length.frames() {
            self.send();
        }
    }

    fn far_end(&mut self, frame: &mut Frame, now: Instant) {
        let stats = &self.shared.stats;
        stats.receive_ring_packets.set(self.arrived.slots() as u64);
        while let Ok(packet) = self.arrived.pop() {
            self.player.insert(packet, now);
        }
        self.player.read(frame, now, stats);
        stats.level_received.hear(frame);
        self.shared.in_band.hear(&mut self.detector, frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::FrameLength;
    use crate::media::jitter::sound_tests::voice;

    #[test]
    fn a_pause_is_left_out_where_the_far_end_wants_it() {
        let voice = voice();
        for dtx in [false, true] {
            let limits = Limits::new(32_000, FrameLength::Ms20).within(&Wishes { dtx, ..Wishes::default() });
            let (mut leg, wires, _) = pair(Codec::Opus, limits).unwrap();
            wires.shared.sending.store(true, Ordering::Relaxed);
            let mut packets = [0; 2];
            for tick in 0..1_000_usize {
                // A steady tone would be a pause to Opus, too.
                let said = &voice[tick * FRAME_SAMPLES % voice.len()..][..FRAME_SAMPLES];
                let frame = std::array::from_fn(|i| if tick < 300 { said[i] } else { 0 });
                leg.near_end(&frame, Instant::now());
                while wires.outgoing.lock().unwrap().pop().is_ok() {
                    packets[usize::from(tick >= 500)] += 1;
                }
            }
            // In the pause one packet every 400 ms, of 5 s.
            let most = if dtx { 30 } else { 250 };
            assert!((5..=most).contains(&packets[1]), "dtx {dtx}: {packets:?}");
            assert!(packets[0] >= 120, "dtx {dtx}: {packets:?}");
        }
    }

    #[test]
    fn packets_get_the_length_that_the_network_allows_and_miss_no_sample() {
        let limits = Limits::new(32_000, FrameLength::Auto);
        let (mut leg, wires, mut encoders) = pair(Codec::Pcmu, limits).unwrap();
        let start = Instant::now();
        let mut next = None;
        let mut lengths = Vec::new();
        for second in 0..75u64 {
            let now = start + Duration::from_secs(second);
            // The far end is jammed from the second 30 to 40.
            let (lost, round_trip) = if (30..40).contains(&second) { (0.1, 500) } else { (0.0, 30) };
            let round_trip = Some(Duration::from_millis(round_trip));
            encoders.report(Feedback { lost, lost_in_all: 0, jitter: 0, round_trip }, now);
            // It is on hold from 50 to 52.
            wires.shared.sending.store(!(50..52).contains(&second), Ordering::Relaxed);
            for _ in 0..100 {
                leg.near_end(&[0; FRAME_SAMPLES], now);
                let mut outgoing = wires.outgoing.lock().unwrap();
                while let Ok(packet) = outgoing.pop() {
                    let samples = packet.payload.as_slice().len() as u64 * 6;
                    assert!(
                        next.is_none_or(|next| next == packet.first_sample) || second == 52,
                        "{second} s"
                    );
                    next = Some(packet.first_sample + samples);
                    if lengths.last() != Some(&samples) {
                        lengths.push(samples);
                    }
                }
            }
        }
        assert_eq!(lengths[..4], [960, 480, 960, 1920], "{lengths:?}");
        assert_eq!(lengths.last(), Some(&480), "{lengths:?}");
        assert_eq!(next, Some(75 * 48_000));
    }
}
