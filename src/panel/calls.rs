//! The history of calls, made from the event log: what happened when, and how
//! good it sounded.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::site::Site;
use crate::appliance::id::CallId;
use crate::handle::AudioStatus;

/// Calls kept.
pub const KEPT: usize = 100;

/// Steps kept of one call.
const STEPS: usize = 64;

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Outgoing,
    Incoming,
}

/// One call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    pub call_id: CallId,
    pub direction: Direction,
    /// The other party's number, where known.
    pub peer: Option<String>,
    /// When it began, as in the event log.
    pub time: String,
    /// Both could talk.
    pub answered: bool,
    /// Why it ended, in the event log's words; none while it goes on.
    pub result: Option<String>,
    /// From its beginning, ms.
    pub lasted_ms: f64,
    /// Of it, how long both could talk, ms.
    pub talked_ms: f64,
    /// From the press that led to it, ms; none for a call that no press began.
    pub press_to_offer_ms: Option<f64>,
    pub press_to_first_audio_ms: Option<f64>,
    /// How it sounded; none before it was answered.
    pub quality: Option<Quality>,
    /// What happened, in ms from the press or else from the beginning.
    pub steps: Vec<Step>,
    #[serde(skip)]
    pub origin_us: u64,
    #[serde(skip)]
    pub began_us: u64,
    #[serde(skip)]
    pub in_call_us: Option<u64>,
    #[serde(skip)]
    pub pressed: bool,
}

/// One step of a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    pub at_ms: f64,
    pub text: String,
}

/// Sound over a call, sampled every second.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Quality {
    /// Share of the sound that had to be made up, 0 to 1.
    pub concealed_ratio: f32,
    /// Mean and greatest jitter, ms.
    pub jitter_ms: f32,
    pub worst_jitter_ms: f32,
    /// Mean time from a packet to its sound, ms.
    pub playout_delay_ms: f32,
    /// Under-runs and over-runs of the sound devices in the call.
    pub xruns: u64,
    /// The last echo return loss, dB.
    pub echo_return_loss_db: Option<f32>,
    /// Mean opinion score of the whole call (ITU-T G.107), 1.00 to 4.41; none while it goes on.
    pub mos_cq: Option<f32>,
    #[serde(skip)]
    samples: f32,
    #[serde(skip)]
    xruns_before: u64,
}

impl Quality {
    /// Begins with the figures of this moment.
    pub fn new(now: &AudioStatus) -> Self {
        Self {
            concealed_ratio: 0.0,
            jitter_ms: 0.0,
            worst_jitter_ms: 0.0,
            playout_delay_ms: 0.0,
            xruns: 0,
            echo_return_loss_db: None,
            mos_cq: None,
            samples: 0.0,
            xruns_before: now.xruns,
        }
    }

    /// One more second.
    pub fn sample(&mut self, now: &AudioStatus) {
        self.samples += 1.0;
        let toward = |mean: &mut f32, value: f32, samples: f32| *mean += (value - *mean) / samples;
        toward(&mut self.jitter_ms, now.jitter_ms, self.samples);
        toward(&mut self.playout_delay_ms, now.playout_delay_ms, self.samples);
        self.worst_jitter_ms = self.worst_jitter_ms.max(now.jitter_ms);
        self.concealed_ratio = now.concealed_ratio;
        self.xruns = now.xruns.saturating_sub(self.xruns_before);
        self.echo_return_loss_db = now.echo_return_loss_db.or(self.echo_return_loss_db);
    }
}

/// Calls, the newest last.
#[derive(Default)]
pub struct History {
    calls: VecDeque<Call>,
}

impl History {
    /// Of earlier runs, the oldest first.
    pub fn of(calls: VecDeque<Call>) -> Self {
        Self { calls }
    }

    /// A call begins.
    pub fn begin(&mut self, call: Call) {
        if self.calls.len() == KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    /// The call of this id that goes on.
    pub fn going_on(&mut self, id: &CallId) -> Option<&mut Call> {
        self.calls.iter_mut().rev().find(|call| call.result.is_none() && call.call_id == *id)
    }

    /// The newest call of this id, over or not.
    pub fn newest(&mut self, id: &CallId) -> Option<&mut Call> {
        self.calls.iter_mut().rev().find(|call| call.call_id == *id)
    }

    /// Calls in which both can talk.
    pub fn talking(&mut self) -> impl Iterator<Item = &mut Call> {
        self.calls.iter_mut().filter(|call| call.result.is_none() && call.in_call_us.is_some())
    }

    /// All, the newest first.
    pub fn all(&self) -> Vec<Call> {
        self.calls.iter().rev().cloned().collect()
    }
}

impl Call {
    /// Notes what happened at `t_us`.
    pub fn step(&mut self, t_us: u64, text: &str) {
        self.lasted_ms = ms(self.began_us, t_us);
        if let Some(in_call) = self.in_call_us {
            self.talked_ms = ms(in_call, t_us);
        }
        if self.steps.len() < STEPS {
            self.steps.push(Step { at_ms: ms(self.origin_us, t_us), text: text.to_owned() });
        }
    }
}

/// Milliseconds between two times of the event log.
pub fn ms(from_us: u64, to_us: u64) -> f64 {
    to_us.saturating_sub(from_us) as f64 / 1000.0
}

/// `GET /api/calls`.
pub async fn calls(State(site): State<Arc<Site>>) -> Response {
    Json(site.observer.calls()).into_response()
}
