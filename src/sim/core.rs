//! The simulated voice core as a whole: start, look, act, stop.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use tonic::Status;

use super::browser::Browser;
use super::event::{Seen, SimEvent};
use super::far_end::{self, FarEnd, FarReports};
use super::handle::{Order, SimHandle};
use super::kept::Kept;
use super::script::{Phone, Script, Sound};
use super::server::{Server, ServerSettings};
use super::session;
use super::token::Tokens;
use crate::media::{Codec, FrameLength, MediaSettings};

/// Events that a slow observer may be behind.
const SEEN: usize = 1024;

/// How to start a simulated core.
#[derive(Clone, Debug)]
pub struct SimSettings {
    /// Where it listens, TLS, tokens. The default asks for a token over TLS.
    pub server: ServerSettings,
    /// What the far end does.
    pub script: Script,
    /// The far end's media; each phone's own `codecs` take the place of these.
    pub media: MediaSettings,
    /// Where the browser page is served, if it is; port 0 takes a free one.
    pub browser: Option<SocketAddr>,
    /// A line for whoever sits at that page; empty for none.
    pub browser_note: String,
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            server: ServerSettings::default(),
            script: Script::default(),
            media: MediaSettings {
                codecs: vec![Codec::Opus, Codec::Pcmu, Codec::Pcma],
                addresses: Vec::new(),
                loopback: true,
                opus_bitrate: 32_000,
                frame: FrameLength::Auto,
                ice_check_interval: Duration::from_millis(5),
            },
            browser: None,
            browser_note: String::new(),
        }
    }
}

impl SimSettings {
    /// Plaintext and no token: the least that a box can register with.
    pub fn plain(script: Script) -> Self {
        let mut settings = Self { script, ..Self::default() };
        settings.server.tls = false;
        settings.server.token.required = false;
        settings
    }
}

/// Why a simulated core did not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// An address cannot be listened on, or no certificate could be made.
    #[error("the simulated core cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A phone is a browser page, and none is served.
    #[error("a phone of the script is a browser page: give the page an address (--browser 127.0.0.1:8090)")]
    NoBrowser,
}

/// A running simulated core. It ends when it is dropped.
pub struct SimCore {
    shared: Arc<Shared>,
    endpoint: String,
    address: SocketAddr,
    token_url: String,
    ca_pem: String,
    tokens: Arc<Tokens>,
    browser_url: Option<String>,
    server_orders: mpsc::Sender<ServerOrder>,
    serving: JoinHandle<()>,
}

