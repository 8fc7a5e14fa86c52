//! The noise behind everything, bin by bin.
//!
//! T. Gerkmann, R. Hendriks, "Unbiased MMSE-based noise power estimation with
//! low complexity and low tracking delay", IEEE Trans. ASLP 20 (2012), held
//! below a multiple of the least smoothed power of the last 1.6 s after
//! R. Martin, "Noise power spectral density estimation based on optimal
//! smoothing and minimum statistics", IEEE Trans. SAP 9 (2001): speech has
//! gaps, noise has none. A line in the spectrum is no noise either but a
//! tone: a bin counts for little more than those around it. It rises only while the far end is silent, so that it
//! cannot take in echo.

use realfft::num_complex::Complex32;

/// A-priori signal-to-noise ratio of speech where there is any: 15 dB.
const SPEECH: f32 = 31.6;

/// Time constants of one frame.
const FOLLOW: f32 = 0.1;
const SMOOTH: f32 = 0.15;

/// Windows of the minimum, and frames in each.
const WINDOWS: usize = 8;
const FRAMES: u32 = 20;

/// What the mean of noise is above its minimum, generously.
const ABOVE_LEAST: f32 = 3.5;

/// A bin is no more than this multiple of its neighbours' mean, which are so far away on either side.
const ABOVE_OTHERS: f32 = 4.0;
const OTHERS: std::ops::RangeInclusive<usize> = 3..=6;

const SILENT: f32 = 1e-9;

/// The estimate.
pub(super) struct Noise {
    power: Vec<f32>,
    smooth: Vec<f32>,
    least: [Vec<f32>; WINDOWS],
    window: usize,
    frames: u32,
    begun: bool,
}

impl Noise {
    pub fn new(bins: usize) -> Self {
        Self {
            power: vec![SILENT; bins],
            smooth: vec![0.0; bins],
            least: std::array::from_fn(|_| vec![f32::MAX; bins]),
            window: 0,
            frames: 0,
            begun: false,
        }
    }

    /// Power by bin.
    pub fn power(&self) -> &[f32] {
        &self.power
    }

    /// Takes the spectrum of one frame; `alone` says that it holds no echo.
    pub fn run(&mut self, spectrum: &[Complex32], alone: bool) {
        self.frames += 1;
        if self.frames > FRAMES {
            self.frames = 1;
            self.window = (self.window + 1) % WINDOWS;
            self.least[self.window].fill(f32::MAX);
        }
        for (bin, value) in spectrum.iter().enumerate() {
            let seen = value.norm_sqr();
            let smooth = &mut self.smooth[bin];
            let power = &mut self.power[bin];
            if !self.begun {
                (*smooth, *power) = (seen, seen);
            }
            *smooth += SMOOTH * (seen - *smooth);
            let here = &mut self.least[self.window][bin];
            *here = here.min(*smooth);
            let least = self.least.iter().fold(f32::MAX, |least, window| least.min(window[bin]));
            let ratio = seen / (*power + SILENT);
            let speech = 1.0 / (1.0 + (1.0 + SPEECH) * (-ratio * SPEECH / (1.0 + SPEECH)).exp());
            let speech = speech.min(0.99);
            let noise = speech * *power + (1.0 - speech) * seen;
            if alone || noise < *power {
                *power += FOLLOW * (noise - *power);
            }
            *power = power.clamp(SILENT, (ABOVE_LEAST * least).max(SILENT));
        }
        self.begun = true;
        self.leave_tones();
    }

    fn leave_tones(&mut self) {
        let (near, far) = (*OTHERS.start(), *OTHERS.end());
        let mean = |bins: &[f32]| bins.iter().sum::<f32>() / bins.len() as f32;
        for bin in far..self.power.len() - far {
            let below = mean(&self.power[bin - far..=bin - near]);
            let above = mean(&self.power[bin + near..=bin + far]);
            self.power[bin] = self.power[bin].min(ABOVE_OTHERS * below.max(above)).max(SILENT);
        }
    }
}
