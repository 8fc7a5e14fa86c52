//! Encoders and decoders between 10 ms frames at 48 kHz and RTP payloads.
//!
//! Everything here is made ahead of time; encoding, decoding and concealing
//! neither allocate nor block, as the audio thread calls them.

mod conceal;
pub(super) mod control;
mod g711;
pub(super) mod limits;
mod noise;
mod opus;
mod resample;

use self::control::Settings;
use super::Codec;
use super::packet::{Arrived, MAX_PAYLOAD};

pub(super) use self::opus::samples_in as opus_samples_in;

/// The longest packet of sound there is: 120 ms at 48 kHz (RFC 6716 section 2.1.4).
pub(super) const MAX_SAMPLES: usize = 5760;

/// Sound of the longest packet that the box sends: 60 ms at 48 kHz. Unless the
/// network asks for another, it is 20 ms (RFC 7587 section 4.2, RFC 3551 section 4.2).
pub(super) const LONGEST_PACKET: usize = 2880;

/// Why a payload was not encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum CodecError {
    /// libopus refused.
    #[error("opus: {0}")]
    Opus(#[from] ::opus::Error),
    /// The resampler for drifting clocks could not be made.
    #[error("resampler: {0}")]
    Resampler(#[from] rubato::ResamplerConstructionError),
}

/// An encoder of packets of 10, 20, 40 or 60 ms.
pub(super) enum Encoder {
    Opus(opus::Encoder),
    G711(Box<g711::Encoder>),
}

impl Encoder {
    /// Makes the encoder of `codec`; `opus_bitrate` in bits a second.
    pub(super) fn new(codec: Codec, opus_bitrate: u32) -> Result<Self, CodecError> {
        Ok(match codec {
            Codec::Opus => Self::Opus(opus::Encoder::new(opus_bitrate)?),
            Codec::Pcmu => Self::G711(Box::new(g711::Encoder::new(g711::Law::Mu))),
            Codec::Pcma => Self::G711(Box::new(g711::Encoder::new(g711::Law::A))),
        })
    }

    pub(super) fn codec(&self) -> Codec {
        match self {
            Self::Opus(_) => Codec::Opus,
            Self::G711(encoder) => encoder.codec(),
        }
    }

    /// Takes other settings, as far as the codec has them.
    pub(super) fn set(&mut self, settings: Settings) -> Result<(), CodecError> {
        match self {
            Self::Opus(encoder) => encoder.set(settings),
            Self::G711(_) => Ok(()),
        }
    }

    /// Encodes 10, 20, 40 or 60 ms and tells how many bytes of `payload` it filled.
    pub(super) fn encode(
        &mut self,
        sound: &[i16],
        payload: &mut [u8; MAX_PAYLOAD],
    ) -> Result<usize, CodecError> {
        match self {
            Self::Opus(encoder) => encoder.encode(sound, payload),
            Self::G711(encoder) => Ok(encoder.encode(sound, payload)),
        }
    }
}

/// Decoders of every codec: the far end may change from one packet to the next.
pub(super) struct Decoder {
    opus: opus::Decoder,
    g711: g711::Decoder,
    last: Codec,
}

impl Decoder {
    /// Makes all decoders.
    pub(super) fn new() -> Result<Self, CodecError> {
        Ok(Self { opus: opus::Decoder::new()?, g711: g711::Decoder::new(), last: Codec::Opus })
    }

    /// Decodes one packet and tells how many samples of `sound` it filled.
    pub(super) fn decode(
        &mut self,
        packet: &Arrived,
        sound: &mut [i16; MAX_SAMPLES],
    ) -> Result<usize, CodecError> {
        let payload = packet.payload.as_slice();
        self.last = packet.codec;
        if packet.comfort {
            let samples = usize::from(packet.samples).min(MAX_SAMPLES);
            self.g711.describe(payload);
            self.g711.comfort(&mut sound[..samples]);
            return Ok(samples);
        }
        match packet.codec {
            Codec::Opus => self.opus.decode(payload, sound),
            Codec::Pcmu => Ok(self.g711.decode(g711::Law::Mu, payload, sound)),
            Codec::Pcma => Ok(self.g711.decode(g711::Law::A, payload, sound)),
        }
    }

    /// Restores a lost packet from the forward error correction that the
    /// `next` one carries; false if it carries none, with nothing written.
    pub(super) fn recover(&mut self, next: &Arrived, sound: &mut [i16]) -> bool {
        self.last == Codec::Opus
            && restores_previous(next)
            && self.opus.recover(next.payload.as_slice(), sound)
    }

    /// Makes up sound that continues what was played last, fading out.
    pub(super) fn conceal(&mut self, sound: &mut [i16]) {
        match self.last {
            Codec::Opus => self.opus.conceal(sound),
            Codec::Pcmu | Codec::Pcma => self.g711.conceal(sound),
        }
    }

    /// Makes up the far end's background while it pauses.
    pub(super) fn comfort(&mut self, sound: &mut [i16]) {
        match self.last {
            Codec::Opus => self.opus.comfort(sound),
            Codec::Pcmu | Codec::Pcma => self.g711.comfort(sound),
        }
    }
}

/// Whether the packet says that its sender pauses and what follows is its
/// background: in Opus, one that holds no more than its table of contents
/// (DTX, RFC 6716 section 2.1.9), with G.711 a description of it (RFC 3389).
pub(super) fn is_comfort(packet: &Arrived) -> bool {
    match packet.codec {
        Codec::Opus => packet.payload.as_slice().len() <= 2,
        Codec::Pcmu | Codec::Pcma => packet.comfort,
    }
}

/// Whether the packet carries the one before it once more, in less quality.
pub(super) fn restores_previous(packet: &Arrived) -> bool {
    match packet.codec {
        Codec::Opus => opus::carries_fec(packet.payload.as_slice()),
        Codec::Pcmu | Codec::Pcma => false,
    }
}

#[cfg(test)]
mod tests;
