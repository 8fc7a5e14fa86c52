//! From a failing plan to the shortest list of moves that still breaks the
//! same rule (delta debugging: Zeller and Hildebrandt, 2002).

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::bug::Bug;
use super::plan::Plan;
use super::{Failure, run};

/// More time than this is not worth a shorter story.
const PATIENCE: Duration = Duration::from_secs(10);
/// The last lines of a story tell most.
const LINES: usize = 150;

/// The plan with all moves taken out that the failure does not need.
pub fn shrink(plan: &Plan, failure: &Failure, bug: Option<Bug>) -> Plan {
    let give_up = Instant::now() + PATIENCE;
    let still = |plan: &Plan| run(plan, bug, false).is_err_and(|found| found.rule == failure.rule);
    let mut best = plan.clone();
    best.moves.retain(|step| step.at <= failure.at);
    if !still(&best) {
        return plan.clone();
    }
    let mut size = best.moves.len().div_ceil(2);
    while size > 0 && Instant::now() < give_up {
        let mut shorter = false;
        let mut from = 0;
        while from < best.moves.len() && Instant::now() < give_up {
            let mut fewer = best.clone();
            fewer.moves.drain(from..(from + size).min(best.moves.len()));
            if still(&fewer) {
                best = fewer;
                shorter = true;
            } else {
                from += size;
            }
        }
        if size > 1 {
            size = size.div_ceil(2);
        } else if !shorter {
            size = 0;
        }
    }
    closer(best, give_up, still)
}

/// Takes out the time between the moves where it does not matter: hours in
/// which nothing happens make a long log.
fn closer(mut best: Plan, give_up: Instant, still: impl Fn(&Plan) -> bool) -> Plan {
    for index in 0..best.moves.len() {
        let before = index.checked_sub(1).map_or(Duration::ZERO, |before| best.moves[before].at);
        for gap in [1, 5, 30, 120].map(Duration::from_secs) {
            let excess = (best.moves[index].at - before).saturating_sub(gap);
            if excess.is_zero() || Instant::now() >= give_up {
                break;
            }
            let mut earlier = best.clone();
            earlier.moves[index..].iter_mut().for_each(|step| step.at -= excess);
            if still(&earlier) {
                best = earlier;
                break;
            }
        }
    }
    best
}

/// All that a person needs to find the bug: the rule, the seed, the moves, and
/// the story as a log.
pub fn report(plan: &Plan, failure: &Failure, bug: Option<Bug>) -> String {
    let short = shrink(plan, failure, bug);
    let last = run(&short, bug, true).err().unwrap_or_else(|| failure.clone());
    let mut text = format!(
        "BROKEN: {}\n  {}\n  replay: CALLBOX_SEED={} (box and world)\n  {} of {} moves are needed:\n",
        last.rule,
        last.detail,
        plan.seed,
        short.moves.len(),
        plan.moves.len(),
    );
    for step in &short.moves {
        _ = writeln!(text, "    {:>10.3} s  {:?}", step.at.as_secs_f64(), step.what);
    }
    let skipped = last.story.len().saturating_sub(LINES);
    _ = writeln!(text, "  story ({skipped} earlier lines left out):");
    for line in &last.story[skipped..] {
        _ = writeln!(text, "    {line}");
    }
    text
}
