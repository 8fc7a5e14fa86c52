//! The media shell as the box sees it: peer connections that take their time,
//! fail, are interrupted and come back.

use std::collections::BTreeMap;
use std::time::Duration;

use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::{Event, MediaError, MediaErrorKind, MediaEvent};
use callbox::appliance::id::PeerId;

use super::house::ACCEPTS;
use super::plan::Trouble;
use super::{Happening, World};

#[derive(Default)]
pub struct Media {
    /// Peers of which `Closed` was not reported yet.
    pub peers: BTreeMap<PeerId, Peer>,
}

#[derive(Default)]
pub struct Peer {
    /// The box has told it to close.
    pub told: bool,
    /// ICE and DTLS are up, as last reported.
    pub up: bool,
    /// Since when they are not, of a peer that was up.
    pub down_since: Option<Duration>,
}

impl World<'_> {
    pub fn media_obeys(&mut self, peer: PeerId, command: MediaCommand) {
        match command {
            MediaCommand::Prepare => {
                let sdp = format!("offer of peer {}", peer.0);
                self.media_says(peer, MediaEvent::Prepared { sdp }, 1, 60);
            }
            MediaCommand::Check { sdp } if sdp == "bad" => self.media_fails(peer, MediaErrorKind::BadSdp, 5),
            MediaCommand::Check { .. } => self.media_says(peer, MediaEvent::Acceptable, 1, 20),
            MediaCommand::Answer => {
                self.media_says(peer, MediaEvent::Answer { sdp: "local answer".to_owned() }, 2, 60);
                self.ice_begins(peer);
            }
            MediaCommand::Start { sdp } if sdp == "bad" => self.media_fails(peer, MediaErrorKind::BadSdp, 5),
            MediaCommand::Start { .. } => self.ice_begins(peer),
            MediaCommand::Renegotiate { sdp } if sdp == "bad" => {
                self.media_fails(peer, MediaErrorKind::BadSdp, 5);
            }
            MediaCommand::Renegotiate { .. } => {
                self.media_says(peer, MediaEvent::Answer { sdp: "local answer".to_owned() }, 2, 60);
            }
            MediaCommand::Digits(_) => self.count("digits"),
            MediaCommand::Close => {
                if let Some(peer) = self.media.peers.get_mut(&peer) {
                    peer.told = true;
                }
                self.media_says(peer, MediaEvent::Closed, 1, 100);
            }
        }
    }

    /// An answer of the shell; a sick one is slow, silent or fails instead.
    fn media_says(&mut self, peer: PeerId, event: MediaEvent, from: u64, to: u64) {
        let mut wait = self.chance.ms(from, to);
        if self.troubled(Trouble::MediaSick) && event == MediaEvent::Closed {
            // One that never says so is forgotten here as well.
            wait += self.chance.ms(0, 8000);
        } else if self.troubled(Trouble::MediaSick) {
            match self.chance.below(4) {
                0 => return,
                1 => return self.media_fails(peer, MediaErrorKind::Internal, 5000),
                2 => wait += self.chance.ms(0, 15_000),
                _ => {}
            }
        }
        self.after(wait, Happening::Media(peer, event));
    }

    fn media_fails(&mut self, peer: PeerId, kind: MediaErrorKind, within: u64) {
        let wait = self.chance.ms(1, within);
        let error = MediaError { kind, detail: format!("{kind:?}") };
        self.after(wait, Happening::Media(peer, MediaEvent::Failed(error)));
    }

    fn ice_begins(&mut self, peer: PeerId) {
        let cut = self.troubled(Trouble::Partition);
        if cut || self.odd(4) {
            if self.chance.percent(50) {
                self.media_fails(peer, MediaErrorKind::IceFailed, 20_000);
            }
            return;
        }
        self.media_says(peer, MediaEvent::Connected { codec: "opus".to_owned() }, 70, 900);
        self.media_says(peer, MediaEvent::FirstAudio, 900, 1200);
        if self.accepts_within.is_some() {
            if self.chance.percent(30) {
                self.media_says(peer, MediaEvent::Digit('7'), 1000, 10_000);
            }
            if self.chance.percent(70) {
                self.media_says(peer, MediaEvent::Digit(ACCEPTS), 1000, 16_000);
            }
        }
    }

    /// The network is cut: ICE notices after five seconds, and gives up or comes back.
    pub fn media_cut(&mut self, lasts: Duration) {
        let notices = Duration::from_secs(5);
        if lasts <= notices {
            return;
        }
        let up: Vec<PeerId> =
            self.media.peers.iter().filter(|(_, peer)| peer.up && !peer.told).map(|(id, _)| *id).collect();
        for peer in up {
            self.after(notices, Happening::Media(peer, MediaEvent::Interrupted));
            self.after(notices, Happening::Media(peer, MediaEvent::Quiet));
            let again = MediaEvent::Connected { codec: "opus".to_owned() };
            if lasts < Duration::from_secs(25) {
                self.after(lasts + Duration::from_millis(500), Happening::Media(peer, again));
                self.after(lasts + Duration::from_millis(600), Happening::Media(peer, MediaEvent::AudioBack));
            } else if self.chance.percent(50) {
                let error = MediaError { kind: MediaErrorKind::IceFailed, detail: "no path".to_owned() };
                self.after(Duration::from_secs(30), Happening::Media(peer, MediaEvent::Failed(error)));
            }
        }
    }

    pub fn media_news(&mut self, id: PeerId, event: MediaEvent) {
        let Some(peer) = self.media.peers.get_mut(&id) else { return };
        match &event {
            // What crosses the Close is reported now and then.
            MediaEvent::Connected { .. } => (peer.up, peer.down_since) = (true, None),
            MediaEvent::Interrupted if peer.up => {
                peer.down_since.get_or_insert(self.now);
            }
            MediaEvent::Failed(_) => (peer.up, peer.down_since) = (false, None),
            MediaEvent::Closed => {
                self.media.peers.remove(&id);
            }
            MediaEvent::Interrupted
            | MediaEvent::Prepared { .. }
            | MediaEvent::Acceptable
            | MediaEvent::Answer { .. }
            | MediaEvent::FirstAudio
            | MediaEvent::Quiet
            | MediaEvent::AudioBack
            | MediaEvent::Statistics(_) => {}
            MediaEvent::Digit(digit) => {
                if *digit == ACCEPTS {
                    self.watch.accepted.insert(id);
                }
            }
        }
        if matches!(event, MediaEvent::Connected { .. }) {
            self.count("media up");
        }
        self.tell("media", || format!("peer {}: {event:?}", id.0));
        self.event(Event::Media { peer: id, event });
    }
}
