//! The simulated voice core as a process of its own: `callbox sim-core`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::process::Process;
use super::wait_for;

/// The client id that the simulated token endpoint knows.
pub const CLIENT_ID: &str = "callbox-test";
/// Its secret.
pub const CLIENT_SECRET: &str = "s3cret-of-the-test";

/// How the core is started.
#[derive(Clone, Debug)]
pub struct CoreOptions {
    /// What its phones do, TOML; empty for one that rings, answers and echoes.
    pub script: String,
    /// TLS and a required token, or plaintext and none.
    pub secure: bool,
    /// Serve the browser page.
    pub browser: bool,
    /// More arguments.
    pub arguments: Vec<String>,
    /// Where it listens, without the port.
    pub address: &'static str,
    /// What starts it elsewhere, such as `nsenter`; empty for here.
    pub inside: Vec<String>,
}

impl Default for CoreOptions {
    fn default() -> Self {
        Self {
            script: String::new(),
            secure: true,
            browser: false,
            arguments: Vec::new(),
            address: "127.0.0.1",
            inside: Vec::new(),
        }
    }
}

impl CoreOptions {
    /// A secure core with this script.
    pub fn script(text: &str) -> Self {
        Self { script: text.to_owned(), ..Self::default() }
    }
}

/// A running simulated core.
pub struct Core {
    process: Process,
    folder: TempDir,
    first: Value,
    secure: bool,
}

impl Core {
    /// Starts it and waits for its addresses.
    pub fn start(options: &CoreOptions) -> Self {
        let folder = TempDir::new().expect("a folder");
        let dir = folder.path();
        let mut command = command_inside(&options.inside);
        let any_port = format!("{}:0", options.address);
        command.args(["sim-core", "--json", "--listen", &any_port, "--token-listen", &any_port]);
        if options.secure {
            let secret = dir.join("core-secret");
            fs::write(&secret, CLIENT_SECRET).unwrap();
            restrict(&secret, 0o600);
            command.args(["--client-id", CLIENT_ID, "--client-secret-file"]);
            command.arg(secret).arg("--ca-out").arg(dir.join("ca.pem"));
        } else {
            command.args(["--plaintext", "--no-token"]);
        }
        let text = if options.script.is_empty() { "[default-phone]\n" } else { &options.script };
        let script = dir.join("script.toml");
        fs::write(&script, text).unwrap();
        command.arg("--script").arg(script);
        if options.browser {
            command.args(["--browser", "127.0.0.1:0"]);
        }
        command.args(&options.arguments);
        let mut process = Process::start("sim-core", command, dir);
        let first = wait_for(Duration::from_secs(20), "address of the simulated core", || {
            process.assert_alive();
            let line = process.lines().first().cloned().ok_or("nothing printed yet")?;
            serde_json::from_str::<Value>(&line).map_err(|e| format!("{line:?}: {e}"))
        });
        Self { process, folder, first, secure: options.secure }
    }

    /// `https://HOST:PORT`.
    pub fn endpoint(&self) -> &str {
        self.text("endpoint")
    }

    /// Where to ask for a token.
    pub fn token_url(&self) -> &str {
        self.text("token_url")
    }

    /// The browser page.
    pub fn browser_url(&self) -> &str {
        self.text("browser")
    }

    /// The authority that signed its certificate, if it speaks TLS.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.secure.then(|| self.folder.path().join("ca.pem"))
    }

    /// Whether it speaks TLS and wants a token.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Value> {
        self.events_after(0).into_iter().map(|(_, event)| event).collect()
    }

    /// The events after the first `skip`, each with the time of its arrival here.
    pub fn events_after(&self, skip: usize) -> Vec<(Instant, Value)> {
        let lines = self.process.lines_after(skip + 1).into_iter();
        lines.map(|(at, line)| (at, serde_json::from_str(&line).expect("an event in JSON"))).collect()
    }

    /// Waits for an event of this name for which `wanted` holds, among those
    /// after the first `skip`.
    pub fn wait_event(&mut self, skip: usize, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(Duration::from_secs(20), &format!("event {name} of the core"), || {
            self.process.assert_alive();
            let events = self.events_after(skip);
            let found = events.iter().find(|(_, event)| event["event"] == name && wanted(event));
            found.map(|(_, event)| event.clone()).ok_or_else(|| {
                let names: Vec<_> = events.iter().map(|(_, event)| event["event"].to_string()).collect();
                format!("these came: {}", names.join(" "))
            })
        })
    }

    /// Its process, to be stopped or killed.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn text(&self, key: &str) -> &str {
        self.first[key].as_str().unwrap_or_else(|| panic!("no {key} in {}", self.first))
    }
}

/// callbox, to be started there (nowhere special if empty).
pub fn command_inside(inside: &[String]) -> Command {
    let callbox = env!("CARGO_BIN_EXE_callbox");
    match inside {
        [] => Command::new(callbox),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(callbox);
            command
        }
    }
}

/// Sets a file's mode.
pub fn restrict(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}
