//! One input line on its thread: taken, followed edge by edge, given up when
//! it is lost, taken again when it is back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use super::chatter::{Chatter, Verdict};
use super::filter::{Filter, Spans};
use super::health::LineHealth;
use super::settle::{Kind, Told};
use super::wired::{Backoff, Contact, Driver, Edge, Input};
use super::{LineError, Stamped, kernel_time};
use crate::appliance::event::LineEvent;
use crate::appliance::id::{ButtonName, InputName};
use crate::appliance::input::InputFunction;
use crate::config::board::{Edges, Line};
use crate::realtime;

/// How soon a thread notices that it should end.
const LOOK_UP: Duration = Duration::from_millis(250);

/// How often a line that chatters is looked at.
const CHATTER_LOOK: Duration = Duration::from_millis(50);

/// Whose line it is.
pub(super) enum Who {
    Button(ButtonName),
    Input(InputName, InputFunction),
}

impl Who {
    /// What counts as told before anything was: a button is let go, and the
    /// level of any other input is news.
    fn at_first(&self) -> Option<bool> {
        match self {
            Who::Button(_) => Some(false),
            Who::Input(..) => None,
        }
    }

    /// What to tell when the line cannot be seen. A button counts as let go:
    /// nobody may be heard for ever because the wire of push-to-talk broke.
    /// What a contact of case or door said last stays, and the fault says the rest.
    fn unseen(&self) -> Option<bool> {
        match self {
            Who::Button(_) | Who::Input(_, InputFunction::Exit | InputFunction::Hook) => Some(false),
            Who::Input(_, InputFunction::Tamper | InputFunction::DoorContact) => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Who::Button(name) => name.as_str(),
            Who::Input(name, _) => name.as_str(),
        }
    }

    fn event(&self, active: bool) -> LineEvent {
        match self {
            Who::Button(name) if active => LineEvent::Pressed(name.clone()),
            Who::Button(name) => LineEvent::Released(name.clone()),
            Who::Input(name, _) => LineEvent::Input { input: name.clone(), active },
        }
    }

    fn bounce(&self) -> LineEvent {
        match self {
            Who::Button(name) => LineEvent::ButtonBounced(name.clone()),
            Who::Input(name, _) => LineEvent::InputBounced(name.clone()),
        }
    }

    /// A finger's edge acts at once; a spark at a contact of case or door must not.
    pub(super) fn spans(&self, edges: Edges, glitch: Duration, debounce: Duration) -> Spans {
        let lasting = match self {
            // Every edge of it is told: who wants out is let out once too often rather than not at all.
            Who::Input(_, InputFunction::Exit) => {
                return Spans { kind: Kind::AtOnce, glitch, debounce: Duration::ZERO };
            }
            Who::Button(_) => Kind::AtOnce,
            Who::Input(_, InputFunction::Tamper | InputFunction::DoorContact | InputFunction::Hook) => {
                Kind::Lasting
            }
        };
        let kind = match edges {
            Edges::Both => lasting,
            Edges::Press => Kind::Pulses,
        };
        Spans { kind, glitch, debounce }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Button(name) => write!(f, "button {name}"),
            Who::Input(name, _) => write!(f, "input {name}"),
        }
    }
}

/// Why a watch ends: it was told to, or nobody listens any more.
struct Ended;

/// Where a watch tells its news, and by what it ends.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub driver: Arc<dyn Driver>,
    pub end: Arc<AtomicBool>,
    pub edges: mpsc::Sender<Stamped>,
    pub health: mpsc::Sender<LineHealth>,
}

/// One line.
pub(super) struct Watch {
    who: Who,
    line: Line,
    contact: Contact,
    spans: Spans,
    around: Surroundings,
    /// What was last told.
    told: Option<bool>,
    /// Why the line cannot be used, as last told.
    lost: Option<String>,
    backoff: Backoff,
    beat: Arc<AtomicU64>,
}

impl Watch {
    pub(super) fn new(who: Who, line: Line, contact: Contact, spans: Spans, around: Surroundings) -> Self {
        Self {
            told: who.at_first(),
            who,
            line,
            contact,
            spans,
            around,
            lost: None,
            backoff: Backoff::default(),
            beat: Arc::default(),
        }
    }

