//! Certificates of the simulated core: an authority made at start, and leaves
//! that are good or bad in one way each.

use rcgen::{BasicConstraints, CertificateParams, DnType, Error, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// A certificate and its private key, both PEM.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// What is wrong with a leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing: it is for localhost, 127.0.0.1 and ::1.
    #[default]
    None,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// It is for another host.
    OtherHost,
    /// An authority of the same name signed it, but not the one that is told.
    UnknownAuthority,
}

/// A certificate authority that lives as long as the process.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// Makes a new authority with a key of its own.
    ///
    /// # Errors
    /// If the key cannot be made.
    pub fn new() -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "callbox simulated authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// The authority's own certificate, for `ca-file`.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a new leaf.
    ///
    /// # Errors
    /// If the key cannot be made.
    pub fn leaf(&self, flaw: Flaw) -> Result<Leaf, Error> {
        let names: &[&str] = match flaw {
            Flaw::OtherHost => &["other.example"],
            Flaw::None | Flaw::Expired | Flaw::NotYetValid | Flaw::UnknownAuthority => {
                &["localhost", "127.0.0.1", "::1"]
            }
        };
        let mut params =
            CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, "callbox simulated core");
        match flaw {
            Flaw::Expired => {
                params.not_before = rcgen::date_time_ymd(2001, 1, 1);
                params.not_after = rcgen::date_time_ymd(2002, 1, 1);
            }
            Flaw::NotYetValid => params.not_before = rcgen::date_time_ymd(4000, 1, 1),
            Flaw::None | Flaw::OtherHost | Flaw::UnknownAuthority => {}
        }
        let key = KeyPair::generate()?;
        let certificate = match flaw {
            Flaw::UnknownAuthority => params.signed_by(&key, &Self::new()?.issuer)?,
            Flaw::None | Flaw::Expired | Flaw::NotYetValid | Flaw::OtherHost => {
                params.signed_by(&key, &self.issuer)?
            }
        };
        Ok(Leaf { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}
