//! A home or a fleet follows the box over MQTT. The broker is mosquitto, with
//! TLS and a password, and what is said is heard by mosquitto's own clients. The
//! box must be found, must never tell old news as new, must outlive the
//! broker, and must do nothing that nobody permitted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use callbox::sim::certs::{Authority, Flaw};
use serde_json::Value;
use support::appliance::{Appliance, Config};
use support::process::{Process, run};
use support::wait_for;
use tempfile::TempDir;

const USER: &str = "door";
const PASSWORD: &str = "the-brokers-own-password";

/// A broker of its own, on a port of its own, that may be stopped and started again.
struct Broker {
    folder: TempDir,
    port: u16,
    process: Option<Process>,
}

impl Broker {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let port = support::port_for_later(&["127.0.0.1"]);
        let authority = Authority::new().unwrap();
        let leaf = authority.leaf(Flaw::None).unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("ca.pem", authority.pem());
        put("server.pem", &leaf.certificate);
        put("server.key", &leaf.key);
        put("password", PASSWORD);
        support::core::restrict(&folder.path().join("password"), 0o600);
        let users = folder.path().join("users");
        run(Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&users).args([USER, PASSWORD])).unwrap();
        let dir = folder.path().display();
        put(
            "mosquitto.conf",
            &format!(
                "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {dir}/users\n\
             cafile {dir}/ca.pem\ncertfile {dir}/server.pem\nkeyfile {dir}/server.key\n\
             user root\nlog_dest stdout\nlog_type error\nlog_type warning\n"
            ),
        );
        let mut broker = Self { folder, port, process: None };
        broker.run();
        broker
    }

    fn run(&mut self) {
        // Debian puts it where only root looks.
        let debian = Path::new("/usr/sbin/mosquitto");
        let mut command = Command::new(if debian.exists() { debian } else { Path::new("mosquitto") });
        command.arg("-c").arg(self.path("mosquitto.conf"));
        self.process = Some(Process::start("mosquitto", command, self.folder.path()));
        wait_for(Duration::from_secs(10), "the broker", || {
            run(self.client("mosquitto_pub").args(["-t", "probe", "-m", "x"]))
        });
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop();
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// `[mqtt]` of a box.
    fn section(&self, more: &str) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        format!(
            "[mqtt]\nbroker = \"mqtts://localhost:{}\"\nname = \"front-door\"\nca-file = {:?}\nuser = {USER:?}\n\
             password-file = {:?}\n{more}",
            self.port,
            path("ca.pem"),
            path("password"),
        )
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args([
            "-h",
            "localhost",
            "-p",
            &self.port.to_string(),
            "-u",
            USER,
            "-P",
            PASSWORD,
            "--cafile",
        ]);
        command.arg(self.path("ca.pem"));
        command
    }

    /// Everything on the broker, a line `TOPIC PAYLOAD` a message.
    fn listener(&self) -> Listener {
        let mut command = self.client("mosquitto_sub");
        command.args(["-v", "-t", "#"]);
        let folder = TempDir::new().unwrap();
        Listener { process: Process::start("mosquitto_sub", command, folder.path()), _folder: folder }
    }

    fn publish(&self, topic: &str, payload: &str, retain: bool) {
        let mut command = self.client("mosquitto_pub");
        command.args(["-q", "1", "-t", topic, "-m", payload]);
        if retain {
            command.arg("-r");
        }
        run(&mut command).unwrap();
    }
}

struct Listener {
    process: Process,
    _folder: TempDir,
}

impl Listener {
    fn on(&self, topic: &str) -> Vec<String> {
        let lines = self.process.lines();
        let messages = lines.iter().filter_map(|line| line.strip_prefix(topic)?.strip_prefix(' '));
        messages.map(str::to_owned).collect()
    }

    /// The last message of a topic, once it is as wished.
    fn wait(&self, topic: &str, wish: impl Fn(&str) -> bool) -> String {
        wait_for(Duration::from_secs(15), topic, || match self.on(topic).pop() {
            Some(last) if wish(&last) => Ok(last),
            last => Err(format!("last was {last:?}")),
        })
    }
}

