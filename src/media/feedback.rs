//! What the far end reports of our sound by RTCP (RFC 3550 section 6.4).
//!
//! The library hands no report on; [`Reports`](super::report::Reports) reads
//! them on their way in. A round trip is told by the far end's echo of our
//! sender reports, on our clock alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;

/// Sender reports that the far end may still answer: with one a second more than a long round trip.
const REMEMBERED: usize = 16;

/// A round trip longer than this is a mistake.
const LONGEST: Duration = Duration::from_secs(20);

/// One report block about our source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Feedback {
    /// Share of our packets lost since the block before, 0 to 1.
    pub(super) lost: f32,
    /// Packets lost in all; duplicates may make it negative.
    pub(super) lost_in_all: i32,
    /// Interarrival jitter there, in units of our RTP clock.
    pub(super) jitter: u32,
    /// From our sender report to its echo, less the time it lay there.
    pub(super) round_trip: Option<Duration>,
}

/// Our source's reports, sent and received.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The middle 32 bits of the report's time, and when it went out.
    sent: VecDeque<(u32, Instant)>,
}

impl Ledger {
    /// A sender report of ours goes out.
    pub(super) fn note_sent(&mut self, report: &SenderReport, now: Instant) {
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back((middle(report.ntp_time), now));
    }

    /// The block about `ssrc` in an RTCP packet, if there is one.
    pub(super) fn read(&self, packet: &dyn rtc::rtcp::Packet, ssrc: u32, now: Instant) -> Option<Feedback> {
        let any = packet.as_any();
        let blocks = any
            .downcast_ref::<ReceiverReport>()
            .map(|report| &report.reports)
            .or_else(|| any.downcast_ref::<SenderReport>().map(|report| &report.reports))?;
        let block = blocks.iter().find(|block| block.ssrc == ssrc)?;
        Some(Feedback {
            lost: f32::from(block.fraction_lost) / 256.0,
            // 24 bits with a sign.
            lost_in_all: ((block.total_lost << 8) as i32) >> 8,
            jitter: block.jitter,
            round_trip: self.round_trip(block, now),
        })
    }

    fn round_trip(&self, block: &ReceptionReport, now: Instant) -> Option<Duration> {
        let (_, sent) = self.sent.iter().rev().find(|(time, _)| *time == block.last_sender_report)?;
        // In units of 1/65536 s.
        let lay = Duration::from_micros(u64::from(block.delay) * 1_000_000 / 65_536);
        let round_trip = now.saturating_duration_since(*sent).checked_sub(lay)?;
        (block.last_sender_report != 0 && round_trip <= LONGEST).then_some(round_trip)
    }
}

/// The middle 32 bits of an NTP time (RFC 3550 section 6.4.1, LSR).
fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const NTP: u64 = 0x0123_4567_89ab_cdef;

    fn block(ssrc: u32, last_sender_report: u32, delay: u32) -> ReceptionReport {
        ReceptionReport {
            ssrc,
            fraction_lost: 64,
            total_lost: 0xff_ffff,
            jitter: 48,
            last_sender_report,
            delay,
            ..Default::default()
        }
    }

    #[test]
    fn a_round_trip_is_told_by_the_echo_of_our_own_report() {
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        ledger.note_sent(&SenderReport { ntp_time: NTP, ..Default::default() }, start);
        let now = start + Duration::from_millis(540);
        // It lay there for half a second.
        let report = ReceiverReport {
            reports: vec![block(9, 0x4567_89ab, 32_768), block(7, 0x4567_89ab, 32_768)],
            ..Default::default()
        };
        let feedback = ledger.read(&report, 7, now).unwrap();
        assert_eq!((feedback.lost, feedback.lost_in_all, feedback.jitter), (0.25, -1, 48));
        assert_eq!(feedback.round_trip, Some(Duration::from_millis(40)));
        assert_eq!(ledger.read(&report, 8, now), None, "not about our source");
        // A sender's report carries blocks, too.
        let report = SenderReport { reports: report.reports, ..Default::default() };
        assert!(ledger.read(&report, 7, now).is_some());
    }

    #[test]
    fn an_echo_that_cannot_be_true_tells_no_round_trip() {
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        ledger.note_sent(&SenderReport { ntp_time: NTP, ..Default::default() }, start);
        for (echo, delay, after) in
            [(0, 0, 40), (0x1111_1111, 0, 40), (0x4567_89ab, 65_536, 40), (0x4567_89ab, 0, 30_000)]
        {
            let report = ReceiverReport { reports: vec![block(7, echo, delay)], ..Default::default() };
            let feedback = ledger.read(&report, 7, start + Duration::from_millis(after)).unwrap();
            assert_eq!(feedback.round_trip, None, "{echo:x} {delay} {after}");
        }
    }
}
