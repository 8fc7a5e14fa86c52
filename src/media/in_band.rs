//! DTMF heard in the sound itself: for a far end that has no telephone-event.
//!
//! Tones and tolerances are those of ITU-T Q.23 and Q.24: one of four low and
//! one of four high frequencies; accepted within 1.5 % and refused from 3.5 %
//! on, with the high tone up to 4 dB above or 8 dB below the low one, from 40 ms
//! on with as long a pause, and reported once.
//!
//! Each frame of 10 ms is measured at the eight frequencies (Goertzel 1958), and
//! three frames in a row must agree: that is what a tone of 40 ms fills whatever
//! its begin. What makes them agree is what speech and music lack: two sines
//! hold nearly all the energy, that energy is steady, and the phase of each
//! moves on from frame to frame as at its nominal frequency. A phase tells a
//! frequency much finer than the 100 Hz that 10 ms could resolve.
//!
//! Real-time: no allocation.

use std::f32::consts::{PI, TAU};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::lock_free::DigitRing;
use crate::audio::{FRAME_SAMPLES, Frame, SAMPLE_RATE};

/// ITU-T Q.23: rows and columns of the keypad, Hz.
const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Frames that must agree: 30 ms.
const STEADY: usize = 3;

/// Frames without the digit after which the same one is another press. A gap of
/// 10 ms in a press is none (Q.24), nor is a packet that was lost.
const GAP: u8 = 3;

/// Either tone at least so loud: 42 dB below full scale.
const LEAST: f32 = 0.5 * 0.008 * 0.008;

/// The two tones hold at least so much of the frame's energy. At 15 dB over noise
/// they hold 97 %; off by 1.5 % the highest one shows 81 % of itself in a frame.
const PURE: f32 = 0.72;

/// The loudest other frequency of a group is so much below the one chosen, as
/// power: what leaks into it of a tone that is off by 1.5 %, and noise.
const APART: f32 = 0.45;

/// High above low and low above high, as power: 6 dB and 11.5 dB, which is what
/// Q.24 asks for with what noise and leakage add.
const TWIST: f32 = 4.0;
const REVERSE_TWIST: f32 = 14.0;

/// From frame to frame the energy stays within 2.2 dB.
const UNSTEADY: f32 = 1.66;

/// How far a tone may be from its frequency: between Q.24's 1.5 and 3.5 %.
const OFF: f32 = 0.024;

/// Between the audio thread, which hears digits, and the peer's task, which
/// wants them only of a far end that has no better way to send them.
pub(super) struct Inbox {
    wanted: AtomicBool,
    digits: DigitRing,
    news: Notify,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { wanted: AtomicBool::new(false), digits: DigitRing::new(), news: Notify::new() }
    }
}

impl Inbox {
    /// Whether digits shall be looked for in the sound.
    pub(super) fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Relaxed);
    }

    /// Takes the next 10 ms of the far end's sound. For the audio thread.
    pub(super) fn hear(&self, detector: &mut Detector, frame: &Frame) {
        if !self.wanted.load(Ordering::Relaxed) {
            return;
        }
        let Some(digit) = detector.hear(frame) else { return };
        let index = KEYS.iter().flatten().position(|key| *key == digit).unwrap_or_default();
        // Full if the other thread has not looked for half a second.
        let _ = self.digits.push(index as u8);
        self.news.notify_one();
    }

    /// Waits for digits.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// The digits since the last call, in order.
    pub(super) fn fetch(&self) -> impl Iterator<Item = char> + use<> {
        self.digits.take().map(|index| KEYS[usize::from(index / 4)][usize::from(index % 4)])
    }
}

/// A complex number; what is measured at one frequency in one frame.
#[derive(Clone, Copy, Debug, Default)]
struct Wave {
    re: f32,
    im: f32,
}

impl Wave {
    fn power(self) -> f32 {
        // Of a sine of amplitude a: a² / 2.
        2.0 * (self.re * self.re + self.im * self.im) / (FRAME_SAMPLES * FRAME_SAMPLES) as f32
    }

    fn phase(self) -> f32 {
        self.im.atan2(self.re)
    }
}

/// What one frame looks like.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    key: Option<Key>,
}

/// A row and a column that may be a digit, and how they were measured.
#[derive(Clone, Copy, Debug)]
struct Key {
    low: usize,
    high: usize,
    waves: [Wave; 2],
}

/// Finds digits in a far end's sound. One a call.
pub struct Detector {
    /// `2 cos(w)` and the phase of one frame, for each frequency.
    tones: [(f32, f32); 8],
    last: [Look; STEADY - 1],
    /// The digit that is down, and for how many frames it was not heard.
    down: Option<(char, u8)>,
}

impl Default for Detector {
    fn default() -> Self {
        let mut tones = [(0.0, 0.0); 8];
        for (tone, hertz) in tones.iter_mut().zip(LOW.into_iter().chain(HIGH)) {
            let step = TAU * hertz / SAMPLE_RATE as f32;
            *tone = (2.0 * step.cos(), step);
        }
        Self { tones, last: [Look::default(); STEADY - 1], down: None }
    }
}

