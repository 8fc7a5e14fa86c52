//! Takes away what the linear filter leaves, and puts noise in its place.
//!
//! A mask says how much of each band is echo ([`super::mask`]), the estimate of
//! [`super::residual`] how that is divided among the band's bins. What stays is
//! a Wiener gain by the decision-directed signal-to-noise ratio of Y. Ephraim,
//! D. Malah, "Speech enhancement using a minimum mean-square error short-time
//! spectral amplitude estimator", IEEE Trans. ASSP 32 (1984), in overlapping
//! frames of 20 ms. What the gain leaves below the background's noise is filled
//! up with noise of that power, so that the far end hears no gate.

use realfft::num_complex::Complex32;

use super::fourier::Fourier;
use super::kalman;
use super::mask::{self, Mask, Scene};
use super::noise::Noise;
use super::residual::{Powers, Residual};
use super::{FRAME, Samples};

/// Bins of two frames at 48 kHz, 50 Hz apart like the filter's.
const BINS: usize = FRAME + 1;

/// Above this bin (7.6 kHz) the reference itself stands for the echo.
const LINEAR_END: usize = 152;

const TINY: f32 = 1e-12;

/// A windowed spectrum at 48 kHz is so much more power than one of the filter's.
const SCALE: f32 = 9.0;

/// How the found echo is held, a frame: reverberation that the filter is too short for.
const DECAY: f32 = 0.7;
const LATE_DECAY: f32 = 0.9;
const LATE_SHARE: f32 = 0.1;

/// Smoothing of the decision-directed ratio.
const DECISION: f32 = 0.9;

/// Noise is lowered to this amplitude (12 dB), a bin that is all echo to that.
const NOISE_FLOOR: f32 = 0.25;
const ECHO_FLOOR: f32 = 0.05;

/// Where no echo was ever cancelled, no more is left of one than so many times what was found of it: the far end may
/// send our own voice back, which the mask then takes for an echo.
const MOST_LEFT: f32 = 2.0;

/// Above the mask's bands: how many times the echo left is taken in far-end single talk, beside once in double talk,
const FIRM: f32 = 8.0;
/// and up to how many times that a bin is closed there.
const FAR_ABOVE: f32 = 10.0;

/// Frames after the far end's last word in which echo may still arrive.
const ECHOES: u32 = 30;

/// What the loudspeaker plays.
#[derive(Clone, Copy)]
pub(super) struct Far {
    /// It is to be heard.
    pub speaks: bool,
    /// Something of the echo can be learnt from it.
    pub teaches: bool,
    /// It was heard by the microphone, and cancelled.
    pub proven: bool,
}

/// The suppressor.
pub(super) struct Suppressor {
    fourier: Fourier,
    window: Vec<f32>,
    last: [Samples; 3],
    time: Vec<f32>,
    spectra: [Vec<Complex32>; 3],
    error: Vec<f32>,
    echo: Vec<f32>,
    late: Vec<f32>,
    uncertain: Vec<f32>,
    left: Vec<f32>,
    clean: Vec<f32>,
    tail: Samples,
    noise: Noise,
    residual: Residual,
    mask: Mask,
    shares: Vec<f32>,
    silent: u32,
    random: u32,
    /// 1 where noise is to be suppressed.
    noise_weight: f32,
    noise_floor: f32,
}

impl Suppressor {
    pub fn new(noise_suppression: bool) -> Self {
        let zeros = || vec![0.0; BINS];
        let residual = Residual::new(BINS);
        Self {
            fourier: Fourier::new(2 * FRAME),
            window: window(),
            last: [[0.0; FRAME]; 3],
            time: vec![0.0; 2 * FRAME],
            spectra: std::array::from_fn(|_| vec![Complex32::ZERO; BINS]),
            error: zeros(),
            echo: zeros(),
            late: zeros(),
            uncertain: zeros(),
            left: zeros(),
            clean: zeros(),
            tail: [0.0; FRAME],
            noise: Noise::new(BINS),
            mask: Mask::new(residual.bands(), BINS),
            residual,
            shares: vec![1.0; BINS],
            silent: 0,
            random: 1,
            noise_weight: if noise_suppression { 1.0 } else { 0.0 },
            noise_floor: if noise_suppression { NOISE_FLOOR } else { 1.0 },
        }
    }

