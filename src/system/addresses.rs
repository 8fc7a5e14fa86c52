//! Local network addresses: tells when they change, from the kernel's own
//! news (netlink), not by asking again and again.

use std::time::Duration;

use futures_util::StreamExt;
use if_watch::tokio::IfWatcher;
use tokio::sync::mpsc;

/// Changes come in bursts, such as IPv4 and IPv6 of one link: one report for each burst.
const BURST: Duration = Duration::from_millis(300);

/// Sends `()` after each change of the machine's addresses, until the
/// receiver is gone. The addresses present at the start are not a change.
pub async fn watch(changed: mpsc::Sender<()>) {
    let mut watcher = match IfWatcher::new() {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "address changes will not be noticed until a call is prepared again");
            return;
        }
    };
    // The first events name what is there already.
    while let Ok(Some(_)) = tokio::time::timeout(BURST, watcher.next()).await {}
    while let Some(event) = watcher.next().await {
        tracing::info!(?event, "network addresses changed");
        while let Ok(Some(_)) = tokio::time::timeout(BURST, watcher.next()).await {}
        if changed.send(()).await.is_err() {
            return;
        }
    }
}
