//! A bench for the appliance: virtual time, and shells that do as the test says.
#![allow(dead_code, reason = "each test file uses a part of the bench")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, which the lint does not see"
)]

pub mod outage;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use callbox::appliance::Appliance;
use callbox::appliance::action::{Action, Ring};
use callbox::appliance::command::{
    AudioCommand, Command, LineCommand, MediaCommand, Refusal, Role, SessionCommand,
};
use callbox::appliance::door::settings::DoorSettings;
use callbox::appliance::event::{
    Body, Clock, CloseReason, Closed, Event, LineEvent, MediaError, MediaErrorKind, MediaEvent, Message,
    SessionEvent, SystemEvent,
};
use callbox::appliance::id::{ButtonName, PeerId, PhoneNumber, RequestId};
use callbox::appliance::indicator::{LedFunction, Pattern};
use callbox::appliance::input::HookSettings;
use callbox::appliance::output::{OutputFunction, OutputSettings};
use callbox::appliance::settings::{
    BackoffSettings, ButtonSettings, CallSettings, IncomingSettings, Mode, SessionSettings, Settings,
};
use callbox::appliance::status::{CallStatus, SessionStatus};
use callbox::appliance::tone::Tone;

pub const FAMILY: &str = "+4722222222";
pub const NEIGHBOUR: &str = "+4733333333";
pub const OFFER: &str = "v=0 remote offer";
pub const ANSWER: &str = "v=0 remote answer";

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to draw events.
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

pub fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap()
}

pub fn call_to(names: &[&str]) -> Action {
    Action::Call { to: names.iter().map(|name| (*name).to_owned()).collect(), ring: Ring::InOrder }
}

fn button(press: Action) -> ButtonSettings {
    ButtonSettings { press: Some(press), ..ButtonSettings::default() }
}

pub fn settings() -> Settings {
    let buttons = [
        ("call", button(call_to(&["family"]))),
        ("hunt", button(call_to(&["family", "neighbour"]))),
        ("nobody", button(call_to(&["stranger"]))),
        ("hangup", button(Action::HangUp)),
        ("phone", button(Action::ToPhone)),
        ("take", button(Action::TakeOver)),
    ];
    let leds = [
        ("status", LedFunction::Status),
        ("online", LedFunction::Online),
        ("calling", LedFunction::Calling),
        ("ringing", LedFunction::Ringing),
        ("answered", LedFunction::Answered),
        ("busy", LedFunction::BusyElsewhere),
        ("fault", LedFunction::Fault),
    ];
    Settings {
        mode: Mode::Pipe,
        contacts: BTreeMap::from([
            ("family".to_owned(), number(FAMILY)),
            ("neighbour".to_owned(), number(NEIGHBOUR)),
        ]),
        buttons: buttons.into_iter().map(|(name, button)| (name.into(), button)).collect(),
        leds: leds.into_iter().map(|(name, function)| (name.into(), function)).collect(),
        inputs: BTreeMap::new(),
        hook: HookSettings::default(),
        outputs: BTreeMap::from([(
            "strike".into(),
            OutputSettings { function: OutputFunction::Strike, max_on: None },
        )]),
        door: DoorSettings::default(),
        incoming: IncomingSettings::default(),
        call: CallSettings::default(),
        backoff: BackoffSettings::default(),
        session: SessionSettings::default(),
    }
}

pub struct Bench {
    pub box_: Appliance,
    pub now: Instant,
    /// Commands since the last `take`, without log entries.
    pub commands: Vec<Command>,
    pub logs: Vec<String>,
    /// The log's kinds as JSON.
    pub kinds: Vec<serde_json::Value>,
    /// When a call was last let go of.
    pub let_go: Option<Instant>,
    /// What the lamps were last told.
    pub lamps: BTreeMap<String, Pattern>,
    /// The tone that plays.
    pub tone: Option<Tone>,
    /// Whose audio is connected, and how.
    pub connected: Vec<(PeerId, Role)>,
    /// A stream was asked for and has not ended.
    pub stream: bool,
    /// Every peer there ever was, with whether it is open.
    pub peers: BTreeMap<PeerId, bool>,
    /// Peers whose `Prepare` and whose `Close` is not answered yet.
    pub preparing: BTreeSet<PeerId>,
    pub closing: BTreeSet<PeerId>,
    /// Which peer made an Offer.
    offers: BTreeMap<String, PeerId>,
    next_request: u64,
}

impl Bench {
    pub fn new(settings: Settings) -> Self {
        Self::seeded(settings, 1)
    }

