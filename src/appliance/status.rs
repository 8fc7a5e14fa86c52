//! A snapshot of the appliance: the part of `callbox status --json` that it owns.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::check_call::CheckCallStatus;
use super::do_not_disturb::DoNotDisturbStatus;
use super::door::DoorStatus;
use super::fault::Fault;
use super::id::{CallId, InputName, LedName, OutputName, PhoneNumber};
use super::indicator::Pattern;
use super::self_test::SelfTestStatus;

/// What the appliance is doing now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Session to the voice core.
    pub session: SessionStatus,
    /// Why the session is not registered; empty when it is.
    pub session_detail: String,
    /// The state of the call at the box.
    pub call: CallStatus,
    /// Its other party, as a number, where known.
    pub peer: Option<PhoneNumber>,
    /// Its id, where there is a call.
    pub call_id: Option<CallId>,
    /// Every call, in the order in which they began.
    pub calls: Vec<CallEntry>,
    /// The microphone is muted.
    pub muted: bool,
    /// The person at the box may talk now: a call is up, and neither mute nor
    /// push-to-talk shuts the microphone.
    pub talk_allowed: bool,
    /// The loudspeaker's volume in percent.
    pub volume: u8,
    /// How the last self-test of the sound went; shown with the sound.
    #[serde(skip)]
    pub self_test: SelfTestStatus,
    /// The associated number is in a call on another terminal.
    pub busy_elsewhere: bool,
    /// Whether calls are turned away by the time of day.
    pub do_not_disturb: DoNotDisturbStatus,
    /// How check calls go, where they are made.
    pub check_call: Option<CheckCallStatus>,
    /// Lamps and what they show.
    pub leds: BTreeMap<LedName, Pattern>,
    /// Outputs and whether they are on.
    pub outputs: BTreeMap<OutputName, bool>,
    /// Inputs that are no buttons and whether they are active.
    pub inputs: BTreeMap<InputName, bool>,
    /// The door, where the board has one.
    pub door: Option<DoorStatus>,
    /// What is broken now.
    pub faults: Vec<FaultStatus>,
    /// How often each odd thing happened since the start.
    pub counters: BTreeMap<&'static str, u64>,
}

impl Status {
    /// The same with the ages of what has one, as of `now`: they grow while
    /// nothing happens.
    pub fn at(mut self, now: Instant) -> Self {
        if let Some(door) = &mut self.door {
            let left = |at: Instant| at.saturating_duration_since(now).as_secs_f64().ceil() as u64;
            door.locked_for_s = door.locked_until.map(left);
        }
        if let Some(check) = &mut self.check_call {
            check.last_good_s = check.last_good.map(|at| now.saturating_duration_since(at).as_secs());
        }
        self.self_test.age_s = self.self_test.at.map(|at| now.saturating_duration_since(at).as_secs());
        self
    }
}

/// One call of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallEntry {
    /// Its state.
    pub state: CallStatus,
    /// The other party, as a number, where known.
    pub peer: Option<PhoneNumber>,
    /// Its id.
    pub call_id: CallId,
    /// It waits for the person at the box to come back.
    pub held: bool,
    /// Its stream broke, and it is about to go over to new media.
    pub adopting: bool,
}

/// A fault with its explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultStatus {
    /// Which.
    pub fault: Fault,
    /// What is wrong and what would cure it.
    pub detail: String,
}

/// The session's state in public words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionStatus {
    /// No stream, waiting to connect again.
    Offline,
    /// Opening the stream.
    Connecting,
    /// The voice core knows this terminal.
    Registered,
}

/// The call's state in public words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallStatus {
    /// No call.
    Idle,
    /// Offer sent, nothing heard yet.
    Outgoing,
    /// The far end rings.
    Ringing,
    /// A call rings here.
    Incoming,
    /// Answered; media is coming up.
    Connecting,
    /// Both can talk.
    InCall,
    /// Hanging up.
    Releasing,
}
