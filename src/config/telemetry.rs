//! `[telemetry]`: who gets traces of calls.

use std::path::Path;

use super::core::{NamedFile, check_certificate, named_file};
use super::diagnostic::Diagnostic;
use super::section::Section;
use super::server::{self, Shape};

/// `[telemetry]`.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// The OpenTelemetry collector.
    pub otlp: String,
    /// How to speak to it.
    pub protocol: OtlpProtocol,
    /// A private authority for the collector's certificate; none for the public roots.
    pub ca_file: Option<NamedFile>,
}

/// The two ways of OTLP (OpenTelemetry Protocol Specification 1.x).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Protobuf by HTTP POST.
    #[default]
    Http,
    /// gRPC.
    Grpc,
}

pub(super) fn read(section: Option<Section<'_>>, base: &Path) -> Option<TelemetryConfig> {
    let mut section = section?;
    let plaintext = section.boolean("allow-plaintext").unwrap_or(false);
    if !section.has("otlp") {
        section.missing("otlp", "\"http://127.0.0.1:4318\"");
    }
    let otlp = section.parsed("otlp", |text| server::check(text, Shape::Url, plaintext));
    let words = [("http", OtlpProtocol::Http), ("grpc", OtlpProtocol::Grpc)];
    let protocol = section.choice("protocol", &words).unwrap_or_default();
    let ca_file = named_file(&mut section, base);
    section.finish();
    Some(TelemetryConfig { otlp: otlp?.value, protocol, ca_file })
}

/// Looks at the file that `[telemetry]` names.
pub(super) fn check_files(telemetry: &TelemetryConfig) -> Vec<Diagnostic> {
    check_certificate(telemetry.ca_file.as_ref()).into_iter().collect()
}
