//! The simulated token endpoint: OAuth 2.0 client credentials (RFC 6749
//! section 4.4) with HTTP Basic only, opaque tokens, and ways to misbehave.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::post};
use base64::Engine;
use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Whom the token endpoint serves, and how its tokens live.
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// Whether a stream needs a token. A token that is sent must be valid in any case.
    pub required: bool,
    /// The client id that is known.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The only scope that is granted.
    pub scope: String,
    /// How long a token is good. Default 3599 s.
    pub life: Duration,
    /// Whether answers carry `expires_in`.
    pub announce_life: bool,
    /// Whether a stream ends with UNAUTHENTICATED when its token's life is over.
    pub close_expired: bool,
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self {
            required: true,
            client_id: "callbox".to_owned(),
            client_secret: "not a secret: simulated".to_owned(),
            scope: "call.control.answer_and_initiate".to_owned(),
            life: Duration::from_secs(3599),
            announce_life: true,
            close_expired: false,
        }
    }
}

/// How the endpoint answers from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenAnswer {
    /// As it should.
    #[default]
    Normal,
    /// 401 `invalid_client`, whatever the secret.
    Refused,
    /// 500 with a page of HTML.
    Broken,
    /// 200 with something that is no token.
    Garbage,
    /// As it should, but this late.
    Late(Duration),
    /// 302 to another address.
    Redirect,
}

/// The tokens that were given out.
pub struct Tokens {
    policy: TokenPolicy,
    valid_until: Mutex<HashMap<String, Instant>>,
    answer: Mutex<TokenAnswer>,
    requests: AtomicU64,
}

impl Tokens {
    /// No token yet.
    pub fn new(policy: TokenPolicy) -> Self {
        Self { policy, valid_until: Mutex::default(), answer: Mutex::default(), requests: AtomicU64::new(0) }
    }

    /// What was told at the start.
    pub fn policy(&self) -> &TokenPolicy {
        &self.policy
    }

    /// Until when a token is good; `None` if it is unknown or its time is over.
    pub fn valid_until(&self, token: &str) -> Option<Instant> {
        let tokens = self.valid_until.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(token).copied().filter(|end| *end > Instant::now())
    }

    /// Adds a token of another issuer.
    pub fn learn(&self, token: String, end: Instant) {
        self.valid_until.lock().unwrap_or_else(PoisonError::into_inner).insert(token, end);
    }

    /// Forgets every token: whoever still has one is refused.
    pub fn revoke_all(&self) {
        self.valid_until.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How the endpoint answers from now on.
    pub fn set_answer(&self, answer: TokenAnswer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// Requests since the start, also refused ones.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn issue(&self) -> String {
        let token = format!("{:032x}", rand::random::<u128>());
        self.learn(token.clone(), Instant::now() + self.policy.life);
        token
    }
}

/// A running token endpoint.
pub struct TokenServer {
    address: SocketAddr,
    tls: bool,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl TokenServer {
    /// Starts the endpoint; over TLS if there is a configuration for it.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn start(
        listen: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        tokens: Arc<Tokens>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/oauth2/token", post(answer)).with_state(tokens);
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move { stopped.await.unwrap_or(()) };
        let has_tls = tls.is_some();
        let task = tokio::spawn(async move {
            let ended = match tls {
                Some(config) => {
                    let listener = TlsListener::new(listener, address, config);
                    axum::serve(listener, router).with_graceful_shutdown(stopped).await
                }
                None => axum::serve(listener, router).with_graceful_shutdown(stopped).await,
            };
            if let Err(error) = ended {
                tracing::warn!(%error, "simulated token endpoint ended");
            }
        });
        Ok(Self { address, tls: has_tls, stop, task })
    }

    /// Where to ask for a token.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}/oauth2/token", self.address.port())
    }

    /// Stops; later connections are refused.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let mut task = self.task;
        if tokio::time::timeout(Duration::from_secs(2), &mut task).await.is_err() {
            task.abort();
        }
    }
}

#[derive(Deserialize)]
struct Request {
    grant_type: Option<String>,
    scope: Option<String>,
}

async fn answer(
    State(tokens): State<Arc<Tokens>>,
    headers: HeaderMap,
    Form(request): Form<Request>,
) -> Response {
    tokens.requests.fetch_add(1, Ordering::Relaxed);
    let answer = *tokens.answer.lock().unwrap_or_else(PoisonError::into_inner);
    match answer {
        TokenAnswer::Normal => {}
        TokenAnswer::Refused => return refusal(StatusCode::UNAUTHORIZED, "invalid_client"),
        TokenAnswer::Broken => {
            return (StatusCode::INTERNAL_SERVER_ERROR, "<html>out of order</html>").into_response();
        }
        TokenAnswer::Garbage => return Json(json!({ "token": 7 })).into_response(),
        TokenAnswer::Late(delay) => tokio::time::sleep(delay).await,
        TokenAnswer::Redirect => {
            let elsewhere = [(header::LOCATION, "/elsewhere")];
            return (StatusCode::FOUND, elsewhere).into_response();
        }
    }
    let policy = &tokens.policy;
    if !is_basic(&headers, &policy.client_id, &policy.client_secret) {
        return refusal(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    if request.grant_type.as_deref() != Some("client_credentials") {
        return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    if request.scope.as_deref().unwrap_or_default() != policy.scope {
        return refusal(StatusCode::BAD_REQUEST, "invalid_scope");
    }
    let mut body = json!({
        "access_token": tokens.issue(),
        "scope": policy.scope,
        "token_type": "bearer",
    });
    if policy.announce_life {
        body["expires_in"] = json!(policy.life.as_secs());
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

/// HTTP Basic with both parts form-encoded first (RFC 6749 section 2.3.1).
fn is_basic(headers: &HeaderMap, id: &str, secret: &str) -> bool {
    let sent = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|value| base64::engine::general_purpose::STANDARD.decode(value).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(sent) = sent else { return false };
    let Some((sent_id, sent_secret)) = sent.split_once(':') else { return false };
    form_decoded(sent_id).as_deref() == Some(id) && form_decoded(sent_secret).as_deref() == Some(secret)
}

fn form_decoded(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Field {
        v: String,
    }
    let uri = axum::http::Uri::try_from(format!("/?v={text}")).ok()?;
    axum::extract::Query::<Field>::try_from_uri(&uri).ok().map(|field| field.0.v)
}

/// Hands over connections whose TLS handshake is done. Handshakes run side by
/// side, so that a client that hangs holds up nobody else.
struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    fn new(listener: TcpListener, address: SocketAddr, config: Arc<rustls::ServerConfig>) -> Self {
        let (sender, ready) = mpsc::channel(16);
        let acceptor = TlsAcceptor::from(config);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = sender.closed() => return,
                };
                let Ok((stream, peer)) = accepted else { continue };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    match acceptor.accept(stream).await {
                        Ok(stream) => sender.send((stream, peer)).await.unwrap_or(()),
                        Err(error) => tracing::debug!(%error, "handshake at the token endpoint failed"),
                    }
                });
            }
        });
        Self { address, ready }
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
