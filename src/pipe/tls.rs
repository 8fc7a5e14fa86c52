//! TLS towards the core and the token endpoint: rustls with ring, the public
//! roots or those of a file and no others.

use std::path::{Path, PathBuf};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

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

/// TLS to the core, for HTTP/2.
pub(super) fn to_core(ca_file: Option<&Path>) -> Result<ClientConfig, RootsError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            for certificate in CertificateDer::pem_slice_iter(&read_roots(path)?) {
                let added = certificate
                    .map_err(|error| error.to_string())
                    .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
                added.map_err(|detail| RootsError::NotPem { path: path.to_owned(), detail })?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
