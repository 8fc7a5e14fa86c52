//! The access token: fetched by OAuth 2.0 client credentials (RFC 6749 section
//! 4.4), kept in memory only, renewed ahead of its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use oauth2::basic::{BasicClient, BasicErrorResponse, BasicErrorResponseType};
use oauth2::http::header::AUTHORIZATION;
use oauth2::{
    AuthType, ClientId, ClientSecret, HttpClientError, HttpRequest, HttpResponse, RequestTokenError, Scope,
    TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::error::{chain_text, closed, find, tls_text};
use super::{AuthSettings, tls};
use crate::appliance::event::{CloseReason, Closed};

/// A token request may take this long in all.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// An answer is a few hundred bytes; nobody may fill the memory with more.
const ANSWER_LIMIT: usize = 64 * 1024;
/// What a token's life is taken for when `expires_in` is absent, which RFC
/// 6749 section 5.1 allows.
const ASSUMED_LIFE: Duration = Duration::from_secs(300);
/// Longer lives are taken for this one.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Tokens that live less are not renewed ahead: that would be a busy loop.
const SHORTEST_RENEWED: Duration = Duration::from_secs(2);
/// After a renewal that was refused nobody asks for this long.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// A renewal ahead of time that failed is tried again after this.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// The token endpoint refuses the client, its secret or its scope.
    #[error("the token endpoint refuses: {0}")]
    Refused(String),
    /// It cannot be reached, or its answer is nonsense.
    #[error("no token: {0}")]
    Unavailable(String),
    /// The client secret cannot be read.
    #[error("the client secret cannot be read: {0}")]
    Secret(String),
}

impl TokenError {
    pub(super) fn to_closed(&self) -> Closed {
        let reason = match self {
            Self::Refused(_) => CloseReason::TokenRefused,
            Self::Unavailable(_) => CloseReason::TokenUnavailable,
            Self::Secret(_) => CloseReason::SecretUnreadable,
        };
        closed(reason, self.to_string())
    }
}

/// Gives tokens, from memory where it can.
pub(super) struct TokenSource {
    auth: AuthSettings,
    cached: watch::Sender<Option<Cached>>,
    /// Held while asking; when a renewal was last refused, and with what words.
    fetching: Mutex<Option<(Instant, String)>>,
}

#[derive(Clone)]
struct Cached {
    token: SecretString,
    good_until: Instant,
    renew_at: Option<Instant>,
    /// The core has seen it, and so may have refused it.
    shown: bool,
}

impl Cached {
    fn new(token: SecretString, life: Option<Duration>, now: Instant) -> Self {
        let life = life.unwrap_or(ASSUMED_LIFE).min(LONGEST_LIFE);
        // A token that ends on its way to the core would be refused there.
        let margin = Duration::from_secs(5).min(life / 10);
        let renew_at = (life >= SHORTEST_RENEWED).then(|| now + renewal(life));
        Self { token, good_until: now + (life - margin), renew_at, shown: false }
    }

    fn is_good(&self, now: Instant) -> bool {
        now < self.good_until
    }
}

/// When in its life a token is renewed: a minute before its end, but never before four fifths of it.
fn renewal(life: Duration) -> Duration {
    (life * 4 / 5).max(life.saturating_sub(Duration::from_secs(60)))
}

impl TokenSource {
    pub(super) fn new(auth: AuthSettings) -> Self {
        Self { auth, cached: watch::Sender::new(None), fetching: Mutex::new(None) }
    }

    /// The token to show, if one is needed. A good one from memory is taken
    /// without asking anybody; with `renew` only if the core has not seen it yet.
    pub(super) async fn token(&self, renew: bool) -> Result<Option<SecretString>, TokenError> {
        if matches!(self.auth, AuthSettings::None) {
            return Ok(None);
        }
        if let Some(token) = self.good(renew) {
            return Ok(Some(token));
        }
        let renewal_refused = self.fetching.lock().await;
        if let Some(token) = self.good(renew) {
            return Ok(Some(token));
        }
        // The appliance waits for a minute when it hears of a refusal, but it did not hear of that one.
        if let Some((at, detail)) = &*renewal_refused
            && at.elapsed() < REFUSED_PAUSE
        {
            return Err(TokenError::Refused(detail.clone()));
        }
        self.fetch().await?;
        // Without this check a token that is born dead would open a stream without any.
        let no_life = || TokenError::Unavailable("the token that came has no life left".to_owned());
        self.good(renew).map(Some).ok_or_else(no_life)
    }

