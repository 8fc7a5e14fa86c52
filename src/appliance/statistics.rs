//! What one call's sound went through: measured by the media shell, logged by
//! the appliance, shown by the fronts. Plain data.

use serde::{Serialize, Serializer};

/// Figures of one call, at an instant or at its end. A frame is 10 ms of sound.
/// What is not known yet is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallStatistics {
    /// The codec sent: `opus`, `PCMU` or `PCMA`.
    pub codec: &'static str,
    /// Its bit rate without headers, bits a second.
    pub bitrate: u64,
    /// Sound in each packet sent, ms.
    pub packet_ms: u64,
    /// The loss that forward error correction is made for, percent; 0 for none.
    pub expected_loss_percent: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Their payloads' bytes.
    pub bytes_sent: u64,
    /// RTP packets of sound received.
    pub packets_received: u64,
    /// Their payloads' bytes.
    pub bytes_received: u64,
    /// Packets that did not come before their turn.
    pub packets_lost: u64,
    /// Packets that came after their turn; they count as lost, too.
    pub packets_late: u64,
    /// Packets that came after a younger one, in time.
    pub packets_reordered: u64,
    /// Packets that came more than once.
    pub packets_duplicated: u64,
    /// Packets thrown away because delay had grown too long.
    pub packets_dropped: u64,
    /// Packets of an unknown payload type, or that no decoder could read.
    pub packets_unreadable: u64,
    /// Times that another source, or another numbering of packets, began.
    pub stream_restarts: u64,
    /// Times that the far end's timestamps jumped.
    pub timestamp_jumps: u64,
    /// Frames played from what came.
    pub frames_played: u64,
    /// Frames made up because nothing was there.
    pub frames_concealed: u64,
    /// Frames restored by forward error correction.
    pub frames_recovered: u64,
    /// Frames of the far end's background in its pauses.
    pub frames_comfort: u64,
    /// Frames made up of all that were played, a thousandth each.
    pub concealed_permille: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1), microseconds.
    pub jitter_us: u64,
    /// From a packet's arrival to its sound, ms.
    pub playout_delay_ms: u64,
    /// The delay that the jitter buffer aims at, ms.
    pub target_delay_ms: u64,
    /// How fast the far end's clock is against the loudspeaker's, parts in a thousand million.
    pub clock_drift_ppb: i64,
    /// To the far end and back, by RTCP, microseconds.
    pub round_trip_us: Option<u64>,
    /// What the far end says it lost of our packets lately, a thousandth each.
    pub far_end_lost_permille: Option<u64>,
    /// The jitter that the far end sees, microseconds.
    pub far_end_jitter_us: Option<u64>,
    /// From the far end's sound to ours, as far as it is measured here: packet, codec, half a round
    /// trip, jitter buffer; without the sound cards. ms.
    pub one_way_delay_ms: Option<u64>,
    /// Mean level of what is sent where it is not silence, dB relative to full scale.
    pub level_sent_db: Option<i32>,
    /// The same of what is received.
    pub level_received_db: Option<i32>,
    /// Transmission rating R of ITU-T G.107, 0 to 93.
    pub r_factor: u64,
    /// Mean opinion score for conversation that goes with it, 1.00 to 4.41.
    #[serde(serialize_with = "hundredths")]
    pub mos_cq: u64,
    /// What waits in which queue.
    pub queues: QueueDepths,
}

/// How full the queues of a call are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueDepths {
    /// Packets between the network and the jitter buffer.
    pub receive_ring_packets: u64,
    /// Sound in the jitter buffer, ms.
    pub jitter_buffer_ms: u64,
    /// Decoded sound that is not yet played, microseconds.
    pub decoded_us: u64,
    /// Encoded packets that wait for the network.
    pub send_ring_packets: u64,
    /// Packets lost because the audio thread did not fetch them.
    pub receive_ring_overflows: u64,
    /// Encoded packets lost because the sending task did not fetch them.
    pub send_ring_overflows: u64,
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn hundredths<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(*value as f64 / 100.0)
}

impl CallStatistics {
    /// The most telling of it in one line for people.
    pub fn text(&self) -> String {
        let percent = |permille: u64| format!("{}.{} %", permille / 10, permille % 10);
        let round_trip = match self.round_trip_us {
            Some(us) => format!("round trip {} ms", us / 1000),
            None => "round trip unknown".to_owned(),
        };
        format!(
            "sound of the call: MOS {}.{:02}, R {}, {} packets received, {} lost, {} late, {} restored frames, \
             {} made up, jitter {} ms, delay {} ms, {round_trip}, {} sent as {} at {} b/s",
            self.mos_cq / 100,
            self.mos_cq % 100,
            self.r_factor,
            self.packets_received,
            self.packets_lost,
            self.packets_late,
            self.frames_recovered,
            percent(self.concealed_permille),
            self.jitter_us / 1000,
            self.playout_delay_ms,
            self.packets_sent,
            self.codec,
            self.bitrate,
        )
    }
}
