//! Encoders and decoders between 10 ms frames at 48 kHz and RTP payloads.
//!
//! Everything here is made ahead of time; encoding, decoding and concealing
//! neither allocate nor block, as the audio thread calls them.

mod g711;
mod opus;
mod resample;

use super::Codec;
use super::packet::MAX_PAYLOAD;

pub(super) use self::opus::samples_in as opus_samples_in;

/// The longest packet of sound there is: 120 ms at 48 kHz (RFC 6716 section 2.1.4).
pub(super) const MAX_SAMPLES: usize = 5760;

/// Sound of one packet that the box sends: 20 ms at 48 kHz (RFC 7587 section 4.2, RFC 3551 section 4.2).
pub(super) const PACKET_SAMPLES: usize = 960;

/// Why a payload was not encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum CodecError {
    /// libopus refused.
    #[error("opus: {0}")]
    Opus(#[from] ::opus::Error),
}

/// An encoder of 20 ms packets.
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

    /// Encodes 20 ms and tells how many bytes of `payload` it filled.
    pub(super) fn encode(
        &mut self,
        sound: &[i16; PACKET_SAMPLES],
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
    /// Concealed in a row, in samples.
    concealed: usize,
}

/// Concealment is whole for 20 ms and gone after 100 ms, linearly in between,
/// much as in ITU-T G.711 Appendix I: a longer guess is worse than silence.
const FADE_FROM: usize = 960;
const FADE_TO: usize = 4800;

impl Decoder {
    /// Makes all decoders.
    pub(super) fn new() -> Result<Self, CodecError> {
        Ok(Self { opus: opus::Decoder::new()?, g711: g711::Decoder::new(), last: Codec::Opus, concealed: 0 })
    }

    /// Decodes one payload and tells how many samples of `sound` it filled.
    pub(super) fn decode(
        &mut self,
        codec: Codec,
        payload: &[u8],
        sound: &mut [i16; MAX_SAMPLES],
    ) -> Result<usize, CodecError> {
        self.last = codec;
        self.concealed = 0;
        match codec {
            Codec::Opus => self.opus.decode(payload, sound),
            Codec::Pcmu => Ok(self.g711.decode(g711::Law::Mu, payload, sound)),
            Codec::Pcma => Ok(self.g711.decode(g711::Law::A, payload, sound)),
        }
    }

    /// Restores a lost packet from the forward error correction that the
    /// `next` one carries; false if it carries none, with nothing written.
    pub(super) fn recover(&mut self, next: (Codec, &[u8]), sound: &mut [i16]) -> bool {
        match (self.last, next.0) {
            (Codec::Opus, Codec::Opus) => {
                let recovered = self.opus.recover(next.1, sound);
                self.concealed *= usize::from(!recovered);
                recovered
            }
            (Codec::Opus | Codec::Pcmu | Codec::Pcma, Codec::Opus | Codec::Pcmu | Codec::Pcma) => false,
        }
    }

    /// Makes up sound that continues what was played last, fading out.
    pub(super) fn conceal(&mut self, sound: &mut [i16]) {
        match self.last {
            Codec::Opus => self.opus.conceal(sound),
            Codec::Pcmu | Codec::Pcma => self.g711.conceal(sound),
        }
        for sample in sound {
            let left = FADE_TO.saturating_sub(self.concealed.max(FADE_FROM)) as i32;
            *sample = (i32::from(*sample) * left / (FADE_TO - FADE_FROM) as i32) as i16;
            self.concealed += 1;
        }
    }
}

#[cfg(test)]
mod tests;
