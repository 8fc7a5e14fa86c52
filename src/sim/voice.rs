//! What a phone at the far end says and hears, 10 ms at a time, from a paced
//! thread of its own.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::script::Sound;
use crate::audio::{FRAME_SAMPLES, Frame, Leg, SAMPLE_RATE};

const FRAME_TIME: Duration = Duration::from_millis(10);

/// How far the echo lags behind, in frames.
const ECHO_FRAMES: usize = 4;

/// After a stall longer than this the lost time is not made up for.
const LONGEST_CATCH_UP: Duration = Duration::from_millis(500);

/// A tone's amplitude: -12 dBFS.
const TONE_AMPLITUDE: f64 = 0.25 * 32_768.0;

/// Why a phone has no voice.
#[derive(Debug, thiserror::Error)]
pub enum VoiceError {
    /// A WAV file could not be read or made.
    #[error("{}: {source}", file.display())]
    Wav {
        /// Which.
        file: PathBuf,
        /// Why.
        source: hound::Error,
    },
    /// A WAV file is of another kind.
    #[error("{}: {found}; a prompt must be mono, 16 bit, 48 kHz", file.display())]
    Format {
        /// Which.
        file: PathBuf,
        /// What it is.
        found: String,
    },
}

/// Speaks and listens.
pub(super) struct Voice {
    speech: Speech,
    record: Option<hound::WavWriter<BufWriter<File>>>,
}

enum Speech {
    Quiet,
    Echo(VecDeque<Frame>),
    Tone { step: f64, phase: f64 },
    Prompt { samples: Vec<i16>, at: usize, once: bool },
}

impl Voice {
    /// A voice for this sound that writes what it hears to `record`.
    pub fn of(sound: &Sound, record: Option<&Path>) -> Result<Self, VoiceError> {
        let speech = match sound {
            Sound::Echo | Sound::BrowserOrEcho => {
                Speech::Echo(VecDeque::from([[0; FRAME_SAMPLES]; ECHO_FRAMES]))
            }
            Sound::Tone(hz) => Speech::Tone { step: TAU * hz / f64::from(SAMPLE_RATE), phase: 0.0 },
            Sound::Prompt { file, once } => {
                Speech::Prompt { samples: read_prompt(file)?, at: 0, once: *once }
            }
            // A page and a text have no voice here.
            Sound::Quiet | Sound::Browser | Sound::Sdp(_) => Speech::Quiet,
        };
        let record = record.map(create_recording).transpose()?;
        Ok(Self { speech, record })
    }

    /// Hears one frame and says one.
    fn next(&mut self, heard: &Frame) -> Frame {
        if let Some(writer) = &mut self.record
            && let Err(error) = heard.iter().try_for_each(|sample| writer.write_sample(*sample))
        {
            tracing::warn!(%error, "the recording of the far end ends here");
            self.record = None;
        }
        match &mut self.speech {
            Speech::Quiet => [0; FRAME_SAMPLES],
            Speech::Echo(delayed) => {
                delayed.push_back(*heard);
                delayed.pop_front().unwrap_or([0; FRAME_SAMPLES])
            }
            Speech::Tone { step, phase } => std::array::from_fn(|_| {
                *phase = (*phase + *step) % TAU;
                (phase.sin() * TONE_AMPLITUDE) as i16
            }),
            Speech::Prompt { samples, at, once } => std::array::from_fn(|_| {
                if *at == samples.len() && !*once {
                    *at = 0;
                }
                let sample = samples.get(*at).copied();
                *at += usize::from(sample.is_some());
                sample.unwrap_or(0)
            }),
        }
    }
}

fn read_prompt(file: &Path) -> Result<Vec<i16>, VoiceError> {
    let wav = |source| VoiceError::Wav { file: file.to_owned(), source };
    let mut reader = hound::WavReader::open(file).map_err(wav)?;
    let spec = reader.spec();
    if (spec.channels, spec.bits_per_sample, spec.sample_rate) != (1, 16, SAMPLE_RATE) {
        let found =
            format!("{} channels, {} bit, {} Hz", spec.channels, spec.bits_per_sample, spec.sample_rate);
        return Err(VoiceError::Format { file: file.to_owned(), found });
    }
    reader.samples().collect::<Result<_, _>>().map_err(wav)
}

