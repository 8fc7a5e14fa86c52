//! What a line's edges mean: glitches taken out first, where the board asks
//! for that, then bounces.
//!
//! All of it is done here and none by the kernel. Few drivers can, and for the
//! others the kernel waits in its own ticks: where one comes late, it takes a
//! glitch for a level that has lasted, and stamps it with the end of its wait.

use std::time::Duration;

use super::quiet::Quiet;
use super::settle::{Kind, Settle, Told};
use super::wired::Edge;

/// How a line is filtered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    pub kind: Kind,
    /// A level that is shorter is none at all.
    pub glitch: Duration,
    /// How long a line must rest before its next edge counts at once.
    pub debounce: Duration,
}

/// The filter of one line. Times are the kernel's stamps.
#[derive(Debug)]
pub(super) struct Filter {
    quiet: Option<Quiet>,
    settle: Settle,
}

impl Filter {
    /// For a line that rests at this level.
    pub(super) fn new(spans: Spans, level: bool) -> Self {
        let Spans { kind, glitch, debounce } = spans;
        // A pulse has no length to be judged by.
        let lengths = !glitch.is_zero() && kind != Kind::Pulses;
        Self { quiet: lengths.then(|| Quiet::new(glitch, level)), settle: Settle::new(kind, debounce, level) }
    }

    /// Takes the next edge.
    pub(super) fn edge(&mut self, edge: Edge, told: &mut Vec<Told>) {
        let sure = match &mut self.quiet {
            Some(quiet) => quiet.edge(edge),
            None => Some(edge),
        };
        if let Some(edge) = sure {
            self.settle.edge(edge, told);
        }
    }

    /// When to look at it next, if no edge comes.
    pub(super) fn due(&self) -> Option<Duration> {
        self.quiet.as_ref().and_then(Quiet::due).or_else(|| self.settle.due())
    }

    /// What has become sure by `known`, up to which every edge was taken.
    pub(super) fn look(&mut self, known: Duration, told: &mut Vec<Told>) {
        let mut known = known;
        if let Some(quiet) = &mut self.quiet {
            if let Some(edge) = quiet.look(known) {
                self.settle.edge(edge, told);
            }
            known = quiet.told_until(known);
        }
        self.settle.look(known, told);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const US: fn(u64) -> Duration = Duration::from_micros;
    const DEBOUNCE: Duration = Duration::from_millis(30);
    const GLITCH: Duration = Duration::from_millis(5);

    /// A reader that comes late: at each of its turns it has every edge made
    /// by then, sometimes some more, and knows no more than that.
    fn read(edges: &[Edge], turns: &[(u64, u64)], filter: &mut Filter) -> Vec<Told> {
        let (mut told, mut taken) = (Vec::new(), 0);
        let mut now = edges.first().map_or(Duration::ZERO, |edge| edge.at);
        let end = edges.last().map_or(now, |edge| edge.at) + DEBOUNCE * 3;
        for (pause, late) in turns.iter().cycle() {
            now += US(*pause);
            let read_by = now + US(*late);
            let more = edges[taken..].iter().take_while(|edge| edge.at <= read_by).count();
            for edge in &edges[taken..taken + more] {
                filter.edge(*edge, &mut told);
            }
            taken += more;
            filter.look(now, &mut told);
            if now > end {
                return told;
            }
        }
        unreachable!("turns go on");
    }

    fn counted(told: &[Told]) -> Vec<Edge> {
        let counts = |told: &Told| match told {
            Told::Counts(edge) => Some(*edge),
            Told::Bounce(_) => None,
        };
        told.iter().filter_map(counts).collect()
    }

    /// To the level by way of bounces, and how long it lasts then.
    fn change(level: bool, gaps: &[u64], lasts: Duration, at: &mut Duration, edges: &mut Vec<Edge>) {
        edges.push(Edge { active: level, at: *at });
        // In pairs, so that it ends where it should.
        for pair in gaps.chunks_exact(2) {
            for (gap, active) in pair.iter().zip([!level, level]) {
                *at += US(*gap);
                edges.push(Edge { active, at: *at });
            }
        }
        *at += lasts;
    }

    /// Gaps between bounces, each shorter than the debounce; all together may take far longer.
    fn gaps(longest: u64) -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(prop_oneof![1..2_000u64, 1..longest], 0..16)
    }

