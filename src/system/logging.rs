//! Logs for the operator: one line an event on standard error, which journald keeps.

use tracing_subscriber::EnvFilter;

/// Starts logging at `level` (`error`, `warn`, `info`, `debug`, `trace` or a
/// filter as in `RUST_LOG`, which goes before it). The second call does nothing.
pub fn start(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet(level)));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // It would tell of a log that cannot be written by `eprintln!`, which panics where it fails as well:
    // a full disk, or a journal that has died, would end the box.
    let subscriber = subscriber.log_internal_errors(false);
    if subscriber.try_init().is_err() {
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
