//! A wire from an output to an input, as on a test bench: whether each edge
//! that is made is seen, and how soon.

use std::time::Duration;

use super::kernel_time;
use super::wired::{Contact, Driven, Driver, Edge, Input};
use crate::config::board::{Bias, Drive, Edges, Line};

/// Edges made, half of them up.
const EDGES: usize = 40;

/// Longer than any relay or opto-coupler that may be in the wire.
const PATIENCE: Duration = Duration::from_millis(200);

/// Between two edges: what bounces has settled.
const PAUSE: Duration = Duration::from_millis(20);

/// What a wire showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JumperReport {
    /// Edges made, each of which was seen.
    pub edges: usize,
    /// From the command to the kernel's stamp of the edge.
    pub to_edge: Spread,
    /// From the stamp to this program.
    pub to_program: Spread,
}

/// Half were no slower than the median, none slower than the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The middle one.
    pub median: Duration,
    /// The slowest.
    pub worst: Duration,
}

/// Switches `out` to and fro and follows `input`. `out` is off at the end.
///
/// # Errors
/// For people: which line cannot be had, or which edge was not seen.
pub fn test(driver: &dyn Driver, out: &Line, input: &Line, bias: Bias) -> Result<JumperReport, String> {
    let contact = Contact { bias, edge: Edges::Both };
    let mut seen = driver.input(input, contact)?;
    let mut output =
        driver.output(out, Driven { drive: Drive::PushPull, brightness: 100, pwm: false }, false)?;
    let (mut to_edge, mut to_program) = (Vec::new(), Vec::new());
    for n in 0..EDGES {
        let on = n % 2 == 0;
        std::thread::sleep(PAUSE);
        settle(seen.as_mut())?;
        let before = seen.level()?;
        let begin = kernel_time::now();
        output.set(on)?;
        let edge =
            first_edge(seen.as_mut(), begin)?.filter(|edge| edge.active != before).ok_or_else(|| {
                let way = if on { "on" } else { "off" };
                format!(
                    "{input} saw nothing when {out} went {way} (edge {} of {EDGES}): see to the wire",
                    n + 1
                )
            })?;
        to_program.push(kernel_time::now().saturating_sub(edge.at));
        to_edge.push(edge.at.saturating_sub(begin));
    }
    output.set(false)?;
    Ok(JumperReport { edges: EDGES, to_edge: spread(to_edge), to_program: spread(to_program) })
}

/// Takes what is left of the last edge's bounces.
fn settle(input: &mut dyn Input) -> Result<(), String> {
    let mut left = Vec::new();
    loop {
        input.wait(Duration::ZERO, &mut left)?;
        if left.is_empty() {
            return Ok(());
        }
        left.clear();
    }
}

fn first_edge(input: &mut dyn Input, begin: Duration) -> Result<Option<Edge>, String> {
    let mut edges = Vec::new();
    while edges.is_empty() {
        let left = (begin + PATIENCE).saturating_sub(kernel_time::now());
        if left.is_zero() {
            return Ok(None);
        }
        input.wait(left, &mut edges)?;
    }
    Ok(edges.first().copied())
}

fn spread(mut times: Vec<Duration>) -> Spread {
    times.sort();
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    Spread { median: at(times.len() / 2), worst: at(times.len().saturating_sub(1)) }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::config::board::LineId;
    use crate::gpio::wired::Output;

    /// A bench whose one wire may be broken, and whose input may be inverted.
    #[derive(Clone, Default)]
    struct Bench {
        broken: bool,
        inverted: bool,
        edges: Arc<Mutex<Vec<Edge>>>,
        level: Arc<Mutex<bool>>,
    }

    impl Driver for Bench {
        fn input(&self, _line: &Line, _contact: Contact) -> Result<Box<dyn Input>, String> {
            Ok(Box::new(self.clone()))
        }

        fn output(&self, _line: &Line, _driven: Driven, on: bool) -> Result<Box<dyn Output>, String> {
            assert!(!on, "an output that begins on may open a door");
            Ok(Box::new(self.clone()))
        }
    }

    impl Output for Bench {
        fn set(&mut self, on: bool) -> Result<(), String> {
            let mut level = self.level.lock().unwrap();
            if !self.broken && *level != on {
                let edge = Edge { active: on != self.inverted, at: kernel_time::now() };
                self.edges.lock().unwrap().push(edge);
            }
            *level = on;
            Ok(())
        }
    }

    impl Input for Bench {
        fn level(&mut self) -> Result<bool, String> {
            Ok(*self.level.lock().unwrap() != self.inverted)
        }

        fn wait(&mut self, limit: Duration, edges: &mut Vec<Edge>) -> Result<(), String> {
            edges.append(&mut self.edges.lock().unwrap());
            if edges.is_empty() {
                std::thread::sleep(limit);
            }
            Ok(())
        }
    }

    fn tested(bench: &Bench) -> Result<JumperReport, String> {
        let line = |offset| Line { chip: "c".into(), id: LineId::Offset(offset), active_low: false };
        test(bench, &line(26), &line(17), Bias::AsIs)
    }

    #[test]
    fn a_good_wire_passes_whichever_way_round_the_input_is_and_is_off_at_the_end() {
        for inverted in [false, true] {
            let bench = Bench { inverted, ..Bench::default() };
            let report = tested(&bench).unwrap();
            assert_eq!(report.edges, EDGES);
            assert!(report.to_edge.median <= report.to_edge.worst && report.to_edge.worst < PATIENCE);
            assert!(!*bench.level.lock().unwrap());
        }
    }

    #[test]
    fn a_broken_wire_names_both_ends() {
        let why = tested(&Bench { broken: true, ..Bench::default() }).unwrap_err();
        assert_eq!(why, "c line 17 saw nothing when c line 26 went on (edge 1 of 40): see to the wire");
    }
}
