//! What people at the box see and hear: written once more and independently of
//! the box, so that lamps, tones and state cannot agree on the wrong thing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use callbox::appliance::command::Role;
use callbox::appliance::event::{Body, Event, SessionEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::id::{CallId, LedName};
use callbox::appliance::indicator::Pattern;
use callbox::appliance::status::{CallStatus, SessionStatus, Status};
use callbox::appliance::tone::Tone;

use super::World;
use super::invariants::live;
use super::rule::Rule;

/// A press is felt within this time.
const FELT: Duration = Duration::from_millis(200);
/// No bounce comes so long after an edge, nor the time the box takes them for.
const SETTLED: Duration = Duration::from_millis(100);
/// The blip of a press.
const BLIP: Duration = Duration::from_millis(200);
/// How long the tone of a call's end sounds, and lamps show trouble.
const END: Duration = Duration::from_secs(2);
/// Nobody holds a button so long.
const STUCK: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Senses {
    pub lamps: BTreeMap<LedName, Pattern>,
    /// The tone that sounds, and since when.
    pub tone: Option<(Tone, Duration)>,
    /// When something last went wrong that lamps may show.
    trouble: Option<Duration>,
    calls: BTreeSet<CallId>,
    edges: BTreeMap<&'static str, Duration>,
    presses: Vec<Press>,
}

struct Press {
    button: &'static str,
    due: Duration,
    heard: bool,
    seen: bool,
}

pub fn shown(lamps: &BTreeMap<LedName, Pattern>, lamp: &str) -> Pattern {
    lamps.iter().find(|(led, _)| led.as_str() == lamp).map_or(Pattern::Off, |(_, pattern)| *pattern)
}

impl World<'_> {
    pub fn sense_tone(&mut self, tone: Option<Tone>) {
        let senses = &mut self.watch.senses;
        senses.tone = tone.map(|tone| (tone, self.now));
        if tone.is_some() {
            senses.presses.iter_mut().for_each(|press| press.heard = true);
        }
        let troubled = match tone {
            Some(Tone::Error | Tone::Congestion) => true,
            // A press too soon after the last is shown as one that is refused.
            Some(Tone::Press) => self.patient,
            _ => false,
        };
        if troubled {
            senses.trouble = Some(self.now);
        }
    }

    /// The box says in words what a tone would tell.
    pub fn sense_words(&mut self) {
        self.watch.senses.presses.iter_mut().for_each(|press| press.heard = true);
        self.watch.senses.trouble = Some(self.now);
    }

    pub fn sense_lamp(&mut self, led: &LedName, pattern: Pattern) {
        self.watch.senses.lamps.insert(led.clone(), pattern);
        self.watch.senses.presses.iter_mut().for_each(|press| press.seen = true);
    }

    /// Before the box gets an event.
    pub fn sense_event(&mut self, event: &Event) {
        let Event::Session(SessionEvent::Message(message)) = event else { return };
        match message.body {
            Body::Error(_) => self.watch.senses.trouble = Some(self.now),
            Body::Offer { .. } => self.watch.offered = Some(message.call_id.clone()),
            Body::Answer { .. }
            | Body::Ringing
            | Body::Bye
            | Body::Idle
            | Body::InCall { .. }
            | Body::ToPhone => {}
        }
    }

    pub fn sense_edge(&mut self, button: &'static str, down: bool) {
        let senses = &mut self.watch.senses;
        let before = senses.edges.insert(button, self.now);
        let clean = before.is_none_or(|at| self.now - at >= SETTLED);
        if clean && down {
            let due = self.now + FELT;
            // A lamp that shows the call already is an answer to the eye.
            let seen = ["calling", "answered"].iter().any(|lamp| shown(&senses.lamps, lamp) != Pattern::Off);
            senses.presses.push(Press { button, due, heard: false, seen });
        }
    }

    /// Time has passed; what was due before is late.
    pub fn sense_time(&mut self) {
        let now = self.now;
        let presses = &mut self.watch.senses.presses;
        presses.retain(|press| !(press.heard && press.seen));
        let late = presses.iter().find(|press| press.due < now);
        if let Some(Press { button, heard, seen, .. }) = late {
            let detail = format!("button {button}: heard {heard}, seen {seen}");
            self.break_rule(Rule::PressFelt, detail);
        }
    }

    pub fn check_senses(&mut self, status: &Status) {
        let calls: BTreeSet<CallId> = live(status).map(|call| call.call_id.clone()).collect();
        if !self.watch.senses.calls.is_subset(&calls) {
            self.watch.senses.trouble = Some(self.now);
        }
        self.watch.senses.calls = calls;
        self.check_tone(status);
        self.check_lamps(status);
        self.check_stuck(status);
    }

    fn check_lamps(&mut self, status: &Status) {
        if self.watch.senses.lamps != status.leds {
            let detail = format!("told {:?}, status {:?}", self.watch.senses.lamps, status.leds);
            self.break_rule(Rule::LampsAgree, detail);
        }
        let lamp = |name| shown(&self.watch.senses.lamps, name);
        let trouble = lamp("calling") == Pattern::DoubleFlash;
        let felt = matches!(self.watch.senses.tone, Some((Tone::Press, _)));
        let truth = truth(status, trouble, felt);
        let wrong = truth.into_iter().find(|(name, pattern)| lamp(name) != *pattern);
        if let Some((name, pattern)) = wrong {
            let detail = format!("{name} shows {:?}, should be {pattern:?}: {status:?}", lamp(name));
            self.break_rule(Rule::LampsTrue, detail);
        }
        let allowed = self.watch.senses.trouble.is_some_and(|at| self.now - at <= END);
        let needed = matches!(self.watch.senses.tone, Some((Tone::Error, since)) if self.now - since < END);
        if trouble && !allowed || needed && !trouble {
            let detail = format!("shown {trouble}, last one {:?}", self.watch.senses.trouble);
            self.break_rule(Rule::TroubleShort, detail);
        }
    }

    fn check_tone(&mut self, status: &Status) {
        let tone = self.watch.senses.tone;
        let fits = match tone {
            // Instead of a tone the far end's own may be heard.
            None => !matches!(status.call, CallStatus::Outgoing | CallStatus::Ringing) || self.early_media(),
            Some((Tone::Press, since)) => self.now - since <= BLIP,
            Some((Tone::Busy | Tone::Congestion | Tone::Error, since)) => self.now - since <= END,
            Some((Tone::Progress, _)) => status.call == CallStatus::Outgoing,
            Some((Tone::Ringback, _)) => status.call == CallStatus::Ringing,
            Some((Tone::Ring, _)) => status.call == CallStatus::Incoming,
            // A passing tone: the call may be over before it is.
            Some((Tone::CallEnding, since)) => self.now - since <= END,
            Some((Tone::CallWaiting, _)) => {
                let waits = status.calls.iter().any(|call| call.state == CallStatus::Incoming);
                waits && matches!(status.call, CallStatus::Connecting | CallStatus::InCall)
            }
        };
        if !fits {
            self.break_rule(Rule::ToneFits, format!("{tone:?} in {:?}", status.call));
        }
    }

    fn early_media(&self) -> bool {
        self.watch.connected.iter().any(|(_, role)| *role == Role::Listen)
    }

    fn check_stuck(&mut self, status: &Status) {
        let raised = status.faults.iter().any(|fault| fault.fault == Fault::StuckButton);
        let still = |button: &str, time| {
            self.watch.senses.edges.get(button).is_none_or(|at| self.now.saturating_sub(*at) > time)
        };
        let stuck = self.lines.iter().any(|(button, down)| *down && still(button, STUCK + SETTLED));
        let free = self.lines.iter().all(|(button, down)| !*down && still(button, SETTLED));
        if stuck && !raised || free && raised {
            self.break_rule(Rule::StuckFault, format!("raised {raised}, lines {:?}", self.lines));
        }
    }
}

