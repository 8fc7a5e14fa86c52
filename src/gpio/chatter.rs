//! A line that makes more edges than any finger: it is left alone until it
//! rests, so that a broken wire costs the rest of the box nothing.

use std::time::Duration;

/// More edges in a second than the worst contact makes: a finger on a bouncing
/// mushroom button makes a hundred.
const MOST: usize = 1000;

/// A line that has made no edge for this long rests.
const REST: Duration = Duration::from_secs(1);

/// Watches how often the edges of one line come. Times are the kernel's clock.
#[derive(Debug, Default)]
pub(super) struct Chatter {
    /// The second that is counted now.
    since: Duration,
    edges: usize,
    /// The last edge, while the line is left alone.
    left_alone: Option<Duration>,
    /// Edges that nobody heard of.
    unheard: u64,
}

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Follow it.
    Sound,
    /// It chatters from now on.
    Begins,
    /// Leave it alone.
    Chatters,
    /// It rests again, after this many edges that nobody heard of.
    Rests(u64),
}

impl Chatter {
    /// Takes note of so many edges by `now`.
    pub(super) fn judge(&mut self, edges: usize, now: Duration) -> Verdict {
        if let Some(last) = self.left_alone {
            self.unheard += edges as u64;
            if edges > 0 {
                self.left_alone = Some(now);
                return Verdict::Chatters;
            }
            if now.saturating_sub(last) < REST {
                return Verdict::Chatters;
            }
            return Verdict::Rests(std::mem::take(self).unheard);
        }
        if now.saturating_sub(self.since) >= Duration::from_secs(1) {
            (self.since, self.edges) = (now, 0);
        }
        self.edges += edges;
        if self.edges <= MOST {
            return Verdict::Sound;
        }
        self.left_alone = Some(now);
        self.unheard = edges as u64;
        Verdict::Begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn no_finger_chatters() {
        let mut line = Chatter::default();
        // Ten presses a second for a minute, forty edges each.
        for ms in (0..60_000).step_by(100) {
            assert_eq!(line.judge(40, MS(ms)), Verdict::Sound, "{ms} ms");
        }
    }

    #[test]
    fn a_line_that_chatters_is_left_alone_until_it_has_rested() {
        let mut line = Chatter::default();
        let begun = (0..2000).find(|ms| line.judge(16, MS(*ms)) != Verdict::Sound).unwrap();
        assert!(begun < 100, "noticed only after {begun} ms");
        assert_eq!(line.judge(16, MS(begun + 500)), Verdict::Chatters);
        assert_eq!(line.judge(0, MS(begun + 1499)), Verdict::Chatters);
        assert_eq!(line.judge(0, MS(begun + 1500)), Verdict::Rests(32));
        assert_eq!(line.judge(1, MS(begun + 1501)), Verdict::Sound);
    }
}
