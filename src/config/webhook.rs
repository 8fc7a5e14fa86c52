//! `[[webhook]]`: servers that are told what happens, over HTTPS.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use crate::appliance::log::Kind;

use super::core::{NamedFile, credential_name, named_file, secret_path};
use super::diagnostic::{Diagnostic, Place, Problem};
use super::secret::{self, SecretSource};
use super::section::{Section, choose};
use super::server::{self, Shape};

/// More hooks than anybody needs; each is a task of its own.
const MOST: usize = 16;

const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
const GIVE_UP_AFTER: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(86_400);

/// One `[[webhook]]`.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Where to. Paths and queries of such addresses often are a password, so it does not print.
    pub url: SecretString,
    /// Its scheme, host and port, which may be shown.
    pub server: String,
    /// What to tell; empty for everything.
    pub events: Vec<HookEvent>,
    /// What signs; `None` for no signature.
    pub secret: Option<(SecretSource, Place)>,
    /// A private authority for the server's certificate; none for the public roots.
    pub ca_file: Option<NamedFile>,
    /// For one attempt as a whole, 1 s to 1 min. Default 10 s.
    pub timeout: Duration,
    /// An event that is not taken within this time is dropped, 10 s to 24 h. Default 10 min.
    pub give_up_after: Duration,
}

/// A kind of entry of the event log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookEvent {
    /// A button was pressed and accepted.
    Button,
    /// The session's state changed.
    Session,
    /// A call's state changed.
    Call,
    /// A step inside a call.
    Step,
    /// A fault began or ended.
    Fault,
    /// A message of the core was ignored.
    Ignored,
    /// A request was refused.
    Refused,
    /// What became of a call's sound.
    Statistics,
    /// Something happened at the door.
    Door,
    /// Do-not-disturb began or ended.
    DoNotDisturb,
    /// A self-test is over.
    SelfTest,
}

impl HookEvent {
    /// All of them, by their words.
    pub const WORDS: [(&str, HookEvent); 11] = [
        ("button", HookEvent::Button),
        ("session", HookEvent::Session),
        ("call", HookEvent::Call),
        ("step", HookEvent::Step),
        ("fault", HookEvent::Fault),
        ("ignored", HookEvent::Ignored),
        ("refused", HookEvent::Refused),
        ("statistics", HookEvent::Statistics),
        ("door", HookEvent::Door),
        ("do-not-disturb", HookEvent::DoNotDisturb),
        ("self-test", HookEvent::SelfTest),
    ];

    /// What an entry of the event log counts as.
    pub fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Button { .. } => HookEvent::Button,
            Kind::Session { .. } => HookEvent::Session,
            Kind::Call { .. } => HookEvent::Call,
            Kind::Step { .. } => HookEvent::Step,
            Kind::FaultRaised { .. } | Kind::FaultCleared { .. } => HookEvent::Fault,
            Kind::Ignored { .. } => HookEvent::Ignored,
            Kind::Refused => HookEvent::Refused,
            Kind::Statistics { .. } => HookEvent::Statistics,
            Kind::Door { .. } => HookEvent::Door,
            Kind::DoNotDisturb { .. } => HookEvent::DoNotDisturb,
            Kind::SelfTest { .. } => HookEvent::SelfTest,
        }
    }
}

pub(super) fn read(sections: Vec<Section<'_>>, base: &Path) -> Vec<WebhookConfig> {
    if let Some(extra) = sections.get(MOST) {
        let what = format!("{} webhooks are too many", sections.len());
        extra.note(extra.at, Problem::new(what, format!("keep at most {MOST}")));
    }
    sections.into_iter().filter_map(|section| read_one(section, base)).collect()
}

fn read_one(mut section: Section<'_>, base: &Path) -> Option<WebhookConfig> {
    let plaintext = section.boolean("allow-plaintext").unwrap_or(false);
    if !section.has("url") {
        section.missing("url", "\"https://HOST/PATH\"");
    }
    let url = section.parsed("url", |text| server::check(text, Shape::Hook, plaintext));
    let events = read_events(&mut section);
    let secret = read_secret(&mut section, base);
    let ca_file = named_file(&mut section, base);
    let timeout = section.duration("timeout", TIMEOUT).unwrap_or(Duration::from_secs(10));
    let give_up_after = section.duration("give-up-after", GIVE_UP_AFTER).unwrap_or(Duration::from_secs(600));
    section.finish();
    let url = url?.value;
    let server = server::without_path(&url).to_owned();
    Some(WebhookConfig { url: url.into(), server, events, secret, ca_file, timeout, give_up_after })
}

fn read_events(section: &mut Section<'_>) -> Vec<HookEvent> {
    let mut events = Vec::new();
    let Some(words) = section.texts("events") else { return events };
    if words.is_empty() {
        let at = section.key_at("events").unwrap_or(section.at);
        let cure = "name some such as \"call\" and \"door\", or leave events out for all";
        section.note(at, Problem::new("events names none", cure));
    }
    for word in words {
        match choose("events", word.value, &HookEvent::WORDS) {
            Ok(event) => events.push(event),
            Err(problem) => section.note(word.at, problem),
        }
    }
    events
}

fn read_secret(section: &mut Section<'_>, base: &Path) -> Option<(SecretSource, Place)> {
    let file = section.parsed("secret-file", |text| secret_path("secret-file", text, base));
    let credential = section.parsed("secret-credential", credential_name);
    if let (Some(_), Some(second)) = (&file, &credential) {
        let what = "there are two sources of the secret";
        section.note(second.at, Problem::new(what, "keep secret-file or secret-credential"));
    }
    let file = file.map(|file| (SecretSource::File(file.value), file.at));
    let named = file.or(credential.map(|name| (SecretSource::Credential(name.value), name.at)));
    named.map(|(source, at)| (source, section.report.place(at)))
}

/// Looks at the files that a `[[webhook]]` names.
pub(super) fn check_files(hook: &WebhookConfig) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> =
        super::core::check_certificate(hook.ca_file.as_ref()).into_iter().collect();
    if let Some((secret, place)) = &hook.secret
        && let Err(error) = secret::read(secret)
    {
        found.push(place.diagnose(error.problem()));
    }
    found
}
