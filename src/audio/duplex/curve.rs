//! The loudspeaker's curve: small ones and their amplifiers bend what is loud.
//!
//! No linear filter finds harmonics that the reference has not got, and they
//! lie only 15 to 20 dB below the echo. So the reference is bent as the
//! loudspeaker bends it, ahead of the filter: less by a share of what
//! exceeds each of three knees, which are shares of the loudest sample. That
//! is linear in the three shares, so least squares find them: what is left is
//! regressed on what each excess would be after the filter's path.
//!
//! A. Stenger, W. Kellermann, "Adaptation of a memoryless preprocessor for
//! nonlinear acoustic echo cancelling", Signal Processing 80 (2000).

use realfft::num_complex::Complex32;

use super::BLOCK;
use super::fourier::Fourier;
use super::inputs::Inputs;
use super::kalman::{BINS, PARTS};

/// With these, hard clipping is understood to 33 dB and soft saturation to 38, where a line comes to 16 and 20.
const KNEES: [f32; COUNT] = [0.3, 0.5, 0.7];
const COUNT: usize = 3;

/// The loudest sample is forgotten by 0.9 dB in ten seconds of speech.
const FADE: f32 = 0.9999;

/// And is never below -30 dBFS: nothing bends so little.
const LEAST: f32 = 0.03;

/// Memory of the regression from block to block: five seconds in which something exceeds a knee.
const MEMORY: f32 = 0.998;

/// That a loudspeaker is straight is worth as much as this many samples as loud as the noise.
const STRAIGHT: f32 = 100.0;

/// Smoothing of the shares.
const STEP: f32 = 0.1;

/// A share may be this: a cut to nothing is one, and beyond a knee it may also be steeper again.
const SHARE: std::ops::RangeInclusive<f32> = -0.6..=1.1;

const TINY: f32 = 1e-9;

/// The estimator.
pub(super) struct Curve {
    fourier: Fourier,
    /// What exceeds each knee.
    excess: [Inputs; COUNT],
    peak: f32,
    /// Blocks since something did.
    since: usize,
    shares: [f32; COUNT],
    normal: [[f32; COUNT]; COUNT],
    right: [f32; COUNT],
    heard: [[f32; BLOCK]; COUNT],
    time: [f32; 2 * BLOCK],
    sum: [Complex32; BINS],
    scratch: Vec<f32>,
}

impl Curve {
    pub fn new() -> Self {
        Self {
            fourier: Fourier::new(2 * BLOCK),
            excess: std::array::from_fn(|_| Inputs::new()),
            peak: LEAST,
            since: PARTS,
            shares: [0.0; COUNT],
            normal: [[0.0; COUNT]; COUNT],
            right: [0.0; COUNT],
            heard: [[0.0; BLOCK]; COUNT],
            time: [0.0; 2 * BLOCK],
            sum: [Complex32::ZERO; BINS],
            scratch: vec![0.0; (PARTS + 1) * BLOCK],
        }
    }

    /// Takes the next block of the reference.
    pub fn take(&mut self, reference: &[f32; BLOCK]) {
        let loudest = reference.iter().fold(0.0f32, |most, sample| most.max(sample.abs()));
        self.peak = loudest.max(self.peak * FADE).max(LEAST);
        self.since = if loudest > KNEES[0] * self.peak { 0 } else { self.since.saturating_add(1) };
        for (inputs, knee) in self.excess.iter_mut().zip(KNEES) {
            inputs.take(&reference.map(|sample| beyond(sample, knee * self.peak)));
        }
    }

    /// Takes others in place of the last blocks, as [`Inputs::refill`].
    pub fn refill(&mut self, history: &[f32]) {
        for (inputs, knee) in self.excess.iter_mut().zip(KNEES) {
            for (excess, sample) in self.scratch.iter_mut().zip(history) {
                *excess = beyond(*sample, knee * self.peak);
            }
            inputs.refill(&self.scratch);
        }
        self.since = 0;
    }

    /// Bends what was rendered as the loudspeaker does.
    pub fn bend(&self, samples: &mut [f32]) {
        for sample in samples {
            let straight = *sample;
            for (knee, share) in KNEES.iter().zip(&self.shares) {
                *sample -= share * beyond(straight, knee * self.peak);
            }
        }
    }

    /// Learns from what the filter left of a block that holds echo.
    pub fn learn(&mut self, path: &[[Complex32; BINS]], left: &[f32; BLOCK]) {
        if self.since >= PARTS {
            return;
        }
        for (inputs, heard) in self.excess.iter().zip(&mut self.heard) {
            self.sum = [Complex32::ZERO; BINS];
            for (part, path) in path.iter().enumerate() {
                for ((sum, x), w) in self.sum.iter_mut().zip(inputs.part(part)).zip(path) {
                    *sum += x * w;
                }
            }
            self.fourier.inverse(&self.sum, &mut self.time);
            heard.copy_from_slice(&self.time[BLOCK..]);
        }
        // Loud rests are people: they weigh less.
        let weight = BLOCK as f32 / (left.iter().map(|sample| sample * sample).sum::<f32>() + TINY);
        // What the shares of now took away is part of what has to be explained.
        let mut target = left.map(|sample| -sample);
        for (heard, share) in self.heard.iter().zip(&self.shares) {
            target.iter_mut().zip(heard).for_each(|(target, heard)| *target += share * heard);
        }
        let product = |a: &[f32], b: &[f32]| weight * a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        for (row, heard) in self.heard.iter().enumerate() {
            self.right[row] = MEMORY * self.right[row] + product(heard, &target);
            for (column, other) in self.heard.iter().enumerate() {
                let cell = &mut self.normal[row][column];
                *cell = MEMORY * *cell + product(heard, other);
            }
        }
        for (share, best) in self.shares.iter_mut().zip(solve(self.normal, self.right)) {
            *share += STEP * (best.clamp(*SHARE.start(), *SHARE.end()) - *share);
        }
    }
}

/// What of a sample is beyond a knee, on either side.
fn beyond(sample: f32, knee: f32) -> f32 {
    sample - sample.clamp(-knee, knee)
}

/// Least squares with a preference for none: Gauss's elimination of a matrix that is positive definite.
fn solve(mut matrix: [[f32; COUNT]; COUNT], mut right: [f32; COUNT]) -> [f32; COUNT] {
    for at in 0..COUNT {
        matrix[at][at] += STRAIGHT;
    }
    for pivot in 0..COUNT {
        for row in pivot + 1..COUNT {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            for column in pivot..COUNT {
                matrix[row][column] -= factor * matrix[pivot][column];
            }
            right[row] -= factor * right[pivot];
        }
    }
    for row in (0..COUNT).rev() {
        for column in row + 1..COUNT {
            right[row] -= matrix[row][column] * right[column];
        }
        right[row] /= matrix[row][row];
    }
    right
}
