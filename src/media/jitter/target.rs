//! How long packets must wait: a quantile of their relative arrival delay.
//!
//! A packet's transit is its arrival less its RTP timestamp. The least transit
//! of late is the base; what a packet came later than that is its relative
//! arrival delay, and goes into a histogram that forgets. Sound played so much
//! after the base as the histogram's quantile says meets all packets but the
//! few beyond it. This is the estimator of WebRTC's NetEQ (`delay_manager`,
//! `histogram`), after Moon, Kurose and Towsley, "Packet audio playout delay
//! adjustment: performance bounds and algorithms", Multimedia Systems 6, 1998,
//! with three changes: bins of 2.5 ms, since sound is read every 10 ms; the
//! histogram is of the latest packet in each ten, since a hold-up of the network
//! is heard once, however many packets it held up; and when the base turns out
//! to have risen (a longer path, or the sender's clock runs slow), the
//! histogram moves along, so that this is not taken for jitter.
//!
//! All times are microseconds since the first packet.

use std::time::{Duration, Instant};

use super::slope::Slope;
use crate::media::packet::{Arrived, rtp_clock};

/// Width of a bin.
const BIN: i64 = 2_500;

/// The histogram reaches to 500 ms; what comes later counts as that.
const BINS: usize = 200;

/// So many packets are weighed as one, the latest of them: 200 ms of sound.
const GROUP: u32 = 10;

/// A packet that comes this much less late than the one before it, in microseconds, was held up
/// together with it: the network lets go of what it held at once.
const LET_GO: i64 = 8_000;

/// A group takes such packets in beyond its ten, but not more than so many in all.
const LONGEST_GROUP: u32 = 40;

/// Share of these groups in which a packet may come too late: one in 8 s.
const TOO_LATE: f32 = 0.025;

/// What the newest group weighs, against all before it: they are forgotten to
/// a half within 14 s, so the delay falls slowly. It rises with the first
/// hold-up at the begin, later with the third of late; until then each one is
/// concealed once, and what came late is played late. At first each group
/// weighs twice its share: a call's first second is its worst, and over soon.
const NEWEST: f32 = 0.01;

/// Bounds of the target.
pub(super) const LEAST: Duration = Duration::from_millis(5);
const MOST: Duration = Duration::from_millis(400);

/// The base is the least transit of this many packets, or up to twice as many.
const BASE_PACKETS: u32 = 50;

/// A base that falls again within so many packets of its last rise had not risen: a network that
/// holds everything up has moments in which nothing comes early. Later it is another path.
const RISE_IN_DOUBT: u32 = 140;

/// A transit so far from the base is a new time base of the sender.
const IMPLAUSIBLE: i64 = 1_000_000;

/// Where the sender's clock stands against ours.
#[derive(Clone, Copy)]
struct Anchor {
    timestamp: u32,
    clock: u32,
    at: i64,
}

/// See the module's documentation.
pub(super) struct Arrivals {
    epoch: Option<Instant>,
    anchor: Option<Anchor>,
    /// The least transit, a multiple of [`BIN`].
    base: i64,
    weights: [f32; BINS],
    groups: u32,
    /// The bin of the latest packet of the group that is being noted, and how many it has.
    latest: usize,
    noted: u32,
    /// How late the packet before came.
    before: i64,
    /// Least transits of the current and the previous [`BASE_PACKETS`].
    least: [i64; 2],
    counted: u32,
    /// By how many bins the base has risen of late, and how many packets ago it last did.
    risen: usize,
    since_rise: u32,
    target: i64,
    /// Of the transit: the sender's clock against ours.
    slope: Slope,
    skew: Skew,
    jumps: u64,
}

/// What is added to a time on the sender's clock so that it runs as ours does:
/// so much at a time, and a slope from there on.
#[derive(Clone, Copy, Default)]
struct Skew {
    at: i64,
    more: i64,
    slope: f64,
}

