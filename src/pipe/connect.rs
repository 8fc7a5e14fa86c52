//! One HTTP/2 connection to the core. It is made here and not by tonic's
//! channel, because that keeps to itself why a connection ended: a core that
//! is pinged too often says so in its GOAWAY, and nowhere else.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{HeaderValue, Request, Response, Uri, header};

use super::error::{chain_text, closed, find, is_name_error, tls_text};
use super::{PipeSettings, tls};
use crate::appliance::event::{CloseReason, Closed};

/// A working connection: requests go in, and how it ended comes out.
pub(super) struct Connection {
    pub(super) requests: Http2,
    pub(super) origin: Uri,
    pub(super) ended: JoinHandle<hyper::Result<()>>,
}

/// Requests on one connection.
#[derive(Clone)]
pub(super) struct Http2(SendRequest<Body>);

impl Service<Request<Body>> for Http2 {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let name = HeaderValue::from_static(concat!("callbox/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(header::USER_AGENT, name);
        Box::pin(self.0.send_request(request))
    }
}

/// Connects: name, TCP, TLS and HTTP/2, all within the configured time.
pub(super) async fn connect(settings: &PipeSettings, keep_alive: Duration) -> Result<Connection, Closed> {
    let connecting = try_connect(settings, keep_alive);
    match tokio::time::timeout(settings.connect_timeout, connecting).await {
        Ok(connected) => connected,
        Err(_) => {
            let detail =
                format!("no answer from {} within {:?}", settings.endpoint, settings.connect_timeout);
            Err(closed(CloseReason::Unreachable, detail))
        }
    }
}

async fn try_connect(settings: &PipeSettings, keep_alive: Duration) -> Result<Connection, Closed> {
    let name = &settings.endpoint;
    let unusable = |why: &str| closed(CloseReason::Unreachable, format!("{name:?} is no address: {why}"));
    let origin: Uri = name.parse().map_err(|error| unusable(&format!("{error}")))?;
    let host = origin.host().ok_or_else(|| unusable("no host"))?;
    let with_tls = match origin.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        Some(_) | None => return Err(unusable("neither http nor https")),
    };

    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    // Shared out among the addresses of the name, so that one that is dead leaves time for the next.
    connector.set_connect_timeout(Some(settings.connect_timeout));
    let socket = connector.call(origin.clone()).await.map_err(|error| refusal(&error, name))?;

    let (requests, ended) = if with_tls {
        // A URI writes IPv6 addresses in brackets, a certificate does not.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let host = ServerName::try_from(host).map_err(|error| unusable(&error.to_string()))?;
        let config = tls::to_core(settings.ca_file.as_deref())
            .map_err(|error| closed(CloseReason::CertificateRefused, error.to_string()))?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream =
            connector.connect(host, socket.into_inner()).await.map_err(|error| refusal(&error, name))?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(closed(CloseReason::Unreachable, format!("{name} does not speak HTTP/2")));
        }
        handshake(TokioIo::new(stream), settings, keep_alive).await
    } else {
        handshake(socket, settings, keep_alive).await
    }
    .map_err(|error| refusal(&error, name))?;
    Ok(Connection { requests: Http2(requests), origin, ended })
}

type Started = (SendRequest<Body>, JoinHandle<hyper::Result<()>>);

async fn handshake<T>(io: TokioIo<T>, settings: &PipeSettings, keep_alive: Duration) -> hyper::Result<Started>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (requests, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(keep_alive)
        .keep_alive_timeout(settings.keep_alive_timeout)
        .keep_alive_while_idle(true)
        .handshake(io)
        .await?;
    Ok((requests, tokio::spawn(connection)))
}

/// Why no connection to `endpoint` came about.
fn refusal(error: &(dyn Error + 'static), endpoint: &str) -> Closed {
    if let Some(tls) = find::<rustls::Error>(error) {
        let detail = format!("TLS with {endpoint} failed: {}", tls_text(tls));
        return closed(CloseReason::CertificateRefused, detail);
    }
    if is_name_error(error) {
        return closed(CloseReason::NameNotResolved, format!("{endpoint}: {}", chain_text(error)));
    }
    closed(CloseReason::Unreachable, format!("no connection to {endpoint}: {}", chain_text(error)))
}
