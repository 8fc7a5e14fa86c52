//! The self-test's sweep: played on the one side, looked for on the other.
//!
//! An exponential sine sweep (A. Farina, "Simultaneous measurement of impulse
//! response and distortion with a swept-sine technique", AES 108, 2000) and a
//! matched filter. A second of it gathers 40 dB over noise, so it can be far
//! quieter than speech and still be found.

use std::f32::consts::TAU;
use std::time::Duration;

use realfft::RealFftPlanner;

use super::leg::{FRAME_SAMPLES, Frame, SAMPLE_RATE};
use super::meters::FLOOR_DB;
use crate::appliance::self_test::{Measured, SelfTestReport};

/// Within what small loudspeakers and telephones carry, above the hum of the mains.
const FROM_HZ: f32 = 400.0;
const TO_HZ: f32 = 7000.0;

/// Listening for the noise there is, the sweep, and the longest delay that is looked for.
const BEFORE: usize = 30 * FRAME_SAMPLES;
const SWEEP: usize = 100 * FRAME_SAMPLES;
const AFTER: usize = 60 * FRAME_SAMPLES;

/// A smooth begin and end: a click would be heard, and a step is no sweep.
const FADE: usize = SWEEP / 20;

/// The first sweep's level in dBFS, and what each further one adds.
const LEVEL_DB: f32 = -42.0;
const LOUDER_DB: f32 = 6.0;

/// The peak over the noise of the matched filter, in standard deviations. Of 28,800
/// lags of noise alone the highest has 4.5; 12 leaves room for noise that is not white.
const CLEAR: f32 = 12.0;

/// A first arrival this much below the highest peak is the direct sound: an echo may be louder.
const ARRIVAL: f32 = 0.5;

/// Above the sum of both lengths, so that the circular correlation does not wrap.
const TRANSFORM: usize = 1 << 17;

/// One sweep and what the microphone hears meanwhile.
pub(super) struct Probe {
    sweep: Box<[i16]>,
    level_db: f32,
    /// Samples of silence and sweep handed to the loudspeaker.
    played: usize,
    heard: Vec<i16>,
}

impl Probe {
    /// The sweep of an attempt, 0 for the first. Allocates all that it needs.
    pub fn new(attempt: u8) -> Self {
        let level_db = LEVEL_DB + LOUDER_DB * f32::from(attempt.min(5));
        let heard = Vec::with_capacity(BEFORE + SWEEP + AFTER);
        Self { sweep: sweep(level_db), level_db, played: 0, heard }
    }

    /// A frame on its way to the loudspeaker: the sweep is laid over it.
    pub fn play(&mut self, frame: &mut Frame) {
        if let Some(at) = self.played.checked_sub(BEFORE) {
            for (sample, sweep) in frame.iter_mut().zip(self.sweep.iter().skip(at)) {
                *sample = sample.saturating_add(*sweep);
            }
        }
        self.played += FRAME_SAMPLES;
    }

    /// A frame of the microphone, as it comes from the card. True when it was the last.
    pub fn hear(&mut self, frame: &Frame) -> bool {
        let room = self.heard.capacity() - self.heard.len();
        self.heard.extend_from_slice(&frame[..room.min(FRAME_SAMPLES)]);
        self.is_done()
    }

    /// Whether all is heard, and not broken off.
    pub fn is_done(&self) -> bool {
        self.heard.len() == self.heard.capacity()
    }

    /// Looks for the sweep in what was heard. Takes some 20 ms and memory: not for a real-time thread.
    pub fn report(&self) -> SelfTestReport {
        let (before, heard) = self.heard.split_at(BEFORE.min(self.heard.len()));
        let noise_db = level_db(before).round() as i16;
        match self.find(heard) {
            Some((lag, gain)) => SelfTestReport::Heard(Measured {
                delay: Duration::from_micros(lag as u64 * 1_000_000 / u64::from(SAMPLE_RATE)),
                level_db: (self.level_db + 20.0 * gain.log10()).max(FLOOR_DB).round() as i16,
                noise_db,
            }),
            None => SelfTestReport::Unheard { noise_db },
        }
    }

    /// The sweep's delay in samples and its gain on the way.
    fn find(&self, heard: &[i16]) -> Option<(usize, f32)> {
        let mut planner = RealFftPlanner::<f32>::new();
        let (forward, inverse) = (planner.plan_fft_forward(TRANSFORM), planner.plan_fft_inverse(TRANSFORM));
        let spectrum = |samples: &[i16]| {
            let mut input = forward.make_input_vec();
            for (to, from) in input.iter_mut().zip(samples) {
                *to = f32::from(*from);
            }
            let mut output = forward.make_output_vec();
            forward.process(&mut input, &mut output).ok().map(|()| output)
        };
        let (mut product, reference) = (spectrum(heard)?, spectrum(&self.sweep)?);
        for (product, reference) in product.iter_mut().zip(&reference) {
            *product *= reference.conj();
        }
        // What rounding leaves there is not allowed in the spectrum of a real signal.
        for edge in [0, product.len() - 1] {
            product[edge].im = 0.0;
        }
        let mut matched = inverse.make_output_vec();
        inverse.process(&mut product, &mut matched).ok()?;
        let lags: Vec<f32> = matched[..AFTER].iter().map(|value| value.abs() / TRANSFORM as f32).collect();
        let highest = lags.iter().copied().fold(0.0, f32::max);
        // The median, since what echoes is not noise: of a normal distribution it is 0.6745 of the deviation.
        let mut sorted = lags.clone();
        let (_, median, _) = sorted.select_nth_unstable_by(AFTER / 2, f32::total_cmp);
        if highest <= 0.0 || highest < CLEAR * *median / 0.6745 {
            return None;
        }
        let arrival = lags.iter().position(|value| *value >= ARRIVAL * highest)?;
        // The top of that first peak: within half a period of the sweep's middle frequency.
        let near = &lags[arrival..(arrival + 24).min(AFTER)];
        let top = near.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(n, _)| n);
        let energy: f32 = self.sweep.iter().map(|&sample| f32::from(sample).powi(2)).sum();
        Some((arrival + top, highest / energy))
    }
}

