//! A browser page as the phone at the far end: another WebRTC stack, a real
//! microphone, a person. Served to one page at a time; the newest wins.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use super::core::Shared;
use super::event::{PageReport, Seen, SimEvent};
use super::far_end::{FarCommand, FarEnd, FarEvent, FarReports};
use super::handle::SimHandle;

/// Own files only, no inline script, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      media-src 'self' mediastream: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// An SDP with every candidate of a large machine is far below this.
const LONGEST_MESSAGE: usize = 256 * 1024;

/// Softer than this is no sound, dBFS.
const FAINTEST_DB: f64 = -90.0;

/// What the page is told.
#[derive(Debug, Serialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
enum ToPage {
    /// The box calls.
    Offer { sdp: String, from: String },
    /// Answer that call, as the button would.
    PickUp,
    /// Make an offer, to call the box.
    MakeOffer,
    /// The box answered that offer.
    Answer { sdp: String },
    /// An offer in mid-call.
    Reoffer { sdp: String },
    /// Press these keys.
    Digits { digits: String },
    /// The call is over.
    Bye,
}

/// What the page says.
#[derive(Debug, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case", deny_unknown_fields)]
enum FromPage {
    /// It rings.
    Ringing,
    /// Answers an offer, the first or one in mid-call.
    Answer { sdp: String },
    /// Answers `MakeOffer`.
    Offer { sdp: String },
    /// Rejected or hung up.
    Bye,
    /// The button that calls the box.
    Call,
    /// What it hears.
    Report { report: PageReport },
    /// The browser refused something.
    Trouble { detail: String },
}

/// The page's server.
pub(super) struct Browser {
    address: SocketAddr,
    hub: Arc<Hub>,
    server: JoinHandle<()>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The page that is open and the call that it has.
struct Hub {
    seen: broadcast::Sender<Seen>,
    core: OnceLock<Weak<Shared>>,
    page: Mutex<Page>,
}

#[derive(Default)]
struct Page {
    /// Counts pages, so that the old one's end does not shut the new one out.
    number: u64,
    to_page: Option<mpsc::Sender<ToPage>>,
    to_call: Option<mpsc::Sender<FromPage>>,
}

impl Hub {
    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, what: SimEvent) {
        // Nobody needs to look.
        let _ = self.seen.send(Seen { at: Instant::now(), terminal: None, what });
    }
}

impl Browser {
    pub async fn start(address: SocketAddr, seen: broadcast::Sender<Seen>) -> io::Result<Self> {
        let hub = Arc::new(Hub { seen, core: OnceLock::new(), page: Mutex::default() });
        let routes = Router::new()
            .route("/", get(async || file("text/html; charset=utf-8", include_str!("page/index.html"))))
            .route("/phone.js", get(async || file("text/javascript", include_str!("page/phone.js"))))
            .route("/phone.css", get(async || file("text/css", include_str!("page/phone.css"))))
            .route("/signalling", get(signalling))
            .with_state(hub.clone());
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::warn!(%error, "the browser page's server ended");
            }
        });
        Ok(Self { address, hub, server })
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Tells whose box the page's button calls.
    pub fn calls_with(&self, core: Weak<Shared>) {
        // Set once, at the core's start.
        let _ = self.hub.core.set(core);
    }

    /// The page as the far end of one call.
    pub fn far_end(&self, reports: FarReports) -> FarEnd {
        let (sender, commands) = mpsc::channel(16);
        tokio::spawn(call(self.hub.clone(), commands, reports));
        FarEnd(sender)
    }
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, text)
}