/// What the task that owns the server is asked for.
enum ServerOrder {
    Refuse(Option<Status>),
    StopTokens(oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

impl SimCore {
    /// Listens, and serves every box that opens a stream.
    ///
    /// # Errors
    /// [`SimError`].
    pub async fn start(settings: SimSettings) -> Result<Self, SimError> {
        if settings.browser.is_none() && settings.script.wants_browser() {
            return Err(SimError::NoBrowser);
        }
        let listen = settings.server.listen;
        let server = Server::start(settings.server)
            .await
            .map_err(|source| SimError::Listen { address: listen, source })?;
        let (seen, _) = broadcast::channel(SEEN);
        let browser = match settings.browser {
            Some(address) => Some(
                Browser::start(address, settings.browser_note, seen.clone())
                    .await
                    .map_err(|source| SimError::Listen { address, source })?,
            ),
            None => None,
        };
        let browser_url = browser.as_ref().map(Browser::url);
        let shared = Arc::new(Shared {
            script: settings.script,
            media: settings.media,
            browser,
            seen,
            kept: Kept::default(),
            terminals: Mutex::default(),
            last_serial: AtomicU64::new(0),
        });
        if let Some(browser) = &shared.browser {
            // Weak, so that the page's server does not keep the core alive.
            browser.calls_with(Arc::downgrade(&shared));
        }
        let (endpoint, address) = (server.endpoint(), server.address());
        let (token_url, ca_pem, tokens) =
            (server.token_url(), server.ca_pem().to_owned(), server.tokens().clone());
        let (server_orders, ordered) = mpsc::channel(4);
        let serving = tokio::spawn(serve(server, ordered, shared.clone()));
        Ok(Self { shared, endpoint, address, token_url, ca_pem, tokens, browser_url, server_orders, serving })
    }

    /// `https://localhost:PORT`, or `http` without TLS.
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where to ask for a token.
    pub fn token_url(&self) -> String {
        self.token_url.clone()
    }

    /// The authority behind its certificates, PEM, for `ca-file`.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The tokens, and how the token endpoint answers.
    pub fn tokens(&self) -> &Arc<Tokens> {
        &self.tokens
    }

    /// The browser page's address, if it is served.
    pub fn browser_url(&self) -> Option<String> {
        self.browser_url.clone()
    }

    /// Everything that happens from now on; the slow miss the oldest.
    pub fn events(&self) -> broadcast::Receiver<Seen> {
        self.shared.seen.subscribe()
    }

    /// Acts on boxes and calls.
    pub fn handle(&self) -> SimHandle {
        SimHandle { shared: self.shared.clone() }
    }

    /// Refuses every new stream with this status; `None` takes them again.
    pub async fn refuse_streams(&self, status: Option<Status>) {
        // A server that has ended refuses everybody anyway.
        let _ = self.server_orders.send(ServerOrder::Refuse(status)).await;
    }

    /// Stops the token endpoint only.
    pub async fn stop_token_server(&self) {
        self.ask(ServerOrder::StopTokens).await;
    }

    /// Ends every stream and every call and stops listening.
    pub async fn stop(mut self) {
        self.ask(ServerOrder::Stop).await;
        if let Err(error) = (&mut self.serving).await {
            tracing::warn!(%error, "the simulated core did not end in good order");
        }
        drop(self.shared.kept.take());
    }

    async fn ask(&self, order: impl FnOnce(oneshot::Sender<()>) -> ServerOrder) {
        let (done, answer) = oneshot::channel();
        if self.server_orders.send(order(done)).await.is_ok() {
            // Without an answer it has ended already.
            let _ = answer.await;
        }
    }
}

/// The task that owns the server; a session is a task of its own.
async fn serve(mut server: Server, mut ordered: mpsc::Receiver<ServerOrder>, shared: Arc<Shared>) {
    let mut sessions = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            terminal = server.accept() => match terminal {
                Some(terminal) => {
                    sessions.spawn(session::serve(terminal, shared.clone()));
                }
                None => return,
            },
            order = ordered.recv() => match order {
                Some(ServerOrder::Refuse(status)) => server.refuse_streams(status),
                Some(ServerOrder::StopTokens(done)) => {
                    server.stop_token_server().await;
                    // Whoever asked may have gone.
                    let _ = done.send(());
                }
                Some(ServerOrder::Stop(done)) => {
                    server.stop().await;
                    let _ = done.send(());
                    return;
                }
                // The core was dropped.
                None => return,
            },
            Some(ended) = sessions.join_next() => {
                if let Err(error) = ended {
                    tracing::warn!(%error, "a session of the simulated core ended badly");
                }
            }
        }
    }
}

/// What sessions, page and handle have in common.
pub(super) struct Shared {
    pub script: Script,
    pub seen: broadcast::Sender<Seen>,
    media: MediaSettings,
    pub kept: Kept,
    browser: Option<Browser>,
    terminals: Mutex<BTreeMap<u64, mpsc::Sender<Order>>>,
    last_serial: AtomicU64,
}

impl Shared {
    pub fn see(&self, terminal: Option<u64>, what: SimEvent) {
        // Nobody needs to look.
        let _ = self.seen.send(Seen { at: Instant::now(), terminal, what });
    }

    pub fn enter(&self, id: u64, orders: mpsc::Sender<Order>) {
        self.terminals.lock().unwrap_or_else(PoisonError::into_inner).insert(id, orders);
    }

    pub fn leave(&self, id: u64) {
        self.terminals.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub fn newest(&self) -> Option<mpsc::Sender<Order>> {
        let terminals = self.terminals.lock().unwrap_or_else(PoisonError::into_inner);
        terminals.last_key_value().map(|(_, orders)| orders.clone())
    }

    /// Never used twice: what comes late for a call that is over finds nothing.
    pub fn next_serial(&self) -> u64 {
        self.last_serial.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The phone that has this number now.
    pub fn phone(&self, number: &str) -> Phone {
        let mut phone = self.script.phone(number).clone();
        if phone.sound == Sound::BrowserOrEcho {
            let somebody = self.browser.as_ref().is_some_and(Browser::somebody);
            phone.sound = if somebody { Sound::Browser } else { Sound::Echo };
        }
        phone
    }

    /// A far end for one call of this phone; `page` is the only one that may have it.
    pub fn far_end(&self, phone: &Phone, page: Option<u64>, reports: FarReports) -> FarEnd {
        match (&phone.sound, &self.browser) {
            (Sound::Sdp(text), _) => far_end::text(text.clone(), reports),
            (Sound::Browser, Some(browser)) => browser.far_end(page, reports),
            (
                Sound::Echo
                | Sound::Quiet
                | Sound::Tone(_)
                | Sound::Prompt { .. }
                | Sound::Browser
                | Sound::BrowserOrEcho,
                _,
            ) => far_end::phone(phone, &self.media, reports),
        }
    }
}
