//! The jitter buffer: packets in as the network brings them, turns out as the
//! loudspeaker's clock asks for them. Pure: told the time, no allocation
//! after it is made, no codec.
//!
//! Inputs: [`JitterBuffer::insert`] for every packet. Outputs:
//! [`JitterBuffer::next_turn`] whenever the player has run out of sound, and
//! [`JitterBuffer::surplus`], by how much the delay is too long.
//!
//! How long sound waits is measured on the sender's clock (RTP timestamps)
//! against the earliest that packets come, so neither the length of packets
//! nor the moment of reading blurs it, and a sender whose clock runs fast or
//! slow shows as delay that has become too long or too short. What is wanted
//! says [`target`]; the player stretches or squeezes the sound to get there
//! ([`player`], [`stretch`]). A packet that comes too late is played late,
//! behind concealment that filled the gap, so the delay grows by what was
//! missing. Only delay beyond [`FAR_TOO_MUCH`] is cut out at once.

mod count;
mod pace;
mod player;
mod reader;
mod slope;
mod speed;
mod stretch;
mod target;
mod turns;

use std::time::{Duration, Instant};

use super::Codec;
use super::codec::restores_previous;
use super::packet::{Arrived, duration_of};
pub(super) use count::Counts;
pub(super) use player::Player;
use reader::Reader;
use target::Arrivals;

/// Packets held at most, in sequence numbers: 1.28 s of 20 ms packets.
pub(super) const SLOTS: usize = 64;

/// Buffered sound beyond which the oldest is thrown away.
pub(super) const LONGEST_DELAY: Duration = Duration::from_millis(500);

/// A step in sequence numbers beyond these is a new stream, not loss or
/// reordering (RFC 3550 appendix A.1).
const MAX_DROPOUT: u16 = 3_000;
const MAX_MISORDER: u16 = 100;

