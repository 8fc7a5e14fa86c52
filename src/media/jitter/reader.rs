//! The reading side's clock: which frame will need the next packet, and when
//! that frame will be asked for.
//!
//! Sound is read in frames of 10 ms, so a packet is needed when the frame is
//! asked for in which its first sample lies, up to 10 ms before that sample's
//! own time. And frames are not asked for every 10 ms: sound servers come in
//! gusts, wake up late, and stall. The earliest of late tells how long packets
//! may take.

use super::slope::Slope;
use crate::audio::FRAME_SAMPLES;

const FRAME: i64 = FRAME_SAMPLES as i64;

/// Stretch of time of which the earliest frame counts; up to twice that.
const WINDOW: i64 = 150_000;

/// A frame that is so much later than the one before was no gust but a stall:
/// what was before it says nothing any more.
const STALL: i64 = 100_000;

/// Sound that is so much too short is left alone in flow: 2 ms.
const TOLERANCE: i64 = 96;

/// See the module's documentation. All times in microseconds, sound in samples at 48 kHz.
pub(super) struct Reader {
    /// Sound handed out, and the frames it went to that were asked for.
    produced: i64,
    frames: i64,
    /// Least of a frame's time less the sound before it, of this window and the last.
    least: [i64; 2],
    latest: i64,
    began: i64,
    /// Of the frames' times: the loudspeaker's clock against ours.
    slope: Slope,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { produced: 0, frames: 0, least: [i64::MAX; 2], latest: 0, began: 0, slope: Slope::new() }
    }

    /// Notes that a frame is asked for at `now`.
    pub(super) fn frame(&mut self, now: i64) {
        let ahead = now - self.frames * 10_000;
        self.frames += 1;
        if ahead - self.latest > STALL {
            self.least = [i64::MAX; 2];
            self.slope.restart();
        }
        self.slope.note(now, ahead);
        self.latest = ahead;
        if now - self.began >= WINDOW {
            self.least = [i64::MAX, self.least[0]];
            self.began = now;
        }
        self.least[0] = self.least[0].min(ahead);
    }

    /// By how much frames come later in a second of one: the loudspeaker's clock is slow.
    pub(super) fn slope(&self) -> f64 {
        self.slope.slope()
    }

    /// Counts sound handed out: so many samples more.
    pub(super) fn produced(&mut self, samples: i64) {
        self.produced += samples;
    }

    /// When the next sound will be needed, if it is needed as early as the earliest of late.
    pub(super) fn needed(&self) -> i64 {
        let least = self.least[0].min(self.least[1]);
        least.saturating_add(self.produced.div_euclid(FRAME) * 10_000)
    }

    /// The same while the sound is played a little faster or slower: where in
    /// its frame the next sound begins then wanders, so that it must be here
    /// for the earliest frame that it can begin in.
    pub(super) fn surplus_in_flow(&self, slack: i64) -> i64 {
        let surplus = slack + self.produced.rem_euclid(FRAME) - FRAME;
        // The wanted delay has room for a little; more would be put in and taken out in turns.
        surplus.max((surplus + TOLERANCE).min(0))
    }

    /// By how much the sound handed out must become shorter at least (if
    /// positive: may at most) so that what is needed `slack` samples later, or
    /// sooner, than it should be is needed in the right frame.
    pub(super) fn surplus(&self, slack: i64) -> i64 {
        let begun = self.produced.rem_euclid(FRAME);
        if slack < 0 {
            return begun + slack.div_euclid(FRAME) * FRAME;
        }
        // Half a frame is left alone, or the smallest change would be followed by its undoing.
        begun + ((slack - FRAME / 2).div_euclid(FRAME) * FRAME).max(0)
    }
}
