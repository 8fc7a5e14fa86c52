//! How fast the two clocks run apart, seen in the filter itself.
//!
//! Where the loudspeaker's clock is slower or faster than the microphone's,
//! the echo path wanders in time, and a filter that follows it turns its phase
//! in proportion to frequency. Comparing the filter with what it was half a
//! second of far-end speech ago gives the shift by weighted least squares, far
//! below one sample, and blind to the near end, which does not move the
//! filter. What is found is taken out by the reference's reading speed, so that
//! only the rest is seen the next time.

use realfft::num_complex::Complex32;

use super::BLOCK;
use super::kalman::{BINS, PARTS};

/// Blocks with far-end speech between two looks.
const EVERY: u32 = 50;

/// The two looks must be that alike, shift apart, or the path itself has changed.
const ALIKE: f32 = 0.7;

/// Share of what was seen that is taken over: first, and later.
const FIRST: f64 = 0.8;
const LATER: f64 = 0.3;

/// No crystal is that wrong: 300 ppm.
const MOST: f64 = 3e-4;

/// The estimator.
pub(super) struct DriftEstimator {
    before: Vec<[Complex32; BINS]>,
    speaking: u32,
    passed: u32,
    looks: u32,
    drift: f64,
}

impl DriftEstimator {
    pub fn new() -> Self {
        Self { before: vec![[Complex32::ZERO; BINS]; PARTS], speaking: 0, passed: 0, looks: 0, drift: 0.0 }
    }

    /// The filter was moved: the next look is compared with one after this.
    pub fn restart(&mut self) {
        self.speaking = 0;
        self.passed = 0;
        self.looks = 0;
    }

    /// After each block. The drift (parts per one by which the echo's delay
    /// grows) when it is known better than before.
    pub fn run(&mut self, speaking: bool, path: &[[Complex32; BINS]]) -> Option<f64> {
        self.passed += 1;
        self.speaking += u32::from(speaking);
        if self.speaking < EVERY {
            return None;
        }
        let seconds = self.passed as f64;
        let shift = self.shift(path);
        for (before, now) in self.before.iter_mut().zip(path) {
            *before = *now;
        }
        self.speaking = 0;
        self.passed = 0;
        self.looks += 1;
        // The first looks compare with a filter that has only begun.
        let shift = shift.filter(|_| self.looks > 2)?;
        let seen = f64::from(shift) / (seconds * BLOCK as f64);
        let share = if self.looks < 6 { FIRST } else { LATER };
        self.drift = (self.drift + share * seen).clamp(-MOST, MOST);
        Some(self.drift)
    }

    /// Samples by which the path now is later than before.
    fn shift(&self, path: &[[Complex32; BINS]]) -> Option<f32> {
        let step = std::f32::consts::PI / (BINS - 1) as f32;
        let (mut turned, mut weight, mut all) = (0.0, 0.0, 0.0);
        let mut cross = [Complex32::ZERO; BINS];
        for (before, now) in self.before.iter().zip(path) {
            for ((cross, a), b) in cross.iter_mut().zip(before).zip(now) {
                *cross += b * a.conj();
                all += a.norm_sqr() + b.norm_sqr();
            }
        }
        // 300 Hz to 5 kHz, where loudspeakers and speech have something to say.
        for (bin, cross) in cross.iter().enumerate().take(100).skip(6) {
            let frequency = bin as f32 * step;
            let size = cross.norm();
            turned -= size * frequency * cross.arg();
            weight += size * frequency * frequency;
        }
        let shift = turned / (weight + 1e-12);
        let back = |bin: usize| Complex32::from_polar(1.0, shift * bin as f32 * step);
        let alike: Complex32 = cross.iter().enumerate().map(|(bin, c)| c * back(bin)).sum();
        (2.0 * alike.re > ALIKE * all).then_some(shift)
    }
}