/// The frequency grows by the same factor in each time: as many cycles in each octave.
fn sweep(level_db: f32) -> Box<[i16]> {
    let peak = f32::from(i16::MAX) * 10f32.powf(level_db / 20.0);
    let octaves = f64::from(TO_HZ / FROM_HZ).ln();
    (0..SWEEP)
        .map(|n| {
            let t = n as f64 / SWEEP as f64;
            let cycles = f64::from(FROM_HZ) * SWEEP as f64 / f64::from(SAMPLE_RATE) / octaves
                * ((t * octaves).exp() - 1.0);
            let edge = n.min(SWEEP - 1 - n).min(FADE) as f32 / FADE as f32;
            ((cycles.fract() as f32 * TAU).sin() * edge * peak).round() as i16
        })
        .collect()
}

/// RMS in dBFS, a full-scale sine being 0.
fn level_db(samples: &[i16]) -> f32 {
    let energy: f32 = samples.iter().map(|&sample| f32::from(sample).powi(2)).sum();
    let power = energy / samples.len().max(1) as f32 / (f32::from(i16::MAX).powi(2) / 2.0);
    (10.0 * power.log10()).max(FLOOR_DB)
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Plays a probe into a room: a delay in samples, a gain, noise, echoes after it, an offset.
    fn run(
        attempt: u8,
        delay: usize,
        gain_db: f32,
        noise_db: f32,
        echoes: &[(usize, f32)],
    ) -> SelfTestReport {
        let seed = 42;
        println!("seed {seed}");
        let mut random = SmallRng::seed_from_u64(seed);
        let mut probe = Probe::new(attempt);
        let factor = |db: f32| 10f32.powf(db / 20.0);
        let noise = 32_767.0 * factor(noise_db) * 1.5_f32.sqrt();
        let mut air = vec![0.0; BEFORE + SWEEP + AFTER + 48_000];
        for frame in 0.. {
            let mut played = [0; FRAME_SAMPLES];
            probe.play(&mut played);
            for (lag, gain) in std::iter::once((delay, 1.0)).chain(echoes.iter().copied()) {
                for (n, sample) in played.iter().enumerate() {
                    if let Some(air) = air.get_mut(frame * FRAME_SAMPLES + lag + n) {
                        *air += f32::from(*sample) * factor(gain_db) * gain;
                    }
                }
            }
            let from = frame * FRAME_SAMPLES;
            let heard: Frame =
                std::array::from_fn(|n| (air[from + n] + random.random_range(-noise..noise)).round() as i16);
            if probe.hear(&heard) {
                return probe.report();
            }
        }
        unreachable!()
    }

    #[test]
    fn delay_level_and_noise_are_measured() {
        for (delay, gain_db, noise_db) in [(0, 0.0, -90.0), (2880, -20.0, -70.0), (9601, -30.0, -62.0)] {
            let SelfTestReport::Heard(found) = run(0, delay, gain_db, noise_db, &[]) else {
                panic!("not heard: {delay} {gain_db} {noise_db}")
            };
            let samples = found.delay.as_secs_f64() * 48_000.0;
            assert!((samples - delay as f64).abs() <= 2.0, "{samples} for {delay}");
            assert!((f32::from(found.level_db) - (LEVEL_DB + gain_db)).abs() <= 1.5, "{found:?}");
            assert!((f32::from(found.noise_db) - noise_db).abs() <= 1.5, "{found:?}");
        }
    }

    #[test]
    fn it_is_found_20_db_below_the_noise_and_noise_alone_is_not_it() {
        let heard = |report| matches!(report, SelfTestReport::Heard(_));
        assert!(heard(run(0, 2000, 0.0, LEVEL_DB + 20.0, &[])));
        for noise_db in [-20.0, -50.0, -95.0] {
            assert!(
                !heard(run(0, 2000, -120.0, noise_db, &[])),
                "noise of {noise_db} dB passed as the sweep"
            );
        }
        // What is too quiet at first is heard at the third, louder attempt.
        let deep = LEVEL_DB + 34.0;
        assert!(!heard(run(0, 2000, 0.0, deep, &[])) && heard(run(2, 2000, 0.0, deep, &[])));
    }

    #[test]
    fn the_direct_sound_counts_also_where_a_wall_sends_back_more() {
        let SelfTestReport::Heard(found) =
            run(0, 1000, -20.0, -75.0, &[(1900, 1.4), (2600, -0.7), (5200, 0.5)])
        else {
            panic!("not heard")
        };
        assert!((found.delay.as_secs_f64() * 48_000.0 - 1000.0).abs() <= 2.0, "{found:?}");
    }

    #[test]
    fn digital_silence_is_no_sweep() {
        let mut probe = Probe::new(0);
        while !probe.hear(&[0; FRAME_SAMPLES]) {}
        assert_eq!(probe.report(), SelfTestReport::Unheard { noise_db: -120 });
    }

    #[test]
    fn it_is_quiet_and_has_no_click() {
        let sweep = sweep(LEVEL_DB);
        let peak = sweep.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!(peak <= 261, "{peak}");
        assert_eq!((sweep[0], sweep[SWEEP - 1]), (0, 0));
    }
}
