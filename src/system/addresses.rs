//! Local network addresses and links: tells when they change, from the
//! kernel's own news (netlink), not by asking again and again.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use if_watch::tokio::IfWatcher;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::LinkFlags;
use rtnetlink::{MulticastGroup, new_multicast_connection};
use tokio::sync::mpsc;

/// Changes come in bursts, such as IPv4 and IPv6 of one link: one report for each burst.
const BURST: Duration = Duration::from_millis(300);

/// Sends `()` after each change of the machine's addresses and after each link
/// that came up, until the receiver is gone. What is there at the start is not a change.
pub async fn watch(changed: mpsc::Sender<()>) {
    let unnoticed = |error: io::Error| {
        tracing::warn!(%error, "changes of the network will not be noticed until a call is prepared again");
    };
    let addresses = match IfWatcher::new() {
        Ok(watcher) => watcher.map(|event| tracing::info!(?event, "network addresses changed")),
        Err(error) => return unnoticed(error),
    };
    let links = match links_up() {
        Ok(links) => links,
        Err(error) => return unnoticed(error),
    };
    let mut news = pin!(futures_util::stream::select(addresses, links));
    // The first events name what is there already.
    while let Ok(Some(())) = tokio::time::timeout(BURST, news.next()).await {}
    while let Some(()) = news.next().await {
        while let Ok(Some(())) = tokio::time::timeout(BURST, news.next()).await {}
        if changed.send(()).await.is_err() {
            return;
        }
    }
}

/// Links that begin to carry. An IPv4 address stays while its cable is out, so
/// news of addresses alone would miss the cable that is plugged in again.
fn links_up() -> io::Result<impl Stream<Item = ()>> {
    let (connection, handle, messages) = new_multicast_connection(&[MulticastGroup::Link])?;
    tokio::spawn(connection);
    let mut carrying = BTreeMap::new();
    Ok(messages.filter_map(move |(message, _)| {
        // The connection ends with its last handle.
        let _ = &handle;
        let news = match message.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                let carries = link.header.flags.contains(LinkFlags::Running);
                // Links also report what does not matter here, such as the stations that a radio sees.
                let before = carrying.insert(link.header.index, carries);
                (carries && before != Some(true)).then(|| {
                    tracing::info!(index = link.header.index, "a network link came up");
                })
            }
            _ => None,
        };
        std::future::ready(news)
    }))
}
