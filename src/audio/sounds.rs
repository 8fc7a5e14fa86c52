//! The box's own sounds: files that the configuration names, and for what it
//! names none, or none that can be played, the built-in cadences.
//!
//! Files are read on a thread of their own while the box is up already; a tone
//! that begins before its file is there is the built-in one. Nothing is ever
//! replaced, so the real-time thread looks without a lock and frees nothing.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::cadence::{self, Segment};
use super::leg::SAMPLE_RATE;
use super::settings::AudioSettings;
use super::sound_file::{self, LONGEST_SOUND};
use super::voice::RAMP_SAMPLES;
use crate::appliance::command::Clip;
use crate::appliance::tone::Tone;

/// How far below the other tones these are, which are laid over somebody's words.
const OVER_SPEECH_DB: f64 = 12.0;

/// No sample of a file is louder than this, 3 dB below full scale.
const HIGHEST_PEAK: f32 = 0.708;

/// What a far end hears is no louder than speech on a telephone line at its
/// loudest: -20 dB of full scale, 6 dB above its nominal level (ITU-T P.56, G.100.1).
const LOUDEST_SPEECH: f64 = 0.1;

/// The loudest stretch of a file this long counts: what the ear takes for loudness.
const LOUDNESS_WINDOW: usize = SAMPLE_RATE as usize * 2 / 5;

/// Before an announcement is said again.
const PAUSE: usize = SAMPLE_RATE as usize;

/// One of the box's sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sounding {
    Tone(Tone),
    Clip(Clip),
}

/// Room for every tone there is, and every clip behind them.
const TONES: usize = 32;
const CLIPS: usize = 8;

impl Sounding {
    fn slot(self) -> usize {
        match self {
            Sounding::Tone(tone) => tone as usize,
            Sounding::Clip(clip) => TONES + clip as usize,
        }
    }

    /// Whether it goes on until it is told to stop.
    pub fn repeats(self) -> bool {
        match self {
            Sounding::Tone(tone) => tone != Tone::Press,
            Sounding::Clip(Clip::Acknowledge) => true,
            Sounding::Clip(Clip::Location | Clip::Offline) => false,
        }
    }
}

/// See the module's documentation.
pub(super) struct Sounds {
    settings: AudioSettings,
    files: [OnceLock<Box<[i16]>>; TONES + CLIPS],
}

impl Sounds {
    pub fn new(settings: AudioSettings) -> Self {
        Self { settings, files: [const { OnceLock::new() }; TONES + CLIPS] }
    }

    /// The file's sound at 48 kHz, if there is one by now; never empty.
    pub fn file(&self, what: Sounding) -> Option<&[i16]> {
        self.files.get(what.slot())?.get().map(|sound| &**sound)
    }

    /// The built-in sound and its peak.
    pub fn built_in(&self, what: Sounding) -> (&'static [Segment], f64) {
        let cadence = match what {
            Sounding::Tone(tone) => cadence::of_tone(self.settings.region, tone),
            Sounding::Clip(clip) => cadence::of_clip(clip),
        };
        (cadence, self.peak(what) * f64::from(i16::MAX))
    }

    /// The peak of a sine at the level that a sound should have, full scale being 1.
    fn peak(&self, what: Sounding) -> f64 {
        let peak = |db: f32| 10_f64.powf(f64::from(db.clamp(-60.0, 0.0)) / 20.0);
        let tone = peak(self.settings.tone_level_db);
        match what {
            Sounding::Tone(Tone::Ring) | Sounding::Clip(Clip::Offline) => peak(self.settings.ring_level_db),
            Sounding::Tone(Tone::CallWaiting | Tone::CallEnding) => {
                tone * 10_f64.powf(-OVER_SPEECH_DB / 20.0)
            }
            Sounding::Tone(
                Tone::Press | Tone::Progress | Tone::Ringback | Tone::Busy | Tone::Congestion | Tone::Error,
            )
            | Sounding::Clip(Clip::Location | Clip::Acknowledge) => tone,
        }
    }

