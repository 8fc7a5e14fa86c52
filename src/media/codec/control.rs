//! What the Opus encoder should do, from what the far end reports by RTCP:
//! how much it lost, and how long a round trip takes. Pure: told the time.
//!
//! Loss with a steady round trip is a bad radio link: it is answered with
//! forward error correction and with bits for it ([`redundancy`]), unless
//! sending less helps ([`blame`]). Loss with
//! a round trip that grew, or one that grew far, is a queue that runs over: what
//! got through is what the link carries, and the box sends a little less than
//! that, in longer packets, since at 20 ms the headers take 20 kb/s. It asks for
//! more again after a while, and later each time that was too much. A good
//! network gets packets of 10 ms, for less delay.

mod blame;
mod redundancy;

use std::time::{Duration, Instant};

use super::limits::{Length, Limits};
use blame::{Blame, Verdict};
use redundancy::Redundancy;

/// What the encoder should do. G.711 takes only the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) struct Settings {
    /// Bits a second.
    pub(in crate::media) bitrate: u32,
    /// The loss that forward error correction is made for, percent; 0 for none.
    pub(in crate::media) expected_loss: u8,
    pub(in crate::media) length: Length,
    /// Pauses need not be sent (RFC 7587 section 3.1.3).
    pub(in crate::media) dtx: bool,
}

impl Settings {
    /// Bits a second on the wire.
    pub(in crate::media) fn on_the_wire(self) -> u32 {
        self.bitrate + headers(self.length)
    }
}

/// Bits a second of the headers: 20 bytes of IPv4, 8 of UDP, 12 of RTP and 10 of SRTP a packet.
fn headers(length: Length) -> u32 {
    50 * 8 * 100 / length.frames() as u32
}

/// Bits a second: below the first Opus gives up wide band, below the second longer packets are the
/// better way to save, and FEC gains nothing (measured: none at 16 kb/s, from eSTOI 0.889 to 0.965
/// at 32 kb/s and 8 % loss).
const LEAST: u32 = 12_000;
const ENOUGH: u32 = 24_000;

/// Steps of the expected loss, percent: entered when the loss passes the
/// first, left when it is under the second (as in WebRTC's Opus encoder, so
/// that a loss near a step does not make it waver).
const STEPS: [(f32, f32, u8); 4] = [(16.0, 12.0, 20), (7.0, 5.5, 10), (3.0, 2.0, 5), (0.7, 0.3, 2)];

/// Loss, percent, under which the network is good, and from which a round trip that grew means a
/// queue.
const GOOD: f32 = 0.5;
const BAD: f32 = 2.0;

/// Loss, percent, from which one longer round trip is enough.
const FULL: f32 = 30.0;

/// No path is so long without a queue: one by satellite takes 0.6 s. The first report of a call
/// may come when the queue is full already, and knows no shorter round trip.
const NO_PATH: Duration = Duration::from_secs(1);

/// A round trip longer by this than the shortest of late means a queue, with loss and without.
const QUEUE: Duration = Duration::from_millis(80);
const LONG_QUEUE: Duration = Duration::from_millis(250);

/// Share of what got through that is sent from then on: the queue must empty, too.
const OF_WHAT_GOT_THROUGH: f32 = 0.85;

/// Share of what was sent, where nothing was lost and only the queue grows.
const OF_WHAT_WAS_SENT: f32 = 0.65;

/// For how long the network must be good before packets get shorter.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// For how long there must be no queue before more is sent again: at first, and at most.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST_PATIENCE: Duration = Duration::from_secs(160);

/// Reports that need not tell a round trip yet: the far end has had no sender report of ours.
const UNECHOED: u8 = 5;

/// A round trip longer than this is a mistake.
const LONGEST: Duration = Duration::from_secs(20);

/// What the shortest round trip is forgotten by, each report: the path may have changed.
const FORGET: f64 = 1.005;

/// See the module's documentation.
pub(in crate::media) struct Control {
    limits: Limits,
    settings: Settings,
    /// Smoothed loss in percent: up at once, down by a quarter a report.
    loss: f32,
    shortest: Option<Duration>,
    /// The round trip of the report before.
    before: Option<Duration>,
    /// Reports before the first round trip.
    unechoed: u8,
    good_since: Option<Instant>,
    quiet_since: Option<Instant>,
    /// Before this, reports tell of what was sent before the last change.
    blind_until: Option<Instant>,
    /// Whether the last change was for more.
    grown: bool,
    patience: Duration,
    blame: Blame,
    redundancy: Redundancy,
}

