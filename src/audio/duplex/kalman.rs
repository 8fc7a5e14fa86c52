//! The linear echo canceller: a frequency-domain adaptive Kalman filter in
//! partitions.
//!
//! The echo path is the state of a first-order Markov model, and the near end
//! is its observation noise. The covariance of the state then is the step size
//! control: nothing else has to find out whether both are speaking.
//!
//! G. Enzner, P. Vary, "Frequency-domain adaptive Kalman filter for acoustic
//! echo control in hands-free telephones", Signal Processing 86 (2006);
//! F. Kuech, E. Mabande, G. Enzner, "State-space architecture of the
//! partitioned-block-based acoustic echo controller", ICASSP 2014. The
//! observation noise is the smoothed error itself, as both have it; sharper
//! estimates of it converged no sooner here.

use realfft::num_complex::Complex32;

use super::BLOCK;
use super::fourier::Fourier;
use super::inputs::Inputs;

/// Bins of a spectrum of two blocks at 16 kHz, 50 Hz apart.
pub(super) const BINS: usize = BLOCK + 1;

/// Partitions of 10 ms: echo that long after the loudspeaker's first sound is modelled.
pub(super) const PARTS: usize = 20;

/// How much of the echo path is the same 10 ms later (power). Lower follows
/// moving people and drift sooner, higher cancels deeper.
const SAME: f32 = 0.9995;

/// What 200 blocks make of that.
const PAUSE: f32 = 0.1;

/// How far an echo path is trusted to differ from nothing at the start (power
/// gain), and how fast that falls with the room's decay, per partition.
const START: f32 = 0.05;
const START_DECAY: f32 = 0.6;

/// An overlap-save error spectrum has half the power of its input's: R/M in the papers.
const HALF: f32 = 0.5;

const SILENT: f32 = 1e-9;

/// A part of the path is loud where it has this share of the loudest part's energy.
const LOUD: f32 = 0.5;

/// Smoothing of the near end's power, from block to block.
const NEAR_MEMORY: f32 = 0.8;

/// The filter.
pub(super) struct Kalman {
    fourier: Fourier,
    inputs: Inputs,
    path: Vec<[Complex32; BINS]>,
    covariance: Vec<[f32; BINS]>,
    /// Power of what the reference does not explain: the near end.
    near: [f32; BINS],
    /// Power that the covariance expects in the error.
    uncertain: [f32; BINS],
    time: [f32; 2 * BLOCK],
    error: [Complex32; BINS],
    sum: [Complex32; BINS],
}

impl Kalman {
    pub fn new() -> Self {
        Self {
            fourier: Fourier::new(2 * BLOCK),
            inputs: Inputs::new(),
            path: vec![[Complex32::ZERO; BINS]; PARTS],
            covariance: start().map(|p| [p; BINS]).collect(),
            near: [SILENT; BINS],
            uncertain: [0.0; BINS],
            time: [0.0; 2 * BLOCK],
            error: [Complex32::ZERO; BINS],
            sum: [Complex32::ZERO; BINS],
        }
    }

    /// The reference is read `parts` partitions later (or, negative, earlier)
    /// than before; `history` is what would have been read, oldest block first,
    /// one block more than there are partitions.
    pub fn realign(&mut self, parts: isize, history: &[f32]) {
        let fill = start();
        let steps = parts.unsigned_abs().min(PARTS);
        if parts > 0 {
            self.path.rotate_left(steps);
            self.covariance.rotate_left(steps);
        } else {
            self.path.rotate_right(steps);
            self.covariance.rotate_right(steps);
        }
        for (part, start) in fill.enumerate() {
            let new = if parts > 0 { part + steps >= PARTS } else { part < steps };
            if new {
                self.path[part] = [Complex32::ZERO; BINS];
                self.covariance[part] = [start; BINS];
            } else {
                self.covariance[part].iter_mut().for_each(|p| *p = p.max(start));
            }
        }
        self.inputs.refill(history);
    }

    /// Begins again after a pause, with the path as it was, and with as much
    /// doubt about it as two seconds bring. `history` as for [`Self::realign`].
    pub fn resume(&mut self, history: &[f32]) {
        for (path, covariance) in self.path.iter().zip(&mut self.covariance) {
            for (p, w) in covariance.iter_mut().zip(path) {
                *p += PAUSE * (w.norm_sqr() - *p).max(0.0);
            }
        }
        self.inputs.refill(history);
    }

