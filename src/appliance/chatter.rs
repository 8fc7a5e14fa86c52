//! Lines that change more often than anybody could make them: a broken
//! contact, a wire beside a mains cable. Their edges mean nothing.

use std::time::{Duration, Instant};

/// More edges than these within a second are no person's. Ten presses a second with
/// a bounce each make 40; a mains hum of 50 Hz makes 100.
const MOST: u32 = 60;

const SECOND: Duration = Duration::from_secs(1);

/// A line without an edge for so long is calm. Shorter than what a person
/// leaves between two presses, so that the first press after it counts.
pub(super) const CALM: Duration = Duration::from_millis(80);

/// Counts the edges of one line, in seconds that begin with an edge.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chatter {
    begun: Option<Instant>,
    last: Option<Instant>,
    edges: u32,
    on: bool,
}

impl Chatter {
    /// An edge; true if with it the line begins to chatter. The first edge after
    /// calm may be a person's, whatever went before.
    pub fn edge(&mut self, now: Instant) -> bool {
        if self.begun.is_none_or(|at| now.saturating_duration_since(at) >= SECOND) {
            self.begun = Some(now);
            self.edges = 0;
        }
        self.edges += 1;
        let last = self.last.replace(now);
        let after_calm = last.is_none_or(|last| now.saturating_duration_since(last) >= CALM);
        let begins = !self.on && !after_calm && self.edges > MOST;
        self.on |= begins;
        begins
    }

    pub fn is_on(&self) -> bool {
        self.on
    }

    /// No edge came for [`CALM`].
    pub fn calm(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_can_do_is_no_chatter_and_what_nobody_can_is() {
        let start = Instant::now();
        let begins = |hertz: u32| {
            let mut line = Chatter::default();
            let edges =
                (0..hertz * 3).map(|edge| line.edge(start + SECOND * edge / hertz)).collect::<Vec<_>>();
            let told = edges.iter().filter(|begins| **begins).count();
            assert_eq!(line.is_on(), told == 1, "{hertz}");
            line.calm();
            assert!(!line.is_on());
            edges.iter().position(|begins| *begins)
        };
        let mut worn = Chatter::default();
        assert!((0..MOST).all(|edge| !worn.edge(start + SECOND * edge / 1000)));
        let press = start + SECOND / 5;
        assert!(!worn.edge(press), "a press soon after a burst was no press");
        assert!(worn.edge(press + SECOND / 1000));
        assert_eq!((begins(20), begins(60)), (None, None));
        assert_eq!((begins(61), begins(1000)), (Some(60), Some(60)));
    }
}
