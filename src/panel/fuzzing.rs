//! A door for the fuzz targets in `tests/fuzz`: the panel without its listener.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::io::{AsyncRead, AsyncWrite};

use super::site::Site;
use super::{PanelError, PanelSettings, routes, server};
use crate::config::Config;
use crate::handle::Handle;

/// The panel of a loopback address, which asks for no password.
pub struct Front(Router);

impl Front {
    /// Makes the site.
    ///
    /// # Errors
    /// [`PanelError::Metrics`].
    pub fn new(config: &Config, settings: PanelSettings, handle: Handle) -> Result<Self, PanelError> {
        let site = Arc::new(Site::new(config, settings, handle, None, false)?);
        Ok(Self(routes::routes(site)))
    }

    /// Serves one connection to its end.
    ///
    /// # Errors
    /// What hyper says of it.
    pub async fn exchange(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), String> {
        server::exchange(stream, SocketAddr::from(([127, 0, 0, 1], 1)), self.0.clone()).await
    }
}
