//! `[mqtt]`: a broker that is told what happens, and may be let to ask.

use std::path::Path;

use super::core::{NamedFile, named_file};
use super::diagnostic::{Diagnostic, Place, Problem, quoted};
use super::secret::{self, SecretSource};
use super::section::{Section, choose};
use super::server;

/// `[mqtt]`.
#[derive(Clone, Debug)]
pub struct MqttConfig {
    /// Where the broker is.
    pub broker: Broker,
    /// A private authority for the broker's certificate; none for the public roots.
    pub ca_file: Option<NamedFile>,
    /// How to be let in; none for a broker that asks for nothing.
    pub login: Option<MqttLogin>,
    /// The box's name in topics and entity ids: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// What all topics begin with. Default `callbox`.
    pub topic: String,
    /// Home Assistant's discovery prefix; `None` for no discovery. Default `homeassistant`.
    pub discovery: Option<String>,
    /// What may be asked for over the broker. Default nothing.
    pub commands: Vec<Permission>,
}

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether TLS guards the way.
    pub tls: bool,
}

/// User name and password.
#[derive(Clone, Debug)]
pub struct MqttLogin {
    /// The user's name.
    pub user: String,
    /// Where the password comes from.
    pub password: SecretSource,
    /// Where the configuration says so.
    pub place: Place,
}

/// A thing that may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Answer a call that rings here.
    Answer,
    /// Make a call.
    Call,
    /// Hang up or reject.
    HangUp,
    /// Mute the microphone, or open it again.
    Mute,
    /// Open the door; `[door]` must permit commands as well.
    OpenDoor,
    /// Move the call to the mobile phone.
    ToPhone,
}

impl Permission {
    /// All of them, by their words.
    pub const WORDS: [(&str, Permission); 6] = [
        ("answer", Permission::Answer),
        ("call", Permission::Call),
        ("hang-up", Permission::HangUp),
        ("mute", Permission::Mute),
        ("open-door", Permission::OpenDoor),
        ("to-phone", Permission::ToPhone),
    ];
}

pub(super) fn read(section: Option<Section<'_>>, base: &Path) -> Option<MqttConfig> {
    let mut section = section?;
    let plaintext = section.boolean("allow-plaintext").unwrap_or(false);
    if !section.has("broker") {
        section.missing("broker", "\"mqtts://HOST:8883\"");
    }
    let broker = section.parsed("broker", |text| server::broker(text, plaintext));
    let name = section.required_text("name", "\"front-door\"").map(|name| name.value);
    let name = name.and_then(|_| section.parsed("name", slug));
    let prefix = section.parsed("topic", topic);
    let discovery = section.parsed("discovery", topic);
    let ca_file = named_file(&mut section, base);
    let login = read_login(&mut section, base);
    let mut commands = Vec::new();
    for word in section.texts("commands").unwrap_or_default() {
        match choose("commands", word.value, &Permission::WORDS) {
            Ok(permission) => commands.push(permission),
            Err(problem) => section.note(word.at, problem),
        }
    }
    section.finish();
    Some(MqttConfig {
        broker: broker?.value,
        ca_file,
        login,
        name: name?.value,
        topic: prefix.map_or_else(|| "callbox".to_owned(), |prefix| prefix.value),
        discovery: match discovery {
            Some(prefix) if prefix.value == "off" => None,
            Some(prefix) => Some(prefix.value),
            None => Some("homeassistant".to_owned()),
        },
        commands,
    })
}

fn read_login(section: &mut Section<'_>, base: &Path) -> Option<MqttLogin> {
    let user = section.text("user").map(|user| user.value.to_owned());
    let file = section.path("password-file", base);
    let credential = section.parsed("password-credential", super::core::credential_name);
    let (password, at) = match (file, credential) {
        (Some(_), Some(second)) => {
            let what = "there are two sources of the password";
            section.note(second.at, Problem::new(what, "keep password-file or password-credential"));
            return None;
        }
        (Some(file), None) => (SecretSource::File(file.value), file.at),
        (None, Some(name)) => (SecretSource::Credential(name.value), name.at),
        (None, None) => {
            if let Some(at) = section.key_at("user") {
                let cure = "add password-file = \"/etc/callbox/mqtt-password\"";
                section.note(at, Problem::new("the user has no password", cure));
            }
            return None;
        }
    };
    if user.is_none() {
        section.missing("user", "\"the name that the broker knows\"");
    }
    Some(MqttLogin { user: user?, password, place: section.report.place(at) })
}

/// Looks at the files that `[mqtt]` names.
pub(super) fn check_files(mqtt: &MqttConfig) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> =
        super::core::check_certificate(mqtt.ca_file.as_ref()).into_iter().collect();
    if let Some(login) = &mqtt.login
        && let Err(error) = secret::read(&login.password)
    {
        found.push(login.place.diagnose(error.problem()));
    }
    found
}

/// A name that is good in a topic, a client id and an entity id alike.
fn slug(text: &str) -> Result<String, Problem> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if (1..=64).contains(&text.len()) && text.bytes().all(good) {
        Ok(text.to_owned())
    } else {
        let what = format!("{} is no name for topics", quoted(text));
        Err(Problem::new(what, "write lower-case letters, digits, - and _, such as \"front-door\""))
    }
}

/// Topic levels (MQTT 3.1.1 section 4.7) without wild cards and empty levels.
fn topic(text: &str) -> Result<String, Problem> {
    let good = |level: &str| !level.is_empty() && !level.contains(['+', '#', '$', '\0', ' ']);
    if text.len() <= 128 && text.split('/').all(good) {
        Ok(text.to_owned())
    } else {
        let what = format!("{} is no beginning of a topic", quoted(text));
        Err(Problem::new(what, "write words with / between them, without +, # or spaces"))
    }
}