async fn signalling(State(hub): State<Arc<Hub>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    // Any page may open a WebSocket to any host: only the own one is served.
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
    if origin.is_none() || origin != text(header::HOST) {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade.max_message_size(LONGEST_MESSAGE).on_upgrade(move |socket| serve(hub, socket))
}

/// One page, until it goes or a newer one comes.
async fn serve(hub: Arc<Hub>, mut socket: WebSocket) {
    let (to_page, mut told) = mpsc::channel(16);
    let number = {
        let mut page = hub.page();
        *page = Page { number: page.number + 1, to_page: Some(to_page), to_call: None };
        page.number
    };
    hub.see(SimEvent::PageOpened);
    loop {
        tokio::select! {
            message = told.recv() => {
                let Some(message) = message else { break };
                let Ok(text) = serde_json::to_string(&message) else { break };
                if socket.send(Message::Text(text.into())).await.is_err() {
                    break;
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(said) => hear(&hub, said).await,
                    Err(error) => tracing::warn!(%error, "the page said something else"),
                },
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
        }
    }
    let mut page = hub.page();
    if page.number == number {
        *page = Page { number, ..Page::default() };
    }
    drop(page);
    hub.see(SimEvent::PageClosed);
}

async fn hear(hub: &Hub, said: FromPage) {
    match said {
        FromPage::Call => {
            let Some(shared) = hub.core.get().and_then(Weak::upgrade) else { return };
            let number = shared.script.browser_number().to_owned();
            if let Err(error) = (SimHandle { shared }).call_box(&number).await {
                tracing::info!(%error, "the page's call was not made");
                // A page that is gone wants no answer.
                let to_page = hub.page().to_page.clone();
                if let Some(to_page) = to_page {
                    let _ = to_page.send(ToPage::Bye).await;
                }
            }
        }
        FromPage::Trouble { detail } => tracing::warn!(%detail, "the browser page has trouble"),
        FromPage::Report { report } => {
            hub.see(SimEvent::Page(report.clone()));
            to_call(hub, FromPage::Report { report }).await;
        }
        said @ (FromPage::Ringing | FromPage::Answer { .. } | FromPage::Offer { .. } | FromPage::Bye) => {
            to_call(hub, said).await;
        }
    }
}

async fn to_call(hub: &Hub, said: FromPage) {
    let call = hub.page().to_call.clone();
    if let Some(call) = call {
        // What comes late for a call that is over is of no use.
        let _ = call.send(said).await;
    }
}

/// One call, between the session and the page.
async fn call(hub: Arc<Hub>, mut commands: mpsc::Receiver<FarCommand>, reports: FarReports) {
    let (to_call, mut from_page) = mpsc::channel(16);
    let page = {
        let mut page = hub.page();
        match (&page.to_page, &page.to_call) {
            (None, _) => Err("no browser page is open"),
            (Some(_), Some(_)) => Err("the browser page has a call already"),
            (Some(to_page), None) => {
                let to_page = to_page.clone();
                page.to_call = Some(to_call);
                Ok((page.number, to_page))
            }
        }
    };
    let (number, to_page) = match page {
        Ok(page) => page,
        Err(why) => {
            reports.tell(FarEvent::Failed(why.to_owned())).await;
            return;
        }
    };
    let mut progress = Progress::Waiting;
    loop {
        tokio::select! {
            command = commands.recv() => {
                let Some(command) = command else { break };
                if to_page.send(command.into()).await.is_err() {
                    break;
                }
            }
            said = from_page.recv() => {
                let event = match said {
                    Some(FromPage::Ringing) => FarEvent::Ringing,
                    Some(FromPage::Answer { sdp }) => FarEvent::Answer { sdp },
                    Some(FromPage::Offer { sdp }) => FarEvent::Offer { sdp },
                    Some(FromPage::Report { report }) => match progress.advance(report) {
                        Some(event) => event,
                        None => continue,
                    },
                    Some(FromPage::Call | FromPage::Trouble { .. }) => continue,
                    Some(FromPage::Bye) | None => FarEvent::HungUp,
                };
                let over = matches!(event, FarEvent::HungUp);
                reports.tell(event).await;
                if over {
                    break;
                }
            }
        }
    }
    // The page may be gone already.
    let _ = to_page.send(ToPage::Bye).await;
    let mut page = hub.page();
    if page.number == number {
        page.to_call = None;
    }
}

/// What of a call's media was seen in the page's reports.
enum Progress {
    Waiting,
    Connected,
    Heard,
}

impl Progress {
    fn advance(&mut self, report: PageReport) -> Option<FarEvent> {
        match self {
            Self::Waiting if report.state == "connected" && !report.codec.is_empty() => {
                *self = Self::Connected;
                Some(FarEvent::Connected { codec: report.codec })
            }
            Self::Connected if report.level_db > FAINTEST_DB => {
                *self = Self::Heard;
                Some(FarEvent::FirstAudio)
            }
            Self::Waiting | Self::Connected | Self::Heard => None,
        }
    }
}

impl From<FarCommand> for ToPage {
    fn from(command: FarCommand) -> Self {
        match command {
            FarCommand::Offered { sdp, from } => Self::Offer { sdp, from },
            FarCommand::PickUp => Self::PickUp,
            FarCommand::Call => Self::MakeOffer,
            FarCommand::Answered { sdp } => Self::Answer { sdp },
            FarCommand::Reoffered { sdp } => Self::Reoffer { sdp },
            FarCommand::Digits(digits) => Self::Digits { digits },
        }
    }
}
