//! Takes away what the linear filter leaves: gently while somebody speaks,
//! wholly while nobody does, with noise in its place.
//!
//! A Wiener gain by the decision-directed signal-to-noise ratio of Y. Ephraim,
//! D. Malah, "Speech enhancement using a minimum mean-square error short-time
//! spectral amplitude estimator", IEEE Trans. ASSP 32 (1984), in overlapping
//! frames of 20 ms. What the gain leaves below the background's noise is filled
//! up with noise of that power, so that the far end hears no gate.

use realfft::num_complex::Complex32;

use super::fourier::Fourier;
use super::kalman;
use super::noise::Noise;
use super::residual::{Powers, Residual};
use super::{FRAME, Samples};

/// Bins of two frames at 48 kHz, 50 Hz apart like the filter's.
const BINS: usize = FRAME + 1;

/// Above this bin (7.6 kHz) the reference itself stands for the echo.
const LINEAR_END: usize = 152;

/// A windowed spectrum at 48 kHz is so much more power than one of the filter's.
const SCALE: f32 = 9.0;

/// How the found echo is held, a frame: reverberation that the filter is too short for.
const DECAY: f32 = 0.7;
const LATE_DECAY: f32 = 0.9;
const LATE_SHARE: f32 = 0.1;

/// Smoothing of the decision-directed ratio.
const DECISION: f32 = 0.9;

/// Noise is lowered to this amplitude (12 dB), echo in double talk to that.
const NOISE_FLOOR: f32 = 0.25;
const ECHO_FLOOR: f32 = 0.1;

/// How many times the echo left is taken in far-end single talk, beside once in double talk.
const FIRM: f32 = 8.0;

/// In far-end single talk a bin is closed up to this many times the (firm) echo left.
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
    silent: u32,
    random: u32,
    /// 1 where noise is to be suppressed.
    noise_weight: f32,
    noise_floor: f32,
}

impl Suppressor {
    pub fn new(noise_suppression: bool) -> Self {
        let step = std::f32::consts::PI / (2 * FRAME) as f32;
        let zeros = || vec![0.0; BINS];
        Self {
            fourier: Fourier::new(2 * FRAME),
            window: (0..2 * FRAME).map(|n| ((n as f32 + 0.5) * step).sin()).collect(),
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
            residual: Residual::new(BINS),
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

    /// Power of the noise behind everything, as the mean square of a sample.
    pub fn noise_power(&self) -> f32 {
        self.noise.power().iter().sum::<f32>() / (FRAME * FRAME) as f32
    }

    /// Forgets all sound on its way, and nothing that was learnt.
    pub fn flush(&mut self) {
        self.last = [[0.0; FRAME]; 3];
        self.tail = [0.0; FRAME];
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
            self.time.iter_mut().zip(&self.window).for_each(|(sample, weight)| *sample *= weight);
            self.fourier.forward(&self.time, &mut self.spectra[which]);
        }
        self.silent = if far.speaks { 0 } else { self.silent.saturating_add(1) };
        self.powers(uncertain);
        let alone = !self.far();
        self.noise.run(&self.spectra[0], alone);
        self.residual.judge(&Powers {
            error: &self.error,
            echo: &self.echo,
            noise: self.noise.power(),
            uncertain: &self.uncertain,
            teach: far.teaches,
        });
        self.residual.estimate(&self.echo, &self.uncertain, &mut self.left);
        self.suppress();
        self.fourier.inverse(&self.spectra[0], &mut self.time);
        let (now, next) = self.time.split_at(FRAME);
        let (rise, fall) = self.window.split_at(FRAME);
        for n in 0..FRAME {
            out[n] = self.tail[n] + now[n] * rise[n];
            self.tail[n] = next[n] * fall[n];
        }
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

    fn suppress(&mut self) {
        const TINY: f32 = 1e-12;
        let near = self.residual.near();
        let firm = 1.0 + (1.0 - near) * FIRM;
        let nobody = (1.0 - near) * (1.0 - near);
        for bin in 0..BINS {
            let (seen, behind) = (self.error[bin] + TINY, self.noise.power()[bin]);
            let echo = firm * self.left[bin];
            let noise = behind * self.noise_weight;
            let unwanted = echo + noise + TINY;
            let ratio =
                DECISION * self.clean[bin] / unwanted + (1.0 - DECISION) * (seen / unwanted - 1.0).max(0.0);
            let wiener = ratio / (1.0 + ratio);
            self.clean[bin] = wiener * wiener * seen;
            let floor = (echo * ECHO_FLOOR * near + noise * self.noise_floor) / unwanted;
            // What stands so far above all echo that may be left is somebody, though one bin is no proof.
            let closed = (echo / unwanted).min(FAR_ABOVE * echo / seen);
            let gain = wiener.max(floor) * (1.0 - nobody * closed);
            // Below 100 Hz there is nothing but rumble.
            let gain = if bin < 2 { 0.0 } else { gain };
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
