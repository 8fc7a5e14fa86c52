//! The own canceller: Kalman filter at 16 kHz, suppressor at 48 kHz.
//!
//! The echo found at 16 kHz is brought up to 48 kHz and taken from the
//! microphone there, so nothing of the near end above 8 kHz is lost; echo up
//! there is left to the suppressor.

use super::bands::{DELAY, Down, RATIO, Up};
use super::envelope::Envelope;
use super::linear::Linear;
use super::suppress::{Far, Suppressor};
use super::{BLOCK, EchoCanceller, EchoState, FRAME, Samples};

/// Samples of reference at 48 kHz that are kept: the longest delay, and what waits for the microphone.
const KEPT: usize = 48000;

/// Frames over which cancellation is measured: half a second.
const SPELL: u32 = 50;
/// Echo counts where it is that much (in power) above the noise,
const AUDIBLE: f32 = 10.0;
/// and is hopeless where less than 5 dB of it are cancelled.
const HOPELESS: f32 = 0.32;

/// There is an echo where the filter alone once cancelled 6 dB for 100 ms.
const PROVEN: f32 = 0.25;
const TRIAL: u32 = 10;

const TINY: f32 = 1e-12;

/// The canceller.
pub struct Own {
    down: [Down; 2],
    up: Up,
    linear: Linear,
    suppressor: Suppressor,
    late_mic: [f32; FRAME + 2 * DELAY],
    rendered: Vec<f32>,
    written: usize,
    error: Samples,
    echo: Samples,
    aligned: Samples,
    spell: Spell,
    trial: Spell,
    hopeless: u32,
    proven: bool,
    figures: Figures,
    envelope: Envelope,
    flushed: bool,
}

/// Powers while the far end speaks, before the filter and behind it.
#[derive(Default)]
struct Spell {
    frames: u32,
    before: f32,
    after: f32,
}

impl Spell {
    /// The means of so many frames, once they are full.
    fn add(&mut self, before: f32, after: f32, frames: u32) -> Option<(f32, f32)> {
        self.frames += 1;
        self.before += before;
        self.after += after;
        (self.frames >= frames).then(|| {
            let full = std::mem::take(self);
            (full.before / frames as f32, full.after / frames as f32)
        })
    }
}

/// Mean powers while the far end alone is heard, smoothed over a second.
#[derive(Default)]
struct Figures {
    frames: u32,
    reference: f32,
    before: f32,
    after: f32,
}

impl Figures {
    const SMOOTH: f32 = 0.02;

    fn add(&mut self, reference: f32, before: f32, after: f32) {
        self.frames = self.frames.saturating_add(1);
        let rate = Self::SMOOTH.max(1.0 / self.frames as f32);
        self.reference += rate * (reference - self.reference);
        self.before += rate * (before - self.before);
        self.after += rate * (after - self.after);
    }

    /// None before half a second of it.
    fn ratio(&self, over: f32, under: f32) -> Option<f32> {
        (self.frames >= SPELL).then(|| 10.0 * ((over + TINY) / (under + TINY)).log10())
    }

    fn path_loss_db(&self) -> Option<f32> {
        self.ratio(self.reference, self.before)
    }

    fn cancelled_db(&self) -> Option<f32> {
        self.ratio(self.before, self.after)
    }
}

impl Own {
    /// Everything is allocated here.
    pub fn new(noise_suppression: bool) -> Self {
        Self {
            down: [Down::new(FRAME), Down::new(FRAME)],
            up: Up::new(BLOCK),
            linear: Linear::new(),
            suppressor: Suppressor::new(noise_suppression),
            late_mic: [0.0; FRAME + 2 * DELAY],
            rendered: vec![0.0; KEPT],
            written: 0,
            error: [0.0; FRAME],
            echo: [0.0; FRAME],
            aligned: [0.0; FRAME],
            spell: Spell::default(),
            trial: Spell::default(),
            hopeless: 0,
            proven: false,
            figures: Figures::default(),
            envelope: Envelope::new(),
            flushed: true,
        }
    }

    /// For [`super::Lessons`].
    pub(super) fn suppressor(&mut self) -> &mut Suppressor {
        &mut self.suppressor
    }

