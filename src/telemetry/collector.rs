//! The collector: one trace, a few attempts.

use std::error::Error;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::TelemetrySettings;
use crate::config::telemetry::OtlpProtocol;

/// For one attempt as a whole.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Pauses before the second attempt and the third, which is the last.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// Where traces go.
pub(super) struct Collector {
    settings: TelemetrySettings,
    /// Kept for the next trace once it has worked.
    connection: Option<Connection>,
}

enum Connection {
    Http(reqwest::Client),
    Grpc(TraceServiceClient<tonic::transport::Channel>),
}

impl Collector {
    pub fn new(settings: TelemetrySettings) -> Self {
        Self { settings, connection: None }
    }

    /// Sends a trace; the error says for people why it is lost.
    pub async fn export(&mut self, trace: ExportTraceServiceRequest) -> Result<(), String> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let attempt = self.attempt(trace.clone()).await;
            match (attempt, pauses.next()) {
                (Ok(()), _) => return Ok(()),
                (Err(_), Some(pause)) => tokio::time::sleep(pause).await,
                (Err(why), None) => return Err(format!("{}: {why}", self.settings.collector)),
            }
        }
    }

    async fn attempt(&mut self, trace: ExportTraceServiceRequest) -> Result<(), String> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match &mut connection {
            Connection::Http(client) => post(client, &self.settings.collector, &trace).await?,
            Connection::Grpc(client) => {
                let export = tokio::time::timeout(TIMEOUT, client.export(trace)).await;
                let export = export.map_err(|_| "timed out".to_owned())?;
                export.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?;
            }
        }
        self.connection = Some(connection);
        Ok(())
    }

    async fn connect(&self) -> Result<Connection, String> {
        let roots = match self.settings.ca_file.clone() {
            Some(path) => {
                let shown = path.display().to_string();
                let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
                let read = read.map_err(std::io::Error::other).flatten();
                Some(read.map_err(|error| format!("ca-file {shown}: {error}"))?)
            }
            None => None,
        };
        match self.settings.protocol {
            OtlpProtocol::Http => {
                http_client(roots.as_deref()).map(Connection::Http).map_err(|error| chain_text(&error))
            }
            OtlpProtocol::Grpc => {
                let endpoint = endpoint(&self.settings.collector, roots.as_deref());
                let channel = endpoint.map_err(|error| chain_text(&error))?.connect_lazy();
                Ok(Connection::Grpc(TraceServiceClient::new(channel)))
            }
        }
    }
}

fn http_client(roots: Option<&[u8]>) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder =
        reqwest::Client::builder().use_rustls_tls().redirect(Policy::none()).timeout(TIMEOUT).no_proxy();
    if let Some(pem) = roots {
        builder = builder.tls_built_in_root_certs(false);
        for root in reqwest::Certificate::from_pem_bundle(pem)? {
            builder = builder.add_root_certificate(root);
        }
    }
    builder.build()
}

/// OTLP/HTTP: the path `/v1/traces`, protobuf in binary.
async fn post(
    client: &reqwest::Client,
    collector: &str,
    trace: &ExportTraceServiceRequest,
) -> Result<(), String> {
    let base = collector.trim_end_matches('/');
    let url = if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") };
    let request = client.post(url).header(CONTENT_TYPE, "application/x-protobuf").body(trace.encode_to_vec());
    let response = request.send().await.map_err(|error| chain_text(&error.without_url()))?;
    if response.status().is_success() { Ok(()) } else { Err(format!("it answers {}", response.status())) }
}

fn endpoint(collector: &str, roots: Option<&[u8]>) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(collector.to_owned())?.connect_timeout(TIMEOUT);
    if !collector.starts_with("https:") {
        return Ok(endpoint);
    }
    let tls = match roots {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_webpki_roots(),
    };
    endpoint.tls_config(tls)
}

/// An error and its causes in one line.
fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
