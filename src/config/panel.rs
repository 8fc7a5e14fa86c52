//! `[panel]`: where the web panel listens and what it may do.

use std::net::SocketAddr;
use std::path::Path;

use super::core::NamedFile;
use super::diagnostic::{Diagnostic, Problem, quoted};
use super::document;
use super::section::Section;

/// `[panel]`. The default: no panel, and no permission.
#[derive(Clone, Debug, Default)]
pub struct PanelConfig {
    /// Where the web panel listens; `None` for no panel. Loopback needs no
    /// password; any other address has TLS and a password.
    pub listen: Option<SocketAddr>,
    /// Certificate and key to use; `None` for ones made at the first start.
    pub tls: Option<PanelTls>,
    /// Its buttons press those of a real board too. Default false.
    pub allow_test: bool,
    /// It may open the door. Default false.
    pub allow_door: bool,
    /// It may change the configuration. Default false.
    pub allow_config: bool,
    /// `/metrics` is read without a password where there is one. Default false.
    pub allow_metrics: bool,
}

/// The panel's own certificate.
#[derive(Clone, Debug)]
pub struct PanelTls {
    /// The certificate and those that lead to its root, PEM.
    pub certificate: NamedFile,
    /// Its private key, PEM.
    pub key: NamedFile,
}

impl PanelConfig {
    /// Whether a change from `self` to `next` leaves alone what lets people in
    /// and what they may do there: the panel itself must not change that.
    pub fn same_access(&self, next: &PanelConfig) -> bool {
        let files = |panel: &PanelConfig| {
            panel.tls.as_ref().map(|tls| (tls.certificate.path.clone(), tls.key.path.clone()))
        };
        let all = |panel: &PanelConfig| {
            let allowed = [panel.allow_test, panel.allow_door, panel.allow_config, panel.allow_metrics];
            (panel.listen, allowed)
        };
        files(self) == files(next) && all(self) == all(next)
    }
}

pub(super) fn read(section: Option<Section<'_>>, base: &Path) -> PanelConfig {
    let Some(mut section) = section else { return PanelConfig::default() };
    let listen = section.parsed("listen", |text| {
        text.parse::<SocketAddr>().map_err(|_| {
            let what = format!("{} is no address to listen on", quoted(text));
            Problem::new(what, "write an IP address and a port such as \"127.0.0.1:8080\"")
        })
    });
    let mut file = |key| {
        let path = section.path(key, base)?;
        Some(NamedFile { place: section.report.place(path.at), path: path.value })
    };
    let tls = match (file("tls-cert-file"), file("tls-key-file")) {
        (Some(certificate), Some(key)) => Some(PanelTls { certificate, key }),
        (Some(_), None) => {
            section.missing("tls-key-file", "\"/etc/callbox/panel.key\", the certificate's private key");
            None
        }
        (None, Some(_)) => {
            section.missing("tls-cert-file", "\"/etc/callbox/panel.pem\", the key's certificate");
            None
        }
        (None, None) => None,
    };
    let mut allowed = |key| section.boolean(key).unwrap_or(false);
    let panel = PanelConfig {
        listen: listen.map(|listen| listen.value),
        tls,
        allow_test: allowed("allow-test"),
        allow_door: allowed("allow-door"),
        allow_config: allowed("allow-config"),
        allow_metrics: allowed("allow-metrics"),
    };
    section.finish();
    panel
}

/// Looks at the files that `[panel]` names.
pub(super) fn check_files(panel: &PanelConfig) -> Vec<Diagnostic> {
    let Some(tls) = &panel.tls else { return Vec::new() };
    let wanted =
        [(&tls.certificate, "CERTIFICATE-----", "certificate"), (&tls.key, "PRIVATE KEY-----", "key")];
    let check = |(NamedFile { path, place }, mark, kind): (&NamedFile, &str, &str)| {
        let cure = format!("name a readable PEM file with the {kind}, or leave both files out");
        let what = match document::read(path, &cure) {
            Ok(text) if text.contains(mark) => return None,
            Ok(_) => format!("{} holds no PEM {kind}", path.display()),
            Err(unread) => format!("{} cannot be read: {}", path.display(), unread.what),
        };
        Some(place.diagnose(Problem::new(what, cure)))
    };
    wanted.into_iter().filter_map(check).collect()
}
