//! The duplex chain beside the mixer: what is rendered is shown to it, and
//! what was captured goes through it while somebody hears the microphone.

use std::sync::atomic::Ordering::Relaxed;

use super::duplex::{Canceller, Duplex, DuplexSettings, FRAME, Samples, TalkMode};
use super::leg::Frame;
use super::meters::DuplexCounters;
use super::settings::{AudioSettings, EchoChoice, ProcessingMode};
use crate::appliance::command::Direction;

/// Of 16 bit samples.
const FULL_SCALE: f32 = 32_768.0;

/// The chain, and what goes through it.
pub(super) struct Processing {
    duplex: Duplex,
    on: bool,
    wide: Samples,
    /// Frames that the loudspeaker missed, as far as the chain knows of them.
    missed: u64,
    since_publish: u32,
}

/// Frames from one look at the measurements to the next.
const PUBLISH: u32 = 10;

impl Processing {
    /// Everything that is needed later is allocated here.
    pub fn new(settings: &AudioSettings) -> Self {
        let on = settings.processing != ProcessingMode::Off;
        let canceller = match (on, settings.echo_canceller) {
            (false, EchoChoice::Own | EchoChoice::Sonora) => Canceller::Off,
            (true, EchoChoice::Own) => Canceller::Own,
            (true, EchoChoice::Sonora) => Canceller::Aec3,
        };
        let mode = match settings.processing {
            ProcessingMode::FullDuplex => TalkMode::Auto,
            ProcessingMode::HalfDuplex => TalkMode::Half,
            ProcessingMode::Off => TalkMode::Full,
        };
        let duplex = Duplex::new(DuplexSettings {
            canceller,
            high_pass: on,
            noise_suppression: on && settings.noise_suppression,
            gain_control: on && settings.gain_control,
            limiter: on,
            mode,
        });
        Self { duplex, on, wide: [0.0; FRAME], missed: 0, since_publish: 0 }
    }

    /// A frame goes to the loudspeaker; so many frames were missing there since
    /// the start, and silence was played in their place.
    pub fn render(&mut self, frame: &Frame, missed: u64) {
        // More than a second of it is an outage, which the chain notices by itself.
        for _ in 0..missed.saturating_sub(self.missed).min(100) {
            self.duplex.render(&[0.0; FRAME]);
        }
        self.missed = missed;
        self.widen(frame);
        self.duplex.render(&self.wide);
    }

    /// A captured frame on its way to who hears it.
    pub fn capture(&mut self, frame: &mut Frame, direction: Direction) {
        self.widen(frame);
        self.duplex.process(&mut self.wide, direction == Direction::Alternate);
        for (sample, wide) in frame.iter_mut().zip(&self.wide) {
            // The cast holds what is too much at full scale.
            *sample = (wide * FULL_SCALE).round() as i16;
        }
    }

    /// A captured frame that nobody hears, or that was lost.
    pub fn skip(&mut self) {
        self.duplex.skip();
    }

    /// Whether something of the microphone comes through.
    pub fn is_open(&self) -> bool {
        !self.duplex.is_closed()
    }

    /// Whether the far end may be heard.
    pub fn loudspeaker(&self) -> bool {
        self.duplex.gates().loudspeaker
    }

    /// Shows what was measured, now and then.
    pub fn publish(&mut self, counters: &DuplexCounters) {
        self.since_publish += 1;
        if self.since_publish < PUBLISH {
            return;
        }
        self.since_publish = 0;
        let state = self.duplex.state();
        let gates = self.duplex.gates();
        counters.path_loss_db.set(state.path_loss_db);
        counters.cancelled_db.set(state.cancelled_db);
        counters.delay_ms.set(state.delay_ms);
        counters.drift_ppm.set(self.on.then_some(state.drift_ppm));
        counters.waiting.store(state.waiting, Relaxed);
        counters.fallen_back.store(self.duplex.has_fallen_back(), Relaxed);
        counters.microphone_gate.store(gates.microphone, Relaxed);
        counters.loudspeaker_gate.store(gates.loudspeaker, Relaxed);
    }

    fn widen(&mut self, frame: &Frame) {
        for (wide, sample) in self.wide.iter_mut().zip(frame) {
            *wide = f32::from(*sample) / FULL_SCALE;
        }
    }
}
