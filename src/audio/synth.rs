//! No device at all: a tone, noise or silence in, a meter out.

use std::f64::consts::TAU;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::device::{Capture, DeviceError, Flow, Pacer, Playback};
use super::leg::{Frame, SAMPLE_RATE};
use super::settings::Synth;

/// Peak of a sine at -18 dBFS.
const TONE_PEAK: f64 = 32_767.0 * 0.125_892_541;

/// A microphone that hears what [`Synth`] says.
#[derive(Debug)]
pub struct SynthCapture {
    kind: Synth,
    pacer: Pacer,
    phase: f64,
    noise: SmallRng,
}

impl SynthCapture {
    /// Starts its clock now.
    pub fn new(kind: Synth) -> Self {
        Self { kind, pacer: Pacer::new(), phase: 0.0, noise: SmallRng::seed_from_u64(1) }
    }
}

impl Capture for SynthCapture {
    fn read(&mut self, frame: &mut Frame) -> Result<Flow, DeviceError> {
        let flow = self.pacer.tick();
        for sample in frame.iter_mut() {
            *sample = match self.kind {
                Synth::Silence => 0,
                Synth::Tone(hertz) => {
                    self.phase = (self.phase + f64::from(hertz) / f64::from(SAMPLE_RATE)).fract();
                    ((self.phase * TAU).sin() * TONE_PEAK).round() as i16
                }
                Synth::Noise => {
                    // Uniform noise has its peak over the square root of 3 as RMS, a sine over that of 2.
                    let peak = TONE_PEAK * 1.5_f64.sqrt();
                    self.noise.random_range(-peak..peak).round() as i16
                }
            };
        }
        Ok(flow)
    }

    fn delay(&self) -> Duration {
        Duration::ZERO
    }
}

/// A loudspeaker that nobody hears. The engine meters what it gets.
#[derive(Debug)]
pub struct SynthPlayback {
    pacer: Pacer,
    flow: Flow,
}

impl SynthPlayback {
    /// Starts its clock now.
    #[expect(clippy::new_without_default, reason = "it starts a clock, which a default value should not")]
    pub fn new() -> Self {
        Self { pacer: Pacer::new(), flow: Flow::Smooth }
    }
}

impl Playback for SynthPlayback {
    fn ready(&mut self) -> Result<(), DeviceError> {
        self.flow = self.pacer.tick();
        Ok(())
    }

    fn write(&mut self, _frame: &Frame) -> Result<Flow, DeviceError> {
        Ok(self.flow)
    }

    fn delay(&self) -> Duration {
        Duration::ZERO
    }
}
