//! DTMF: telephone-events of any time and order, and sound that pretends.
//!
//! Bytes: one chooses; then nine a report, or sound.

use callbox::audio::{FRAME_SAMPLES, Frame};
use callbox::media::fuzzing::Digits;
use callbox::media::in_band::Detector;

use super::feed::Feed;

const KEYS: &str = "0123456789*#ABCD";

pub fn run(data: &[u8]) {
    let mut feed = Feed(data);
    if feed.byte() % 2 == 0 { events(feed) } else { sound(feed) }
}

fn events(mut feed: Feed<'_>) {
    let mut digits = Digits::default();
    while !feed.is_empty() {
        let (ssrc, timestamp) = (u32::from(feed.byte() % 4), feed.long());
        let length = usize::from(feed.byte() % 6);
        let payload = feed.take(length);
        if let Some(digit) = digits.take(ssrc, timestamp, payload) {
            assert!(KEYS.contains(digit), "{digit:?}");
        }
        assert_eq!(digits.take(ssrc, timestamp, payload), None, "one report is two presses");
    }
}

/// A digit takes 30 ms to be believed, and as long until it may come again.
fn sound(mut feed: Feed<'_>) {
    let mut detector = Detector::default();
    let (mut frames, mut found) = (0_usize, 0_usize);
    while !feed.is_empty() && frames < 500 {
        let (times, length) = (feed.byte() % 16 + 1, usize::from(feed.byte()) * 2 + 2);
        let bytes = feed.take(length);
        let samples: Vec<i16> =
            bytes.chunks(2).map(|two| i16::from_le_bytes([two[0], *two.last().unwrap()])).collect();
        for _ in 0..times {
            let frame: Frame =
                std::array::from_fn(|n| samples.get(n % samples.len().max(1)).copied().unwrap_or(0));
            frames += 1;
            found += usize::from(detector.hear(&frame).is_some_and(|digit| KEYS.contains(digit)));
        }
    }
    assert!(found <= frames / 3 + 1, "{found} digits in {frames} frames of {FRAME_SAMPLES} samples");
}
