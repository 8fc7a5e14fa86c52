//! Threads that hang without any beat of theirs to show it: workers of the
//! runtime, and whatever thread the kernel keeps from running.

use std::fs;

use tokio::runtime::Handle;

use super::pulse::{Beat, Pulse};

/// Every thread of this process, a folder each. (proc(5))
const TASKS: &str = "/proc/self/task";

/// A pulse for each worker of the runtime that this is called in. A worker
/// that waits for work rests; one whose task never gives it back does not.
pub fn workers() -> impl Iterator<Item = Pulse> {
    let metrics = Handle::current().metrics();
    (0..metrics.num_workers()).map(move |worker| {
        let metrics = metrics.clone();
        Pulse::new("a worker of the runtime", move || {
            let turns = metrics.worker_park_unpark_count(worker);
            // Odd while it is parked, as tokio documents.
            if turns % 2 == 1 {
                return Beat::AtRest;
            }
            let busy = metrics.worker_total_busy_duration(worker).as_nanos();
            Beat::At(turns.wrapping_add(u64::try_from(busy).unwrap_or(u64::MAX)))
        })
    })
}

/// A pulse that stands still while one and the same thread is stopped, or
/// waits in a driver of the kernel that does not return.
pub fn held() -> Pulse {
    Pulse::new("a thread that the kernel holds", || {
        let Ok(tasks) = fs::read_dir(TASKS) else { return Beat::AtRest };
        let held = tasks.flatten().filter_map(|task| {
            let folder = task.path();
            let number: u64 = task.file_name().to_str()?.parse().ok()?;
            // The short file first: nearly always it is enough.
            if !is_held(&fs::read_to_string(folder.join("stat")).ok()?) {
                return None;
            }
            let status = fs::read_to_string(folder.join("status")).ok()?;
            Some((number, switches(&status)))
        });
        // One of them is enough, and always the same: a thread that writes to a card comes and goes.
        held.min().map_or(Beat::AtRest, |(number, switches)| Beat::At((number << 40) ^ switches))
    })
}

/// From `/proc/…/stat`: stopped (`T`), stopped by a debugger (`t`), or in an
/// uninterruptible wait (`D`). The name before it is in brackets and may hold anything.
fn is_held(stat: &str) -> bool {
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('T' | 't' | 'D'))
}

/// From `/proc/…/status`: how often it has run and ceased to.
fn switches(status: &str) -> u64 {
    let counts = status.lines().filter_map(|line| line.split_once("voluntary_ctxt_switches:"));
    counts.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::system::pulse::{PATIENCE, Pulses};

    #[test]
    fn states_are_read_behind_a_name_that_looks_like_one() {
        assert!(is_held("7 (alsa-capture) t 1 2 3"));
        assert!(is_held("7 (a) S) T 1 2 3"));
        assert!(is_held("7 (mmc) D 1"));
        assert!(!is_held("7 (a) T) S 1 2 3"));
        assert!(!is_held("7 (idle) R 1"));
        assert!(!is_held(""));
        assert_eq!(switches("Name:\tx\nvoluntary_ctxt_switches:\t40\nnonvoluntary_ctxt_switches:\t2\n"), 42);
    }

    /// The runtime's workers come to rest; this thread is none of them.
    fn settle() {
        std::thread::sleep(Duration::from_millis(100));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_worker_that_never_gives_its_task_back_is_stuck_and_idle_ones_are_not() {
        let mut pulses = Pulses::new(workers().collect());
        let start = Instant::now();
        settle();
        assert!(pulses.stuck(start).is_empty());
        assert!(pulses.stuck(start + PATIENCE).is_empty(), "all rest");
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let hung = tokio::spawn(async move { assert!(ended.recv().is_err()) });
        settle();
        assert!(pulses.stuck(start + PATIENCE * 2).is_empty(), "its patience begins");
        settle();
        assert_eq!(pulses.stuck(start + PATIENCE * 3), ["a worker of the runtime"]);
        drop(end);
        hung.await.unwrap();
        settle();
        assert!(pulses.stuck(start + PATIENCE * 4).is_empty());
    }
}
