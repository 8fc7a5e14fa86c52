//! What every request passes first: where it says it comes from, whether it
//! may, how long it takes; and the headers of every answer.
//!
//! On a loopback address the danger is a page of somebody else in the same
//! browser: its name may resolve to 127.0.0.1 (DNS rebinding), or it may send
//! forms here (CSRF). So the `Host` must be this machine, the `Origin`, if
//! there is one, must be this site, and whatever changes something carries a
//! token that only this site's own page can read.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::Refused;
use super::site::{Door, Lock, Site};

/// No answer may take longer to begin.
const LONGEST: Duration = Duration::from_secs(10);

/// Where the token that proves the own page is sent.
const CSRF: &str = "x-csrf-token";

/// Everything from here, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The session of a request that was let in.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// What state changes must carry.
    pub csrf: String,
    /// The session's token; none where no password is asked for.
    pub token: Option<String>,
}

/// Lets a request in, or not, and dresses its answer.
pub async fn guard(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let answer = match admit(&site, &mut request) {
        Ok(()) => tokio::time::timeout(LONGEST, next.run(request)).await.unwrap_or_else(|_| {
            Refused::new(StatusCode::REQUEST_TIMEOUT, "this took too long").into_response()
        }),
        Err(refused) => refused.into_response(),
    };
    dressed(answer)
}

fn dressed(mut answer: Response) -> Response {
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn admit(site: &Site, request: &mut Request) -> Result<(), Refused> {
    let host = authority(request.headers(), request.uri())?;
    same_site(request.headers(), &host)?;
    let visitor = match &site.door {
        Door::Open { csrf } => {
            if !is_this_machine(&host) {
                let why = "this panel answers only to localhost, 127.0.0.1 and [::1]";
                return Err(Refused::new(StatusCode::MISDIRECTED_REQUEST, why));
            }
            Some(Visitor { csrf: csrf.clone(), token: None })
        }
        Door::Locked(lock) => visitor(lock, request.headers()),
    };
    let needs = needs(request.method(), request.uri().path());
    match (needs, visitor) {
        (Needs::Nothing, visitor) => {
            if let Some(visitor) = visitor {
                request.extensions_mut().insert(visitor);
            }
            Ok(())
        }
        (Needs::Metrics, None) if site.permissions.metrics => Ok(()),
        (Needs::Metrics | Needs::Session | Needs::SessionAndToken, None) => {
            Err(Refused::new(StatusCode::UNAUTHORIZED, "log in first"))
        }
        (Needs::SessionAndToken, Some(visitor)) => {
            let sent = request.headers().get(CSRF).and_then(|token| token.to_str().ok());
            if sent != Some(visitor.csrf.as_str()) {
                let why = "the header X-CSRF-Token is missing or wrong: GET /api/session tells it";
                return Err(Refused::new(StatusCode::FORBIDDEN, why));
            }
            request.extensions_mut().insert(visitor);
            Ok(())
        }
        (Needs::Metrics | Needs::Session, Some(visitor)) => {
            request.extensions_mut().insert(visitor);
            Ok(())
        }
    }
}

enum Needs {
    Nothing,
    Metrics,
    Session,
    SessionAndToken,
}

fn needs(method: &Method, path: &str) -> Needs {
    match path {
        // Nothing in these is of this box, and a person must be able to log in.
        "/api/session" | "/api/login" | "/api/openapi.json" | "/healthz" => Needs::Nothing,
        "/metrics" => Needs::Metrics,
        _ if !path.starts_with("/api/") => Needs::Nothing,
        _ if method.is_safe() => Needs::Session,
        _ => Needs::SessionAndToken,
    }
}

fn authority(headers: &HeaderMap, uri: &Uri) -> Result<String, Refused> {
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = named.or(uri.authority().map(|authority| authority.as_str()));
    host.map(str::to_ascii_lowercase)
        .ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "the request names no host"))
}

/// Browsers say where a request began; other programs say nothing.
fn same_site(headers: &HeaderMap, host: &str) -> Result<(), Refused> {
    let refused = || Refused::new(StatusCode::FORBIDDEN, "the request comes from another site");
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase());
    if let Some(origin) = text("origin") {
        let from = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if from != Some(host) {
            return Err(refused());
        }
    }
    match text("sec-fetch-site").as_deref() {
        // A link from elsewhere may lead to the page itself, but nothing more.
        Some("cross-site" | "same-site") if text("sec-fetch-mode").as_deref() != Some("navigate") => {
            Err(refused())
        }
        Some(_) | None => Ok(()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn visitor(lock: &Lock, headers: &HeaderMap) -> Option<Visitor> {
    let token = cookie(headers, lock.cookie())?;
    let csrf = lock.sessions.find(&token, Instant::now())?;
    Some(Visitor { csrf, token: Some(token) })
}

/// The value of a cookie (RFC 6265 section 4.2).
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

impl Lock {
    /// The session cookie's name. The prefix makes browsers insist on TLS and
    /// on this very host (RFC 6265bis section 4.1.3.2).
    pub fn cookie(&self) -> &'static str {
        if self.tls { "__Host-callbox" } else { "callbox" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_this_machine() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:1", "127.8.9.1", "[::1]", "[::1]:8080"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "[::2]:1", "::"]
        {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn a_request_from_another_site_is_found_by_what_browsers_say() {
        let says = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            same_site(&headers.collect(), "localhost:8080").is_ok()
        };
        assert!(says(&[]));
        assert!(says(&[("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")]));
        assert!(says(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]));
        assert!(!says(&[("origin", "http://localhost:9090")]));
        assert!(!says(&[("origin", "http://evil.example")]));
        assert!(!says(&[("origin", "null")]));
        assert!(!says(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]));
    }
}
