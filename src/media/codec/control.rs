//! What the Opus encoder should do, from what the far end reports by RTCP:
//! how much it lost, and how long a round trip takes. Pure: told the time.
//!
//! Loss with a steady round trip is a bad radio link: it is answered with
//! forward error correction, which needs bits (RFC 6716 section 2.1.7). Loss with
//! a round trip that grew is a queue that runs over: it is answered with fewer
//! bits and fewer packets, since a packet's headers weigh more than its sound
//! (draft-ietf-rmcat-gcc-02 draws its lines by loss alone, at 2 and 10 %). A good
//! network gets packets of 10 ms, for less delay.
//!
//! Hook: whoever receives a report block of RFC 3550 section 6.4.1 on the
//! leg's source calls `EncoderSwitch::report` with its fraction lost (0 to 1)
//! and the round trip computed as there.

use std::time::{Duration, Instant};

/// Length of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) enum Length {
    Ms10,
    Ms20,
    Ms40,
}

impl Length {
    /// Frames of 10 ms in a packet.
    pub(in crate::media) fn frames(self) -> usize {
        match self {
            Self::Ms10 => 1,
            Self::Ms20 => 2,
            Self::Ms40 => 4,
        }
    }
}

/// What the encoder should do. G.711 takes only the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) struct Settings {
    /// Bits a second.
    pub(in crate::media) bitrate: u32,
    /// The loss that forward error correction is made for, percent; 0 for none.
    pub(in crate::media) expected_loss: u8,
    pub(in crate::media) length: Length,
}

/// Bits a second: below the first Opus gives up wide band; FEC gains nothing below the second
/// (measured: none at 16 kb/s, from eSTOI 0.889 to 0.965 at 32 kb/s and 8 % loss).
const LEAST: u32 = 16_000;
const LEAST_WITH_FEC: u32 = 24_000;

/// Steps of the expected loss, percent: entered when the loss passes the
/// first, left when it is under the second (as in WebRTC's Opus encoder, so
/// that a loss near a step does not make it waver).
const STEPS: [(f32, f32, u8); 4] = [(16.0, 12.0, 20), (7.0, 5.5, 10), (3.0, 2.0, 5), (0.7, 0.3, 2)];

/// Loss, percent, under which the network is good, and from which a queue is suspected.
const GOOD: f32 = 0.5;
const BAD: f32 = 2.0;

/// A round trip longer by this than the shortest of late means a queue.
const QUEUE: Duration = Duration::from_millis(80);

/// For how long the network must be good before packets get shorter, and
/// quiet before the bit rate rises again.
const GOOD_FOR: Duration = Duration::from_secs(10);
const QUIET_FOR: Duration = Duration::from_secs(5);

/// What the shortest round trip is forgotten by, each report: the path may have changed.
const FORGET: f64 = 1.005;

/// See the module's documentation.
pub(in crate::media) struct Control {
    wanted: u32,
    settings: Settings,
    /// Smoothed loss in percent: up at once, down by a quarter a report.
    loss: f32,
    shortest: Option<Duration>,
    good_since: Option<Instant>,
    quiet_since: Option<Instant>,
}

impl Control {
    /// Starts with `bitrate`, which it never exceeds but for FEC's sake, 20 ms
    /// packets and FEC for 10 % loss, since the first seconds of a call know nothing.
    pub(in crate::media) fn new(bitrate: u32) -> Self {
        let settings = Settings { bitrate, expected_loss: 10, length: Length::Ms20 };
        Self { wanted: bitrate, settings, loss: 5.0, shortest: None, good_since: None, quiet_since: None }
    }

    /// What holds now.
    pub(in crate::media) fn settings(&self) -> Settings {
        self.settings
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
        let queue = self.is_queueing(round_trip);
        let before = self.settings;
        self.settings.expected_loss = self.expected_loss();
        self.settings.bitrate = self.bitrate(queue, now);
        self.settings.length = self.length(queue, now);
        (self.settings != before).then_some(self.settings)
    }

    fn is_queueing(&mut self, round_trip: Option<Duration>) -> bool {
        let Some(round_trip) = round_trip else { return self.loss > 10.0 };
        let shortest = self.shortest.map_or(round_trip, |known| known.mul_f64(FORGET).min(round_trip));
        self.shortest = Some(shortest);
        round_trip > shortest + QUEUE && self.loss > BAD
    }

    fn expected_loss(&self) -> u8 {
        let now = self.settings.expected_loss;
        let step = STEPS
            .iter()
            .find(|(enter, leave, percent)| self.loss >= if now >= *percent { *leave } else { *enter });
        step.map_or(0, |(.., percent)| *percent)
    }