    /// Renews each token ahead of its end, for as long as this is polled. A
    /// failure changes nothing: the old token serves until its end.
    pub(super) async fn keep_fresh(&self) {
        let mut changes = self.cached.subscribe();
        let mut next: Option<Instant> = None;
        loop {
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = changes.changed() => match changed {
                    Ok(()) => next = changes.borrow_and_update().as_ref().and_then(|cached| cached.renew_at),
                    Err(_) => return,
                },
                () = due => next = self.renew_ahead().await,
            }
        }
    }

    /// Answers when to try again, if at all: a success speaks for itself.
    async fn renew_ahead(&self) -> Option<Instant> {
        let mut refused = self.fetching.lock().await;
        let error = self.fetch().await.err()?;
        tracing::warn!(%error, "the access token was not renewed ahead of its end");
        match error {
            TokenError::Unavailable(_) => Some(Instant::now() + RETRY_AFTER),
            // Asking again with the same secret could lock the client out.
            TokenError::Refused(detail) => {
                *refused = Some((Instant::now(), detail));
                None
            }
            TokenError::Secret(_) => None,
        }
    }

    /// The token from memory if it is good.
    fn good(&self, unseen: bool) -> Option<SecretString> {
        let cached = self.cached.borrow();
        let good =
            cached.as_ref().filter(|cached| cached.is_good(Instant::now()) && !(unseen && cached.shown));
        good.map(|cached| cached.token.clone())
    }

    /// The core gets to see this token. One that was had for a connection
    /// that did not come about is as good as new.
    pub(super) fn note_shown(&self, token: &SecretString) {
        self.cached.send_if_modified(|cached| {
            if let Some(cached) = cached
                && cached.token.expose_secret() == token.expose_secret()
            {
                cached.shown = true;
            }
            // Nobody waits for the mark.
            false
        });
    }

    async fn fetch(&self) -> Result<(), TokenError> {
        let (token, life) = request(&self.auth).await?;
        self.cached.send_replace(Some(Cached::new(token, life, Instant::now())));
        Ok(())
    }
}

async fn request(auth: &AuthSettings) -> Result<(SecretString, Option<Duration>), TokenError> {
    let AuthSettings::ClientCredentials { token_url, client_id, secret, scope, ca_file } = auth else {
        return Err(TokenError::Unavailable("no token endpoint is configured".to_owned()));
    };
    let (source, roots_path) = (secret.clone(), ca_file.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let secret = source.read().map_err(TokenError::Secret)?;
        let roots = roots_path.map(|path| tls::read_roots(&path)).transpose();
        let roots = roots.map_err(|error| TokenError::Unavailable(error.to_string()))?;
        Ok::<_, TokenError>((secret, roots))
    });
    let (secret, roots) =
        reading.await.map_err(|_| TokenError::Secret("reading it panicked".to_owned()))??;

    let url = TokenUrl::new(token_url.clone())
        .map_err(|error| TokenError::Unavailable(format!("{token_url:?} is no address: {error}")))?;
    let http = http_client(roots.as_deref()).map_err(|error| TokenError::Unavailable(chain_text(&error)))?;
    let client = BasicClient::new(ClientId::new(client_id.clone()))
        .set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
        .set_auth_type(AuthType::BasicAuth)
        .set_token_uri(url);
    let mut exchange = client.exchange_client_credentials();
    if !scope.is_empty() {
        exchange = exchange.add_scope(Scope::new(scope.clone()));
    }
    // The library does not hand on the status of an answer that is no JSON.
    let status = Arc::new(AtomicU16::new(0));
    let send = |request| execute(http.clone(), request, status.clone());
    match exchange.request_async(&send).await {
        Ok(answer) => {
            let token = SecretString::from(answer.access_token().secret().as_str());
            Ok((token, answer.expires_in()))
        }
        Err(error) => Err(judge(error, status.load(Ordering::Relaxed), token_url)),
    }
}

