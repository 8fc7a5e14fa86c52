//! WAV files of any rate, width and number of channels, as 48 kHz mono.
//!
//! For threads that may wait and allocate. Whatever is wrong with a file is an
//! error that says how to mend it, and nothing in a file can end the program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hound::{Error, SampleFormat, WavReader};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, FixedAsync, Resampler, SincInterpolationParameters};

use super::leg::SAMPLE_RATE;

/// The longest tone or announcement: it is held in memory, 96 kB a second.
pub const LONGEST_SOUND: Duration = Duration::from_secs(60);

/// Rates that sound can have; one that a damaged header claims may be any.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

const MOST_CHANNELS: u16 = 32;

/// Why a file cannot be played, and what would mend it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}; {}", path.display(), why.cure())]
pub struct SoundFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: Unplayable,
}

/// What is wrong with a sound file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplayable {
    /// It is not there, no file, or may not be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// Something else than a WAV file, or a header that contradicts itself.
    #[error("the file is no WAV file: {0}")]
    NotWav(String),
    /// A WAV file with a coding, a rate or a number of channels that is not read.
    #[error("the file has {0}")]
    Unsupported(String),
    /// The header promises more than there is.
    #[error("the file ends before its sound does")]
    Truncated,
    /// No samples.
    #[error("there is no sound in the file")]
    Empty,
    /// So many seconds, and how many there may be.
    #[error("the file says that it is {0} s long, and {1} s is the most")]
    TooLong(u64, u64),
    /// Samples that are infinite or no numbers.
    #[error("the file holds samples that are no numbers")]
    NotNumbers,
}

impl Unplayable {
    /// What would mend it.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "name a WAV file that callbox may read",
            Self::NotWav(_) | Self::Unsupported(_) => {
                "make one with ffmpeg -i FILE -ac 1 -ar 48000 -c:a pcm_s16le NEW.wav"
            }
            Self::Truncated => "copy it again, or write its header anew: ffmpeg -i FILE -c copy NEW.wav",
            Self::Empty => "record it anew, or leave the key out for the built-in sound",
            Self::TooLong(..) => "cut it shorter, or write its header anew: ffmpeg -i FILE -c copy NEW.wav",
            Self::NotNumbers => "export it anew with 16 bit samples",
        }
    }
}

/// Reads a file of at most `longest`: 48 kHz, mono, full scale being 1.
///
/// # Errors
/// [`SoundFileError`], and never a panic.
pub fn read(path: &Path, longest: Duration) -> Result<Vec<f32>, SoundFileError> {
    let (mono, rate) = decode(path, longest).map_err(|why| SoundFileError { path: path.to_owned(), why })?;
    if rate == SAMPLE_RATE {
        return Ok(mono);
    }
    resample(&mono, rate)
        .map_err(|reason| SoundFileError { path: path.to_owned(), why: Unplayable::Unsupported(reason) })
}

/// Every channel in one, at the file's rate.
fn decode(path: &Path, longest: Duration) -> Result<(Vec<f32>, u32), Unplayable> {
    // A pipe would be waited for without end.
    let unreadable = |error: std::io::Error| Unplayable::Unreadable(error.to_string());
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(Unplayable::Unreadable("it is no file".to_owned()));
    }
    let reader = WavReader::open(path).map_err(|error| match error {
        Error::IoError(error) if error.kind() == std::io::ErrorKind::PermissionDenied => unreadable(error),
        Error::IoError(_) => Unplayable::NotWav("it ends within its header".to_owned()),
        other => of_hound(&other),
    })?;
    let spec = reader.spec();
    if !RATES.contains(&spec.sample_rate) {
        return Err(Unplayable::Unsupported(format!("a rate of {} Hz", spec.sample_rate)));
    }
    if !(1..=MOST_CHANNELS).contains(&spec.channels) || !(1..=32).contains(&spec.bits_per_sample) {
        let (channels, bits) = (spec.channels, spec.bits_per_sample);
        return Err(Unplayable::Unsupported(format!("{channels} channels of {bits} bits")));
    }
    if reader.duration() == 0 {
        return Err(Unplayable::Empty);
    }
    let seconds = u64::from(reader.duration().div_ceil(spec.sample_rate));
    if seconds > longest.as_secs() {
        return Err(Unplayable::TooLong(seconds, longest.as_secs()));
    }
    let length = reader.duration() as usize;
    let mono = match spec.sample_format {
        SampleFormat::Float => downmix(reader.into_samples::<f32>(), spec.channels, length)?,
        SampleFormat::Int => {
            let full = (1_i64 << (spec.bits_per_sample - 1)) as f32;
            let samples = reader.into_samples::<i32>().map(|sample| sample.map(|s| s as f32 / full));
            downmix(samples, spec.channels, length)?
        }
    };
    Ok((mono, spec.sample_rate))
}

fn downmix(
    mut samples: impl Iterator<Item = Result<f32, Error>>,
    channels: u16,
    length: usize,
) -> Result<Vec<f32>, Unplayable> {
    let mut mono = Vec::with_capacity(length);
    for _ in 0..length {
        let mut sum = 0.0;
        for _ in 0..channels {
            sum += samples.next().ok_or(Unplayable::Truncated)?.map_err(|error| of_hound(&error))?;
        }
        if !sum.is_finite() {
            return Err(Unplayable::NotNumbers);
        }
        // Beyond full scale nothing can be played, and the resampler's sums of it may be infinite.
        mono.push((sum / f32::from(channels)).clamp(-1.0, 1.0));
    }
    Ok(mono)
}

fn of_hound(error: &Error) -> Unplayable {
    match error {
        Error::IoError(_) | Error::UnfinishedSample => Unplayable::Truncated,
        Error::FormatError(what) => Unplayable::NotWav((*what).to_owned()),
        Error::Unsupported | Error::InvalidSampleFormat | Error::TooWide => {
            Unplayable::Unsupported("a coding other than plain PCM".to_owned())
        }
    }
}

fn resample(mono: &[f32], rate: u32) -> Result<Vec<f32>, String> {
    let ratio = f64::from(SAMPLE_RATE) / f64::from(rate);
    let parameters = SincInterpolationParameters::default();
    let mut resampler = Async::<f32>::new_sinc(ratio, 1.0, &parameters, 1024, 1, FixedAsync::Input)
        .map_err(|error| error.to_string())?;
    let input = InterleavedSlice::new(mono, 1, mono.len()).map_err(|error| error.to_string())?;
    let output = resampler.process_all(&input, mono.len(), None).map_err(|error| error.to_string())?;
    Ok(output.take_data())
}
