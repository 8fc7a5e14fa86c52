//! Microphone and loudspeaker: devices, threads, mixer, tones.
//!
//! One owner of capture and playback for the life of the process. A call's
//! codec and jitter buffer live in `media` and are plugged in as a [`Leg`].

pub mod leg;

pub use leg::{FRAME_SAMPLES, Frame, Leg, SAMPLE_RATE};
