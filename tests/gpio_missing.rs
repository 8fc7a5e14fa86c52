//! A board whose lines are not there must not keep the box from its network
//! and its calls: it runs, says which lines are missing and what would cure
//! it, and tries on. Only a back-end that was never built in is a mistake of
//! the configuration.

// Helpers outside of test functions may panic too: that is how they fail a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(all(feature = "gpiocdev", feature = "rppal", feature = "sim"))]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::appliance::{Config, has_fault};
use support::process::{Process, run};
use support::wait_for;

/// No machine has this chip: the test must not move anybody's lines.
const BOARD: &str = r#"
description = "a chip that nobody has"
chip = "callbox-test-no-such-chip"
[[button]]
name = "call"
offset = 17
active-low = true
[[led]]
name = "fault"
function = "fault"
offset = 25
[[output]]
name = "strike"
function = "strike"
line-name = "RELAY"
max-on = "5s"
one-shot = true
[[input]]
name = "exit"
function = "exit"
offset = 3
"#;

/// A box on that board with this back-end; its core is not there either.
fn start(backend: &str, folder: &Path) -> Process {
    fs::write(folder.join("nowhere.toml"), BOARD).unwrap();
    let config = Config {
        endpoint: "http://127.0.0.1:1".to_owned(),
        audio: ("synth:silence".to_owned(), "synth:silence".to_owned()),
        ..Config::bare()
    };
    let (text, board) = (config.text(folder), folder.join("nowhere.toml"));
    let mock = support::root().join("board/desktop-mock.toml");
    let text = text.replace(mock.to_str().unwrap(), board.to_str().unwrap());
    let text = text.replace("backend = \"mock\"", &format!("backend = {backend:?}"));
    assert!(!text.contains("mock"), "the board was not changed: {text}");
    fs::write(folder.join("callbox.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbox"));
    command.arg("run").arg("--config").arg(folder.join("callbox.toml"));
    command.arg("--socket").arg(folder.join("control.sock"));
    Process::start("callbox", command, folder)
}

fn status(folder: &Path) -> Result<Value, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbox"));
    let text = run(command.args(["status", "--json", "--socket"]).arg(folder.join("control.sock")))?;
    serde_json::from_str(&text).map_err(|e| format!("{text:?}: {e}"))
}

/// What the fault says once every line is named.
fn detail(status: &Value) -> Option<String> {
    let faults = status["faults"].as_array()?;
    let lost = faults.iter().find(|fault| fault["fault"] == "line-lost")?;
    let detail = lost["detail"].as_str()?.to_owned();
    ["button call", "input exit", "lamp fault", "output strike"]
        .iter()
        .all(|line| detail.contains(line))
        .then_some(detail)
}

/// Asks the box to end and returns its exit code.
fn terminate(process: &mut Process) -> i32 {
    run(Command::new("kill").args(["-s", "TERM", &process.id().to_string()])).unwrap();
    let begin = Instant::now();
    wait_for(Duration::from_secs(15), "end after SIGTERM", || {
        process.exited().ok_or_else(|| format!("still there after {:?}", begin.elapsed()))
    })
}

#[test]
fn a_box_without_its_lines_runs_says_so_and_ends_cleanly() {
    for backend in ["gpiocdev", "rppal"] {
        let folder = tempfile::TempDir::new().unwrap();
        let mut process = start(backend, folder.path());
        let detail = wait_for(Duration::from_secs(30), "fault that names all lines", || {
            process.assert_alive();
            let status = status(folder.path())?;
            detail(&status).ok_or_else(|| status.to_string())
        });
        assert!(detail.contains("callbox-test-no-such-chip"), "{backend}: {detail}");
        let cure = if backend == "gpiocdev" { "`chip` in the board file" } else { "backend = \"gpiocdev\"" };
        assert!(detail.contains(cure), "{backend} names no cure: {detail}");
        // The rest of the box goes on: it still tries to reach its core.
        wait_for(Duration::from_secs(30), "word on the core", || {
            process.assert_alive();
            let status = status(folder.path())?;
            if has_fault(&status, "core-unreachable") { Ok(()) } else { Err(status.to_string()) }
        });
        assert_eq!(terminate(&mut process), 0, "{backend}: {}", process.log());
        assert!(!folder.path().join("control.sock").exists(), "{backend}: the socket was left behind");
        assert!(!process.log().contains("panicked"), "{backend}: {}", process.log());
    }
}

#[test]
fn devices_are_listed_whatever_this_machine_has() {
    let listed = run(Command::new(env!("CARGO_BIN_EXE_callbox")).arg("devices")).unwrap();
    let chips = callbox::gpio::cdev::chips();
    let after = listed.split("GPIO chips\n").nth(1).expect("a heading for GPIO chips");
    match chips.first() {
        None => assert!(after.starts_with("  none: use [board] backend = \"mock\""), "{listed}"),
        Some(chip) => assert!(after.starts_with(&format!("  {chip}")), "{listed}"),
    }
}