impl Control {
    /// Starts with the limits' bit rate, their usual packets, and FEC for 10 % loss, since the
    /// first seconds of a call know nothing.
    pub(in crate::media) fn new(limits: Limits) -> Self {
        let settings = Settings {
            bitrate: limits.bitrate,
            expected_loss: if limits.fec { 10 } else { 0 },
            length: limits.usual,
            dtx: limits.dtx,
        };
        Self {
            limits,
            settings,
            loss: 5.0,
            shortest: None,
            before: None,
            unechoed: 0,
            good_since: None,
            quiet_since: None,
            blind_until: None,
            grown: false,
            patience: PATIENCE,
            blame: Blame::new(),
            redundancy: Redundancy::new(),
        }
    }

    /// What holds now.
    pub(in crate::media) fn settings(&self) -> Settings {
        self.settings
    }

    /// Other limits: the far end was negotiated with again. Returns the settings if they changed.
    pub(in crate::media) fn limit(&mut self, limits: Limits) -> Option<Settings> {
        if limits == self.limits {
            return None;
        }
        let jammed = self.settings.bitrate < self.limits.bitrate;
        self.limits = limits;
        let before = self.settings;
        self.settings.dtx = limits.dtx;
        self.settings.expected_loss *= u8::from(limits.fec);
        self.settings.bitrate =
            if jammed { self.settings.bitrate.min(limits.bitrate) } else { limits.bitrate };
        self.settings.length = self.settings.length.clamp(limits.least(), limits.longest);
        (self.settings != before).then_some(self.settings)
    }

