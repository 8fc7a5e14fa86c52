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
use crate::system::{logging, signals};

/// Runs the appliance. Wrong configuration is exit code 2; everything else
/// that can go wrong with devices and networks is a fault of the running box.
pub async fn run(config: &Path, socket: Option<PathBuf>) -> u8 {
    let start = Instant::now();
    let config = match Config::load(config) {
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
    for note in config.not_yet() {
        tracing::warn!("{note}");
    }
    let running = match boot::start(&config, start) {
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
    let shutdown = running.shutdown();
    tokio::spawn(async move {
        signals::asked_to_end().await;
        if shutdown.send(SystemEvent::Shutdown).await.is_err() {
            tracing::debug!("the appliance has ended already");
        }
    });
    let end = running.ended().await;
    // Aborting drops the socket, which removes its file.
    serving.abort();
    let panicked = serving.await.is_err_and(|error| error.is_panic());
    match end {
        Ok(()) if panicked => FAILED,
        Ok(()) => DONE,
        Err(died) => {
            eprintln!("callbox: {died}");
            FAILED
        }
    }
}
