//! Connections: how many, how long, how much of each, with or without TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use super::Restart;
use super::routes;
use super::site::Site;

/// Connections at once; the next one waits in the kernel's queue.
const CONNECTIONS: usize = 64;

/// Time for a request's head, and for a connection between two requests.
const HEAD: Duration = Duration::from_secs(10);

/// Time for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A reader that takes nothing for this long is dropped.
const STALLED: Duration = Duration::from_secs(10);

/// A request's head, bytes and fields; also what is kept of an answer that a
/// reader does not take.
const HEAD_BYTES: usize = 16 * 1024;
const HEAD_FIELDS: usize = 64;

/// TLS of a listener.
pub struct Tls(TlsAcceptor);

impl Tls {
    /// With this certificate.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self(TlsAcceptor::from(config))
    }
}

/// A listener and what it serves.
pub struct Server {
    pub listener: TcpListener,
    pub tls: Option<Tls>,
    pub site: Arc<Site>,
}

/// What is to be done once the answer that bears this has left, and its connection is closed.
#[derive(Clone)]
pub struct AfterAnswer(pub Restart);

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source(pub SocketAddr);

impl Server {
    /// Serves until the future is dropped; connections end with it.
    pub async fn serve(self) {
        let observing = pin!(self.site.observer.run());
        let accepting = pin!(self.accept());
        // Neither ends before the process does.
        tokio::join!(observing, accepting);
    }

    async fn accept(&self) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let router = routes::routes(Arc::clone(&self.site));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            while connections.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, source)) => {
                    let acceptor = self.tls.as_ref().map(|tls| tls.0.clone());
                    connections.spawn(connection(stream, source, acceptor, router.clone(), place));
                }
                Err(error) => {
                    tracing::warn!(%error, "panel");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    source: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    _place: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "panel connection");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALLED));
    let mut stream = Box::pin(stream);
    let end = match acceptor {
        None => exchange(&mut stream, source, router).await,
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => exchange(stream, source, router).await,
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no TLS handshake in time".to_owned()),
        },
    };
    if let Err(error) = end {
        tracing::debug!(%source, %error, "panel connection");
    }
}

pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    source: SocketAddr,
    router: Router,
) -> Result<(), String> {
    let service = TowerToHyperService::new(router);
    let after = Arc::new(OnceLock::new());
    let asked = Arc::clone(&after);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Source(source));
        let (answer, asked) = (hyper::service::Service::call(&service, request), Arc::clone(&asked));
        async move {
            let Ok(answer) = answer.await;
            if let Some(AfterAnswer(act)) = answer.extensions().get() {
                asked.get_or_init(|| Arc::clone(act));
            }
            Ok::<hyper::Response<Body>, Infallible>(answer)
        }
    });
    let end = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(HEAD_FIELDS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Some(act) = after.get() {
        act();
    }
    end.map_err(|error| error.to_string())
}