impl Detector {
    /// Takes the next 10 ms; tells the digit if it has just been recognised.
    pub fn hear(&mut self, frame: &Frame) -> Option<char> {
        let look = self.look(frame);
        let digit = self.agreed(&look);
        self.last.rotate_left(1);
        self.last[STEADY - 2] = look;
        match (digit, &mut self.down) {
            (Some(digit), Some((down, missed))) if *down == digit => {
                *missed = 0;
                None
            }
            (Some(digit), down) => {
                *down = Some((digit, 0));
                Some(digit)
            }
            (None, Some((down, missed))) => {
                // A frame that still looks like it keeps it down.
                let same = look.key.is_some_and(|key| KEYS[key.low][key.high] == *down);
                *missed = if same { 0 } else { *missed + 1 };
                if *missed >= GAP {
                    self.down = None;
                }
                None
            }
            (None, None) => None,
        }
    }

    /// Whether this frame and those before it are one tone pair.
    fn agreed(&self, look: &Look) -> Option<char> {
        let now = look.key?;
        let mut newer = now;
        for older in self.last.iter().rev() {
            let older = older.key.filter(|older| (older.low, older.high) == (now.low, now.high))?;
            if !self.goes_on(&older, &newer) {
                return None;
            }
            newer = older;
        }
        Some(KEYS[now.low][now.high])
    }

    /// Whether both tones of a frame go on in the next one, as loud and at their frequency.
    fn goes_on(&self, older: &Key, newer: &Key) -> bool {
        let loudness = |key: &Key| key.waves[0].power() + key.waves[1].power();
        let ratio = loudness(newer) / loudness(older);
        if !(1.0 / UNSTEADY..UNSTEADY).contains(&ratio) {
            return false;
        }
        [newer.low, 4 + newer.high].into_iter().zip(older.waves.iter().zip(&newer.waves)).all(
            |(tone, (older, newer))| {
                let (_, step) = self.tones[tone];
                let frame = step * FRAME_SAMPLES as f32;
                let drift = wrapped(newer.phase() - older.phase() - frame);
                drift.abs() < OFF * frame
            },
        )
    }

    /// Measures a frame.
    fn look(&self, frame: &Frame) -> Look {
        let samples = frame.map(|sample| f32::from(sample) / 32_768.0);
        let energy = samples.iter().map(|s| s * s).sum::<f32>() / FRAME_SAMPLES as f32;
        if energy < LEAST {
            return Look::default();
        }
        let waves = goertzel(&samples, &self.tones);
        let powers = waves.map(Wave::power);
        let (low, high) = (loudest(&powers[..4]), loudest(&powers[4..]));
        let (at_low, at_high) = (powers[low], powers[4 + high]);
        let apart = |group: &[f32], best: usize| {
            let others = group.iter().enumerate().filter(|(n, _)| *n != best).map(|(_, power)| *power);
            others.fold(0.0, f32::max) < APART * group[best]
        };
        let is_key = at_low > LEAST
            && at_high > LEAST
            && at_low + at_high > PURE * energy
            && at_high < TWIST * at_low
            && at_low < REVERSE_TWIST * at_high
            && apart(&powers[..4], low)
            && apart(&powers[4..], high);
        Look { key: is_key.then_some(Key { low, high, waves: [waves[low], waves[4 + high]] }) }
    }
}

fn loudest(powers: &[f32]) -> usize {
    let best = powers.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map_or(0, |(n, _)| n)
}

/// The part of a frame at each frequency, its phase being that at the frame's begin.
fn goertzel(samples: &[f32; FRAME_SAMPLES], tones: &[(f32, f32); 8]) -> [Wave; 8] {
    let twice_cos = tones.map(|(twice_cos, _)| twice_cos);
    let (mut last, mut before) = ([0.0; 8], [0.0; 8]);
    for sample in samples {
        for tone in 0..8 {
            let next = sample + twice_cos[tone] * last[tone] - before[tone];
            before[tone] = last[tone];
            last[tone] = next;
        }
    }
    // Each is the sum of x[n] e^(-iwn), times e^(iw(N-1)): turned back to n = 0.
    std::array::from_fn(|tone| {
        let (_, step) = tones[tone];
        let (sin, cos) = step.sin_cos();
        let (re, im) = (last[tone] - before[tone] * cos, before[tone] * sin);
        let (sin, cos) = (step * (FRAME_SAMPLES - 1) as f32 % TAU).sin_cos();
        Wave { re: re * cos + im * sin, im: im * cos - re * sin }
    })
}

/// An angle as -π to π.
fn wrapped(angle: f32) -> f32 {
    let turned = (angle + PI).rem_euclid(TAU);
    turned - PI
}

#[cfg(test)]
mod tests;
