//! Microphone and loudspeaker: devices, threads, mixer, tones.
//!
//! One owner of capture and playback for the life of the process. A call's
//! codec and jitter buffer live in `media` and are plugged in as a [`Leg`].

use std::time::Duration;

pub mod alsa;
mod bus;
mod cadence;
mod care;
mod desk;
pub mod device;
mod dsp;
pub mod duplex;
pub mod engine;
mod health;
mod keeper;
pub mod leg;
mod level;
pub mod meters;
mod mixer;
mod player;
mod probe;
mod processing;
pub mod settings;
pub mod sound_file;
mod sounds;
mod speaker;
pub mod synth;
mod tones;
mod voice;
mod volume;
pub mod wav;
mod worker;

pub use alsa::{DeviceInfo, devices};
pub use device::Trouble;
pub use engine::{AudioEngine, start};
pub use leg::{FRAME_SAMPLES, Frame, Leg, SAMPLE_RATE};
pub use meters::{DeviceMeters, DuplexMeters, Meters};
pub use settings::{AudioSettings, Buffering, DeviceName, EchoChoice, ProcessingMode, Region, Synth};

/// The time of one [`Frame`], and of one period of a device.
pub const PERIOD: Duration = Duration::from_millis(10);
