//! ITU-T G.711 mu-law and A-law at 8 kHz, with the way to 48 kHz and back.

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

use super::resample::{Down, FACTOR, Up};
use super::{MAX_SAMPLES, PACKET_SAMPLES};
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

    pub(super) fn encode(&mut self, sound: &[i16; PACKET_SAMPLES], payload: &mut [u8; MAX_PAYLOAD]) -> usize {
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

/// Sound kept for concealment: 20 ms at 8 kHz.
const KEPT: usize = 160;

pub(in crate::media) struct Decoder {
    up: Up,
    kept: [i16; KEPT],
    /// Where in `kept` the repetition is.
    concealed: usize,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { up: Up::new(), kept: [0; KEPT], concealed: 0 }
    }

    pub(super) fn decode(&mut self, law: Law, payload: &[u8], sound: &mut [i16; MAX_SAMPLES]) -> usize {
        let (groups, _) = sound.as_chunks_mut::<FACTOR>();
        let decoded = payload.len().min(groups.len());
        for (byte, group) in payload.iter().zip(groups) {
            let sample = match law {
                Law::Mu => decode_ulaw(*byte),
                Law::A => decode_alaw(*byte),
            };
            self.kept.rotate_left(1);
            self.kept[KEPT - 1] = sample;
            self.up.push(sample, group);
        }
        self.concealed = 0;
        decoded * FACTOR
    }

    /// Repeats the last 20 ms.
    pub(super) fn conceal(&mut self, sound: &mut [i16]) {
        let (groups, rest) = sound.as_chunks_mut::<FACTOR>();
        for group in groups {
            let sample = self.kept[self.concealed];
            self.concealed = (self.concealed + 1) % KEPT;
            self.up.push(sample, group);
        }
        rest.fill(0);
    }
}
