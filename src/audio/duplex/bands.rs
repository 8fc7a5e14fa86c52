//! Between 48 kHz, where the devices are, and 16 kHz, where echo is modelled.
//!
//! One linear-phase low-pass (windowed sinc, 73 taps, -6 dB at 7.6 kHz) serves
//! both ways. Its delay is 36 samples at 48 kHz, 0.75 ms, each way.

use std::f32::consts::PI;

/// Samples at 48 kHz to one at 16 kHz.
pub(super) const RATIO: usize = 3;

/// Delay of one direction, in samples at 48 kHz.
pub(super) const DELAY: usize = (TAPS - 1) / 2;

const TAPS: usize = 73;

fn low_pass() -> [f32; TAPS] {
    let mut taps = [0.0; TAPS];
    let cut = 7600.0 / 48000.0;
    for (n, tap) in taps.iter_mut().enumerate() {
        let at = n as f32 - DELAY as f32;
        let sinc = if at == 0.0 { 2.0 * cut } else { (2.0 * PI * cut * at).sin() / (PI * at) };
        let phase = PI * (at / (DELAY as f32 + 1.0) + 1.0);
        *tap = sinc * (0.42 - 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos());
    }
    let sum: f32 = taps.iter().sum();
    taps.map(|tap| tap / sum)
}

/// 48 kHz to 16 kHz.
pub(super) struct Down {
    taps: [f32; TAPS],
    line: Vec<f32>,
}

impl Down {
    /// For frames of `frame` samples at 48 kHz.
    pub fn new(frame: usize) -> Self {
        Self { taps: low_pass(), line: vec![0.0; TAPS - 1 + frame] }
    }

    /// A third as many samples.
    pub fn run(&mut self, wide: &[f32], narrow: &mut [f32]) {
        let keep = TAPS - 1;
        self.line.copy_within(wide.len().., 0);
        self.line[keep..].copy_from_slice(wide);
        for (out, window) in narrow.iter_mut().zip(self.line.windows(TAPS).step_by(RATIO)) {
            *out = window.iter().zip(&self.taps).map(|(a, b)| a * b).sum();
        }
    }
}

/// 16 kHz to 48 kHz.
pub(super) struct Up {
    /// The low-pass taken apart: what each of the three output phases needs.
    phases: [[f32; TAPS / RATIO + 1]; RATIO],
    line: Vec<f32>,
}

impl Up {
    /// For frames of `frame` samples at 16 kHz.
    pub fn new(frame: usize) -> Self {
        let taps = low_pass();
        let mut phases = [[0.0; TAPS / RATIO + 1]; RATIO];
        for (n, tap) in taps.iter().enumerate() {
            phases[n % RATIO][TAPS / RATIO - n / RATIO] = tap * RATIO as f32;
        }
        Self { phases, line: vec![0.0; TAPS / RATIO + frame] }
    }

    /// Three times as many samples.
    pub fn run(&mut self, narrow: &[f32], wide: &mut [f32]) {
        let keep = TAPS / RATIO;
        self.line.copy_within(narrow.len().., 0);
        self.line[keep..].copy_from_slice(narrow);
        for (out, window) in wide.as_chunks_mut::<RATIO>().0.iter_mut().zip(self.line.windows(keep + 1)) {
            for (sample, taps) in out.iter_mut().zip(&self.phases) {
                *sample = window.iter().zip(taps).map(|(a, b)| a * b).sum();
            }
        }
    }
}
