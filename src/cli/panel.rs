//! The web panel beside the running appliance. A box whose panel cannot be
//! served is a box all the same.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::out;
use crate::appliance::event::SystemEvent;
use crate::config::Config;
use crate::handle::Handle;
use crate::panel::{Panel, Restart};
use crate::settings;

/// Between two attempts to listen: an address may come with the network.
const AGAIN: Duration = Duration::from_secs(5);

/// Serves the panel, if the configuration asks for one, until it is aborted.
pub fn start(config: Config, file: PathBuf, handle: Handle, restart: Restart) -> Option<JoinHandle<()>> {
    let listen = config.panel.listen?;
    Some(tokio::spawn(async move {
        let mut last = String::new();
        loop {
            let settings = settings::panel(&config, listen, file.clone(), Some(Arc::clone(&restart)));
            match Panel::bind(&config, settings, handle.clone()).await {
                Ok(panel) => {
                    announce(&panel);
                    return panel.serve().await;
                }
                Err(error) => {
                    let why = error.to_string();
                    if why != last {
                        tracing::error!("{why}; trying again");
                    }
                    last = why;
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }))
}

fn announce(panel: &Panel) {
    tracing::info!(url = %panel.url(), certificate = panel.fingerprint(), "panel");
    // Not into the log, which goes on to who knows where: to the console of
    // whoever starts the box for the first time.
    let show = |password: &str| {
        let shown = out::line(format!("The panel's password, shown this once: {password}"));
        if !shown {
            tracing::warn!("the panel's password could not be shown; the next start makes another");
        }
        shown
    };
    if let Err(error) = panel.show_password(show) {
        tracing::warn!(%error, "the panel's password holds until the end; the next start makes another");
    }
}

/// A wish to begin again, and how to bring it about.
pub fn restart_switch(shutdown: mpsc::Sender<SystemEvent>) -> (Arc<AtomicBool>, Restart) {
    let wished = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&wished);
    let restart = move || {
        switch.store(true, Ordering::SeqCst);
        if shutdown.try_send(SystemEvent::Shutdown).is_err() {
            tracing::debug!("the appliance has ended already");
        }
    };
    (wished, Arc::new(restart))
}

/// Becomes a new process with the same arguments. Comes back only if it cannot.
pub fn begin_again() -> std::io::Error {
    use std::os::unix::process::CommandExt;
    let program = std::env::current_exe().ok().filter(|program| program.exists());
    let mut arguments = std::env::args_os();
    let called = arguments.next().map(PathBuf::from);
    match program.or(called) {
        Some(program) => std::process::Command::new(program).args(arguments).exec(),
        None => std::io::Error::from(std::io::ErrorKind::NotFound),
    }
}
