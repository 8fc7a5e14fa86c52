//! Whatever the box keeps is killed after each single call that writes it: what
//! is there then is the old or the new, whole, and the box starts with it. That
//! it would also be there after a power cut is told by the order of the calls:
//! nothing gets its name before it is on the disk, and the name is, too.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordVerifier};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::halt::Halting;
use crate::row;
use crate::scene;
use crate::support::appliance::Config;
use crate::support::core::restrict;
use crate::support::panel;
use crate::support::process::{Process, run};
use crate::support::wait_for;

/// A call that is over, as the panel keeps it.
const CALL: &str = r#"{"call_id":"1","direction":"incoming","peer":null,"time":"2026-11-22T18:00:00Z","answered":true,"result":null,"lasted_ms":1.5,"talked_ms":0.5,"press_to_offer_ms":null,"press_to_first_audio_ms":null,"quality":null,"steps":[]}"#;

/// What a process printed last is read by then.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// One thing that the box keeps, and how it comes to be written.
struct Case {
    name: &'static str,
    config: Config,
    /// Files that it may write, in the box's folder; any other is a mistake.
    files: &'static [&'static str],
    /// What is there before.
    before: fn(&Path),
    /// What has it written, once the box runs; `None`: its start.
    act: Option<fn(&Path)>,
    /// Whether all is written.
    done: fn(&Path, &Process) -> bool,
    /// Judges what is there.
    judge: fn(&Path, &[String]),
}

fn read(folder: &Path, file: &str) -> Option<String> {
    fs::read_to_string(folder.join(file)).ok()
}

fn memory(folder: &Path) -> Option<Value> {
    let text = read(folder, "state/memory.json")?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}")))
}

fn callbox(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let socket = folder.join("control.sock");
    run(Command::new(env!("CARGO_BIN_EXE_callbox")).args(arguments).arg("--socket").arg(socket))
}

fn status(folder: &Path) -> Result<Value, String> {
    let text = callbox(folder, &["status", "--json"])?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

/// How it is started there; its log has no colours, for it is read.
fn box_in(folder: &Path) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let (binary, config, socket) =
        (env!("CARGO_BIN_EXE_callbox"), path("callbox.toml"), path("control.sock"));
    ["env", "NO_COLOR=1", binary, "run", "--config", &config, "--socket", &socket].map(str::to_owned).to_vec()
}

/// Whether it has kept what it keeps at its start, and answers.
fn runs(folder: &Path, process: &Process) -> bool {
    memory(folder).is_some() && process.log().contains(" url=") && folder.join("control.sock").exists()
}

impl Case {
    fn place(&self) -> TempDir {
        let folder = TempDir::new().unwrap();
        let dir = folder.path();
        fs::create_dir(dir.join("trace.d")).unwrap();
        fs::write(dir.join("secret"), &self.config.secret).unwrap();
        restrict(&dir.join("secret"), self.config.secret_mode);
        let mut text = self.config.text(dir).replace("[audio]\n", "[audio]\nvolume-keep = \"always\"\n");
        text += &format!("[state]\ndir = {:?}\n", dir.join("state").display().to_string());
        fs::write(dir.join("callbox.toml"), text).unwrap();
        (self.before)(dir);
        folder
    }

    /// Kills it after the n-th call, or when all is written; the calls until then, and what it printed.
    fn killed(&self, dir: &Path, n: usize) -> (Vec<String>, Vec<String>) {
        let paths: Vec<PathBuf> = self.files.iter().map(|file| dir.join(file)).collect();
        let mut halting = Halting::start(&dir.join("trace.d"), &paths, &box_in(dir));
        let acting = self.act.map(|act| {
            halting.run_until(|process| runs(dir, process));
            let dir = dir.to_owned();
            thread::spawn(move || act(&dir))
        });
        let acted = |acting: &Option<JoinHandle<()>>| acting.as_ref().is_none_or(JoinHandle::is_finished);
        let calls = halting.kill_after(n, |process| acted(&acting) && (self.done)(dir, process));
        // Whoever talked to a box that was killed may give up.
        let talked = acting.map_or(Ok(()), JoinHandle::join);
        assert!(calls.len() == n || talked.is_ok(), "{}: {talked:?}", self.name);
        thread::sleep(LAST_WORDS);
        if calls.len() < n {
            in_order(&halting.calls());
        }
        (calls, halting.lines())
    }

    /// The box starts with what was left, and keeps as before.
    fn starts(&self, dir: &Path, mut printed: Vec<String>) {
        let start = box_in(dir);
        let mut command = Command::new(&start[0]);
        command.args(&start[1..]);
        let mut process = Process::start("callbox", command, dir);
        wait_for(Duration::from_secs(20), "box that starts with what was left", || {
            process.assert_alive();
            let faults = status(dir)?["faults"].to_string();
            let well = runs(dir, &process) && !faults.contains("state-not-kept");
            if well { Ok(()) } else { Err(process.log()) }
        });
        process.kill();
        thread::sleep(LAST_WORDS);
        printed.extend(process.lines());
        (self.judge)(dir, &printed);
    }

