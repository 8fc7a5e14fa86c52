//! Hands commands to one task per peer connection, and keeps a panic in one
//! of them from reaching any other.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::peer::Peer;
use super::{MediaOutput, MediaSettings};
use crate::appliance::command::MediaCommand;
use crate::appliance::event::{MediaError, MediaErrorKind, MediaEvent};
use crate::appliance::id::PeerId;

/// Commands that may wait for one peer. A call has a handful in all.
const INBOX: usize = 64;

/// Starts the media shell. It ends, closing every peer, when `commands` closes.
///
/// `outputs` must be drained: a peer whose output nobody takes waits, and
/// with it only that peer.
pub fn spawn(
    settings: MediaSettings,
    mut commands: mpsc::Receiver<(PeerId, MediaCommand)>,
    outputs: mpsc::Sender<(PeerId, MediaOutput)>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut peers: HashMap<PeerId, (Option<mpsc::Sender<MediaCommand>>, JoinHandle<()>)> = HashMap::new();
        while let Some((id, command)) = commands.recv().await {
            peers.retain(|_, (_, task)| !task.is_finished());
            let (inbox, _) = peers.entry(id).or_insert_with(|| {
                let (inbox, received) = mpsc::channel(INBOX);
                let task = tokio::spawn(live(id, settings.clone(), received, outputs.clone()));
                (Some(inbox), task)
            });
            // A peer whose inbox has lost its sender closes once it has read
            // what is there, so that `Close` needs no room in a full one.
            if matches!(command, MediaCommand::Close) {
                *inbox = None;
            } else if inbox.as_ref().is_none_or(|inbox| inbox.try_send(command).is_err()) {
                tracing::error!(peer = id.0, "a peer that takes no more media commands is closed");
                *inbox = None;
            }
        }
        for (_, (inbox, task)) in peers {
            drop(inbox);
            let _ = task.await;
        }
    })
}

/// One peer from its first command to its end.
async fn live(
    id: PeerId,
    settings: MediaSettings,
    mut commands: mpsc::Receiver<MediaCommand>,
    outputs: mpsc::Sender<(PeerId, MediaOutput)>,
) {
    let mut peer = Peer::new(id, settings, outputs.clone());
    let outcome = AssertUnwindSafe(peer.run(&mut commands)).catch_unwind().await;
    let error = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error),
        Err(_) => Some(MediaError {
            kind: MediaErrorKind::Internal,
            detail: "the media library panicked".to_owned(),
        }),
    };
    let closed = AssertUnwindSafe(peer.close()).catch_unwind().await;
    if closed.is_err() {
        tracing::error!(peer = id.0, "the media library panicked while closing");
    }
    let send = async |event| {
        // Nobody listens any more: the process is ending.
        let _ = outputs.send((id, MediaOutput::Event(event))).await;
    };
    if let Some(error) = error {
        send(MediaEvent::Failed(error)).await;
        while !matches!(commands.recv().await, Some(MediaCommand::Close) | None) {}
    }
    if let Some(figures) = peer.statistics() {
        send(MediaEvent::Statistics(Box::new(figures))).await;
    }
    send(MediaEvent::Closed).await;
}
