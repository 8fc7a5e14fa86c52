//! How late the echo is: generalised cross-correlation with phase transform.
//!
//! C. Knapp, G. Carter, "The generalized correlation method for estimation of
//! time delay", IEEE Trans. ASSP 24 (1976). Runs at 8 kHz on the last half
//! second of the reference and the last 128 ms of the microphone, every 40 ms,
//! its work spread over the blocks in between. A room has several ways from
//! loudspeaker to microphone, and a later one may be the loudest: a filter that
//! began there could never learn the earlier ones, so the first is told, too.

use std::ops::Range;

use realfft::num_complex::Complex32;

use super::BLOCK;
use super::fourier::Fourier;
use super::reference::Reference;

const WINDOW: usize = 4096;
const HEARD: usize = 1024;
const HOP: usize = 4;

/// 400 ms at 8 kHz.
const LONGEST: usize = 3000;

/// A peak must stand so high above the correlation's effective value,
const CLEAR: f32 = 8.0;

/// so often in a row within so many samples at 8 kHz.
const AGREE: u32 = 3;
const WITHIN: usize = 4;

/// A peak that agreed stays the strongest while it is this share of the highest: two ways may be equally loud.
const STAYS: f32 = 0.7;

/// A way counts if its peak is this share of the strongest's, and so many times the effective value.
const COUNTS: f32 = 0.25;
const FLOOR: f32 = 6.0;

/// The phase transform shows each later way as a ghost before the strongest, too: turned
/// over, and a third of it at most. What is turned over counts with this share.
const NO_GHOST: f32 = 0.45;

/// So much earlier, 60 ms, it may be.
const EARLIER: usize = 480;

/// Smoothing from one estimate to the next.
const MEMORY: f32 = 0.9;

/// Effective value below which the reference counts as silent.
const SILENT: f32 = 3e-4;

/// When the echo arrives, in samples at 16 kHz after the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arrival {
    /// Its first way.
    pub first: f64,
    /// The first if a ghost of a later way should be none.
    pub earliest: f64,
    /// Its loudest way.
    pub strongest: f64,
}

/// The estimator.
pub(super) struct DelayEstimator {
    fourier: Fourier,
    reference: Vec<f32>,
    mic: Vec<f32>,
    far: Vec<Complex32>,
    near: Vec<Complex32>,
    cross: Vec<Complex32>,
    correlation: Vec<f32>,
    step: usize,
    candidate: usize,
    agreed: u32,
    last: [f32; 2],
}

impl DelayEstimator {
    pub fn new() -> Self {
        let bins = || vec![Complex32::ZERO; WINDOW / 2 + 1];
        Self {
            fourier: Fourier::new(WINDOW),
            reference: vec![0.0; WINDOW],
            mic: vec![0.0; WINDOW],
            far: bins(),
            near: bins(),
            cross: bins(),
            correlation: vec![0.0; WINDOW],
            step: 0,
            candidate: 0,
            agreed: 0,
            last: [0.0; 2],
        }
    }

    /// Takes a block of both at 16 kHz. The delay, when it is sure.
    pub fn run(&mut self, reference: &[f32; BLOCK], mic: &[f32; BLOCK]) -> Option<Arrival> {
        halve(reference, &mut self.reference, &mut self.last[0]);
        halve(mic, &mut self.mic[WINDOW - HEARD..], &mut self.last[1]);
        self.step = (self.step + 1) % HOP;
        match self.step {
            0 => {
                self.fourier.forward(&self.reference, &mut self.far);
                self.fourier.forward(&self.mic, &mut self.near);
                None
            }
            1 => {
                let heard = &self.reference[WINDOW - HEARD - LONGEST..];
                let power = heard.iter().map(|s| s * s).sum::<f32>() / heard.len() as f32;
                if power.sqrt() < SILENT {
                    return None;
                }
                // 200 Hz to 3.6 kHz: below is rumble, above is what halving mirrored.
                let band = WINDOW / 40..WINDOW * 36 / 80;
                for bin in band {
                    let cross = self.near[bin] * self.far[bin].conj();
                    let size = cross.norm() + 1e-12;
                    self.cross[bin] = self.cross[bin] * MEMORY + cross / size;
                }
                self.fourier.inverse(&self.cross, &mut self.correlation);
                self.judge()
            }
            _between => None,
        }
    }

