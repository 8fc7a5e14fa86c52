//! Opus by libopus (RFC 6716, RFC 7587): 48 kHz mono, in-band FEC.

use opus::{Application, Bitrate, Channels};

use super::control::Settings;
use super::{CodecError, MAX_SAMPLES};
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

    /// Takes other settings; the sound goes on without a seam.
    pub(super) fn set(&mut self, settings: Settings) -> Result<(), CodecError> {
        self.0.set_bitrate(Bitrate::Bits(i32::try_from(settings.bitrate).unwrap_or(32_000)))?;
        self.0.set_packet_loss_perc(i32::from(settings.expected_loss))?;
        self.0.set_dtx(settings.dtx)?;
        Ok(())
    }

    pub(super) fn encode(
        &mut self,
        sound: &[i16],
        payload: &mut [u8; MAX_PAYLOAD],
    ) -> Result<usize, CodecError> {
        Ok(self.0.encode(sound, payload)?)
    }
}

/// Concealment is whole for 20 ms and gone after 100 ms, linearly in between:
/// a longer guess is worse than silence.
const FADE_FROM: usize = 960;
const FADE_TO: usize = 4800;

pub(in crate::media) struct Decoder {
    decoder: opus::Decoder,
    /// Concealed in a row, in samples.
    concealed: usize,
}

impl Decoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        Ok(Self { decoder: opus::Decoder::new(SAMPLE_RATE, Channels::Mono)?, concealed: 0 })
    }

    pub(super) fn decode(
        &mut self,
        payload: &[u8],
        sound: &mut [i16; MAX_SAMPLES],
    ) -> Result<usize, CodecError> {
        self.concealed = 0;
        Ok(self.decoder.decode(payload, sound, false)?)
    }

    pub(super) fn recover(&mut self, next: &[u8], sound: &mut [i16]) -> bool {
        let recovered = self.decoder.decode(next, sound, true).is_ok_and(|samples| samples == sound.len());
        self.concealed *= usize::from(!recovered);
        recovered
    }

    pub(super) fn conceal(&mut self, sound: &mut [i16]) {
        self.comfort(sound);
        for sample in sound {
            let left = FADE_TO.saturating_sub(self.concealed.max(FADE_FROM)) as i32;
            *sample = (i32::from(*sample) * left / (FADE_TO - FADE_FROM) as i32) as i16;
            self.concealed += 1;
        }
    }

    /// After a pause was announced, libopus's concealment is its comfort noise.
    pub(super) fn comfort(&mut self, sound: &mut [i16]) {
        let written = self.decoder.decode(&[], sound, false).unwrap_or(0);
        sound[written..].fill(0);
    }
}

/// Whether a payload of one mono frame carries the one before it: its LBRR flag
/// is set, which follows one voice activity flag for each 20 ms, most
/// significant bit first (RFC 6716 sections 3.1, 4.2.3 and 4.2.4; CELT has none).
pub(in crate::media) fn carries_fec(payload: &[u8]) -> bool {
    let [toc, first, ..] = payload else { return false };
    let (config, stereo_or_more) = (toc >> 3, toc & 0b111 != 0);
    let frames_of_20_ms = match config {
        0..=11 => [1, 1, 2, 3][usize::from(config % 4)],
        12..=15 => 1,
        _ => return false,
    };
    !stereo_or_more && first & (0x80 >> frames_of_20_ms) != 0
}

/// How many samples at 48 kHz a payload holds; `None` if it is no Opus packet.
pub(in crate::media) fn samples_in(payload: &[u8]) -> Option<u16> {
    let samples = opus::packet::get_nb_samples(payload, SAMPLE_RATE).ok()?;
    u16::try_from(samples).ok().filter(|samples| (1..=MAX_SAMPLES).contains(&usize::from(*samples)))
}
