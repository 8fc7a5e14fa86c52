//! What must hold after every step: session, peers, calls, microphone.
//! `senses.rs` has what people see and hear, `deadlines.rs` what is due when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use callbox::appliance::command::{
    AudioCommand, Command, LineCommand, Listener, MediaCommand, Role, SessionCommand,
};
use callbox::appliance::event::{Body, CloseReason};
use callbox::appliance::id::{CallId, PeerId, RequestId};
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::Mode;
use callbox::appliance::status::{CallEntry, CallStatus, SessionStatus, Status};

use super::World;
use super::deadlines::Deadlines;
use super::media_model::Peer;
use super::network::Phase;
use super::rule::Rule;
use super::senses::{Senses, shown};

/// Refused credentials are shown again not sooner than this.
const TOKEN_PAUSE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Watch {
    pub broken: Option<(Rule, String)>,
    /// Requests that are not answered yet.
    pub asked: BTreeSet<RequestId>,
    /// Offers that the box sent of its own.
    pub offers: u64,
    pub senses: Senses,
    pub deadlines: Deadlines,
    /// Whose audio is connected, and how.
    pub connected: Vec<(PeerId, Role)>,
    /// With `MultiPipe`, where ids are to be trusted: each call's peer.
    pub peer_of: BTreeMap<CallId, PeerId>,
    /// The call of the last Offer that the box got.
    pub offered: Option<CallId>,
    /// Peers that called somebody, and those from which the digit came that accepts a call.
    dialled: BTreeSet<PeerId>,
    pub accepted: BTreeSet<PeerId>,
    /// After the last step.
    pub status: Option<Status>,
    registered: bool,
    live: usize,
    muted: bool,
    /// The peer whose Offer is out, or whose Offer was checked.
    in_use: BTreeSet<PeerId>,
    /// The highest peer that was ever made: names are never used twice.
    prepared: u64,
    /// Token requests since the core last took a token, and the last one.
    requests: u32,
    requested: Option<Duration>,
    refused: bool,
}

