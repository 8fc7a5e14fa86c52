//! `callbox update`: checks a bundle, has it installed, and starts from it when no call is up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::remote::{self, fetch_status};
use super::{DONE, FAILED};
use crate::appliance::status::CallStatus;
use crate::appliance::update::{self, Bundle, UpdateRefusal};
use crate::system::update as image;

/// A box is quiet for so long before it restarts: whoever hung up may press again.
const QUIET: Duration = Duration::from_secs(15);

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Exit code 0 when the update is installed (and the restart asked for), 1 with
/// the reason when it is not.
pub async fn update(socket: Option<PathBuf>, bundle: &str, ca_file: Option<&Path>, restart: bool) -> u8 {
    let fetched = bundle.starts_with("http://") || bundle.starts_with("https://");
    let file = if fetched { image::store() } else { PathBuf::from(bundle) };
    let done = install(socket.clone(), bundle, fetched, ca_file, &file).await;
    if fetched {
        // What was installed, or refused, is not needed again.
        let _ = std::fs::remove_file(&file);
    }
    match done {
        Ok(installed) => {
            println!("version {} is installed", installed.version);
            if restart { start_from_it(socket).await } else { DONE }
        }
        Err(why) => {
            eprintln!("callbox: {why}");
            FAILED
        }
    }
}

async fn install(
    socket: Option<PathBuf>,
    bundle: &str,
    fetched: bool,
    ca_file: Option<&Path>,
    file: &Path,
) -> Result<Bundle, String> {
    // First what can be known without a bundle: a call is up, or there are no slots.
    let in_words = |error: image::UpdateError| error.to_string();
    image::running(None).map_err(in_words)?;
    if call(socket.clone()).await.is_some_and(|call| call != CallStatus::Idle) {
        return Err(UpdateRefusal::InCall.to_string());
    }
    if fetched {
        image::fetch(bundle, ca_file, file).await.map_err(in_words)?;
    }
    let found = image::inspect(file).await.map_err(in_words)?;
    permit(socket, &found).await?;
    image::install(file).await.map_err(in_words)?;
    Ok(found)
}

/// Whether RAUC may install what it was given, by whomever. Exit code 1 and the reason if not.
pub async fn allowed(socket: Option<PathBuf>, compatible: String, version: String) -> u8 {
    match permit(socket, &Bundle { compatible, version }).await {
        Ok(()) => DONE,
        Err(why) => {
            eprintln!("callbox: {why}");
            FAILED
        }
    }
}

async fn permit(socket: Option<PathBuf>, bundle: &Bundle) -> Result<(), String> {
    let running = image::running(call(socket).await).map_err(|error| error.to_string())?;
    update::permit(bundle, &running).map_err(|refusal| refusal.to_string())
}

/// The state of the call at the box; `None` where no appliance answers.
async fn call(socket: Option<PathBuf>) -> Option<CallStatus> {
    if !remote::is_running(socket.clone()).await {
        return None;
    }
    let status = fetch_status(socket).await.ok()?;
    serde_json::from_value(status["call"].clone()).ok()
}

async fn start_from_it(socket: Option<PathBuf>) -> u8 {
    let mut quiet = Duration::ZERO;
    while quiet < QUIET {
        quiet = match call(socket.clone()).await {
            None => QUIET,
            Some(CallStatus::Idle) => quiet + LOOK_EVERY,
            Some(_) => Duration::ZERO,
        };
        tokio::time::sleep(LOOK_EVERY).await;
    }
    println!("the box starts from it now");
    match Command::new("systemctl").arg("reboot").status().await {
        Ok(status) if status.success() => DONE,
        Ok(status) => {
            eprintln!("callbox: systemctl reboot: {status}");
            FAILED
        }
        Err(error) => {
            eprintln!("callbox: systemctl reboot: {error}");
            FAILED
        }
    }
}