    /// How loud a file may be at its loudest: root mean square, full scale being 1.
    fn loudest(&self, what: Sounding) -> f64 {
        match what {
            Sounding::Clip(Clip::Location | Clip::Acknowledge) => LOUDEST_SPEECH,
            Sounding::Tone(_) | Sounding::Clip(Clip::Offline) => self.peak(what) / 2_f64.sqrt(),
        }
    }

    /// Reads every file that the settings name. What cannot be played, in words.
    pub fn load(&self) -> Vec<String> {
        let mut found = Vec::new();
        let tones = self.settings.tone_files.iter().map(|(tone, path)| (Sounding::Tone(*tone), vec![path]));
        for (what, paths) in tones.chain(self.clips()) {
            match self.read(what, &paths) {
                Ok(sound) => {
                    if let Some(slot) = self.files.get(what.slot()) {
                        let _ = slot.set(sound);
                    }
                }
                Err(error) => found.push(error),
            }
        }
        found
    }

    /// Which files make which clip: where the box is comes before what is asked for.
    fn clips(&self) -> impl Iterator<Item = (Sounding, Vec<&PathBuf>)> {
        let file = |clip| self.settings.clip_files.get(&clip);
        [
            (Clip::Location, [file(Clip::Location), None]),
            (Clip::Acknowledge, [file(Clip::Location), file(Clip::Acknowledge)]),
            (Clip::Offline, [file(Clip::Offline), None]),
        ]
        .into_iter()
        .map(|(clip, files)| (Sounding::Clip(clip), files.into_iter().flatten().collect::<Vec<_>>()))
        .filter(|(_, files)| !files.is_empty())
    }

    fn read(&self, what: Sounding, paths: &[&PathBuf]) -> Result<Box<[i16]>, String> {
        let mut all = Vec::new();
        for path in paths {
            let mut sound = read_calmly(path)?;
            limit(&mut sound, self.loudest(what) as f32);
            fade(&mut sound);
            all.extend(sound.iter().map(|s| (s * f32::from(i16::MAX)).round() as i16));
        }
        if what == Sounding::Clip(Clip::Acknowledge) {
            all.resize(all.len() + PAUSE, 0);
        }
        Ok(all.into_boxed_slice())
    }
}

/// A file that makes the decoder panic is one that cannot be played.
fn read_calmly(path: &Path) -> Result<Vec<f32>, String> {
    let owned = path.to_owned();
    match catch_unwind(move || sound_file::read(&owned, LONGEST_SOUND)) {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(_) => Err(format!("{}: the file cannot be decoded; make it anew", path.display())),
    }
}

/// Takes out what is no sound, and makes what is too loud as loud as may be.
fn limit(sound: &mut [f32], loudest: f32) {
    let mean = sound.iter().map(|s| f64::from(*s)).sum::<f64>() / sound.len().max(1) as f64;
    for sample in sound.iter_mut() {
        *sample -= mean as f32;
    }
    let peak = sound.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    let window = |part: &[f32]| part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len() as f64;
    let power = sound.chunks(LOUDNESS_WINDOW).map(window).fold(0.0, f64::max);
    let gain = (HIGHEST_PEAK / peak.max(f32::MIN_POSITIVE))
        .min(loudest / (power.sqrt() as f32).max(f32::MIN_POSITIVE))
        .min(1.0);
    for sample in sound.iter_mut() {
        *sample *= gain;
    }
}

/// No file begins or ends with a click, whatever its first sample is.
fn fade(sound: &mut [f32]) {
    let ramp = (RAMP_SAMPLES as usize).min(sound.len() / 2);
    for n in 0..ramp {
        let gain = n as f32 / ramp as f32;
        sound[n] *= gain;
        let last = sound.len() - 1 - n;
        sound[last] *= gain;
    }
}
