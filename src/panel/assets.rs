//! The page's files, part of the program.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, kind, text.
const FILES: [(&str, &str, &str); 13] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/panel.css", CSS, include_str!("page/panel.css")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/panel.js", SCRIPT, include_str!("page/panel.js")),
    ("/api.js", SCRIPT, include_str!("page/api.js")),
    ("/front.js", SCRIPT, include_str!("page/front.js")),
    ("/call.js", SCRIPT, include_str!("page/call.js")),
    ("/meters.js", SCRIPT, include_str!("page/meters.js")),
    ("/health.js", SCRIPT, include_str!("page/health.js")),
    ("/log.js", SCRIPT, include_str!("page/log.js")),
    ("/calls.js", SCRIPT, include_str!("page/calls.js")),
    ("/config.js", SCRIPT, include_str!("page/config.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
];

/// A route for each file.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(async || ([(header::CONTENT_TYPE, *kind)], *text).into_response()))
    })
}
