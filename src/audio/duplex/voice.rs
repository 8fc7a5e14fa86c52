//! Who speaks, by level alone: for a box without a canceller.

use super::{EchoState, FRAME, Samples};

/// Mean power above which the far end speaks, -50 dBFS, and the frames for which its echo lasts.
const SPEECH: f32 = 1e-5;
const ECHOES: u32 = 30;

/// Somebody here is so much (in power) above the noise, and not below -50 dBFS.
const ABOVE_NOISE: f32 = 8.0;

/// The noise's estimate falls at once and rises by 2 dB a second.
const RISE: f32 = 1.0046;

/// Frames for which a word lasts.
const WORD: u32 = 15;

/// The estimate.
pub(super) struct Voice {
    far: u32,
    near: u32,
    noise: f32,
}

impl Default for Voice {
    fn default() -> Self {
        Self { far: 0, near: 0, noise: SPEECH }
    }
}

impl Voice {
    pub fn render(&mut self, reference: &Samples) {
        self.far = if power(reference) > SPEECH { ECHOES } else { self.far.saturating_sub(1) };
    }

    pub fn hear(&mut self, microphone: &Samples) {
        let heard = power(microphone);
        self.noise = heard.clamp(1e-9, self.noise * RISE);
        let speaks = heard > (ABOVE_NOISE * self.noise).max(SPEECH);
        self.near = if speaks { WORD } else { self.near.saturating_sub(1) };
    }

    pub fn state(&self) -> EchoState {
        let near = if self.near > 0 { 1.0 } else { 0.0 };
        EchoState { far: self.far > 0, near, ..EchoState::default() }
    }
}

fn power(frame: &Samples) -> f32 {
    frame.iter().map(|s| s * s).sum::<f32>() / FRAME as f32
}