    /// The reference at 48 kHz, as late as the echo in [`Self::late_mic`].
    fn align(&mut self) {
        let late = (self.linear.reading() as usize * RATIO + 2 * DELAY).min(KEPT - FRAME);
        let begin = self.written + 2 * KEPT - FRAME - late;
        for (n, sample) in self.aligned.iter_mut().enumerate() {
            *sample = self.rendered[(begin + n) % KEPT];
        }
    }

    /// Counts half seconds in which cancelling was in vain, in the filter's
    /// band: those in which what is left still follows the loudspeaker, as nobody here would.
    fn measure(&mut self, mic: &[f32; BLOCK], echo: &[f32; BLOCK]) {
        let before = mic.iter().map(|s| s * s).sum::<f32>() / BLOCK as f32;
        let left = mic.iter().zip(echo).map(|(mic, echo)| (mic - echo) * (mic - echo)).sum::<f32>();
        let after = left / BLOCK as f32;
        self.envelope.run(self.linear.rendered(), after);
        // What teaches nothing cannot be cancelled, and says nothing of the room.
        if !self.linear.speaking() || self.linear.is_tone() {
            return;
        }
        let audible = AUDIBLE * self.suppressor.noise_power();
        if let Some((before, after)) = self.trial.add(before, after, TRIAL) {
            self.proven |= before > audible && after < PROVEN * before;
        }
        if let Some((before, after)) = self.spell.add(before, after, SPELL).filter(|full| full.0 > audible) {
            let vain = after > HOPELESS * before && self.envelope.follows();
            self.hopeless = if vain { self.hopeless.saturating_add(1) } else { 0 };
        }
    }

    /// Measures how much quieter the far end comes back.
    fn weigh(&mut self, out: &Samples) {
        let power = |samples: &[f32]| samples.iter().map(|s| s * s).sum::<f32>() / FRAME as f32;
        let before = power(&self.late_mic[..FRAME]);
        let noise = self.suppressor.noise_power();
        let alone = self.linear.speaking() && self.suppressor.near() < 0.5;
        if alone && !self.linear.is_failing() && before > AUDIBLE * noise {
            let comfort = noise * self.suppressor.noise_left();
            self.figures.add(power(&self.aligned), before, (power(out) - comfort).max(0.0));
        }
    }
}

impl EchoCanceller for Own {
    fn render(&mut self, reference: &Samples) {
        let mut far = [0.0; BLOCK];
        self.down[0].run(reference, &mut far);
        self.linear.render(&far);
        for sample in reference {
            self.rendered[self.written] = *sample;
            self.written = (self.written + 1) % KEPT;
        }
    }

    fn skip(&mut self) {
        self.linear.skip();
        // Or the next call would begin with the last one's end.
        if !self.flushed {
            self.flushed = true;
            self.late_mic.fill(0.0);
            self.suppressor.flush();
        }
    }

    fn process(&mut self, microphone: &mut Samples) {
        self.flushed = false;
        let (mut mic, mut echo) = ([0.0; BLOCK], [0.0; BLOCK]);
        self.down[1].run(microphone, &mut mic);
        self.linear.run(&mic, &mut echo);
        self.up.run(&echo, &mut self.echo);
        self.late_mic.copy_within(FRAME.., 0);
        self.late_mic[2 * DELAY..].copy_from_slice(microphone);
        for (error, (mic, echo)) in self.error.iter_mut().zip(self.late_mic.iter().zip(&self.echo)) {
            *error = mic - echo;
        }
        self.align();
        self.measure(&mic, &echo);
        self.suppressor.run(
            [&self.error, &self.echo, &self.aligned],
            self.linear.uncertain(),
            Far { speaks: self.linear.speaking(), teaches: !self.linear.is_tone(), proven: self.proven },
            microphone,
        );
        self.weigh(microphone);
    }

    fn state(&self) -> EchoState {
        EchoState {
            far: self.suppressor.far(),
            near: self.suppressor.near(),
            delay_ms: self.linear.delay().map(|samples| samples as f32 / 16.0),
            drift_ppm: self.linear.ppm() as f32,
            hopeless: self.hopeless,
            path_loss_db: self.figures.path_loss_db(),
            cancelled_db: self.figures.cancelled_db(),
            waiting: self.linear.depth() as u32,
        }
    }

    fn latency(&self) -> usize {
        FRAME + 2 * DELAY
    }
}
