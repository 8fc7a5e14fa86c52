//! Tones as sound: cadences by region, phase-continuous and without clicks.
//!
//! Frequencies and cadences: ITU-T E.180 Supplement 2; for Europe also ETSI
//! TR 101 041-2, for the United Kingdom BT SIN 350. Progress, ring, press and
//! error tones are local to the box and follow no standard.

use std::f64::consts::TAU;

use super::leg::{Frame, SAMPLE_RATE};
use super::settings::{AudioSettings, Region};
use crate::appliance::tone::Tone;

/// From nothing to full level and back: short to the ear, long enough not to click.
const RAMP_SAMPLES: f64 = 0.003 * SAMPLE_RATE as f64;

const SAMPLES_PER_MS: u32 = SAMPLE_RATE / 1000;

/// One or two sines for a time; 0 Hz is none.
struct Segment {
    hertz: [f64; 2],
    ms: u32,
}

const fn on(first: f64, second: f64, ms: u32) -> Segment {
    Segment { hertz: [first, second], ms }
}

const fn off(ms: u32) -> Segment {
    Segment { hertz: [0.0, 0.0], ms }
}

/// What a tone sounds like; every cadence repeats but that of [`Tone::Press`].
fn cadence(region: Region, tone: Tone) -> &'static [Segment] {
    match (tone, region) {
        (Tone::Press, Region::Eu | Region::Us | Region::Uk) => const { &[on(1000.0, 0.0, 47)] },
        (Tone::Progress, Region::Eu) => const { &[on(425.0, 0.0, 60), off(940)] },
        (Tone::Progress, Region::Us) => const { &[on(350.0, 440.0, 60), off(940)] },
        (Tone::Progress, Region::Uk) => const { &[on(350.0, 450.0, 60), off(940)] },
        (Tone::Ringback, Region::Eu) => const { &[on(425.0, 0.0, 1000), off(4000)] },
        (Tone::Ringback, Region::Us) => const { &[on(440.0, 480.0, 2000), off(4000)] },
        (Tone::Ringback, Region::Uk) => {
            const { &[on(400.0, 450.0, 400), off(200), on(400.0, 450.0, 400), off(2000)] }
        }
        (Tone::Busy, Region::Eu) => const { &[on(425.0, 0.0, 500), off(500)] },
        (Tone::Busy, Region::Us) => const { &[on(480.0, 620.0, 500), off(500)] },
        (Tone::Busy, Region::Uk) => const { &[on(400.0, 0.0, 375), off(375)] },
        (Tone::Congestion, Region::Eu) => const { &[on(425.0, 0.0, 250), off(250)] },
        (Tone::Congestion, Region::Us) => const { &[on(480.0, 620.0, 250), off(250)] },
        (Tone::Congestion, Region::Uk) => {
            const { &[on(400.0, 0.0, 400), off(350), on(400.0, 0.0, 225), off(525)] }
        }
        (Tone::Ring, Region::Eu | Region::Us | Region::Uk) => {
            const {
                &[
                    on(784.0, 0.0, 300),
                    on(659.3, 0.0, 300),
                    on(784.0, 0.0, 300),
                    on(659.3, 0.0, 300),
                    off(1800),
                ]
            }
        }
        (Tone::Error, Region::Eu | Region::Us | Region::Uk) => {
            const { &[on(480.0, 0.0, 150), off(50), on(400.0, 0.0, 150), off(50), on(320.0, 0.0, 300), off(800)] }
        }
    }
}

/// The tones of the box: one cadence, and the blip of a press ahead of it.
pub(super) struct Tones {
    region: Region,
    tone_peak: f64,
    ring_peak: f64,
    cadence: Voice,
    blip: Voice,
    /// Waits for the blip to end.
    next: Option<Tone>,
}

impl Tones {
    pub fn new(settings: &AudioSettings) -> Self {
        let peak = |db: f32| f64::from(i16::MAX) * 10_f64.powf(f64::from(db.clamp(-60.0, 0.0)) / 20.0);
        Self {
            region: settings.region,
            tone_peak: peak(settings.tone_level_db),
            ring_peak: peak(settings.ring_level_db),
            cadence: Voice::default(),
            blip: Voice::default(),
            next: None,
        }
    }

    /// Plays this from now on. A press already sounding is heard to its end.
    pub fn play(&mut self, tone: Option<Tone>) {
        self.cadence.stop();
        self.next = None;
        match tone {
            Some(Tone::Press) => self.blip.start(cadence(self.region, Tone::Press), self.tone_peak, false),
            other => self.next = other,
        }
    }

    /// Adds what sounds now to the frame.
    pub fn mix(&mut self, frame: &mut Frame) {
        for sample in frame.iter_mut() {
            if !self.blip.is_playing()
                && let Some(tone) = self.next.take()
            {
                let peak = if tone == Tone::Ring { self.ring_peak } else { self.tone_peak };
                self.cadence.start(cadence(self.region, tone), peak, true);
            }
            let sum = f64::from(*sample) + self.cadence.sample() + self.blip.sample();
            *sample = sum.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16;
        }
    }
}

/// A place in a cadence, and two oscillators that are only ever bent: level
/// moves on a ramp, frequency keeps the phase.
#[derive(Default)]
struct Voice {
    segments: &'static [Segment],
    segment: usize,
    left: u32,
    repeats: bool,
    peak: f64,
    oscillators: [Oscillator; 2],
}

impl Voice {
    fn start(&mut self, segments: &'static [Segment], peak: f64, repeats: bool) {
        (self.segments, self.peak, self.repeats) = (segments, peak, repeats);
        self.enter(0);
    }

    fn stop(&mut self) {
        self.segments = &[];
        for oscillator in &mut self.oscillators {
            oscillator.target = 0.0;
        }
    }

    fn is_playing(&self) -> bool {
        !self.segments.is_empty()
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

    fn sample(&mut self) -> f64 {
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
