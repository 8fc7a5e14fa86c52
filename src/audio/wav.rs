//! WAV files in the place of a card, paced by the machine's clock.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};

use super::device::{Capture, DeviceError, Flow, Pacer, Playback, Trouble};
use super::leg::{FRAME_SAMPLES, Frame, SAMPLE_RATE};
use super::sound_file;

/// The longest file that is read, because it is held in memory: 58 MB of it.
const LONGEST: Duration = Duration::from_secs(600);

/// Frames between two updates of the header on disk.
const FLUSH_EVERY: u32 = 50;

/// A WAV file ends at 4 GiB; the recording begins anew before that.
const MOST_FRAMES: u32 = 12 * 3600 * 100;

/// A microphone that hears a WAV file of any rate, width and number of
/// channels, over and over.
#[derive(Debug)]
pub struct WavCapture {
    samples: Vec<i16>,
    at: usize,
    pacer: Pacer,
}

impl WavCapture {
    /// Reads the whole file and brings it to 48 kHz mono.
    ///
    /// # Errors
    /// [`DeviceError`] when it cannot be read, is empty or longer than ten minutes.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let samples = sound_file::read(path, LONGEST).map_err(|error| DeviceError {
            device: format!("wav:{}", path.display()),
            trouble: Trouble::Failed,
            cure: error.why.cure().to_owned(),
            reason: error.why.to_string(),
        })?;
        let samples = samples.iter().map(|s| (s * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16);
        Ok(Self { samples: samples.collect(), at: 0, pacer: Pacer::new() })
    }
}

impl Capture for WavCapture {
    fn read(&mut self, frame: &mut Frame) -> Result<Flow, DeviceError> {
        let flow = self.pacer.tick();
        for sample in frame.iter_mut() {
            *sample = self.samples[self.at];
            self.at = (self.at + 1) % self.samples.len();
        }
        Ok(flow)
    }

    fn delay(&self) -> Duration {
        Duration::ZERO
    }
}

/// A loudspeaker that is recorded into a 48 kHz mono 16 bit WAV file. The file
/// is valid at all times: its header is at most half a second old.
pub struct WavPlayback {
    file: WavWriter<BufWriter<File>>,
    name: String,
    frames: u32,
    pacer: Pacer,
    flow: Flow,
}

impl WavPlayback {
    /// Begins a new file in the place of any old one.
    ///
    /// # Errors
    /// [`DeviceError`] when it cannot be written.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let name = format!("wav:{}", path.display());
        let spec = WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut file = WavWriter::create(path, spec).map_err(|error| not_written(&name, &error))?;
        file.flush().map_err(|error| not_written(&name, &error))?;
        Ok(Self { file, name, frames: 0, pacer: Pacer::new(), flow: Flow::Smooth })
    }

    fn put(&mut self, frame: &Frame) -> Result<(), hound::Error> {
        let mut writer = self.file.get_i16_writer(FRAME_SAMPLES as u32);
        for &sample in frame {
            writer.write_sample(sample);
        }
        writer.flush()?;
        self.frames += 1;
        if self.frames.is_multiple_of(FLUSH_EVERY) { self.file.flush() } else { Ok(()) }
    }
}

impl Playback for WavPlayback {
    fn ready(&mut self) -> Result<(), DeviceError> {
        self.flow = self.pacer.tick();
        Ok(())
    }

    fn write(&mut self, frame: &Frame) -> Result<Flow, DeviceError> {
        if self.frames >= MOST_FRAMES {
            return Err(DeviceError {
                device: self.name.clone(),
                trouble: Trouble::Failed,
                reason: "the file is full after twelve hours".to_owned(),
                cure: "a new one takes its place".to_owned(),
            });
        }
        self.put(frame).map_err(|error| not_written(&self.name, &error))?;
        Ok(self.flow)
    }

    fn delay(&self) -> Duration {
        Duration::ZERO
    }
}

fn not_written(name: &str, error: &hound::Error) -> DeviceError {
    DeviceError {
        device: name.to_owned(),
        trouble: Trouble::Failed,
        reason: error.to_string(),
        cure: "give a path in a folder that exists, may be written and has room".to_owned(),
    }
}
