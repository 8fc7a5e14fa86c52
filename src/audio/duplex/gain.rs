//! Level: what is below speech, how loud speech is, and what must not be clipped.

use std::f32::consts::PI;

use super::{FRAME, Samples};

/// A second-order Butterworth high-pass at 100 Hz (bilinear transform).
pub struct HighPass {
    b: f32,
    a: [f32; 2],
    x: [f32; 2],
    y: [f32; 2],
}

impl Default for HighPass {
    fn default() -> Self {
        Self::new()
    }
}

impl HighPass {
    /// At rest.
    pub fn new() -> Self {
        let k = (PI * 100.0 / 48000.0).tan();
        let norm = 1.0 / (1.0 + std::f32::consts::SQRT_2 * k + k * k);
        let a = [2.0 * (k * k - 1.0) * norm, (1.0 - std::f32::consts::SQRT_2 * k + k * k) * norm];
        Self { b: norm, a, x: [0.0; 2], y: [0.0; 2] }
    }

    /// Filters a frame in place.
    pub fn process(&mut self, frame: &mut Samples) {
        for sample in frame {
            let x = *sample;
            let y =
                self.b * (x - 2.0 * self.x[0] + self.x[1]) - self.a[0] * self.y[0] - self.a[1] * self.y[1];
            self.x = [x, self.x[0]];
            // Far below anything audible, where some processors compute a hundred times slower.
            self.y = [if y.abs() < 1e-20 { 0.0 } else { y }, self.y[0]];
            *sample = y;
        }
    }
}

/// The level speech is brought towards, the active level of ITU-T P.56 by eye: -22 dBFS,
const TARGET_DB: f32 = -22.0;
/// and how far from it speech is left as it is.
const FINE_DB: f32 = 7.0;
/// What may be added and taken away.
const MOST_DB: f32 = 18.0;
const LEAST_DB: f32 = -10.0;
/// Fastest change, in dB a frame: 6 dB a second down, 3 up.
const DOWN_DB: f32 = 0.06;
const UP_DB: f32 = 0.03;
/// Quieter frames are pauses, not speech.
const SILENCE_DB: f32 = -55.0;

/// Slow automatic gain: follows the loud half of speech, and stands still in pauses.
pub struct GainControl {
    level_db: f32,
    gain_db: f32,
    applied: f32,
}

impl Default for GainControl {
    fn default() -> Self {
        Self::new()
    }
}

impl GainControl {
    /// Begins with no gain.
    pub fn new() -> Self {
        Self { level_db: TARGET_DB, gain_db: 0.0, applied: 1.0 }
    }

    /// Amplifies a frame in place; `speech` says that the near end speaks in it.
    pub fn process(&mut self, frame: &mut Samples, speech: bool) {
        let power = frame.iter().map(|s| s * s).sum::<f32>() / FRAME as f32;
        let db = 10.0 * (power + 1e-12).log10();
        if speech && db > SILENCE_DB {
            // Rises in a tenth of a second, falls in three: the syllables' peaks, not their gaps.
            self.level_db += if db > self.level_db { 0.1 } else { 0.003 } * (db - self.level_db);
            let off = TARGET_DB - self.level_db;
            let wanted = (off - off.clamp(-FINE_DB, FINE_DB)).clamp(LEAST_DB, MOST_DB);
            self.gain_db += (wanted - self.gain_db).clamp(-DOWN_DB, UP_DB);
        }
        let gain = 10f32.powf(self.gain_db / 20.0);
        let step = (gain - self.applied) / FRAME as f32;
        for sample in frame {
            self.applied += step;
            *sample *= self.applied;
        }
        self.applied = gain;
    }
}

/// Samples the limiter looks ahead: 1 ms.
const AHEAD: usize = 48;
/// No peak above -1 dBFS.
const CEILING: f32 = 0.891;
/// Gain returns with a time constant of 50 ms.
const RELEASE: f32 = 1.0 / (0.05 * 48000.0);

/// A look-ahead limiter: the gain is down before the peak arrives.
pub struct Limiter {
    line: [f32; AHEAD],
    at: usize,
    gain: f32,
    target: f32,
    held: usize,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl Limiter {
    /// At rest.
    pub fn new() -> Self {
        Self { line: [0.0; AHEAD], at: 0, gain: 1.0, target: 1.0, held: 0 }
    }

    /// Forgets the sound on its way.
    pub fn flush(&mut self) {
        self.line = [0.0; AHEAD];
    }

    /// Limits a frame in place; what comes out is 1 ms older.
    pub fn process(&mut self, frame: &mut Samples) {
        for sample in frame {
            let peak = sample.abs();
            let needed = if peak > CEILING { CEILING / peak } else { 1.0 };
            if needed <= self.target {
                (self.target, self.held) = (needed, 2 * AHEAD);
            } else if self.held > 0 {
                self.held -= 1;
            } else {
                self.target += RELEASE * (1.0 - self.target);
            }
            // Within 1 ms at the target; what arithmetic leaves above the ceiling is cut.
            self.gain += if self.target < self.gain { 0.1 } else { RELEASE } * (self.target - self.gain);
            let out = std::mem::replace(&mut self.line[self.at], *sample) * self.gain;
            self.at = (self.at + 1) % AHEAD;
            *sample = out.clamp(-CEILING, CEILING);
        }
    }
}
