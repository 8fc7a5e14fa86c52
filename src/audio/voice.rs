//! Sines that only ever bend: level moves on a ramp, frequency keeps the phase.

use std::f64::consts::TAU;

use super::cadence::Segment;
use super::leg::SAMPLE_RATE;

/// From nothing to full level and back: short to the ear, long enough not to click.
pub(super) const RAMP_SAMPLES: f64 = 0.003 * SAMPLE_RATE as f64;

const SAMPLES_PER_MS: u32 = SAMPLE_RATE / 1000;

/// A place in a cadence, and two oscillators.
#[derive(Default)]
pub(super) struct Voice {
    segments: &'static [Segment],
    segment: usize,
    left: u32,
    repeats: bool,
    peak: f64,
    oscillators: [Oscillator; 2],
}

impl Voice {
    pub fn start(&mut self, segments: &'static [Segment], peak: f64, repeats: bool) {
        (self.segments, self.peak, self.repeats) = (segments, peak, repeats);
        self.enter(0);
    }

    pub fn stop(&mut self) {
        self.segments = &[];
        for oscillator in &mut self.oscillators {
            oscillator.target = 0.0;
        }
    }

    pub fn is_playing(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Whether nothing sounds any more, nor will.
    pub fn is_silent(&self) -> bool {
        !self.is_playing() && self.oscillators.iter().all(|oscillator| oscillator.level == 0.0)
    }

    fn enter(&mut self, segment: usize) {
        let Segment { hertz, ms } = &self.segments[segment];
        (self.segment, self.left) = (segment, ms * SAMPLES_PER_MS);
        // Two sines of one power together.
        let peak = if hertz[1] > 0.0 { self.peak / 2_f64.sqrt() } else { self.peak };
        for (oscillator, &hertz) in self.oscillators.iter_mut().zip(hertz) {
            oscillator.target = if hertz > 0.0 { peak } else { 0.0 };
            if hertz > 0.0 {
                oscillator.hertz = hertz;
            }
        }
    }

    pub fn sample(&mut self) -> f64 {
        if self.is_playing() && self.left == 0 {
            let next = self.segment + 1;
            if next < self.segments.len() {
                self.enter(next);
            } else if self.repeats {
                self.enter(0);
            } else {
                self.stop();
            }
        }
        self.left = self.left.saturating_sub(1);
        let step = self.peak / RAMP_SAMPLES;
        self.oscillators.iter_mut().map(|oscillator| oscillator.sample(step)).sum()
    }
}

#[derive(Default)]
struct Oscillator {
    hertz: f64,
    /// In turns, 0 to 1.
    phase: f64,
    level: f64,
    target: f64,
}

impl Oscillator {
    fn sample(&mut self, step: f64) -> f64 {
        if self.level == 0.0 && self.target == 0.0 {
            self.phase = 0.0;
            return 0.0;
        }
        self.level += (self.target - self.level).clamp(-step, step);
        self.phase = (self.phase + self.hertz / f64::from(SAMPLE_RATE)).fract();
        (self.phase * TAU).sin() * self.level
    }
}
