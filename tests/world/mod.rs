//! A world for the appliance: voice core, network, token server, media,
//! buttons and people, all on virtual time and all from one seed.
//!
//! The appliance in the middle is the real one. [`run`] plays a [`plan::Plan`]
//! and checks every rule of `invariants.rs` after every step.
#![allow(dead_code, reason = "each test file uses a part of the world")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, which the lint does not see"
)]

pub mod bug;
pub mod chance;
pub mod clock;
pub mod core_model;
pub mod deadlines;
pub mod device;
pub mod exam;
pub mod house;
pub mod invariants;
pub mod media_model;
pub mod moves;
pub mod network;
pub mod person;
pub mod plan;
pub mod rule;
pub mod senses;
pub mod shrink;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use callbox::appliance::action::Action;
use callbox::appliance::command::{Command, LineCommand};
use callbox::appliance::event::{Clock, Event, LineEvent, MediaEvent, Message, SessionEvent};
use callbox::appliance::id::{PeerId, RequestId};

use bug::Bug;
use chance::Chance;
use device::Device;
use plan::{Plan, Trouble, Whim};
use rule::Rule;

/// Something that will happen at a known time.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The plan's move with this index.
    Move(usize),
    Line(&'static str, bool),
    /// News of a stream, on its way to the box.
    Session(u64, SessionEvent),
    /// A message on its way to the core.
    ToCore(u64, Message),
    /// The core gets a stream.
    CoreSees(u64),
    CoreLoses(u64),
    /// A step of the call with this serial number.
    Person(u64, person::Does),
    Media(PeerId, MediaEvent),
    Exam(exam::Exam),
    /// The machine learns the time.
    Clock(Clock),
}

struct Due {
    at: Duration,
    order: u64,
    what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// A rule that was broken, and how it came to that.
#[derive(Clone, Debug)]
pub struct Failure {
    pub rule: Rule,
    pub detail: String,
    pub at: Duration,
    pub story: Vec<String>,
}

/// What happened in a run that broke no rule; so that a test can tell a busy
/// world from an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(pub BTreeMap<&'static str, u64>);

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}

pub struct World<'a> {
    plan: &'a Plan,
    needs_time: bool,
    longest: Option<Duration>,
    /// How long a callee may take to accept a call, where that is asked for.
    accepts_within: Option<Duration>,
    /// A second press may come too soon.
    patient: bool,
    now: Duration,
    start: Instant,
    queue: BinaryHeap<Reverse<Due>>,
    order: u64,
    device: Device,
    core: core_model::Core,
    net: network::Network,
    media: media_model::Media,
    time: clock::Time,
    watch: invariants::Watch,
    /// The box was told something, or a deadline of it has passed.
    touched: bool,
    troubles: BTreeMap<Trouble, Duration>,
    whims: Vec<Whim>,
    lines: BTreeMap<&'static str, bool>,
    /// Until then nothing odd happens.
    calm_until: Duration,
    requests: u64,
    chance: Chance,
    tally: Tally,
    story: Option<Vec<String>>,
}

/// Plays a plan to its end or to the first broken rule. The story is kept only
/// if asked for: it costs more than the run.
pub fn run(plan: &Plan, bug: Option<Bug>, story: bool) -> Result<Tally, Failure> {
    let mut world = World::new(plan, bug, story);
    let end = std::panic::catch_unwind(AssertUnwindSafe(|| world.play()));
    if end.is_err() {
        world.break_rule(Rule::NoPanic, "it did; the message is above".to_owned());
    }
    match world.watch.broken.take() {
        None => Ok(world.tally),
        Some((rule, detail)) => {
            Err(Failure { rule, detail, at: world.now, story: world.story.unwrap_or_default() })
        }
    }
}

