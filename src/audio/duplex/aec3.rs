//! The WebRTC project's canceller, by its port `sonora`.

use sonora::config::{EchoCanceller as Aec3Settings, HighPassFilter, NoiseSuppression};
use sonora::{AudioProcessing, Config, StreamConfig};

use super::{EchoCanceller, EchoState, FRAME, Samples};

/// AEC3 with its own high-pass and, if wanted, its own noise suppression.
pub struct Aec3 {
    module: AudioProcessing,
    far: u32,
    near: bool,
}

/// Effective value above which a frame holds speech, near or far.
const SPEECH: f32 = 0.003;

/// Frames for which speech lasts.
const HOLD: u32 = 30;

impl Aec3 {
    /// `sonora` allocates on its way, too.
    pub fn new(noise_suppression: bool) -> Self {
        let stream = StreamConfig::new(48000, 1);
        let config = Config {
            echo_canceller: Some(Aec3Settings::default()),
            high_pass_filter: Some(HighPassFilter::default()),
            noise_suppression: noise_suppression.then(NoiseSuppression::default),
            ..Config::default()
        };
        let module =
            AudioProcessing::builder().config(config).capture_config(stream).render_config(stream).build();
        Self { module, far: 0, near: false }
    }
}

impl EchoCanceller for Aec3 {
    fn process(&mut self, reference: &Samples, microphone: &mut Samples) {
        let mut rendered = [0.0; FRAME];
        let mut clean = [0.0; FRAME];
        // It can only fail on wrong lengths, and these are right; the frame then stays as it was.
        let heard = self.module.process_render_f32(&[reference], &mut [&mut rendered]);
        let done = self.module.process_capture_f32(&[microphone], &mut [&mut clean]);
        if heard.is_ok() && done.is_ok() {
            *microphone = clean;
        }
        self.far = if effective(reference) > SPEECH { HOLD } else { self.far.saturating_sub(1) };
        self.near = effective(microphone) > SPEECH;
    }

    fn state(&self) -> EchoState {
        EchoState { far: self.far > 0, near: if self.near { 1.0 } else { 0.0 }, ..EchoState::default() }
    }

    fn latency(&self) -> usize {
        // Measured: 9 ms, and 6 more where noise is suppressed.
        720
    }
}

fn effective(frame: &Samples) -> f32 {
    (frame.iter().map(|s| s * s).sum::<f32>() / FRAME as f32).sqrt()
}
