//! Levels: a meter over about 100 ms, and a gain that never jumps.

use super::leg::{FRAME_SAMPLES, Frame, SAMPLE_RATE};
use super::meters::FLOOR_DB;

/// RMS with an exponential window.
#[derive(Debug, Default)]
pub(super) struct Meter {
    mean_square: f32,
}

/// The weight of one frame in a window of 100 ms: `1 - exp(-10/100)`.
const WEIGHT: f32 = 0.095_162_6;

impl Meter {
    /// Takes one frame and tells the level in dBFS, a full-scale sine being 0.
    pub fn frame(&mut self, frame: &Frame) -> f32 {
        let energy: f32 = frame.iter().map(|&s| f32::from(s) * f32::from(s)).sum();
        self.mean_square += WEIGHT * (energy / FRAME_SAMPLES as f32 - self.mean_square);
        let full_scale = f32::from(i16::MAX) * f32::from(i16::MAX) / 2.0;
        (10.0 * (self.mean_square / full_scale).log10()).max(FLOOR_DB)
    }
}

/// From 0 to 1 or back in 5 ms.
const STEP: f32 = 1.0 / (0.005 * SAMPLE_RATE as f32);

/// A gain between 0 and 1 that moves on a ramp.
#[derive(Debug, Default)]
pub(super) struct Gain(f32);

impl Gain {
    /// Whether nothing comes through now.
    pub fn is_closed(&self) -> bool {
        self.0 <= 0.0
    }

    /// Applies the gain on its way to open or closed.
    pub fn apply(&mut self, frame: &mut Frame, open: bool) {
        let step = if open { STEP } else { -STEP };
        for sample in frame.iter_mut() {
            self.0 = (self.0 + step).clamp(0.0, 1.0);
            *sample = (f32::from(*sample) * self.0).round() as i16;
        }
    }
}
