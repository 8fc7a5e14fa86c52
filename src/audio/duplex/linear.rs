//! The linear half at 16 kHz: delay and drift taken out, then the filter.

use super::BLOCK;
use super::delay::DelayEstimator;
use super::drift::DriftEstimator;
use super::kalman::{BINS, Kalman, PARTS};
use super::reference::Reference;

/// The echo's first sound is placed so many samples behind the filter's beginning,
const AHEAD: f64 = 64.0;

/// and may be as far in as this before the filter is moved: 30 ms.
const ROOM: f64 = 480.0;

/// Mean power above which the far end speaks: -50 dBFS.
const SPEECH: f32 = 1e-5;

/// All that is between reference and microphone.
pub(super) struct Linear {
    reference: Reference,
    delay: DelayEstimator,
    drift: DriftEstimator,
    kalman: Kalman,
    history: Vec<f32>,
    block: [f32; BLOCK],
    /// Samples from rendering to the echo, once known.
    found: Option<f64>,
    speaking: bool,
    ppm: f64,
}

impl Linear {
    pub fn new() -> Self {
        Self {
            reference: Reference::new(),
            delay: DelayEstimator::new(),
            drift: DriftEstimator::new(),
            kalman: Kalman::new(),
            history: vec![0.0; (PARTS + 1) * BLOCK],
            block: [0.0; BLOCK],
            found: None,
            speaking: false,
            ppm: 0.0,
        }
    }

    /// The echo in `mic`, as far as it is understood.
    pub fn run(&mut self, far: &[f32; BLOCK], mic: &[f32; BLOCK], echo: &mut [f32; BLOCK]) {
        self.reference.write(far);
        if let Some(delay) = self.delay.run(far, mic) {
            self.align(delay as f64);
        }
        self.reference.read(0, &mut self.block);
        self.kalman.run(&self.block, mic, echo);
        self.speaking = self.block.iter().map(|s| s * s).sum::<f32>() > SPEECH * BLOCK as f32;
        if let Some(drift) = self.drift.run(self.speaking, self.kalman.path()) {
            self.reference.set_drift(drift);
            self.ppm = drift * 1e6;
        }
    }

    /// Moves reference and filter by whole partitions, so that what was learnt stays.
    fn align(&mut self, delay: f64) {
        self.found = Some(delay);
        let place = delay - self.reference.delay();
        if (0.0..ROOM).contains(&place) {
            return;
        }
        let parts = ((place - AHEAD) / BLOCK as f64).floor();
        let moved = self.reference.move_by(parts as isize);
        if moved == 0 {
            return;
        }
        let length = self.history.len();
        for (n, block) in self.history.chunks_mut(BLOCK).enumerate() {
            self.reference.read(length - n * BLOCK, block);
        }
        self.drift.restart();
        self.kalman.realign(moved, &self.history);
    }

    /// What of the error's power is expected to be echo not learnt yet.
    pub fn uncertain(&self) -> &[f32; BINS] {
        self.kalman.uncertain()
    }

    /// The far end is heard now.
    pub fn speaking(&self) -> bool {
        self.speaking
    }

    /// Samples at 16 kHz from rendering to the echo.
    pub fn delay(&self) -> Option<f64> {
        self.found
    }

    /// Where the reference is read: the echo's first sound, as far as known.
    pub fn reading(&self) -> f64 {
        self.found.unwrap_or(self.reference.delay())
    }

    /// Parts per million by which the echo's delay grows.
    pub fn ppm(&self) -> f64 {
        self.ppm
    }
}