impl Skew {
    fn more(self, sent: i64) -> i64 {
        self.more + ((sent - self.at) as f64 * self.slope) as i64
    }
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self {
            epoch: None,
            anchor: None,
            base: 0,
            weights: [0.0; BINS],
            groups: 0,
            latest: 0,
            noted: 0,
            before: 0,
            least: [i64::MAX; 2],
            counted: 0,
            risen: 0,
            since_rise: 0,
            target: LEAST.as_micros() as i64,
            slope: Slope::new(),
            skew: Skew::default(),
            jumps: 0,
        }
    }

    /// `at` on the scale of this estimator.
    pub(super) fn micros(&mut self, at: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(at);
        at.saturating_duration_since(epoch).as_micros() as i64
            - epoch.saturating_duration_since(at).as_micros() as i64
    }

    /// How often a stream's timestamps jumped.
    pub(super) fn jumps(&self) -> u64 {
        self.jumps
    }

    /// By how much the transit grows in a second of one: the sender's clock is slow.
    pub(super) fn slope(&self) -> f64 {
        self.slope.slope()
    }

    /// How much later than its earliest possible arrival sound should be played, microseconds.
    pub(super) fn target(&self) -> i64 {
        self.target
    }

    /// How much later than its earliest possible arrival sound is played that is played at `at`
    /// and was sent at `sent`.
    pub(super) fn headroom(&self, at: i64, sent: i64) -> i64 {
        at - sent - self.base
    }

    /// A new stream: its timestamps say nothing against those of the old one.
    pub(super) fn forget_anchor(&mut self) {
        self.anchor = None;
    }

    /// Notes an arrival and tells when the packet was sent, in our time, less a constant.
    pub(super) fn note(&mut self, packet: &Arrived) -> i64 {
        let arrival = self.micros(packet.arrival);
        let clock = rtp_clock(packet.codec);
        let raw = self.sent(packet.timestamp, clock);
        let sent = raw.map(|raw| raw + self.skew.more(raw));
        let sent = sent.filter(|sent| (arrival - sent - self.base).abs() <= IMPLAUSIBLE);
        // Without a better word it counts as come as early as any.
        let sent = sent.unwrap_or_else(|| {
            let at = arrival - self.base;
            self.jumps += u64::from(self.anchor.is_some());
            self.anchor = Some(Anchor { timestamp: packet.timestamp, clock, at });
            self.least = [i64::MAX; 2];
            self.counted = 0;
            self.slope.restart();
            self.skew = Skew { at, more: 0, slope: self.skew.slope };
            at
        });
        self.follow_clock(arrival, raw.filter(|raw| raw + self.skew.more(*raw) == sent).unwrap_or(sent));
        self.note_base(arrival - sent);
        self.weigh(arrival - sent - self.base);
        sent
    }

    /// Notes that what was lost came after all, in the packet after it: `late` after its time.
    pub(super) fn note_stand_in(&mut self, arrival: Instant, sent: i64, late: Duration) {
        let arrival = self.micros(arrival);
        self.weigh(arrival - sent - self.base + late.as_micros() as i64);
    }

    fn sent(&mut self, timestamp: u32, clock: u32) -> Option<i64> {
        let anchor = self.anchor.filter(|anchor| anchor.clock == clock)?;
        let ahead = i64::from(timestamp.wrapping_sub(anchor.timestamp) as i32);
        let at = anchor.at + ahead * 1_000_000 / i64::from(clock);
        // Long before the difference of timestamps wraps.
        if ahead.abs() > 1 << 30 {
            self.anchor = Some(Anchor { timestamp, clock, at });
        }
        Some(at)
    }

    /// Learns how fast the sender's clock is, so that a base need not follow it in steps.
    fn follow_clock(&mut self, arrival: i64, raw: i64) {
        self.slope.note(arrival, arrival - raw);
        if self.skew.slope != self.slope.slope() {
            self.skew = Skew { at: raw, more: self.skew.more(raw), slope: self.slope.slope() };
        }
    }

    fn note_base(&mut self, transit: i64) {
        let bin = transit.div_euclid(BIN) * BIN;
        if bin < self.base {
            self.base_fell(((self.base - bin) / BIN) as usize);
            self.base = bin;
        }
        self.since_rise = self.since_rise.saturating_add(1);
        self.least[0] = self.least[0].min(bin);
        self.counted += 1;
        if self.counted < BASE_PACKETS {
            return;
        }
        let least = self.least[0].min(self.least[1]);
        // One bin does not count: it may be the rounding.
        if self.least[1] != i64::MAX && least > self.base + BIN {
            self.base_rose(((least - self.base) / BIN) as usize);
            self.base = least;
        }
        self.least = [i64::MAX, self.least[0]];
        self.counted = 0;
    }

    /// The histogram moves along: what was late against the base is so much less late.
    fn base_rose(&mut self, bins: usize) {
        let gone: f32 = self.weights[..bins.min(BINS)].iter().sum();
        self.weights.copy_within(bins.min(BINS).., 0);
        self.weights[BINS - bins.min(BINS)..].fill(0.0);
        self.weights[0] += gone;
        self.latest = self.latest.saturating_sub(bins);
        self.risen += bins;
        self.since_rise = 0;
    }

    /// The histogram moves back if the rise was none; a path that has become shorter is no jitter.
    fn base_fell(&mut self, bins: usize) {
        if self.since_rise > RISE_IN_DOUBT {
            self.risen = 0;
        }
        let back = self.risen.min(bins).min(BINS - 1);
        let beyond: f32 = self.weights[BINS - back..].iter().sum();
        self.weights.copy_within(..BINS - back, back);
        self.weights[..back].fill(0.0);
        self.weights[BINS - 1] += beyond;
        self.latest = (self.latest + back).min(BINS - 1);
        self.risen -= back;
    }

    fn weigh(&mut self, delay: i64) {
        let bin = (delay.max(0) / BIN).min(BINS as i64 - 1) as usize;
        self.latest = self.latest.max(bin);
        // The group counts from its first packet on.
        let newest = NEWEST.max(2.0 / (self.groups + 2) as f32);
        let mut beyond = 0.0;
        let late = (0..BINS).rev().find(|bin| {
            beyond += self.weights[*bin] * (1.0 - newest) + if *bin == self.latest { newest } else { 0.0 };
            beyond > TOO_LATE
        });
        let target = (late.unwrap_or(0) as i64 + 1) * BIN;
        self.target = target.clamp(LEAST.as_micros() as i64, MOST.as_micros() as i64);
        self.noted += 1;
        let let_go = delay <= self.before - LET_GO && self.noted < LONGEST_GROUP;
        self.before = delay;
        if self.noted >= GROUP && !let_go {
            for weight in &mut self.weights {
                *weight *= 1.0 - newest;
            }
            self.weights[self.latest] += newest;
            self.groups = self.groups.saturating_add(1);
            (self.latest, self.noted) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Codec;
    use crate::media::packet::Payload;

    /// Notes 20 ms packets that came so many ms late; tells the target in ms after each.
    struct Line {
        arrivals: Arrivals,
        start: Instant,
        number: u32,
        jump: u32,
    }

    impl Line {
        fn new() -> Self {
            Self { arrivals: Arrivals::new(), start: Instant::now(), number: 0, jump: 0 }
        }

        fn note(&mut self, late: f64) -> i64 {
            let at = f64::from(self.number) * 0.02 + late / 1e3;
            let packet = Arrived {
                ssrc: 1,
                sequence: self.number as u16,
                timestamp: (self.number * 960).wrapping_add(self.jump),
                codec: Codec::Opus,
                comfort: false,
                samples: 960,
                arrival: self.start + Duration::from_secs_f64(at),
                payload: Payload::copy_of(&[0x48, 0]).unwrap(),
            };
            self.number += 1;
            self.arrivals.note(&packet);
            self.arrivals.target() / 1000
        }

        fn notes(&mut self, packets: u32, late: impl Fn(u32) -> f64) -> i64 {
            (0..packets).map(|i| self.note(late(i))).last().unwrap_or(0)
        }
    }

    #[test]
    fn the_target_rises_at_once_and_falls_slowly() {
        let mut line = Line::new();
        assert_eq!(line.notes(100, |_| 30.0), 5, "a path that is long and steady needs no delay");
        assert!(
            (60..=65).contains(&line.note(90.0)),
            "{} ms after the first hold-up",
            line.arrivals.target()
        );
        // Hold-ups each second: the target stays.
        assert!(line.notes(2_000, |i| if i % 50 == 0 { 90.0 } else { 30.0 }) >= 60);
        let after = |line: &mut Line, seconds: u32| line.notes(seconds * 50, |_| 30.0);
        assert!(after(&mut line, 10) >= 60, "forgotten after 10 s already");
        assert_eq!(after(&mut line, 40), 5, "never forgotten");
    }

    #[test]
    fn one_hold_up_in_a_long_time_is_not_waited_for() {
        let mut line = Line::new();
        line.notes(2_000, |_| 2.0);
        assert!(line.notes(15, |i| 300.0 - 20.0 * f64::from(i)) <= 10);
        assert!(line.notes(500, |_| 2.0) <= 10);
    }

    #[test]
    fn a_path_that_became_longer_or_shorter_is_no_jitter() {
        let mut line = Line::new();
        line.notes(1_000, |_| 10.0);
        assert!(line.notes(250, |_| 90.0) <= 10, "after 5 s");
        assert!(line.notes(250, |_| 10.0) <= 10);
        // 200 ppm for an hour: 720 ms.
        assert!(line.notes(180_000, |i| 10.0 + f64::from(i) * 0.004) <= 10);
        assert!(line.notes(180_000, |i| 730.0 - f64::from(i) * 0.004) <= 10);
    }

    #[test]
    fn a_moment_without_early_packets_is_no_longer_path() {
        let mut line = Line::new();
        // Hold-ups of 200 ms, two a second, on a path of 10 ms.
        let held = |i: u32| if i.is_multiple_of(25) { 210.0 } else { 10.0 };
        let before = line.notes(1_000, held);
        assert!((200..=205).contains(&before), "{before} ms");
        for round in 0..20 {
            // For 3 s nothing comes in less than 90 ms; then all is as before.
            line.notes(150, |i| held(i).max(90.0));
            let after = line.note(10.0);
            assert!((200..=205).contains(&after), "{after} ms after the time number {round}");
            line.notes(100, held);
        }
    }

    #[test]
    fn timestamps_that_jump_are_no_jitter() {
        let mut line = Line::new();
        for i in 0..100_u32 {
            line.jump = line.jump.wrapping_add(0x9e37_79b9_u32.wrapping_mul(i));
            assert!(line.notes(50, |_| 10.0) <= 10, "jump {i}");
        }
    }

    #[test]
    fn the_target_is_bounded() {
        let mut line = Line::new();
        assert!(line.notes(2_000, |i| f64::from(i * 7_919 % 2_000)) <= 400);
    }
}
