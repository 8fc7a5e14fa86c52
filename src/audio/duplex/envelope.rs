//! Whether the microphone's loudness follows the loudspeaker's: echo does,
//! be it ever so distorted or late; somebody who speaks does not.
//!
//! The correlation of both levels in dB at lags of whole frames, over about
//! ten seconds. Lags below zero are looked at, too: a far end that sends our
//! own speech back makes the loudspeaker follow the microphone.

/// Lags of the echo behind the loudspeaker that are looked at: 800 ms, and 300 ms the other way.
const BEHIND: usize = 80;
const BEFORE: usize = 30;
const LAGS: usize = BEFORE + BEHIND + 1;

/// Time constant in frames.
const MEMORY: f32 = 1000.0;

/// Frames before the correlation means something.
const ENOUGH: u32 = 200;

/// Two people who speak independently of each other stay below this.
const ALIKE: f32 = 0.6;

/// Quieter than -60 dBFS is silence.
const SILENT_DB: f32 = -60.0;

/// The measurement.
pub(super) struct Envelope {
    /// Levels, newest first.
    far: [f32; LAGS],
    mic: [f32; BEFORE + 1],
    means: [f32; 2],
    variances: [f32; 2],
    covariances: [f32; LAGS],
    frames: u32,
}

impl Envelope {
    pub fn new() -> Self {
        Self {
            far: [SILENT_DB; LAGS],
            mic: [SILENT_DB; BEFORE + 1],
            means: [SILENT_DB; 2],
            variances: [0.0; 2],
            covariances: [0.0; LAGS],
            frames: 0,
        }
    }

    /// Takes the mean power of one frame of each.
    pub fn run(&mut self, far: f32, mic: f32) {
        self.far.rotate_right(1);
        self.mic.rotate_right(1);
        self.far[0] = level(far);
        self.mic[0] = level(mic);
        self.frames = self.frames.saturating_add(1);
        let rate = 1.0 / MEMORY.min(self.frames as f32);
        let now = [self.far[0], self.mic[0]];
        for ((mean, variance), now) in self.means.iter_mut().zip(&mut self.variances).zip(now) {
            *mean += rate * (now - *mean);
            *variance += rate * ((now - *mean) * (now - *mean) - *variance);
        }
        let mic = self.mic[BEFORE] - self.means[1];
        for (covariance, far) in self.covariances.iter_mut().zip(&self.far) {
            *covariance += rate * (mic * (far - self.means[0]) - *covariance);
        }
    }

    /// The microphone follows the loudspeaker.
    pub fn follows(&self) -> bool {
        let scale = (self.variances[0] * self.variances[1]).sqrt().max(1.0);
        let best = (0..LAGS).max_by(|a, b| self.covariances[*a].total_cmp(&self.covariances[*b]));
        self.frames > ENOUGH && best.is_some_and(|lag| lag > BEFORE && self.covariances[lag] > ALIKE * scale)
    }
}

fn level(power: f32) -> f32 {
    (10.0 * (power + 1e-12).log10()).max(SILENT_DB)
}
