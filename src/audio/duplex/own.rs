//! The own canceller: Kalman filter at 16 kHz, suppressor at 48 kHz.
//!
//! The echo found at 16 kHz is brought up to 48 kHz and taken from the
//! microphone there, so nothing of the near end above 8 kHz is lost; echo up
//! there is left to the suppressor.

use super::bands::{DELAY, Down, RATIO, Up};
use super::linear::Linear;
use super::suppress::Suppressor;
use super::{BLOCK, EchoCanceller, EchoState, FRAME, Samples};

/// Samples of reference at 48 kHz that are kept: the longest delay and some more.
const KEPT: usize = 24000;

/// Frames over which cancellation is measured: half a second.
const SPELL: u32 = 50;
/// Echo counts where it is that much (in power) above the noise,
const AUDIBLE: f32 = 10.0;
/// and is hopeless where less than 5 dB of it are cancelled.
const HOPELESS: f32 = 0.32;

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
    hopeless: u32,
}

/// Powers of a half second of far-end speech.
#[derive(Default)]
struct Spell {
    frames: u32,
    before: f32,
    after: f32,
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
            hopeless: 0,
        }
    }

    /// The reference at 48 kHz, as late as the echo in [`Self::late_mic`].
    fn align(&mut self, reference: &Samples) {
        for sample in reference {
            self.rendered[self.written] = *sample;
            self.written = (self.written + 1) % KEPT;
        }
        let late = (self.linear.reading() as usize * RATIO + 2 * DELAY).min(KEPT - FRAME);
        let begin = self.written + 2 * KEPT - FRAME - late;
        for (n, sample) in self.aligned.iter_mut().enumerate() {
            *sample = self.rendered[(begin + n) % KEPT];
        }
    }

    /// Counts half seconds in which cancelling was in vain, in the filter's band.
    fn measure(&mut self, mic: &[f32; BLOCK], echo: &[f32; BLOCK]) {
        if !self.linear.speaking() {
            return;
        }
        self.spell.frames += 1;
        for (mic, echo) in mic.iter().zip(echo) {
            self.spell.before += mic * mic / BLOCK as f32;
            self.spell.after += (mic - echo) * (mic - echo) / BLOCK as f32;
        }
        if self.spell.frames < SPELL {
            return;
        }
        let Spell { before, after, .. } = std::mem::take(&mut self.spell);
        if before > AUDIBLE * self.suppressor.noise_power() * SPELL as f32 {
            self.hopeless = if after > HOPELESS * before { self.hopeless.saturating_add(1) } else { 0 };
        }
    }
}

impl EchoCanceller for Own {
    fn process(&mut self, reference: &Samples, microphone: &mut Samples) {
        let (mut far, mut mic, mut echo) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
        self.down[0].run(reference, &mut far);
        self.down[1].run(microphone, &mut mic);
        self.linear.run(&far, &mic, &mut echo);
        self.up.run(&echo, &mut self.echo);
        self.late_mic.copy_within(FRAME.., 0);
        self.late_mic[2 * DELAY..].copy_from_slice(microphone);
        for (error, (mic, echo)) in self.error.iter_mut().zip(self.late_mic.iter().zip(&self.echo)) {
            *error = mic - echo;
        }
        self.align(reference);
        self.measure(&mic, &echo);
        self.suppressor.run(
            [&self.error, &self.echo, &self.aligned],
            self.linear.uncertain(),
            self.linear.speaking(),
            microphone,
        );
    }

    fn state(&self) -> EchoState {
        EchoState {
            far: self.suppressor.far(),
            near: self.suppressor.near(),
            delay_ms: self.linear.delay().map(|samples| samples as f32 / 16.0),
            drift_ppm: self.linear.ppm() as f32,
            hopeless: self.hopeless,
        }
    }

    fn latency(&self) -> usize {
        FRAME + 2 * DELAY
    }
}