    /// The far end is heard, or was until its echo died away.
    pub fn far(&self) -> bool {
        self.silent < ECHOES
    }

    /// How sure it is that the near end speaks.
    pub fn near(&self) -> f32 {
        self.residual.near()
    }

    /// What the network behind the mask was shown last, and power by band of what it was to judge.
    pub fn lesson(&self) -> (&[f32; mask::INPUTS], [f32; mask::BANDS]) {
        (self.mask.inputs(), self.mask.powers(&self.error))
    }

    /// Power by band of another sound in the same window.
    pub fn bands(&mut self, samples: &[f32]) -> [f32; mask::BANDS] {
        self.time.copy_from_slice(samples);
        self.transform(2);
        let powers: Vec<f32> = self.spectra[2].iter().map(|bin| bin.norm_sqr()).collect();
        self.mask.powers(&powers)
    }

    /// Power of the noise behind everything, as the mean square of a sample.
    pub fn noise_power(&self) -> f32 {
        self.noise.power().iter().sum::<f32>() / (FRAME * FRAME) as f32
    }

    /// Forgets all sound on its way, and nothing that was learnt of the room.
    pub fn flush(&mut self) {
        self.last = [[0.0; FRAME]; 3];
        self.tail = [0.0; FRAME];
        self.mask.forget();
    }

    /// The share of that which is left in what comes out.
    pub fn noise_left(&self) -> f32 {
        self.noise_floor * self.noise_floor
    }

    /// One frame of what the linear filter left, of the echo it found and of
    /// the reference as late as both; `out` is 10 ms later than they.
    pub fn run(
        &mut self,
        inputs: [&Samples; 3],
        uncertain: &[f32; kalman::BINS],
        far: Far,
        out: &mut Samples,
    ) {
        for (which, samples) in inputs.into_iter().enumerate() {
            self.time[..FRAME].copy_from_slice(&self.last[which]);
            self.time[FRAME..].copy_from_slice(samples);
            self.last[which] = *samples;
            self.transform(which);
        }
        self.silent = if far.speaks { 0 } else { self.silent.saturating_add(1) };
        self.powers(uncertain);
        let alone = !self.far();
        self.noise.run(&self.spectra[0], alone);
        let powers = Powers {
            error: &self.error,
            echo: &self.echo,
            noise: self.noise.power(),
            uncertain: &self.uncertain,
            teach: far.teaches,
        };
        self.residual.judge(&powers);
        self.residual.estimate(&self.echo, &self.uncertain, &mut self.left);
        let scene = Scene {
            spectra: &self.spectra,
            left: &self.left,
            near: self.residual.near(),
            spread: self.residual.spread(),
            loud: self.residual.loud(),
            far: !alone,
        };
        self.mask.run(&powers, &scene);
        self.mask.gains(&mut self.shares[..LINEAR_END]);
        self.suppress(far.proven);
        self.fourier.inverse(&self.spectra[0], &mut self.time);
        let (now, next) = self.time.split_at(FRAME);
        let (rise, fall) = self.window.split_at(FRAME);
        for n in 0..FRAME {
            out[n] = self.tail[n] + now[n] * rise[n];
            self.tail[n] = next[n] * fall[n];
        }
    }

    /// The spectrum of two frames in their window.
    fn transform(&mut self, which: usize) {
        self.time.iter_mut().zip(&self.window).for_each(|(sample, weight)| *sample *= weight);
        self.fourier.forward(&self.time, &mut self.spectra[which]);
    }

