//! An appliance on virtual time, with the promises that no input may break.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use callbox::appliance::Appliance;
use callbox::appliance::command::{AudioCommand, Command, LineCommand, MediaCommand, Role, SessionCommand};
use callbox::appliance::event::{Body, Event, Message};
use callbox::appliance::id::{CallId, OutputName, PeerId};
use callbox::appliance::status::CallStatus;
use callbox::control::protocol::LONGEST_LINE;

use super::terminal;

/// The board's limit of the strike; the bound of every opening.
const LONGEST_OPENING: Duration = Duration::from_secs(10);

/// Bytes of status that the control socket's clients read.
const LONGEST_STATUS: usize = LONGEST_LINE / 2;

/// An appliance, its time, and what its shells know.
pub struct Machine {
    pub appliance: Appliance,
    pub now: Instant,
    /// Every peer connection, and whether it is open.
    pub peers: BTreeMap<PeerId, bool>,
    /// A stream was asked for and has not ended.
    pub stream: bool,
    /// The last message that was sent.
    pub said: Option<Message>,
    /// Somebody asked for the door: a digit, an action, the exit button.
    pub door_asked: bool,
    released: BTreeMap<OutputName, Instant>,
    replies: u64,
    asked: u64,
    talking: usize,
    pub exited: bool,
}

impl Machine {
    pub fn new(which: u8) -> Self {
        let now = Instant::now();
        let mut random = 0_u64;
        let entropy = Box::new(move || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            random
        });
        let settings = terminal::config(which).appliance.clone();
        let mut machine = Self {
            appliance: Appliance::new(settings, entropy, now),
            now,
            peers: BTreeMap::new(),
            stream: false,
            said: None,
            door_asked: false,
            released: BTreeMap::new(),
            replies: 0,
            asked: 0,
            talking: 0,
            exited: false,
        };
        machine.drain();
        machine
    }

    pub fn event(&mut self, event: Event) {
        self.asked += u64::from(matches!(event, Event::Control { .. }));
        self.appliance.handle_event(event, self.now);
        self.drain();
    }

    /// Lets time pass, with every deadline at its instant.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut deadlines = 0;
        while let Some((at, timer)) = self.appliance.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.appliance.handle_timeout(self.now);
            self.drain();
            deadlines += 1;
            assert!(deadlines < 100_000, "{timer:?} is due again and again");
        }
        self.now = end;
        for (output, since) in &self.released {
            assert!(end - *since <= LONGEST_OPENING, "{output} was on for {:?}", end - *since);
        }
    }

    fn drain(&mut self) {
        while let Some(command) = self.appliance.poll_command() {
            match command {
                Command::Session(SessionCommand::Connect { .. }) => self.stream = true,
                Command::Session(SessionCommand::Send(message)) => {
                    assert!(self.stream, "{message:?} was sent without a stream");
                    self.said = Some(message);
                }
                Command::Session(SessionCommand::Close | SessionCommand::KeepAlive(_)) => {}
                Command::Media { peer, command: MediaCommand::Prepare | MediaCommand::Check { .. } } => {
                    assert_eq!(self.peers.insert(peer, true), None, "{peer:?} was used twice");
                }
                Command::Media { peer, command: MediaCommand::Close } => {
                    assert_eq!(self.peers.insert(peer, false), Some(true), "{peer:?} was not open");
                }
                Command::Media { peer, command } => {
                    assert_eq!(self.peers.get(&peer), Some(&true), "{command:?} to {peer:?}");
                }
                Command::Audio(AudioCommand::Connect(peers)) => {
                    self.talking = peers.iter().filter(|(_, role)| *role == Role::Talk).count();
                }
                Command::Audio(_) => {}
                Command::Line(LineCommand::Output { output, on, longest }) => {
                    self.output(output, on, longest);
                }
                Command::Line(LineCommand::Led { .. }) => {}
                Command::Reply { .. } => self.replies += 1,
                Command::Log(record) => {
                    let kept = serde_json::to_string(&record).unwrap().len();
                    assert!(kept < 4_096, "{kept} bytes of log in one entry");
                }
                Command::Remember(_) => {}
                Command::Exit => {
                    assert!(!self.exited, "it exits twice");
                    self.exited = true;
                }
            }
        }
        assert_eq!(self.replies, self.asked, "each request has one reply");
        self.check();
    }

    fn output(&mut self, output: OutputName, on: bool, longest: Option<Duration>) {
        if !on {
            self.released.remove(&output);
            return;
        }
        assert!(self.door_asked, "{output} is on, and nobody asked for the door");
        assert!(longest.is_some_and(|longest| longest <= LONGEST_OPENING), "{output} for {longest:?}");
        self.released.entry(output).or_insert(self.now);
    }

    fn check(&self) {
        let status = self.appliance.status();
        let lives = status.calls.iter().filter(|call| call.state != CallStatus::Releasing);
        let up = lives
            .clone()
            .filter(|call| matches!(call.state, CallStatus::Connecting | CallStatus::InCall) && !call.held);
        assert!(self.talking <= up.count(), "the microphone goes to {} in {:?}", self.talking, status.calls);
        let open = self.peers.values().filter(|open| **open).count();
        let adopting = status.calls.iter().filter(|call| call.adopting).count();
        let most = 1 + lives.count() + adopting;
        assert!(self.exited || open <= most, "{open} peer connections are open, {most} at most");
    }

    /// What must hold once nothing more happens.
    pub fn finish(mut self) {
        let size = serde_json::to_string(&self.appliance.status()).unwrap().len();
        assert!(size < LONGEST_STATUS, "{size} bytes of status: the control socket cannot tell it");
        self.pass(2 * LONGEST_OPENING);
        assert!(self.released.is_empty(), "still on: {:?}", self.released);
    }
}

/// An id as a core might choose it: none, ours, or one of its own.
pub fn call_id(machine: &Machine, which: u8) -> CallId {
    match which % 8 {
        0 => CallId::from(""),
        1..=4 => machine.appliance.status().call_id.unwrap_or(CallId::from("")),
        5 => machine.said.as_ref().map_or(CallId::from("said"), |message| message.call_id.clone()),
        _ => CallId(format!("c{}", which / 8)),
    }
}

/// The stream is up, and the first peer connection ready.
pub fn registered(which: u8) -> Machine {
    use callbox::appliance::event::{MediaEvent, SessionEvent};
    let mut machine = Machine::new(which);
    machine.event(Event::Session(SessionEvent::Sent));
    machine.event(Event::Session(SessionEvent::Opened));
    for (peer, _) in machine.peers.clone() {
        machine.event(Event::Media { peer, event: MediaEvent::Prepared { sdp: "v=0".to_owned() } });
    }
    machine
}

/// The media of every open peer connection answers.
pub fn media_answers(machine: &mut Machine, event: &callbox::appliance::event::MediaEvent) {
    for (peer, _) in machine.peers.clone().into_iter().rev().take(8) {
        if machine.peers[&peer] {
            machine.event(Event::Media { peer, event: event.clone() });
        }
    }
}

/// A message as the core would send it.
pub fn message(call_id: CallId, body: Body) -> Event {
    Event::Session(callbox::appliance::event::SessionEvent::Message(Message { call_id, body }))
}
