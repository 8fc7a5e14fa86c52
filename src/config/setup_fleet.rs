//! `fleet` of a set-up: the server that updates come from (hawkBit), and how
//! this box is known there. Written as rauc-hawkbit-updater reads it.

use secrecy::{ExposeSecret, SecretString};

use super::diagnostic::Problem;
use super::section::Section;
use super::server::{self, Shape};
use super::setup::{one_line, required};

/// A hawkBit server and this box's name and key there.
#[derive(Clone, Debug)]
pub struct Fleet {
    host: String,
    tls: bool,
    tenant: String,
    target: String,
    token: Token,
    ca: Option<String>,
}

/// What the box shows the server.
#[derive(Clone, Debug)]
enum Token {
    /// This box's own.
    Target(SecretString),
    /// One that all boxes have.
    Gateway(SecretString),
}

impl Fleet {
    /// The section `[client]` of rauc-hawkbit-updater's file (its documentation, "Configuration
    /// File"); what the machine says of itself follows in `[device]`.
    pub fn client(&self) -> SecretString {
        let (key, token) = match &self.token {
            Token::Target(token) => ("auth_token", token),
            Token::Gateway(token) => ("gateway_token", token),
        };
        SecretString::from(format!(
            "[client]\nhawkbit_server={host}\nssl={tls}\nssl_verify=true\ntenant_id={tenant}\ntarget_name={target}\n{key}={token}\n",
            host = self.host,
            tls = self.tls,
            tenant = self.tenant,
            target = self.target,
            token = token.expose_secret(),
        ))
    }

    /// The certificates that the server's one must lead to, in PEM.
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }
}

/// Reads the table; what is wrong with it is noted there.
pub(super) fn read(section: &mut Section<'_>) -> Option<Fleet> {
    let plain_allowed = section.boolean("allow-plaintext").unwrap_or(false);
    let server =
        required(section, "server", "\"https://updates.example.com\"", |text| server(text, plain_allowed));
    let target = required(section, "target", "\"door-17\"", name);
    let tenant = section.parsed("tenant", name).map_or_else(|| "DEFAULT".to_owned(), |tenant| tenant.value);
    let secret = |key: &'static str| move |text: &str| token(key, text);
    let own = section.parsed("token", secret("token")).map(|token| Token::Target(token.value));
    if own.is_none() && !section.has("token") && !section.has("gateway-token") {
        section.missing("token", "\"the target's security token\"");
    }
    if section.has("token")
        && let Some(at) = section.key_at("gateway-token")
    {
        let problem = Problem::new("there are two tokens", "leave one of token and gateway-token");
        section.note(at, problem);
    }
    let gateway =
        section.parsed("gateway-token", secret("gateway-token")).map(|token| Token::Gateway(token.value));
    let ca = section.parsed("ca", certificates).map(|ca| ca.value);
    let (server, target, token) = (server?, target?, own.or(gateway)?);
    let (tls, host) = server.value;
    if tls && ca.is_none() && !section.has("ca") {
        let problem = Problem::new(
            "nothing tells whom to trust: the image has no list of public authorities",
            "set ca to the certificate, in PEM, that the server's one leads to",
        );
        section.note(server.at, problem);
        return None;
    }
    Some(Fleet { host, tls, tenant, target: target.value, token, ca })
}

/// Whether TLS is spoken with a server, and its place; hawkBit's paths follow by themselves.
fn server(text: &str, plain_allowed: bool) -> Result<(bool, String), Problem> {
    let address = server::check(text, Shape::Server, plain_allowed)?;
    let (tls, host) = match address.strip_prefix("https://") {
        Some(host) => (true, host),
        None => (false, address.trim_start_matches("http://")),
    };
    Ok((tls, host.trim_end_matches('/').to_owned()))
}

/// A name that may stand in a path as it is.
fn name(text: &str) -> Result<String, Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=256).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(Problem::new("this is no name", "use 1 to 256 letters, digits, -, _ and ."))
    }
}

/// hawkBit's are hexadecimal or base64; the file that it goes into knows `\` and `;`.
fn token(key: &str, text: &str) -> Result<SecretString, Problem> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\;\"'".contains(&byte)) {
        one_line(key, text, 1..=512)
    } else {
        Err(Problem::new(
            format!("{key} has a character that no token has"),
            "copy it from the server once more",
        ))
    }
}

fn certificates(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let whole =
        text.starts_with("-----BEGIN CERTIFICATE-----") && text.ends_with("-----END CERTIFICATE-----");
    if whole && !text.contains("PRIVATE KEY") {
        Ok(text.to_owned())
    } else {
        Err(Problem::new(
            "this is no certificate in PEM",
            "copy it from -----BEGIN CERTIFICATE----- to its end",
        ))
    }
}
