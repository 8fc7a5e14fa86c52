//! The box as a process: `callbox run` with a mock board, asked over its
//! control socket with the same commands that a person would type.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::cable::{Cable, MICROPHONE, SPEAKER};
use super::core::{CLIENT_ID, CLIENT_SECRET, Core, command_inside, restrict};
use super::process::{Process, run};
use super::{root, wait_for};

/// The number that the button `call` calls.
pub const CALLEE: &str = "+4700000001";

/// A configuration in parts, so that a test changes one thing.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[core] endpoint`.
    pub endpoint: String,
    /// `ca-file` of core and token endpoint.
    pub ca_file: Option<PathBuf>,
    /// The token endpoint; none for `method = "none"`.
    pub token_url: Option<String>,
    /// What the secret's file holds.
    pub secret: String,
    /// Its mode.
    pub secret_mode: u32,
    /// `pipe` or `multi-pipe`.
    pub mode: &'static str,
    /// Codecs, the best first.
    pub codecs: Vec<&'static str>,
    /// What to do with an incoming call.
    pub answer: &'static str,
    /// What to do with one that comes while another is up.
    pub while_busy: &'static str,
    /// Names of the ALSA devices for capture and playback.
    pub audio: (String, String),
    /// The least and the greatest limit of a wait before the next attempt.
    pub backoff: (&'static str, &'static str),
    /// `mock`, or the driver of a real board.
    pub backend: &'static str,
    /// More sections.
    pub more: String,
}

impl Config {
    /// A box that fits this core.
    pub fn for_core(core: &Core) -> Self {
        Self {
            endpoint: core.endpoint().to_owned(),
            ca_file: core.ca_file(),
            token_url: core.secure().then(|| core.token_url().to_owned()),
            ..Self::bare()
        }
    }

    /// A box without a core.
    pub fn bare() -> Self {
        Self {
            endpoint: String::new(),
            ca_file: None,
            token_url: None,
            secret: CLIENT_SECRET.to_owned(),
            secret_mode: 0o600,
            mode: "pipe",
            codecs: vec!["opus", "pcmu", "pcma"],
            answer: "auto",
            while_busy: "busy",
            audio: (MICROPHONE.to_owned(), SPEAKER.to_owned()),
            backoff: ("200ms", "2s"),
            backend: "mock",
            more: String::new(),
        }
    }

    /// The file's text; `folder` holds the secret.
    pub fn text(&self, folder: &Path) -> String {
        let quoted = |path: &Path| format!("{:?}", path.display().to_string());
        let ca = self.ca_file.as_ref().map(|ca| format!("ca-file = {}\n", quoted(ca))).unwrap_or_default();
        let auth = match &self.token_url {
            None => "method = \"none\"\n".to_owned(),
            Some(url) => format!(
                "method = \"client-credentials\"\ntoken-url = {url:?}\nclient-id = {CLIENT_ID:?}\n\
                 client-secret-file = {}\n{ca}",
                quoted(&folder.join("secret"))
            ),
        };
        let plaintext = if self.endpoint.starts_with("http:") { "allow-plaintext = true\n" } else { "" };
        let board = quoted(&root().join("board/desktop-mock.toml"));
        format!(
            "[terminal]\nmode = {mode:?}\n\
             [core]\nendpoint = {endpoint:?}\n{plaintext}{ca}\
             [auth]\n{auth}\
             [board]\nfile = {board}\nbackend = {backend:?}\n\
             [audio]\ncapture = {capture:?}\nplayback = {playback:?}\n\
             [media]\ncodecs = {codecs:?}\nloopback = true\n\
             [contacts]\nfront = {CALLEE:?}\n\
             [incoming]\nanswer = {answer:?}\nwhile-busy = {while_busy:?}\n\
             [backoff]\nbase = {base:?}\nceiling = {ceiling:?}\n\
             [[button]]\nname = \"call\"\npress = {{ action = \"call\", to = [\"front\"] }}\n\
             {more}",
            mode = self.mode,
            backend = self.backend,
            endpoint = self.endpoint,
            capture = self.audio.0,
            playback = self.audio.1,
            codecs = self.codecs,
            answer = self.answer,
            while_busy = self.while_busy,
            base = self.backoff.0,
            ceiling = self.backoff.1,
            more = self.more,
        )
    }
}

/// A running box.
pub struct Appliance {
    process: Process,
    folder: TempDir,
    environment: Vec<(String, String)>,
    inside: Vec<String>,
}

impl Appliance {
    /// Starts a box; it need not get anywhere.
    pub fn start(config: &Config, cable: &Cable) -> Self {
        Self::start_with(config, cable, &[])
    }

