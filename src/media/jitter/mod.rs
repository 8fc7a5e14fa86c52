//! The jitter buffer: packets in as the network brings them, turns out as the
//! loudspeaker's clock asks for them. Pure: told the time, no allocation
//! after it is made, no codec.
//!
//! Inputs: [`JitterBuffer::insert`] for every packet. Outputs:
//! [`JitterBuffer::next_turn`] whenever the player has run out of sound.
//!
//! A packet waits at least [`START_DELAY`] before the first sound of a spurt
//! is played. After that the delay follows the network by itself: a packet
//! that comes too late is played late, behind concealment that filled the
//! gap, so the delay grows by what was missing; one that comes even later,
//! after a younger one was played, makes it grow by 10 ms. When every packet
//! came with more than [`SLACK`] to spare, the surplus is left out where nobody
//! hears it, in a pause of the speech; without one a packet at a time, seldom.
//! When every packet came with more than [`FAR_TOO_MUCH`], as after a stall of
//! the loudspeaker, all of the surplus is left out at once.

mod count;

use std::time::{Duration, Instant};

use super::packet::{Arrived, duration_of};
pub(super) use count::Counts;

/// Wait before the first packet of a spurt is played. Small, because it adds
/// to the time from answer to first sound; the delay grows on demand.
pub(super) const START_DELAY: Duration = Duration::from_millis(5);

/// Buffered sound with which it is played at once: a burst needs no waiting.
const ENOUGH: Duration = Duration::from_millis(40);

/// Packets held at most, in sequence numbers: 1.28 s of 20 ms packets.
pub(super) const SLOTS: usize = 64;

/// Buffered sound beyond which the oldest is thrown away.
pub(super) const LONGEST_DELAY: Duration = Duration::from_millis(500);

/// Concealment in a row after which the spurt counts as over: Opus's and our
/// own concealment have faded to nothing by then.
const LONGEST_STARVATION: Duration = Duration::from_millis(100);

/// For how long packets must come early before the delay is made shorter: in
/// a pause, in speech, and where the delay is far too long.
const PAUSE_WINDOW: Duration = Duration::from_millis(600);
const SPEECH_WINDOW: Duration = Duration::from_secs(10);
const STALL_WINDOW: Duration = Duration::from_millis(300);

/// How early they must come, over and above one packet.
const SLACK: Duration = Duration::from_millis(30);

/// How early is far too early, over and above one packet.
const FAR_TOO_MUCH: Duration = Duration::from_millis(120);

/// A step in sequence numbers beyond these is a new stream, not loss or
/// reordering (RFC 3550 appendix A.1).
const MAX_DROPOUT: u16 = 3_000;
const MAX_MISORDER: u16 = 100;

