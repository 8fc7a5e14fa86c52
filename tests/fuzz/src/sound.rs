//! WAV files: tones and announcements that somebody copied to the box.

use std::fs;
use std::time::Duration;

use callbox::audio::SAMPLE_RATE;
use callbox::audio::sound_file::read;

use super::terminal::folder;

/// A second is enough, and keeps the resampler from being all that is measured.
const LONGEST: Duration = Duration::from_secs(1);

pub fn run(data: &[u8]) {
    let file = folder().join("fuzzed.wav");
    fs::write(&file, data).unwrap();
    match read(&file, LONGEST) {
        Ok(sound) => {
            assert!(!sound.is_empty());
            assert!(sound.iter().all(|sample| sample.is_finite()), "a sample is no number");
            // The resampler adds its own delay.
            assert!(sound.len() <= SAMPLE_RATE as usize * 3 / 2, "{} samples", sound.len());
        }
        Err(error) => assert!(!error.why.cure().is_empty() && !error.to_string().is_empty()),
    }
}
