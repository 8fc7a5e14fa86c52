//! Which edges of a contact count, and which are bounces.
//!
//! Only what reads a line can say that no edge was made up to some moment: a
//! timer elsewhere may run out while edges wait to be read, take half a bounce
//! for the end of it, and make two presses of one. So this is decided here,
//! on the kernel's stamps, and only up to a time by which every edge was read.

use std::time::Duration;

use super::wired::Edge;

/// What an edge of the contact means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first edge counts at once; another level after it once it has lasted.
    AtOnce,
    /// A level counts once it has lasted, the first one like any other.
    Lasting,
    /// The line tells only of edges to active, each a pulse; those that follow closely are bounces.
    Pulses,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The line has this level now.
    Counts(Edge),
    /// An edge that does not count, made then. Whoever looks for broken contacts counts them.
    Bounce(Duration),
}

/// The bounces of one line. Times are the kernel's stamps.
#[derive(Debug)]
pub(super) struct Settle {
    kind: Kind,
    debounce: Duration,
    /// The level that counts.
    level: bool,
    /// The last edge, while its level has not lasted for `debounce`.
    unrest: Option<Edge>,
}

impl Settle {
    /// A line at rest at this level.
    pub(super) fn new(kind: Kind, debounce: Duration, level: bool) -> Self {
        Self { kind, debounce, level: level && kind != Kind::Pulses, unrest: None }
    }

    /// Takes the next edge.
    pub(super) fn edge(&mut self, edge: Edge, told: &mut Vec<Told>) {
        self.look(edge.at, told);
        let resting = self.unrest.is_none();
        if resting && edge.active == self.level {
            return;
        }
        let last = match self.kind {
            Kind::AtOnce | Kind::Lasting => edge,
            Kind::Pulses => Edge { active: false, ..edge },
        };
        self.unrest = Some(last);
        match self.kind {
            Kind::AtOnce | Kind::Pulses if resting => {
                self.level = last.active;
                told.push(Told::Counts(edge));
            }
            Kind::AtOnce | Kind::Lasting | Kind::Pulses => told.push(Told::Bounce(edge.at)),
        }
    }

    /// When the line will have come to rest.
    pub(super) fn due(&self) -> Option<Duration> {
        self.unrest.map(|edge| edge.at + self.debounce)
    }

    /// Whether the line has come to rest by `known`, up to which every edge was taken.
    pub(super) fn look(&mut self, known: Duration, told: &mut Vec<Told>) {
        let Some(edge) = self.unrest.filter(|edge| known >= edge.at + self.debounce) else { return };
        self.unrest = None;
        if edge.active == self.level {
            return;
        }
        self.level = edge.active;
        told.push(Told::Counts(match self.kind {
            // Sure only now, and a debounce after whatever counted before it.
            Kind::AtOnce | Kind::Pulses => Edge { at: edge.at + self.debounce, ..edge },
            // Who waits for it to last waits from here.
            Kind::Lasting => edge,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn edge(active: bool, ms: u64) -> Edge {
        Edge { active, at: MS(ms) }
    }

    /// What is told of these edges, made at these milliseconds, and of rest at the end.
    fn told(kind: Kind, edges: &[(bool, u64)]) -> Vec<Told> {
        let (mut line, mut told) = (Settle::new(kind, MS(30), false), Vec::new());
        for (active, ms) in edges {
            line.edge(edge(*active, *ms), &mut told);
        }
        line.look(MS(10_000), &mut told);
        assert_eq!(line.due(), None);
        told
    }

    fn counts(active: bool, ms: u64) -> Told {
        Told::Counts(edge(active, ms))
    }

    fn bounce(ms: u64) -> Told {
        Told::Bounce(MS(ms))
    }

    #[test]
    fn a_button_acts_at_its_first_edge_and_what_follows_closely_is_a_bounce() {
        let bouncing = [(true, 100), (false, 102), (true, 103), (false, 300), (true, 301), (false, 302)];
        let expected =
            [counts(true, 100), bounce(102), bounce(103), counts(false, 300), bounce(301), bounce(302)];
        assert_eq!(told(Kind::AtOnce, &bouncing), expected);
    }

    #[test]
    fn a_contact_that_bounces_for_longer_than_the_debounce_is_one_press() {
        let edges: Vec<(bool, u64)> = (0..=10).map(|n| (n % 2 == 0, 100 + n * 29)).collect();
        let counted: Vec<Told> =
            told(Kind::AtOnce, &edges).into_iter().filter(|told| matches!(told, Told::Counts(_))).collect();
        assert_eq!(counted, [counts(true, 100)]);
    }

    #[test]
    fn a_release_soon_after_the_press_counts_when_it_has_lasted() {
        assert_eq!(
            told(Kind::AtOnce, &[(true, 100), (false, 110)]),
            [counts(true, 100), bounce(110), counts(false, 140)]
        );
    }

    #[test]
    fn a_spark_is_no_change_where_a_level_must_last() {
        assert_eq!(told(Kind::Lasting, &[(true, 100), (false, 129)]), [bounce(100), bounce(129)]);
        assert_eq!(told(Kind::Lasting, &[(true, 100)]), [bounce(100), counts(true, 100)]);
    }

    #[test]
    fn a_pulse_that_bounces_is_one_pulse() {
        let pulses = [(true, 100), (true, 110), (true, 139), (true, 169)];
        assert_eq!(
            told(Kind::Pulses, &pulses),
            [counts(true, 100), bounce(110), bounce(139), counts(true, 169)]
        );
    }

    #[test]
    fn without_a_debounce_every_edge_counts_and_a_level_told_twice_is_no_edge() {
        let (mut line, mut told) = (Settle::new(Kind::AtOnce, Duration::ZERO, false), Vec::new());
        for (active, ms) in [(false, 1), (true, 2), (true, 3), (false, 3)] {
            line.edge(edge(active, ms), &mut told);
        }
        assert_eq!(told, [counts(true, 2), counts(false, 3)]);
    }
}
