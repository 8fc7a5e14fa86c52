//! What a button, a person on the control socket or the panel may ask for.

use serde::{Deserialize, Serialize};

use super::id::OutputName;

/// A thing the appliance can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Call: contacts' names or E.164 numbers.
    /// As a button's action it also answers a call that rings here.
    Call {
        /// Whom to call.
        to: Vec<String>,
        /// One after the other, or all at once.
        #[serde(default)]
        ring: Ring,
    },
    /// Answer the call that rings here.
    Answer,
    /// Hang up, cancel or reject.
    HangUp,
    /// Hold the call and go to the one that waits, or back to the one that is held.
    Swap,
    /// Join the calls that are held with the one that talks.
    Merge,
    /// Move the call to the mobile phone of the associated number.
    ToPhone,
    /// Take over the call that the associated number has elsewhere.
    TakeOver,
    /// Send DTMF digits in the call.
    Dtmf {
        /// 0 to 9, `*`, `#`, A to D.
        digits: String,
    },
    /// Mute the microphone, or open it again.
    Mute {
        /// True to mute; absent in configuration to toggle.
        #[serde(default)]
        on: Option<bool>,
    },
    /// Open the door for a moment, where `[door]` permits it.
    OpenDoor {
        /// Which strike; absent for the one that codes open.
        #[serde(default)]
        output: Option<OutputName>,
    },
    /// End the tamper alarm. Only over the control socket or the panel.
    ResetTamper,
    /// Push-to-talk: a button talks while it is held and listens when it is let go.
    Talk {
        /// True to talk, false to listen; absent in configuration, and otherwise to toggle.
        #[serde(default)]
        on: Option<bool>,
    },
    /// Make the loudspeaker louder or quieter.
    Volume {
        /// By a step, or to a level.
        change: VolumeChange,
    },
    /// Test loudspeaker and microphone with a quiet sweep.
    SelfTest,
}

/// What to do with the loudspeaker's volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeChange {
    /// One step louder.
    Up,
    /// One step quieter, but never silent.
    Down,
    /// This many percent of full, 0 to 100; more counts as 100.
    Percent(u8),
}

/// How several numbers are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ring {
    /// The next when one rejects or does not answer.
    #[default]
    InOrder,
    /// All at once, and the first to answer has the call. Only with `MultiPipe`.
    All,
}

impl Ring {
    /// More telephones than these do not ring at once.
    pub const AT_ONCE: usize = 8;
}
