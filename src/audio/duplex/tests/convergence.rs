//! A canceller must come to the same end from wherever it begins: none of
//! these rooms may be one in which it takes the echo for somebody, and stays.

use super::*;

/// What is left after `seconds` of a room, in dB below what the microphone heard in the last second.
fn cancelled_at_last(far: &[f32], mic: &[f32]) -> (f32, EchoState) {
    let (out, states) = run(&mut Own::new(true), far, mic);
    let last = far.len() - 48_000..far.len();
    (db(power(&mic[last.clone()]) / power(&out[last])), states[states.len() - 1])
}

/// One way from loudspeaker to microphone.
fn way(far: &[f32], delay_ms: usize, gain: f32) -> Vec<f32> {
    let delay = delay_ms * 48;
    (0..far.len()).map(|n| if n < delay { 0.0 } else { gain * far[n - delay] }).collect()
}

fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// The loudest way may come after others: a filter that began with it could never learn those.
#[test]
fn the_first_of_two_ways_is_learnt_whichever_is_louder() {
    for (seed, first_ms, later_ms) in [(7, 20, 60), (8, 86, 103), (9, 80, 97), (10, 90, 94), (11, 200, 240)] {
        for (first, later) in [(1.0, 1.0), (1.0, 1.1), (0.7, 1.1), (0.5, 0.8), (0.2, -0.3)] {
            let far = words(seed, 400);
            let mic = sum(&way(&far, first_ms, first), &way(&far, later_ms, later));
            let (cancelled, state) = cancelled_at_last(&far, &mic);
            let what = format!("{first} after {first_ms} ms and {later} after {later_ms}");
            assert!(cancelled > 20.0, "{what}: only {cancelled:.1} dB, {state:?}");
            assert!(state.near < 0.5, "{what}: taken for somebody, {state:?}");
            assert!((state.delay_ms.unwrap() - first_ms as f32).abs() < 2.0, "{what}: {state:?}");
        }
    }
}

/// A volume control, a loudspeaker that is plugged in: what was learnt of a silent room is no doubt about echo.
#[test]
fn a_loudspeaker_that_is_turned_up_late_is_learnt_as_one_that_was_loud() {
    let mut random = Random(5);
    for (before, after, delay_ms) in [(0.0, 0.5, 8), (0.01, 0.5, 20), (0.0, 1.0, 60), (-0.5, 0.5, 20)] {
        let far = words(7, 1400);
        let mic: Vec<f32> = echo_of(&far, delay_ms * 48)
            .iter()
            .enumerate()
            .map(|(n, echo)| 2.0 * echo * if n < 480_000 { before } else { after } + 1e-4 * random.next())
            .collect();
        let (cancelled, state) = cancelled_at_last(&far, &mic);
        let what = format!("{before} before, {after} after, {delay_ms} ms");
        assert!(cancelled > 20.0, "{what}: only {cancelled:.1} dB after 4 s, {state:?}");
        assert!(state.near < 0.5, "{what}: taken for somebody, {state:?}");
    }
}

/// Test calls and telephones are full of tones. One at the far end explains
/// nothing of another here, and one that both ends have is nobody's echo.
#[test]
fn a_steady_tone_at_the_near_end_comes_through_whatever_tone_the_far_end_has() {
    let tone = |hertz: f32| (0..300 * FRAME).map(move |n| 0.25 * (n as f32 * hertz / 48000.0 * TAU).sin());
    let mic: Vec<f32> = tone(440.0).collect();
    for hertz in [440.0, 1000.0, 1500.0] {
        let (out, _) = run(&mut Own::new(true), &tone(hertz).collect::<Vec<_>>(), &mic);
        let lost = db(power(second(&mic, 2)) / power(second(&out, 2)));
        assert!(lost < 6.0, "{lost:.1} dB of 440 Hz were lost beside {hertz} Hz");
    }
}