fn http_client(roots: Option<&[u8]>) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .use_rustls_tls()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(REQUEST_TIMEOUT)
        .no_proxy();
    if let Some(pem) = roots {
        builder = builder.tls_built_in_root_certs(false);
        for root in reqwest::Certificate::from_pem_bundle(pem)? {
            builder = builder.add_root_certificate(root);
        }
    }
    builder.build()
}

async fn execute(
    http: reqwest::Client,
    mut request: HttpRequest,
    status: Arc<AtomicU16>,
) -> Result<HttpResponse, HttpClientError<reqwest::Error>> {
    if let Some(secret) = request.headers_mut().get_mut(AUTHORIZATION) {
        // Keeps it out of the logs of the libraries below.
        secret.set_sensitive(true);
    }
    let mut response = http.execute(request.try_into().map_err(Box::new)?).await.map_err(Box::new)?;
    status.store(response.status().as_u16(), Ordering::Relaxed);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Box::new)? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(HttpClientError::Other(format!("the answer is longer than {ANSWER_LIMIT} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = oauth2::http::Response::builder().status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    answer.body(body).map_err(HttpClientError::Http)
}

type RequestError = RequestTokenError<HttpClientError<reqwest::Error>, BasicErrorResponse>;

fn judge(error: RequestError, status: u16, url: &str) -> TokenError {
    let by_status = |detail: String| match status {
        400 | 401 | 403 => TokenError::Refused(detail),
        _ => TokenError::Unavailable(detail),
    };
    match error {
        RequestTokenError::Request(error) => {
            let detail = match find::<rustls::Error>(&error) {
                Some(tls) => format!("TLS failed: {}", tls_text(tls)),
                None => chain_text(&error),
            };
            TokenError::Unavailable(format!("{url}: {detail}"))
        }
        RequestTokenError::ServerResponse(answer) => {
            let detail = format!("{url}: {answer} (HTTP {status})");
            match answer.error() {
                BasicErrorResponseType::InvalidClient
                | BasicErrorResponseType::InvalidGrant
                | BasicErrorResponseType::InvalidRequest
                | BasicErrorResponseType::InvalidScope
                | BasicErrorResponseType::UnauthorizedClient
                | BasicErrorResponseType::UnsupportedGrantType => TokenError::Refused(detail),
                BasicErrorResponseType::Extension(_) => by_status(detail),
            }
        }
        // Only the place is told: the text could quote a token.
        RequestTokenError::Parse(error, _) => {
            let place = error.path();
            by_status(format!("{url}: HTTP {status}, and the answer is no token answer (at {place})"))
        }
        RequestTokenError::Other(text) => by_status(format!("{url}: HTTP {status}: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_late_in_its_life_but_before_its_end() {
        let seconds = Duration::from_secs;
        assert_eq!(renewal(seconds(3599)), seconds(3539));
        assert_eq!(renewal(seconds(300)), seconds(240));
        assert_eq!(renewal(seconds(100)), seconds(80));
        assert_eq!(renewal(seconds(5)), seconds(4));
    }

    #[test]
    fn lives_of_any_length_are_taken() {
        let now = Instant::now();
        let cached = |life| Cached::new(SecretString::from("t"), life, now);
        assert!(!cached(Some(Duration::ZERO)).is_good(now));
        assert_eq!(cached(Some(Duration::from_secs(1))).renew_at, None);
        assert!(cached(Some(Duration::MAX)).is_good(now + Duration::from_secs(3600)));
        let assumed = cached(None);
        assert!(assumed.is_good(now + Duration::from_secs(294)));
        assert!(!assumed.is_good(now + Duration::from_secs(296)));
    }
}
