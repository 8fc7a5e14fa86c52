//! Follows the event log for the history of calls and for the metrics.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::call_file;
use super::calls::{Call, Direction, History, Quality, ms};
use super::metrics::Metrics;
use crate::appliance::id::CallId;
use crate::appliance::log::Kind;
use crate::handle::{Entry, Handle};

/// Between two looks at the sound of a call.
const SAMPLE: Duration = Duration::from_secs(1);

/// A press that led to a call did so within this time.
const PRESS_TO_CALL_US: u64 = 2_000_000;

/// What was seen so far.
pub struct Observer {
    pub metrics: Metrics,
    handle: Handle,
    seen: Mutex<Seen>,
    /// Takes calls that are over, to be there after a restart.
    keeper: Option<mpsc::Sender<Call>>,
}

#[derive(Default)]
struct Seen {
    history: History,
    pressed_us: Option<u64>,
}

impl Observer {
    /// `file` has the calls of earlier runs, if they are kept.
    pub fn new(handle: Handle, board: &str, file: Option<PathBuf>) -> Result<Self, prometheus::Error> {
        let history = file.as_deref().map(call_file::load).map(History::of).unwrap_or_default();
        let seen = Mutex::new(Seen { history, pressed_us: None });
        Ok(Self { metrics: Metrics::new(board)?, handle, seen, keeper: file.map(call_file::keep) })
    }

    /// Runs until the future is dropped or the appliance has ended.
    pub async fn run(&self) {
        let (past, mut entries) = self.handle.log().follow();
        for entry in &past {
            self.see(entry);
        }
        let mut sample = interval(SAMPLE);
        sample.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut talking = false;
        loop {
            tokio::select! {
                biased;
                entry = entries.recv() => match entry {
                    Ok(entry) => talking = self.see(&entry),
                    // A box that says more than can be counted has other troubles.
                    Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "panel: entries missed"),
                    Err(RecvError::Closed) => return,
                },
                // Nothing is measured, and nobody wakes, while nobody talks.
                _ = sample.tick(), if talking => self.sample(),
            }
        }
    }

    /// The history, the newest call first.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().history.all()
    }

    fn sample(&self) {
        let audio = self.handle.snapshot().audio;
        for call in self.lock().history.talking() {
            call.quality.get_or_insert_with(|| Quality::new(&audio)).sample(&audio);
        }
    }

    /// True if both can talk in some call now.
    fn see(&self, entry: &Entry) -> bool {
        self.metrics.entry(entry);
        let mut seen = self.lock();
        match &entry.record.kind {
            Kind::Button { .. } => seen.pressed_us = Some(entry.t_us),
            Kind::Call { state, call_id } => self.call_is(&mut seen, entry, state, call_id),
            Kind::Step { step, call_id } => self.step(&mut seen, entry, step, call_id),
            Kind::Statistics { call_id, statistics } => {
                let call = seen.history.newest(call_id);
                if let Some(quality) = call.and_then(|call| call.quality.as_mut()) {
                    quality.mos_cq = Some(statistics.mos_cq as f32 / 100.0);
                }
            }
            Kind::Session { .. }
            | Kind::FaultRaised { .. }
            | Kind::FaultCleared { .. }
            | Kind::Ignored { .. }
            | Kind::Refused
            | Kind::Door { .. }
            | Kind::SelfTest { .. }
            | Kind::DoNotDisturb { .. } => {}
        }
        seen.history.talking().next().is_some()
    }

    fn call_is(&self, seen: &mut Seen, entry: &Entry, state: &str, id: &CallId) {
        if seen.history.going_on(id).is_none() && state != "releasing" && state != "idle" {
            let call = self.begin(seen, entry, state, id);
            seen.history.begin(call);
        }
        let Some(call) = seen.history.going_on(id) else { return };
        if call.peer.is_none() {
            call.peer = self.peer(id);
        }
        call.step(entry.t_us, &entry.record.text);
        match state {
            "in-call" => {
                call.answered = true;
                call.in_call_us.get_or_insert(entry.t_us);
            }
            "releasing" => {
                if call.answered {
                    let audio = self.handle.snapshot().audio;
                    call.quality.get_or_insert_with(|| Quality::new(&audio));
                }
                call.result = Some(entry.record.text.clone());
                self.metrics.call_over(call);
                if let Some(keeper) = &self.keeper
                    && keeper.try_send(call.clone()).is_err()
                {
                    tracing::warn!("a call is not kept: the card is too slow");
                }
            }
            _ => {}
        }
    }

    fn begin(&self, seen: &mut Seen, entry: &Entry, state: &str, id: &CallId) -> Call {
        let outgoing = state != "incoming";
        let pressed = seen
            .pressed_us
            .take()
            .filter(|pressed| outgoing && entry.t_us.saturating_sub(*pressed) < PRESS_TO_CALL_US);
        Call {
            call_id: id.clone(),
            direction: if outgoing { Direction::Outgoing } else { Direction::Incoming },
            peer: self.peer(id),
            time: entry.time.clone(),
            answered: false,
            result: None,
            lasted_ms: 0.0,
            talked_ms: 0.0,
            press_to_offer_ms: None,
            press_to_first_audio_ms: None,
            quality: None,
            steps: Vec::new(),
            origin_us: pressed.unwrap_or(entry.t_us),
            began_us: entry.t_us,
            in_call_us: None,
            pressed: pressed.is_some(),
        }
    }

    fn step(&self, seen: &mut Seen, entry: &Entry, step: &str, id: &CallId) {
        if seen.history.going_on(id).is_none() && step == "offer-sent" {
            let call = self.begin(seen, entry, "outgoing", id);
            seen.history.begin(call);
        }
        let Some(call) = seen.history.going_on(id) else { return };
        let since_press = call.pressed.then(|| ms(call.origin_us, entry.t_us));
        match step {
            "offer-sent" if call.press_to_offer_ms.is_none() => {
                call.press_to_offer_ms = since_press;
                since_press.inspect(|took| self.metrics.press_to_offer.observe(took / 1000.0));
            }
            "first-audio" if call.press_to_first_audio_ms.is_none() => {
                call.press_to_first_audio_ms = since_press;
                since_press.inspect(|took| self.metrics.press_to_first_audio.observe(took / 1000.0));
            }
            _ => {}
        }
        // The end's own entry follows with the same words.
        if step != "hang-up" {
            call.step(entry.t_us, &entry.record.text);
        }
    }

    fn peer(&self, id: &CallId) -> Option<String> {
        let status = self.handle.snapshot().appliance;
        let call = status.calls.iter().find(|call| call.call_id == *id)?;
        call.peer.as_ref().map(ToString::to_string)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
