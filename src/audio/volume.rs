//! The loudspeaker's volume in software: as people set it, and a little more
//! where it is noisy. Sits before the echo canceller's reference is taken, so
//! that the canceller never sees a gain that moves.

use super::leg::{FRAME_SAMPLES, Frame};

/// Loudness grows with this power of sound pressure: 10 dB more are twice as
/// loud (S. S. Stevens, "The measurement of loudness", JASA 27, 1955).
const STEVENS: f32 = 0.6;

/// Decibels below full for so many percent of full loudness; `None` is silence.
pub(super) fn perceived_db(percent: u8) -> Option<f32> {
    let share = f32::from(percent.min(100)) / 100.0;
    (share > 0.0).then(|| 20.0 / STEVENS * share.log10())
}

/// No peak above -1 dBFS where the volume is raised.
const CEILING: f32 = 0.891 * 32_767.0;

/// A lower gain is reached within 2 ms, and before the first sample that would be too loud.
const ATTACK: usize = 96;

/// A higher one at 40 dB a second: slower than a syllable's end, faster than a person waits for.
const RELEASE: f32 = 1.047;

/// The volume of what is played.
pub(super) struct Volume {
    /// As people set it, 0 to 1.
    set: f32,
    /// As the last sample left it.
    applied: f32,
    ambient: Option<Ambient>,
}

impl Volume {
    /// Full volume. With `ambient` up to 12 dB more where it is noisy.
    pub fn new(ambient: bool) -> Self {
        Self { set: 1.0, applied: 1.0, ambient: ambient.then(Ambient::default) }
    }

    /// Percent of full loudness.
    pub fn set(&mut self, percent: u8) {
        self.set = perceived_db(percent).map_or(0.0, amplitude);
    }

    /// What is added for the noise around, in dB.
    pub fn boost_db(&self) -> f32 {
        self.ambient.as_ref().map_or(0.0, |ambient| ambient.boost_db)
    }

    /// A frame of the microphone, as it comes from the card.
    pub fn hear(&mut self, frame: &Frame) {
        if let Some(ambient) = &mut self.ambient {
            ambient.hear(frame);
        }
    }

    /// Sets the level of a frame on its way to the loudspeaker.
    pub fn play(&mut self, frame: &mut Frame) {
        if let Some(ambient) = &mut self.ambient {
            ambient.play(frame);
        }
        let wanted = self.set * amplitude(self.boost_db());
        if wanted == 1.0 && self.applied == 1.0 {
            return;
        }
        let peak = frame.iter().map(|sample| f32::from(sample.unsigned_abs())).fold(1.0, f32::max);
        // Only what is raised above unity can be too much.
        let most = if wanted > 1.0 { (CEILING / peak).max(1.0) } else { wanted };
        let target = wanted.min(most);
        let too_loud = |sample: &i16| f32::from(sample.unsigned_abs()) * self.applied > 32_767.0;
        let (from, to, steps) = if target < self.applied {
            (self.applied, target, frame.iter().position(too_loud).unwrap_or(ATTACK).clamp(1, ATTACK))
        } else {
            // From silence there is no ratio to grow by.
            (self.applied, target.min((self.applied * RELEASE).max(0.05)), FRAME_SAMPLES)
        };
        let step = (to - from) / steps as f32;
        for (n, sample) in frame.iter_mut().enumerate() {
            let gain = if n < steps { from + step * n as f32 } else { to };
            *sample = (f32::from(*sample) * gain).round() as i16;
        }
        self.applied = to;
    }
}