    fn turns() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((prop_oneof![1_000u64..5_000, 1_000u64..200_000], 0u64..20_000), 1..20)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// One push on a bouncing contact is one press at its first edge and one
        /// release, however late the edges are read.
        #[test]
        fn a_bouncing_push_is_one_press(
            pushes in prop::collection::vec((gaps(30_000), 30_000u64..500_000, gaps(30_000)), 1..4),
            turns in turns(),
        ) {
            let (mut edges, mut at, mut begins) = (Vec::new(), US(1_000_000), Vec::new());
            for (bounces, held, after) in &pushes {
                begins.push(at);
                change(true, bounces, US(*held), &mut at, &mut edges);
                begins.push(at);
                change(false, after, DEBOUNCE, &mut at, &mut edges);
            }
            let spans = Spans { kind: Kind::AtOnce, glitch: Duration::ZERO, debounce: DEBOUNCE };
            let told = read(&edges, &turns, &mut Filter::new(spans, false));
            let expected: Vec<Edge> =
                begins.iter().enumerate().map(|(n, at)| Edge { active: n % 2 == 0, at: *at }).collect();
            prop_assert_eq!(counted(&told), expected);
            prop_assert_eq!(told.len(), edges.len(), "an edge is neither counted nor a bounce");
        }

        /// Where the board asks for it glitches are nothing at all, and a push among them is one press,
        /// also where it bounces like them.
        #[test]
        fn glitches_are_nothing_and_a_push_among_them_is_one_press(
            before in gaps(5_000), bounces in gaps(5_000), during in gaps(5_000), after in gaps(5_000), turns in turns(),
        ) {
            let (mut edges, mut at) = (Vec::new(), US(1_000_000));
            let glitches = |level: bool, widths: &[u64], at: &mut Duration, edges: &mut Vec<Edge>| {
                for width in widths {
                    edges.push(Edge { active: !level, at: *at });
                    *at += US(*width);
                    edges.push(Edge { active: level, at: *at });
                    *at += GLITCH;
                }
                *at += DEBOUNCE;
            };
            glitches(false, &before, &mut at, &mut edges);
            let begin = at;
            change(true, &bounces, DEBOUNCE, &mut at, &mut edges);
            let end = at;
            glitches(true, &during, &mut at, &mut edges);
            change(false, &[], DEBOUNCE, &mut at, &mut edges);
            glitches(false, &after, &mut at, &mut edges);
            let spans = Spans { kind: Kind::AtOnce, glitch: GLITCH, debounce: DEBOUNCE };
            let told = counted(&read(&edges, &turns, &mut Filter::new(spans, false)));
            let levels: Vec<bool> = told.iter().map(|edge| edge.active).collect();
            prop_assert_eq!(levels, [true, false]);
            prop_assert!(told[0].at >= begin && told[0].at <= end, "it counts from {:?}", told[0].at);
        }

        /// Whatever a line does and whoever reads it late: what counts alternates,
        /// comes a debounce apart but for the edges that end a rest, and ends at the line's level.
        #[test]
        fn what_counts_alternates_and_ends_at_the_level(
            kind in prop_oneof![Just(Kind::AtOnce), Just(Kind::Lasting)],
            glitch in prop_oneof![Just(Duration::ZERO), Just(GLITCH)],
            widths in prop::collection::vec(1u64..80_000, 0..40),
            turns in turns(),
        ) {
            let (mut at, mut edges) = (US(1_000_000), Vec::new());
            for (n, width) in widths.iter().enumerate() {
                edges.push(Edge { active: n % 2 == 0, at });
                at += US(*width);
            }
            let spans = Spans { kind, glitch, debounce: DEBOUNCE };
            let told = counted(&read(&edges, &turns, &mut Filter::new(spans, false)));
            let levels: Vec<bool> = told.iter().map(|edge| edge.active).collect();
            let alternating: Vec<bool> = (0..levels.len()).map(|n| n % 2 == 0).collect();
            prop_assert_eq!(&levels, &alternating);
            prop_assert_eq!(levels.last().copied().unwrap_or(false), widths.len() % 2 == 1);
        }
    }
}
