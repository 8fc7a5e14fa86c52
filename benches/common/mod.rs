//! What the benchmarks share: a connection to the control socket that costs
//! less than a process a request, and the table that they print.

// Every benchmark uses its own share of these.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// The control socket of a running box.
pub struct Control {
    socket: PathBuf,
}

impl Control {
    /// Talks to the box behind this socket.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// One request and its first answer.
    pub fn ask(&self, request: &Value) -> Value {
        let mut line = String::new();
        self.open(request).read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?}: {e}"))
    }

    /// Pushes a button for a moment.
    pub fn press(&self, button: &str) {
        let answer = self.ask(&json!({"request": "press", "button": button, "for_ms": 40}));
        assert_eq!(answer["answer"], "done", "{answer}");
    }

    /// Hangs up.
    pub fn hang_up(&self) {
        let answer = self.ask(&json!({"request": "do", "action": {"action": "hang-up"}}));
        assert_eq!(answer["answer"], "done", "{answer}");
    }

    /// `callbox status --json`.
    pub fn status(&self) -> Value {
        self.ask(&json!({"request": "status"}))["status"].clone()
    }

    /// Waits until the call is in this state.
    pub fn wait_call(&self, state: &str) {
        for _ in 0..4000 {
            if self.status()["call"] == state {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("no call that is {state}: {}", self.status());
    }

    /// All entries of the event log from now on, as they come.
    pub fn follow(&self) -> Arc<Mutex<Vec<Value>>> {
        let entries = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&entries);
        let lines = self.open(&json!({"request": "events", "follow": true})).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let answer: Value = serde_json::from_str(&line).expect("an entry in JSON");
                kept.lock().unwrap().push(answer["event"].clone());
            }
        });
        entries
    }

    fn open(&self, request: &Value) -> BufReader<UnixStream> {
        let mut stream = UnixStream::connect(&self.socket).expect("the control socket");
        stream.write_all(format!("{request}\n").as_bytes()).expect("a request");
        BufReader::new(stream)
    }
}

/// For every entry that `begin` holds for, the milliseconds to the next entry
/// that `end` holds for, by the box's own monotonic clock.
pub fn intervals(
    entries: &[Value],
    begin: impl Fn(&Value) -> bool,
    end: impl Fn(&Value) -> bool,
) -> Vec<f64> {
    let mut since = None;
    let mut found = Vec::new();
    for entry in entries {
        let at = entry["t_us"].as_f64().expect("a time");
        if begin(entry) {
            since = Some(at);
        } else if end(entry)
            && let Some(since) = since.take()
        {
            found.push((at - since) / 1000.0);
        }
    }
    found
}

/// Prints one row of the table that README quotes.
pub fn report(what: &str, aim: &str, mut samples: Vec<f64>) {
    assert!(!samples.is_empty(), "{what}: nothing was measured");
    samples.sort_by(f64::total_cmp);
    let at = |share: f64| samples[((samples.len() - 1) as f64 * share).round() as usize];
    println!(
        "{what:58} n {:5}  p50 {:7.2}  p95 {:7.2}  p99 {:7.2}  max {:7.2} ms  (aim: {aim})",
        samples.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0),
    );
}

/// How often to measure: `BENCH_RUNS`, or `usual`.
pub fn runs(usual: usize) -> usize {
    std::env::var("BENCH_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Shows that something goes on, on standard error.
pub fn progress(done: usize, of: usize) {
    if done.is_multiple_of(of.div_ceil(20).max(1)) || done == of {
        eprint!("\r{done} of {of}");
    }
    if done == of {
        eprintln!();
    }
}