    fn run(&self) {
        let mut n = 0;
        loop {
            let folder = self.place();
            let dir = folder.path();
            let (calls, printed) = self.killed(dir, n + 1);
            if calls.len() <= n {
                break;
            }
            n += 1;
            println!("{}: killed after {}", self.name, calls[n - 1]);
            (self.judge)(dir, &printed);
            self.known_files(dir);
            self.starts(dir, printed);
            self.known_files(dir);
        }
        assert!(n >= 4, "{}: nothing was written", self.name);
        row(
            &format!("killed at each call that writes {}", self.name),
            "old or new, whole, and it starts",
            format_args!("held at all {n}"),
        );
    }

    /// Fixed names are written over the next time: nothing piles up.
    fn known_files(&self, dir: &Path) {
        let own = [
            "callbox.toml",
            "secret",
            "control.sock",
            "control.sock.lock",
            "callbox.log",
            "trace.d",
            "state",
            "state/memory.json",
            "state/memory.json.next",
        ];
        let known: BTreeSet<&str> = self.files.iter().copied().chain(own).collect();
        let mut folders = vec![dir.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                assert!(known.contains(name.as_str()), "{}: {name}", self.name);
                if path.is_dir() && name != "trace.d" {
                    folders.push(path);
                }
            }
        }
    }
}

/// What is given a name is on the disk before, and so is the name after.
fn in_order(calls: &[String]) {
    for (at, call) in calls.iter().enumerate().filter(|(_, call)| call.starts_with("rename")) {
        let names: Vec<&str> = call.split('"').skip(1).step_by(2).collect();
        let (from, to) = (names[0], names[1]);
        let about = |other: &&String, path: &str| other.contains(&format!("<{path}>"));
        let last = calls[..at].iter().rfind(|other| about(other, from));
        assert!(
            last.is_some_and(|last| last.starts_with("fsync")),
            "{from} has a new name before it is on the disk: {calls:#?}"
        );
        let folder = Path::new(to).parent().unwrap().display().to_string();
        let named = calls[at..].iter().any(|other| other.starts_with("fsync") && about(&other, &folder));
        assert!(named, "the name {to} is not on the disk: {calls:#?}");
    }
}

fn bare(panel: &str) -> Config {
    panel::config(None, &format!("[panel]\n{panel}\n"))
}

/// The password that somebody who looked on knows.
fn shown(printed: &[String]) -> Option<&str> {
    printed.iter().rev().find_map(|line| line.strip_prefix("The panel's password, shown this once: "))
}

#[test]
fn the_first_start_is_killed_at_each_write() {
    Case {
        name: "what the first start makes: memory, the panel's key, certificate and password",
        config: bare("listen = \"0.0.0.0:0\""),
        files: &[
            "state",
            "state/memory.json",
            "state/memory.json.next",
            "state/panel",
            "state/panel/own.key",
            "state/panel/own.pem",
            "state/panel/own.new",
            "state/panel/password.hash",
            "state/panel/password.new",
        ],
        before: |_| {},
        act: None,
        done: |dir, process| runs(dir, process) && dir.join("state/panel/password.hash").exists(),
        judge: |dir, printed| {
            let _ = memory(dir);
            for file in ["own.key", "own.pem"] {
                let text = read(dir, &format!("state/panel/{file}"));
                assert!(
                    text.is_none_or(|text| text.starts_with("-----BEGIN") && text.ends_with("-----\n")),
                    "{file}"
                );
            }
            // Whoever was there at the start knows it, or there is none yet.
            if let Some(hash) = read(dir, "state/panel/password.hash") {
                let password = shown(printed).expect("a password that nobody was told");
                let hash = PasswordHash::new(hash.trim()).unwrap();
                argon2::Argon2::default().verify_password(password.as_bytes(), &hash).unwrap();
            }
        },
    }
    .run();
}

#[test]
fn the_memory_is_killed_at_each_write() {
    Case {
        name: "the memory (a volume that was chosen)",
        config: bare("listen = \"127.0.0.1:0\""),
        files: &["state", "state/memory.json", "state/memory.json.next"],
        before: |_| {},
        act: Some(|dir| drop(callbox(dir, &["volume", "40"]))),
        done: |dir, _| memory(dir).is_some_and(|memory| memory["volume"]["percent"] == 40),
        judge: |dir, _| {
            let volume = memory(dir).expect("a memory")["volume"].clone();
            assert!(volume.is_null() || volume["percent"] == 40, "{volume}");
        },
    }
    .run();
}

