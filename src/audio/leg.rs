//! The seam between sound and network: 10 ms frames, both ways.

use std::time::Instant;

/// Samples a second, everywhere between ALSA and the codec.
pub const SAMPLE_RATE: u32 = 48_000;

/// Samples of one 10 ms frame.
pub const FRAME_SAMPLES: usize = 480;

/// 10 ms of mono sound at 48 kHz, 16 bit signed.
pub type Frame = [i16; FRAME_SAMPLES];

/// One call's audio, as the `audio-dsp` thread sees it.
///
/// Called only from that thread: neither method may allocate, lock, log or
/// block. Both are called once every 10 ms of their own device's clock, so
/// the two clocks may drift apart.
pub trait Leg: Send {
    /// Takes one frame from the microphone, to be sent to the far end.
    fn near_end(&mut self, frame: &Frame, now: Instant);

    /// Fills one frame for the loudspeaker from the far end; silence where
    /// there is nothing to play.
    fn far_end(&mut self, frame: &mut Frame, now: Instant);
}
