//! A process that ends with its owner, and keeps what it printed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A running program. Its standard error goes to a file, its standard output
/// is kept line by line.
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Process {
    /// Starts `command` in a process group of its own, so that its children end with it.
    pub fn start(name: &'static str, mut command: Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).expect("a log file");
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name} ({command:?}): {e}; `make setup` installs it"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stdout = child.stdout.take().expect("a piped standard output");
        let kept = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                kept.lock().unwrap().push((Instant::now(), line));
            }
        });
        Self { name, child, log, lines }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far, line by line.
    pub fn lines(&self) -> Vec<String> {
        self.lines_after(0).into_iter().map(|(_, line)| line).collect()
    }

    /// The same without the first `skip` lines, each with the time of its arrival.
    pub fn lines_after(&self, skip: usize) -> Vec<(Instant, String)> {
        self.lines.lock().unwrap().iter().skip(skip).cloned().collect()
    }

    /// Its standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its exit code, if it has ended (-1 for a signal).
    pub fn exited(&mut self) -> Option<i32> {
        self.child.try_wait().expect("a child to ask").map(|status| status.code().unwrap_or(-1))
    }

    /// Panics with the log if the process has ended.
    pub fn assert_alive(&mut self) {
        if let Some(code) = self.exited() {
            panic!("{} ended with {code}:\n{}", self.name, self.log());
        }
    }

    /// Ends it politely, then firmly.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(2) {
            if self.exited().is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.signal("KILL");
        let _ = self.child.wait();
    }

    /// Ends it at once, with all that it started.
    pub fn kill(&mut self) {
        self.signal("KILL");
        let _ = self.child.wait();
    }

    /// Sends a signal, such as `STOP`, to it and to all that it started.
    pub fn signal(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-s", signal, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            println!("---- {} printed:", self.name);
            self.lines().iter().for_each(|line| println!("{line}"));
            println!("---- {} logged:\n{}", self.name, self.log());
        }
    }
}

/// Runs a program to its end and returns its standard output.
pub fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot start {command:?}: {e}; `make setup` installs it"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("{command:?}: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}
