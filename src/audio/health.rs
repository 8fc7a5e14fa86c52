//! What tells a device that works from one that only seems to. For the device
//! threads: no allocation, no lock, no clock.

use super::leg::{FRAME_SAMPLES, Frame};

/// An offset of a tenth of full scale is no sound card's: a broken amplifier or a short circuit.
const OFFSET: i64 = 3277;

/// Looks at captured frames for what no live microphone gives. A microphone's
/// amplifier always makes some noise, so one value for seconds is a dead one.
#[derive(Default)]
pub(super) struct Pulse {
    last: i16,
    /// Frames in a row of one and the same value.
    pub stuck: u32,
    /// Frames in a row with a large offset.
    pub offset: u32,
}

impl Pulse {
    /// Takes a frame.
    pub fn frame(&mut self, frame: &Frame) {
        let stuck = frame.iter().all(|sample| *sample == self.last);
        self.stuck = if stuck { self.stuck.saturating_add(1) } else { 0 };
        self.last = frame[FRAME_SAMPLES - 1];
        let mean = frame.iter().map(|&sample| i64::from(sample)).sum::<i64>() / FRAME_SAMPLES as i64;
        self.offset = if mean.abs() > OFFSET { self.offset.saturating_add(1) } else { 0 };
    }
}

/// Overruns or underruns until they are a storm, less one for each half second without.
const MOST: u32 = 16;
const FRAMES_A_DROP: u32 = 50;

/// A leaky bucket of overruns or underruns.
#[derive(Default)]
pub(super) struct Storm {
    level: u32,
    smooth: u32,
}

impl Storm {
    /// Takes a period; true when it is a storm.
    pub fn period(&mut self, smooth: bool) -> bool {
        if smooth {
            self.smooth += 1;
            if self.smooth >= FRAMES_A_DROP {
                (self.smooth, self.level) = (0, self.level.saturating_sub(1));
            }
        } else {
            self.level += 1;
        }
        self.level >= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_a_dead_microphone_and_noise_of_one_bit_a_live_one() {
        let mut pulse = Pulse::default();
        for value in [0, 0, 7, 7, 7] {
            pulse.frame(&[value; FRAME_SAMPLES]);
        }
        assert_eq!((pulse.stuck, pulse.offset), (2, 0), "since the value changed");
        let mut alive = [7; FRAME_SAMPLES];
        alive[200] = 8;
        pulse.frame(&alive);
        assert_eq!(pulse.stuck, 0);
    }

    #[test]
    fn an_offset_shows_under_any_sound() {
        let mut pulse = Pulse::default();
        for _ in 0..5 {
            pulse.frame(&std::array::from_fn(|n| if n % 2 == 0 { -20_000 } else { 4000 }));
        }
        assert_eq!((pulse.stuck, pulse.offset), (0, 5));
        pulse.frame(&std::array::from_fn(|n| if n % 2 == 0 { -20_000 } else { 20_000 }));
        assert_eq!(pulse.offset, 0);
    }

    #[test]
    fn a_few_a_minute_are_no_storm_and_one_after_the_other_is() {
        let mut storm = Storm::default();
        assert!((0..60_000).all(|n| !storm.period(n % 60 != 0)), "one in 600 ms");
        let until = (0..100).position(|n| storm.period(n % 3 != 0));
        assert!(until.is_some_and(|n| n < 50), "{until:?}");
    }
}
