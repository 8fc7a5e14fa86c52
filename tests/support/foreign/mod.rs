//! A voice core by other hands: Python, `grpcio` for signalling, `aiortc` for
//! media, told from here by JSON lines what to say and when (`main.py`).
//!
//! One process serves all tests of a file; each test has a server of its own
//! in it, on its own port and with its own tokens. Beside `support`, a test
//! takes this in by `#[path = "support/foreign/mod.rs"] mod foreign;`.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod door;
pub mod peer;
pub mod scene;
pub mod server;
pub mod wire;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::root;

/// Nothing on one machine takes this long, however loaded it is.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The Python process. It ends when this test process does: its input ends then.
pub struct Foreign {
    input: Mutex<ChildStdin>,
    heard: Mutex<Heard>,
    news: Condvar,
    log: PathBuf,
    _child: Child,
}

#[derive(Default)]
struct Heard {
    asked: u64,
    answers: HashMap<u64, Value>,
    events: Vec<Value>,
    ended: bool,
}

/// The process of this test file.
pub fn foreign() -> &'static Foreign {
    static PROCESS: OnceLock<&'static Foreign> = OnceLock::new();
    PROCESS.get_or_init(Foreign::start)
}

impl Foreign {
    fn start() -> &'static Self {
        let python = root().join(".cache/venv/bin/python");
        let name = std::env::current_exe().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("foreign-{name}.log"));
        let mut child = Command::new(&python)
            .arg(root().join("tests/support/foreign/main.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a log file"))
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {}: {e}; run `make setup`", python.display()));
        let output = child.stdout.take().unwrap();
        let input = Mutex::new(child.stdin.take().unwrap());
        let process = Self { input, heard: Mutex::default(), news: Condvar::new(), log, _child: child };
        let process: &'static Self = Box::leak(Box::new(process));
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).expect("a line of JSON");
                process.note(line);
            }
            process.lock().ended = true;
            process.news.notify_all();
        });
        process.wait("foreign core that is ready", |heard| heard.events.first().cloned());
        process
    }

    fn note(&self, line: Value) {
        let mut heard = self.lock();
        match line["id"].as_u64() {
            Some(id) => {
                heard.answers.insert(id, line);
            }
            None => heard.events.push(line),
        }
        drop(heard);
        self.news.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `probe` finds something; panics after [`PATIENCE`].
    fn wait<T>(&self, what: &str, probe: impl FnMut(&mut Heard) -> Option<T>) -> T {
        self.wait_for(PATIENCE, probe).unwrap_or_else(|| {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let events =
                self.lock().events.iter().rev().take(12).map(|e| format!("{e:.300}\n")).collect::<String>();
            panic!("no {what} within {PATIENCE:?}; the last events, newest first:\n{events}\nlog:\n{log}")
        })
    }

    /// The same with a limit of its own; `None` when it is reached.
    fn wait_for<T>(&self, limit: Duration, mut probe: impl FnMut(&mut Heard) -> Option<T>) -> Option<T> {
        let until = Instant::now() + limit;
        let mut heard = self.lock();
        loop {
            if let Some(found) = probe(&mut heard) {
                return Some(found);
            }
            let left = until.checked_duration_since(Instant::now()).filter(|_| !heard.ended)?;
            heard = self.news.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Has a command carried out and returns its result.
    pub fn ask(&self, what: &str, mut command: Value) -> Value {
        let id = {
            let mut heard = self.lock();
            heard.asked += 1;
            heard.asked
        };
        command["id"] = json!(id);
        command["do"] = json!(what);
        {
            let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
            writeln!(input, "{command}").and_then(|()| input.flush()).expect("a core that listens");
        }
        let answer = self.wait(&format!("answer to {what}"), |heard| heard.answers.remove(&id));
        assert!(answer.get("error").is_none(), "{what}: {}", answer["error"]);
        answer["result"].clone()
    }
}
