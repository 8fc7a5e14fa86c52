//! `[core]` and `[auth]`: where the voice core is and how to be let in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::{Diagnostic, Place, Problem, quoted};
use super::document;
use super::secret::{self, SecretSource};
use super::section::Section;
use super::server::{self, Shape};
use crate::appliance::settings::{KeepAlive, SessionSettings};

/// Where the voice core is.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// `https://HOST:PORT` or `http://HOST:PORT`. Default `https://api.wgtwo.com:443`.
    pub endpoint: String,
    /// Roots instead of the public ones, PEM.
    pub ca_file: Option<NamedFile>,
    /// HTTP/2 PING interval while no call is up; in a call 1.5 s or this, what is less. 1 s to 1 h, default 10 s.
    pub keep_alive_interval: Duration,
    /// A PING without an answer for this long ends the session; in a call 3 s or this, what is less.
    /// 100 ms to 5 min, default 5 s.
    pub keep_alive_timeout: Duration,
    /// For name, TCP, TLS and the stream's request. 100 ms to 5 min, default 10 s.
    pub connect_timeout: Duration,
}

/// How to be let in.
#[derive(Clone, Debug)]
pub enum AuthConfig {
    /// No token (sandbox).
    None,
    /// OAuth 2.0 client credentials (RFC 6749 section 4.4).
    ClientCredentials {
        /// Default `https://id.wgtwo.com/oauth2/token`.
        token_url: String,
        /// The client id.
        client_id: String,
        /// Where the secret comes from.
        secret: SecretSource,
        /// Where the configuration names the secret.
        secret_place: Box<Place>,
        /// Default `call.control.answer_and_initiate`; empty for none.
        scope: String,
        /// Roots instead of the public ones for the token server, PEM.
        ca_file: Option<Box<NamedFile>>,
    },
}

/// A file and where the configuration names it.
#[derive(Clone, Debug)]
pub struct NamedFile {
    /// Absolute, or relative to the working folder.
    pub path: PathBuf,
    /// Where the configuration says so.
    pub place: Place,
}

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECS: fn(u64) -> Duration = Duration::from_secs;

pub(super) fn read_core(section: Option<Section<'_>>, base: &Path) -> CoreConfig {
    let mut core = CoreConfig {
        endpoint: "https://api.wgtwo.com:443".to_owned(),
        ca_file: None,
        keep_alive_interval: SECS(10),
        keep_alive_timeout: SECS(5),
        connect_timeout: SECS(10),
    };
    let Some(mut section) = section else { return core };
    let plaintext = section.boolean("allow-plaintext").unwrap_or(false);
    if let Some(endpoint) = section.parsed("endpoint", |text| server::check(text, Shape::Endpoint, plaintext))
    {
        core.endpoint = endpoint.value;
    }
    core.ca_file = named_file(&mut section, base);
    let mut set = |key, range, into: &mut Duration| {
        if let Some(duration) = section.duration(key, range) {
            *into = duration;
        }
    };
    set("keep-alive-interval", SECS(1)..=SECS(3600), &mut core.keep_alive_interval);
    set("keep-alive-timeout", MS(100)..=SECS(300), &mut core.keep_alive_timeout);
    set("connect-timeout", MS(100)..=SECS(300), &mut core.connect_timeout);
    section.finish();
    core
}