    pub fn seeded(settings: Settings, seed: u64) -> Self {
        let now = Instant::now();
        let mut rng = Rng(seed);
        let mut bench = Self {
            box_: Appliance::new(settings, Box::new(move || rng.next()), now),
            now,
            commands: Vec::new(),
            logs: Vec::new(),
            kinds: Vec::new(),
            let_go: None,
            lamps: BTreeMap::new(),
            tone: None,
            connected: Vec::new(),
            stream: false,
            peers: BTreeMap::new(),
            preparing: BTreeSet::new(),
            closing: BTreeSet::new(),
            offers: BTreeMap::new(),
            next_request: 0,
        };
        bench.drain();
        bench
    }

    /// Registered, with a prepared peer connection, nothing in `commands`.
    pub fn ready(settings: Settings) -> Self {
        Self::ready_seeded(settings, 1)
    }

    pub fn ready_seeded(settings: Settings, seed: u64) -> Self {
        let mut bench = Self::seeded(settings, seed);
        bench.session(SessionEvent::Sent);
        bench.session(SessionEvent::Opened);
        bench.prepare_all();
        bench.take();
        bench
    }

    fn drain(&mut self) {
        while let Some(command) = self.box_.poll_command() {
            match &command {
                Command::Line(LineCommand::Led { led, pattern }) => {
                    let before = self.lamps.insert(led.to_string(), *pattern);
                    assert_ne!(before, Some(*pattern), "lamp {led} was told {pattern:?} twice");
                }
                Command::Session(SessionCommand::Connect { .. }) => self.stream = true,
                Command::Session(SessionCommand::Send(message)) => {
                    assert!(self.stream, "{message:?} was sent without a stream");
                }
                Command::Audio(AudioCommand::Connect(peers)) => {
                    assert_ne!(self.connected, *peers, "audio was told the same twice");
                    self.connected.clone_from(peers);
                }
                Command::Audio(AudioCommand::Tone(tone)) => self.tone = *tone,
                Command::Media {
                    peer,
                    command: what @ (MediaCommand::Prepare | MediaCommand::Check { .. }),
                } => {
                    let before = self.peers.insert(*peer, true);
                    assert_eq!(before, None, "{peer:?} was used twice");
                    if *what == MediaCommand::Prepare {
                        self.preparing.insert(*peer);
                    }
                }
                Command::Media { peer, command: MediaCommand::Close } => {
                    let before = self.peers.insert(*peer, false);
                    assert_eq!(before, Some(true), "{peer:?} was closed, but was not open");
                    self.preparing.remove(peer);
                    self.closing.insert(*peer);
                }
                Command::Media { peer, command } => {
                    assert_eq!(self.peers.get(peer), Some(&true), "{command:?} to {peer:?} that is not open");
                }
                Command::Log(record) => {
                    self.logs.push(record.text.clone());
                    let kind = serde_json::to_value(record).unwrap();
                    if kind["state"] == "releasing" {
                        self.let_go = Some(self.now);
                    }
                    self.kinds.push(kind);
                }
                _ => {}
            }
            if !matches!(command, Command::Log(_)) {
                self.commands.push(command);
            }
        }
    }

    pub fn event(&mut self, event: Event) {
        self.box_.handle_event(event, self.now);
        self.drain();
    }

