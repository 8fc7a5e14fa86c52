//! How much echo the linear filter left, and whether what is there is more
//! than that: the near end.
//!
//! In each band the echo left is modelled as a share of the echo that was
//! found (a filter not yet exact), plus a share of the whole echo's power at
//! its loudest (harmonics that a small loudspeaker adds where the reference has
//! nothing). Both shares are quantiles, learnt in dB from the ratio of what is
//! left to what was found: somebody who speaks now and then does not move a
//! low quantile, as a mean would be moved.
//!
//! What a leak or drift leaves follows the found echo closely, so the ratio is
//! steady in time; somebody speaking makes it jump. That spread is the
//! evidence which echo cannot forge; it decides how fast the shares may grow
//! while somebody seems to speak, and shifts the decision itself. Compare the
//! leakage estimate of J.-M. Valin, "On adjusting the learning rate in
//! frequency domain echo cancellation with double-talk", IEEE Trans. ASLP 15
//! (2007), which a near end disturbs.

use super::mask;

/// Bands of 200 Hz, and from 1.4 kHz on of 15 %.
const NARROWEST: usize = 4;
const SHARE: usize = 15;

/// First bin that is no rumble, and the bin at 7.6 kHz where the linear filter's band ends.
const LOWEST: usize = 3;
const LINEAR_END: usize = 152;

/// Bands between these bins, 200 Hz to 5.5 kHz, say whether somebody speaks.
const VOICE: std::ops::Range<usize> = 4..110;

/// The quantile of what is left that the model follows, and its steps in dB:
/// at first, and for good.
const QUANTILE: f32 = 0.4;
const STEP_FIRST: f32 = 2.0;
const STEP: f32 = 0.5;
/// Share of the step upwards while somebody seems to speak.
const DOUBTFUL: f32 = 0.1;

/// What may exceed the model without being somebody: this quantile, within these dB.
const UPPER: f32 = 0.9;
const UPPER_LEAST: f32 = 4.0;
const UPPER_MOST: f32 = 10.0;
const UPPER_STEP: f32 = 0.2;
/// The same over noise alone.
const OVER_NOISE: f32 = 5.0;

/// A cone driven twice as hard adds this many dB more for each dB.
const BEND: f32 = 1.0;

/// Found echo this far (in power) below the noise says nothing.
const AUDIBLE: f32 = 0.3;

/// Smoothing of mean and spread of the ratio: about 120 ms.
const SPREAD_RATE: f32 = 0.08;
/// Spread, in dB, between an echo's (5 to 7) and double talk's (8 to 11).
const SPREAD_MIDDLE: f32 = 7.2;
/// How much a spread of one dB counts beside an excess of one dB, at most so much in all.
const SPREAD_WEIGHT: f32 = 2.0;
const SPREAD_MOST: f32 = 3.0;

/// Share of the filter's own doubt that is let pass while somebody speaks: they
/// must not suffer for an echo that was not heard yet, and may not be there at all.
const TRUSTED: f32 = 0.7;

/// Steepness of the decision, its attack and release a frame, and how long it holds.
const SLOPE: f32 = 1.5;
const ATTACK: f32 = 0.6;
const RELEASE: f32 = 0.15;
const HOLD: u32 = 15;

const TINY: f32 = 1e-12;

/// Bins and what is known of them.
#[derive(Clone, Copy)]
pub(super) struct Band {
    pub begin: usize,
    pub end: usize,
    /// dB of the found echo that is left.
    direct: f32,
    /// dB of the whole echo's driving power that is left as harmonics.
    bent: f32,
    seen: f32,
    upper: f32,
    mean: f32,
    spread: f32,
}

/// What is there in one frame, power by bin.
pub(super) struct Powers<'a> {
    /// After the linear filter.
    pub error: &'a [f32],
    /// Found by it; above its band, the reference.
    pub echo: &'a [f32],
    pub noise: &'a [f32],
    /// What the filter expects not to know.
    pub uncertain: &'a [f32],
    /// What is left tells of the filter.
    pub teach: bool,
}

/// The model.
pub(super) struct Residual {
    bands: Vec<Band>,
    level: f32,
    loud: f32,
    driven: f32,
    spread: f32,
    near: f32,
    hold: u32,
}

impl Residual {
    pub fn new(bins: usize) -> Self {
        let mut bands = Vec::new();
        let mut begin = LOWEST;
        while begin < bins {
            let mut end = (begin + (begin * SHARE / 100).max(NARROWEST)).min(bins);
            if begin < LINEAR_END && end > LINEAR_END {
                end = LINEAR_END;
            }
            let direct = if begin < LINEAR_END { -6.0 } else { 0.0 };
            bands.push(Band {
                begin,
                end,
                direct,
                bent: -30.0,
                seen: 0.0,
                upper: 6.0,
                mean: -6.0,
                spread: 36.0,
            });
            begin = end;
        }
        Self { bands, level: -30.0, loud: 0.0, driven: 0.0, spread: 6.0, near: 0.0, hold: 0 }
    }

    /// How sure it is that somebody speaks at the near end, 0 to 1.
    pub fn near(&self) -> f32 {
        self.near
    }

    /// By how many dB what is left jumps against what was found.
    pub fn spread(&self) -> f32 {
        self.spread
    }