    /// A number that moves while this does.
    pub(super) fn beat(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.beat)
    }

    /// Follows the line until it is told to end, or nobody listens any more.
    pub(super) fn run(mut self) {
        if !realtime::promote(realtime::LINES) {
            tracing::debug!(line = %self.who, "no real-time priority");
        }
        while !self.around.end.load(Ordering::Relaxed) {
            self.beat.fetch_add(1, Ordering::Relaxed);
            if self.once().is_err() {
                return;
            }
            thread::park_timeout(self.backoff.wait());
        }
    }

    /// Takes the line and follows it until it is lost.
    fn once(&mut self) -> Result<(), Ended> {
        let reason = match self.around.driver.input(&self.line, self.contact) {
            Ok(input) => self.follow(input)?,
            Err(reason) => reason,
        };
        self.lose(reason)
    }

    /// Passes edges on; returns why the line was lost.
    fn follow(&mut self, mut input: Box<dyn Input>) -> Result<String, Ended> {
        let level = match input.level() {
            Ok(level) => level,
            Err(reason) => return Ok(reason),
        };
        self.tell_level(level)?;
        self.found()?;
        let mut filter = Filter::new(self.spans, level);
        let mut chatter = Chatter::default();
        let mut seen: Vec<Edge> = Vec::new();
        while !self.around.end.load(Ordering::Relaxed) {
            self.beat.fetch_add(1, Ordering::Relaxed);
            // Taken before the wait: edges up to here are in by its end.
            let now = kernel_time::now();
            let due = filter.due().map(|due| due.saturating_sub(now));
            if let Err(reason) = input.wait(due.map_or(LOOK_UP, |due| due.min(LOOK_UP)), &mut seen) {
                return Ok(reason);
            }
            self.backoff = Backoff::default();
            match chatter.judge(seen.len(), kernel_time::now()) {
                Verdict::Sound => self.pass_on(&mut seen, &mut filter, now)?,
                Verdict::Begins => {
                    self.lose(
                        "chatters: more than 1000 edges in a second; see to its wire and contact".to_owned(),
                    )?;
                }
                Verdict::Chatters => {}
                Verdict::Rests(unheard) => {
                    tracing::warn!(line = %self.who, unheard, "rests again");
                    let level = match input.level() {
                        Ok(level) => level,
                        Err(reason) => return Ok(reason),
                    };
                    filter = Filter::new(self.spans, level);
                    self.tell_level(level)?;
                    self.found()?;
                }
            }
            if self.lost.is_some() {
                seen.clear();
                thread::park_timeout(CHATTER_LOOK);
            }
        }
        Err(Ended)
    }

    fn pass_on(&mut self, seen: &mut Vec<Edge>, filter: &mut Filter, now: Duration) -> Result<(), Ended> {
        let mut told = Vec::new();
        for edge in seen.drain(..) {
            tracing::trace!(button = self.who.name(), active = edge.active, at = ?edge.at, "edge");
            filter.edge(edge, &mut told);
        }
        filter.look(now, &mut told);
        for told in told {
            match told {
                Told::Counts(edge) => self.tell_edge(edge)?,
                Told::Bounce(at) => self.send(self.who.bounce(), at)?,
            }
        }
        Ok(())
    }

    /// The level that the line is found at. Where only pulses count, one that
    /// lasts is none.
    fn tell_level(&mut self, level: bool) -> Result<(), Ended> {
        match self.contact.edge {
            Edges::Both => self.tell(level, kernel_time::now()),
            Edges::Press => Ok(()),
        }
    }

    fn tell_edge(&mut self, edge: Edge) -> Result<(), Ended> {
        self.tell(edge.active, edge.at)?;
        match self.contact.edge {
            Edges::Both => Ok(()),
            Edges::Press => self.tell(false, edge.at),
        }
    }

    /// Tells only changes: the level at the start and an edge on its way may say the same.
    fn tell(&mut self, active: bool, at: Duration) -> Result<(), Ended> {
        if self.told == Some(active) {
            return Ok(());
        }
        self.told = Some(active);
        self.send(self.who.event(active), at)
    }

    /// Waits for room like all who talk to the driver; its end closes the channel.
    fn send(&self, event: LineEvent, at: Duration) -> Result<(), Ended> {
        let stamped = Stamped { event, at: kernel_time::instant(at) };
        self.around.edges.blocking_send(stamped).map_err(|_| Ended)
    }

    fn lose(&mut self, reason: String) -> Result<(), Ended> {
        if let Some(level) = self.who.unseen()
            && self.told == Some(!level)
        {
            self.tell(level, kernel_time::now())?;
        }
        if self.lost.as_ref() != Some(&reason) {
            self.lost = Some(reason.clone());
            self.report(LineHealth::Lost(LineError { name: self.who.to_string(), reason }))?;
        }
        Ok(())
    }

    fn found(&mut self) -> Result<(), Ended> {
        match self.lost.take() {
            Some(_) => self.report(LineHealth::Back(self.who.to_string())),
            None => Ok(()),
        }
    }

    fn report(&self, news: LineHealth) -> Result<(), Ended> {
        self.around.health.blocking_send(news).map_err(|_| Ended)
    }
}
