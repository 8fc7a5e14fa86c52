//! What makes both people heard at once beside one loudspeaker and one
//! microphone: echo cancelling, noise suppression, gain, and a decision on who
//! may speak where that is hopeless.
//!
//! [`Duplex`] is the whole chain for the audio thread: each frame is shown to
//! it as it is rendered, each microphone frame goes in and comes out cleaned,
//! and neither need keep step with the other. Nothing here blocks or reads a
//! clock, and with [`Own`] nothing allocates after construction.
//!
//! Two cancellers stand behind [`EchoCanceller`]: [`Own`], written for keeping
//! the near end in double talk, and [`Aec3`], the WebRTC one, to compare with:
//! it allocates now and then, which an audio thread must not.

mod aec3;
mod bands;
mod delay;
mod drift;
mod envelope;
mod fourier;
mod gain;
mod inputs;
mod kalman;
mod lesson;
mod linear;
mod mask;
mod network;
mod noise;
mod own;
mod reference;
mod residual;
mod shadow;
mod suppress;
mod talk;
mod voice;

#[cfg(test)]
mod tests;

pub use aec3::Aec3;
pub use gain::{GainControl, HighPass, Limiter};
pub use lesson::Lessons;
pub use own::Own;
pub use talk::{Activity, Gates, Talk, TalkMode};
use voice::Voice;

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
    /// Half seconds of audible echo in a row of which less than 5 dB were
    /// cancelled, and what was left rose and fell with the loudspeaker.
    pub hopeless: u32,
    /// From the loudspeaker's samples to the echo's, in dB (ERL of ITU-T G.168), once measured.
    pub path_loss_db: Option<f32>,
    /// By how much more the echo is quieter in what comes out, in dB (ERLE), once measured.
    pub cancelled_db: Option<f32>,
    /// Frames rendered that wait for their microphone frames.
    pub waiting: u32,
}

/// Takes the loudspeaker's sound out of the microphone's.
pub trait EchoCanceller: Send {
    /// Takes a frame as it goes to the loudspeaker. As many as microphone
    /// frames in the long run, in bursts as the cards want them.
    fn render(&mut self, reference: &Samples);

    /// Turns a microphone frame into a cleaned one, somewhat later.
    fn process(&mut self, microphone: &mut Samples);

    /// A microphone frame went by that nobody hears, or was lost: costs next to
    /// nothing, and what was learnt stays.
    fn skip(&mut self);

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
    /// None: a handset, or push-to-talk. Who speaks is then told by the level alone.
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
    /// Brings speech that is far from -22 dBFS nearer to it.
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
    voice: Voice,
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
            voice: Voice::default(),
            talk: Talk::new(settings.mode),
            gates: Gates::default(),
            open: 1.0,
        }
    }

    /// Takes a frame as it goes to the loudspeaker.
    pub fn render(&mut self, reference: &Samples) {
        let mut reference = *reference;
        heal(&mut reference);
        match &mut self.canceller {
            Some(canceller) => canceller.render(&reference),
            None => self.voice.render(&reference),
        }
    }

    /// One microphone frame; `alternate` lets one side speak at a time, whatever the settings say.
    pub fn process(&mut self, microphone: &mut Samples, alternate: bool) {
        heal(microphone);
        if let Some(high_pass) = &mut self.high_pass {
            high_pass.process(microphone);
        }
        match &mut self.canceller {
            Some(canceller) => canceller.process(microphone),
            None => self.voice.hear(microphone),
        }
        let state = self.state();
        self.gates = self.talk.decide(Activity {
            near: state.near > 0.5,
            far: state.far,
            hopeless: state.hopeless,
            alternate,
        });
        self.fade(microphone);
        if let Some(gain) = &mut self.gain {
            gain.process(microphone, state.near > 0.5 && self.gates.microphone);
        }
        if let Some(limiter) = &mut self.limiter {
            limiter.process(microphone);
        }
    }

    /// A microphone frame that nobody hears, or that was lost: both ways are open again.
    pub fn skip(&mut self) {
        if let Some(canceller) = &mut self.canceller {
            canceller.skip();
        }
        if let Some(limiter) = &mut self.limiter {
            limiter.flush();
        }
        (self.gates, self.open) = (Gates::default(), 1.0);
    }

    /// What the canceller knows; without one, who speaks.
    pub fn state(&self) -> EchoState {
        match &self.canceller {
            Some(canceller) => canceller.state(),
            None => self.voice.state(),
        }
    }

    /// Whether nothing of the microphone comes through now.
    pub fn is_closed(&self) -> bool {
        self.open <= 0.0
    }

    /// It was decided that echo cannot be cancelled here now.
    pub fn has_fallen_back(&self) -> bool {
        self.talk.has_fallen_back()
    }

    /// Which way sound passes since the last microphone frame. The microphone's
    /// gate has been applied; the loudspeaker's is for whoever renders.
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
