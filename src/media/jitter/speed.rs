//! Sound played a few millionths faster or slower, so that the far end's
//! clock and the loudspeaker's need no splices: an asynchronous resampler
//! near 1:1. It stays out of the way until the clocks are known to differ by so
//! much that a splice a minute would not do, since it costs delay: its own two
//! thirds of a millisecond, and 5 ms because sound that flows fits no frame.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Adjustable, Async, FixedAsync, Resampler, SincInterpolationParameters, WindowFunction};

use crate::audio::{FRAME_SAMPLES, Frame};
use crate::media::codec::CodecError;

/// Taps of the filter: its pass band reaches to 20 kHz.
const TAPS: usize = 64;

/// Most samples for one frame, and for the first.
pub(super) const MOST: usize = FRAME_SAMPLES + TAPS + 8;

/// Clocks that differ by less are left to splices in pauses: 20 ppm are 10 ms in 8 minutes.
const WORTH_WHILE: f64 = 20e-6;

/// Changes of less than this are left alone: 2 ppm.
const CHANGE: f64 = 2e-6;

/// See the module's documentation.
pub(super) struct Speed {
    resampler: Async<f32>,
    engaged: bool,
    /// The next frame goes over from plain sound to the filter's, which is later.
    begins: bool,
    faster: f64,
    input: Box<[f32; MOST]>,
    output: Box<[f32; FRAME_SAMPLES]>,
}

impl Speed {
    pub(super) fn new() -> Result<Self, CodecError> {
        let parameters = SincInterpolationParameters::new(TAPS, WindowFunction::BlackmanHarris2);
        Ok(Self {
            resampler: Async::new_sinc(1.0, 1.01, &parameters, FRAME_SAMPLES, 1, FixedAsync::Output)?,
            engaged: false,
            begins: false,
            faster: 0.0,
            input: Box::new([0.0; MOST]),
            output: Box::new([0.0; FRAME_SAMPLES]),
        })
    }

    /// Plays so much faster from now on, 1e-6 for a ppm. `past` is what was played last.
    pub(super) fn set(&mut self, faster: f64, past: &[i16]) {
        let least = if self.engaged { CHANGE } else { WORTH_WHILE };
        if (faster - self.faster).abs() < least {
            return;
        }
        self.faster = faster;
        if !self.engaged {
            self.engaged = self.fill_with(past);
            self.begins = self.engaged;
        }
        // Within the bounds given above, so it cannot fail.
        let _ = self.resampler.set_resample_ratio(1.0 / (1.0 + faster), true);
    }

    /// Whether the sound goes through the filter.
    pub(super) fn is_engaged(&self) -> bool {
        self.engaged
    }

    /// Puts the end of `past` into the filter.
    fn fill_with(&mut self, past: &[i16]) -> bool {
        self.resampler.reset();
        let wanted = self.resampler.input_frames_next();
        let Some(from) = past.len().checked_sub(wanted) else { return false };
        self.resample(&past[from..])
    }

    /// How many samples the next frame takes.
    pub(super) fn takes(&self) -> usize {
        if self.engaged { self.resampler.input_frames_next().min(MOST) } else { FRAME_SAMPLES }
    }

    /// Makes a frame of as many samples as it takes.
    pub(super) fn play(&mut self, sound: &[i16], frame: &mut Frame) {
        if self.engaged && self.resample(sound) {
            if std::mem::take(&mut self.begins) {
                for (k, (value, plain)) in self.output.iter_mut().zip(sound).enumerate() {
                    let done = k as f32 / FRAME_SAMPLES as f32;
                    *value = f32::from(*plain) * (1.0 - done) + *value * done;
                }
            }
            for (sample, value) in frame.iter_mut().zip(self.output.iter()) {
                // `as` saturates.
                *sample = value.round() as i16;
            }
        } else {
            let count = sound.len().min(FRAME_SAMPLES);
            frame[..count].copy_from_slice(&sound[..count]);
        }
    }

    fn resample(&mut self, sound: &[i16]) -> bool {
        let count = sound.len().min(MOST);
        for (value, sample) in self.input.iter_mut().zip(sound) {
            *value = f32::from(*sample);
        }
        let input = InterleavedSlice::new(&self.input[..count], 1, count);
        let output = InterleavedSlice::new_mut(&mut self.output[..], 1, FRAME_SAMPLES);
        match (input, output) {
            (Ok(input), Ok(mut output)) => {
                self.resampler.process_into_buffer(&input, &mut output, None).is_ok()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// A tone played with this speed from its second second on: what was heard, and how much it took.
    fn play(faster: f64, seconds: usize) -> (Vec<i16>, usize) {
        let tone = |i: usize| (10_000.0 * (TAU * 440.0 * i as f64 / 48_000.0).sin()) as i16;
        let mut speed = Speed::new().unwrap();
        let (mut heard, mut at) = (Vec::new(), 0);
        for tick in 0..seconds * 100 {
            if tick == 100 {
                let past: Vec<i16> = (at - 960..at).map(tone).collect();
                speed.set(faster, &past);
            }
            let sound: Vec<i16> = (at..at + speed.takes()).map(tone).collect();
            at += sound.len();
            let mut frame = [0; FRAME_SAMPLES];
            speed.play(&sound, &mut frame);
            heard.extend_from_slice(&frame);
        }
        (heard, at)
    }

    #[test]
    fn it_takes_as_much_more_as_it_is_faster_and_adds_nothing() {
        for ppm in [-300.0, -100.0, 100.0, 300.0] {
            let (heard, took) = play(ppm * 1e-6, 61);
            let more = took as f64 - heard.len() as f64;
            assert!((more - ppm * 1e-6 * 60.0 * 48_000.0).abs() < 10.0, "{ppm} ppm: {more} more");
            // A pure tone obeys x(n+1) + x(n-1) = 2 cos(w) x(n); what does not is not of it.
            let rotation = 2.0 * (TAU * 440.0 / 48_000.0).cos();
            let rest = |w: &[i16]| f64::from(w[0]) + f64::from(w[2]) - rotation * f64::from(w[1]);
            let worst = heard[96_000..].windows(3).map(|w| rest(w).abs()).fold(0.0, f64::max);
            assert!(worst < 8.0, "{ppm} ppm: {worst} beside the tone");
        }
    }

    #[test]
    fn it_begins_without_a_click() {
        let (heard, _) = play(100e-6, 3);
        let step = heard.windows(2).map(|w| (i32::from(w[0]) - i32::from(w[1])).abs()).max().unwrap();
        // The steepest of the tone is 576.
        assert!(step < 1_000, "a step of {step}");
    }

    #[test]
    fn clocks_that_nearly_agree_cost_nothing() {
        let (heard, took) = play(15e-6, 3);
        assert_eq!(took, heard.len());
        assert_eq!(heard[47_900], (10_000.0 * (TAU * 440.0 * 47_900.0 / 48_000.0).sin()) as i16);
    }
}