/// What each lamp of the house must show.
fn truth(status: &Status, trouble: bool, felt: bool) -> [(&'static str, Pattern); 7] {
    use CallStatus::{Connecting, Idle, InCall, Incoming, Outgoing, Releasing, Ringing};
    let lit = |on| if on { Pattern::On } else { Pattern::Off };
    let online = status.session == SessionStatus::Registered;
    let fault = !status.faults.is_empty();
    let flash = |on, otherwise| if on { Pattern::DoubleFlash } else { otherwise };
    let (calling, ringing, answered, all) = match status.call {
        Idle | Releasing if felt => (Pattern::On, Pattern::Off, Pattern::Off, Pattern::On),
        Idle | Releasing => {
            (Pattern::Off, Pattern::Off, Pattern::Off, flash(fault || !online, Pattern::Heartbeat))
        }
        Outgoing => (Pattern::Slow, Pattern::Off, Pattern::Off, Pattern::Slow),
        Ringing => (Pattern::Slow, Pattern::Slow, Pattern::Off, Pattern::Slow),
        Incoming => (Pattern::Fast, Pattern::Off, Pattern::Off, Pattern::Fast),
        Connecting => (lit(felt), Pattern::Off, Pattern::Fast, Pattern::Fast),
        InCall => (lit(felt), Pattern::Off, Pattern::On, Pattern::On),
    };
    let waits = status.calls.iter().any(|call| call.state == CallStatus::Incoming);
    let calling = if waits { Pattern::Fast } else { calling };
    [
        ("status", flash(trouble, all)),
        ("online", lit(online)),
        ("calling", flash(trouble, calling)),
        ("ringing", ringing),
        ("answered", answered),
        ("busy", lit(status.busy_elsewhere)),
        ("fault", flash(fault || trouble, Pattern::Off)),
    ]
}
