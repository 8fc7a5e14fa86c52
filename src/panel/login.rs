//! Logging in and out.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::answer::{Body, Refused, done};
use super::guard::Visitor;
use super::server::Source;
use super::site::{Door, Lock, Permissions, Site};

/// What a page needs to know first.
#[derive(Serialize)]
struct Session {
    /// `not-needed`, `needed` or `done`.
    login: &'static str,
    /// For the header X-CSRF-Token; none before the login.
    csrf: Option<String>,
    allow: Permissions,
    /// Whether a button is drawn that begins the process again.
    restart: bool,
    version: &'static str,
}

/// `GET /api/session`.
pub async fn session(State(site): State<Arc<Site>>, visitor: Option<Extension<Visitor>>) -> Response {
    let login = match (&site.door, &visitor) {
        (Door::Open { .. }, _) => "not-needed",
        (Door::Locked(_), Some(_)) => "done",
        (Door::Locked(_), None) => "needed",
    };
    let csrf = visitor.map(|Extension(visitor)| visitor.csrf);
    let (allow, restart) = (site.permissions, site.restart.is_some());
    Json(Session { login, csrf, allow, restart, version: env!("CARGO_PKG_VERSION") }).into_response()
}

/// The body of a login.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    password: String,
}

/// `POST /api/login`.
pub async fn login(
    State(site): State<Arc<Site>>,
    Extension(Source(source)): Extension<Source>,
    Body(Login { password }): Body<Login>,
) -> Result<Response, Refused> {
    let Door::Locked(lock) = &site.door else {
        return Err(Refused::new(StatusCode::CONFLICT, "no password is needed at this address"));
    };
    // One after the other, so that many at once cannot outrun the brake.
    let Ok(_turn) = lock.checking.acquire().await else {
        return Err(Refused::later(StatusCode::SERVICE_UNAVAILABLE, "ending", 1));
    };
    if let Err(wait) = lock.throttle.may_try(source.ip(), Instant::now()) {
        let seconds = wait.as_secs() + 1;
        let why = format!("too many wrong passwords: try again in {seconds} s");
        return Err(Refused::later(StatusCode::TOO_MANY_REQUESTS, why, seconds));
    }
    let hash = lock.password.clone();
    let right = tokio::task::spawn_blocking(move || hash.matches(&password)).await.unwrap_or(false);
    if !right {
        lock.throttle.failed(source.ip(), Instant::now());
        site.observer.metrics.failed_logins.inc();
        tracing::warn!(%source, "panel: wrong password");
        return Err(Refused::new(StatusCode::UNAUTHORIZED, "wrong password"));
    }
    lock.throttle.succeeded(source.ip());
    let (token, _) = lock.sessions.begin(Instant::now());
    tracing::info!(%source, "panel: logged in");
    let mut answer = done();
    set_cookie(&mut answer, lock, &token, 12 * 3600)?;
    Ok(answer)
}

/// `POST /api/logout`.
pub async fn logout(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Refused> {
    let mut answer = done();
    if let (Door::Locked(lock), Some(token)) = (&site.door, visitor.token) {
        lock.sessions.end(&token);
        set_cookie(&mut answer, lock, "", 0)?;
    }
    Ok(answer)
}

fn set_cookie(answer: &mut Response, lock: &Lock, token: &str, seconds: u32) -> Result<(), Refused> {
    let secure = if lock.tls { "; Secure" } else { "" };
    let name = lock.cookie();
    let cookie = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let value = HeaderValue::try_from(cookie)
        .map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    answer.headers_mut().insert(header::SET_COOKIE, value);
    Ok(())
}