    /// Whether so many partitions in (or one beside) the path is about as loud as anywhere.
    pub fn is_loud_at(&self, part: usize) -> bool {
        let energy = |part: &[Complex32; BINS]| part.iter().map(Complex32::norm_sqr).sum::<f32>();
        let loudest = |parts: &[[Complex32; BINS]]| parts.iter().map(energy).fold(0.0, f32::max);
        let here = &self.path[part.saturating_sub(1).min(PARTS)..(part + 2).min(PARTS)];
        loudest(here) > LOUD * loudest(&self.path)
    }

    /// Another filter, which understands more, has this path: so far as the two are apart, this one is in doubt.
    pub fn doubt(&mut self, other: &[[Complex32; BINS]]) {
        for ((path, covariance), other) in self.path.iter().zip(&mut self.covariance).zip(other) {
            let apart = path.iter().zip(other).map(|(w, o)| (w - o).norm_sqr()).sum::<f32>() / BINS as f32;
            covariance.iter_mut().for_each(|p| *p = p.max(apart));
        }
    }

    /// What it works on.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// The path by partition and bin.
    pub fn path(&self) -> &[[Complex32; BINS]] {
        &self.path
    }

    /// What of the error's power, by bin, is expected to be echo that the filter has not learnt.
    pub fn uncertain(&self) -> &[f32; BINS] {
        &self.uncertain
    }

    /// Estimates the echo of one block, and learns from what is left.
    pub fn run(&mut self, reference: &[f32; BLOCK], mic: &[f32; BLOCK], echo: &mut [f32; BLOCK]) {
        self.inputs.take(reference);
        self.sum = [Complex32::ZERO; BINS];
        for part in 0..PARTS {
            let (x, w) = (self.inputs.part(part), &self.path[part]);
            for ((sum, x), w) in self.sum.iter_mut().zip(x).zip(w) {
                *sum += x * w;
            }
        }
        self.fourier.inverse(&self.sum, &mut self.time);
        echo.copy_from_slice(&self.time[BLOCK..]);
        self.time[..BLOCK].fill(0.0);
        for (error, (mic, echo)) in self.time[BLOCK..].iter_mut().zip(mic.iter().zip(&*echo)) {
            *error = mic - echo;
        }
        self.fourier.forward(&self.time, &mut self.error);
        self.expect();
        if self.teaches() {
            self.learn();
        }
    }

    /// Whether anything can be learnt from the newest block of the reference.
    pub fn teaches(&self) -> bool {
        !self.inputs.is_tone() && !self.inputs.is_sudden()
    }

    fn expect(&mut self) {
        self.uncertain = [0.0; BINS];
        if self.inputs.is_tone() {
            return;
        }
        for part in 0..PARTS {
            let (x, p) = (self.inputs.part(part), &self.covariance[part]);
            for ((sum, x), p) in self.uncertain.iter_mut().zip(x).zip(p) {
                *sum += HALF * x.norm_sqr() * p;
            }
        }
    }

    fn learn(&mut self) {
        // Scaled by the inverse of the innovation's power from here on.
        for ((error, near), unsure) in self.error.iter_mut().zip(&mut self.near).zip(&self.uncertain) {
            *near += (1.0 - NEAR_MEMORY) * (error.norm_sqr() - *near);
            *error /= *near + unsure + SILENT;
        }
        for part in 0..PARTS {
            self.correct(part);
        }
    }

    /// One partition's Kalman step.
    fn correct(&mut self, part: usize) {
        let x = self.inputs.part(part);
        let (w, p) = (&mut self.path[part], &mut self.covariance[part]);
        for bin in 0..BINS {
            self.sum[bin] = self.error[bin] * x[bin].conj() * p[bin];
        }
        // The gradient is constrained to one block, or the partitions would wrap round.
        self.fourier.inverse(&self.sum, &mut self.time);
        self.time[BLOCK..].fill(0.0);
        self.fourier.forward(&self.time, &mut self.sum);
        for bin in 0..BINS {
            let expected = self.near[bin] + self.uncertain[bin] + SILENT;
            let kept = 1.0 - HALF * p[bin] * x[bin].norm_sqr() / expected;
            w[bin] = (w[bin] + self.sum[bin]) * SAME.sqrt();
            p[bin] = SAME * kept.max(0.0) * p[bin] + (1.0 - SAME) * w[bin].norm_sqr();
        }
    }
}

/// The covariance of each partition before anything is known.
fn start() -> impl Iterator<Item = f32> {
    std::iter::successors(Some(START), |start| Some(start * START_DECAY)).take(PARTS)
}