    /// Takes a report: the share of packets lost since the last one (0 to 1),
    /// and the round trip if it is known. Returns the settings if they changed.
    pub(in crate::media) fn report(
        &mut self,
        lost: f32,
        round_trip: Option<Duration>,
        now: Instant,
    ) -> Option<Settings> {
        let percent = if lost.is_finite() { lost.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
        self.loss =
            if percent > self.loss { (self.loss + percent) / 2.0 } else { self.loss * 0.75 + percent * 0.25 };
        let before = self.settings;
        let share = self.share(percent, round_trip, now);
        self.settings.expected_loss = self.expected_loss();
        match share {
            Some(share) => self.less(share, round_trip, now),
            None => {
                self.more(now);
                let Limits { usual, bitrate, most, .. } = self.limits;
                let whole = self.settings.length <= usual && self.settings.bitrate >= bitrate;
                let on_top = self.redundancy.report(percent, whole, now);
                if whole {
                    self.settings.bitrate = if on_top { most } else { bitrate };
                }
            }
        }
        (self.settings != before).then_some(self.settings)
    }

    /// Where there is a queue: the share of what was sent that the link can carry.
    fn share(&mut self, percent: f32, round_trip: Option<Duration>, now: Instant) -> Option<f32> {
        let got_through = OF_WHAT_GOT_THROUGH * (1.0 - percent / 100.0);
        // A report that echoes nothing of ours says nothing new of the round trip.
        let Some(round_trip) = round_trip.or(self.before) else {
            self.unechoed = self.unechoed.saturating_add(1);
            return (self.unechoed > UNECHOED && percent > 10.0).then_some(got_through);
        };
        let round_trip = round_trip.min(LONGEST);
        let shortest = self.shortest.map_or(round_trip, |known| known.mul_f64(FORGET).min(round_trip));
        self.shortest = Some(shortest);
        // One long round trip is jitter, two in a row are a queue, and so is one with so much loss.
        let before = self.before.replace(round_trip).unwrap_or(shortest);
        let least = if percent > FULL { round_trip } else { round_trip.min(before) };
        let longer = least.saturating_sub(shortest);
        let jammed = (longer > QUEUE && percent > BAD) || (round_trip > NO_PATH && percent > FULL);
        if jammed || longer > LONG_QUEUE {
            self.blame.queue();
            return Some(if jammed { got_through } else { OF_WHAT_WAS_SENT });
        }
        match self.blame.loss(percent) {
            Verdict::Innocent => {}
            Verdict::Suspect => {
                // What is on top and more: else nothing is found out.
                self.redundancy.refuse(now);
                return Some(got_through);
            }
            Verdict::Watched => self.quiet_since = None,
            Verdict::Acquitted => {
                self.settings.bitrate = self.limits.bitrate;
                self.settings.length = self.settings.length.min(self.limits.usual);
            }
        }
        None
    }

    fn expected_loss(&self) -> u8 {
        let now = self.settings.expected_loss;
        let step = STEPS
            .iter()
            .find(|(enter, leave, percent)| self.loss >= if now >= *percent { *leave } else { *enter });
        step.filter(|_| self.limits.fec).map_or(0, |(.., percent)| *percent)
    }

    /// Sends this share of what was sent so far, or just leaves off what is on top.
    fn less(&mut self, share: f32, round_trip: Option<Duration>, now: Instant) {
        self.good_since = None;
        self.quiet_since = None;
        // What is in the queue now was sent at the old rate; the next report tells of it.
        let blind = round_trip.unwrap_or(Duration::from_secs(1)).min(Duration::from_secs(5));
        let seen = now + blind + Duration::from_millis(500);
        if self.redundancy.refuse(now) {
            // The usual bits may not be too much: should more be cut, it is for this queue to empty.
            self.settings.bitrate = self.limits.bitrate;
            self.grown = false;
            self.blind_until = Some(seen);
            return;
        }
        if self.blind_until.is_some_and(|until| now < until) {
            return;
        }
        self.blind_until = Some(seen);
        if std::mem::take(&mut self.grown) {
            self.patience = (self.patience * 2).min(MOST_PATIENCE);
        }
        let budget = (self.settings.on_the_wire() as f32 * share) as u32;
        self.fit(budget);
    }

    /// The most bits and the shortest packets for so many bits a second on the wire.
    fn fit(&mut self, budget: u32) {
        let limits = self.limits;
        let shortest = self.settings.length.max(limits.usual);
        let mut lengths = Length::ALL.into_iter().filter(|one| (shortest..=limits.longest).contains(one));
        let bits = |length| budget.saturating_sub(headers(length));
        let length = lengths.find(|length| bits(*length) >= ENOUGH).unwrap_or(limits.longest);
        self.settings.length = length;
        self.settings.bitrate = bits(length).max(LEAST).min(limits.bitrate);
    }

    /// The link carries what is sent.
    fn more(&mut self, now: Instant) {
        let quiet = now.saturating_duration_since(*self.quiet_since.get_or_insert(now));
        if self.loss >= GOOD {
            self.good_since = None;
        }
        let good = if self.loss < GOOD {
            now.saturating_duration_since(*self.good_since.get_or_insert(now))
        } else {
            Duration::ZERO
        };
        let Limits { usual, good: shortest, bitrate, .. } = self.limits;
        if self.settings.length > usual || self.settings.bitrate < bitrate {
            if quiet >= self.patience {
                self.quiet_since = Some(now);
                // A quarter more at a time, and then the time to see whether it was too much.
                let wire = self.settings.on_the_wire();
                self.grow(wire + wire / 4);
            }
        } else if self.settings.length > shortest && good >= GOOD_FOR {
            self.settings.length = shortest;
        } else if self.settings.length < usual && self.loss >= BAD {
            // A little loss is no reason to change, more of it is.
            self.settings.length = usual;
        }
        if quiet >= 2 * MOST_PATIENCE {
            self.patience = PATIENCE;
        }
    }

    /// More bits, then shorter packets, for so many bits a second on the wire.
    fn grow(&mut self, budget: u32) {
        self.grown = true;
        let Limits { usual, bitrate, .. } = self.limits;
        let wanted = bitrate.min(ENOUGH);
        let shorter = Length::ALL.into_iter().find(|length| {
            *length >= usual && *length <= self.settings.length && budget >= headers(*length) + wanted
        });
        let length = shorter.unwrap_or(self.settings.length);
        self.settings.length = length;
        self.settings.bitrate = budget.saturating_sub(headers(length)).max(LEAST).min(bitrate);
    }
}

#[cfg(test)]
mod tests;
