//! One HTTP/2 connection to the core. It is made here and not by tonic's
//! channel, because that keeps to itself why a connection ended: a core that
//! is pinged too often says so in its GOAWAY, and nowhere else.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use rustls_pki_types::ServerName;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;

use super::error::{chain_text, closed, find, is_name_error, tls_text};
use super::http2::{Ended, Http2, handshake};
use super::{PipeSettings, tls};
use crate::appliance::event::{CloseReason, Closed};
use crate::appliance::settings::KeepAlive;

/// TCP tries a silent connection itself (RFC 9293 section 3.8.4), at the pace
/// that is configured for an idle box: a dead one is then found as soon when
/// the core bears no PINGs. No server can take offence at these.
const TCP_PROBE: Duration = Duration::from_secs(3);
const TCP_PROBES: u32 = 3;
/// What is sent and not acknowledged for so long ends the connection (RFC 5482).
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(19);

/// A working connection: requests go in, and how it ended comes out.
pub(super) struct Connection {
    pub(super) requests: Http2,
    pub(super) origin: Uri,
    pub(super) ended: JoinHandle<Result<(), Ended>>,
}

type Pace = watch::Receiver<KeepAlive>;

/// Connects: name, TCP, TLS and HTTP/2, all within the configured time.
pub(super) async fn connect(settings: &PipeSettings, pace: Pace) -> Result<Connection, Closed> {
    let connecting = try_connect(settings, pace);
    match tokio::time::timeout(settings.connect_timeout, connecting).await {
        Ok(connected) => connected,
        Err(_) => {
            let detail =
                format!("no answer from {} within {:?}", settings.endpoint, settings.connect_timeout);
            Err(closed(CloseReason::Unreachable, detail))
        }
    }
}

async fn try_connect(settings: &PipeSettings, pace: Pace) -> Result<Connection, Closed> {
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
    connector.set_keepalive(Some(settings.keep_alive.every));
    connector.set_keepalive_interval(Some(TCP_PROBE));
    connector.set_keepalive_retries(Some(TCP_PROBES));
    connector.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT));
    // Shared out among the addresses of the name, so that one that is dead leaves time for the next.
    connector.set_connect_timeout(Some(settings.connect_timeout));
    let socket = connector.call(origin.clone()).await.map_err(|error| refusal(&error, name))?.into_inner();

    let (requests, ended) = if with_tls {
        // A URI writes IPv6 addresses in brackets, a certificate does not.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let host = ServerName::try_from(host).map_err(|error| unusable(&error.to_string()))?;
        let config = tls::to_core(settings.ca_file.as_deref())
            .map_err(|error| closed(CloseReason::CertificateRefused, error.to_string()))?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(host, socket).await.map_err(|error| refusal(&error, name))?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(closed(CloseReason::Unreachable, format!("{name} does not speak HTTP/2")));
        }
        handshake(stream, pace).await
    } else {
        handshake(socket, pace).await
    }
    .map_err(|error| refusal(&error, name))?;
    Ok(Connection { requests, origin, ended })
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
