//! The configuration's file: shown without its secrets, checked with the same
//! strictness as at the start, and changed whole or not at all. The previous
//! one is kept beside it as `.bak`, and comes back at a word.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::access::sessions::hex;
use super::acts;
use super::answer::{Body, Refused, done};
use super::server::AfterAnswer;
use super::site::Site;
use crate::appliance::status::CallStatus;
use crate::config::mqtt::Permission;
use crate::config::{BoardLoader, Config, Diagnostic, Hidden, Place};

/// The file, and what of it the panel must leave alone.
pub struct ConfigFile {
    path: PathBuf,
    running: Config,
    /// One change at a time.
    changing: Mutex<()>,
}

#[derive(Serialize)]
struct Shown {
    file: String,
    /// With `"(hidden N)"` in the place of secrets.
    text: String,
    /// To be sent back with a change: nobody's change is lost unseen.
    revision: String,
    /// Whether this page may change it.
    changeable: bool,
    /// Whether there is a previous one to go back to.
    previous: bool,
}

/// The body of a check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    text: String,
}

/// The body of a change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    text: String,
    revision: String,
}

/// The body of a way back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Back {
    revision: String,
}

#[derive(Serialize)]
struct Checked {
    good: bool,
    diagnostics: Vec<Said>,
}

#[derive(Serialize)]
struct Said {
    file: String,
    line: usize,
    column: usize,
    what: String,
    cure: String,
}

impl ConfigFile {
    /// The file that `running` was read from.
    pub fn new(path: PathBuf, running: &Config) -> Self {
        Self { path, running: running.clone(), changing: Mutex::default() }
    }

    fn read(&self) -> Result<String, Refused> {
        read(&self.path)
    }

    /// Where the previous one is kept; the path of the file itself if it cannot be found.
    fn previous(&self) -> PathBuf {
        beside(&fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone()), ".bak")
    }

    /// What is wrong with a text that came from the page, as it would be if it
    /// stood in the file.
    fn examine(&self, text: &str) -> Vec<Diagnostic> {
        let file = self.path.display().to_string();
        match Config::parse(text, &file, &BoardLoader::beside(&self.path)) {
            Ok(next) => self.untouchable(text, &next),
            Err(found) => found,
        }
    }

    /// What a page may not change, whatever it may change otherwise: it would
    /// give itself what `[panel]` did not give it.
    fn untouchable(&self, text: &str, next: &Config) -> Vec<Diagnostic> {
        let place = |header: &str| {
            let line = text.lines().position(|line| line.trim_start().starts_with(header));
            let file = self.path.display().to_string();
            Place { file, line: line.map_or(1, |line| line + 1), column: 1 }
        };
        let say = |header: &str, what: &str, cure: &str| Diagnostic {
            place: place(header),
            what: what.to_owned(),
            cure: cure.to_owned(),
        };
        let mut found = Vec::new();
        if !self.running.panel.same_access(&next.panel) {
            let cure = "leave [panel] as it is; change it in the file itself";
            found.push(say("[panel]", "the panel cannot change its own access", cure));
        }
        if !self.running.panel.allow_door && !same_door(&self.running, next) {
            let cure = "leave [door] as it is, or set allow-door = true in the file itself";
            found.push(say("[door]", "the panel may not change what opens the door", cure));
        }
        found
    }
}

/// Whether the same codes, people, buttons, handset and commands open the door
/// in both, by the same lines. A board's file or a broker opens doors, too.
fn same_door(now: &Config, next: &Config) -> bool {
    // Codes do not print.
    let rules =
        |config: &Config| (format!("{:?}", config.appliance.door), config.appliance.door.codes.clone());
    let buttons = |config: &Config| -> Vec<_> {
        let buttons = config.appliance.buttons.iter().map(|(name, does)| {
            let actions = [&does.press, &does.hold, &does.double_press];
            (name.clone(), actions.map(|action| action.clone().filter(acts::touches_door)))
        });
        buttons.filter(|(_, actions)| actions.iter().any(Option::is_some)).collect()
    };
    let handset = |config: &Config| {
        let hook = &config.appliance.hook;
        [&hook.off, &hook.on].map(|action| action.clone().filter(acts::touches_door))
    };
    let broker = |config: &Config| {
        let opens = config.mqtt.as_ref().filter(|mqtt| mqtt.commands.contains(&Permission::OpenDoor));
        opens.map(|mqtt| (mqtt.broker.clone(), mqtt.topic.clone(), mqtt.name.clone()))
    };
    let wires = |config: &Config| (config.board.clone(), config.backend);
    rules(now) == rules(next)
        && buttons(now) == buttons(next)
        && handset(now) == handset(next)
        && broker(now) == broker(next)
        && wires(now) == wires(next)
}

fn read(path: &Path) -> Result<String, Refused> {
    fs::read_to_string(path)
        .map_err(|error| Refused::new(StatusCode::CONFLICT, format!("{}: {error}", path.display())))
}

