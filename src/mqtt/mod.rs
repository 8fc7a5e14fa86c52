//! The box on an MQTT broker (MQTT 3.1.1): what it is doing, what happens, and
//! commands where the configuration permits them. Home Assistant finds it by
//! itself ([`discovery`]).
//!
//! Under `TOPIC/NAME`: `availability` (`online`, and `offline` by last will),
//! `state` (JSON, retained), `event` (each entry of the event log), `button/B`
//! (each accepted press), `command` and the `answer` to it.

mod command;
mod connection;
mod discovery;
mod state;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::Rng;
use tokio::task::JoinHandle;

use crate::config::SecretSource;
use crate::config::mqtt::Permission;
use crate::handle::Handle;

/// A connection that lasted so long makes the next pause a short one again.
const HEALTHY: Duration = Duration::from_secs(60);

/// Pauses between attempts: a random time up to the base doubled each time
/// ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015), and never less than the least.
const LEAST_PAUSE: Duration = Duration::from_millis(500);
const BASE_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What the broker's shell needs to know.
#[derive(Clone, Debug)]
pub struct MqttSettings {
    /// Name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS, or plain TCP where the way is safe.
    pub tls: bool,
    /// The authorities to trust, PEM; `None` for the public roots.
    pub ca_file: Option<PathBuf>,
    /// User name and where the password is.
    pub login: Option<(String, SecretSource)>,
    /// The box's name in topics.
    pub name: String,
    /// What all topics begin with.
    pub topic: String,
    /// Home Assistant's discovery prefix, if it is to find the box.
    pub discovery: Option<String>,
    /// What may be asked for.
    pub commands: Vec<Permission>,
    /// The board, for people.
    pub model: String,
    /// The buttons' names.
    pub buttons: Vec<String>,
    /// The outputs' names.
    pub outputs: Vec<String>,
}

impl MqttSettings {
    /// A topic of this box.
    fn topic(&self, of: &str) -> String {
        format!("{}/{}/{of}", self.topic, self.name)
    }
}

/// Keeps the box on the broker until the appliance ends. A broker that is gone
/// is tried again for ever; nothing else of the box waits for it.
pub fn spawn(settings: MqttSettings, handle: Handle) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut failures = 0;
        let mut last = String::new();
        loop {
            let begun = Instant::now();
            match connection::keep(&settings, &handle).await {
                Ok(()) => return,
                Err(broken) => {
                    let why = broken.to_string();
                    // The same words every minute for years help nobody.
                    if why == last {
                        tracing::debug!(broker = %settings.host, "{why}");
                    } else {
                        tracing::warn!(broker = %settings.host, "{why}");
                    }
                    last = why;
                }
            }
            failures = if begun.elapsed() > HEALTHY { 0 } else { failures + 1 };
            tokio::time::sleep(pause(failures)).await;
        }
    })
}

fn pause(failures: u32) -> Duration {
    let longest = BASE_PAUSE.saturating_mul(1 << failures.min(6)).min(LONGEST_PAUSE);
    rand::rng().random_range(Duration::ZERO..=longest).max(LEAST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_a_minute() {
        for failures in 0..100 {
            assert!((LEAST_PAUSE..=LONGEST_PAUSE).contains(&pause(failures)), "{failures}");
        }
        let mean = |failures| (0..500).map(|_| pause(failures).as_secs_f64()).sum::<f64>() / 500.0;
        assert!(mean(6) > 5.0 * mean(1));
    }
}
