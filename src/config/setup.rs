//! `callbox-setup.toml`: the one file that sets a box up. It is a configuration
//! with a section `[setup]` for what the machine around the appliance needs.
//!
//! The configuration that comes out of it is the same text with blanks in the
//! place of `[setup]`, so that lines and columns in later errors stay true.

use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use toml::de::{DeTable, DeValue};

use super::board_file::BoardLoader;
use super::diagnostic::{Diagnostic, Problem, Report};
use super::section::{Located, Section};
use super::setup_fleet::{self, Fleet};
use super::{Config, document, read_root};

/// What a set-up holds. Secrets in it do not print.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The machine's name.
    pub host_name: Option<String>,
    /// What belongs to `client-id`.
    pub client_secret: Option<SecretString>,
    /// The wireless network to join.
    pub wifi: Option<Wifi>,
    /// OpenSSH public keys that may log in.
    pub ssh_keys: Vec<String>,
    /// The server that updates come from by themselves.
    pub fleet: Option<Fleet>,
    /// callbox.toml; nothing of `[setup]` is in it.
    pub configuration: SecretString,
}

/// A wireless network.
#[derive(Clone, Debug)]
pub struct Wifi {
    ssid: String,
    password: SecretString,
    country: String,
}

impl Wifi {
    /// As wpa_supplicant.conf(5) has it.
    pub fn wpa_supplicant(&self) -> SecretString {
        // Hexadecimal, so that no name can be taken for something else.
        let hex = self.ssid.bytes().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let (country, password) = (&self.country, self.password.expose_secret());
        SecretString::from(format!(
            "country={country}\nnetwork={{\n\tssid={hex}\n\tkey_mgmt=WPA-PSK SAE\n\tieee80211w=1\n\tpsk=\"{password}\"\n}}\n"
        ))
    }
}

impl Setup {
    /// Reads a set-up and the configuration in it. Opens no file but the board's.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the file.
    pub fn load(path: &Path, boards: &BoardLoader) -> Result<Self, Vec<Diagnostic>> {
        let text =
            document::read(path, "write one, see callbox-setup.example.toml").map_err(|found| vec![found])?;
        Self::parse(&text, &path.display().to_string(), boards)
    }

    /// Reads a set-up from a text.
    ///
    /// # Errors
    /// As [`Setup::load`].
    pub fn parse(text: &str, file_name: &str, boards: &BoardLoader) -> Result<Self, Vec<Diagnostic>> {
        // An editor on another computer may have left a mark and carriage returns.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let report = Report::new(file_name, text);
        let table = document::parse(text, &report);
        let setup = table.as_ref().and_then(|table| {
            let mut root = Section::new(&report, table.get_ref(), 0, String::new());
            let setup = read(root.section("setup"));
            // Files in a set-up are files of the box that it is for.
            let config = read_root(&mut root, Path::new(super::DEFAULT_PATH).parent()?, boards);
            root.finish();
            let configuration = SecretString::from(without_setup(text, table.get_ref()));
            config.and(setup).map(|setup| Setup { configuration, ..setup })
        });
        let mut found = report.into_found();
        match setup {
            Some(setup) if found.is_empty() => {
                // What is written out must be the configuration that was judged here.
                Config::parse(setup.configuration.expose_secret(), file_name, boards).map(|_| setup)
            }
            Some(_) | None => {
                if found.is_empty() {
                    let problem = Problem::new("this is no set-up", "see callbox-setup.example.toml");
                    found.push(super::Place::start_of(file_name).diagnose(problem));
                }
                Err(found)
            }
        }
    }
}

fn read(section: Option<Section<'_>>) -> Option<Setup> {
    let mut setup = Setup {
        host_name: None,
        client_secret: None,
        wifi: None,
        ssh_keys: Vec::new(),
        fleet: None,
        configuration: SecretString::default(),
    };
    let Some(mut section) = section else { return Some(setup) };
    setup.host_name = section.parsed("host-name", host_name).map(|name| name.value);
    let secret = section.parsed("client-secret", |text| one_line("client-secret", text, 1..=4096));
    setup.client_secret = secret.map(|secret| secret.value);
    if let Some(mut wifi) = section.section("wifi") {
        let ssid = required(&mut wifi, "ssid", "\"the network\"", |text| {
            one_line("ssid", text, 1..=32).map(|_| text.to_owned())
        });
        // IEEE 802.11-2020, J.4: a passphrase is 8 to 63 characters of ASCII.
        let password = required(&mut wifi, "password", "\"its password\"", |text| {
            let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"');
            if plain {
                one_line("password", text, 8..=63)
            } else {
                Err(Problem::new(
                    "the password has other characters than ASCII has",
                    "give the network another one",
                ))
            }
        });
        let country = required(&mut wifi, "country", "\"NO\"", country);
        wifi.finish();
        setup.wifi = match (ssid, password, country) {
            (Some(ssid), Some(password), Some(country)) => {
                Some(Wifi { ssid: ssid.value, password: password.value, country: country.value })
            }
            _ => None,
        };
    }
    for key in section.texts("ssh-keys").unwrap_or_default() {
        match ssh_key(key.value) {
            Ok(()) => setup.ssh_keys.push(key.value.to_owned()),
            Err(problem) => section.note(key.at, problem),
        }
    }
    if let Some(mut fleet) = section.section("fleet") {
        setup.fleet = setup_fleet::read(&mut fleet);
        fleet.finish();
    }
    section.finish();
    Some(setup)
}