/// From decibels to a factor.
fn amplitude(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// At the microphone, dBFS: below this it is a quiet place.
const QUIET_DB: f32 = -60.0;
/// Half a decibel for each of noise: people raise their own voice by as much (Lombard effect; Lane and Tranel, 1971).
const SLOPE: f32 = 0.5;
const MOST_DB: f32 = 12.0;
/// A frame up and down: 1 dB a second up, half of it down. A lorry that passes moves it by a few dB.
const UP_DB: f32 = 0.01;
const DOWN_DB: f32 = 0.005;
/// The loudspeaker is silent below this, dBFS, and the room silent of it so many frames later.
const PLAYS_DB: f32 = -55.0;
const ECHO_FRAMES: u32 = 40;
/// Speech pauses within this: the least of so many blocks of so many frames is noise (minimum statistics,
/// R. Martin, IEEE Trans. Speech and Audio Processing 9, 2001).
const BLOCK_FRAMES: u32 = 50;
const BLOCKS: usize = 8;

/// How noisy it is around the box while nobody speaks at the loudspeaker.
struct Ambient {
    boost_db: f32,
    /// Frames since the loudspeaker was last heard.
    silent: u32,
    smooth: f32,
    block: f32,
    frames: u32,
    blocks: [f32; BLOCKS],
    at: usize,
}

impl Default for Ambient {
    fn default() -> Self {
        Self {
            boost_db: 0.0,
            silent: 0,
            smooth: 0.0,
            block: f32::MAX,
            frames: 0,
            blocks: [f32::MAX; BLOCKS],
            at: 0,
        }
    }
}

impl Ambient {
    fn play(&mut self, frame: &Frame) {
        let plays = decibels(power(frame)) > PLAYS_DB;
        self.silent = if plays { 0 } else { self.silent.saturating_add(1) };
        let noise = self.blocks.iter().copied().fold(f32::MAX, f32::min);
        // Not before the place is known.
        let wanted = if self.blocks.contains(&f32::MAX) {
            0.0
        } else {
            ((decibels(noise) - QUIET_DB) * SLOPE).clamp(0.0, MOST_DB)
        };
        self.boost_db += (wanted - self.boost_db).clamp(-DOWN_DB, UP_DB);
    }

    fn hear(&mut self, frame: &Frame) {
        if self.silent < ECHO_FRAMES {
            return;
        }
        let power = power(frame);
        // Down fast: a pause between two words is short.
        self.smooth += if power < self.smooth { 0.5 } else { 0.2 } * (power - self.smooth);
        self.block = self.block.min(self.smooth);
        self.frames += 1;
        if self.frames == BLOCK_FRAMES {
            self.blocks[self.at] = self.block;
            self.at = (self.at + 1) % BLOCKS;
            (self.block, self.frames) = (f32::MAX, 0);
        }
    }
}

fn power(frame: &Frame) -> f32 {
    frame.iter().map(|&sample| f32::from(sample) * f32::from(sample)).sum::<f32>() / FRAME_SAMPLES as f32
}

/// Against a full-scale sine.
fn decibels(power: f32) -> f32 {
    10.0 * (power / (32_767.0 * 32_767.0 / 2.0) + 1e-12).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sine of 1 kHz: ten whole periods a frame.
    fn tone(db: f32) -> Frame {
        let peak = 32_767.0 * amplitude(db);
        std::array::from_fn(|n| ((n as f32 * std::f32::consts::TAU / 48.0).sin() * peak).round() as i16)
    }

    fn noise(db: f32, seed: &mut u32) -> Frame {
        let peak = 32_767.0 * amplitude(db) * 1.5_f32.sqrt();
        std::array::from_fn(|_| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((*seed >> 8) as f32 / (1 << 23) as f32 - 1.0).mul_add(peak, 0.0) as i16
        })
    }

    /// The level after the volume has settled.
    fn settled(volume: &mut Volume, db: f32) -> f32 {
        let mut frame = tone(db);
        for _ in 0..100 {
            frame = tone(db);
            volume.play(&mut frame);
        }
        decibels(power(&frame))
    }

    #[test]
    fn each_ten_decibels_halve_the_loudness_and_full_changes_nothing() {
        let mut volume = Volume::new(false);
        let mut frame = tone(-3.0);
        volume.play(&mut frame);
        assert_eq!(frame, tone(-3.0), "bit for bit");
        for (percent, db) in [(50, -10.03), (25, -20.07), (10, -33.33), (100, 0.0)] {
            volume.set(percent);
            let heard = settled(&mut volume, -6.0) + 6.0;
            assert!((heard - db).abs() < 0.1, "{percent} % is {heard} dB");
        }
        volume.set(0);
        assert!(settled(&mut volume, -6.0) < -110.0);
        volume.set(100);
        assert!((settled(&mut volume, -6.0) + 6.0).abs() < 0.1, "back from silence");
    }

    #[test]
    fn a_change_makes_no_click() {
        let mut volume = Volume::new(false);
        let mut last = 0.0;
        let mut steepest = 0.0_f32;
        for turn in 0..400_u32 {
            volume.set([100, 20, 60, 0][turn as usize / 50 % 4]);
            // 100 Hz: 48 samples are a tenth of a period, so steps stand out.
            let mut frame: Frame = std::array::from_fn(|n| {
                ((n as f32 * std::f32::consts::TAU / 480.0).sin() * 16_000.0).round() as i16
            });
            volume.play(&mut frame);
            for sample in frame.map(f32::from) {
                steepest = steepest.max((sample - last).abs());
                last = sample;
            }
        }
        // The sine itself has 209 a sample, the fastest ramp 16000 / 96 = 167 more.
        assert!(steepest < 380.0, "a step of {steepest}");
    }

    #[test]
    fn a_noisy_place_raises_it_slowly_and_no_peak_is_cut() {
        let (mut volume, mut seed) = (Volume::new(true), 7);
        let mut steps = Vec::new();
        for _ in 0..3000 {
            volume.hear(&noise(-40.0, &mut seed));
            let before = volume.boost_db();
            volume.play(&mut [0; FRAME_SAMPLES]);
            steps.push((volume.boost_db() - before).abs());
        }
        assert!((9.0..=11.0).contains(&volume.boost_db()), "{} dB over -40 dB of noise", volume.boost_db());
        assert!(steps.iter().all(|step| *step <= UP_DB + 1e-4), "it pumps");
        let boosted = settled(&mut volume, -30.0);
        assert!((boosted + 30.0 - volume.boost_db()).abs() < 0.3, "{boosted}");
        for _ in 0..50 {
            let mut loud = tone(-0.5);
            volume.play(&mut loud);
            let flat =
                loud.windows(3).filter(|w| w[0].unsigned_abs() == 32_767 && w[0] == w[1] && w[1] == w[2]);
            assert_eq!(flat.count(), 0, "clipped");
        }
    }

    #[test]
    fn its_own_sound_and_talk_do_not_raise_it() {
        let (mut volume, mut seed) = (Volume::new(true), 7);
        // The loudspeaker speaks, and the microphone hears it.
        for _ in 0..3000 {
            volume.play(&mut tone(-20.0));
            volume.hear(&tone(-25.0));
        }
        assert_eq!(volume.boost_db(), 0.0);
        // Somebody talks at the box, with pauses, in a quiet place.
        for n in 0..3000 {
            volume.play(&mut [0; FRAME_SAMPLES]);
            volume.hear(&noise(if n % 150 < 120 { -25.0 } else { -70.0 }, &mut seed));
        }
        assert!(volume.boost_db() < 0.1, "{}", volume.boost_db());
    }
}
