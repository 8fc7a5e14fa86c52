//! Every path of the panel. `openapi.json` describes the same ones.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::answer::Refused;
use super::site::Site;
use super::{acts, assets, calls, configuration, guard, health, log, login, metrics, stream};

/// Bytes of a request's body; a configuration may be larger.
const BODY: usize = 16 * 1024;
const CONFIGURATION: usize = 256 * 1024;

const OPENAPI: &str = include_str!("openapi.json");

/// The whole site.
pub fn routes(site: Arc<Site>) -> Router {
    let configuration = Router::new()
        .route("/api/config", get(configuration::show).put(configuration::change))
        .route("/api/config/check", post(configuration::check))
        .route("/api/config/previous", post(configuration::previous))
        .layer(DefaultBodyLimit::max(CONFIGURATION));
    Router::new()
        .merge(assets::routes())
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(health::healthz))
        .route("/api/openapi.json", get(async || ([(header::CONTENT_TYPE, "application/json")], OPENAPI)))
        .route("/api/session", get(login::session))
        .route("/api/login", post(login::login))
        .route("/api/logout", post(login::logout))
        .route("/api/status", get(status))
        .route("/api/stream", get(stream::stream))
        .route("/api/board", get(board))
        .route("/api/events", get(log::events))
        .route("/api/events.jsonl", get(log::json_lines))
        .route("/api/events.csv", get(log::csv))
        .route("/api/calls", get(calls::calls))
        .route("/api/act", post(acts::act))
        .route("/api/buttons/{button}/press", post(acts::press))
        .route("/api/buttons/{button}/release", post(acts::release))
        .route("/api/restart", post(configuration::restart))
        .layer(DefaultBodyLimit::max(BODY))
        .merge(configuration)
        .fallback(async || Refused::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || {
            Refused::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method: the header Allow names those")
        })
        .layer(from_fn_with_state(Arc::clone(&site), guard::guard))
        .with_state(site)
}

async fn status(State(site): State<Arc<Site>>) -> Response {
    Json(site.handle.snapshot()).into_response()
}

async fn board(State(site): State<Arc<Site>>) -> Response {
    site.front.show().into_response()
}
