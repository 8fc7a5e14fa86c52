//! The box and the model side by side: each step goes to both, and what they
//! say and show is compared. Media answers at once here; that it may be slow,
//! silent or broken is for the world and for the random walk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use callbox::appliance::Appliance;
use callbox::appliance::action::{Action, Ring};
use callbox::appliance::command::{Command, MediaCommand, SessionCommand};
use callbox::appliance::door::settings::DoorSettings;
use callbox::appliance::event::{
    Body, CloseReason, Closed, ErrorCode, Event, LineEvent, MediaError, MediaErrorKind, MediaEvent, Message,
    SessionEvent,
};
use callbox::appliance::id::{PeerId, PhoneNumber, RequestId};
use callbox::appliance::input::HookSettings;
use callbox::appliance::settings::{
    BackoffSettings, ButtonSettings, CallSettings, IncomingSettings, Mode, SessionSettings, Settings,
};
use callbox::appliance::status::{CallStatus, SessionStatus};

use super::model::{Model, Pipes, Say, Shown, What, Word};

const FIRST: &str = "+4722222222";
const SECOND: &str = "+4733333333";
/// How long a press waits for the session, in ms.
const KEPT: u64 = 4000;
const THIRD: &str = "+4744444444";

#[derive(Clone, Debug)]
pub enum Step {
    /// The button that calls one number, pushed and let go.
    Press,
    /// The button that calls two numbers in turn.
    Hunt,
    /// The button that calls three numbers at once.
    All,
    Answer,
    HangUp,
    ToPhone,
    TakeOver,
    Core(Who, Word),
    MediaUp,
    MediaGone,
    MediaFails,
    SessionEnds,
    SessionBack,
    /// So many milliseconds.
    Pass(u64),
}

/// Whose id the core's message carries.
#[derive(Clone, Debug)]
pub enum Who {
    Ours,
    /// Of several calls the last.
    Last,
    Former,
    Foreign(u8),
    Nobody,
}

/// What a press does in the model.
type PressModel = fn(&mut Model) -> bool;

pub struct Pair {
    pub model: Model,
    pipes: Pipes,
    appliance: Appliance,
    start: Instant,
    /// What the box said since the last comparison.
    said: Vec<Say>,
    /// Whether the last request was granted.
    granted: bool,
    /// The box waits for its stream to open.
    connecting: bool,
    /// A press that waits for the session, and until when.
    kept: Option<(u64, PressModel)>,
    /// Of each call by its id, and of the Offers that media made.
    peers: BTreeMap<String, PeerId>,
    offers: BTreeMap<String, PeerId>,
    /// The call that the core's last Offer was for.
    offered: String,
    used: BTreeSet<String>,
    story: String,
}

pub fn settings(pipes: Pipes) -> Settings {
    let call_to =
        |to: &[&str], ring| Action::Call { to: to.iter().map(|to| (*to).to_owned()).collect(), ring };
    let press = |action| ButtonSettings { press: Some(action), ..ButtonSettings::default() };
    Settings {
        mode: match pipes {
            Pipes::One => Mode::Pipe,
            Pipes::Many => Mode::MultiPipe,
        },
        contacts: BTreeMap::new(),
        buttons: BTreeMap::from([
            ("call".into(), press(call_to(&[FIRST], Ring::InOrder))),
            ("hunt".into(), press(call_to(&[FIRST, SECOND], Ring::InOrder))),
            ("all".into(), press(call_to(&[FIRST, SECOND, THIRD], Ring::All))),
        ]),
        leds: BTreeMap::new(),
        inputs: BTreeMap::new(),
        hook: HookSettings::default(),
        outputs: BTreeMap::new(),
        door: DoorSettings::default(),
        incoming: IncomingSettings::default(),
        call: CallSettings::default(),
        backoff: BackoffSettings::default(),
        session: SessionSettings::default(),
    }
}

