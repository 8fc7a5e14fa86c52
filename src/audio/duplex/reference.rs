//! What was rendered, read again later at the microphone's own speed.
//!
//! A delay line of 16 kHz samples. Rendering writes it at the loudspeaker's
//! pace, in bursts as cards want them; the microphone's frames move a mark
//! through it, one block each; and the filter reads some way behind that mark,
//! between two samples if need be, a little faster or slower. That takes
//! delay and clock drift out of the echo before the filter sees it, and no
//! burst or lost frame of either side moves the reading point.

use std::f64::consts::PI;

use super::BLOCK;

/// Samples kept: one second, for the longest depth, the longest delay and the filter.
const LENGTH: usize = 16384;

/// Taps of the interpolation, and the positions between two samples it is made for.
const TAPS: usize = 24;
const STEPS: usize = 128;

/// The interpolation looks ahead that far.
const MARGIN: f64 = (TAPS / 2) as f64;

/// 400 ms.
const LONGEST: f64 = 6400.0;

/// Blocks that may always lie between what was written and the mark: bursts of both sides.
const CUSHION: isize = 2;

/// So many more, and the microphone stood still meanwhile.
const OUTAGE: isize = 25;

/// Blocks over which the least depth is looked for: one second.
const WATCHED: u32 = 100;

/// How the mark had to be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Not at all.
    Even,
    /// By so many blocks, and the reading point stayed where it was.
    Slip(isize),
    /// With the reading point: what was captured in between is not known.
    Jump,
}

/// The delay line.
pub(super) struct Reference {
    ring: Vec<f32>,
    written: usize,
    /// What the microphone's clock has come to; never more than what was written.
    mark: usize,
    /// The least depth of late, and blocks since it is watched.
    least: isize,
    watched: u32,
    kernels: Vec<[f32; TAPS]>,
    /// Samples between the mark and the end of what is read.
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
        Self {
            ring: vec![0.0; LENGTH],
            written: 0,
            mark: 0,
            least: isize::MAX,
            watched: 0,
            kernels,
            delay: MARGIN,
            drift: 0.0,
        }
    }

    /// Samples at 16 kHz from the mark back to where is read, as [`Self::move_by`] and the drift left it.
    pub fn delay(&self) -> f64 {
        self.delay
    }

    /// Blocks that are written and that the microphone has not come to.
    pub fn depth(&self) -> usize {
        self.written.wrapping_sub(self.mark) / BLOCK
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

    /// The same by samples: the echo's delay has jumped.
    pub fn shift(&mut self, samples: f64) {
        self.delay = (self.delay + samples).clamp(MARGIN, LONGEST);
    }

    /// Adds a block.
    pub fn write(&mut self, block: &[f32; BLOCK]) {
        for sample in block {
            self.ring[self.written % LENGTH] = *sample;
            self.written = self.written.wrapping_add(1);
        }
    }

    /// A block was captured: the mark moves on, and the clocks run apart by a block.
    pub fn advance(&mut self) -> Step {
        self.mark = self.mark.wrapping_add(BLOCK);
        self.delay = (self.delay + self.drift * BLOCK as f64).clamp(MARGIN, LONGEST);
        let depth = self.written.wrapping_sub(self.mark) as isize / BLOCK as isize;
        if depth < 0 {
            return self.slip(depth);
        }
        if depth > OUTAGE {
            self.set_mark(depth - CUSHION);
            return Step::Jump;
        }
        self.least = self.least.min(depth);
        self.watched += 1;
        if self.watched < WATCHED {
            return Step::Even;
        }
        let least = self.least;
        (self.least, self.watched) = (isize::MAX, 0);
        if least > CUSHION { self.slip(least - 1) } else { Step::Even }
    }

    fn slip(&mut self, blocks: isize) -> Step {
        self.set_mark(blocks);
        self.delay = (self.delay + (blocks * BLOCK as isize) as f64).clamp(MARGIN, LONGEST);
        Step::Slip(blocks)
    }

    fn set_mark(&mut self, blocks: isize) {
        self.mark = self.mark.wrapping_add_signed(blocks * BLOCK as isize);
        (self.least, self.watched) = (isize::MAX, 0);
    }

    /// The block that ends so many blocks before the mark, as it was written.
    pub fn plain(&self, back: usize) -> [f32; BLOCK] {
        let begin = self.mark.wrapping_sub((back + 1) * BLOCK);
        std::array::from_fn(|n| self.ring[begin.wrapping_add(n) % LENGTH])
    }

    /// The samples that end `delay` and `back` samples before the mark.
    pub fn read(&self, back: usize, out: &mut [f32]) {
        let count = out.len();
        let behind = self.delay + (back + count) as f64;
        for (n, sample) in out.iter_mut().enumerate() {
            let behind = behind - n as f64 - self.drift * (back + count - n) as f64;
            let whole = behind.ceil();
            let step = (whole - behind) * STEPS as f64;
            let low = step as usize;
            let share = (step - low as f64) as f32;
            let first = self.mark.wrapping_sub(whole as usize + TAPS / 2 - 1);
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