    /// The reference's mark was moved by so many blocks: delays are that much longer.
    pub fn slip(&mut self, blocks: isize, reference: &Reference) {
        let samples = blocks * (BLOCK / 2) as isize;
        let turn = -std::f32::consts::TAU / WINDOW as f32;
        for (bin, cross) in self.cross.iter_mut().enumerate() {
            let angle = (bin as isize * samples).rem_euclid(WINDOW as isize) as f32 * turn;
            *cross *= Complex32::from_polar(1.0, angle);
        }
        self.candidate = self.candidate.saturating_add_signed(samples);
        self.refill(reference);
    }

    /// Takes the reference anew, after a pause or with its mark elsewhere.
    pub fn refill(&mut self, reference: &Reference) {
        for back in (0..WINDOW * 2 / BLOCK + 1).rev() {
            halve(&reference.plain(back + 1), &mut self.reference, &mut self.last[0]);
        }
    }

    /// How high the correlation stands at another delay, as a share of the highest.
    pub fn share(&self, delay: f64) -> f32 {
        let there = highest(&self.correlation, around((delay / 2.0).round().max(0.0) as usize));
        let there = self.correlation[there].abs();
        there / (self.correlation[self.candidate.min(LONGEST - 1)].abs() + 1e-12)
    }

    fn judge(&mut self) -> Option<Arrival> {
        let lags = &self.correlation[..LONGEST];
        let effective = (lags.iter().map(|c| c * c).sum::<f32>() / LONGEST as f32).sqrt();
        let mut best = highest(lags, 0..LONGEST);
        let high = lags[best].abs();
        if high < CLEAR * effective {
            self.agreed = 0;
            return None;
        }
        let here = highest(lags, around(self.candidate));
        if lags[here].abs() > STAYS * high {
            best = here;
        }
        self.agreed = if best.abs_diff(self.candidate) <= WITHIN { self.agreed + 1 } else { 1 };
        self.candidate = best;
        if self.agreed < AGREE {
            return None;
        }
        let counts = |lag: &usize| lags[*lag].abs() > (COUNTS * high).max(FLOOR * effective);
        let upright = |lag: &usize| lags[*lag] * lags[best] > 0.0 || lags[*lag].abs() > NO_GHOST * high;
        let before = best.saturating_sub(EARLIER)..best.saturating_sub(WITHIN);
        let exact = |lag: usize| {
            let lag = highest(lags, lag..(lag + 2).min(LONGEST));
            2.0 * (lag as f64 + f64::from(summit(lags, lag)))
        };
        let first = before.clone().filter(counts).find(upright).unwrap_or(best);
        let earliest = before.clone().find(counts).unwrap_or(best);
        Some(Arrival { first: exact(first), earliest: exact(earliest), strongest: exact(best) })
    }
}

/// Lags that count as the same.
fn around(lag: usize) -> Range<usize> {
    lag.saturating_sub(WITHIN).min(LONGEST - 1)..(lag + WITHIN + 1).min(LONGEST)
}

/// Where in a range, which is not empty, the correlation is strongest.
fn highest(lags: &[f32], range: Range<usize>) -> usize {
    let first = range.start;
    range.fold(first, |best, lag| if lags[lag].abs() > lags[best].abs() { lag } else { best })
}

/// Where between its neighbours the top of a peak lies: that of a parabola through the three.
fn summit(lags: &[f32], best: usize) -> f32 {
    let Some([before, peak, after]) = best.checked_sub(1).and_then(|from| lags.get(from..from + 3)) else {
        return 0.0;
    };
    let (before, peak, after) = (before.abs(), peak.abs(), after.abs());
    (0.5 * (before - after) / (before - 2.0 * peak + after).min(-1e-12)).clamp(-0.5, 0.5)
}

/// Appends a block at half its rate.
fn halve(block: &[f32; BLOCK], line: &mut [f32], last: &mut f32) {
    let half = BLOCK / 2;
    line.copy_within(half.., 0);
    let end = line.len() - half;
    for (out, pair) in line[end..].iter_mut().zip(block.as_chunks::<2>().0) {
        *out = 0.25 * *last + 0.5 * pair[0] + 0.25 * pair[1];
        *last = pair[1];
    }
}
