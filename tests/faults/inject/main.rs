//! Faults put into the real binary among real parts: what a wall, a stranger's
//! network and ten years do to a box. Each test prints one row or more of the
//! table in docs/faults.md, with its bound and what was measured, and fails
//! where the bound is not held. `make test-faults` runs them beside those that
//! other tests have (`run.py`).
//!
//! Some need root: namespaces, control groups, mounts, ptrace. One at a time: they measure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod clock;
mod disk;
mod halt;
mod kill;
mod limits;
mod scene;
mod scripts;
mod speech;
mod state;
mod storm;
#[path = "../../support/mod.rs"]
mod support;
mod threads;
mod token;
mod voice_core;
mod weather;

use std::fmt::Display;
use std::time::Duration;

/// One row of the table.
pub fn row(fault: &str, bound: &str, measured: impl Display) {
    println!("fault-row | {fault} | {bound} | {measured}");
}

/// One row whose figure is a time; fails where that is longer than the bound.
#[track_caller]
pub fn within(fault: &str, bound: Duration, took: Duration) {
    row(fault, &format!("{} s", bound.as_secs_f64()), format_args!("{:.2} s", took.as_secs_f64()));
    assert!(took <= bound, "{fault}: {took:?} is more than {bound:?}");
}
