//! Logs for the operator: one line an event on standard error, which journald keeps.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging at `level` (`error`, `warn`, `info`, `debug`, `trace` or a
/// filter as in `RUST_LOG`, which goes before it: `info` or
/// `warn,callbox=debug`). The second call does nothing.
pub fn start(level: &str) {
    let asked = std::env::var("RUST_LOG").ok().filter(|asked| !asked.is_empty());
    let filter = asked.and_then(|asked| asked.parse().ok()).or_else(|| quiet(level).parse().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
    // It would tell of a log that cannot be written by `eprintln!`, which panics where it fails as well:
    // a full disk, or a journal that has died, would end the box.
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    if tracing_subscriber::registry().with(lines).with(filter).try_init().is_err() {
        tracing::debug!("logging runs already");
    }
}

/// The libraries below talk a lot, and some of it holds SDP: only their warnings, and of webrtc, which warns of
/// every early ICE packet and of netlink, which warns of each kernel newer than itself, only their errors.
fn quiet(level: &str) -> String {
    let errors = ["rtc", "rtc_ice", "rtc_dtls", "rtc_srtp", "webrtc", "netlink_packet_route"];
    let errors: String = errors.iter().map(|library| format!(",{library}=error")).collect();
    format!("warn,callbox={level}{errors}")
}
