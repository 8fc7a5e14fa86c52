//! Tones as sound: cadences by region, phase-continuous and without clicks.
//!
//! Frequencies and cadences: ITU-T E.180 Supplement 2; for Europe also ETSI
//! TR 101 041-2, for the United Kingdom BT SIN 350. Call waiting is the one of
//! Germany for Europe, whose countries all have another. Progress, ring, press,
//! error and end-of-call tones are local to the box and follow no standard.

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
        (Tone::CallWaiting, Region::Eu) => {
            const { &[on(425.0, 0.0, 200), off(200), on(425.0, 0.0, 200), off(5000)] }
        }
        (Tone::CallWaiting, Region::Us) => const { &[on(440.0, 0.0, 300), off(10_000)] },
        (Tone::CallWaiting, Region::Uk) => const { &[on(400.0, 0.0, 100), off(3000)] },
        (Tone::CallEnding, Region::Eu | Region::Us | Region::Uk) => {
            const {
                &[
                    on(950.0, 0.0, 100),
                    off(100),
                    on(950.0, 0.0, 100),
                    off(100),
                    on(950.0, 0.0, 100),
                    off(4500),
                ]
            }
        }
    }
}

/// How far below the other tones these are, which are laid over somebody's words.
const OVER_SPEECH_DB: f64 = 12.0;

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

    fn peak(&self, tone: Tone) -> f64 {
        match tone {
            Tone::Ring => self.ring_peak,
            Tone::CallWaiting | Tone::CallEnding => self.tone_peak * 10_f64.powf(-OVER_SPEECH_DB / 20.0),
            Tone::Press | Tone::Progress | Tone::Ringback | Tone::Busy | Tone::Congestion | Tone::Error => {
                self.tone_peak
            }
        }
    }

    /// Adds what sounds now to the frame.
    pub fn mix(&mut self, frame: &mut Frame) {
        for sample in frame.iter_mut() {
            if !self.blip.is_playing()
                && let Some(tone) = self.next.take()
            {
                self.cadence.start(cadence(self.region, tone), self.peak(tone), true);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::leg::FRAME_SAMPLES;

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
        Tones::new(&AudioSettings { region, ..AudioSettings::default() })
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