/// What the session must know of the way to the core.
pub(super) fn session(core: &CoreConfig, auth: &AuthConfig) -> SessionSettings {
    let token_url = match auth {
        AuthConfig::None => None,
        AuthConfig::ClientCredentials { token_url, .. } => Some(token_url),
    };
    let mut addresses = token_url.into_iter().chain([&core.endpoint]);
    SessionSettings {
        needs_time: addresses.any(|address| address.starts_with("https:")),
        idle: KeepAlive { every: core.keep_alive_interval, timeout: core.keep_alive_timeout },
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    ClientCredentials,
    None,
}

/// `root` is the place to name when there is no `[auth]` at all.
pub(super) fn read_auth(section: Option<Section<'_>>, root: &Section<'_>, base: &Path) -> AuthConfig {
    let Some(mut section) = section else {
        root.note(
            root.at,
            Problem::new(
                "there is no [auth]",
                "add [auth] with client-id and client-secret-file, or with method = \"none\" for a core that asks for no token",
            ),
        );
        return AuthConfig::None;
    };
    let method = section
        .choice("method", &[("client-credentials", Method::ClientCredentials), ("none", Method::None)])
        .unwrap_or(if section.has("method") { Method::None } else { Method::ClientCredentials });
    let plaintext = section.boolean("allow-plaintext").unwrap_or(false);
    let token_url = section.parsed("token-url", |text| server::check(text, Shape::Url, plaintext));
    let scope = section.parsed("scope", scope);
    let ca_file = named_file(&mut section, base);
    let secret = read_secret(&mut section, method, base);
    let auth = match method {
        Method::None => {
            // Left in place so that switching the method is one line.
            section.text("client-id");
            AuthConfig::None
        }
        Method::ClientCredentials => {
            let client_id = section.required_text("client-id", "\"the id that the operator gave you\"");
            if let Some(empty) = client_id.as_ref().filter(|id| id.value.trim().is_empty()) {
                let cure = "write the id that the operator gave you";
                section.note(empty.at, Problem::new("client-id is empty", cure));
            }
            match secret {
                Some((secret, secret_place)) => AuthConfig::ClientCredentials {
                    token_url: token_url
                        .map_or_else(|| "https://id.wgtwo.com/oauth2/token".to_owned(), |url| url.value),
                    client_id: client_id.map(|id| id.value.to_owned()).unwrap_or_default(),
                    secret,
                    secret_place: Box::new(secret_place),
                    scope: scope
                        .map_or_else(|| "call.control.answer_and_initiate".to_owned(), |scope| scope.value),
                    ca_file: ca_file.map(Box::new),
                },
                None => AuthConfig::None,
            }
        }
    };
    section.finish();
    auth
}

fn read_secret(section: &mut Section<'_>, method: Method, base: &Path) -> Option<(SecretSource, Place)> {
    let file = section.parsed("client-secret-file", |text| secret_path("client-secret-file", text, base));
    let credential = section.parsed("client-secret-credential", credential_name);
    // What was named wrongly, or given in the open, is reported as such already.
    let named = ["client-secret-file", "client-secret-credential", "client-secret"]
        .iter()
        .any(|key| section.key_at(key).is_some());
    match (file, credential) {
        (Some(_), Some(second)) => {
            section.note(
                second.at,
                Problem::new(
                    "there are two sources of the secret",
                    "keep client-secret-file or client-secret-credential",
                ),
            );
            None
        }
        (Some(file), None) => Some((SecretSource::File(file.value), section.report.place(file.at))),
        (None, Some(name)) => Some((SecretSource::Credential(name.value), section.report.place(name.at))),
        (None, None) => {
            if method == Method::ClientCredentials && !named {
                section.missing("client-secret-file", "\"/etc/callbox/client-secret\"");
            }
            None
        }
    }
}

/// Refuses what neither looks like a path nor names a file that is there: it
/// may be the secret itself.
pub(super) fn secret_path(key: &str, text: &str, base: &Path) -> Result<PathBuf, Problem> {
    let path_like = ["/", "./", "../"].iter().any(|start| text.starts_with(start));
    let plain = !text.is_empty() && !text.chars().any(char::is_control);
    if plain && (path_like || base.join(text).is_file()) {
        Ok(base.join(text))
    } else {
        Err(Problem::new(
            format!("{key} is no path"),
            "write the path of the file that holds the secret, beginning with / or ./",
        ))
    }
}

pub(super) fn credential_name(text: &str) -> Result<String, Problem> {
    let valid = !text.is_empty()
        && text.len() <= 255
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if valid {
        Ok(text.to_owned())
    } else {
        Err(Problem::new(
            "this is no name of a systemd credential",
            "write the name that stands in the unit's LoadCredential=, without a path",
        ))
    }
}

/// RFC 6749 section 3.3: words of printable ASCII without `"` and `\`.
fn scope(text: &str) -> Result<String, Problem> {
    if text.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
        Ok(text.to_owned())
    } else {
        Err(Problem::new(format!("{} is no scope", quoted(text)), "write words with a space between them"))
    }
}

pub(super) fn named_file(section: &mut Section<'_>, base: &Path) -> Option<NamedFile> {
    let path = section.path("ca-file", base)?;
    Some(NamedFile { place: section.report.place(path.at), path: path.value })
}

/// Looks at the files that `[core]` and `[auth]` name.
pub(super) fn check_files(core: &CoreConfig, auth: &AuthConfig) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = check_certificate(core.ca_file.as_ref()).into_iter().collect();
    if let AuthConfig::ClientCredentials { secret, secret_place, ca_file, .. } = auth {
        found.extend(check_certificate(ca_file.as_deref()));
        if let Err(error) = secret::read(secret) {
            found.push(secret_place.diagnose(error.problem()));
        }
    }
    found
}

/// What is wrong with a file of certificates, if it is named.
pub(super) fn check_certificate(named: Option<&NamedFile>) -> Option<Diagnostic> {
    let NamedFile { path, place } = named?;
    let cure = "name a readable PEM file, or leave ca-file out for the public roots";
    let problem = match document::read(path, cure) {
        Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => return None,
        Ok(_) => format!("{} holds no PEM certificate", path.display()),
        Err(unread) => format!("{} cannot be read: {}", path.display(), unread.what),
    };
    Some(place.diagnose(Problem::new(problem, cure)))
}