pub(super) fn required<T>(
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
    parse: impl FnOnce(&str) -> Result<T, Problem>,
) -> Option<Located<T>> {
    if !section.has(key) {
        section.missing(key, example);
    }
    section.parsed(key, parse)
}

/// RFC 1123, section 2.1, for one label.
fn host_name(text: &str) -> Result<String, Problem> {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if plain && (1..=63).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text.to_owned())
    } else {
        Err(Problem::new(
            "this is no host name",
            "use 1 to 63 lower-case letters, digits and -, such as \"door-17\"",
        ))
    }
}

/// ISO 3166-1 alpha-2.
fn country(text: &str) -> Result<String, Problem> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Ok(text.to_owned())
    } else {
        Err(Problem::new("this is no country", "write its two capital letters, such as \"NO\""))
    }
}

pub(super) fn one_line(
    key: &str,
    text: &str,
    length: std::ops::RangeInclusive<usize>,
) -> Result<SecretString, Problem> {
    if text.chars().any(char::is_control) {
        Err(Problem::new(format!("{key} has a line break or a control character"), "write it in one line"))
    } else if length.contains(&text.len()) {
        Ok(SecretString::from(text))
    } else {
        let what = format!("{key} has {} bytes", text.len());
        Err(Problem::new(what, format!("it takes {} to {}", length.start(), length.end())))
    }
}

/// One line of authorized_keys without options, sshd(8).
fn ssh_key(text: &str) -> Result<(), Problem> {
    let mut words = text.split(' ');
    let kind = words.next().unwrap_or_default();
    let known =
        ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];
    let base64 = |word: &str| {
        word.len() > 40 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    };
    if known.contains(&kind) && words.next().is_some_and(base64) && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(Problem::new(
            "this is no public key of OpenSSH",
            "copy the one line of a file such as id_ed25519.pub",
        ))
    }
}

/// The text with blanks in the place of `[setup]` and what stands below it.
fn without_setup(text: &str, table: &DeTable<'_>) -> String {
    let mut kept = text.to_owned();
    for (key, value) in table {
        if key.get_ref() != "setup" {
            continue;
        }
        // From the header's line up to the next header or key of another table.
        let begin = line_start(text, key.span().start);
        let end = others(table).filter(|at| *at > begin).map(|at| line_start(text, at)).min();
        blank(&mut kept, begin..end.unwrap_or(text.len()));
        // `[setup.wifi]` may stand elsewhere.
        if let DeValue::Table(inner) = value.get_ref() {
            for (name, _) in inner {
                let at = line_start(text, name.span().start);
                let end =
                    others(table).filter(|other| *other > at).map(|other| line_start(text, other)).min();
                blank(&mut kept, at..end.unwrap_or(text.len()));
            }
        }
    }
    kept
}

/// Where everything that is not `[setup]` stands.
fn others<'t>(table: &'t DeTable<'_>) -> impl Iterator<Item = usize> + 't {
    table.iter().filter(|(key, _)| key.get_ref() != "setup").flat_map(|(key, value)| {
        let items = match value.get_ref() {
            DeValue::Array(items) => items.iter().map(|item| item.span().start).collect(),
            DeValue::Table(inner) => inner.iter().map(|(name, _)| name.span().start).collect(),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => Vec::new(),
        };
        std::iter::once(key.span().start).chain(items)
    })
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

fn blank(text: &mut String, range: Range<usize>) {
    let blanks: String = text
        .get(range.clone())
        .unwrap_or_default()
        .chars()
        .map(|character| if character == '\n' { '\n' } else { ' ' })
        .collect();
    text.replace_range(range, &blanks);
}