    /// How many dB the echo found is above its mean.
    pub fn loud(&self) -> f32 {
        self.loud
    }

    /// The share of the filter's own doubt that counts now.
    pub fn doubt(&self) -> f32 {
        1.0 - TRUSTED * self.near
    }

    /// Bins of the linear filter's bands.
    pub fn bands(&self) -> [(usize, usize); mask::BANDS] {
        std::array::from_fn(|band| (self.bands[band].begin, self.bands[band].end))
    }

    /// Learns from a frame, and decides.
    pub fn judge(&mut self, powers: &Powers) {
        let total = db(powers.echo[VOICE].iter().sum());
        if total > db(powers.noise[VOICE].iter().sum()) {
            self.level += 0.01 * (total - self.level).clamp(-10.0, 30.0);
        }
        self.loud = total - self.level;
        // A cone driven twice as hard bends the sound more than twice as much.
        self.driven = linear(total + BEND * self.loud.clamp(-20.0, 10.0));
        let steady = 1.0 / (1.0 + ((self.spread - SPREAD_MIDDLE) * 2.0).exp());
        let (mut excess, mut spread, mut bands, mut audible) = (0.0, 0.0, 0.0, 0.0);
        for band in &mut self.bands {
            let voice = band.begin >= VOICE.start && band.end <= VOICE.end;
            let (over, heard) = band.judge(powers, self.driven, steady, self.near);
            if voice {
                excess += over.clamp(-6.0, 12.0);
                spread += band.spread;
                bands += 1.0;
                audible += if heard { 1.0 } else { 0.0 };
            }
        }
        self.spread = (spread / bands).sqrt();
        let jumps = (SPREAD_WEIGHT * (self.spread - SPREAD_MIDDLE)).clamp(-SPREAD_MOST, SPREAD_MOST);
        self.decide(excess / bands + jumps * audible / bands);
    }

    fn decide(&mut self, evidence: f32) {
        let now = 1.0 / (1.0 + (-SLOPE * evidence).exp());
        if now > self.near {
            self.near += ATTACK * (now - self.near);
            if self.near > 0.6 {
                self.hold = HOLD;
            }
        } else if self.hold > 0 {
            self.hold -= 1;
        } else {
            self.near += RELEASE * (now - self.near);
        }
    }

    /// Power by bin of the echo left, as a mean: the quantile and what lies between.
    pub fn estimate(&self, echo: &[f32], uncertain: &[f32], out: &mut [f32]) {
        const MEAN_ABOVE_QUANTILE: f32 = 3.0;
        let doubt = self.doubt();
        for band in &self.bands {
            let direct = linear(band.direct + MEAN_ABOVE_QUANTILE);
            let width = (band.end - band.begin) as f32;
            let bent = self.driven * linear(band.bent + MEAN_ABOVE_QUANTILE) / width;
            for bin in band.begin..band.end {
                out[bin] = direct * echo[bin] + bent + doubt * uncertain[bin];
            }
        }
    }
}

impl Band {
    /// By how many dB there is more than expected, and whether echo is audible.
    fn judge(&mut self, powers: &Powers, driven: f32, steady: f32, near: f32) -> (f32, bool) {
        let sum = |of: &[f32]| of[self.begin..self.end].iter().sum::<f32>();
        let (error, echo) = (sum(powers.error), sum(powers.echo));
        let (noise, uncertain) = (sum(powers.noise), sum(powers.uncertain));
        let direct = echo * linear(self.direct);
        let bent = driven * linear(self.bent);
        let expected = direct + bent + uncertain;
        let heard = echo > AUDIBLE * noise;
        if heard && powers.teach {
            let ratio = db((error - noise).max(0.05 * error)) - db(echo);
            let jump = ratio - self.mean;
            self.mean += SPREAD_RATE * jump;
            self.spread += SPREAD_RATE * (jump * jump - self.spread);
            self.learn(ratio, db(direct + bent) - db(echo), direct / (direct + bent + TINY), steady, near);
            let above = db(error) - db(noise + expected);
            if near < 0.5 || steady > 0.5 || above < self.upper {
                let step = UPPER_STEP * if above > self.upper { UPPER } else { UPPER - 1.0 };
                self.upper = (self.upper + step).clamp(UPPER_LEAST, UPPER_MOST);
            }
        }
        let margin = if heard { self.upper } else { OVER_NOISE };
        (db(error) - db(1.5 * noise + expected) - margin, heard)
    }

    /// One step towards the quantile, divided among the two shares as they explain it.
    fn learn(&mut self, ratio: f32, model: f32, share: f32, steady: f32, near: f32) {
        self.seen = (self.seen + 1.0).min(1000.0);
        let rate = STEP.max(STEP_FIRST / (1.0 + self.seen / 10.0));
        let step = if ratio > model {
            rate * QUANTILE * (DOUBTFUL + (1.0 - DOUBTFUL) * steady.max(1.0 - near))
        } else {
            rate * (QUANTILE - 1.0)
        };
        self.direct = (self.direct + step * share).clamp(-50.0, 15.0);
        self.bent = (self.bent + step * (1.0 - share)).clamp(-60.0, -10.0);
    }
}

/// Power in dB.
pub(super) fn db(power: f32) -> f32 {
    10.0 * (power + TINY).log10()
}

fn linear(db: f32) -> f32 {
    10f32.powf(db / 10.0)
}
