//! The box as a process with a board that has a lamp and a button for
//! everything, asked over its control socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::PATIENCE;
use super::server::{CLIENT_SECRET, Server};
use crate::support::core::restrict;
use crate::support::process::{Process, run};
use crate::support::wait_for;

/// Whom the button `call` calls.
pub const CALLEE: &str = "+4700000001";
/// What the box's microphone hears, hertz.
pub const NEAR_HERTZ: u32 = 440;

const BOARD: &str = "inherit = \"desktop-mock\"\n\
    [[led]]\nname = \"busy\"\nfunction = \"busy-elsewhere\"\noffset = 16\n\
    [[button]]\nname = \"take-over\"\noffset = 4\n\
    [[button]]\nname = \"to-phone\"\noffset = 5\n";

/// Times that let a test go on soon.
pub const SOON: &str = "[backoff]\nbase = \"50ms\"\nceiling = \"200ms\"\nrate-limit = \"1s\"\n\
    [call]\nend-tone = \"200ms\"\nmedia-timeout = \"5s\"\n";

/// A running box.
pub struct Door {
    process: Process,
    folder: TempDir,
}

impl Door {
    /// Starts a box in this mode for this server; `times` are its sections
    /// `[backoff]` and `[call]`.
    pub fn start(mode: &str, server: &Server, times: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let dir = folder.path();
        let secret = dir.join("secret");
        fs::write(&secret, CLIENT_SECRET).unwrap();
        restrict(&secret, 0o600);
        fs::write(dir.join("board.toml"), BOARD).unwrap();
        let text = format!(
            "[terminal]\nmode = {mode:?}\n{core}\
             [board]\nfile = {board:?}\nbackend = \"mock\"\n\
             [audio]\ncapture = \"synth:tone={NEAR_HERTZ}\"\nplayback = \"wav:{heard}\"\n\
             [media]\nloopback = true\naddresses = [\"127.0.0.1\"]\n\
             [contacts]\nfront = {CALLEE:?}\n\
             {times}[[button]]\nname = \"call\"\npress = {{ action = \"call\", to = [\"front\"] }}\n\
             [[button]]\nname = \"hang-up\"\npress = {{ action = \"hang-up\" }}\n\
             [[button]]\nname = \"take-over\"\npress = {{ action = \"take-over\" }}\n\
             [[button]]\nname = \"to-phone\"\npress = {{ action = \"to-phone\" }}\n",
            core = server.sections(&secret),
            board = dir.join("board.toml"),
            heard = dir.join("heard.wav").display(),
        );
        fs::write(dir.join("callbox.toml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbox"));
        command.arg("run").arg("--config").arg(dir.join("callbox.toml"));
        command.arg("--socket").arg(dir.join("control.sock"));
        let process = Process::start("callbox", command, dir);
        Self { process, folder }
    }

    /// Asks over the control socket; the last line of the answer.
    pub fn ask(&self, request: &Value) -> Result<Value, String> {
        let socket = self.folder.path().join("control.sock");
        let mut stream = UnixStream::connect(&socket).map_err(|e| e.to_string())?;
        writeln!(stream, "{request}").map_err(|e| e.to_string())?;
        let last = BufReader::new(stream).lines().map_while(Result::ok).last();
        let line = last.ok_or("the box said nothing")?;
        serde_json::from_str(&line).map_err(|e| format!("{line:?}: {e}"))
    }

    /// Has an action carried out over the control socket; why not, if it is refused.
    pub fn act(&self, action: &Value) -> Result<(), String> {
        let answer = self.ask(&json!({ "request": "do", "action": action }))?;
        if answer["answer"] == "done" { Ok(()) } else { Err(answer["why"].as_str().unwrap().to_owned()) }
    }

    /// Presses a button for a moment.
    pub fn press(&self, button: &str) {
        let answer = self.ask(&json!({ "request": "press", "button": button, "for_ms": 60 })).unwrap();
        assert_eq!(answer["answer"], "done", "{answer}");
    }

    /// Runs `callbox` as a person would.
    pub fn command(&self, arguments: &[&str]) -> Result<String, String> {
        let socket = self.folder.path().join("control.sock");
        run(Command::new(env!("CARGO_BIN_EXE_callbox")).args(arguments).arg("--socket").arg(socket))
    }

    /// All of its status.
    pub fn status(&self) -> Result<Value, String> {
        Ok(self.ask(&json!({ "request": "status" }))?["status"].take())
    }

    /// The event log.
    pub fn events(&self) -> Vec<Value> {
        let text = self.command(&["events", "--json"]).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until the status is as wanted; panics with the last one.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let last = self.status();
            match &last {
                Ok(status) if wanted(status) => return status.clone(),
                Ok(_) | Err(_) => self.process.assert_alive(),
            }
            assert!(begin.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}: {last:?}");
            thread::sleep(Duration::from_millis(3));
        }
    }

    /// Waits for this state of the call.
    pub fn wait_call(&mut self, state: &str) -> Value {
        self.wait(&format!("call that is {state}"), |status| status["call"] == state)
    }

    /// Waits until the box could call.
    pub fn wait_ready(&mut self) -> Value {
        self.wait("box that is ready", |status| {
            status["session"] == "registered" && status["call"] == "idle" && status["faults"] == json!([])
        })
    }

    /// Waits until a counter is at least this.
    pub fn counted(&mut self, counter: &str, at_least: u64) -> Value {
        self.wait(&format!("count of {counter}"), |status| count(status, counter) >= at_least)
    }

    /// Waits until a tone of so many hertz is what the loudspeaker plays.
    pub fn hears(&mut self, hertz: u32) {
        let wav = self.heard();
        wait_for(PATIENCE, &format!("{hertz} Hz at the loudspeaker"), || {
            self.process.assert_alive();
            let share = share_of(hertz, &latest(&wav)?);
            if share > 0.8 { Ok(()) } else { Err(format!("{share:.2} of the sound is that")) }
        });
    }

    /// What came out of the loudspeaker so far, a WAV file.
    pub fn heard(&self) -> PathBuf {
        self.folder.path().join("heard.wav")
    }

    /// Panics if the process has ended.
    pub fn assert_alive(&mut self) {
        self.process.assert_alive();
    }
}

/// A counter of the status.
pub fn count(status: &Value, counter: &str) -> u64 {
    status["counters"][counter].as_u64().unwrap_or(0)
}

/// The last 200 ms of a recording that is still being made.
fn latest(wav: &Path) -> Result<Vec<f64>, String> {
    let mut reader = hound::WavReader::open(wav).map_err(|e| e.to_string())?;
    let skip = reader.duration().checked_sub(9_600).ok_or("too short")?;
    reader.seek(skip).map_err(|e| e.to_string())?;
    Ok(reader.samples::<i16>().map_while(Result::ok).map(|sample| f64::from(sample) / 32_768.0).collect())
}

/// Which share of a sound's power one frequency has; 0 for silence. The sound
/// is 200 ms at 48 kHz, so a multiple of 5 Hz fits into it whole.
fn share_of(hertz: u32, sound: &[f64]) -> f64 {
    let power: f64 = sound.iter().map(|x| x * x).sum();
    let turn = std::f64::consts::TAU * f64::from(hertz) / 48_000.0;
    let (mut re, mut im) = (0.0, 0.0);
    for (n, x) in sound.iter().enumerate() {
        re += x * (turn * n as f64).cos();
        im += x * (turn * n as f64).sin();
    }
    let audible = power / sound.len() as f64 > 1e-4;
    if audible { 2.0 * (re * re + im * im) / (sound.len() as f64 * power) } else { 0.0 }
}
