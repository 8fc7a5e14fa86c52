//! One call's counters as the figures that people read, with the quality that
//! they make.

use std::sync::atomic::Ordering;

use super::emodel::Conditions;
use super::feedback::Feedback;
use super::packet::rtp_clock;
use super::stats::Level;
use super::{Codec, LegStats};
use crate::appliance::statistics::{CallStatistics, QueueDepths};

/// Look-ahead of libopus at 48 kHz in VoIP mode, ms.
const OPUS_LOOK_AHEAD: f64 = 6.5;

/// Both filters between 48 and 8 kHz, ms.
const G711_FILTERS: f64 = 3.6;

/// Round trip taken where none is known, ms: a network of moderate size.
const UNKNOWN_ROUND_TRIP: f64 = 40.0;

impl LegStats {
    /// The codec sent.
    pub(super) fn codec(&self) -> Codec {
        match self.codec.load(Ordering::Relaxed) {
            1 => Codec::Pcmu,
            2 => Codec::Pcma,
            _ => Codec::Opus,
        }
    }

    /// Notes the codec sent.
    pub(super) fn set_codec(&self, codec: Codec) {
        let number = match codec {
            Codec::Opus => 0,
            Codec::Pcmu => 1,
            Codec::Pcma => 2,
        };
        self.codec.store(number, Ordering::Relaxed);
    }

    /// Notes what the far end reported.
    pub(super) fn note_feedback(&self, feedback: &Feedback) {
        self.reports.add(1);
        self.far_end_lost_permille.set((feedback.lost * 1000.0) as u64);
        self.far_end_lost_packets.set(feedback.lost_in_all.max(0).unsigned_abs().into());
        let jitter = u64::from(feedback.jitter) * 1_000_000 / u64::from(rtp_clock(self.codec()));
        self.far_end_jitter_us.set(jitter);
        if let Some(round_trip) = feedback.round_trip {
            self.round_trip_us.set((round_trip.as_micros() as u64).max(1));
        }
    }

    /// Everything as of now.
    pub fn figures(&self) -> CallStatistics {
        let codec = self.codec();
        let heard = self.frames_played.get() + self.frames_recovered.get() + self.frames_concealed.get();
        let made_up = self.frames_concealed.get() as f64 / heard.max(1) as f64;
        let reported = self.reports.get() > 0;
        let round_trip_us = Some(self.round_trip_us.get()).filter(|us| *us > 0);
        let delay = |round_trip_ms: f64| {
            let coding = match codec {
                Codec::Opus => OPUS_LOOK_AHEAD,
                Codec::Pcmu | Codec::Pcma => G711_FILTERS,
            };
            let packet = self.packet_received_us.get() as f64 / 1000.0;
            packet + coding + round_trip_ms / 2.0 + self.playout_delay_ms.get() as f64
        };
        let measured = round_trip_us.map(|us| delay(us as f64 / 1000.0));
        let quality = Conditions {
            codec,
            bitrate: self.bitrate.get(),
            made_up,
            burst_ratio: self.burst_ratio(made_up),
            delay: measured.unwrap_or_else(|| delay(UNKNOWN_ROUND_TRIP)),
        }
        .quality();
        CallStatistics {
            codec: codec.name(),
            bitrate: self.bitrate.get(),
            packet_ms: self.packet_ms.get(),
            expected_loss_percent: self.expected_loss_percent.get(),
            packets_sent: self.packets_sent.get(),
            bytes_sent: self.bytes_sent.get(),
            packets_received: self.packets_received.get(),
            bytes_received: self.bytes_received.get(),
            packets_lost: self.packets_lost.get(),
            packets_late: self.packets_late.get(),
            packets_reordered: self.packets_reordered.get(),
            packets_duplicated: self.packets_duplicated.get(),
            packets_dropped: self.packets_dropped.get(),
            packets_unreadable: self.packets_unreadable.get(),
            stream_restarts: self.stream_restarts.get(),
            timestamp_jumps: self.timestamp_jumps.get(),
            frames_played: self.frames_played.get(),
            frames_concealed: self.frames_concealed.get(),
            frames_recovered: self.frames_recovered.get(),
            frames_comfort: self.frames_comfort.get(),
            concealed_permille: (made_up * 1000.0).round() as u64,
            jitter_us: self.jitter_us.get(),
            playout_delay_ms: self.playout_delay_ms.get(),
            target_delay_ms: self.target_delay_ms.get(),
            clock_drift_ppb: self.clock_drift_ppb.load(Ordering::Relaxed),
            round_trip_us,
            far_end_lost_permille: reported.then(|| self.far_end_lost_permille.get()),
            far_end_jitter_us: reported.then(|| self.far_end_jitter_us.get()),
            one_way_delay_ms: measured.map(|ms| ms.round() as u64),
            level_sent_db: self.level_sent.mean_db(),
            level_received_db: self.level_received.mean_db(),
            r_factor: quality.r.round() as u64,
            mos_cq: (quality.mos * 100.0).round() as u64,
            queues: QueueDepths {
                receive_ring_packets: self.receive_ring_packets.get(),
                jitter_buffer_ms: self.jitter_buffer_ms.get(),
                decoded_us: self.decoded_us.get(),
                send_ring_packets: self.send_ring_packets.get(),
                receive_ring_overflows: self.receive_ring_overflows.get(),
                send_ring_overflows: self.send_ring_overflows.get(),
            },
        }
    }

