//! TLS towards the core and the token endpoint: rustls with ring, the public
//! roots or those of a file and no others.

use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tonic::transport::{Certificate, ClientTlsConfig};

/// Why the roots of `ca-file` are of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum RootsError {
    /// The file cannot be read.
    #[error("cannot read ca-file {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// There is no certificate in it, or a broken one.
    #[error("ca-file {path} is no list of PEM certificates: {detail}")]
    NotPem { path: PathBuf, detail: String },
}

/// Makes ring the process's provider, unless there is one already.
pub(super) fn install_provider() {
    // An error means that another part of the process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The roots of a `ca-file`, as PEM that was looked through.
pub(super) fn read_roots(path: &Path) -> Result<Vec<u8>, RootsError> {
    let pem =
        std::fs::read(path).map_err(|source| RootsError::Unreadable { path: path.to_owned(), source })?;
    let not_pem = |detail: String| RootsError::NotPem { path: path.to_owned(), detail };
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| not_pem(error.to_string()))?;
    if certificates.is_empty() {
        return Err(not_pem("there is none in it".to_owned()));
    }
    Ok(pem)
}

/// TLS to the core. `host` is as in the endpoint's URI.
pub(super) fn to_core(ca_file: Option<&Path>, host: &str) -> Result<ClientTlsConfig, RootsError> {
    // A URI writes IPv6 addresses in brackets, a certificate does not.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let config = ClientTlsConfig::new().domain_name(name);
    Ok(match ca_file {
        Some(path) => config.ca_certificate(Certificate::from_pem(read_roots(path)?)),
        None => config.with_webpki_roots(),
    })
}
