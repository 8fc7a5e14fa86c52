//! SIGTERM and SIGINT: the process should end, in good order.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the process is asked to end. Where signals cannot be had it
/// never does, and the process ends by SIGKILL as any other.
pub async fn asked_to_end() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("cannot listen for SIGTERM and SIGINT");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