    /// Down by a sixth a report while a queue builds up, back by a tenth a
    /// report once it was quiet for a while.
    fn bitrate(&mut self, queue: bool, now: Instant) -> u32 {
        let bitrate = self.settings.bitrate;
        if queue {
            self.quiet_since = None;
            return (bitrate - bitrate / 6).max(LEAST.min(self.wanted));
        }
        let since = *self.quiet_since.get_or_insert(now);
        let floor = if self.settings.expected_loss > 0 { LEAST_WITH_FEC } else { LEAST };
        let wanted = self.wanted.max(floor);
        if bitrate < wanted && now.saturating_duration_since(since) >= QUIET_FOR {
            return (bitrate + bitrate / 10).min(wanted);
        }
        bitrate
    }

    fn length(&mut self, queue: bool, now: Instant) -> Length {
        if self.loss >= GOOD || queue {
            self.good_since = None;
        } else {
            self.good_since.get_or_insert(now);
        }
        let good_for = self.good_since.map(|since| now.saturating_duration_since(since));
        let squeezed = self.settings.bitrate < self.wanted.min(LEAST_WITH_FEC);
        if queue && squeezed {
            return Length::Ms40;
        }
        match self.settings.length {
            Length::Ms40 if squeezed => Length::Ms40,
            Length::Ms40 => Length::Ms20,
            Length::Ms10 | Length::Ms20 if good_for >= Some(GOOD_FOR) => Length::Ms10,
            // A little loss is no reason to change, more of it is.
            Length::Ms10 if self.loss < BAD && !queue => Length::Ms10,
            Length::Ms10 | Length::Ms20 => Length::Ms20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report a second; tells the settings after the last.
    fn after(control: &mut Control, from: Instant, reports: &[(f32, u64)]) -> Settings {
        for (i, (lost, round_trip)) in reports.iter().enumerate() {
            let now = from + Duration::from_secs(i as u64);
            control.report(*lost, Some(Duration::from_millis(*round_trip)), now);
        }
        control.settings()
    }

    #[test]
    fn a_good_network_gets_short_packets_without_fec_after_a_while() {
        let (mut control, start) = (Control::new(32_000), Instant::now());
        let early = after(&mut control, start, &[(0.0, 20); 5]);
        assert_eq!(early.length, Length::Ms20, "too soon");
        let late = after(&mut control, start + Duration::from_secs(5), &[(0.0, 20); 30]);
        assert_eq!(late, Settings { bitrate: 32_000, expected_loss: 0, length: Length::Ms10 });
    }

    #[test]
    fn loss_on_a_short_path_is_answered_with_fec_and_not_with_fewer_bits() {
        for (lost, expected) in [(0.01, 2), (0.05, 5), (0.1, 10), (0.25, 20)] {
            let (mut control, start) = (Control::new(32_000), Instant::now());
            let settings = after(&mut control, start, &[(lost, 30); 40]);
            assert_eq!(settings, Settings { bitrate: 32_000, expected_loss: expected, length: Length::Ms20 });
        }
    }

    #[test]
    fn loss_with_a_longer_round_trip_is_answered_with_fewer_bits_and_packets_and_taken_back() {
        let (mut control, start) = (Control::new(32_000), Instant::now());
        after(&mut control, start, &[(0.0, 40); 3]);
        let jammed = after(&mut control, start + Duration::from_secs(3), &[(0.08, 400); 10]);
        assert_eq!((jammed.bitrate, jammed.length), (LEAST, Length::Ms40));
        let freed = after(&mut control, start + Duration::from_secs(13), &[(0.0, 40); 60]);
        assert_eq!(freed, Settings { bitrate: 32_000, expected_loss: 0, length: Length::Ms10 });
    }

    #[test]
    fn loss_near_a_step_does_not_make_the_encoder_waver() {
        let (mut control, start) = (Control::new(32_000), Instant::now());
        after(&mut control, start, &[(0.05, 30); 20]);
        let mut changes = 0;
        for i in 0..100u64 {
            let lost = if i % 2 == 0 { 0.02 } else { 0.04 };
            let now = start + Duration::from_secs(20 + i);
            changes += u32::from(control.report(lost, Some(Duration::from_millis(30)), now).is_some());
        }
        assert!(changes <= 1, "{changes} changes");
    }

    #[test]
    fn first_loss_after_a_good_time_brings_fec_with_the_next_reports() {
        let (mut control, start) = (Control::new(32_000), Instant::now());
        after(&mut control, start, &[(0.0, 30); 60]);
        let settings = after(&mut control, start + Duration::from_secs(60), &[(0.1, 30); 2]);
        assert!(settings.expected_loss >= 10 - 5 && settings.length == Length::Ms20, "{settings:?}");
    }

    #[test]
    fn a_report_of_nonsense_keeps_everything_in_bounds() {
        let (mut control, start) = (Control::new(24_000), Instant::now());
        for (i, lost) in [f32::NAN, f32::INFINITY, -3.0, 7.0, 1.0].into_iter().cycle().take(100).enumerate() {
            let round_trip = [None, Some(Duration::ZERO), Some(Duration::from_secs(1 << 40))][i % 3];
            control.report(lost, round_trip, start);
            let settings = control.settings();
            assert!(
                (LEAST..=24_000).contains(&settings.bitrate) && settings.expected_loss <= 20,
                "{settings:?}"
            );
        }
    }
}
