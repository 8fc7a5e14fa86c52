//! One direction of a call without a network, on whatever time it is told:
//! encoder, packets, jitter buffer and decoder, the very ones of a call. For
//! measurements (`benches/loss`), which decide themselves what arrives and when.

use std::time::{Duration, Instant};

use super::codec::limits::Limits;
use super::codec::opus_samples_in;
use super::feedback::Feedback;
use super::leg::{self, AudioLeg, EncoderSwitch, Wires};
use super::packet::{Arrived, Outgoing, rtp_clock};
use super::{Codec, FrameLength, LegStats};
use crate::audio::{Frame, Leg};

/// A packet on its way.
#[derive(Clone)]
pub struct Parcel(Arrived);

/// See the module's documentation.
pub struct Rehearsal {
    codec: Codec,
    sequence: u16,
    mouth: (AudioLeg, Wires, EncoderSwitch),
    ear: (AudioLeg, Wires, EncoderSwitch),
}

impl Rehearsal {
    /// A call in this codec, at 32 kb/s if it is Opus.
    ///
    /// # Errors
    /// In words, if a codec could not be made.
    pub fn new(codec: Codec, frame: FrameLength) -> Result<Self, String> {
        let pair = || leg::pair(codec, Limits::new(32_000, frame)).map_err(|error| error.to_string());
        let call = Self { codec, sequence: 0, mouth: pair()?, ear: pair()? };
        call.mouth.1.shared.sending.store(true, std::sync::atomic::Ordering::Relaxed);
        Ok(call)
    }

    /// Says 10 ms at `now`; the packet that leaves, if one is full.
    pub fn speak(&mut self, frame: &Frame, now: Instant) -> Option<Parcel> {
        let (leg, wires, _) = &mut self.mouth;
        leg.near_end(frame, now);
        let mut outgoing = wires.outgoing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Outgoing { codec, first_sample, payload } = outgoing.pop().ok()?;
        let samples = match codec {
            Codec::Opus => opus_samples_in(payload.as_slice())?,
            Codec::Pcmu | Codec::Pcma => payload.as_slice().len() as u16 * 6,
        };
        self.sequence = self.sequence.wrapping_add(1);
        Some(Parcel(Arrived {
            ssrc: 1,
            sequence: self.sequence,
            timestamp: (first_sample * u64::from(rtp_clock(codec)) / 48_000) as u32,
            codec,
            comfort: false,
            samples,
            arrival: now,
            payload,
        }))
    }

    /// The packet comes in at `now`.
    pub fn arrive(&mut self, parcel: Parcel, now: Instant) {
        let (_, wires, _) = &self.ear;
        let mut arrived = wires.arrived.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if arrived.push(Arrived { arrival: now, ..parcel.0 }).is_err() {
            wires.shared.stats.receive_ring_overflows.add(1);
        }
    }

    /// Hears 10 ms at `now`.
    pub fn hear(&mut self, frame: &mut Frame, now: Instant) {
        self.ear.0.far_end(frame, now);
    }

    /// The ear tells the mouth what share of packets (0 to 1) was lost lately, and the round trip.
    pub fn report(&mut self, lost: f32, round_trip: Duration, now: Instant) {
        let round_trip = Some(round_trip);
        self.mouth.2.report(Feedback { lost, lost_in_all: 0, jitter: 0, round_trip }, now);
    }

    /// What the ear went through.
    pub fn stats(&self) -> &LegStats {
        &self.ear.1.shared.stats
    }

    /// What the mouth sends now.
    pub fn sent(&self) -> &LegStats {
        &self.mouth.1.shared.stats
    }

    /// The codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }
}
