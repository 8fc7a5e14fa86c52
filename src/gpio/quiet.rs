//! Holds an edge back until its level has lasted, where a board asks for that:
//! what is shorter was no finger.

use std::time::Duration;

use super::wired::Edge;

/// The filter of one line. Times are the kernel's stamps.
#[derive(Debug)]
pub(super) struct Quiet {
    span: Duration,
    /// The level that lasted.
    level: bool,
    /// Another level, and since when.
    doubtful: Option<Edge>,
}

impl Quiet {
    /// A filter for levels that last for less than `span`.
    pub(super) fn new(span: Duration, level: bool) -> Self {
        Self { span, level, doubtful: None }
    }

    /// Takes an edge; returns the one before it, if its level had lasted.
    pub(super) fn edge(&mut self, edge: Edge) -> Option<Edge> {
        let lasted = self.look(edge.at);
        if edge.active == self.level {
            self.doubtful = None;
        } else if self.doubtful.is_none() {
            self.doubtful = Some(edge);
        }
        lasted
    }

    /// When the level that is doubtful now has lasted.
    pub(super) fn due(&self) -> Option<Duration> {
        self.doubtful.map(|edge| edge.at + self.span)
    }

    /// Up to when it has told all there was, if every edge up to `now` was taken.
    pub(super) fn told_until(&self, now: Duration) -> Duration {
        self.doubtful.map_or(now, |edge| edge.at.min(now))
    }

    /// The edge whose level has lasted by `now`; every edge up to then must have been taken.
    pub(super) fn look(&mut self, now: Duration) -> Option<Edge> {
        let edge = self.doubtful.filter(|edge| now >= edge.at + self.span)?;
        self.doubtful = None;
        self.level = edge.active;
        Some(edge)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn edge(active: bool, ms: u64) -> Edge {
        Edge { active, at: MS(ms) }
    }

    #[test]
    fn a_glitch_is_nothing_and_a_level_that_lasts_counts_from_its_beginning() {
        let mut quiet = Quiet::new(MS(5), false);
        assert_eq!((quiet.edge(edge(true, 10)), quiet.due()), (None, Some(MS(15))));
        assert_eq!((quiet.edge(edge(false, 11)), quiet.due()), (None, None));
        assert_eq!(quiet.look(MS(100)), None);
        assert_eq!(quiet.edge(edge(true, 200)), None);
        assert_eq!(quiet.look(MS(204)), None);
        assert_eq!(quiet.look(MS(205)), Some(edge(true, 200)));
        assert_eq!(quiet.look(MS(999)), None);
    }

    #[test]
    fn a_level_that_had_lasted_is_told_also_when_only_the_next_edge_says_so() {
        let mut quiet = Quiet::new(MS(5), false);
        assert_eq!(quiet.edge(edge(true, 10)), None);
        assert_eq!(quiet.edge(edge(false, 30)), Some(edge(true, 10)));
        assert_eq!(quiet.due(), Some(MS(35)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        /// A press among bounces and glitches that are all shorter than the filter is one press.
        #[test]
        fn whatever_bounces_one_press_is_one_press(
            bounces in prop::collection::vec(1u64..5000, 0..30),
            glitches in prop::collection::vec(1u64..5000, 0..30),
        ) {
            let span = Duration::from_micros(5000);
            let mut quiet = Quiet::new(span, false);
            let (mut at, mut told) = (Duration::from_secs(1), Vec::new());
            let mut level = false;
            // Glitches while nobody is there: away from the level and back.
            for width in &glitches {
                for active in [true, false] {
                    told.extend(quiet.edge(Edge { active, at }));
                    at += Duration::from_micros(*width);
                }
                at += span;
            }
            for (pressed, last) in [(true, bounces.len() / 2 * 2), (false, bounces.len() / 2 * 2)] {
                for width in bounces.iter().take(last) {
                    level = !level;
                    told.extend(quiet.edge(Edge { active: level, at }));
                    at += Duration::from_micros(*width);
                }
                level = pressed;
                told.extend(quiet.edge(Edge { active: level, at }));
                at += Duration::from_millis(100);
                told.extend(quiet.look(at));
            }
            let levels: Vec<bool> = told.iter().map(|edge| edge.active).collect();
            prop_assert_eq!(levels, [true, false]);
            prop_assert!(told.windows(2).all(|two| two[0].at < two[1].at));
        }
    }
}
