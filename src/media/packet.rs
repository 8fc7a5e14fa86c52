//! Encoded audio of fixed size, so that rings and buffers never allocate.

use std::time::{Duration, Instant};

use super::Codec;

/// The longest payload taken: what an Ethernet frame carries over DTLS-SRTP.
pub(super) const MAX_PAYLOAD: usize = 1400;

/// An encoded payload.
#[derive(Clone)]
pub(super) struct Payload {
    length: u16,
    bytes: [u8; MAX_PAYLOAD],
}

impl Payload {
    /// Copies `bytes`; `None` if they are too many.
    pub(super) fn copy_of(bytes: &[u8]) -> Option<Self> {
        let mut payload = Self { length: u16::try_from(bytes.len()).ok()?, bytes: [0; MAX_PAYLOAD] };
        payload.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(payload)
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// An audio packet as it arrived.
#[derive(Clone)]
pub(super) struct Arrived {
    /// RTP synchronisation source.
    pub(super) ssrc: u32,
    /// RTP sequence number.
    pub(super) sequence: u16,
    /// RTP timestamp in units of the codec's RTP clock.
    pub(super) timestamp: u32,
    /// The codec, by payload type.
    pub(super) codec: Codec,
    /// The payload describes background noise (RFC 3389) and is no sound.
    pub(super) comfort: bool,
    /// How much sound the payload holds, in samples at 48 kHz.
    pub(super) samples: u16,
    /// When it came in from the network.
    pub(super) arrival: Instant,
    pub(super) payload: Payload,
}

/// A packet of the near end on its way to the network.
pub(super) struct Outgoing {
    pub(super) codec: Codec,
    /// Number of the first sample since the leg began, at 48 kHz. Counts on
    /// while nothing is sent, so that timestamps show the pause.
    pub(super) first_sample: u64,
    pub(super) payload: Payload,
}

/// The RTP clock of a codec in hertz (RFC 7587 section 4.1, RFC 3551 table 4).
pub(super) fn rtp_clock(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 48_000,
        Codec::Pcmu | Codec::Pcma => 8_000,
    }
}

/// How long `samples` at 48 kHz last.
pub(super) fn duration_of(samples: u64) -> Duration {
    Duration::from_nanos(samples * 1_000_000_000 / 48_000)
}
