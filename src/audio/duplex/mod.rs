//! What makes both people heard at once beside one loudspeaker and one
//! microphone: echo cancelling, noise suppression, gain, and a decision on who
//! may speak where that is hopeless.
//!
//! [`Duplex`] is the whole chain for the audio thread: a reference frame as it
//! is rendered and a microphone frame go in, a cleaned frame comes out. Nothing
//! here blocks or reads a clock, and with [`Own`] nothing allocates after
//! construction. No call goes through it yet.
//!
//! Two cancellers stand behind [`EchoCanceller`]: [`Own`], written for keeping
//! the near end in double talk, and [`Aec3`], the WebRTC one, to compare with:
//! it allocates now and then, which an audio thread must not.

mod aec3;
mod bands;
mod delay;
mod drift;
mod fourier;
mod gain;
mod kalman;
mod linear;
mod noise;
mod own;
mod reference;
mod residual;
mod suppress;
mod talk;

#[cfg(test)]
mod tests;

pub use aec3::Aec3;
pub use gain::{GainControl, HighPass, Limiter};
pub use own::Own;
pub use talk::{Activity, Gates, Talk, TalkMode};

/// Samples of one frame: 10 ms at 48 kHz.
pub const FRAME: usize = 480;

/// The same 10 ms at 16 kHz, where the echo path is modelled.
const BLOCK: usize = 160;

/// One frame of mono samples, full scale at one.
pub type Samples = [f32; FRAME];

/// What a canceller knows of its surroundings.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EchoState {
    /// The far end is being heard from the loudspeaker, or was until 300 ms ago.
    pub far: bool,
    /// How sure it is that the near end speaks, 0 to 1.
    pub near: f32,
    /// From rendering to the echo's arrival, in milliseconds, once it is known.
    pub delay_ms: Option<f32>,
    /// By how much the loudspeaker's clock is slow against the microphone's, in parts per million.
    pub drift_ppm: f32,
    /// Half seconds of audible echo in a row, of which less than 5 dB were cancelled.
    pub hopeless: u32,
}

/// Takes the loudspeaker's sound out of the microphone's.
pub trait EchoCanceller: Send {
    /// Turns a microphone frame into a cleaned one, somewhat later; `reference` is
    /// the frame handed to the loudspeaker for the same 10 ms.
    fn process(&mut self, reference: &Samples, microphone: &mut Samples);

    /// What it knows now.
    fn state(&self) -> EchoState;

    /// What it adds to the microphone's way, in samples at 48 kHz.
    fn latency(&self) -> usize;
}

/// Which canceller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Canceller {
    /// [`Own`].
    #[default]
    Own,
    /// [`Aec3`].
    Aec3,
    /// None: a handset, or push-to-talk.
    Off,
}

/// The chain's switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DuplexSettings {
    /// The echo canceller.
    pub canceller: Canceller,
    /// Takes out rumble and wind below 100 Hz.
    pub high_pass: bool,
    /// Lowers steady noise by 12 dB; part of the canceller, so none with [`Canceller::Off`].
    pub noise_suppression: bool,
    /// Brings speech to -23 dBFS.
    pub gain_control: bool,
    /// Keeps peaks below -1 dBFS without clipping; adds 1 ms.
    pub limiter: bool,
    /// Who may speak when.
    pub mode: TalkMode,
}

impl Default for DuplexSettings {
    fn default() -> Self {
        Self {
            canceller: Canceller::default(),
            high_pass: true,
            noise_suppression: true,
            gain_control: true,
            limiter: true,
            mode: TalkMode::default(),
        }
    }
}

/// The chain: high-pass, canceller, gate, gain control, limiter.
pub struct Duplex {
    high_pass: Option<HighPass>,
    canceller: Option<Box<dyn EchoCanceller>>,
    gain: Option<GainControl>,
    limiter: Option<Limiter>,
    talk: Talk,
    gates: Gates,
    open: f32,
}

impl Duplex {
    /// Everything that is needed later is allocated here.
    pub fn new(settings: DuplexSettings) -> Self {
        let canceller: Option<Box<dyn EchoCanceller>> = match settings.canceller {
            Canceller::Own => Some(Box::new(Own::new(settings.noise_suppression))),
            Canceller::Aec3 => Some(Box::new(Aec3::new(settings.noise_suppression))),
            Canceller::Off => None,
        };
        Self {
            high_pass: settings.high_pass.then(HighPass::new),
            canceller,
            gain: settings.gain_control.then(GainControl::new),
            limiter: settings.limiter.then(Limiter::new),
            talk: Talk::new(settings.mode),
            gates: Gates::default(),
            open: 1.0,
        }
    }

    /// One frame; `pressed` is the push-to-talk button.
    pub fn process(&mut self, reference: &Samples, microphone: &mut Samples, pressed: bool) {
        let mut reference = *reference;
        heal(&mut reference);
        heal(microphone);
        if let Some(high_pass) = &mut self.high_pass {
            high_pass.process(microphone);
        }
        if let Some(canceller) = &mut self.canceller {
            canceller.process(&reference, microphone);
        }
        let state = self.state();
        self.gates = self.talk.decide(Activity {
            near: state.near > 0.5,
            far: state.far,
            hopeless: state.hopeless,
            pressed,
        });
        self.fade(microphone);
        if let Some(gain) = &mut self.gain {
            gain.process(microphone, state.near > 0.5 && self.gates.microphone);
        }
        if let Some(limiter) = &mut self.limiter {
            limiter.process(microphone);
        }
    }

    /// What the canceller knows; without one, nothing.
    pub fn state(&self) -> EchoState {
        self.canceller.as_ref().map(|canceller| canceller.state()).unwrap_or_default()
    }

    /// Which way sound passes since the last frame. The microphone's gate has
    /// been applied; the loudspeaker's is for whoever renders.
    pub fn gates(&self) -> Gates {
        self.gates
    }

    /// Opens or closes within one frame, without a click.
    fn fade(&mut self, frame: &mut Samples) {
        let target = if self.gates.microphone { 1.0 } else { 0.0 };
        let step = (target - self.open) / FRAME as f32;
        for sample in frame.iter_mut() {
            self.open += step;
            *sample *= self.open;
        }
        self.open = target;
    }
}

/// A sample that is no number, or far outside full scale, would stay in every filter for good.
fn heal(frame: &mut Samples) {
    for sample in frame {
        *sample = if sample.is_finite() { sample.clamp(-4.0, 4.0) } else { 0.0 };
    }
}
