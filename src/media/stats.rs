//! Counters of one call's audio, written by the audio thread and the peer's
//! task, read by anybody. Every counter starts at 0 and only grows, but for
//! the gauges, which say so.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};

use crate::audio::Frame;

/// A number that several threads may see. Relaxed: each number is true by
/// itself, two of them need not be of the same instant.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts `n` more.
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Mean level of frames that are not silence.
#[derive(Debug, Default)]
pub struct Level {
    /// Sum of the frames' mean squares.
    pub(crate) power: Counter,
    /// How many these are.
    pub(crate) frames: Counter,
}

/// Mean square under which a frame is silence: -60 dBFS.
const SILENCE: u64 = 1_074;

impl Level {
    /// Notes a frame.
    pub(crate) fn hear(&self, frame: &Frame) {
        let sum: u64 = frame.iter().map(|sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
        let power = sum / frame.len() as u64;
        if power >= SILENCE {
            self.power.add(power);
            self.frames.add(1);
        }
    }
}

/// What one call's audio went through. A frame is 10 ms of sound.
#[derive(Debug, Default)]
pub struct LegStats {
    /// RTP packets written to the network, telephone events included.
    pub packets_sent: Counter,
    /// Digits not sent because the far end takes no telephone events.
    pub digits_unsent: Counter,
    /// Digits of the far end that came faster than anybody could take them.
    pub digits_dropped: Counter,
    /// RTP payload bytes written to the network.
    pub bytes_sent: Counter,
    /// Datagrams that were not shown to the library: of strangers, or too many of their kind.
    pub packets_refused: Counter,
    /// RTP audio packets that arrived, in whatever order.
    pub packets_received: Counter,
    /// RTP payload bytes of these.
    pub bytes_received: Counter,
    /// Packets whose turn to be played came before they arrived, if they ever did.
    pub packets_lost: Counter,
    /// Packets that arrived after their turn; they are counted as lost too.
    pub packets_late: Counter,
    /// Packets that arrived after a younger one, but in time.
    pub packets_reordered: Counter,
    /// Packets that arrived more than once.
    pub packets_duplicated: Counter,
    /// Packets thrown away because the jitter buffer was full, or because
    /// latency had grown beyond its bound.
    pub packets_dropped: Counter,
    /// Times that another source, or another numbering of packets, began in mid-call.
    pub stream_restarts: Counter,
    /// Times that a stream's timestamps jumped.
    pub timestamp_jumps: Counter,
    /// Packets of a payload type that was not negotiated, or that no decoder could read.
    pub packets_unreadable: Counter,
    /// Frames given to the loudspeaker that hold decoded sound.
    pub frames_played: Counter,
    /// Frames made up by concealment because a packet was missing.
    pub frames_concealed: Counter,
    /// Times that concealment began.
    pub holes: Counter,
    /// Frames restored from the next packet's forward error correction.
    pub frames_recovered: Counter,
    /// Frames of plain silence: nothing had arrived, or the far end pauses.
    pub frames_silent: Counter,
    /// Frames of the far end's background while it pauses (DTX, comfort noise).
    pub frames_comfort: Counter,
    /// Samples at 48 kHz left out of the sound to make the delay shorter.
    pub samples_left_out: Counter,
    /// Samples at 48 kHz put into the sound to make the delay longer.
    pub samples_put_in: Counter,
    /// Arrived packets lost because the audio thread did not fetch them.
    pub receive_ring_overflows: Counter,
    /// Encoded packets lost because the peer's task did not fetch them.
    pub send_ring_overflows: Counter,
    /// Gauge: interarrival jitter in microseconds (RFC 3550, section 6.4.1).
    pub jitter_us: Counter,
    /// Gauge: time a packet waits in the jitter buffer before it is played, ms.
    pub playout_delay_ms: Counter,
    /// Gauge: the delay after the earliest possible arrival that the jitter buffer aims at, ms.
    pub target_delay_ms: Counter,
    /// Gauge: packets between the network and the jitter buffer.
    pub receive_ring_packets: Counter,
    /// Gauge: sound in the jitter buffer, ms.
    pub jitter_buffer_ms: Counter,
    /// Gauge: decoded sound that is not yet played, microseconds.
    pub decoded_us: Counter,
    /// Gauge: encoded packets that wait for the network.
    pub send_ring_packets: Counter,
    /// Gauge: sound in the packets that come, microseconds.
    pub packet_received_us: Counter,
    /// Gauge: sound in the packets sent, ms.
    pub packet_ms: Counter,
    /// Gauge: bit rate of the codec sent, bits a second.
    pub bitrate: Counter,
    /// Gauge: the loss that forward error correction is made for, percent.
    pub expected_loss_percent: Counter,
    /// Reports of the far end about our packets.
    pub reports: Counter,
    /// Gauge: what it lost of them lately, in thousandths.
    pub far_end_lost_permille: Counter,
    /// Gauge: what it lost of them in all.
    pub far_end_lost_packets: Counter,
    /// Gauge: the jitter that it sees, microseconds.
    pub far_end_jitter_us: Counter,
    /// Gauge: to the far end and back, microseconds; 0 while it is not known.
    pub round_trip_us: Counter,
    /// Of what is sent.
    pub level_sent: Level,
    /// Of what is received.
    pub level_received: Level,
    /// Gauge: how fast the far end's clock is against the loudspeaker's, in 1e-9.
    pub(crate) clock_drift_ppb: AtomicI64,
    /// The codec sent.
    pub(crate) codec: AtomicU8,
}
