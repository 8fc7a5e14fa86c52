//! Sound made shorter or longer without a change of pitch, and seams between
//! sounds that do not fit, by WSOLA: waveform-similarity overlap-add (Verhelst
//! and Roelands, ICASSP 1993). A piece between two places that look alike is
//! left out or played twice; the splice is faded over the likeness.
//!
//! Everything works in place on 48 kHz and allocates nothing.

use std::f32::consts::PI;

/// Shortest and longest piece: 2.5 to 15 ms, one period of any voice.
const SHORTEST: usize = 120;
pub(super) const LONGEST: usize = 720;

/// A splice is faded over 5 to 10 ms.
const LEAST_FADE: usize = 240;
const MOST_FADE: usize = 480;

/// Sound that is needed for one splice.
pub(super) const PIECE: usize = LONGEST + LEAST_FADE;

/// The search goes through sums of so many samples first.
const COARSE: usize = 6;

/// Leaves out at most `most` samples after `at`, if two places are as alike
/// as `alike`; tells how many are gone from the end.
pub(super) fn shorten(sound: &mut [i16], at: usize, most: usize, alike: f32) -> usize {
    let room = sound.len() - at;
    let longest = most.min(LONGEST).min(room.saturating_sub(LEAST_FADE));
    let Some((lag, _)) = search(sound, at, Side::After, longest).filter(|(_, found)| *found >= alike) else {
        return 0;
    };
    let fade = MOST_FADE.min(room - lag);
    for k in 0..fade {
        sound[at + k] = mix(sound[at + k], sound[at + lag + k], k, fade);
    }
    sound.copy_within(at + lag + fade.., at + fade);
    lag
}

/// Puts in at most `most` samples at `at`, of which `sound` has [`LONGEST`] to
/// spare at its end; `at` has as much before it. Tells how many.
pub(super) fn lengthen(sound: &mut [i16], at: usize, most: usize, alike: f32) -> usize {
    let end = sound.len() - LONGEST;
    let fade = MOST_FADE.min(end - at);
    let longest = most.min(LONGEST).min(at);
    if fade < LEAST_FADE {
        return 0;
    }
    let found = search(&sound[..end], at, Side::Before, longest).filter(|(_, found)| *found >= alike);
    let Some((lag, _)) = found else { return 0 };
    sound.copy_within(at..end, at + lag);
    // What was at `at + k` is now at `at + lag + k`; what was before `at` stayed.
    let mut again = [0; MOST_FADE];
    let again = &mut again[..fade];
    for (k, sample) in again.iter_mut().enumerate() {
        *sample = mix(sound[at + lag + k], earlier(sound, at, lag, k), k, fade);
    }
    for k in fade..lag {
        sound[at + k] = earlier(sound, at, lag, k);
    }
    // The repeated piece goes over into what followed it the first time.
    sound[at..at + fade].copy_from_slice(again);
    lag
}

/// The sample `k` after the place that is `lag` before `at`, in sound of which
/// the part from `at` on has been moved back by `lag`.
fn earlier(sound: &[i16], at: usize, lag: usize, k: usize) -> i16 {
    if k < lag { sound[at - lag + k] } else { sound[at + k] }
}

/// The period in which the sound before `at` repeats itself best.
pub(super) fn period(sound: &[i16], at: usize) -> usize {
    let from = at - LEAST_FADE;
    let longest = LONGEST.min(from);
    search(&sound[..at], from, Side::Before, longest).map_or(longest, |(lag, _)| lag)
}

/// Lets the sound before `at` go on to the end with this period. The step
/// where the repetition begins, if `at` is where, fades out.
pub(super) fn repeat(sound: &mut [i16], at: usize, period: usize, begins: bool) {
    let mut step = step_before(sound, at, period) * f32::from(u8::from(begins));
    for k in at..sound.len() {
        sound[k] = (f32::from(sound[k - period]) + step).round() as i16;
        step *= STEP_FADES;
    }
}

/// What is left of such a step a sample later: half after 0.3 ms.
const STEP_FADES: f32 = 0.95;

fn step_before(sound: &[i16], at: usize, period: usize) -> f32 {
    f32::from(sound[at - 1]) - f32::from(sound[at - 1 - period])
}

/// Makes `sound` from `at` on begin where the sound before it would have gone
/// on with this period.
pub(super) fn join(sound: &mut [i16], at: usize, period: usize) {
    let fade = LEAST_FADE.min(sound.len() - at);
    let mut step = step_before(sound, at, period);
    for k in 0..fade {
        let before = (f32::from(sound[at - period + k % period]) + step) as i16;
        sound[at + k] = mix(before, sound[at + k], k, fade);
        step *= STEP_FADES;
    }
}

/// From `a` to `b`, `k` of `fade` done: a raised cosine.
fn mix(a: i16, b: i16, k: usize, fade: usize) -> i16 {
    let done = 0.5 - 0.5 * (PI * (k as f32 + 0.5) / fade as f32).cos();
    (f32::from(a) + (f32::from(b) - f32::from(a)) * done).round() as i16
}

#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
}

/// The place before or after `at` that looks most like what is at `at`: how
/// far away, and the correlation.
fn search(sound: &[i16], at: usize, side: Side, longest: usize) -> Option<(usize, f32)> {
    if longest < SHORTEST {
        return None;
    }
    let likeness = |lag: usize, step: usize| {
        let (a, b) = match side {
            Side::Before => (&sound[at..], &sound[at - lag..]),
            Side::After => (&sound[at..], &sound[at + lag..]),
        };
        correlation(a, b, step)
    };
    // With COARSE samples summed up, nothing above a few kHz is left that could be missed.
    let mut best = (0, f32::MIN);
    for lag in (SHORTEST..=longest).step_by(COARSE) {
        let found = likeness(lag, COARSE);
        if found > best.1 {
            best = (lag, found);
        }
    }
    let near = best.0.saturating_sub(COARSE - 1).max(SHORTEST)..=(best.0 + COARSE - 1).min(longest);
    let mut best = (0, f32::MIN);
    for lag in near {
        let found = likeness(lag, 1);
        if found > best.1 {
            best = (lag, found);
        }
    }
    Some(best)
}

/// Normalised cross-correlation over a fade's length, of sums of `step` samples.
fn correlation(a: &[i16], b: &[i16], step: usize) -> f32 {
    let length = a.len().min(b.len()).min(MOST_FADE);
    let (mut ab, mut aa, mut bb) = (0.0_f32, 1.0_f32, 1.0_f32);
    for (a, b) in a[..length].chunks_exact(step).zip(b[..length].chunks_exact(step)) {
        let a: i32 = a.iter().map(|sample| i32::from(*sample)).sum();
        let b: i32 = b.iter().map(|sample| i32::from(*sample)).sum();
        let (a, b) = (a as f32, b as f32);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    ab / (aa * bb).sqrt()
}
