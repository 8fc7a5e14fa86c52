//! ITU-T G.711 mu-law and A-law at 8 kHz, with the way to 48 kHz and back.

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

use super::MAX_SAMPLES;
use super::conceal::Concealer;
use super::resample::{Down, FACTOR, Up};
use crate::media::Codec;
use crate::media::packet::MAX_PAYLOAD;

/// Which of the two laws.
#[derive(Clone, Copy)]
pub(in crate::media) enum Law {
    Mu,
    A,
}

pub(in crate::media) struct Encoder {
    law: Law,
    down: Down,
}

impl Encoder {
    pub(super) fn new(law: Law) -> Self {
        Self { law, down: Down::new() }
    }

    pub(super) fn codec(&self) -> Codec {
        match self.law {
            Law::Mu => Codec::Pcmu,
            Law::A => Codec::Pcma,
        }
    }

    pub(super) fn encode(&mut self, sound: &[i16], payload: &mut [u8; MAX_PAYLOAD]) -> usize {
        let (groups, _) = sound.as_chunks::<FACTOR>();
        for (group, byte) in groups.iter().zip(payload.iter_mut()) {
            let sample = self.down.push(group);
            *byte = match self.law {
                Law::Mu => encode_ulaw(sample),
                Law::A => encode_alaw(sample),
            };
        }
        groups.len()
    }
}

/// The longest packet of sound at 8 kHz.
const MOST: usize = MAX_SAMPLES / FACTOR;

pub(in crate::media) struct Decoder {
    up: Up,
    concealer: Concealer,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { up: Up::new(), concealer: Concealer::new() }
    }

    pub(super) fn decode(&mut self, law: Law, payload: &[u8], sound: &mut [i16; MAX_SAMPLES]) -> usize {
        let mut narrow = [0; MOST];
        let narrow = &mut narrow[..payload.len().min(MOST)];
        for (byte, sample) in payload.iter().zip(narrow.iter_mut()) {
            *sample = match law {
                Law::Mu => decode_ulaw(*byte),
                Law::A => decode_alaw(*byte),
            };
        }
        self.concealer.hear(narrow);
        let (groups, _) = sound.as_chunks_mut::<FACTOR>();
        for (sample, group) in narrow.iter().zip(groups) {
            self.up.push(*sample, group);
        }
        narrow.len() * FACTOR
    }

    /// Repeats the pitch of the last sound, fading into comfort noise.
    pub(super) fn conceal(&mut self, sound: &mut [i16]) {
        self.make_up(sound, Concealer::next);
    }

    /// The far end's background.
    pub(super) fn comfort(&mut self, sound: &mut [i16]) {
        self.make_up(sound, Concealer::comfort);
    }

    /// Takes the far end's description of its background (RFC 3389).
    pub(super) fn describe(&mut self, payload: &[u8]) {
        self.concealer.describe(payload);
    }

    fn make_up(&mut self, sound: &mut [i16], next: impl Fn(&mut Concealer) -> i16) {
        let (groups, rest) = sound.as_chunks_mut::<FACTOR>();
        for group in groups {
            self.up.push(next(&mut self.concealer), group);
        }
        rest.fill(0);
    }
}
