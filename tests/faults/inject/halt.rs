//! A program that is stopped after each call with which it changes one of some
//! files, by strace, so that it can be killed there with all that it started:
//! what a process finds after that is what a power cut leaves, but for what the
//! disk had not written yet.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::process::Process;
use crate::support::wait_for;

/// Everything that changes a file or its name, or has the disk write it.
const CALLS: &str = "openat,mkdir,mkdirat,write,pwrite64,ftruncate,fchmod,fchown,fsync,fdatasync,syncfs,\
                     rename,renameat,renameat2,symlink,symlinkat,link,linkat,unlink,unlinkat,rmdir";

/// Longer than any of them takes.
const LONG: Duration = Duration::from_secs(60);

/// Who is done writes nothing more for so long.
const QUIET: Duration = Duration::from_millis(250);

/// Such a program.
pub struct Halting {
    process: Process,
    trace: PathBuf,
    stops: usize,
}

/// How far it came.
#[derive(Debug, PartialEq)]
pub enum Came {
    /// It stands after the call that this line of strace tells.
    Stopped(String),
    /// It has ended, or done what was waited for.
    Done,
}

impl Halting {
    /// Starts it; `folder` takes what strace writes and must not be one of the paths.
    pub fn start(folder: &Path, paths: &[PathBuf], program: &[String]) -> Self {
        let trace = folder.join("trace");
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-qq", "-s", "0", "-o"]).arg(&trace);
        command.args(["-e", &format!("trace={CALLS}"), "-e", &format!("inject={CALLS}:signal=SIGSTOP")]);
        for path in paths {
            command.arg("-P").arg(path);
        }
        command.args(program);
        Self { process: Process::start("strace", command, folder), trace, stops: 0 }
    }

    /// Lets it run to its next stop, its end, or until this is so and nothing follows.
    pub fn next(&mut self, done: impl Fn(&Process) -> bool) -> Came {
        let begin = Instant::now();
        let mut done_since: Option<Instant> = None;
        loop {
            let trace = std::fs::read_to_string(&self.trace).unwrap_or_default();
            if let Some(call) = read(&trace).1.get(self.stops) {
                self.stops += 1;
                return Came::Stopped(call.clone());
            }
            if done(&self.process) {
                done_since.get_or_insert_with(Instant::now);
            }
            let over = done_since.is_some_and(|since| since.elapsed() > QUIET);
            if over || self.process.exited().is_some() {
                return Came::Done;
            }
            assert!(begin.elapsed() < LONG, "it neither stops nor ends:\n{trace}\n{}", self.process.log());
            sleep(Duration::from_millis(1));
        }
    }

    /// Lets it run on after a stop.
    pub fn go_on(&self) {
        self.process.signal("CONT");
    }

    /// Ends all of it at once, and waits until none of it is there.
    pub fn kill(&mut self) {
        let group = format!("-{}", self.process.id());
        self.process.kill();
        let left = || Command::new("kill").args(["-0", "--", &group]).stderr(Stdio::null()).status();
        wait_for(LONG, "end of all that was started", || {
            if left().is_ok_and(|left| left.success()) { Err("some is left".to_owned()) } else { Ok(()) }
        });
    }

    /// All its calls so far, in the order in which they were done.
    pub fn calls(&self) -> Vec<String> {
        read(&std::fs::read_to_string(&self.trace).unwrap_or_default()).0
    }

    /// What it printed, line by line.
    pub fn lines(&self) -> Vec<String> {
        self.process.lines()
    }

    /// Lets it run until this is so, over all stops; panics if it ends before.
    pub fn run_until(&mut self, ready: impl Fn(&Process) -> bool) {
        while let Came::Stopped(_) = self.next(&ready) {
            self.go_on();
        }
        assert!(ready(&self.process), "it has ended:\n{}", self.process.log());
    }

    /// Kills it after its n-th stop from here, counted from 1, or when it is done; the calls
    /// until then.
    pub fn kill_after(&mut self, n: usize, done: impl Fn(&Process) -> bool) -> Vec<String> {
        let mut calls = Vec::new();
        while let Came::Stopped(call) = self.next(&done) {
            calls.push(call);
            if calls.len() == n {
                break;
            }
            self.go_on();
        }
        self.kill();
        calls
    }
}

/// What strace wrote: all calls in the order in which they were done, and those after which it
/// was stopped. A stop counts once its thread stands: others of the process stand with it, and
/// one that is let go on too early would be so for good. Of two threads that do one at the
/// same moment, one may go on unseen.
fn read(trace: &str) -> (Vec<String>, Vec<String>) {
    let mut calls: Vec<String> = Vec::new();
    let mut last: HashMap<&str, String> = HashMap::new();
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut sent: Vec<(&str, String, bool)> = Vec::new();
    for (thread, what) in trace.lines().filter_map(|line| line.split_once(' ')) {
        let what = what.trim_start();
        if what.starts_with("--- SIGSTOP {") {
            sent.push((thread, last.get(thread).cloned().unwrap_or_default(), false));
        } else if what.starts_with("--- stopped by SIGSTOP") {
            if let Some(one) = sent.iter_mut().find(|(whose, _, stands)| *whose == thread && !stands) {
                one.2 = true;
            }
        } else if let Some(call) = what.strip_suffix("<unfinished ...>") {
            begun.insert(thread, call);
        } else if !what.starts_with("--- ") && !what.starts_with("+++ ") {
            let call =
                if what.starts_with("<... ") { begun.remove(thread).unwrap_or_default() } else { what };
            calls.push(call.to_owned());
            last.insert(thread, call.to_owned());
        }
    }
    (calls, sent.into_iter().filter(|(_, _, stands)| *stands).map(|(_, call, _)| call).collect())
}