impl Pair {
    pub fn new(pipes: Pipes, settings: Settings) -> Self {
        let start = Instant::now();
        let mut seed = 0u64;
        // Weyl's sequence: even, and every number once.
        let entropy = move || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            seed ^ (seed << 31)
        };
        let mut pair = Self {
            model: Model::new(pipes),
            pipes,
            appliance: Appliance::new(settings, Box::new(entropy), start),
            start,
            said: Vec::new(),
            granted: false,
            connecting: false,
            kept: None,
            peers: BTreeMap::new(),
            offers: BTreeMap::new(),
            offered: String::new(),
            used: BTreeSet::new(),
            story: String::new(),
        };
        pair.settle();
        pair.event(Event::Session(SessionEvent::Opened));
        pair.connecting = false;
        pair
    }

    /// # Errors
    /// The story, if the two disagree.
    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        _ = writeln!(self.story, "{:>9.3} s  {step:?}", self.model.now as f64 / 1000.0);
        match step {
            Step::Press => self.press("call", |model| model.press(&[FIRST])),
            Step::Hunt => self.press("hunt", |model| model.press(&[FIRST, SECOND])),
            Step::All => self.press("all", |model| model.press_all(&[FIRST, SECOND, THIRD])),
            Step::Answer => self.ask(Action::Answer, Model::answer),
            Step::HangUp => self.ask(Action::HangUp, Model::hang_up),
            Step::ToPhone => self.ask(Action::ToPhone, Model::send_to_phone),
            Step::TakeOver => self.ask(Action::TakeOver, Model::take_over),
            Step::Core(who, word) => self.core(who, word),
            Step::MediaUp => self.media(MediaEvent::Connected { codec: "opus".to_owned() }, Model::media_up),
            Step::MediaGone => self.media(MediaEvent::Interrupted, Model::media_gone),
            Step::MediaFails => self.media(failed(MediaErrorKind::IceFailed), Model::media_fails),
            Step::SessionEnds => self.session_ends(),
            Step::SessionBack => self.session_back(),
            Step::Pass(ms) => self.pass(*ms),
        }
    }

    fn press(&mut self, button: &str, model: PressModel) -> Result<(), String> {
        // One that finds no session is kept for a while, unless the core wants to be left alone.
        let unheard_of = button == "all" && self.pipes == Pipes::One;
        if !self.model.registered
            && !unheard_of
            && self.model.calls.is_empty()
            && (self.connecting || !self.model.is_paused())
        {
            let now = self.model.now;
            let kept = self.kept.filter(|(until, _)| now < *until);
            let until = kept.map_or(now + KEPT, |(until, _)| until);
            self.kept = Some((until, model));
        }
        self.event(Event::Line(LineEvent::Pressed(button.into())));
        model(&mut self.model);
        self.compare()?;
        self.pass(40)?;
        self.event(Event::Line(LineEvent::Released(button.into())));
        self.pass(40)
    }

    fn ask(&mut self, action: Action, model: fn(&mut Model) -> bool) -> Result<(), String> {
        self.event(Event::Control { request: RequestId(1), action });
        let granted = model(&mut self.model);
        self.compare()?;
        if self.granted == granted { Ok(()) } else { Err(self.disagree("granted", self.granted, granted)) }
    }

    fn core(&mut self, who: &Who, word: &Word) -> Result<(), String> {
        if !self.model.registered {
            return Ok(());
        }
        let ours = self.model.at_box().map(|call| call.id.clone());
        let id = match who {
            Who::Ours => ours.unwrap_or_else(|| "ours-0".to_owned()),
            Who::Last => self.model.calls.last().map_or("last-0", |call| &call.id).to_owned(),
            Who::Former => self.model.former().unwrap_or("former-0").to_owned(),
            Who::Foreign(n) => format!("foreign-{n}"),
            Who::Nobody => String::new(),
        };
        let sdp = |bad: &bool| if *bad { "bad".to_owned() } else { "remote".to_owned() };
        let body = match word {
            Word::Offer { bad } => Body::Offer { sdp: sdp(bad), msisdn: PhoneNumber::parse(SECOND).ok() },
            Word::Answer { bad } => Body::Answer { sdp: sdp(bad) },
            Word::Ringing => Body::Ringing,
            Word::Bye => Body::Bye,
            Word::Idle => Body::Idle,
            Word::InCall => Body::InCall { msisdn: None },
            Word::ToPhone => Body::ToPhone,
            Word::NotInCall => Body::Error(ErrorCode::NotInCall),
            Word::TryAgain => Body::Error(ErrorCode::TryAgain),
            Word::InvalidCallId => Body::Error(ErrorCode::InvalidCallId),
            Word::RateLimitHit => Body::Error(ErrorCode::RateLimitHit),
            Word::Unknown => Body::Error(ErrorCode::Unknown(7)),
        };
        self.used.insert(id.clone());
        // With `Pipe` an Offer is for the one call, whatever its id.
        let one = self.model.calls.first().filter(|_| self.pipes == Pipes::One);
        self.offered = one.map_or_else(|| id.clone(), |call| call.id.clone());
        let message = Message { call_id: id.as_str().into(), body };
        self.event(Event::Session(SessionEvent::Message(message)));
        self.model.hear(&id, word);
        self.compare()
    }

    fn media(&mut self, event: MediaEvent, model: fn(&mut Model)) -> Result<(), String> {
        let Some(peer) = self.model.at_box().map(|call| self.peers[&call.id]) else { return Ok(()) };
        self.event(Event::Media { peer, event });
        model(&mut self.model);
        self.compare()
    }

    fn session_ends(&mut self) -> Result<(), String> {
        // With one pipe the box goes back into a talk whose stream broke:
        // appliance_adoption.rs has that, step by step.
        let answered = matches!(self.model.shown(), Shown::Connecting | Shown::InCall);
        if !self.model.registered || answered && self.pipes == Pipes::One {
            return Ok(());
        }
        let closed = Closed { reason: CloseReason::Lost, detail: "lost".to_owned() };
        self.event(Event::Session(SessionEvent::Closed(closed)));
        self.model.session_ends();
        self.compare()
    }

    fn session_back(&mut self) -> Result<(), String> {
        if self.model.registered {
            return Ok(());
        }
        while !self.connecting {
            let (at, _) = self.appliance.poll_timeout().expect("offline without a timer");
            let wait = at.saturating_duration_since(self.instant()).as_millis() as u64;
            self.pass(wait + 1)?;
        }
        self.connecting = false;
        self.event(Event::Session(SessionEvent::Opened));
        self.model.session_is_back();
        if let Some((until, press)) = self.kept.take()
            && self.model.now < until
        {
            press(&mut self.model);
        }
        self.compare()
    }

    /// Both sides' deadlines, each at its time.
    fn pass(&mut self, ms: u64) -> Result<(), String> {
        let end = self.model.now + ms;
        loop {
            let due = self.appliance.poll_timeout().map(|(at, _)| {
                let due = at.saturating_duration_since(self.start);
                due.as_millis() as u64 + u64::from(due.subsec_nanos() % 1_000_000 > 0)
            });
            let next = due.into_iter().chain(self.model.next()).min().filter(|next| *next <= end);
            let now = next.unwrap_or(end).max(self.model.now);
            self.model.time(now);
            self.appliance.handle_timeout(self.instant());
            self.settle();
            self.compare()?;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_millis(self.model.now)
    }

    fn event(&mut self, event: Event) {
        self.appliance.handle_event(event, self.instant());
        self.settle();
    }

    /// Takes all commands, and answers for the media part at once.
    fn settle(&mut self) {
        while let Some(command) = self.appliance.poll_command() {
            match command {
                Command::Session(SessionCommand::Send(message)) => self.hear(message),
                Command::Session(SessionCommand::Connect { .. }) => self.connecting = true,
                Command::Media { peer, command } => {
                    if let Some(event) = self.media_answers(peer, command) {
                        self.appliance.handle_event(Event::Media { peer, event }, self.instant());
                    }
                }
                Command::Reply { result, .. } => self.granted = result.is_ok(),
                // The attempt took too long.
                Command::Session(SessionCommand::Close) => {
                    self.connecting = false;
                    let closed = Closed { reason: CloseReason::Requested, detail: "given up".to_owned() };
                    self.appliance.handle_event(Event::Session(SessionEvent::Closed(closed)), self.instant());
                }
                Command::Session(SessionCommand::KeepAlive(_))
                | Command::Audio(_)
                | Command::Line(_)
                | Command::Log(_)
                | Command::Remember(_)
                | Command::Exit => {}
            }
        }
    }

    fn media_answers(&mut self, peer: PeerId, command: MediaCommand) -> Option<MediaEvent> {
        match command {
            MediaCommand::Prepare => {
                let sdp = format!("offer of {}", peer.0);
                self.offers.insert(sdp.clone(), peer);
                Some(MediaEvent::Prepared { sdp })
            }
            MediaCommand::Check { sdp } | MediaCommand::Start { sdp } | MediaCommand::Renegotiate { sdp }
                if sdp == "bad" =>
            {
                Some(failed(MediaErrorKind::BadSdp))
            }
            MediaCommand::Check { .. } => {
                self.peers.insert(self.offered.clone(), peer);
                Some(MediaEvent::Acceptable)
            }
            MediaCommand::Answer | MediaCommand::Renegotiate { .. } => {
                Some(MediaEvent::Answer { sdp: "local".to_owned() })
            }
            MediaCommand::Close => Some(MediaEvent::Closed),
            MediaCommand::Start { .. } | MediaCommand::Digits(_) => None,
        }
    }

    fn hear(&mut self, message: Message) {
        let what = match message.body {
            Body::Offer { sdp, msisdn } => {
                self.peers.insert(message.call_id.0.clone(), self.offers[&sdp]);
                What::Offer(msisdn.map(|number| number.as_str().to_owned()))
            }
            Body::Answer { .. } => What::Answer,
            Body::Ringing => What::Ringing,
            Body::Bye => What::Bye,
            Body::ToPhone => What::ToPhone,
            body @ (Body::Idle | Body::InCall { .. } | Body::Error(_)) => {
                panic!("a terminal never says {body:?}\n{}", self.story)
            }
        };
        self.said.push(Say { id: message.call_id.0, what });
    }

    fn compare(&mut self) -> Result<(), String> {
        let said = std::mem::take(&mut self.said);
        for say in &said {
            _ = writeln!(self.story, "             the box says {:?} in call {:?}", say.what, say.id);
        }
        let again = |say: &Say| matches!(say.what, What::Offer(_)) && self.model.retried(&say.id);
        let said: Vec<Say> = {
            let mut again = again;
            said.into_iter().filter(|say| !again(say)).collect()
        };
        let mut expected = self.model.says();
        // An id that the box makes up is a new UUID of version 4.
        for (say, expected) in said.iter().zip(&mut expected) {
            if expected.id == "?" && is_uuid_4(&say.id) && self.used.insert(say.id.clone()) {
                expected.id.clone_from(&say.id);
                self.model.learn(&say.id);
            }
        }
        if said != expected {
            return Err(self.disagree("says", said, expected));
        }
        if self.model.retry_is_late() {
            return Err(self.disagree("says", "nothing", "its Offer again"));
        }
        let status = self.appliance.status();
        let shown = match status.call {
            CallStatus::Idle | CallStatus::Releasing => Shown::NoCall,
            CallStatus::Outgoing => Shown::Outgoing,
            CallStatus::Ringing => Shown::Ringing,
            CallStatus::Incoming => Shown::Incoming,
            CallStatus::Connecting => Shown::Connecting,
            CallStatus::InCall => Shown::InCall,
        };
        let registered = status.session == SessionStatus::Registered;
        let id = status.call_id.map(|id| id.0);
        let ours = (shown, id, status.busy_elsewhere, registered);
        let id = self.model.at_box().map(|call| call.id.clone());
        let theirs = (self.model.shown(), id, !self.model.busy.is_empty(), self.model.registered);
        if ours == theirs { Ok(()) } else { Err(self.disagree("shows", ours, theirs)) }
    }

    fn disagree(&self, what: &str, ours: impl std::fmt::Debug, theirs: impl std::fmt::Debug) -> String {
        format!("{}             the box {what} {ours:?}, the model {theirs:?}", self.story)
    }
}

fn failed(kind: MediaErrorKind) -> MediaEvent {
    MediaEvent::Failed(MediaError { kind, detail: format!("{kind:?}") })
}

/// RFC 9562 section 5.4.
fn is_uuid_4(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    let marks = text.as_bytes().get(14) == Some(&b'4')
        && text.as_bytes().get(19).is_some_and(|b| matches!(b, b'8' | b'9' | b'a' | b'b'));
    lengths == [8, 4, 4, 4, 12] && hex && marks
}
