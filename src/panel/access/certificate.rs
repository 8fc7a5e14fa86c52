//! The panel's certificate: a given one, or one that the box makes for itself.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use super::{make_folder, write_private};

/// The panel cannot be offered with TLS.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can neither be read nor made.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// A file holds something else.
    #[error("{0} holds no {1} in PEM")]
    Garbled(PathBuf, &'static str),
    /// Certificate and key do not fit.
    #[error("certificate and key cannot be used together: {0}")]
    Refused(#[from] rustls::Error),
    /// The own one could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// A certificate in use.
pub struct Loaded {
    /// For the TLS server.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, as browsers show it.
    pub fingerprint: String,
}

/// Reads a certificate, with those that lead to its root, and its key.
///
/// # Errors
/// [`CertificateError`].
pub fn load(certificate: &Path, key: &Path) -> Result<Loaded, CertificateError> {
    let read = |path: &Path| fs::read(path).map_err(|error| CertificateError::File(path.to_owned(), error));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::Garbled(certificate.to_owned(), "certificate"))?;
    let Some(first) = chain.first() else {
        return Err(CertificateError::Garbled(certificate.to_owned(), "certificate"));
    };
    let fingerprint: Vec<String> = Sha256::digest(first).iter().map(|byte| format!("{byte:02X}")).collect();
    let key = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| CertificateError::Garbled(key.to_owned(), "private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded { config: Arc::new(config), fingerprint: fingerprint.join(":") })
}

/// The box's own certificate for this address, made at the first start: people
/// compare its fingerprint, for nobody vouches for it.
///
/// # Errors
/// [`CertificateError`].
pub fn load_or_make(folder: &Path, address: IpAddr) -> Result<Loaded, CertificateError> {
    let (certificate, key) = (folder.join("own.pem"), folder.join("own.key"));
    if !certificate.exists() || !key.exists() {
        let failed = |error| CertificateError::File(folder.to_owned(), error);
        let pair = KeyPair::generate()?;
        let made = own(address, &pair)?;
        make_folder(folder)
            .and_then(|()| write_private(&key, &pair.serialize_pem()))
            .and_then(|()| write_private(&certificate, &made))
            .map_err(failed)?;
    }
    load(&certificate, &key)
}

fn own(address: IpAddr, key: &KeyPair) -> Result<String, rcgen::Error> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let is_name =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    let mut names = vec!["localhost".to_owned()];
    if is_name {
        names.extend([host.to_owned(), format!("{host}.local")]);
    }
    if !address.is_unspecified() {
        names.push(address.to_string());
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "callbox panel");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // A box without a battery clock may make it in 1970 and live for decades.
    params.not_before = rcgen::date_time_ymd(1970, 1, 1);
    params.not_after = rcgen::date_time_ymd(2099, 12, 31);
    Ok(params.self_signed(key)?.pem())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_certificate_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let address = IpAddr::from([192, 0, 2, 1]);
        let first = load_or_make(folder.path(), address).unwrap().fingerprint;
        assert_eq!(first.len(), 32 * 3 - 1, "{first}");
        assert_eq!(load_or_make(folder.path(), address).unwrap().fingerprint, first);
        fs::write(folder.path().join("own.pem"), "nothing").unwrap();
        let garbled = load_or_make(folder.path(), address);
        assert!(matches!(garbled, Err(CertificateError::Garbled(_, "certificate"))));
    }
}