    /// `BurstR` of G.107: mean length of a hole in packets over that of random loss.
    fn burst_ratio(&self, made_up: f64) -> f64 {
        let holes = self.holes.get().max(1) as f64;
        let packet_frames = (self.packet_received_us.get() as f64 / 10_000.0).max(1.0);
        let packets = self.frames_concealed.get() as f64 / holes / packet_frames;
        (packets * (1.0 - made_up)).max(1.0)
    }
}

impl Level {
    /// Mean level of what was not silence, dB relative to full scale.
    fn mean_db(&self) -> Option<i32> {
        let frames = self.frames.get();
        let power = self.power.get() as f64 / frames.max(1) as f64;
        (frames > 0).then(|| (10.0 * (power.max(1.0) / 32_768.0_f64.powi(2)).log10()).round() as i32)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn figures_are_those_that_were_counted_and_quality_is_made_of_them() {
        let stats = LegStats::default();
        assert_eq!((stats.figures().round_trip_us, stats.figures().level_sent_db), (None, None));
        stats.set_codec(Codec::Pcma);
        stats.bitrate.set(64_000);
        stats.packet_received_us.set(20_000);
        stats.frames_played.add(950);
        stats.frames_concealed.add(50);
        stats.holes.add(25);
        stats.playout_delay_ms.set(30);
        let round_trip = Some(Duration::from_millis(60));
        stats.note_feedback(&Feedback { lost: 0.25, lost_in_all: -3, jitter: 80, round_trip });
        for sample in [0_i16, 3_276] {
            stats.level_sent.hear(&[sample; 480]);
        }
        let figures = stats.figures();
        assert_eq!((figures.codec, figures.concealed_permille), ("PCMA", 50));
        assert_eq!((figures.round_trip_us, figures.one_way_delay_ms), (Some(60_000), Some(84)));
        assert_eq!((figures.far_end_lost_permille, figures.far_end_jitter_us), (Some(250), Some(10_000)));
        assert_eq!((figures.level_sent_db, figures.level_received_db), (Some(-20), None));
        // 93.2 less 15.8 for 5 % that was made up and little for 84 ms.
        assert!((73..=77).contains(&figures.r_factor), "{figures:?}");
        stats.holes.set(5);
        assert!(stats.figures().r_factor < figures.r_factor, "longer holes are worse");
        let json = serde_json::to_value(&figures).unwrap();
        assert_eq!(json["mos_cq"], figures.mos_cq as f64 / 100.0);
        assert_eq!(json["queues"]["jitter_buffer_ms"], 0);
    }
}
