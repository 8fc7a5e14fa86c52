//! From packets to 10 ms frames: decodes what the jitter buffer says, conceals
//! what is missing, stretches or squeezes the sound so that the delay becomes
//! what the buffer wants, and smooths the seams. Neither allocates nor waits.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::pace::{Change, Pace};
use super::speed::{self, Speed};
use super::{Arrived, JitterBuffer, Turn, stretch};
use crate::audio::{FRAME_SAMPLES, Frame};
use crate::media::codec::{CodecError, Decoder, MAX_SAMPLES};
use crate::media::pause::Pauses;
use crate::media::{Codec, LegStats};

/// Sound kept after it was played, for splices and seams.
const PAST: usize = stretch::PIECE;

/// Room for the past, one packet waiting for another, the longest packet, and
/// what stretching adds to both.
const SPACE: usize = PAST + stretch::PIECE + MAX_SAMPLES + 8 * stretch::LONGEST;

/// What the last turn's sound was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Decoded(Codec),
    /// Made up by the decoder, which smooths what comes next itself.
    MadeUp,
    /// Repeated here, because a packet is late.
    Repeated,
    Nothing,
}

/// See the module's documentation.
pub(in crate::media) struct Player {
    buffer: JitterBuffer,
    decoder: Decoder,
    /// The past, then what is to be played from `from` to `to`.
    sound: Box<[i16; SPACE]>,
    from: usize,
    to: usize,
    last: Kind,
    /// The last turn's sound stood for a packet that was not there.
    conceals: bool,
    /// Sound begins that does not follow from what was before.
    seam: bool,
    /// In which the sound was repeated last.
    period: usize,
    pauses: Pauses,
    pace: Pace,
    speed: Speed,
}

impl Player {
    pub(in crate::media) fn new() -> Result<Self, CodecError> {
        Ok(Self {
            buffer: JitterBuffer::new(),
            decoder: Decoder::new()?,
            sound: Box::new([0; SPACE]),
            from: PAST,
            to: PAST,
            last: Kind::Nothing,
            conceals: false,
            seam: false,
            period: stretch::LONGEST,
            pauses: Pauses::default(),
            pace: Pace::default(),
            speed: Speed::new()?,
        })
    }

    /// Takes a packet that was fetched from the network's side at `now`.
    pub(in crate::media) fn insert(&mut self, packet: Arrived, now: Instant) {
        self.buffer.insert_fresh(packet, now);
    }

    /// Fills a frame.
    pub(in crate::media) fn read(&mut self, frame: &mut Frame, now: Instant, stats: &LegStats) {
        self.buffer.begin_frame(now);
        self.speed.set(self.buffer.drift(), &self.sound[self.from - PAST..self.from]);
        if self.speed.is_engaged() {
            self.buffer.flow();
        }
        let mut sound = [0; speed::MOST];
        let takes = self.speed.takes();
        let mut filled = 0;
        while filled < takes {
            if self.from == self.to {
                self.refill(now, stats);
            }
            let count = (takes - filled).min(self.to - self.from);
            sound[filled..filled + count].copy_from_slice(&self.sound[self.from..self.from + count]);
            self.from += count;
            filled += count;
        }
        // To the buffer sound that is played faster is shorter.
        self.buffer.stretched(FRAME_SAMPLES as i64 - takes as i64);
        self.speed.play(&sound[..takes], frame);
        self.publish(stats);
    }

    fn publish(&self, stats: &LegStats) {
        let counts = self.buffer.counts();
        stats.packets_lost.set(counts.lost);
        stats.packets_late.set(counts.late);
        stats.packets_reordered.set(counts.reordered);
        stats.packets_duplicated.set(counts.duplicated);
        stats.packets_dropped.set(counts.dropped);
        stats.stream_restarts.set(counts.restarts);
        stats.timestamp_jumps.set(self.buffer.timestamp_jumps());
        stats.jitter_us.set(counts.jitter.as_micros() as u64);
        stats.playout_delay_ms.set(counts.delay.as_millis() as u64);
        stats.target_delay_ms.set(self.buffer.target().as_millis() as u64);
        stats.jitter_buffer_ms.set(self.buffer.buffered().as_millis() as u64);
        stats.clock_drift_ppb.store((self.buffer.drift() * 1e9) as i64, Ordering::Relaxed);
        stats.decoded_us.set((self.to - self.from) as u64 * 1000 / 48);
    }

