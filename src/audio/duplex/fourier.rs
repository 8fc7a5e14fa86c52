//! Real Fourier transforms of one length, with their working space made once.

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Both directions of one length.
pub(super) struct Fourier {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    scratch: Vec<Complex32>,
    copy: Vec<f32>,
    copy_bins: Vec<Complex32>,
    length: usize,
}

impl Fourier {
    /// For `length` samples, which are `length / 2 + 1` bins.
    pub fn new(length: usize) -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Self {
            forward,
            inverse,
            scratch: vec![Complex32::ZERO; scratch],
            copy: vec![0.0; length],
            copy_bins: vec![Complex32::ZERO; length / 2 + 1],
            length,
        }
    }

    /// The spectrum of `length` samples, not scaled.
    pub fn forward(&mut self, samples: &[f32], bins: &mut [Complex32]) {
        self.copy.copy_from_slice(samples);
        // It can only fail on a wrong length, and the lengths are this object's own.
        let done = self.forward.process_with_scratch(&mut self.copy, bins, &mut self.scratch);
        debug_assert!(done.is_ok());
    }

    /// The samples of a spectrum, scaled so that it undoes [`Self::forward`].
    pub fn inverse(&mut self, bins: &[Complex32], samples: &mut [f32]) {
        self.copy_bins.copy_from_slice(bins);
        if let [first, .., last] = self.copy_bins.as_mut_slice() {
            (first.im, last.im) = (0.0, 0.0);
        }
        let done = self.inverse.process_with_scratch(&mut self.copy_bins, samples, &mut self.scratch);
        debug_assert!(done.is_ok());
        let scale = 1.0 / self.length as f32;
        samples.iter_mut().for_each(|s| *s *= scale);
    }
}
