//! Plays one of the box's sounds at a time, the file or the built-in cadence,
//! and never clicks: what is stopped fades within 3 ms, and what takes its
//! place waits for that. Real-time: no allocation, no lock.

use super::leg::{FRAME_SAMPLES, Frame};
use super::sounds::{Sounding, Sounds};
use super::voice::{RAMP_SAMPLES, Voice};

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Player {
    voice: Voice,
    file: Option<Place>,
    /// Waits for the file that fades.
    next: Option<Sounding>,
}

/// Where in a file.
struct Place {
    what: Sounding,
    at: usize,
    level: f64,
    fading: bool,
}

impl Player {
    /// Plays this from its begin, in the place of whatever sounds.
    pub fn start(&mut self, sounds: &Sounds, what: Sounding) {
        self.stop();
        if sounds.file(what).is_some() {
            self.next = Some(what);
        } else {
            let (cadence, peak) = sounds.built_in(what);
            self.voice.start(cadence, peak, what.repeats());
        }
    }

    pub fn stop(&mut self) {
        self.voice.stop();
        self.next = None;
        if let Some(place) = &mut self.file {
            place.fading = true;
        }
    }

    /// The next sample.
    pub fn sample(&mut self, sounds: &Sounds) -> f64 {
        if self.file.is_none() {
            self.file = self.next.take().map(|what| Place { what, at: 0, level: 1.0, fading: false });
        }
        let file = self.file.as_mut().map_or(Some(0.0), |place| place.sample(sounds));
        if file.is_none() {
            self.file = None;
        }
        self.voice.sample() + file.unwrap_or(0.0)
    }

    /// The next frame, while there is one.
    pub fn frame(&mut self, sounds: &Sounds) -> Option<Frame> {
        if self.voice.is_silent() && self.file.is_none() && self.next.is_none() {
            return None;
        }
        let mut frame = [0; FRAME_SAMPLES];
        for sample in &mut frame {
            *sample = self.sample(sounds).round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16;
        }
        Some(frame)
    }
}

impl Place {
    /// `None`: it is over.
    fn sample(&mut self, sounds: &Sounds) -> Option<f64> {
        let file = sounds.file(self.what)?;
        if self.at >= file.len() && self.what.repeats() {
            self.at = 0;
        }
        if self.fading {
            self.level -= 1.0 / RAMP_SAMPLES;
        }
        let sample = *file.get(self.at).filter(|_| self.level > 0.0)?;
        self.at += 1;
        Some(f64::from(sample) * self.level)
    }
}