    /// Puts the next piece of sound into `sound`.
    fn refill(&mut self, now: Instant, stats: &LegStats) {
        self.sound.copy_within(self.to - PAST..self.to, 0);
        self.from = PAST;
        self.to = PAST;
        let concealed = stats.frames_concealed.get();
        let kind = self.turn(now, stats);
        let conceals = stats.frames_concealed.get() > concealed;
        stats.holes.add(u64::from(conceals && !self.conceals));
        self.conceals = conceals;
        let seam = std::mem::take(&mut self.seam) | self.buffer.spliced() | !fit(self.last, kind);
        if self.last == Kind::Repeated && matches!(kind, Kind::Decoded(_)) {
            self.resume();
        } else if seam {
            let period = stretch::period(&self.sound[..], PAST);
            stretch::join(&mut self.sound[..self.to], PAST, period);
        }
        self.last = kind;
        let quiet = self.pauses.hear(&self.sound[PAST..self.to]);
        if matches!(kind, Kind::Decoded(_)) {
            self.adapt(kind, quiet, now, stats);
        }
    }

    /// Plays a packet that was late after a repetition: in step with it, so
    /// at the next or the last begin of a period.
    fn resume(&mut self) {
        let period = self.period;
        let into = FRAME_SAMPLES % period;
        if into > period / 2 {
            let more = period - into;
            self.sound.copy_within(PAST..self.to, PAST + more);
            stretch::repeat(&mut self.sound[..PAST + more], PAST, period, false);
            self.to += more;
            stretch::join(&mut self.sound[..self.to], PAST + more, period);
            self.buffer.stretched(more as i64);
            return;
        }
        if into < self.to - PAST {
            self.sound.copy_within(PAST + into..self.to, PAST);
            self.to -= into;
            self.buffer.stretched(-(into as i64));
        }
        stretch::join(&mut self.sound[..self.to], PAST, period);
    }

    /// Appends a frame in which the last sound repeats itself.
    fn repeat(&mut self) {
        self.period = stretch::period(&self.sound[..], self.to);
        stretch::repeat(&mut self.sound[..self.to + FRAME_SAMPLES], self.to, self.period, true);
    }

