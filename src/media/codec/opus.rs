//! Opus by libopus (RFC 6716, RFC 7587): 48 kHz mono, 20 ms, in-band FEC.

use opus::{Application, Bitrate, Channels};

use super::{CodecError, MAX_SAMPLES, PACKET_SAMPLES};
use crate::audio::SAMPLE_RATE;
use crate::media::packet::MAX_PAYLOAD;

/// Measured on the target class of machine: 5 costs 208 us a packet, 10 costs
/// 259 us for no gain that speech measures show.
const COMPLEXITY: i32 = 5;

/// The loss that the encoder protects against, percent. FEC is written only
/// where some loss is expected.
const EXPECTED_LOSS: i32 = 10;

pub(in crate::media) struct Encoder(opus::Encoder);

impl Encoder {
    pub(super) fn new(bitrate: u32) -> Result<Self, CodecError> {
        let mut encoder = opus::Encoder::new(SAMPLE_RATE, Channels::Mono, Application::Voip)?;
        encoder.set_bitrate(Bitrate::Bits(i32::try_from(bitrate).unwrap_or(32_000)))?;
        encoder.set_complexity(COMPLEXITY)?;
        encoder.set_inband_fec(true)?;
        encoder.set_packet_loss_perc(EXPECTED_LOSS)?;
        Ok(Self(encoder))
    }

    pub(super) fn encode(
        &mut self,
        sound: &[i16; PACKET_SAMPLES],
        payload: &mut [u8; MAX_PAYLOAD],
    ) -> Result<usize, CodecError> {
        Ok(self.0.encode(sound, payload)?)
    }
}

pub(in crate::media) struct Decoder(opus::Decoder);

impl Decoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        Ok(Self(opus::Decoder::new(SAMPLE_RATE, Channels::Mono)?))
    }

    pub(super) fn decode(
        &mut self,
        payload: &[u8],
        sound: &mut [i16; MAX_SAMPLES],
    ) -> Result<usize, CodecError> {
        Ok(self.0.decode(payload, sound, false)?)
    }

    pub(super) fn recover(&mut self, next: &[u8], sound: &mut [i16]) -> bool {
        self.0.decode(next, sound, true).is_ok_and(|samples| samples == sound.len())
    }

    pub(super) fn conceal(&mut self, sound: &mut [i16]) {
        let written = self.0.decode(&[], sound, false).unwrap_or(0);
        sound[written..].fill(0);
    }
}

/// How many samples at 48 kHz a payload holds; `None` if it is no Opus packet.
pub(in crate::media) fn samples_in(payload: &[u8]) -> Option<u16> {
    let samples = opus::packet::get_nb_samples(payload, SAMPLE_RATE).ok()?;
    u16::try_from(samples).ok().filter(|samples| (1..=MAX_SAMPLES).contains(&usize::from(*samples)))
}
