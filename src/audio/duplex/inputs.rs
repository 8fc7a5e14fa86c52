//! Spectra of the last blocks of the reference, which both adaptive filters work on.

use realfft::num_complex::Complex32;

use super::BLOCK;
use super::fourier::Fourier;
use super::kalman::{BINS, PARTS};

/// How many times as loud (in power) as the block before a sound's first block is.
const SUDDEN: f32 = 100.0;

/// Share of a block's power within 250 Hz from which on it is a tone.
const TONAL: f32 = 0.98;

/// The spectra.
pub(super) struct Inputs {
    fourier: Fourier,
    /// Of two blocks each, newest first from `newest` on.
    spectra: Vec<[Complex32; BINS]>,
    newest: usize,
    last: [f32; BLOCK],
    time: [f32; 2 * BLOCK],
    tone: bool,
    sudden: bool,
}

impl Inputs {
    pub fn new() -> Self {
        Self {
            fourier: Fourier::new(2 * BLOCK),
            spectra: vec![[Complex32::ZERO; BINS]; PARTS],
            newest: 0,
            last: [0.0; BLOCK],
            time: [0.0; 2 * BLOCK],
            tone: false,
            sudden: false,
        }
    }

    /// The spectrum of a block and the one before it, `part` blocks ago.
    pub fn part(&self, part: usize) -> &[Complex32; BINS] {
        &self.spectra[(self.newest + part) % PARTS]
    }

    /// Takes the next block.
    pub fn take(&mut self, reference: &[f32; BLOCK]) {
        self.newest = (self.newest + PARTS - 1) % PARTS;
        self.time[..BLOCK].copy_from_slice(&self.last);
        self.time[BLOCK..].copy_from_slice(reference);
        self.fourier.forward(&self.time, &mut self.spectra[self.newest]);
        self.tone = is_tone(&self.spectra[self.newest]);
        self.sudden = power(reference) > SUDDEN * power(&self.last);
        self.last = *reference;
    }

    /// Takes other blocks in place of all: oldest first, one block more than there are partitions.
    pub fn refill(&mut self, history: &[f32]) {
        self.newest = 0;
        for (part, pair) in history.windows(2 * BLOCK).step_by(BLOCK).rev().take(PARTS).enumerate() {
            self.fourier.forward(pair, &mut self.spectra[part]);
        }
        if let Some(newest) = history.last_chunk::<BLOCK>() {
            self.last = *newest;
        }
    }

    /// The newest block is a tone, from which nothing can be learnt.
    pub fn is_tone(&self) -> bool {
        self.tone
    }

    /// The newest block begins a sound. That is broad in frequency, be it a tone's.
    pub fn is_sudden(&self) -> bool {
        self.sudden
    }
}

fn power(block: &[f32; BLOCK]) -> f32 {
    block.iter().map(|sample| sample * sample).sum()
}

/// A tone tells nothing of a room, and one that the near end happens to have too would be taken for its
/// echo (ITU-T G.168 demands the same of line echo cancellers, "non-divergence on narrow-band signals").
fn is_tone(spectrum: &[Complex32; BINS]) -> bool {
    // As through a Hann window, whose main lobe is four bins wide.
    let power = |bin: usize| (spectrum[bin] * 2.0 - spectrum[bin - 1] - spectrum[bin + 1]).norm_sqr();
    let (mut all, mut most, mut peak) = (0.0, 0.0, 1);
    for bin in 1..BINS - 1 {
        let here = power(bin);
        all += here;
        if here > most {
            (most, peak) = (here, bin);
        }
    }
    let lobe: f32 = (peak.saturating_sub(2).max(1)..=(peak + 2).min(BINS - 2)).map(power).sum();
    all > 0.0 && lobe > TONAL * all
}
