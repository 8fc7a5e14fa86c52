//! A second filter that learns whatever happens, and tells when the first is wrong.
//!
//! The Kalman filter weighs what it hears against its own doubt. Where it is
//! sure of something that is no longer so (a loudspeaker that was turned up, a
//! path that changed while nobody spoke), it takes the echo for somebody, and
//! stays sure. This one is never sure: a normalised LMS filter in partitions,
//! worse in every quiet hour and useless in double talk, but where it leaves
//! clearly less than the first, the first has to doubt.
//!
//! K. Ochiai, T. Araseki, T. Ogihara, "Echo canceler with two echo path
//! models", IEEE Trans. Comm. 25 (1977); of J. Soo, K. Pang, "Multidelay block
//! frequency domain adaptive filter", IEEE Trans. ASSP 38 (1990), the form with
//! one partition constrained at a time.

use realfft::num_complex::Complex32;

use super::BLOCK;
use super::fourier::Fourier;
use super::inputs::Inputs;
use super::kalman::{BINS, PARTS};

/// Step size, of two at most.
const STEP: f32 = 0.5;

/// A bin's reference counts as at least this share of the mean over all bins, and as -70 dBFS.
const FLAT: f32 = 0.01;
const QUIET: f32 = 32e-6;

/// Smoothing of what is left, a block: 200 ms.
const RECENT: f32 = 0.05;

/// It is better where it leaves less than this of what the first leaves, and of what is heard,
const BETTER: f32 = 0.5;

/// so many blocks in a row.
const SURE: u32 = 10;

/// The filter.
pub(super) struct Shadow {
    fourier: Fourier,
    path: Vec<[Complex32; BINS]>,
    /// The partition that is constrained next.
    next: usize,
    time: [f32; 2 * BLOCK],
    error: [Complex32; BINS],
    sum: [Complex32; BINS],
    power: [f32; BINS],
    /// Smoothed powers of the microphone, of what the first filter left, and of what this one left.
    heard: f32,
    first: f32,
    left: f32,
    better: u32,
}

impl Shadow {
    pub fn new() -> Self {
        Self {
            fourier: Fourier::new(2 * BLOCK),
            path: vec![[Complex32::ZERO; BINS]; PARTS],
            next: 0,
            time: [0.0; 2 * BLOCK],
            error: [Complex32::ZERO; BINS],
            sum: [Complex32::ZERO; BINS],
            power: [0.0; BINS],
            heard: 0.0,
            first: 0.0,
            left: 0.0,
            better: 0,
        }
    }

    /// The path by partition and bin.
    pub fn path(&self) -> &[[Complex32; BINS]] {
        &self.path
    }

    /// The reference is read `parts` partitions later, or earlier.
    pub fn realign(&mut self, parts: isize) {
        let steps = parts.unsigned_abs().min(PARTS);
        let new = if parts > 0 {
            self.path.rotate_left(steps);
            PARTS - steps..PARTS
        } else {
            self.path.rotate_right(steps);
            0..steps
        };
        self.path[new].fill([Complex32::ZERO; BINS]);
        (self.heard, self.first, self.left, self.better) = (0.0, 0.0, 0.0, 0);
    }

    /// Learns from one block in which the far end speaks; `echo` is what the first filter found.
    /// True if this one has been better for a while.
    pub fn run(&mut self, inputs: &Inputs, mic: &[f32; BLOCK], echo: &[f32; BLOCK]) -> bool {
        self.sum = [Complex32::ZERO; BINS];
        self.power = [0.0; BINS];
        for (part, path) in self.path.iter().enumerate() {
            let bins = self.sum.iter_mut().zip(&mut self.power).zip(inputs.part(part)).zip(path);
            for (((sum, power), x), w) in bins {
                *sum += x * w;
                *power += x.norm_sqr();
            }
        }
        self.fourier.inverse(&self.sum, &mut self.time);
        self.time[..BLOCK].fill(0.0);
        let (mut heard, mut first, mut left) = (0.0, 0.0, 0.0);
        for ((own, mic), echo) in self.time[BLOCK..].iter_mut().zip(mic).zip(echo) {
            *own = mic - *own;
            heard += mic * mic;
            first += (mic - echo) * (mic - echo);
            left += *own * *own;
        }
        self.fourier.forward(&self.time, &mut self.error);
        self.learn(inputs);
        self.heard += RECENT * (heard - self.heard);
        self.first += RECENT * (first - self.first);
        self.left += RECENT * (left - self.left);
        let better = self.left < BETTER * self.first.min(self.heard);
        self.better = if better { self.better + 1 } else { 0 };
        if self.better < SURE {
            return false;
        }
        self.better = 0;
        true
    }

    fn learn(&mut self, inputs: &Inputs) {
        let least = FLAT * self.power.iter().sum::<f32>() / BINS as f32 + QUIET * PARTS as f32;
        for (error, power) in self.error.iter_mut().zip(&self.power) {
            *error *= STEP / power.max(least);
        }
        for (part, path) in self.path.iter_mut().enumerate() {
            for ((w, x), error) in path.iter_mut().zip(inputs.part(part)).zip(&self.error) {
                *w += error * x.conj();
            }
        }
        // What of it wraps round is cut off one partition at a time, which is soon enough.
        let path = &mut self.path[self.next];
        self.fourier.inverse(path, &mut self.time);
        self.time[BLOCK..].fill(0.0);
        self.fourier.forward(&self.time, path);
        self.next = (self.next + 1) % PARTS;
    }
}