const CHANGED: &str = "+4700000002";

/// What the page sends; nobody may answer.
fn change_configuration(dir: &Path) {
    let log = fs::read_to_string(dir.join("trace.d/strace.log")).unwrap();
    let url = log.split("url=").nth(1).unwrap().split_whitespace().next().unwrap();
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let ask = |request: String| {
        let mut stream = TcpStream::connect(host).unwrap();
        let _ = stream.write_all(request.as_bytes());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let get = |path: &str| -> Value {
        let answer = ask(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"));
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    };
    let (session, shown) = (get("/api/session"), get("/api/config"));
    let text = shown["text"].as_str().unwrap().replace("+4700000001", CHANGED);
    let body = json!({ "text": text, "revision": shown["revision"] }).to_string();
    let (csrf, length) = (session["csrf"].as_str().unwrap(), body.len());
    let answer = ask(format!(
        "PUT /api/config HTTP/1.1\r\nhost: {host}\r\nx-csrf-token: {csrf}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ));
    assert!(answer.is_empty() || answer.contains(" 200 "), "{answer}");
}

#[test]
fn the_configuration_is_killed_at_each_write() {
    Case {
        name: "the configuration (changed in the panel)",
        config: bare("listen = \"127.0.0.1:0\"\nallow-config = true"),
        files: &[
            "callbox.toml",
            "callbox.toml.new",
            "callbox.toml.bak",
            "",
            "state",
            "state/memory.json",
            "state/memory.json.next",
        ],
        before: |dir| {
            fs::copy(dir.join("callbox.toml"), dir.join("secret")).unwrap();
        },
        act: Some(change_configuration),
        done: |dir, _| read(dir, "callbox.toml").is_some_and(|text| text.contains(CHANGED)),
        judge: |dir, _| {
            let old = read(dir, "secret").unwrap();
            let now = read(dir, "callbox.toml").expect("a configuration");
            assert!(now == old || now == old.replace("+4700000001", CHANGED), "{now}");
            assert!(
                read(dir, "callbox.toml.bak").is_none_or(|kept| kept == old),
                "what was kept is cut short"
            );
        },
    }
    .run();
}

#[test]
fn the_history_of_calls_is_killed_at_each_write() {
    Case {
        name: "the history of calls, anew",
        config: bare("listen = \"127.0.0.1:0\""),
        files: &["state/panel", "state/panel/calls.jsonl", "state/panel/calls.next"],
        before: |dir| {
            fs::create_dir_all(dir.join("state/panel")).unwrap();
            fs::write(dir.join("state/panel/calls.jsonl"), format!("{CALL}\n{{\"cut sh\n")).unwrap();
        },
        act: None,
        done: |dir, process| runs(dir, process) && !history(dir).contains("cut sh"),
        judge: |dir, _| assert!(history(dir).starts_with(&format!("{CALL}\n")), "{:?}", history(dir)),
    }
    .run();
}

/// Press, talk, hang up; an error once it is dead.
fn call(dir: &Path) -> Result<(), String> {
    let until = |key: &str, wanted: &str| loop {
        if status(dir)?[key] == wanted {
            break Ok::<(), String>(());
        }
        thread::sleep(Duration::from_millis(20));
    };
    until("session", "registered")?;
    callbox(dir, &["press", "call", "--for", "100"])?;
    until("call", "in-call")?;
    callbox(dir, &["hangup"])?;
    until("call", "idle")
}

#[test]
fn a_call_is_killed_at_each_write() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let core = runtime.block_on(scene::core("[default-phone]\n"));
    let trusted = TempDir::new().unwrap();
    let mut config = scene::config(&core, &trusted);
    config.more = "[panel]\nlisten = \"127.0.0.1:0\"\n".to_owned();
    Case {
        name: "a call: the memory of it, and the history",
        config,
        files: &[
            "state",
            "state/memory.json",
            "state/memory.json.next",
            "state/panel",
            "state/panel/calls.jsonl",
        ],
        before: |_| {},
        act: Some(|dir| drop(call(dir))),
        done: |dir, _| read(dir, "state/panel/calls.jsonl").is_some_and(|text| text.ends_with('\n')),
        judge: |dir, _| {
            let calls = memory(dir).expect("a memory")["calls"].as_array().unwrap().len();
            assert!(calls <= 1, "{calls} calls");
            for line in read(dir, "state/panel/calls.jsonl").unwrap_or_default().lines() {
                assert!(serde_json::from_str::<Value>(line).unwrap()["call_id"].is_string(), "{line}");
            }
        },
    }
    .run();
}

fn history(dir: &Path) -> String {
    read(dir, "state/panel/calls.jsonl").expect("a history")
}