fn lone_box(more: String) -> Appliance {
    let config = Config {
        endpoint: "http://127.0.0.1:9".to_owned(),
        audio: ("synth:silence".to_owned(), "synth:silence".to_owned()),
        more,
        ..Config::bare()
    };
    Appliance::start_with_environment(&config, &[])
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_box_is_found_and_told_of_and_its_end_is_known() {
    let broker = Broker::start();
    let listener = broker.listener();
    let appliance = lone_box(broker.section("commands = [\"hang-up\", \"mute\"]\n"));
    listener.wait("callbox/front-door/availability", |last| last == "online");

    let found = json(&listener.wait("homeassistant/device/callbox-front-door/config", |_| true));
    check_discovery(&found);

    let state = json(&listener.wait("callbox/front-door/state", |_| true));
    assert_eq!((&state["call"], &state["muted"]), (&Value::from("idle"), &Value::from(false)), "{state}");
    assert_ne!(state["session"], "registered");
    assert_eq!(state["outputs"]["strike"], false);

    appliance.must(&["press", "call", "--for", "100"]);
    let press = listener.wait("callbox/front-door/button/call", |_| true);
    assert_eq!(json(&press)["event_type"], "press");
    let events = listener.on("callbox/front-door/event");
    assert!(events.iter().any(|event| json(event)["kind"] == "button"), "{events:?}");

    broker.publish("callbox/front-door/command", r#"{"action": "mute", "on": true}"#, false);
    listener.wait("callbox/front-door/state", |last| json(last)["muted"] == true);
    assert_eq!(json(&listener.wait("callbox/front-door/answer", |_| true))["ok"], true);

    // One that dies is known to be gone, by its last will.
    run(Command::new("kill").args(["-9", &appliance.id().to_string()])).unwrap();
    listener.wait("callbox/front-door/availability", |last| last == "offline");
}

#[test]
fn nothing_is_done_without_permission_nor_again_nor_in_a_storm() {
    let broker = Broker::start();
    // A command that somebody left on the broker is carried out for no box that comes.
    broker.publish("callbox/front-door/command", r#"{"action": "mute", "on": true}"#, true);
    let listener = broker.listener();
    let mut appliance = lone_box(broker.section("commands = [\"mute\"]\n"));
    listener.wait("callbox/front-door/availability", |last| last == "online");
    let refused = |payload: &str, why: &str| {
        broker.publish("callbox/front-door/command", payload, false);
        let answer = listener.wait("callbox/front-door/answer", |last| last.contains(why));
        assert_eq!(json(&answer)["ok"], false);
    };
    refused("hang-up", "not permitted");
    refused("to-phone", "not permitted");
    refused("{\"action\":", "no command");
    refused(&"x".repeat(2000), "longer than");
    assert_eq!(appliance.status().unwrap()["muted"], false);
    for _ in 0..20 {
        let mut command = broker.client("mosquitto_pub");
        command.args(["-t", "callbox/front-door/command", "-m", "mute"]);
        run(&mut command).unwrap();
    }
    listener.wait("callbox/front-door/answer", |last| last.contains("more than"));
    appliance.assert_alive();
}

#[test]
fn a_broker_that_goes_and_comes_back_is_told_the_state_of_then_and_no_old_news() {
    let mut broker = Broker::start();
    let appliance = lone_box(broker.section(""));
    broker.listener().wait("callbox/front-door/availability", |last| last == "online");
    broker.stop();
    // Nothing of the box waits for the broker.
    appliance.must(&["press", "call", "--for", "50"]);
    appliance.must(&["mute"]);
    broker.run();
    let listener = broker.listener();
    listener.wait("callbox/front-door/state", |last| json(last)["muted"] == true);
    assert_eq!(listener.on("callbox/front-door/button/call"), Vec::<String>::new());
    appliance.must(&["press", "call", "--for", "50"]);
    listener.wait("callbox/front-door/button/call", |_| true);
    // Its end in good order is told as well.
    run(Command::new("kill").args(["-TERM", &appliance.id().to_string()])).unwrap();
    listener.wait("callbox/front-door/availability", |last| last == "offline");
}

#[test]
fn a_broker_of_another_authority_or_a_wrong_password_is_named_in_the_log() {
    let broker = Broker::start();
    let stranger = Authority::new().unwrap();
    let other = broker.path("other.pem");
    fs::write(&other, stranger.pem()).unwrap();
    let wrong_authority = broker.section("").replace("ca.pem", "other.pem");
    expect_log(&wrong_authority, "invalid peer certificate");
    fs::File::create(broker.path("password")).unwrap().write_all(b"guessed").unwrap();
    expect_log(&broker.section(""), "NotAuthorized");
}

fn expect_log(section: &str, words: &str) {
    let mut appliance = lone_box(section.to_owned());
    let log = wait_for(Duration::from_secs(15), words, || {
        let log = appliance.log();
        if log.contains(words) { Ok(log) } else { Err(log) }
    });
    assert!(!log.contains(PASSWORD), "{log}");
    appliance.assert_alive();
}

/// The rules of Home Assistant's documentation for a device's discovery payload
/// ("MQTT", "Discovery messages"): what must be there, and what each platform must have.
fn check_discovery(payload: &Value) {
    assert!(payload["device"]["identifiers"].as_array().is_some_and(|ids| !ids.is_empty()), "{payload}");
    assert!(payload["origin"]["name"].is_string(), "{payload}");
    assert_eq!(payload["availability_topic"], "callbox/front-door/availability");
    let parts = payload["components"].as_object().unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for (key, part) in parts {
        assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{key}");
        assert!(ids.insert(part["unique_id"].as_str().unwrap()), "{key} has another's unique_id");
        let needed: &[&str] = match part["platform"].as_str().unwrap() {
            "binary_sensor" | "sensor" => &["state_topic", "value_template"],
            "event" => &["state_topic", "event_types"],
            "button" => &["command_topic"],
            "switch" => &["command_topic", "state_topic"],
            other => panic!("{other} is no platform of MQTT discovery"),
        };
        assert!(needed.iter().all(|name| !part[*name].is_null()), "{key}: {part}");
        if part["device_class"] == "enum" {
            assert!(part["options"].as_array().unwrap().contains(&Value::from("in-call")));
        }
    }
    for key in ["session", "call", "fault", "button-call", "output-strike", "do-hang-up", "mute"] {
        assert!(parts.contains_key(key), "{key} is missing: {:?}", parts.keys());
    }
    assert!(!parts.contains_key("do-answer"), "offers what is not permitted");
}

#[test]
fn callbox_check_looks_at_the_passwords_file() {
    let folder = TempDir::new().unwrap();
    let config = Config {
        endpoint: "http://127.0.0.1:9".to_owned(),
        more:
            "[mqtt]\nbroker = \"mqtt://127.0.0.1\"\nname = \"a\"\nuser = \"u\"\npassword-file = \"./none\"\n"
                .to_owned(),
        ..Config::bare()
    };
    let file = folder.path().join("callbox.toml");
    fs::write(&file, config.text(folder.path())).unwrap();
    let error = check(&file).unwrap_err();
    assert!(error.contains("callbox.toml:") && error.contains("none does not exist"), "{error}");
}

fn check(file: &Path) -> Result<String, String> {
    run(Command::new(env!("CARGO_BIN_EXE_callbox")).arg("check").arg("--config").arg(file))
}