/// What the player does next.
pub(super) enum Turn<'a> {
    /// Decode and play this.
    Packet(&'a Arrived),
    /// A packet of `whole` samples at 48 kHz is lost, of which the last
    /// `samples` are to be played; the others were concealed. Restore it from
    /// the one after it if that is there, else conceal.
    Lost { samples: u16, whole: u16, next: Option<&'a Arrived> },
    /// The next packet is late: conceal 10 ms and ask again.
    Starved,
    /// The far end pauses and says so: 10 ms of comfort noise.
    Comfort,
    /// There is nothing to play: 10 ms of silence.
    Silence,
}

enum State {
    /// Nothing came yet, or nothing for so long that concealment has ended.
    Idle,
    /// The first packet of a spurt waits.
    Filling { since: Instant, pausing: bool },
    Playing {
        /// Concealed so far for packets that did not come, samples at 48 kHz.
        owed: u64,
    },
    /// The last packet said that comfort noise follows.
    Pausing { since: Instant },
}

/// A packet that waits for its turn.
struct Held {
    packet: Arrived,
    /// When it was sent, on the scale of [`Arrivals`].
    sent: i64,
}

/// See the module's documentation.
pub(super) struct JitterBuffer {
    slots: Box<[Option<Held>]>,
    /// The packet being played, kept so that it can be lent out.
    current: Option<Arrived>,
    state: State,
    ssrc: Option<u32>,
    /// Extended sequence number of the next packet to play.
    next: u64,
    /// One more than the highest extended sequence number seen.
    end: u64,
    /// Which of the 64 packets before `next` were played: bit 0 is `next - 1`.
    played: u64,
    /// The sequence number that would confirm a jump out of range.
    probation: Option<u16>,
    /// Samples of the last packet played: what a missing one would hold.
    usual: u16,
    arrivals: Arrivals,
    reader: Reader,
    /// When the packet played last was sent.
    last_sent: Option<i64>,
    /// See [`JitterBuffer::spliced`].
    spliced: bool,
    /// See [`JitterBuffer::flow`].
    flows: bool,
    counts: Counts,
}

/// Extended sequence numbers begin high enough to never go below zero.
const FIRST_CYCLE: u64 = 1 << 32;

impl JitterBuffer {
    pub(super) fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| None).collect(),
            current: None,
            state: State::Idle,
            ssrc: None,
            next: FIRST_CYCLE,
            end: FIRST_CYCLE,
            played: 0,
            probation: None,
            usual: 960,
            arrivals: Arrivals::new(),
            reader: Reader::new(),
            last_sent: None,
            spliced: false,
            flows: false,
            counts: Counts::default(),
        }
    }

    /// What happened so far.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How often the sender's timestamps jumped.
    pub(super) fn timestamp_jumps(&self) -> u64 {
        self.arrivals.jumps()
    }

    /// Takes a packet that has arrived.
    pub(super) fn insert(&mut self, packet: Arrived) {
        self.counts.received += 1;
        self.counts.note_jitter(&packet);
        if self.ssrc != Some(packet.ssrc) {
            self.restart(&packet);
        }
        let Some(sequence) = self.place(packet.sequence) else {
            if self.probation != Some(packet.sequence) {
                self.probation = Some(packet.sequence.wrapping_add(1));
                self.counts.dropped += 1;
                return;
            }
            self.restart(&packet);
            let sequence = self.next;
            self.store(sequence, packet);
            return;
        };
        self.probation = None;
        self.store(sequence, packet);
    }

    /// Takes a packet at `now`, unless nobody fetched it for so long that its
    /// time is over: one that came before the sound was connected.
    pub(super) fn insert_fresh(&mut self, packet: Arrived, now: Instant) {
        if now.saturating_duration_since(packet.arrival) > LONGEST_DELAY {
            self.counts.received += 1;
            self.counts.dropped += 1;
        } else {
            self.insert(packet);
        }
    }

    /// Forgets everything but the counts: another source, or the same one anew.
    fn restart(&mut self, packet: &Arrived) {
        for slot in &mut self.slots {
            self.counts.dropped += u64::from(slot.take().is_some());
        }
        self.counts.restarts += u64::from(self.ssrc.is_some());
        self.ssrc = Some(packet.ssrc);
        self.state = State::Idle;
        self.next = FIRST_CYCLE + u64::from(packet.sequence);
        self.end = self.next;
        self.played = 0;
        self.probation = None;
        self.last_sent = None;
        self.spliced = true;
        self.arrivals.forget_anchor();
        self.counts.forget_transit();
    }

    /// The extended number of `sequence`: the one nearest to what is awaited
    /// (RFC 3550 appendix A.1), or `None` if none is near.
    fn place(&self, sequence: u16) -> Option<u64> {
        let ahead = sequence.wrapping_sub(self.end as u16);
        if ahead < MAX_DROPOUT {
            return Some(self.end + u64::from(ahead));
        }
        let behind = ahead.wrapping_neg();
        (behind <= MAX_MISORDER.max(SLOTS as u16)).then(|| self.end - u64::from(behind))
    }

    fn store(&mut self, sequence: u64, packet: Arrived) {
        if matches!(self.state, State::Idle | State::Pausing { .. }) && sequence >= self.next {
            // What is missing between the spurts will never be played.
            self.lose_until(sequence);
            let pausing = matches!(self.state, State::Pausing { .. });
            self.state = State::Filling { since: packet.arrival, pausing };
        }
        if sequence >= self.end + SLOTS as u64 {
            // All that was awaited, and more, is gone: a hole of a second is
            // not waited through, as in a spurt that begins.
            while self.next < self.end {
                self.give_up_next();
            }
            self.lose_until(sequence);
            self.state = State::Filling { since: packet.arrival, pausing: false };
        }
        if sequence < self.next {
            let within_filling = matches!(self.state, State::Filling { .. })
                && self.end - sequence <= SLOTS as u64
                && !self.was_played(sequence);
            if !within_filling {
                let again = self.was_played(sequence);
                self.counts.duplicated += u64::from(again);
                self.counts.late += u64::from(!again);
                if !again {
                    self.arrivals.note(&packet);
                }
                return;
            }
            // The spurt's first packet was overtaken; nothing was played yet.
            let back = self.next - sequence;
            self.counts.lost = self.counts.lost.saturating_sub(back);
            self.played = self.played.checked_shr(back as u32).unwrap_or(0);
            self.next = sequence;
        }
        if sequence < self.end {
            if self.slots[slot_of(sequence)].is_some() {
                self.counts.duplicated += 1;
                return;
            }
            self.counts.reordered += 1;
        }
        self.end = self.end.max(sequence + 1);
        self.make_room();
        let sent = self.arrivals.note(&packet);
        if self.is_missing(sequence - 1) && restores_previous(&packet) {
            self.arrivals.note_stand_in(packet.arrival, sent, duration_of(u64::from(packet.samples)));
        }
        self.slots[slot_of(sequence)] = Some(Held { packet, sent });
        self.shorten();
    }

    /// Whether this packet of a spurt that is being played is not here and was not played.
    fn is_missing(&self, sequence: u64) -> bool {
        let playing = matches!(self.state, State::Playing { .. });
        let here = sequence >= self.next && self.slots[slot_of(sequence)].is_some();
        playing && !here && (sequence >= self.next || !self.was_played(sequence))
    }

    fn was_played(&self, sequence: u64) -> bool {
        let back = self.next - sequence;
        (1..=64).contains(&back) && self.played >> (back - 1) & 1 == 1
    }

    /// Gives up what no longer fits between `next` and `end`.
    fn make_room(&mut self) {
        while self.end - self.next > SLOTS as u64 {
            self.give_up_next();
        }
    }

    /// Keeps latency bounded: old sound goes first.
    fn shorten(&mut self) {
        while self.buffered() > LONGEST_DELAY {
            self.give_up_next();
        }
    }

    fn give_up_next(&mut self) {
        match self.slots[slot_of(self.next)].take() {
            Some(_) => self.counts.dropped += 1,
            None => self.counts.lost += 1,
        }
        self.spliced = true;
        self.advance(false);
    }

    fn lose_until(&mut self, sequence: u64) {
        let gap = sequence - self.next;
        self.spliced |= gap > 0;
        self.counts.lost += gap;
        self.played = self.played.checked_shl(gap.min(64) as u32).unwrap_or(0);
        self.next = sequence;
        self.end = self.end.max(sequence);
    }

    fn advance(&mut self, played: bool) {
        self.played = self.played << 1 | u64::from(played);
        self.next += 1;
    }

    /// Sound in the buffer.
    pub(super) fn buffered(&self) -> Duration {
        duration_of(self.slots.iter().flatten().map(|held| u64::from(held.packet.samples)).sum())
    }

    /// By how much the sound handed out should become shorter for the delay that is wanted, in
    /// samples at 48 kHz; longer if negative.
    pub(super) fn surplus(&self) -> i64 {
        let slack = self.slack().map(|slack| slack * 48 / 1000);
        slack.map_or(0, |slack| {
            if self.flows { self.reader.surplus_in_flow(slack) } else { self.reader.surplus(slack) }
        })
    }

    /// The delay that is wanted for the network as it is.
    pub(super) fn target(&self) -> Duration {
        Duration::from_micros(self.arrivals.target().unsigned_abs())
    }

    /// Whether sound was left out before the last turn, so that the two do not
    /// fit together. Said once.
    pub(super) fn spliced(&mut self) -> bool {
        std::mem::take(&mut self.spliced)
    }

    /// The codec of the packet that the next turn will be, if it will be one.
    pub(super) fn next_codec(&self) -> Option<Codec> {
        let held = self.slots[slot_of(self.next)].as_ref();
        held.filter(|_| matches!(self.state, State::Playing { .. })).map(|held| held.packet.codec)
    }

    /// From now on the player plays the sound a little faster or slower.
    pub(super) fn flow(&mut self) {
        self.flows = true;
    }

    /// How fast the far end's clock is against the loudspeaker's: 1e-6 is a ppm, 0 until it is known.
    pub(super) fn drift(&self) -> f64 {
        self.reader.slope() - self.arrivals.slope()
    }

    /// Tells that the player made the last turn's sound longer by so many samples, or shorter.
    pub(super) fn stretched(&mut self, samples: i64) {
        self.reader.produced(samples);
    }

    /// Notes that the player begins to fill a frame.
    pub(super) fn begin_frame(&mut self, now: Instant) {
        let now = self.arrivals.micros(now);
        self.reader.frame(now);
    }
}

fn slot_of(sequence: u64) -> usize {
    (sequence % SLOTS as u64) as usize
}

#[cfg(test)]
pub(super) mod sound_tests;
#[cfg(test)]
mod tests;
