//! Browser pages as the phones at the far end: another WebRTC stack, a real
//! microphone, a person.
//!
//! Every open page is a phone with a name. A call of the box rings at all that
//! are free ([`call`]); [`hub`] knows who is there.

mod call;
mod hub;
mod message;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use self::hub::Hub;
use self::message::{FromPage, ToPage};
use super::core::Shared;
use super::event::{Seen, SimEvent};
use super::far_end::{FarEnd, FarReports};
use super::handle::SimHandle;

/// Own files only, no inline script, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      media-src 'self' mediastream: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// An SDP with every candidate of a large machine is far below this.
const LONGEST_MESSAGE: usize = 256 * 1024;

/// Messages that a page may be behind.
const QUEUE: usize = 16;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, kind, text.
const FILES: [(&str, &str, &str); 7] = [
    ("/", "text/html; charset=utf-8", include_str!("../page/index.html")),
    ("/phone.css", "text/css; charset=utf-8", include_str!("../page/phone.css")),
    ("/phone.js", SCRIPT, include_str!("../page/phone.js")),
    ("/line.js", SCRIPT, include_str!("../page/line.js")),
    ("/sound.js", SCRIPT, include_str!("../page/sound.js")),
    ("/signalling.js", SCRIPT, include_str!("../page/signalling.js")),
    ("/icon.svg", "image/svg+xml", include_str!("../page/icon.svg")),
];

/// The pages' server.
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

impl Browser {
    /// `note` is a line for whoever sits at a page.
    pub async fn start(address: SocketAddr, note: String, seen: broadcast::Sender<Seen>) -> io::Result<Self> {
        let hub = Arc::new(Hub::new(note, seen));
        let files = FILES.iter().fold(Router::new(), |router, (path, kind, text)| {
            router.route(path, get(async || file(kind, text)))
        });
        let routes = files.route("/signalling", get(signalling)).with_state(hub.clone());
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::warn!(%error, "the phone page's server ended");
            }
        });
        Ok(Self { address, hub, server })
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Tells whose box the pages call.
    pub fn calls_with(&self, core: Weak<Shared>) {
        // Set once, at the core's start.
        let _ = self.hub.core.set(core);
    }

    /// True if somebody has the page open.
    pub fn somebody(&self) -> bool {
        self.hub.somebody()
    }

    /// The pages, or one of them alone, as the far end of one call.
    pub fn far_end(&self, only: Option<u64>, reports: FarReports) -> FarEnd {
        let (sender, commands) = mpsc::channel(QUEUE);
        tokio::spawn(call::run(self.hub.clone(), only, commands, reports));
        FarEnd(sender)
    }
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()"),
    ];
    (headers, text)
}

async fn signalling(State(hub): State<Arc<Hub>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !is_own_page(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade.max_message_size(LONGEST_MESSAGE).on_upgrade(move |socket| serve(hub, socket))
}

/// Any page may open a WebSocket to any host: only the own one is served. One
/// of another site may also give this machine a name of its own, so no names
/// but `localhost` count.
fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(host) = text(header::HOST) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let no_name = name == "localhost" || name.parse::<IpAddr>().is_ok();
    no_name && text(header::ORIGIN).and_then(|origin| origin.strip_prefix("http://")) == Some(host)
}

/// One page, for as long as it is open.
async fn serve(hub: Arc<Hub>, mut socket: WebSocket) {
    let (line, mut told) = mpsc::channel(QUEUE);
    let mut listed = hub.listed();
    let Some(phone) = hub.enter(line) else { return };
    let greeting = ToPage::You { phone, note: hub.note.clone() };
    let mut open = say(&mut socket, &greeting).await;
    while open {
        open = tokio::select! {
            message = told.recv() => match message {
                Some(message) => say(&mut socket, &message).await,
                None => false,
            },
            changed = listed.changed() => {
                let phones = listed.borrow_and_update().clone();
                changed.is_ok() && say(&mut socket, &ToPage::Phones { phones }).await
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    match serde_json::from_str(&text) {
                        Ok(said) => hear(&hub, phone, said).await,
                        Err(error) => tracing::warn!(%error, "a page said something else"),
                    }
                    true
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => true,
                Some(Ok(Message::Close(_)) | Err(_)) | None => false,
            },
        };
    }
    hub.leave(phone);
}

/// False if the page is gone.
async fn say(socket: &mut WebSocket, message: &ToPage) -> bool {
    match serde_json::to_string(message) {
        Ok(text) => socket.send(Message::Text(text.into())).await.is_ok(),
        Err(error) => {
            tracing::error!(%error, "a message for a page");
            false
        }
    }
}

async fn hear(hub: &Hub, phone: u64, said: FromPage) {
    match said {
        FromPage::Name { name } => hub.rename(phone, &name),
        FromPage::Call => {
            let Some(shared) = hub.core.get().and_then(Weak::upgrade) else { return };
            if let Err(error) = (SimHandle { shared }).call_from_page(phone).await {
                hub.tell(phone, ToPage::Bye { why: error.to_string() });
            }
        }
        FromPage::Trouble { detail } => tracing::warn!(%detail, "a phone page has trouble"),
        FromPage::Report { mut report } => {
            report.phone = hub.name(phone);
            hub.see(SimEvent::Page(report.clone()));
            hub.heard(phone, FromPage::Report { report });
        }
        said @ (FromPage::Ringing
        | FromPage::Answer { .. }
        | FromPage::Offer { .. }
        | FromPage::HandOver { .. }
        | FromPage::Bye) => hub.heard(phone, said),
    }
}
