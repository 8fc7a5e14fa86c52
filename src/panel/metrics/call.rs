//! How calls sound: the call of this moment, and all that are over.

use prometheus::{Error, GaugeVec, Histogram, IntCounterVec};

use super::Maker;
use crate::appliance::statistics::CallStatistics;

/// Mean opinion scores (ITU-T G.107 annex B: 4.3 very satisfied, 4.0 satisfied,
/// 3.6 some are not, 3.1 many are not, 2.6 nearly all are not).
const MOS: [f64; 6] = [2.6, 3.1, 3.6, 4.0, 4.3, 4.5];

/// A figure of the call that talks.
struct Live {
    gauge: GaugeVec,
    read: fn(&CallStatistics) -> Option<f64>,
}

/// Figures of calls. Those of the call that talks are not there while none does.
pub(super) struct CallFigures {
    live: Vec<Live>,
    mos: Histogram,
    packets: IntCounterVec,
    frames: IntCounterVec,
}

/// Name, help, and where the figure is.
type Row = (&'static str, &'static str, fn(&CallStatistics) -> Option<f64>);

const LIVE: [Row; 12] = [
    ("callbox_call_mos", "Mean opinion score of the call (ITU-T G.107), 1 to 4.41.", |call| {
        Some(call.mos_cq as f64 / 100.0)
    }),
    ("callbox_call_r_factor", "Transmission rating R of the call (ITU-T G.107), 0 to 93.", |call| {
        Some(call.r_factor as f64)
    }),
    ("callbox_call_lost_ratio", "Share of the call's packets that did not come in time, 0 to 1.", |call| {
        let all = call.packets_received + call.packets_lost;
        (all > 0).then(|| call.packets_lost as f64 / all as f64)
    }),
    (
        "callbox_call_far_end_lost_ratio",
        "Share of our packets that the far end lost lately, 0 to 1.",
        |call| call.far_end_lost_permille.map(|permille| permille as f64 / 1000.0),
    ),
    ("callbox_call_far_end_jitter_seconds", "The jitter that the far end sees.", |call| {
        call.far_end_jitter_us.map(seconds)
    }),
    ("callbox_call_round_trip_seconds", "To the far end and back, by RTCP.", |call| {
        call.round_trip_us.map(seconds)
    }),
    (
        "callbox_call_one_way_delay_seconds",
        "From the far end's sound to ours, without the sound cards.",
        |call| call.one_way_delay_ms.map(|ms| ms as f64 / 1000.0),
    ),
    ("callbox_call_target_delay_seconds", "The delay that the jitter buffer aims at.", |call| {
        Some(call.target_delay_ms as f64 / 1000.0)
    }),
    (
        "callbox_call_clock_drift_ratio",
        "How fast the far end's clock is against the loudspeaker's.",
        |call| Some(call.clock_drift_ppb as f64 / 1e9),
    ),
    ("callbox_call_bitrate_bits", "Sent, without headers, bits a second.", |call| Some(call.bitrate as f64)),
    ("callbox_call_level_sent_dbfs", "Mean level of what is sent, dB relative to full scale.", |call| {
        call.level_sent_db.map(f64::from)
    }),
    ("callbox_call_level_received_dbfs", "The same of what is received.", |call| {
        call.level_received_db.map(f64::from)
    }),
];

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

impl CallFigures {
    pub fn new(make: &Maker<'_>) -> Result<Self, Error> {
        let live = LIVE.into_iter().map(|(name, help, read)| {
            let gauge = make.figures(name, help, &["codec"])?;
            Ok(Live { gauge, read })
        });
        Ok(Self {
            live: live.collect::<Result<_, Error>>()?,
            mos: make.histogram(
                "callbox_call_mos_at_end",
                "Mean opinion scores of calls that are over.",
                &MOS,
            )?,
            packets: make.counters(
                "callbox_call_packets_total",
                "RTP packets of calls that are over, by what became of them; late ones count as lost, too.",
                &["fate"],
            )?,
            frames: make.counters(
                "callbox_call_frames_total",
                "Frames of 10 ms of sound of calls that are over, by where they came from.",
                &["origin"],
            )?,
        })
    }

    /// The call that talks now, if one does.
    pub fn now(&self, call: Option<&CallStatistics>) {
        for Live { gauge, read } in &self.live {
            gauge.reset();
            if let Some(call) = call
                && let Some(value) = read(call)
            {
                gauge.with_label_values(&[call.codec]).set(value);
            }
        }
    }

    /// A call's media is closed.
    pub fn over(&self, call: &CallStatistics) {
        // One that nothing was heard of has no quality.
        if call.packets_received > 0 {
            self.mos.observe(call.mos_cq as f64 / 100.0);
        }
        for (fate, count) in [
            ("sent", call.packets_sent),
            ("received", call.packets_received),
            ("lost", call.packets_lost),
            ("late", call.packets_late),
            ("reordered", call.packets_reordered),
            ("duplicated", call.packets_duplicated),
            ("dropped", call.packets_dropped),
            ("unreadable", call.packets_unreadable),
        ] {
            self.packets.with_label_values(&[fate]).inc_by(count);
        }
        for (origin, count) in [
            ("played", call.frames_played),
            ("concealed", call.frames_concealed),
            ("recovered", call.frames_recovered),
            ("comfort", call.frames_comfort),
        ] {
            self.frames.with_label_values(&[origin]).inc_by(count);
        }
    }
}