impl World<'_> {
    pub fn break_rule(&mut self, rule: Rule, detail: String) {
        if self.watch.broken.is_none() {
            self.tell("!! BROKEN", || format!("{rule}: {detail}"));
            self.watch.broken = Some((rule, detail));
        }
    }

    pub fn watch_command(&mut self, command: &Command) {
        match command {
            Command::Session(SessionCommand::Connect { .. }) => {
                if self.net.phase != Phase::Closed {
                    let detail = format!("stream {} is {:?}", self.net.stream, self.net.phase);
                    self.break_rule(Rule::OneConnect, detail);
                }
            }
            Command::Session(SessionCommand::Send(message)) => {
                // A shutdown says goodbye in the step that ends the session.
                if self.net.phase != Phase::Open || !(self.watch.registered || self.registered()) {
                    self.break_rule(Rule::RegisteredToSend, format!("{message:?}"));
                }
                if let Body::Offer { sdp, msisdn } = &message.body {
                    self.watch.offers += 1;
                    let peer = sdp.strip_prefix("offer of peer ").and_then(|peer| peer.parse().ok());
                    if let Some(peer) = peer.map(PeerId) {
                        self.watch.in_use.insert(peer);
                        self.watch.peer_of.insert(message.call_id.clone(), peer);
                        if msisdn.is_some() {
                            self.watch.dialled.insert(peer);
                        }
                    }
                }
            }
            Command::Session(SessionCommand::Close) => {}
            Command::Session(SessionCommand::KeepAlive(pace)) => self.time.pace = *pace,
            Command::Media { peer, command } => self.watch_media(*peer, command),
            Command::Audio(AudioCommand::Connect(peers)) => {
                self.watch.connected.clone_from(peers);
                self.watch_accepted_by(peers);
            }
            Command::Audio(AudioCommand::Announce { clip, to }) => {
                if *to == Listener::Box && clip.is_some() {
                    self.sense_words();
                }
            }
            Command::Audio(AudioCommand::Tone(tone)) => self.sense_tone(*tone),
            Command::Audio(AudioCommand::Mute(on)) => self.watch.muted = *on,
            Command::Audio(
                AudioCommand::Direction(_)
                | AudioCommand::Volume(_)
                | AudioCommand::SelfTest { .. }
                | AudioCommand::StopSelfTest,
            ) => {}
            Command::Line(LineCommand::Led { led, pattern }) => self.sense_lamp(led, *pattern),
            Command::Line(LineCommand::Output { output, on, .. }) => {
                if *on {
                    self.break_rule(Rule::NoStrike, format!("{output} is switched on"));
                }
            }
            Command::Reply { request, .. } => {
                if !self.watch.asked.remove(request) {
                    self.break_rule(Rule::OneReply, format!("{request:?} again"));
                }
            }
            Command::Log(_) | Command::Remember(_) | Command::Exit => {}
        }
    }

    fn watch_accepted_by(&mut self, peers: &[(PeerId, Role)]) {
        let unaccepted = peers.iter().find(|(peer, role)| {
            *role == Role::Talk && self.watch.dialled.contains(peer) && !self.watch.accepted.contains(peer)
        });
        if self.accepts_within.is_none() {
            return;
        }
        if let Some((peer, _)) = unaccepted {
            self.break_rule(Rule::Accepted, format!("peer {}", peer.0));
        } else if peers.iter().any(|(peer, role)| *role == Role::Talk && self.watch.accepted.contains(peer)) {
            self.count("accepted");
        }
    }

    fn registered(&self) -> bool {
        self.device.status().session == SessionStatus::Registered
    }

    fn watch_media(&mut self, id: PeerId, command: &MediaCommand) {
        let known = self.media.peers.get(&id).map(|peer| peer.told);
        match command {
            MediaCommand::Prepare | MediaCommand::Check { .. } => {
                if id.0 <= self.watch.prepared {
                    self.break_rule(Rule::FreshPeers, format!("peer {}", id.0));
                }
                self.watch.prepared = id.0;
                self.media.peers.insert(id, Peer::default());
                if matches!(command, MediaCommand::Check { .. }) {
                    self.watch.in_use.insert(id);
                    if let Some(call) = &self.watch.offered {
                        self.watch.peer_of.insert(call.clone(), id);
                    }
                }
            }
            MediaCommand::Answer
            | MediaCommand::Start { .. }
            | MediaCommand::Renegotiate { .. }
            | MediaCommand::Digits(_)
            | MediaCommand::Close => {
                if known != Some(false) {
                    self.break_rule(Rule::OpenPeers, format!("peer {}: {command:?}", id.0));
                }
                if *command == MediaCommand::Close {
                    self.watch.in_use.remove(&id);
                    self.watch.peer_of.retain(|_, peer| *peer != id);
                }
            }
        }
    }

    pub fn watch_replies(&mut self) {
        if let Some(request) = self.watch.asked.pop_first() {
            self.break_rule(Rule::OneReply, format!("{request:?} got none"));
        }
    }

    pub fn watch_token_request(&mut self) {
        self.watch.requests += 1;
        let recently = self.watch.requested.replace(self.now).is_some_and(|at| self.now - at < TOKEN_PAUSE);
        // The token at hand may be old: one renewal at once is right.
        if self.watch.refused && self.watch.requests > 2 && recently {
            let detail = format!("request {} since a token was good", self.watch.requests);
            self.break_rule(Rule::TokenPause, detail);
        }
    }

    pub fn watch_close(&mut self, reason: CloseReason) {
        if matches!(reason, CloseReason::TokenRefused | CloseReason::Unauthenticated) {
            self.watch.refused = true;
        }
        if reason == CloseReason::TooManyPings {
            self.too_many_pings();
        }
    }

    pub fn watch_accepted(&mut self) {
        (self.watch.requests, self.watch.refused) = (0, false);
    }

    pub fn check(&mut self) {
        let status = self.device.status();
        self.check_session(&status);
        self.check_calls(&status);
        self.check_microphone(&status);
        self.check_senses(&status);
        self.check_deadlines(&status);
        self.check_time(&status);
        self.watch.registered = status.session == SessionStatus::Registered;
        self.watch.live = live(&status).count();
        self.watch.status = Some(status);
    }

    fn check_session(&mut self, status: &Status) {
        let agrees = match status.session {
            SessionStatus::Registered => self.net.phase == Phase::Open,
            SessionStatus::Connecting => self.net.phase != Phase::Closed,
            SessionStatus::Offline => !status.session_detail.is_empty(),
        };
        if !agrees {
            let detail = format!("{:?}, but the stream is {:?}", status.session, self.net.phase);
            self.break_rule(Rule::SessionTrue, detail);
        }
    }

    fn check_calls(&mut self, status: &Status) {
        let live = live(status).count();
        let open = self.media.peers.values().filter(|peer| !peer.told).count();
        // One more for a call that outlived its stream, until it is on new media.
        let adopting = status.calls.iter().filter(|call| call.adopting).count();
        if open > 1 + live + adopting {
            self.break_rule(Rule::PeersClose, format!("{open} are open: {:?}", status.calls));
        }
        let most = match self.core.mode {
            Mode::Pipe => 1,
            Mode::MultiPipe => live,
        };
        if live > most || self.watch.in_use.len() > live + adopting {
            let detail = format!("peers {:?} are in use: {:?}", self.watch.in_use, status.calls);
            self.break_rule(Rule::OneCall, detail);
        }
        if live > 1 {
            self.count_company(status);
        }
        if status.call_id.is_some() != (live > 0) {
            self.break_rule(Rule::CallHasId, format!("{:?}: {:?}", status.call_id, status.calls));
        }
    }

    /// Steps with several calls, so that a test can tell that there were some.
    fn count_company(&mut self, status: &Status) {
        let count = |state| status.calls.iter().filter(|call| call.state == state).count();
        let held = status.calls.iter().filter(|call| call.held).count();
        let talking = count(CallStatus::InCall) - held;
        for (what, is) in [
            ("steps: held", held > 0),
            ("steps: waiting", talking > 0 && count(CallStatus::Incoming) > 0),
            ("steps: conference", talking > 1),
            ("steps: ring-all", count(CallStatus::Outgoing) + count(CallStatus::Ringing) > 1),
        ] {
            if is {
                self.count(what);
            }
        }
    }

    fn check_microphone(&mut self, status: &Status) {
        let talking = self.count_role(Role::Talk);
        let answered = live(status).filter(|call| is_answered(call) && !call.held).count();
        let held = live(status).filter(|call| call.held).count();
        let connected = &self.watch.connected;
        let strange = connected.iter().any(|(peer, _)| !self.watch.in_use.contains(peer));
        // Who has not accepted the call yet neither hears the box nor is heard.
        let ringing = live(status).filter(|call| call.state == CallStatus::Ringing).count();
        let most = if self.accepts_within.is_some() { held + ringing } else { held };
        if talking != answered || !(held..=most).contains(&self.count_role(Role::Hold)) || strange {
            let detail = format!("{connected:?}, in use {:?}: {:?}", self.watch.in_use, status.calls);
            self.break_rule(Rule::Microphone, detail);
        }
        let lamp = shown(&self.watch.senses.lamps, "answered");
        if talking > 0 && !matches!(lamp, Pattern::On | Pattern::Fast) {
            self.break_rule(Rule::MicrophoneLamp, format!("it shows {lamp:?}"));
        }
        let ended = self.watch.live > 0 && live(status).count() == 0;
        if self.watch.muted != status.muted || ended && status.muted {
            let (told, says) = (self.watch.muted, status.muted);
            self.break_rule(Rule::MuteEnds, format!("told {told}, status {says}, in {:?}", status.call));
        }
    }

    fn count_role(&self, wanted: Role) -> usize {
        self.watch.connected.iter().filter(|(_, role)| *role == wanted).count()
    }

    /// After a shutdown.
    pub fn watch_darkness(&mut self) {
        let lit = self.watch.senses.lamps.values().any(|pattern| *pattern != Pattern::Off);
        let open = self.media.peers.values().any(|peer| !peer.told);
        let sounding = self.watch.senses.tone.is_some();
        if lit || open || sounding || !self.watch.connected.is_empty() {
            let detail = format!("lamps lit {lit}, peers open {open}, a tone {sounding}");
            self.break_rule(Rule::DarkWhenOff, detail);
        }
    }
}

/// The calls that are not only closing.
pub fn live(status: &Status) -> impl Iterator<Item = &CallEntry> {
    status.calls.iter().filter(|call| call.state != CallStatus::Releasing)
}

fn is_answered(call: &CallEntry) -> bool {
    matches!(call.state, CallStatus::Connecting | CallStatus::InCall)
}
