//! What the service manager is told: ready, one line of status, the end, and
//! that the box is alive. Without systemd (no `NOTIFY_SOCKET`) nothing is told.
//! (sd_notify(3), <https://www.freedesktop.org/software/systemd/man/sd_notify.html>)

use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::pulse::Pulses;
use crate::appliance::status::Status;

/// How often pulses are looked at where the watchdog is slow or off.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells the service manager that the box serves, then how it is, and feeds
/// the watchdog while every pulse beats. Runs until dropped.
pub async fn run(mut pulses: Pulses, mut status: watch::Receiver<Status>) {
    let watchdog = sd_notify::watchdog_enabled();
    let period = watchdog.map_or(LOOK_EVERY, |limit| (limit / 4).min(LOOK_EVERY));
    let mut tick = interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = line(&status.borrow_and_update());
    tell(&[NotifyState::Ready, NotifyState::Status(&said)]);
    let mut complained = Vec::new();
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let stuck = pulses.stuck(Instant::now());
                if stuck.is_empty() {
                    tell(&[NotifyState::Watchdog]);
                } else if stuck != complained {
                    tracing::error!("these parts hang, and the watchdog is not fed: {}", stuck.join(", "));
                }
                complained = stuck;
            }
            changed = status.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = line(&status.borrow_and_update());
                if now != said {
                    tell(&[NotifyState::Status(&now)]);
                    said = now;
                }
            }
        }
    }
}

/// The box ends in good order from now on.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// What `systemctl status` shows.
fn line(status: &Status) -> String {
    let mut words = format!("session {}, call {}", word(&status.session), word(&status.call));
    if !status.session_detail.is_empty() {
        words += &format!(" ({})", status.session_detail);
    }
    let faults: Vec<String> = status.faults.iter().map(|fault| word(&fault.fault)).collect();
    if !faults.is_empty() {
        words += &format!("; faults: {}", faults.join(", "));
    }
    // One line: what follows a line break would be another message.
    words.replace('\n', " ")
}

/// The public word, as in `callbox status --json`.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}
