//! Thousands of short calls of every kind in one process, with real sockets and
//! media: what is lost in each call, be it a page of memory, a descriptor, a
//! thread or a task, is all there is no more of after some years at a wall.
//!
//!     make soak               SOAK_CALLS=10000, SOAK_MODE=pipe or multi-pipe
//!
//! The box is `callbox run` with TLS, token, panel and synthetic sound; voice core and
//! far ends are the simulated ones, in this process. As fast as it goes. Writes
//! `target/soak/samples.csv` and `summary.json`, from which `report.py` makes docs/soak.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod calls;
mod gauge;
#[path = "../../support/mod.rs"]
mod support;

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use calls::{Caller, Way};
use gauge::{Gauge, Sample};
use serde_json::json;

/// Calls after which everything that is kept on purpose (event log, history, pools) is full.
const WARM_UP: usize = 1_000;

/// What the resident memory may grow by after that, KiB.
const MOST_GROWTH: i64 = 1_024;

/// Descriptors of closed calls, and threads that idle for ten seconds, go within this time.
const SETTLED_AFTER: Duration = Duration::from_secs(120);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let calls: usize = std::env::var("SOAK_CALLS").map_or(10_000, |text| text.parse().expect("SOAK_CALLS"));
    let multi = std::env::var("SOAK_MODE").is_ok_and(|mode| mode == "multi-pipe");
    let every = (calls / 200).max(1);
    let folder = support::root().join("target/soak");
    fs::create_dir_all(&folder).unwrap();
    let mut csv = fs::File::create(folder.join("samples.csv")).unwrap();
    writeln!(csv, "{}", Sample::HEADER).unwrap();

    let mut caller = Caller::start(multi).await;
    let gauge = Gauge::of(caller.process(), caller.panel());
    tokio::time::sleep(Duration::from_secs(12)).await;
    let start = gauge.sample(0).await;
    let mut samples = vec![start.clone()];
    let mut counts = [0_usize; Way::ALL.len()];
    let began = Instant::now();
    for n in 1..=calls {
        let way = Way::of_call(n);
        caller.call(way).await.unwrap_or_else(|why| panic!("call {n}, {way:?}: {why}"));
        counts[way as usize] += 1;
        if n % every == 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let sample = gauge.sample(n).await;
            writeln!(csv, "{}", sample.line(began.elapsed())).unwrap();
            if n % (every * 10) == 0 {
                println!("{:6} calls, {:5} s: {sample}", n, began.elapsed().as_secs());
            }
            samples.push(sample);
        }
    }
    let took = began.elapsed();
    let end = settled(&gauge, &start, calls).await;
    writeln!(csv, "{}", end.line(began.elapsed())).unwrap();

    let growth = growth(&samples);
    let ways: Vec<_> =
        Way::ALL.iter().map(|way| json!({"way": way.text(), "calls": counts[*way as usize]})).collect();
    let summary = json!({
        "calls": calls, "mode": if multi { "MultiPipe" } else { "Pipe" }, "seconds": took.as_secs(),
        "growth_kib": growth, "limit_kib": MOST_GROWTH, "warm_up": WARM_UP, "ways": ways,
        "start": start.json(), "end": end.json(), "profile": if cfg!(debug_assertions) { "dev" } else { "release" },
    });
    fs::write(folder.join("summary.json"), summary.to_string()).unwrap();
    println!("start: {start}\nend:   {end}\n{calls} calls in {} s", took.as_secs());
    if let Some(growth) = growth {
        println!("resident memory grew by {growth} KiB after the first {WARM_UP} calls");
        assert!(growth <= MOST_GROWTH, "more than {MOST_GROWTH} KiB");
    }
    assert_eq!(start.counts(), end.counts(), "descriptors, threads, tasks");
    caller.end().await;
}

/// Waits until nothing is left of the last calls; the last sample if something is.
async fn settled(gauge: &Gauge, start: &Sample, calls: usize) -> Sample {
    let begin = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let sample = gauge.sample(calls).await;
        if sample.counts() == start.counts() || begin.elapsed() > SETTLED_AFTER {
            return sample;
        }
    }
}

/// From the median of the samples around the end of the warm-up to that of the
/// last ones, KiB; nothing to tell for a run that is not much longer than that.
fn growth(samples: &[Sample]) -> Option<i64> {
    const AROUND: usize = 10;
    let warm = samples.iter().position(|sample| sample.calls >= WARM_UP)?;
    let rest = samples.get(warm..).filter(|rest| rest.len() >= 2 * AROUND)?;
    let median = |of: &[Sample]| {
        let mut rss: Vec<i64> = of.iter().map(|sample| sample.rss_kib).collect();
        rss.sort_unstable();
        rss[rss.len() / 2]
    };
    Some(median(&rest[rest.len() - AROUND..]) - median(&rest[..AROUND]))
}
