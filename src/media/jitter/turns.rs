//! The jitter buffer's way out: what to play next, and how far the delay is
//! from the one wanted.

use std::time::{Duration, Instant};

use super::{Held, JitterBuffer, LONGEST_DELAY, State, Turn, slot_of};
use crate::media::codec::is_comfort;
use crate::media::packet::duration_of;

/// Concealment in a row after which the spurt counts as over: Opus's and our
/// own concealment have faded to nothing by then.
const LONGEST_STARVATION: Duration = Duration::from_millis(100);

/// Delay over and above the wanted that is cut out at once, as after a stall
/// of the loudspeaker, and what is left of it for the player to squeeze out.
const FAR_TOO_MUCH: Duration = Duration::from_millis(350);
const LEFT_TO_SQUEEZE: Duration = Duration::from_millis(60);

/// How long the far end's comfort noise is continued. Opus renews it every
/// 400 ms; RFC 3389 leaves it to the sender, which may write it once in a pause.
const LONGEST_COMFORT: Duration = Duration::from_secs(60);

impl JitterBuffer {
    /// Says what to play next.
    pub(in crate::media) fn next_turn(&mut self, now: Instant) -> Turn<'_> {
        let time = self.arrivals.micros(now);
        match self.state {
            State::Idle => self.silence(),
            State::Pausing { since } => {
                if now.saturating_duration_since(since) > LONGEST_COMFORT {
                    self.state = State::Idle;
                }
                self.comfort()
            }
            State::Filling { since, pausing } => {
                let waited = now.saturating_duration_since(since);
                if self.headroom(time) < self.arrivals.target() && waited < LONGEST_DELAY {
                    return if pausing { self.comfort() } else { self.silence() };
                }
                self.state = State::Playing { owed: 0 };
                self.play(0, now)
            }
            State::Playing { owed } => {
                if self.slack() > Some(FAR_TOO_MUCH.as_micros() as i64) {
                    self.cut();
                }
                self.play(owed, now)
            }
        }
    }

    fn comfort(&mut self) -> Turn<'_> {
        self.reader.produced(480);
        Turn::Comfort
    }

    fn silence(&mut self) -> Turn<'_> {
        self.reader.produced(480);
        Turn::Silence
    }

    /// The first packet that is here: how many are missing before it, and when it was sent.
    fn first(&self) -> Option<(u64, i64)> {
        (self.next..self.end).find_map(|sequence| {
            let held = self.slots[slot_of(sequence)].as_ref()?;
            Some((sequence - self.next, held.sent))
        })
    }

    /// How long after its earliest possible arrival the first packet would be played at `time`.
    fn headroom(&self, time: i64) -> i64 {
        self.first().map_or(i64::MAX, |(_, sent)| self.arrivals.headroom(time, sent))
    }

    /// How much later the next sound will be needed than it should be, microseconds.
    pub(super) fn slack(&self) -> Option<i64> {
        let (missing, sent) = match self.first() {
            Some((missing, sent)) => (missing as i64, sent),
            None => (-1, self.last_sent?),
        };
        let sent = sent - missing * micros(self.usual);
        Some(self.arrivals.headroom(self.reader.needed(), sent) - self.arrivals.target())
    }

    /// Leaves sound out until the delay is nearly as wanted.
    fn cut(&mut self) {
        while self.slack() > Some(LEFT_TO_SQUEEZE.as_micros() as i64) && self.next + 1 < self.end {
            self.give_up_next();
        }
    }

    fn play(&mut self, mut owed: u64, now: Instant) -> Turn<'_> {
        if let Some(Held { packet, sent }) = self.slots[slot_of(self.next)].take() {
            self.advance(true);
            self.usual = packet.samples;
            self.last_sent = Some(sent);
            self.counts.delay = now.saturating_duration_since(packet.arrival);
            self.state = State::Playing { owed: 0 };
            if is_comfort(&packet) {
                // What comes next is as much later as its timestamp says.
                let more = self.next < self.end;
                let filling = State::Filling { since: now, pausing: true };
                self.state = if more { filling } else { State::Pausing { since: now } };
            }
            self.reader.produced(i64::from(packet.samples));
            return Turn::Packet(self.current.insert(packet));
        }
        if self.next == self.end {
            owed += 480;
            if duration_of(owed) > LONGEST_STARVATION {
                self.state = State::Idle;
                return self.silence();
            }
            self.state = State::Playing { owed };
            self.reader.produced(480);
            return Turn::Starved;
        }
        // Younger packets are here, so this one has had its chance. What was
        // concealed while waiting already stands for it, and a long hole is
        // where nobody misses the delay that is too much.
        let samples = u64::from(self.usual);
        while self.next < self.end && self.slots[slot_of(self.next)].is_none() {
            let hole = self.first().map_or(0, |(missing, _)| missing);
            if owed >= samples {
                owed -= samples;
            } else if hole > 1 && self.slack() > Some(micros(self.usual)) {
                self.spliced = true;
            } else {
                break;
            }
            self.counts.lost += 1;
            self.advance(false);
        }
        if self.next == self.end || self.slots[slot_of(self.next)].is_some() {
            return self.play(0, now);
        }
        self.counts.lost += 1;
        self.advance(false);
        self.state = State::Playing { owed: 0 };
        let left = self.usual - owed as u16;
        self.reader.produced(i64::from(left));
        let next = self.slots[slot_of(self.next)].as_ref();
        Turn::Lost { samples: left, whole: self.usual, next: next.map(|held| &held.packet) }
    }
}

/// How long `samples` at 48 kHz last, in microseconds.
fn micros(samples: u16) -> i64 {
    i64::from(samples) * 1000 / 48
}
