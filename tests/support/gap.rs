//! How long a recording is silent: the far end plays a signal without pauses,
//! and whatever is quiet in what is heard is a gap that the call has made.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::f64::consts::TAU;
use std::time::Duration;

const SAMPLE_RATE: f64 = 48_000.0;

/// Sound is looked at in windows this long, one a millisecond. A window holds two periods of 400 Hz, the
/// lowest that [`drone`] should be asked for, so that no zero crossing looks like silence.
const WINDOW: usize = 240;
const HOP: usize = 48;

/// A window this much quieter than the sound around it is silent: 20 dB.
const QUIETER: f64 = 0.1;

/// The longest gap that a renegotiation may make while the transport stays.
pub const LONGEST_GAP: Duration = Duration::from_millis(40);

/// A voice that never takes breath: a sine of `hertz` that sways by 3 % twice a second, with a partial at half
/// its level. Neither beats nor pauses, so its level stays within 1 dB, and it can be played over and over.
pub fn drone(hertz: f64, seconds: u32) -> Vec<i16> {
    let mut phase = 0.0;
    (0..seconds * SAMPLE_RATE as u32)
        .map(|n| {
            let t = f64::from(n) / SAMPLE_RATE;
            let sway = 1.0 + 0.03 * (TAU * 2.0 * t).sin();
            phase = (phase + hertz * sway / SAMPLE_RATE).fract();
            (6_000.0 * (TAU * phase).sin() + 3_000.0 * (2.0 * TAU * phase).sin()) as i16
        })
        .collect()
}

/// A stretch of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gap {
    /// From the begin of the recording.
    pub at: Duration,
    pub length: Duration,
}

/// All silent stretches of a recording at 48 kHz, to a millisecond or two. What counts as sound is the level
/// that nine tenths of the recording do not exceed; a recording of nothing at all is one gap.
pub fn gaps(sound: &[i16]) -> Vec<Gap> {
    let levels: Vec<f64> = (0..sound.len().saturating_sub(WINDOW) + 1)
        .step_by(HOP)
        .map(|at| {
            let window = &sound[at..(at + WINDOW).min(sound.len())];
            (window.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / WINDOW as f64).sqrt()
        })
        .collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f64::total_cmp);
    let loud = sorted.get(sorted.len() * 9 / 10).copied().unwrap_or(0.0);
    // 1: at most the last bit is heard.
    let floor = (loud * QUIETER).max(1.0);
    let samples = |samples: usize| Duration::from_secs_f64(samples as f64 / SAMPLE_RATE);
    let mut found = Vec::new();
    let mut from = None;
    for (at, level) in levels.iter().copied().chain([f64::INFINITY]).enumerate() {
        match (level < floor, from) {
            (true, None) => from = Some(at),
            (false, Some(begin)) => {
                let length = samples((at - 1 - begin) * HOP + WINDOW);
                found.push(Gap { at: samples(begin * HOP), length });
                from = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    found
}

/// The longest of [`gaps`]; of no length where there is none.
pub fn longest_gap(sound: &[i16]) -> Gap {
    gaps(sound).into_iter().max_by_key(|gap| gap.length).unwrap_or_default()
}
