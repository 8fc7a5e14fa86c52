//! `callbox run`: the appliance until it is asked to end.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{DONE, FAILED, USAGE};
use crate::appliance::event::SystemEvent;
use crate::boot;
use crate::config::Config;
use crate::control::path::candidates;
use crate::control::server::ControlSocket;
use crate::mqtt;
use crate::settings;
use crate::system::{logging, notify, signals};
use crate::{telemetry, webhook};

/// Runs the appliance. Wrong configuration is exit code 2; everything else
/// that can go wrong with devices and networks is a fault of the running box.
pub async fn run(file: &Path, socket: Option<PathBuf>) -> u8 {
    let start = Instant::now();
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                eprintln!("{diagnostic}");
            }
            return USAGE;
        }
    };
    logging::start(config.log.level.as_str());
    let control = match ControlSocket::bind(&candidates(socket.or(config.control.socket.clone()))).await {
        Ok(control) => control,
        Err(error) => {
            eprintln!("callbox: {error}");
            return FAILED;
        }
    };
    tracing::info!(socket = %control.path().display(), version = env!("CARGO_PKG_VERSION"), "callbox starts");
    for note in &config.board.notes {
        tracing::warn!("{note}");
    }
    let mut running = match boot::start(&config, start) {
        Ok(running) => running,
        Err(error) => {
            eprintln!("callbox: {error}");
            return USAGE;
        }
    };
    let serving = tokio::spawn(control.serve(running.handle.clone()));
    if let Some(mqtt) = settings::mqtt(&config) {
        mqtt::spawn(mqtt, running.handle.clone());
    }
    let webhooks = webhook::spawn(settings::webhooks(&config), &running.handle);
    let telemetry = settings::telemetry(&config).map(|settings| telemetry::spawn(settings, &running.handle));
    let pulses = std::mem::take(&mut running.pulses);
    tokio::spawn(notify::run(pulses, running.handle.status.clone()));
    #[cfg(not(feature = "panel"))]
    if config.panel.listen.is_some() {
        tracing::warn!("[panel] listen: this build has no panel");
    }
    #[cfg(feature = "panel")]
    let (restart_wished, restart) = super::panel::restart_switch(running.shutdown());
    #[cfg(feature = "panel")]
    let panel = super::panel::start(config, file.to_owned(), running.handle.clone(), restart);
    let shutdown = running.shutdown();
    tokio::spawn(async move {
        signals::asked_to_end().await;
        notify::stopping();
        if shutdown.send(SystemEvent::Shutdown).await.is_err() {
            tracing::debug!("the appliance has ended already");
        }
    });
    let end = running.ended().await;
    webhooks.ended().await;
    if let Some(telemetry) = telemetry {
        telemetry.ended().await;
    }
    // Aborting drops the socket, which removes its file.
    serving.abort();
    #[cfg(feature = "panel")]
    if let Some(panel) = panel {
        panel.abort();
    }
    let panicked = serving.await.is_err_and(|error| error.is_panic());
    #[cfg(feature = "panel")]
    if restart_wished.load(std::sync::atomic::Ordering::SeqCst) {
        let error = super::panel::begin_again();
        eprintln!("callbox: cannot start again: {error}");
        return FAILED;
    }
    match end {
        Ok(()) if panicked => FAILED,
        Ok(()) => DONE,
        Err(died) => {
            eprintln!("callbox: {died}");
            FAILED
        }
    }
}