fn revision(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())).chars().take(16).collect()
}

fn said(found: Vec<Diagnostic>) -> Vec<Said> {
    let one = |found: Diagnostic| Said {
        file: found.place.file,
        line: found.place.line,
        column: found.place.column,
        what: found.what,
        cure: found.cure,
    };
    found.into_iter().map(one).collect()
}

fn file(site: &Site) -> Result<&ConfigFile, Refused> {
    site.file
        .as_ref()
        .ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, "this box has no configuration file"))
}

fn changeable(site: &Site) -> Result<&ConfigFile, Refused> {
    // Also for a check: its answer may tell what other files hold.
    if !site.permissions.config {
        return Err(Refused::without("allow-config"));
    }
    file(site)
}

/// `GET /api/config`.
pub async fn show(State(site): State<Arc<Site>>) -> Result<Response, Refused> {
    let config = file(&site)?;
    let text = config.read()?;
    let shown = Shown {
        file: config.path.display().to_string(),
        text: Hidden::new(&text).text,
        revision: revision(&text),
        changeable: site.permissions.config,
        previous: config.previous().is_file(),
    };
    Ok(Json(shown).into_response())
}

/// `POST /api/config/check`.
pub async fn check(
    State(site): State<Arc<Site>>,
    Body(Candidate { text }): Body<Candidate>,
) -> Result<Response, Refused> {
    let config = changeable(&site)?;
    let found = config.examine(&Hidden::new(&config.read()?).reveal(&text));
    Ok(Json(Checked { good: found.is_empty(), diagnostics: said(found) }).into_response())
}

/// `PUT /api/config`.
pub async fn change(
    State(site): State<Arc<Site>>,
    Body(Change { text, revision }): Body<Change>,
) -> Result<Response, Refused> {
    put(site, revision, move |_, now| Ok(Hidden::new(now).reveal(&text))).await
}

/// `POST /api/config/previous`: the previous one again. What it replaces becomes
/// the previous one, so the same once more is the way forward.
pub async fn previous(
    State(site): State<Arc<Site>>,
    Body(Back { revision }): Body<Back>,
) -> Result<Response, Refused> {
    put(site, revision, |config, _| {
        let kept = config.previous();
        if kept.is_file() {
            read(&kept)
        } else {
            Err(Refused::new(StatusCode::CONFLICT, "no previous one is kept"))
        }
    })
    .await
}

/// Checks what `text` makes of the file as it is, and replaces it if it is good.
async fn put(
    site: Arc<Site>,
    seen: String,
    text: impl FnOnce(&ConfigFile, &str) -> Result<String, Refused> + Send + 'static,
) -> Result<Response, Refused> {
    changeable(&site)?;
    let work = move || {
        let config = changeable(&site)?;
        let _alone = config.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = config.read()?;
        if revision(&now) != seen {
            let why = "the file has changed since it was shown: load it again";
            return Err(Refused::new(StatusCode::CONFLICT, why));
        }
        let text = text(config, &now)?;
        let found = config.examine(&text);
        let good = found.is_empty();
        if good {
            replace(&config.path, &text).map_err(|error| {
                let why = format!("{} cannot be written: {error}", config.path.display());
                Refused::new(StatusCode::CONFLICT, why)
            })?;
            tracing::info!(file = %config.path.display(), "panel: configuration changed");
        }
        let status = if good { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        Ok((status, Json(Checked { good, diagnostics: said(found) })).into_response())
    };
    let failed = |_| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "the change was given up");
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// `POST /api/restart`.
pub async fn restart(State(site): State<Arc<Site>>) -> Result<Response, Refused> {
    if !site.permissions.config {
        return Err(Refused::without("allow-config"));
    }
    let Some(restart) = &site.restart else {
        let why = "this box cannot restart itself: start it again by hand";
        return Err(Refused::new(StatusCode::CONFLICT, why));
    };
    if site.handle.snapshot().appliance.call != CallStatus::Idle {
        return Err(Refused::new(StatusCode::CONFLICT, "a call is up: a restart would end it"));
    }
    tracing::info!("panel: restart");
    // Whoever asked is answered first.
    let mut answer = done();
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer.extensions_mut().insert(AfterAnswer(Arc::clone(restart)));
    Ok(answer)
}

/// Replaces a file so that at any moment, also of a power cut, the old text or
/// the new one is there, whole; the old one is kept.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays a link.
    let path = fs::canonicalize(path)?;
    let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
    let (fresh, kept) = (beside(&path, ".new"), beside(&path, ".bak"));
    super::file::replace(&kept, &fresh, mode, &fs::read(&path)?)?;
    super::file::replace(&path, &fresh, mode, text.as_bytes())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_the_old_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.toml"), folder.path().join("callbox.toml"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&link).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let kept = beside(&real, ".bak");
        assert_eq!(fs::read_to_string(&kept).unwrap(), "old");
        for file in [&real, &kept] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o640);
        }
        assert!(!beside(&real, ".new").exists());
    }
}
