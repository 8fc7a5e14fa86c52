//! What was rendered, read again later at the microphone's own speed.
//!
//! A delay line of 16 kHz samples whose reading point may lie between two
//! samples and moves a little faster or slower than its writing point. That
//! takes delay and clock drift out of the echo before the filter sees it.

use std::f64::consts::PI;

use super::BLOCK;

/// Samples kept: half a second behind the longest delay and the filter.
const LENGTH: usize = 16384;

/// Taps of the interpolation, and the positions between two samples it is made for.
const TAPS: usize = 24;
const STEPS: usize = 128;

/// The interpolation looks ahead that far.
const MARGIN: f64 = (TAPS / 2) as f64;

/// 400 ms.
const LONGEST: f64 = 6400.0;

/// The delay line.
pub(super) struct Reference {
    ring: Vec<f32>,
    written: usize,
    kernels: Vec<[f32; TAPS]>,
    /// Samples between the end of what was written and the end of what is read.
    delay: f64,
    /// How much faster the microphone's clock is than assumed, as a fraction.
    drift: f64,
}

impl Reference {
    pub fn new() -> Self {
        let kernel = |step: usize| {
            let mut taps = [0.0; TAPS];
            for (n, tap) in taps.iter_mut().enumerate() {
                let at = n as f64 - (TAPS / 2 - 1) as f64 - step as f64 / STEPS as f64;
                let sinc = if at.abs() < 1e-9 { 1.0 } else { (PI * at).sin() / (PI * at) };
                let window = (PI * at / TAPS as f64).cos();
                *tap = (sinc * window * window) as f32;
            }
            taps
        };
        let kernels = (0..=STEPS).map(kernel).collect();
        Self { ring: vec![0.0; LENGTH], written: 0, kernels, delay: MARGIN, drift: 0.0 }
    }

    /// The delay in samples at 16 kHz, as [`Self::move_by`] and the drift left it.
    pub fn delay(&self) -> f64 {
        self.delay
    }

    /// Reads so many blocks further back from now on (or, negative, nearer),
    /// or fewer where the line ends. By how many it was.
    pub fn move_by(&mut self, blocks: isize) -> isize {
        let room = |limit: f64| ((limit - self.delay) / BLOCK as f64) as isize;
        let blocks = blocks.clamp(room(MARGIN).min(0), room(LONGEST).max(0));
        self.delay += (blocks * BLOCK as isize) as f64;
        blocks
    }

    /// Parts per one by which the echo's delay grows.
    pub fn set_drift(&mut self, drift: f64) {
        self.drift = drift;
    }

    /// Adds a block, and lets the clocks run apart by a block.
    pub fn write(&mut self, block: &[f32; BLOCK]) {
        for sample in block {
            self.ring[self.written % LENGTH] = *sample;
            self.written = self.written.wrapping_add(1);
        }
        self.delay = (self.delay + self.drift * BLOCK as f64).clamp(MARGIN, LONGEST);
    }

    /// The block that ends `delay` and `back` samples before the newest one.
    pub fn read(&self, back: usize, out: &mut [f32]) {
        let count = out.len();
        let behind = self.delay + (back + count) as f64;
        for (n, sample) in out.iter_mut().enumerate() {
            let behind = behind - n as f64 - self.drift * (back + count - n) as f64;
            let whole = behind.ceil();
            let step = (whole - behind) * STEPS as f64;
            let low = step as usize;
            let share = (step - low as f64) as f32;
            let first = self.written.wrapping_add(LENGTH).wrapping_sub(whole as usize + TAPS / 2 - 1);
            let (mut a, mut b) = (0.0, 0.0);
            let (here, there) = (&self.kernels[low.min(STEPS)], &self.kernels[(low + 1).min(STEPS)]);
            for (tap, (left, right)) in here.iter().zip(there).enumerate() {
                let value = self.ring[first.wrapping_add(tap) % LENGTH];
                a += value * left;
                b += value * right;
            }
            *sample = a + share * (b - a);
        }
    }
}