    /// Appends one turn's sound.
    fn turn(&mut self, now: Instant, stats: &LegStats) -> Kind {
        let frames = |samples: usize| (samples / FRAME_SAMPLES).max(1) as u64;
        let space = &mut self.sound[self.to..];
        let (kind, samples) = match self.buffer.next_turn(now) {
            Turn::Packet(packet) => {
                let promised = usize::from(packet.samples);
                stats.packet_received_us.set(promised as u64 * 1000 / 48);
                let (codec, comfort) = (packet.codec, packet.comfort);
                let decoded = match space.first_chunk_mut::<MAX_SAMPLES>() {
                    Some(space) => self.decoder.decode(packet, space).unwrap_or(0),
                    None => 0,
                };
                let (kind, samples) = if decoded > 0 && comfort {
                    stats.frames_comfort.add(frames(decoded));
                    (Kind::MadeUp, decoded)
                } else if decoded > 0 {
                    stats.frames_played.add(frames(decoded));
                    (Kind::Decoded(codec), decoded)
                } else {
                    stats.packets_unreadable.add(1);
                    stats.frames_concealed.add(1);
                    self.decoder.conceal(&mut space[..FRAME_SAMPLES]);
                    (Kind::MadeUp, FRAME_SAMPLES)
                };
                self.buffer.stretched(samples as i64 - promised as i64);
                (kind, samples)
            }
            Turn::Lost { samples, whole, next } => {
                let promised = usize::from(samples);
                let samples = promised.clamp(1, MAX_SAMPLES);
                let sound = &mut space[..usize::from(whole).clamp(samples, MAX_SAMPLES)];
                let recovered = next.is_some_and(|next| self.decoder.recover(next, sound));
                if recovered {
                    stats.frames_recovered.add(frames(samples));
                } else {
                    stats.frames_concealed.add(frames(samples));
                    let behind = self.last == Kind::Repeated;
                    let from = if behind { 0 } else { sound.len() - samples };
                    self.decoder.conceal(&mut sound[from..]);
                }
                // What was concealed before the packet was known to be lost stands for its begin.
                self.seam |= samples < sound.len() && (recovered || self.last == Kind::Repeated);
                sound.copy_within(sound.len() - samples.., 0);
                self.buffer.stretched(samples as i64 - promised as i64);
                (Kind::MadeUp, samples)
            }
            Turn::Starved => {
                stats.frames_concealed.add(1);
                match self.last {
                    Kind::Decoded(_) => {
                        self.repeat();
                        (Kind::Repeated, FRAME_SAMPLES)
                    }
                    Kind::Repeated => {
                        // The decoder knows better how it goes on for longer.
                        self.decoder.conceal(&mut space[..2 * FRAME_SAMPLES]);
                        space.copy_within(FRAME_SAMPLES..2 * FRAME_SAMPLES, 0);
                        self.seam = true;
                        (Kind::MadeUp, FRAME_SAMPLES)
                    }
                    Kind::MadeUp | Kind::Nothing => {
                        self.decoder.conceal(&mut space[..FRAME_SAMPLES]);
                        (Kind::MadeUp, FRAME_SAMPLES)
                    }
                }
            }
            Turn::Comfort => {
                self.decoder.comfort(&mut space[..FRAME_SAMPLES]);
                stats.frames_comfort.add(1);
                (Kind::MadeUp, FRAME_SAMPLES)
            }
            Turn::Silence => {
                space[..FRAME_SAMPLES].fill(0);
                stats.frames_silent.add(1);
                (Kind::Nothing, FRAME_SAMPLES)
            }
        };
        self.to += samples;
        kind
    }

    /// Brings the delay nearer to what is wanted.
    fn adapt(&mut self, kind: Kind, mut quiet: bool, now: Instant, stats: &LegStats) {
        let mut at = PAST;
        while at < self.to {
            let surplus = self.buffer.surplus();
            let change = self.pace.change(surplus, (self.to - at).min(stretch::PIECE), quiet);
            let short = self.to - at < stretch::PIECE && matches!(change, Change::Shorten { .. });
            if short && self.buffer.next_codec().map(Kind::Decoded) == Some(kind) {
                // Too short a piece for most voices: it takes two packets.
                let to = self.to;
                if self.turn(now, stats) != kind {
                    return;
                }
                quiet &= self.pauses.hear(&self.sound[to..self.to]);
            }
            let changed = match change {
                Change::Keep => 0,
                Change::Shorten { most, alike } => {
                    let gone = stretch::shorten(&mut self.sound[..self.to], at, most, alike);
                    self.to -= gone;
                    stats.samples_left_out.add(gone as u64);
                    -(gone as i64)
                }
                Change::Lengthen { most, alike } => {
                    let room = &mut self.sound[..self.to + stretch::LONGEST];
                    let more = stretch::lengthen(room, at, most, alike);
                    self.to += more;
                    stats.samples_put_in.add(more as u64);
                    more as i64
                }
            };
            self.buffer.stretched(changed);
            self.pace.changed(changed.unsigned_abs() as usize);
            at += stretch::PIECE + changed.max(0) as usize;
        }
    }
}

/// Whether sound of one kind goes over into the other by itself.
fn fit(last: Kind, next: Kind) -> bool {
    match (last, next) {
        (Kind::Decoded(last), Kind::Decoded(next)) => last == next,
        (Kind::Nothing, Kind::Decoded(_) | Kind::MadeUp | Kind::Repeated) => false,
        (Kind::Decoded(_) | Kind::MadeUp | Kind::Repeated, Kind::Nothing) => false,
        (Kind::Repeated, Kind::Decoded(_) | Kind::MadeUp) => false,
        (Kind::Decoded(_) | Kind::MadeUp, Kind::MadeUp | Kind::Repeated) => true,
        (Kind::Repeated, Kind::Repeated) | (Kind::Nothing, Kind::Nothing) => true,
        (Kind::MadeUp, Kind::Decoded(_)) => true,
    }
}
