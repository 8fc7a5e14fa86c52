//! Peer connections: one stands ready with its ICE gathered, so that a press
//! sends its Offer at once; others belong to a call or are closing.
//!
//! Inputs: media `Prepared`, `Failed`, `Statistics`, `Closed`; system `AddressesChanged`;
//! timers `PeerRefresh`, `PeerRetry`; calls of `take` and `close`.
//! Outputs: media `Prepare`, `Close`; faults `MediaNotReady`; the record of a call's sound.

use std::collections::BTreeMap;
use std::time::Duration;

use super::command::MediaCommand;
use super::context::Context;
use super::event::MediaEvent;
use super::fault::Fault;
use super::id::{CallId, PeerId};
use super::log::Kind;
use super::statistics::CallStatistics;
use super::timer::Timer;

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// Gathering host candidates takes milliseconds; longer means a stuck shell.
const PREPARE_LONGEST: Duration = Duration::from_secs(10);
/// Peers of which `Closed` never came are forgotten beyond this many.
const CLOSING_MOST: usize = 64;

pub(super) struct Peers {
    last: u64,
    ready: Ready,
    retry: Duration,
    /// Told to close, and the call whose they were, if any.
    closing: BTreeMap<PeerId, Option<CallId>>,
}

/// The peer connection for the next call.
enum Ready {
    /// None, and none asked for: before the start, after a failure, at the end.
    Absent,
    /// `Prepare` is under way.
    Preparing(PeerId),
    /// Its Offer can be sent.
    Prepared { peer: PeerId, sdp: String },
}

/// What a new call got.
pub(super) enum Taken {
    Prepared { peer: PeerId, sdp: String },
    Preparing(PeerId),
    Nothing,
}

impl Peers {
    pub fn new() -> Self {
        Self { last: 0, ready: Ready::Absent, retry: RETRY_FIRST, closing: BTreeMap::new() }
    }

    /// A fresh name for a peer connection.
    pub fn allocate(&mut self) -> PeerId {
        self.last += 1;
        PeerId(self.last)
    }

    /// Begins to prepare a peer connection unless there is one.
    pub fn prepare(&mut self, cx: &mut Context) {
        match self.ready {
            Ready::Absent => {
                let peer = self.allocate();
                self.ready = Ready::Preparing(peer);
                cx.timers.stop(&Timer::PeerRefresh);
                cx.after(Timer::PeerRetry, PREPARE_LONGEST);
                cx.media(peer, MediaCommand::Prepare);
            }
            Ready::Preparing(_) | Ready::Prepared { .. } => {}
        }
    }

    /// Whether a call could begin now, at the latest when `Prepare` is answered.
    pub fn available(&self) -> bool {
        match self.ready {
            Ready::Absent => false,
            Ready::Preparing(_) | Ready::Prepared { .. } => true,
        }
    }

    /// Hands the peer connection to a call; `prepare` the next one after the Offer.
    pub fn take(&mut self) -> Taken {
        match std::mem::replace(&mut self.ready, Ready::Absent) {
            Ready::Absent => Taken::Nothing,
            Ready::Preparing(peer) => Taken::Preparing(peer),
            Ready::Prepared { peer, sdp } => Taken::Prepared { peer, sdp },
        }
    }

    /// Lets go of a peer connection that this call uses no more, or that no call used.
    pub fn close(&mut self, cx: &mut Context, peer: PeerId, call_id: Option<CallId>) {
        cx.media(peer, MediaCommand::Close);
        self.closing.insert(peer, call_id);
        if self.closing.len() > CLOSING_MOST {
            self.closing.pop_first();
            cx.counters.count("media-close-unanswered");
        }
    }

    /// The prepared Offer is stale: addresses changed, or it is old.
    pub fn renew(&mut self, cx: &mut Context) {
        self.drop_ready(cx);
        self.prepare(cx);
    }

    /// `Timer::PeerRetry`: after a failure, or `Prepare` was never answered.
    pub fn retry(&mut self, cx: &mut Context) {
        match self.ready {
            Ready::Absent => self.prepare(cx),
            Ready::Preparing(peer) => self.failed(cx, peer, "the media part does not answer".to_owned()),
            Ready::Prepared { .. } => {}
        }
    }

    /// An event of a peer that is no call's. False: nobody knows this peer.
    pub fn handle(&mut self, cx: &mut Context, peer: PeerId, event: MediaEvent) -> bool {
        if let Some(call_id) = self.closing.get(&peer) {
            // Of what crossed our Close nothing else means anything any more.
            if let (MediaEvent::Statistics(statistics), Some(call_id)) = (&event, call_id) {
                record(cx, call_id.clone(), statistics.clone());
            } else if event == MediaEvent::Closed {
                self.closing.remove(&peer);
            }
            return true;
        }
        match self.ready {
            Ready::Preparing(ready) | Ready::Prepared { peer: ready, .. } if ready == peer => {}
            Ready::Absent | Ready::Preparing(_) | Ready::Prepared { .. } => return false,
        }
        let preparing = matches!(self.ready, Ready::Preparing(_));
        match event {
            MediaEvent::Prepared { sdp } if preparing => {
                self.ready = Ready::Prepared { peer, sdp };
                self.retry = RETRY_FIRST;
                cx.timers.stop(&Timer::PeerRetry);
                let lifetime = cx.settings.call.peer_lifetime;
                cx.after(Timer::PeerRefresh, lifetime);
                cx.clear(Fault::MediaNotReady);
            }
            MediaEvent::Failed(error) => self.failed(cx, peer, error.detail),
            MediaEvent::Closed => {
                self.failed(cx, peer, "the peer connection closed by itself".to_owned());
                self.closing.remove(&peer);
            }
            MediaEvent::Prepared { .. }
            | MediaEvent::Acceptable
            | MediaEvent::Answer { .. }
            | MediaEvent::Connected { .. }
            | MediaEvent::FirstAudio
            | MediaEvent::Interrupted
            | MediaEvent::Quiet
            | MediaEvent::AudioBack
            | MediaEvent::Digit(_)
            | MediaEvent::Statistics(_) => {
                cx.ignored(
                    "media-unexpected",
                    "the prepared peer connection reported what only a call's can",
                );
            }
        }
        true
    }

    /// Lets go of everything.
    pub fn shut_down(&mut self, cx: &mut Context) {
        self.drop_ready(cx);
    }

    /// Whether no shell owes a `Closed`.
    pub fn all_closed(&self) -> bool {
        self.closing.is_empty()
    }

    fn drop_ready(&mut self, cx: &mut Context) {
        match std::mem::replace(&mut self.ready, Ready::Absent) {
            Ready::Absent => {}
            Ready::Preparing(peer) | Ready::Prepared { peer, .. } => self.close(cx, peer, None),
        }
    }

    fn failed(&mut self, cx: &mut Context, peer: PeerId, detail: String) {
        self.ready = Ready::Absent;
        self.close(cx, peer, None);
        cx.counters.count("media-prepare-failed");
        cx.raise(Fault::MediaNotReady, detail);
        cx.timers.stop(&Timer::PeerRefresh);
        cx.after(Timer::PeerRetry, self.retry);
        self.retry = (self.retry * 2).min(RETRY_LONGEST);
    }
}

/// Logs what became of a call's sound.
pub(super) fn record(cx: &mut Context, call_id: CallId, statistics: Box<CallStatistics>) {
    let text = statistics.text();
    cx.log(Kind::Statistics { call_id, statistics }, text);
}
