//! The web panel: the box in a browser, its figures for Prometheus, and
//! whether it could take a call, over HTTP.
//!
//! On a loopback address it asks for no password; on any other it has TLS and
//! one. It reads what [`crate::handle::Handle`] offers and asks the appliance
//! as any other front does: no thread or task of it waits for the panel.

mod access;
mod acts;
mod answer;
mod assets;
mod call_file;
mod calls;
mod configuration;
mod file;
mod front;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod guard;
mod health;
mod log;
mod login;
mod metrics;
mod observer;
mod routes;
mod server;
mod site;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::config::Config;
use crate::handle::Handle;
use access::certificate::{self, CertificateError};
use access::password::{self, Hash, PasswordError};
use server::{Server, Tls};
use site::Site;

/// Asks the process to end in good order and to begin again.
pub type Restart = Arc<dyn Fn() + Send + Sync>;

/// What the panel needs to know beside the configuration.
pub struct PanelSettings {
    /// Where to listen; port 0 for any that is free.
    pub listen: SocketAddr,
    /// Where certificate and password are kept; made if need be.
    pub state_dir: PathBuf,
    /// The configuration's file, to show and change it; `None` where there is none.
    pub config_file: Option<PathBuf>,
    /// Where the history of calls is kept; `None` for until the end.
    pub call_file: Option<PathBuf>,
    /// How a changed configuration takes effect; `None` for by hand.
    pub restart: Option<Restart>,
}

/// The panel could not be started.
#[derive(Debug, thiserror::Error)]
pub enum PanelError {
    /// The address is not of this machine, or in use.
    #[error("the panel cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// No certificate.
    #[error("the panel's certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// No password.
    #[error("the panel's password: {0}")]
    Password(#[from] PasswordError),
    /// A figure has two names; never at a user's.
    #[error("the panel's metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// The panel, listening.
pub struct Panel {
    server: Server,
    address: SocketAddr,
    first_password: Option<FirstPassword>,
    fingerprint: Option<String>,
}

/// A password that was made at this start and nobody knows yet.
struct FirstPassword {
    text: String,
    hash: Hash,
    folder: PathBuf,
}

impl Panel {
    /// Listens, and makes certificate and password where they are needed and
    /// not there yet.
    ///
    /// # Errors
    /// [`PanelError`]; the box does without its panel then.
    pub async fn bind(config: &Config, settings: PanelSettings, handle: Handle) -> Result<Self, PanelError> {
        let failed = |error| PanelError::Listen(settings.listen, error);
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let open = address.ip().is_loopback();
        let tls = match (&config.panel.tls, open) {
            (Some(files), _) => Some(certificate::load(&files.certificate.path, &files.key.path)?),
            (None, true) => None,
            (None, false) => Some(certificate::load_or_make(&settings.state_dir, address.ip())?),
        };
        let (password, first_password) = if open {
            (None, None)
        } else {
            let (hash, fresh) = password::load_or_make(&settings.state_dir)?;
            let (kept, folder) = (hash.clone(), settings.state_dir.clone());
            (Some(hash), fresh.map(|text| FirstPassword { text, hash: kept, folder }))
        };
        let fingerprint = tls.as_ref().map(|tls| tls.fingerprint.clone());
        let tls = tls.map(|tls| Tls::new(tls.config));
        let site = Arc::new(Site::new(config, settings, handle, password, tls.is_some())?);
        Ok(Self { server: Server { listener, tls, site }, address, first_password, fingerprint })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for a browser.
    pub fn url(&self) -> String {
        let scheme = if self.fingerprint.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/", self.address)
    }

    /// Has the password shown to the person who sets the box up, only at the start that made
    /// it, and keeps it once `show` says that it was: no power cut leaves one that nobody knows.
    ///
    /// # Errors
    /// [`PasswordError`]: it holds until the end, and the next start makes another.
    pub fn show_password(&self, show: impl FnOnce(&str) -> bool) -> Result<(), PasswordError> {
        match &self.first_password {
            Some(first) if show(&first.text) => password::keep(&first.folder, &first.hash),
            Some(_) | None => Ok(()),
        }
    }

    /// SHA-256 of its certificate, as browsers show it.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Serves until the future is dropped.
    pub async fn serve(self) {
        self.server.serve().await;
    }
}