/// What the player does next.
pub(super) enum Turn<'a> {
    /// Decode and play this.
    Packet(&'a Arrived),
    /// A packet of so many samples at 48 kHz is lost. Restore it from the one
    /// after it if that is there, else conceal.
    Lost { samples: u16, next: Option<&'a Arrived> },
    /// The next packet is late: conceal 10 ms and ask again.
    Starved,
    /// There is nothing to play: 10 ms of silence.
    Silence,
}

enum State {
    /// Nothing came yet, or nothing for so long that concealment has ended.
    Idle,
    /// The first packet of a spurt waits.
    Filling { since: Instant },
    Playing {
        /// Concealed so far for packets that did not come, samples at 48 kHz.
        owed: u64,
    },
}

/// See the module's documentation.
pub(super) struct JitterBuffer {
    slots: Box<[Option<Arrived>]>,
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
    /// A packet was late: stretch the sound by 10 ms at the next turn.
    grow: bool,
    /// The least time to spare: over a long time, and over [`STALL_WINDOW`].
    spare: Least,
    recent_spare: Least,
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
            grow: false,
            spare: Least::default(),
            recent_spare: Least::default(),
            counts: Counts::default(),
        }
    }

    /// What happened so far.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
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
        self.ssrc = Some(packet.ssrc);
        self.state = State::Idle;
        self.next = FIRST_CYCLE + u64::from(packet.sequence);
        self.end = self.next;
        self.played = 0;
        self.probation = None;
        self.grow = false;
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
        if matches!(self.state, State::Idle) && sequence >= self.next {
            // What is missing between the spurts will never be played.
            self.lose_until(sequence);
            self.state = State::Filling { since: packet.arrival };
        }
        if sequence >= self.end + SLOTS as u64 {
            // All that was awaited, and more, is gone: a hole of a second is
            // not waited through, as in a spurt that begins.
            while self.next < self.end {
                self.give_up_next();
            }
            self.lose_until(sequence);
            self.state = State::Filling { since: packet.arrival };
        }
        if sequence < self.next {
            let within_filling = matches!(self.state, State::Filling { .. })
                && self.end - sequence <= SLOTS as u64
                && !self.was_played(sequence);
            if !within_filling {
                let again = self.was_played(sequence);
                self.counts.duplicated += u64::from(again);
                self.counts.late += u64::from(!again);
                self.grow = !again;
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
        self.note_spare(sequence, packet.arrival);
        self.make_room();
        self.slots[slot_of(sequence)] = Some(packet);
        self.shorten();
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
        self.advance(false);
    }

    fn lose_until(&mut self, sequence: u64) {
        let gap = sequence - self.next;
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
    fn buffered(&self) -> Duration {
        duration_of(self.slots.iter().flatten().map(|packet| u64::from(packet.samples)).sum())
    }

    /// Watches how long before its turn a packet came, to find out when the
    /// delay is longer than the network needs.
    fn note_spare(&mut self, sequence: u64, now: Instant) {
        if !matches!(self.state, State::Playing { .. }) {
            (self.spare, self.recent_spare) = Default::default();
            return;
        }
        let spare = duration_of((sequence - self.next) * u64::from(self.usual));
        self.spare.note(spare, now);
        self.recent_spare.note(spare, now);
    }

    /// Packets to leave out now, because the delay is longer than the network needs.
    fn surplus(&mut self, now: Instant, pause: bool) -> u64 {
        let packet = duration_of(u64::from(self.usual)).max(Duration::from_millis(1));
        let all = |spare: Duration| ((spare - SLACK).as_micros() / packet.as_micros()) as u64;
        let recent = self.recent_spare.over(STALL_WINDOW, now);
        if let Some(spare) = recent.filter(|spare| *spare > FAR_TOO_MUCH + packet) {
            self.spare = Least::default();
            return all(spare);
        }
        let spare = self.spare.over(if pause { PAUSE_WINDOW } else { SPEECH_WINDOW }, now);
        match spare.filter(|spare| *spare > SLACK + packet) {
            Some(spare) if pause => all(spare),
            Some(_) => 1,
            None => 0,
        }
    }

    /// Says what to play next. `pause` tells that nothing of note is heard now.
    pub(super) fn next_turn(&mut self, now: Instant, pause: bool) -> Turn<'_> {
        match self.state {
            State::Idle => Turn::Silence,
            State::Filling { since } => {
                let waited = now.saturating_duration_since(since);
                if waited < START_DELAY && self.buffered() < ENOUGH {
                    return Turn::Silence;
                }
                self.state = State::Playing { owed: 0 };
                self.play(0, now)
            }
            State::Playing { .. } if std::mem::take(&mut self.grow) => Turn::Starved,
            State::Playing { owed } => {
                for _ in 0..self.surplus(now, pause).min(self.end - self.next) {
                    self.give_up_next();
                }
                self.play(owed, now)
            }
        }
    }

    fn play(&mut self, mut owed: u64, now: Instant) -> Turn<'_> {
        if let Some(packet) = self.slots[slot_of(self.next)].take() {
            self.advance(true);
            self.usual = packet.samples;
            self.counts.delay = now.saturating_duration_since(packet.arrival);
            self.state = State::Playing { owed: 0 };
            return Turn::Packet(self.current.insert(packet));
        }
        if self.next == self.end {
            owed += 480;
            if duration_of(owed) > LONGEST_STARVATION {
                self.state = State::Idle;
                return Turn::Silence;
            }
            self.state = State::Playing { owed };
            return Turn::Starved;
        }
        // Younger packets are here, so this one has had its chance. What was
        // concealed while waiting already stands for it.
        let samples = u64::from(self.usual);
        while self.next < self.end && owed >= samples && self.slots[slot_of(self.next)].is_none() {
            owed -= samples;
            self.counts.lost += 1;
            self.advance(false);
        }
        if self.slots[slot_of(self.next)].is_some() {
            return self.play(0, now);
        }
        self.counts.lost += 1;
        self.advance(false);
        self.state = State::Playing { owed };
        Turn::Lost { samples: self.usual, next: self.slots[slot_of(self.next)].as_ref() }
    }
}

/// The least of what was noted in a stretch of time.
#[derive(Default)]
struct Least {
    began: Option<Instant>,
    least: Duration,
}

impl Least {
    fn note(&mut self, value: Duration, now: Instant) {
        self.least = if self.began.is_some() { self.least.min(value) } else { value };
        self.began.get_or_insert(now);
    }

    /// The least, once `window` is over; then the next window begins.
    fn over(&mut self, window: Duration, now: Instant) -> Option<Duration> {
        self.began.filter(|began| now.saturating_duration_since(*began) >= window)?;
        self.began = None;
        Some(self.least)
    }
}

fn slot_of(sequence: u64) -> usize {
    (sequence % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests;
