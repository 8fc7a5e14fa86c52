//! The tones that a person at the box hears: which one sounds when another begins.

use std::sync::Arc;

use super::leg::Frame;
use super::player::Player;
use super::sounds::{Sounding, Sounds};
use super::voice::Voice;
use crate::appliance::tone::Tone;

/// The tones of the box: one that lasts, and the blip of a press ahead of it.
pub(super) struct Tones {
    sounds: Arc<Sounds>,
    cadence: Player,
    blip: Voice,
    /// Waits for the blip to end.
    next: Option<Tone>,
}

impl Tones {
    pub fn new(sounds: Arc<Sounds>) -> Self {
        Self { sounds, cadence: Player::default(), blip: Voice::default(), next: None }
    }

    /// Plays this from now on. A press already sounding is heard to its end.
    pub fn play(&mut self, tone: Option<Tone>) {
        self.cadence.stop();
        self.next = None;
        match tone {
            Some(Tone::Press) => {
                let (blip, peak) = self.sounds.built_in(Sounding::Tone(Tone::Press));
                self.blip.start(blip, peak, false);
            }
            other => self.next = other,
        }
    }

    /// Adds what sounds now to the frame.
    pub fn mix(&mut self, frame: &mut Frame) {
        for sample in frame.iter_mut() {
            if !self.blip.is_playing()
                && let Some(tone) = self.next.take()
            {
                self.cadence.start(&self.sounds, Sounding::Tone(tone));
            }
            let sum = f64::from(*sample) + self.cadence.sample(&self.sounds) + self.blip.sample();
            *sample = sum.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::audio::leg::FRAME_SAMPLES;
    use crate::audio::settings::{AudioSettings, Region};

    const TONES: [Tone; 9] = [
        Tone::Press,
        Tone::Progress,
        Tone::Ringback,
        Tone::Ring,
        Tone::Busy,
        Tone::Congestion,
        Tone::Error,
        Tone::CallWaiting,
        Tone::CallEnding,
    ];

    fn tones(region: Region) -> Tones {
        Tones::new(Arc::new(Sounds::new(AudioSettings { region, ..AudioSettings::default() })))
    }

    fn render(tones: &mut Tones, ms: usize) -> Vec<i16> {
        let mut sound = Vec::new();
        for _ in 0..ms / 10 {
            let mut frame = [0; FRAME_SAMPLES];
            tones.mix(&mut frame);
            sound.extend_from_slice(&frame);
        }
        sound
    }

    /// Peak of one frequency over its full-scale, 100 ms from `ms`.
    fn level(sound: &[i16], ms: usize, hertz: f64) -> f64 {
        let part = &sound[ms * 48..(ms + 100) * 48];
        let (re, im) = part.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, &s)| {
            let (sin, cos) = (n as f64 * hertz / 48_000.0 * TAU).sin_cos();
            (re + f64::from(s) * cos, im + f64::from(s) * sin)
        });
        20.0 * (2.0 * f64::hypot(re, im) / part.len() as f64 / 32_767.0).max(1e-6).log10()
    }

    #[test]
    fn cadences_and_frequencies_are_those_of_the_tone_plans() {
        // Region, tone, frequencies, on and off in ms (ITU-T E.180 Supplement 2).
        let plan: [(Region, Tone, &[f64], usize, usize); 12] = [
            (Region::Eu, Tone::Ringback, &[425.0], 1000, 4000),
            (Region::Eu, Tone::Busy, &[425.0], 500, 500),
            (Region::Eu, Tone::Congestion, &[425.0], 250, 250),
            (Region::Us, Tone::Ringback, &[440.0, 480.0], 2000, 4000),
            (Region::Us, Tone::Busy, &[480.0, 620.0], 500, 500),
            (Region::Us, Tone::Congestion, &[480.0, 620.0], 250, 250),
            (Region::Uk, Tone::Ringback, &[400.0, 450.0], 400, 200),
            (Region::Uk, Tone::Busy, &[400.0], 375, 375),
            (Region::Uk, Tone::Congestion, &[400.0], 400, 350),
            (Region::Eu, Tone::CallWaiting, &[425.0], 200, 200),
            (Region::Us, Tone::CallWaiting, &[440.0], 300, 10_000),
            (Region::Uk, Tone::CallWaiting, &[400.0], 100, 3000),
        ];
        for (region, tone, hertz, on_ms, off_ms) in plan {
            let mut tones = tones(region);
            tones.play(Some(tone));
            let sound = render(&mut tones, on_ms + off_ms + 200);
            let quieter = if tone == Tone::CallWaiting { 12.0 } else { 0.0 };
            let each = if hertz.len() == 2 { -18.0 - 3.01 } else { -18.0 - quieter };
            for &hz in hertz {
                for at in [on_ms.min(120) - 100, on_ms - 100, on_ms + off_ms + on_ms.min(120) - 100] {
                    let found = level(&sound, at, hz);
                    assert!(
                        (found - each).abs() < 0.7,
                        "{region:?} {tone:?}: {hz} Hz at {at} ms: {found} dBFS"
                    );
                }
            }
            let pause = &sound[(on_ms + 5) * 48..(on_ms + off_ms) * 48];
            assert!(pause.iter().all(|&s| s == 0), "{region:?} {tone:?}: the pause is not silent");
        }
    }

