//! How much of each band is not echo, learnt from many rooms.
//!
//! What the Kalman filter leaves is judged by a small recurrent network, after
//! J.-M. Valin et al., "Low-complexity, real-time joint neural echo control and
//! speech enhancement based on PercepNet", ICASSP 2021: it sees powers only,
//! as ratios, so neither level nor language matter, and answers with one gain a
//! band. What [`super::residual`] estimates is one of the things it sees.

use realfft::num_complex::Complex32;

use super::network::{self, Network};
use super::residual::{Powers, db};

/// Bands of the linear filter's range.
pub(super) const BANDS: usize = 19;

/// How many things are seen of each band, and of the whole.
const EACH: usize = 8;
const WHOLE: usize = 4;
pub(super) const INPUTS: usize = EACH * BANDS + WHOLE;

/// Smoothing of what the coherence is made of.
const SMOOTH: f32 = 0.25;

const TINY: f32 = 1e-12;

static WEIGHTS: &[u8] = include_bytes!("mask.bin");
const _: () = assert!(WEIGHTS.len() == network::size(INPUTS, BANDS), "mask.bin is of another network");

/// What else is known in one frame.
pub(super) struct Scene<'a> {
    /// Spectra of what is left, of the echo found, and of the reference.
    pub spectra: &'a [Vec<Complex32>; 3],
    /// Power by bin of the echo left, as estimated.
    pub left: &'a [f32],
    /// How sure it is that the near end speaks, 0 to 1.
    pub near: f32,
    /// By how many dB what is left jumps against what was found.
    pub spread: f32,
    /// How many dB the echo found is above its mean.
    pub loud: f32,
    /// The far end is heard, or was until its echo died away.
    pub far: bool,
}

/// The judge.
pub(super) struct Mask {
    network: Network,
    bands: [(usize, usize); BANDS],
    /// Of what is left and the echo found: the cross spectrum and both powers, smoothed.
    cross: Vec<Complex32>,
    seen: Vec<f32>,
    found: Vec<f32>,
    inputs: [f32; INPUTS],
    gains: [f32; BANDS],
}

impl Mask {
    pub fn new(bands: [(usize, usize); BANDS], bins: usize) -> Self {
        Self {
            network: Network::read(WEIGHTS, INPUTS, BANDS),
            bands,
            cross: vec![Complex32::ZERO; bins],
            seen: vec![0.0; bins],
            found: vec![0.0; bins],
            inputs: [0.0; INPUTS],
            gains: [1.0; BANDS],
        }
    }

    /// What the network was shown last.
    pub fn inputs(&self) -> &[f32; INPUTS] {
        &self.inputs
    }

    /// As at the beginning of a call.
    pub fn forget(&mut self) {
        self.network.forget();
    }

    /// Power by band.
    pub fn powers(&self, bins: &[f32]) -> [f32; BANDS] {
        self.bands.map(|(begin, end)| bins[begin..end].iter().sum())
    }

    /// Judges one frame.
    pub fn run(&mut self, powers: &Powers, scene: &Scene) {
        let [error, echo, reference] = scene.spectra;
        let last = self.bands[BANDS - 1].1;
        for bin in 0..last {
            let (e, y) = (error[bin], echo[bin]);
            let cross = self.cross[bin];
            self.cross[bin] = cross + (e * y.conj() - cross) * SMOOTH;
            self.seen[bin] += (e.norm_sqr() - self.seen[bin]) * SMOOTH;
            self.found[bin] += (y.norm_sqr() - self.found[bin]) * SMOOTH;
        }
        for (band, (begin, end)) in self.bands.iter().enumerate() {
            let bins = *begin..*end;
            let sum = |of: &[f32]| db(of[bins.clone()].iter().sum());
            let spectrum = |of: &[Complex32]| db(of[bins.clone()].iter().map(|c| c.norm_sqr()).sum());
            let seen = sum(powers.error);
            let under = |what: f32| (what - seen).clamp(-40.0, 30.0) / 20.0;
            let (left, whole) = self.coherence(bins.clone());
            let input = &mut self.inputs[band * EACH..(band + 1) * EACH];
            input.copy_from_slice(&[
                (seen - sum(powers.noise)).clamp(-10.0, 50.0) / 20.0,
                under(spectrum(echo)),
                under(sum(powers.echo)),
                under(sum(scene.left)),
                under(sum(powers.uncertain)),
                under(spectrum(reference)),
                2.0 * left - 1.0,
                2.0 * whole - 1.0,
            ]);
        }
        self.inputs[EACH * BANDS..].copy_from_slice(&[
            2.0 * scene.near - 1.0,
            if scene.far { 1.0 } else { -1.0 },
            scene.loud.clamp(-20.0, 20.0) / 20.0,
            (scene.spread - 7.0).clamp(-6.0, 6.0) / 3.0,
        ]);
        self.network.run(&self.inputs, &mut self.gains);
    }

    /// How alike the echo found is to what is left of the microphone, and to the whole of it.
    fn coherence(&self, bins: std::ops::Range<usize>) -> (f32, f32) {
        let (mut left, mut left_most, mut whole, mut whole_most) = (0.0, TINY, 0.0, TINY);
        for bin in bins {
            let (cross, seen, found) = (self.cross[bin], self.seen[bin], self.found[bin]);
            left += cross.norm_sqr();
            left_most += seen * found;
            whole += (cross + found).norm_sqr();
            whole_most += (seen + found + 2.0 * cross.re).max(0.0) * found;
        }
        (left / left_most, whole / whole_most)
    }

    /// The gains, between the middles of the bands in even steps; `out` has a place for each bin of the bands.
    pub fn gains(&self, out: &mut [f32]) {
        let middle = |band: usize| 0.5 * (self.bands[band].0 + self.bands[band].1 - 1) as f32;
        let mut band = 0;
        for (bin, gain) in out.iter_mut().enumerate() {
            while band + 1 < BANDS && middle(band + 1) <= bin as f32 {
                band += 1;
            }
            let next = (band + 1).min(BANDS - 1);
            let wide = (middle(next) - middle(band)).max(1.0);
            let share = ((bin as f32 - middle(band)) / wide).clamp(0.0, 1.0);
            *gain = self.gains[band] + share * (self.gains[next] - self.gains[band]);
        }
    }
}
