//! Concealment of lost G.711 sound by repeating its pitch, after ITU-T G.711
//! Appendix I: the last period goes on for 10 ms, then the last two, then the
//! last three, so that it does not buzz; from 10 ms on it fades by a fifth
//! every 10 ms, into comfort noise. When sound comes again, the repetition
//! fades over into it.
//!
//! One thing differs: the Appendix holds all sound back for 3.75 ms to fade
//! into the first repetition. Here nothing waits; the step where the
//! repetition begins is taken out by an offset that decays.

use super::noise::Noise;

/// Samples in 10 ms at 8 kHz.
const FRAME: usize = 80;

/// Shortest and longest period: 200 Hz to 66 Hz. Higher voices are found at a multiple.
const SHORTEST: usize = 40;
const LONGEST: usize = 120;

/// The period is sought in the last 20 ms.
const WINDOW: usize = 160;

/// Sound kept: three periods and a quarter.
const KEPT: usize = 3 * LONGEST + LONGEST / 4;

/// See the module's documentation. 8 kHz throughout.
pub(super) struct Concealer {
    kept: [i16; KEPT],
    /// Made up in a row so far.
    made_up: usize,
    period: usize,
    /// How many periods are repeated, and which sample of them is next.
    periods: usize,
    at: usize,
    /// The step where the repetition began.
    step: f32,
    noise: Noise,
}

impl Concealer {
    pub(super) fn new() -> Self {
        Self {
            kept: [0; KEPT],
            made_up: 0,
            period: LONGEST,
            periods: 1,
            at: 0,
            step: 0.0,
            noise: Noise::new(),
        }
    }

    /// Takes decoded sound, and smooths its begin after concealment.
    pub(super) fn hear(&mut self, sound: &mut [i16]) {
        if self.made_up > 0 {
            // A quarter of a period, and 4 ms more for every 10 ms made up.
            let fade = (self.period / 4 + self.made_up / FRAME * 32).min(FRAME).min(sound.len());
            for (k, sample) in sound[..fade].iter_mut().enumerate() {
                let done = (k + 1) as f32 / (fade + 1) as f32;
                let made_up = f32::from(self.next());
                *sample = (made_up + (f32::from(*sample) - made_up) * done) as i16;
            }
            self.made_up = 0;
        }
        let new = sound.len().min(KEPT);
        self.kept.copy_within(new.., 0);
        self.kept[KEPT - new..].copy_from_slice(&sound[sound.len() - new..]);
        self.noise.learn(sound);
    }

    /// Makes up the next sample.
    pub(super) fn next(&mut self) -> i16 {
        if self.made_up == 0 {
            self.begin();
        } else if self.made_up.is_multiple_of(FRAME) {
            self.periods = (self.periods + 1).min(3);
        }
        let gain = 1.0 - (self.made_up.saturating_sub(FRAME)) as f32 / (5 * FRAME) as f32;
        self.made_up += 1;
        let noise = self.noise.next();
        if gain <= 0.0 {
            return noise as i16;
        }
        let step = self.step;
        self.step *= 0.8;
        let voice = self.repeated() + step;
        (voice * gain + noise * (1.0 - gain)) as i16
    }

    /// Makes up a sample of the far end's background.
    pub(super) fn comfort(&mut self) -> i16 {
        self.made_up = self.made_up.max(6 * FRAME);
        self.noise.next() as i16
    }

    /// Takes the far end's description of its background (RFC 3389).
    pub(super) fn describe(&mut self, payload: &[u8]) {
        self.noise.describe(payload);
    }

    fn begin(&mut self) {
        self.period = self.find_period();
        self.periods = 1;
        self.at = 0;
        self.step = f32::from(self.kept[KEPT - 1]) - f32::from(self.kept[KEPT - 1 - self.period]);
    }

    /// The next sample of the periods repeated. Their last quarter fades over
    /// into what came before their first, where the repetition goes on.
    fn repeated(&mut self) -> f32 {
        let length = self.periods * self.period;
        let quarter = self.period / 4;
        let sample = f32::from(self.kept[KEPT - length + self.at]);
        let left = length - self.at;
        let sample = if left <= quarter {
            let before = f32::from(self.kept[KEPT - length - left]);
            let done = 1.0 - (left as f32 - 0.5) / quarter as f32;
            sample + (before - sample) * done
        } else {
            sample
        };
        self.at = (self.at + 1) % length;
        sample
    }

    /// The lag with the highest normalised correlation.
    fn find_period(&self) -> usize {
        let newest = &self.kept[KEPT - WINDOW..];
        let mut best = (LONGEST, 0.0);
        for lag in SHORTEST..=LONGEST {
            let older = &self.kept[KEPT - WINDOW - lag..KEPT - lag];
            let (mut product, mut power) = (0.0_f32, 1.0_f32);
            for (a, b) in newest.iter().zip(older) {
                let (a, b) = (f32::from(*a), f32::from(*b));
                product += a * b;
                power += b * b;
            }
            let likeness = product / power.sqrt();
            if likeness > best.1 {
                best = (lag, likeness);
            }
        }
        best.0
    }
}
