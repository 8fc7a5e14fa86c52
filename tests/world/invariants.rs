//! What must hold after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use callbox::appliance::command::{AudioCommand, Command, LineCommand, MediaCommand, Role, SessionCommand};
use callbox::appliance::event::{Body, CloseReason};
use callbox::appliance::id::{LedName, PeerId, RequestId};
use callbox::appliance::indicator::Pattern;
use callbox::appliance::log::Kind;
use callbox::appliance::status::{CallStatus, SessionStatus, Status};

use super::World;
use super::media_model::Peer;
use super::network::Phase;

/// A press is felt within this time.
const FELT: Duration = Duration::from_millis(200);
/// No bounce comes so long after an edge, nor the time the box takes them for.
const SETTLED: Duration = Duration::from_millis(100);
/// Refused credentials are shown again not sooner than this.
const TOKEN_PAUSE: Duration = Duration::from_secs(60);
/// More deadlines in one minute than any hour needs.
const MOST_DEADLINES: u32 = 300;

#[derive(Default)]
pub struct Watch {
    pub broken: Option<(&'static str, String)>,
    /// Requests that are not answered yet.
    pub asked: BTreeSet<RequestId>,
    /// Offers that the box sent of its own.
    pub offers: u64,
    /// After the last step.
    registered: bool,
    lamps: BTreeMap<LedName, Pattern>,
    connected: Option<PeerId>,
    /// The peer whose Offer is out, or whose Offer was checked.
    in_use: BTreeSet<PeerId>,
    prepared: PeerId0,
    sounding: bool,
    edges: BTreeMap<&'static str, Duration>,
    presses: Vec<Press>,
    /// The state that must be left, and since when it lasts.
    dwelling: Option<(Dwelling, Duration)>,
    minute: u64,
    deadlines: u32,
    /// Token requests since the core last took a token, and the last one.
    requests: u32,
    requested: Option<Duration>,
    refused: bool,
}

/// The highest peer that was ever made: names are never used twice.
#[derive(Default)]
struct PeerId0(u64);

struct Press {
    button: &'static str,
    due: Duration,
    heard: bool,
    seen: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct Dwelling {
    state: &'static str,
    call: Option<String>,
}

impl World<'_> {
    pub fn break_rule(&mut self, rule: &'static str, detail: String) {
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
                    self.break_rule("one Connect at a time", detail);
                }
            }
            Command::Session(SessionCommand::Send(message)) => {
                // A shutdown says goodbye in the step that ends the session.
                if self.net.phase != Phase::Open || !(self.watch.registered || self.registered()) {
                    self.break_rule("nothing is sent while not registered", format!("{message:?}"));
                }
                if let Body::Offer { sdp, .. } = &message.body {
                    self.watch.offers += 1;
                    let peer = sdp.strip_prefix("offer of peer ").and_then(|peer| peer.parse().ok());
                    self.watch.in_use.extend(peer.map(PeerId));
                }
            }
            Command::Session(SessionCommand::Close) => {}
            Command::Media { peer, command } => self.watch_media(*peer, command),
            Command::Audio(AudioCommand::Connect(peers)) => self.watch_connect(peers),
            Command::Audio(AudioCommand::Tone(tone)) => {
                self.watch.sounding = tone.is_some();
                if tone.is_some() {
                    self.watch.presses.iter_mut().for_each(|press| press.heard = true);
                }
            }
            Command::Audio(AudioCommand::Mute(_)) | Command::Exit => {}
            Command::Line(LineCommand::Led { led, pattern }) => {
                self.watch.lamps.insert(led.clone(), *pattern);
                self.watch.presses.iter_mut().for_each(|press| press.seen = true);
            }
            Command::Line(LineCommand::Output { output, on, .. }) => {
                if *on {
                    self.break_rule("no output is on", format!("{output}"));
                }
            }
            Command::Reply { request, .. } => {
                if !self.watch.asked.remove(request) {
                    self.break_rule("one reply to each request", format!("{request:?} again"));
                }
            }
            Command::Log(record) => {
                if matches!(record.kind, Kind::Button { .. }) {
                    self.watch.presses.iter_mut().for_each(|press| press.seen = true);
                }
            }
        }
    }

    fn watch_connect(&mut self, peers: &[(PeerId, Role)]) {
        if peers.len() > 1 {
            self.break_rule("one call has one peer", format!("{peers:?}"));
        }
        self.watch.connected = peers.first().map(|(peer, _)| *peer);
    }

    fn registered(&self) -> bool {
        self.device.status().session == SessionStatus::Registered
    }

    fn watch_media(&mut self, id: PeerId, command: &MediaCommand) {
        let known = self.media.peers.get(&id).map(|peer| peer.told);
        match command {
            MediaCommand::Prepare | MediaCommand::Check { .. } => {
                if id.0 <= self.watch.prepared.0 {
                    self.break_rule("peers are never used twice", format!("peer {}", id.0));
                }
                self.watch.prepared = PeerId0(id.0);
                self.media.peers.insert(id, Peer::default());
                if matches!(command, MediaCommand::Check { .. }) {
                    self.watch.in_use.insert(id);
                }
            }
            MediaCommand::Answer
            | MediaCommand::Start { .. }
            | MediaCommand::Renegotiate { .. }
            | MediaCommand::Digits(_)
            | MediaCommand::Close => {
                if known != Some(false) {
                    self.break_rule(
                        "only open peers are told anything",
                        format!("peer {}: {command:?}", id.0),
                    );
                }
                if *command == MediaCommand::Close {
                    self.watch.in_use.remove(&id);
                }
            }
        }
    }

    pub fn watch_replies(&mut self) {
        if let Some(request) = self.watch.asked.pop_first() {
            self.break_rule("one reply to each request", format!("{request:?} got none"));
        }
    }

    pub fn watch_edge(&mut self, button: &'static str, down: bool) {
        let before = self.watch.edges.insert(button, self.now);
        let clean = before.is_none_or(|at| self.now - at >= SETTLED);
        if clean && down {
            let due = self.now + FELT;
            self.watch.presses.push(Press { button, due, heard: false, seen: false });
        }
    }

    /// Time has passed; what was due before is late.
    pub fn watch_clock(&mut self) {
        let now = self.now;
        let (late, waiting) = std::mem::take(&mut self.watch.presses)
            .into_iter()
            .filter(|press| !(press.heard && press.seen))
            .partition(|press| press.due < now);
        self.watch.presses = waiting;
        let late: Vec<Press> = late;
        if let Some(Press { button, heard, seen, .. }) = late.first() {
            let detail = format!("button {button}: heard {heard}, seen {seen}");
            self.break_rule("a press is heard and seen within 200 ms", detail);
        }
    }

    /// After a deadline was handed over.
    pub fn watch_timer(&mut self) {
        let minute = self.now.as_secs() / 60;
        if self.watch.minute != minute {
            (self.watch.minute, self.watch.deadlines) = (minute, 0);
        }
        self.watch.deadlines += 1;
        if self.watch.deadlines > MOST_DEADLINES {
            self.break_rule("deadlines do not storm", format!("{MOST_DEADLINES} in one minute"));
        }
        if self.device.deadline().is_some_and(|at| at <= self.start + self.now) {
            self.break_rule("a deadline that is met is gone", format!("{:?}", self.device.timer()));
        }
    }

    pub fn watch_token_request(&mut self) {
        self.watch.requests += 1;
        let recently = self.watch.requested.replace(self.now).is_some_and(|at| self.now - at < TOKEN_PAUSE);
        // The token at hand may be old: one renewal at once is right.
        if self.watch.refused && self.watch.requests > 2 && recently {
            let detail = format!("request {} since a token was good", self.watch.requests);
            self.break_rule("refused credentials are shown once a minute", detail);
        }
    }

    pub fn watch_close(&mut self, reason: CloseReason) {
        if matches!(reason, CloseReason::TokenRefused | CloseReason::Unauthenticated) {
            self.watch.refused = true;
        }
    }

    pub fn watch_accepted(&mut self) {
        (self.watch.requests, self.watch.refused) = (0, false);
    }

    pub fn check(&mut self) {
        let status = self.device.status();
        if self.watch.lamps != status.leds {
            let detail = format!("told {:?}, status {:?}", self.watch.lamps, status.leds);
            self.break_rule("lamps and status agree", detail);
        }
        let lit = |lamp| shown(&status, lamp) == Some(Pattern::On);
        let lamps = (lit("answered"), lit("online"), lit("busy"));
        let in_call = status.call == CallStatus::InCall;
        let truth = (in_call, status.session == SessionStatus::Registered, status.busy_elsewhere);
        if lamps != truth {
            let detail = format!("answered, online, busy are {lamps:?}, should be {truth:?}");
            self.break_rule("lamps show the state", detail);
        }
        self.watch.registered = status.session == SessionStatus::Registered;
        self.check_session(&status);
        self.check_peers(&status);
        self.check_sound(&status);
        self.check_dwelling(&status);
        if self.device.deadline().is_none() {
            self.break_rule("there is always a next deadline", format!("{:?}", status.call));
        }
    }

    fn check_session(&mut self, status: &Status) {
        let agrees = match status.session {
            SessionStatus::Registered => self.net.phase == Phase::Open,
            SessionStatus::Connecting => self.net.phase != Phase::Closed,
            SessionStatus::Offline => !status.session_detail.is_empty(),
        };
        if !agrees {
            let detail = format!("{:?}, but the stream is {:?}", status.session, self.net.phase);
            self.break_rule("status knows the session", detail);
        }
    }

    fn check_peers(&mut self, status: &Status) {
        let live = live(status);
        let open = self.media.peers.values().filter(|peer| !peer.told).count();
        if open > 1 + usize::from(live) {
            self.break_rule("no peer is left open", format!("{open} are open in {:?}", status.call));
        }
        if self.watch.in_use.len() > usize::from(live) {
            let detail = format!("peers {:?} are in use in {:?}", self.watch.in_use, status.call);
            self.break_rule("at most one call lives", detail);
        }
        if status.call_id.is_some() != live {
            self.break_rule("a live call has an id", format!("{:?} in {:?}", status.call_id, status.call));
        }
    }

    fn check_sound(&mut self, status: &Status) {
        let answered = matches!(status.call, CallStatus::Connecting | CallStatus::InCall);
        let connected = self.watch.connected;
        if connected.is_some() != answered || connected.is_some_and(|peer| !self.watch.in_use.contains(&peer))
        {
            let detail = format!("{connected:?} in {:?}, in use {:?}", status.call, self.watch.in_use);
            self.break_rule("the microphone belongs to the answered call", detail);
        }
        let lamp = shown(status, "answered");
        if connected.is_some() && !matches!(lamp, Some(Pattern::On | Pattern::Fast)) {
            self.break_rule("no open microphone without its lamp", format!("{lamp:?}"));
        }
    }

    /// Every state is left in time: by its timer, or because its media lives.
    fn check_dwelling(&mut self, status: &Status) {
        let interrupted = self
            .watch
            .connected
            .and_then(|peer| self.media.peers.get(&peer))
            .map(|peer| if peer.up { peer.down_since } else { Some(self.now) });
        let (state, longest) = match status.call {
            CallStatus::Idle => ("idle", None),
            // 2 s for the peer connection, 45 s of ringing.
            CallStatus::Outgoing | CallStatus::Ringing => ("outgoing", Some(48)),
            // 45 s of ringing, 10 s for media to read and to answer, again for each new Offer.
            CallStatus::Incoming => ("incoming", Some(90)),
            CallStatus::Connecting => ("connecting", Some(10)),
            CallStatus::Releasing => ("releasing", Some(2)),
            CallStatus::InCall => match interrupted {
                Some(None) => ("talking", None),
                Some(Some(_)) | None => ("interrupted", Some(30)),
            },
        };
        let call = status.call_id.as_ref().map(|id| id.0.clone());
        let now = Dwelling { state, call };
        match &self.watch.dwelling {
            Some((before, since)) if *before == now => {
                if longest.is_some_and(|longest| self.now - *since > Duration::from_secs(longest)) {
                    let detail = format!("{state} since {since:?}");
                    self.break_rule("every state is left in time", detail);
                }
            }
            Some(_) | None => self.watch.dwelling = Some((now, self.now)),
        }
    }

    /// After a shutdown.
    pub fn watch_darkness(&mut self) {
        let lit = self.watch.lamps.values().any(|pattern| *pattern != Pattern::Off);
        let open = self.media.peers.values().any(|peer| !peer.told);
        if lit || open || self.watch.sounding || self.watch.connected.is_some() {
            let detail = format!("lamps lit {lit}, peers open {open}, a tone {}", self.watch.sounding);
            self.break_rule("a box that is off is dark and quiet", detail);
        }
    }
}

fn shown(status: &Status, lamp: &str) -> Option<Pattern> {
    status.leds.iter().find(|(led, _)| led.as_str() == lamp).map(|(_, pattern)| *pattern)
}

fn live(status: &Status) -> bool {
    match status.call {
        CallStatus::Idle | CallStatus::Releasing => false,
        CallStatus::Outgoing
        | CallStatus::Ringing
        | CallStatus::Incoming
        | CallStatus::Connecting
        | CallStatus::InCall => true,
    }
}
