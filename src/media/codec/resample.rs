//! 48 kHz to 8 kHz and back by a linear-phase FIR low-pass in polyphase form
//! (Crochiere and Rabiner, Multirate Digital Signal Processing, 1983, ch. 4).
//!
//! The prototype is a sinc under a Kaiser window (Kaiser, 1974; Oppenheim and
//! Schafer, Discrete-Time Signal Processing, 7.5.3). Its edge is at 3.7 kHz
//! with a transition of 600 Hz to either side, so that the telephone band up
//! to 3.4 kHz (ITU-T G.712) passes and what would fold into it is 70 dB down.

/// Ratio of the two rates.
pub(super) const FACTOR: usize = 6;

/// Taps of one phase; the whole filter has `FACTOR` times as many.
/// Kaiser's estimate for 70 dB and 1200 Hz at 48 kHz is 174.
const PHASE_TAPS: usize = 29;

const TAPS: usize = PHASE_TAPS * FACTOR;

/// -6 dB point over the sampling rate.
const CUTOFF: f64 = 3_700.0 / 48_000.0;

/// Kaiser's beta for 70 dB: 0.1102 (A - 8.7).
const BETA: f64 = 6.755;

/// Modified Bessel function of the first kind, order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let mut sum = 1.0;
    let mut term = 1.0;
    for k in 1..32 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

fn prototype() -> [f32; TAPS] {
    let centre = (TAPS - 1) as f64 / 2.0;
    std::array::from_fn(|n| {
        let t = n as f64 - centre;
        let angle = std::f64::consts::TAU * CUTOFF * t;
        let sinc = if t == 0.0 { 1.0 } else { angle.sin() / angle };
        let window = bessel_i0(BETA * (1.0 - (t / centre).powi(2)).max(0.0).sqrt()) / bessel_i0(BETA);
        (2.0 * CUTOFF * sinc * window) as f32
    })
}

fn to_sample(value: f32) -> i16 {
    // `as` saturates, which is the clipping wanted here.
    value.round() as i16
}

/// Six samples in, one out.
pub(super) struct Down {
    taps: [f32; TAPS],
    /// The last `TAPS` samples, written twice so that a window never wraps.
    history: [f32; 2 * TAPS],
    at: usize,
}

impl Down {
    pub(super) fn new() -> Self {
        Self { taps: prototype(), history: [0.0; 2 * TAPS], at: 0 }
    }

    pub(super) fn push(&mut self, group: &[i16; FACTOR]) -> i16 {
        for sample in group {
            self.history[self.at] = f32::from(*sample);
            self.history[self.at + TAPS] = f32::from(*sample);
            self.at = (self.at + 1) % TAPS;
        }
        // The filter is symmetric, so oldest first serves as well as newest first.
        let window = &self.history[self.at..self.at + TAPS];
        to_sample(self.taps.iter().zip(window).map(|(tap, sample)| tap * sample).sum())
    }
}

/// One sample in, six out.
pub(super) struct Up {
    phases: [[f32; PHASE_TAPS]; FACTOR],
    history: [f32; 2 * PHASE_TAPS],
    at: usize,
}

impl Up {
    pub(super) fn new() -> Self {
        let taps = prototype();
        // Newest sample last in the window, so each phase is stored backwards;
        // the gain makes up for the five zeros between samples.
        let phases = std::array::from_fn(|phase| {
            std::array::from_fn(|k| taps[(PHASE_TAPS - 1 - k) * FACTOR + phase] * FACTOR as f32)
        });
        Self { phases, history: [0.0; 2 * PHASE_TAPS], at: 0 }
    }

    pub(super) fn push(&mut self, sample: i16, group: &mut [i16; FACTOR]) {
        self.history[self.at] = f32::from(sample);
        self.history[self.at + PHASE_TAPS] = f32::from(sample);
        self.at = (self.at + 1) % PHASE_TAPS;
        let window = &self.history[self.at..self.at + PHASE_TAPS];
        for (phase, out) in self.phases.iter().zip(group) {
            *out = to_sample(phase.iter().zip(window).map(|(tap, sample)| tap * sample).sum());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Level in dB of a tone of `hertz` after 48 -> 8 -> 48 kHz, against what went in.
    fn level_after(hertz: f64) -> f64 {
        let mut down = Down::new();
        let mut up = Up::new();
        let mut sum = 0.0;
        let mut count = 0.0;
        for block in 0..4000usize {
            let group: [i16; FACTOR] = std::array::from_fn(|i| {
                let t = (block * FACTOR + i) as f64 / 48_000.0;
                (10_000.0 * (std::f64::consts::TAU * hertz * t).sin()) as i16
            });
            let mut out = [0; FACTOR];
            up.push(down.push(&group), &mut out);
            if block > 200 {
                sum += out.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
                count += FACTOR as f64;
            }
        }
        10.0 * ((sum / count) / (10_000.0f64.powi(2) / 2.0)).log10()
    }

    #[test]
    fn the_telephone_band_passes_and_the_rest_does_not_fold_into_it() {
        for hertz in [100.0, 300.0, 1_000.0, 2_000.0, 3_000.0] {
            let level = level_after(hertz);
            assert!(level.abs() < 0.5, "{hertz} Hz: {level:.2} dB");
        }
        for hertz in [4_600.0, 5_000.0, 7_000.0, 9_000.0, 12_000.0, 20_000.0] {
            let level = level_after(hertz);
            assert!(level < -60.0, "{hertz} Hz: {level:.2} dB");
        }
    }
}