fn create_recording(file: &Path) -> Result<hound::WavWriter<BufWriter<File>>, VoiceError> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    hound::WavWriter::create(file, spec).map_err(|source| VoiceError::Wav { file: file.to_owned(), source })
}

/// A running voice; it falls silent when this is dropped.
pub(super) struct Speaking {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Speaking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // At most one frame away; the recording is complete when this returns.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("a voice at the far end panicked");
        }
    }
}

/// Plugs a voice into a call.
pub(super) fn start(leg: Box<dyn Leg>, voice: Voice) -> Speaking {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let spawned = thread::Builder::new()
        .name("sim-voice".to_owned())
        .spawn(move || speak(leg, voice, &stopped))
        .inspect_err(|error| tracing::warn!(%error, "the far end has no thread for its voice"));
    Speaking { stop, thread: spawned.ok() }
}

fn speak(mut leg: Box<dyn Leg>, mut voice: Voice, stop: &AtomicBool) {
    let mut due = Instant::now();
    let mut heard = [0; FRAME_SAMPLES];
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        leg.far_end(&mut heard, now);
        let said = voice.next(&heard);
        leg.near_end(&said, now);
        due += FRAME_TIME;
        let now = Instant::now();
        if now > due + LONGEST_CATCH_UP {
            due = now;
        }
        thread::sleep(due.saturating_duration_since(now));
    }
    if let Some(writer) = voice.record
        && let Err(error) = writer.finalize()
    {
        tracing::warn!(%error, "the recording of the far end is incomplete");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(number: i16) -> Frame {
        std::array::from_fn(|i| number * 1000 + i as i16)
    }

    #[test]
    fn the_echo_is_exact_and_forty_ms_late() {
        let mut voice = Voice::of(&Sound::Echo, None).unwrap();
        let said: Vec<Frame> = (1..=10).map(|number| voice.next(&heard(number))).collect();
        assert!(said[..ECHO_FRAMES].iter().all(|frame| *frame == [0; FRAME_SAMPLES]));
        for (number, frame) in (1..).zip(&said[ECHO_FRAMES..]) {
            assert_eq!(*frame, heard(number));
        }
    }

    #[test]
    fn a_tone_has_its_frequency_and_level() {
        let mut voice = Voice::of(&Sound::Tone(1000.0), None).unwrap();
        let samples: Vec<i16> = (0..100).flat_map(|_| voice.next(&heard(0))).collect();
        let rising = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!((999..=1000).contains(&rising), "{rising} periods in a second");
        assert_eq!(samples.iter().max(), Some(&8192));
    }

    #[test]
    fn a_prompt_plays_again_and_again_or_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prompt.wav");
        let mut writer = create_recording(&file).unwrap();
        (1..=700).for_each(|sample: i16| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        for (once, after) in [(false, 1), (true, 0)] {
            let prompt = Sound::Prompt { file: file.clone(), once };
            let mut voice = Voice::of(&prompt, None).unwrap();
            let samples: Vec<i16> = (0..2).flat_map(|_| voice.next(&heard(0))).collect();
            assert_eq!(samples[699..702], [700, after, after * 2]);
        }
    }

    #[test]
    fn what_is_heard_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heard.wav");
        let mut voice = Voice::of(&Sound::Quiet, Some(&file)).unwrap();
        voice.next(&heard(3));
        voice.record.take().unwrap().finalize().unwrap();
        assert_eq!(read_prompt(&file).unwrap(), heard(3));
    }

    #[test]
    fn a_prompt_that_cannot_be_played_is_named() {
        let none = Sound::Prompt { file: "/nowhere/hello.wav".into(), once: false };
        let error = Voice::of(&none, None).err().unwrap().to_string();
        assert!(error.starts_with("/nowhere/hello.wav: "), "{error}");
    }
}