    fn powers(&mut self, uncertain: &[f32; kalman::BINS]) {
        let [error, echo, reference] = &self.spectra;
        for bin in 0..BINS {
            self.error[bin] = error[bin].norm_sqr();
            let found = if bin < LINEAR_END { echo[bin].norm_sqr() } else { reference[bin].norm_sqr() };
            self.late[bin] = found.max(LATE_DECAY * self.late[bin]);
            self.echo[bin] = found.max(DECAY * self.echo[bin]).max(LATE_SHARE * self.late[bin]);
        }
        for (to, from) in self.uncertain.iter_mut().zip(uncertain).take(LINEAR_END) {
            *to = SCALE * from;
        }
    }

    /// What the mask leaves of a band is divided among its bins as the echo estimated there is: harmonics
    /// of the near end lie between those of the echo.
    fn divide(&mut self, proven: bool) {
        let doubt = self.residual.doubt();
        for (begin, end) in self.residual.bands() {
            let sum = |of: &[f32]| of[begin..end].iter().sum::<f32>();
            let seen = sum(&self.error) + TINY;
            let most = MOST_LEFT * sum(&self.echo) + doubt * sum(&self.uncertain);
            let least = if proven { 0.0 } else { (1.0 - most / seen).max(0.0).sqrt() };
            let whole = seen / (sum(&self.left) + TINY);
            for bin in begin..end {
                let share = self.shares[bin].max(least);
                self.shares[bin] = share;
                self.left[bin] *= (1.0 - share * share) * whole;
            }
        }
    }

    /// Above the mask's bands, where the reference itself stands for the echo.
    fn guess(&mut self) {
        let near = self.residual.near();
        let nobody = (1.0 - near) * (1.0 - near);
        for bin in LINEAR_END..BINS {
            let echo = (1.0 + (1.0 - near) * FIRM) * self.left[bin];
            let (seen, behind) = (self.error[bin] + TINY, self.noise.power()[bin]);
            // What stands so far above all echo that may be left is somebody, though one bin is no proof.
            let closed = (echo / (echo + behind + TINY)).min(FAR_ABOVE * echo / seen);
            self.shares[bin] = 1.0 - nobody * closed;
            self.left[bin] = echo;
        }
    }

    fn suppress(&mut self, proven: bool) {
        if self.far() {
            self.divide(proven);
            self.guess();
        } else {
            self.shares.fill(1.0);
            self.left.fill(0.0);
        }
        for bin in 0..BINS {
            let (seen, behind) = (self.error[bin] + TINY, self.noise.power()[bin]);
            let (share, echo) = (self.shares[bin], self.left[bin]);
            let own = share * share * seen;
            let noise = behind * self.noise_weight;
            let unwanted = echo + noise + TINY;
            let ratio =
                DECISION * self.clean[bin] / unwanted + (1.0 - DECISION) * (own / unwanted - 1.0).max(0.0);
            let wiener = ratio / (1.0 + ratio);
            self.clean[bin] = wiener * wiener * own;
            let floor = (echo * ECHO_FLOOR + noise * self.noise_floor) / unwanted;
            // Below 100 Hz there is nothing but rumble.
            let gain = if bin < 2 { 0.0 } else { share * wiener.max(floor) };
            let missing = self.noise_floor * self.noise_floor * behind - gain * gain * seen;
            let fill = Complex32::from_polar(missing.max(0.0).sqrt(), self.angle());
            self.spectra[0][bin] = self.spectra[0][bin] * gain + fill;
        }
    }

    /// A random angle (xorshift, G. Marsaglia 2003).
    fn angle(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random as f32 * (std::f32::consts::TAU / u32::MAX as f32)
    }
}

/// Rises and falls as a sine, so that two in a row and two in time are one.
fn window() -> Vec<f32> {
    let step = std::f32::consts::PI / (2 * FRAME) as f32;
    (0..2 * FRAME).map(|n| ((n as f32 + 0.5) * step).sin()).collect()
}