/// The whole story of a plan, broken rules or not.
pub fn story(plan: &Plan) -> Vec<String> {
    let mut world = World::new(plan, None, true);
    world.play();
    world.story.unwrap_or_default()
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan, bug: Option<Bug>, story: bool) -> Self {
        let start = Instant::now();
        let settings = house::settings(plan.seed);
        let mut chance = Chance::new(plan.seed, 3);
        Self {
            plan,
            now: Duration::ZERO,
            start,
            queue: BinaryHeap::new(),
            order: 0,
            needs_time: settings.session.needs_time,
            longest: settings.call.longest,
            accepts_within: settings.call.acknowledge.map(|asked| asked.timeout),
            patient: settings.buttons.values().any(|button| !button.ignore_again.is_zero()),
            core: core_model::Core::new(settings.mode),
            net: network::Network::new(&mut chance),
            media: media_model::Media::default(),
            time: clock::Time::new(),
            watch: invariants::Watch::default(),
            touched: false,
            device: Device::new(settings, plan.seed, start, bug),
            troubles: BTreeMap::new(),
            whims: Vec::new(),
            lines: BTreeMap::new(),
            calm_until: Duration::ZERO,
            requests: 0,
            chance,
            tally: Tally::default(),
            story: story.then(Vec::new),
        }
    }

    fn play(&mut self) {
        if let Some(first) = self.plan.moves.first() {
            self.at(first.at, Happening::Move(0));
        }
        self.drain();
        self.start_clock();
        self.check();
        while self.watch.broken.is_none() {
            let happens = self.queue.peek().map(|Reverse(due)| due.at);
            let deadline = self.device.deadline().map(|at| at.saturating_duration_since(self.start));
            let next = [happens, deadline].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= self.plan.end) else { break };
            self.now = self.now.max(next);
            self.sense_time();
            if self.watch.broken.is_some() {
                break;
            }
            if deadline.is_some_and(|at| at <= self.now) {
                self.tell_timer();
                self.watch_timer_due();
                self.device.timeout(self.start + self.now);
                self.touched = true;
                self.watch_timer();
                self.drain();
            } else if let Some(Reverse(due)) = self.queue.pop() {
                self.happen(due.what);
            }
            // What did not reach the box did not change it.
            if std::mem::take(&mut self.touched) {
                self.check();
            }
        }
        if self.watch.broken.is_none() {
            self.switch_off();
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Move(index) => {
                if let Some(next) = self.plan.moves.get(index + 1) {
                    self.at(next.at, Happening::Move(index + 1));
                }
                self.make_move(index);
            }
            Happening::Line(button, down) => self.line(button, down),
            Happening::Session(stream, event) => self.session_news(stream, event),
            Happening::ToCore(stream, message) => self.core_hears(stream, message),
            Happening::CoreSees(stream) => self.core_sees(stream),
            Happening::CoreLoses(stream) => self.core_loses(stream),
            Happening::Person(serial, does) => self.person_does(serial, does),
            Happening::Media(peer, event) => self.media_news(peer, event),
            Happening::Exam(exam) => self.examine(exam),
            Happening::Clock(clock) => self.set_clock(clock),
        }
    }

    fn at(&mut self, at: Duration, what: Happening) {
        self.order += 1;
        self.queue.push(Reverse(Due { at: at.max(self.now), order: self.order, what }));
    }

    fn after(&mut self, wait: Duration, what: Happening) {
        self.at(self.now + wait, what);
    }

    fn troubled(&self, trouble: Trouble) -> bool {
        self.troubles.get(&trouble).is_some_and(|until| *until > self.now)
    }

    fn calm(&self) -> bool {
        self.calm_until > self.now
    }

    /// Chance of something odd; never while the world must be well.
    fn odd(&mut self, percent: u64) -> bool {
        self.chance.percent(percent) && !self.calm()
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.0.entry(what).or_default() += 1;
    }

    fn tell(&mut self, who: &str, what: impl FnOnce() -> String) {
        if let Some(story) = self.story.as_mut().filter(|_| self.watch.broken.is_none()) {
            let s = self.now.as_secs();
            let clock =
                format!("{:3}:{:02}:{:02}.{:03}", s / 3600, s / 60 % 60, s % 60, self.now.subsec_millis());
            story.push(format!("{clock}  {who:<14}{}", what()));
        }
    }

    fn tell_timer(&mut self) {
        if self.story.is_some()
            && let Some(timer) = self.device.timer()
        {
            self.tell("timer", || format!("{timer:?}"));
        }
    }

    /// Hands an event to the box and obeys what it commands.
    fn event(&mut self, event: Event) {
        self.sense_event(&event);
        self.device.event(event, self.start + self.now);
        self.touched = true;
        self.drain();
    }

    fn drain(&mut self) {
        while self.watch.broken.is_none()
            && let Some(command) = self.device.command()
        {
            if self.story.is_some() {
                self.tell_command(&command);
            }
            self.watch_command(&command);
            match command {
                Command::Session(command) => self.session_obeys(command),
                Command::Media { peer, command } => self.media_obeys(peer, command),
                Command::Audio(_)
                | Command::Line(_)
                | Command::Reply { .. }
                | Command::Log(_)
                | Command::Remember(_) => {}
                Command::Exit => self.count("exits"),
            }
        }
        self.watch_replies();
    }

    fn tell_command(&mut self, command: &Command) {
        match command {
            Command::Log(record) => self.tell("box log", || record.text.clone()),
            Command::Session(command) => self.tell("box to core", || format!("{command:?}")),
            Command::Media { peer, command } => {
                self.tell("box to media", || format!("peer {}: {command:?}", peer.0));
            }
            Command::Audio(command) => self.tell("box to sound", || format!("{command:?}")),
            Command::Line(LineCommand::Led { led, pattern }) => {
                self.tell("box to lamp", || format!("{led}: {pattern:?}"));
            }
            Command::Line(LineCommand::Output { output, on, .. }) => {
                self.tell("box to output", || format!("{output}: {on}"));
            }
            Command::Reply { request, result } => {
                self.tell("box replies", || format!("request {}: {result:?}", request.0));
            }
            Command::Remember(memory) => self.tell("box to memory", || format!("{memory:?}")),
            Command::Exit => self.tell("box", || "exits".to_owned()),
        }
    }

    fn line(&mut self, button: &'static str, down: bool) {
        if self.lines.insert(button, down).unwrap_or_default() == down {
            return;
        }
        self.tell("finger", || format!("{button} {}", if down { "in" } else { "out" }));
        self.sense_edge(button, down);
        let edge = if down { LineEvent::Pressed } else { LineEvent::Released };
        self.event(Event::Line(edge(button.into())));
    }

    /// Pushes a button in and lets it go, with bounces at both ends.
    fn press(&mut self, button: &'static str, held: Duration, bounces: u64) {
        for (begin, down) in [(Duration::ZERO, true), (held, false)] {
            self.after(begin, Happening::Line(button, down));
            let mut at = begin;
            for _ in 0..bounces {
                at += self.chance.ms(0, 4);
                self.after(at, Happening::Line(button, !down));
                at += self.chance.ms(0, 4);
                self.after(at, Happening::Line(button, down));
            }
        }
        self.count("presses");
    }

    fn ask(&mut self, action: Action) {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.tell("control", || format!("request {}: {action:?}", request.0));
        self.watch.asked.insert(request);
        self.count("requests");
        self.event(Event::Control { request, action });
    }
}