    /// Lets time pass, with every deadline at its instant.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.box_.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.box_.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub fn take(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    pub fn session(&mut self, event: SessionEvent) {
        self.event(Event::Session(event));
    }

    pub fn closed(&mut self, reason: CloseReason) {
        self.stream = false;
        self.session(SessionEvent::Closed(Closed { reason, detail: format!("{reason:?}") }));
    }

    pub fn message(&mut self, call_id: &str, body: Body) {
        self.session(SessionEvent::Message(Message { call_id: call_id.into(), body }));
    }

    pub fn offer(&mut self, call_id: &str, from: Option<&str>) {
        let msisdn = from.map(number);
        self.message(call_id, Body::Offer { sdp: OFFER.to_owned(), msisdn });
    }

    pub fn media(&mut self, peer: PeerId, event: MediaEvent) {
        self.preparing.remove(&peer);
        if let MediaEvent::Prepared { sdp } = &event {
            self.offers.insert(sdp.clone(), peer);
        }
        if event == MediaEvent::Closed {
            self.closing.remove(&peer);
        }
        self.event(Event::Media { peer, event });
    }

    pub fn media_failed(&mut self, peer: PeerId, kind: MediaErrorKind) {
        self.media(peer, MediaEvent::Failed(MediaError { kind, detail: format!("{kind:?}") }));
    }

    pub fn system(&mut self, event: SystemEvent) {
        self.event(Event::System(event));
    }

    /// The machine's clock was set to a time such as `2026-01-05T21:00:00Z`.
    pub fn clock(&mut self, utc: &str) {
        let at: jiff::Timestamp = utc.parse().unwrap();
        let unix = Duration::from_secs(at.as_second().try_into().unwrap());
        self.system(SystemEvent::Clock(Clock { unix, known: true }));
    }

    /// A clean push: down now, up 100 ms later.
    pub fn press(&mut self, name: &str) {
        self.down(name);
        self.pass(ms(100));
        self.up(name);
        self.pass(ms(50));
    }

    pub fn down(&mut self, name: &str) {
        self.event(Event::Line(LineEvent::Pressed(ButtonName::from(name))));
    }

    pub fn up(&mut self, name: &str) {
        self.event(Event::Line(LineEvent::Released(ButtonName::from(name))));
    }

    /// An edge that is told now and was made at `at`.
    pub fn edge_made(&mut self, name: &str, down: bool, at: Instant) {
        let button = ButtonName::from(name);
        let edge = if down { LineEvent::Pressed(button) } else { LineEvent::Released(button) };
        self.box_.handle_timeout(at);
        self.box_.handle_event(Event::Line(edge), at);
        self.drain();
    }

    /// Asks over the control socket; there must be exactly one reply.
    pub fn ask(&mut self, action: Action) -> Result<(), Refusal> {
        self.next_request += 1;
        let asked = RequestId(self.next_request);
        let from = self.commands.len();
        self.event(Event::Control { request: asked, action });
        let mut replies = self.commands[from..].iter().filter_map(|command| match command {
            Command::Reply { request, result } => Some((*request, *result)),
            _ => None,
        });
        let (request, result) = replies.next().expect("no reply");
        assert_eq!((request, replies.next()), (asked, None));
        result
    }

    /// Answers every `Prepare` that is open and not answered yet.
    pub fn prepare_all(&mut self) {
        for peer in self.preparing.clone() {
            self.media(peer, MediaEvent::Prepared { sdp: format!("v=0 offer of peer {}", peer.0) });
        }
    }

    /// Answers every `Close`.
    pub fn close_all(&mut self) {
        for peer in self.closing.clone() {
            self.media(peer, MediaEvent::Closed);
        }
    }

    /// Presses `call`; the peer and the id of the Offer that goes out.
    pub fn call_out(&mut self) -> (PeerId, String) {
        self.take();
        self.press("call");
        let (id, _, sdp) = self.sent_offer().unwrap_or_else(|| {
            panic!(
                "no Offer: {:?}\n{:#?}",
                self.logs.iter().rev().take(8).collect::<Vec<_>>(),
                self.box_.status()
            )
        });
        self.prepare_all();
        (self.offers[&sdp], id.0)
    }

    /// Calls out until both can talk.
    pub fn talk(&mut self) -> (PeerId, String) {
        let (peer, id) = self.call_out();
        self.message(&id, Body::Ringing);
        self.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
        self.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
        assert_eq!(self.call(), CallStatus::InCall);
        self.take();
        (peer, id)
    }

    /// A call comes in; the peer that checks its Offer.
    pub fn call_in(&mut self, id: &str) -> PeerId {
        self.take();
        self.offer(id, Some(FAMILY));
        self.peer_told(|command| matches!(command, MediaCommand::Check { .. })).expect("no Check")
    }

    /// A call comes in and rings.
    pub fn ring(&mut self, id: &str) -> PeerId {
        let peer = self.call_in(id);
        self.media(peer, MediaEvent::Acceptable);
        assert_eq!(self.call(), CallStatus::Incoming);
        peer
    }

    /// After whatever happened: media closes, tones end, the session comes
    /// back, and a press makes a whole call. This is what a person needs.
    pub fn still_works(&mut self) {
        self.take();
        for button in ["call", "hunt", "nobody", "hangup", "phone", "take"] {
            self.up(button);
        }
        self.pass(ms(500));
        // More than one call may have to be hung up.
        for _ in 0..8 {
            if !matches!(self.call(), CallStatus::Idle | CallStatus::Releasing) {
                self.press("hangup");
                self.pass(ms(200));
            }
        }
        self.close_all_open_releases();
        // Longer than any back-off, any rate limit and any end tone.
        for _ in 0..40 {
            if self.session_status() == SessionStatus::Registered {
                break;
            }
            self.pass(secs(10));
            if !self.connects().is_empty() {
                self.session(SessionEvent::Sent);
                self.session(SessionEvent::Opened);
            }
        }
        assert_eq!(self.session_status(), SessionStatus::Registered, "never registered again");
        for _ in 0..45 {
            self.pass(secs(1));
            self.prepare_all();
        }
        assert_eq!(self.call(), CallStatus::Idle);
        assert_eq!(self.tone, None, "a tone plays in an idle box");
        self.talk();
        self.press("hangup");
        assert_eq!(self.sent_byes().len(), 1);
        self.close_all_open_releases();
        assert_eq!(self.call(), CallStatus::Idle);
    }

    fn close_all_open_releases(&mut self) {
        self.close_all();
        self.pass(secs(3));
    }
}
