//! Why: a bound on gaps is worth what the measuring of gaps is worth. It must
//! find a gap that was cut out, at its place and in its length, and none where there is none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/gap.rs"]
mod gap;

use std::time::Duration;

use gap::{drone, gaps, longest_gap};

#[test]
fn a_drone_has_no_gap_and_neither_has_its_repetition() {
    for hertz in [400.0, 700.0, 1_000.0] {
        let twice = [drone(hertz, 3), drone(hertz, 3)].concat();
        assert_eq!(gaps(&twice), []);
    }
}

#[test]
fn what_was_cut_out_is_found() {
    for length in [6, 20, 39, 41, 100, 700_u64] {
        for rest in [0, 40] {
            let mut sound = drone(700.0, 3);
            // 40 of 6000 is quieter by 43 dB: a codec's noise is no sound.
            for sample in &mut sound[48_000..48_000 + 48 * length as usize] {
                *sample = (*sample).clamp(-rest, rest);
            }
            let found = longest_gap(&sound);
            let near =
                |a: Duration, ms: u64| a.abs_diff(Duration::from_millis(ms)) <= Duration::from_millis(2);
            assert!(near(found.length, length) && near(found.at, 1_000), "{length} ms: {found:?}");
            assert_eq!(gaps(&sound).len(), 1, "{length} ms");
        }
    }
}

#[test]
fn silence_is_one_gap_and_an_empty_recording_has_none() {
    assert_eq!(longest_gap(&[0; 48_000]).length, Duration::from_secs(1));
    assert_eq!(longest_gap(&[0; 480]).length, Duration::from_millis(10));
    assert!(longest_gap(&[]).length < Duration::from_millis(6));
}