    /// What sounds in each 10 ms: the loudest of these frequencies, or none.
    fn score(sound: &[i16], hertz: &[f64]) -> Vec<Option<f64>> {
        let loudest = |part: &[i16]| {
            let power = |hz: f64| {
                let (re, im) = part.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, &s)| {
                    let (sin, cos) = (n as f64 * hz / 48_000.0 * TAU).sin_cos();
                    (re + f64::from(s) * cos, im + f64::from(s) * sin)
                });
                f64::hypot(re, im)
            };
            let sounds = part.iter().any(|s| s.unsigned_abs() > 200);
            hertz.iter().copied().filter(|_| sounds).max_by(|a, b| power(*a).total_cmp(&power(*b)))
        };
        sound.chunks_exact(480).map(loudest).collect()
    }

    /// How long each note or pause lasts, in 10 ms.
    fn lengths(score: &[Option<f64>]) -> Vec<(Option<f64>, usize)> {
        score.chunk_by(|a, b| a == b).map(|part| (part[0], part.len())).collect()
    }

    #[test]
    fn the_special_information_tone_is_three_rising_notes_everywhere() {
        // ITU-T E.180: 950, 1400 and 1800 Hz of 330 ms each, 1 s of silence.
        for region in [Region::Eu, Region::Us, Region::Uk] {
            let mut tones = tones(region);
            tones.play(Some(Tone::Error));
            let score = score(&render(&mut tones, 3000), &[950.0, 1400.0, 1800.0]);
            let notes = [(Some(950.0), 33), (Some(1400.0), 33), (Some(1800.0), 33), (None, 100_usize)];
            let found = lengths(&score);
            // The last one is cut off.
            for (expected, found) in notes.iter().chain(&notes).zip(&found[..found.len() - 1]) {
                assert_eq!(expected.0, found.0, "{region:?}: {found:?}");
                assert!(expected.1.abs_diff(found.1) <= 1, "{region:?}: {expected:?}, {found:?}");
            }
        }
    }

    #[test]
    fn the_ringer_has_the_cadence_of_its_region() {
        // ITU-T E.180 Supplement 2: when it sounds and when it does not, in 10 ms.
        let regions: [(Region, &[usize]); 3] =
            [(Region::Eu, &[100, 400]), (Region::Us, &[200, 400]), (Region::Uk, &[40, 20, 40, 200])];
        for (region, cadence) in regions {
            let mut tones = tones(region);
            tones.play(Some(Tone::Ring));
            let sound = render(&mut tones, 12_000);
            let on = score(&sound, &[1.0]);
            let found: Vec<usize> = lengths(&on).into_iter().map(|(_, length)| length).collect();
            for (expected, found) in cadence.iter().cycle().zip(&found[..found.len() - 1]) {
                assert!(expected.abs_diff(*found) <= 1, "{region:?}: {found:?}");
            }
            let notes = score(&sound, &[659.3, 784.0]);
            assert!(
                [659.3, 784.0].iter().all(|hz| notes.contains(&Some(*hz))),
                "{region:?}: it does not warble"
            );
        }
    }

    #[test]
    fn every_change_of_tone_is_without_a_click_and_every_end_within_a_frame() {
        for region in [Region::Eu, Region::Us, Region::Uk] {
            for first in TONES {
                for second in TONES.map(Some).into_iter().chain([None]) {
                    let mut tones = tones(region);
                    tones.play(Some(first));
                    let mut sound = render(&mut tones, 130);
                    tones.play(second);
                    sound.extend(render(&mut tones, 200));
                    tones.play(None);
                    render(&mut tones, if second == Some(Tone::Press) { 60 } else { 10 });
                    assert!(render(&mut tones, 10).iter().all(|&s| s == 0), "{first:?}, {second:?}: goes on");
                    // The ringer, 784 Hz at -9 dBFS, climbs 1193 a sample, its ramp 81;
                    // a blip over its end 540. A cut of the ringer would be up to 11626.
                    let jump = sound.windows(2).map(|p| (i32::from(p[1]) - i32::from(p[0])).abs()).max();
                    assert!(jump < Some(1900), "{region:?} {first:?}, {second:?}: a jump of {jump:?}");
                }
            }
        }
    }

    #[test]
    fn a_tone_over_loud_sound_saturates() {
        let mut tones = tones(Region::Eu);
        tones.play(Some(Tone::Ring));
        let mut frame = [i16::MAX; FRAME_SAMPLES];
        tones.mix(&mut frame);
        assert!(frame.iter().all(|&sample| sample > 0), "it wrapped around");
        assert!(frame.contains(&i16::MAX));
    }
}
