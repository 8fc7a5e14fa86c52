//! Sound of several sources added up, and the way from one clock to another.

use super::leg::{FRAME_SAMPLES, Frame};

/// Above this a sum is bent: 3 dB below full scale.
const KNEE: i32 = 23_197;

/// A sum of frames, wide enough for all legs at full scale.
pub(super) struct Sum {
    samples: [i32; FRAME_SAMPLES],
    /// Frames added. One alone fits as it is.
    sources: usize,
}

impl Sum {
    pub const EMPTY: Self = Self { samples: [0; FRAME_SAMPLES], sources: 0 };

    pub fn clear(&mut self) {
        *self = Self::EMPTY;
    }

    pub fn add(&mut self, frame: &Frame) {
        for (sum, sample) in self.samples.iter_mut().zip(frame) {
            *sum += i32::from(*sample);
        }
        self.sources += 1;
    }

    /// The sum without `own`, which is one of those added if there is one.
    pub fn without(&self, own: Option<&Frame>) -> Frame {
        let Some(own) = own else { return self.frame() };
        let sources = self.sources.saturating_sub(1);
        std::array::from_fn(|n| fit(self.samples[n] - i32::from(own[n]), sources))
    }

    pub fn frame(&self) -> Frame {
        std::array::from_fn(|n| fit(self.samples[n], self.sources))
    }
}

/// A sample of so many sources added up.
fn fit(sample: i32, sources: usize) -> i16 {
    let sample = if sources > 1 { soften(sample) } else { sample };
    sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// A soft limiter without memory: straight up to the knee, and from there along a curve that begins with the
/// same slope and comes near full scale without ever reaching it. Never wraps, and has no edge.
fn soften(sample: i32) -> i32 {
    let room = i32::from(i16::MAX) - KNEE;
    let over = sample.abs() - KNEE;
    if over <= 0 {
        return sample;
    }
    // At most 34 full scales over a room of 9570: far from overflow in 64 bits.
    let bent = i64::from(room) * i64::from(over) / i64::from(room + over);
    (KNEE + bent as i32) * sample.signum()
}

/// Frames that wait between the loudspeaker's clock, which fetches a leg's
/// sound, and the microphone's, which hands it to the other legs. Where the
/// clocks drift apart a frame is left out or added now and then.
#[derive(Default)]
pub(super) struct Crossing {
    frames: [Option<Frame>; MOST_WAITING],
    waiting: usize,
    flowing: bool,
}

/// Both threads are late by up to one period each.
const ENOUGH: usize = 2;
const MOST_WAITING: usize = 4;

impl Crossing {
    pub fn push(&mut self, frame: &Frame) {
        if self.waiting == MOST_WAITING {
            self.pop();
        }
        self.frames[self.waiting] = Some(*frame);
        self.waiting += 1;
        self.flowing |= self.waiting >= ENOUGH;
    }

    /// The oldest frame; none until enough wait, at the begin and after it ran dry.
    pub fn pop(&mut self) -> Option<Frame> {
        let frame = if self.flowing { self.frames[0].take() } else { None };
        if frame.is_none() {
            self.flowing = false;
            return None;
        }
        self.frames.rotate_left(1);
        self.waiting -= 1;
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_never_wraps_and_keeps_its_order() {
        let mut last = fit(-34 * 32_768, 2);
        for sample in (-34 * 32_768..34 * 32_768).step_by(7) {
            let bent = fit(sample, 2);
            assert!(bent >= last, "{sample} became {bent} after {last}");
            // No edge anywhere: as steep as without a limiter at most.
            assert!(i32::from(bent) - i32::from(last) <= 8, "{sample}: from {last} to {bent}");
            assert!(bent == 0 || (bent > 0) == (sample > 0), "{sample} became {bent}");
            last = bent;
        }
        assert!(fit(3 * 32_767, 3) > 31_000);
        assert_eq!((fit(KNEE, 3), fit(-KNEE, 3)), (KNEE as i16, -KNEE as i16));
    }

    #[test]
    fn one_source_alone_passes_as_it_is() {
        let frame: Frame = std::array::from_fn(|n| (n as i32 * 137 - 32_768).clamp(-32_768, 32_767) as i16);
        let mut sum = Sum::EMPTY;
        sum.add(&frame);
        assert_eq!(sum.frame(), frame);
        let other = [30_000; FRAME_SAMPLES];
        sum.add(&other);
        assert_eq!(sum.without(Some(&other)), frame);
        assert_eq!(sum.without(Some(&frame)), other);
        assert_eq!(sum.without(None), sum.frame());
        sum.clear();
        assert_eq!(sum.frame(), [0; FRAME_SAMPLES]);
    }

    #[test]
    fn a_crossing_keeps_order_runs_dry_and_drops_the_oldest() {
        let mut crossing = Crossing::default();
        let frame = |n: i16| [n; FRAME_SAMPLES];
        crossing.push(&frame(1));
        assert_eq!(crossing.pop(), None, "one late thread would make a gap at once");
        crossing.push(&frame(2));
        assert_eq!((crossing.pop(), crossing.pop()), (Some(frame(1)), Some(frame(2))));
        assert_eq!(crossing.pop(), None);
        for n in 3..10 {
            crossing.push(&frame(n));
        }
        for n in 6..10 {
            assert_eq!(crossing.pop(), Some(frame(n)));
        }
        assert_eq!(crossing.pop(), None);
    }
}