    /// Starts a box on a cable with more environment.
    pub fn start_with(config: &Config, cable: &Cable, environment: &[(&str, String)]) -> Self {
        let [(name, path)] = cable.environment();
        let mut all = environment.to_vec();
        all.push((name, path.display().to_string()));
        Self::start_with_environment(config, &all)
    }

    /// Starts a box without a cable.
    pub fn start_with_environment(config: &Config, environment: &[(&str, String)]) -> Self {
        Self::start_inside(config, environment, &[])
    }

    /// Starts a box without a cable elsewhere, such as by `nsenter`.
    pub fn start_inside(config: &Config, environment: &[(&str, String)], inside: &[String]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let dir = folder.path();
        let secret = dir.join("secret");
        fs::write(&secret, &config.secret).unwrap();
        restrict(&secret, config.secret_mode);
        fs::write(dir.join("callbox.toml"), config.text(dir)).unwrap();
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let process = launch(dir, &environment, inside);
        Self { process, folder, environment, inside: inside.to_vec() }
    }

    /// `kill -9`. The commands that talk to it find nobody until `start_again`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it as before, over whatever it left behind.
    pub fn start_again(&mut self) {
        self.process = launch(self.folder.path(), &self.environment, &self.inside);
    }

    /// Starts a box and waits until the core knows it.
    pub fn registered(config: &Config, cable: &Cable) -> Self {
        let mut appliance = Self::start(config, cable);
        appliance.wait_ready();
        appliance
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its own log so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// Its own folder, with `callbox.toml`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it printed so far.
    pub fn printed(&self) -> Vec<String> {
        self.process.lines()
    }

    /// The secret's file.
    pub fn secret_file(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    /// Runs one of the commands that talk to the box.
    pub fn command(&self, arguments: &[&str]) -> Result<String, String> {
        run(Command::new(env!("CARGO_BIN_EXE_callbox")).args(arguments).arg("--socket").arg(self.socket()))
    }

    /// The same, where failing is a failed test.
    pub fn must(&self, arguments: &[&str]) -> String {
        self.command(arguments).unwrap_or_else(|e| panic!("{e}"))
    }

    /// `callbox status --json`.
    pub fn status(&self) -> Result<Value, String> {
        let text = self.command(&["status", "--json"])?;
        serde_json::from_str(&text).map_err(|e| format!("{text:?}: {e}"))
    }

    /// `callbox events --json`.
    pub fn events(&self) -> Vec<Value> {
        let text = self.must(&["events", "--json"]);
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Waits until the status is as `wanted`; panics with the last one, or at
    /// once if the process has ended.
    pub fn wait_status(&mut self, seconds: u64, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(Duration::from_secs(seconds), what, || {
            self.process.assert_alive();
            let status = self.status()?;
            if wanted(&status) { Ok(status) } else { Err(status.to_string()) }
        })
    }

    /// Waits until the box is registered and could call. After refused
    /// credentials it leaves the token server in peace for a minute.
    pub fn wait_ready(&mut self) -> Value {
        self.wait_status(100, "registered box", |status| {
            status["session"] == "registered"
                && status["call"] == "idle"
                && status["faults"] == Value::Array(vec![])
        })
    }

    /// Waits for this state of the call.
    pub fn wait_call(&mut self, state: &str) -> Value {
        self.wait_status(20, &format!("call that is {state}"), |status| status["call"] == state)
    }

    /// Waits for this fault.
    pub fn wait_fault(&mut self, fault: &str) -> Value {
        self.wait_status(30, &format!("fault {fault}"), |status| has_fault(status, fault))
    }

    /// A whole call: press, talk, hang up. What every box must still be able to do.
    pub fn takes_a_call(&mut self) {
        self.wait_ready();
        self.must(&["press", "call", "--for", "100"]);
        self.wait_call("in-call");
        self.must(&["hangup"]);
        self.wait_call("idle");
    }

    /// Panics if the process has ended.
    pub fn assert_alive(&mut self) {
        self.process.assert_alive();
    }
}

fn launch(folder: &Path, environment: &[(String, String)], inside: &[String]) -> Process {
    let mut command = command_inside(inside);
    command.arg("run").arg("--config").arg(folder.join("callbox.toml"));
    command.arg("--socket").arg(folder.join("control.sock"));
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    Process::start("callbox", command, folder)
}

/// The box's lamps for all who look at it, as `desktop-mock.toml` names them.
pub fn lamps_show_a_fault(status: &Value) -> bool {
    status["leds"]["fault"] == "double-flash" && status["leds"]["status"] == "double-flash"
}

/// Whether a status names this fault.
pub fn has_fault(status: &Value, fault: &str) -> bool {
    status["faults"].as_array().is_some_and(|faults| faults.iter().any(|one| one["fault"] == fault))
}
