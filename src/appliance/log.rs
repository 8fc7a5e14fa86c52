//! Entries of the event log: what a person reads to know what happened.

use serde::Serialize;

use super::do_not_disturb::DoNotDisturbStatus;
use super::fault::Fault;
use super::id::{ButtonName, CallId};
use super::self_test::SelfTestResult;
use super::statistics::CallStatistics;

/// One entry. The shell adds the time and a running number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// What kind of thing happened, for programs.
    #[serde(flatten)]
    pub kind: Kind,
    /// The same for people, in one line without secrets.
    pub text: String,
}

/// Kinds of entries; each serialises as `{"kind": "...", ...}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// A button was pressed and accepted.
    Button {
        /// Which.
        button: ButtonName,
        /// `press`, `hold` or `double-press`.
        gesture: &'static str,
    },
    /// The session's state changed.
    Session {
        /// `offline`, `connecting` or `registered`.
        state: &'static str,
    },
    /// The call's state changed.
    Call {
        /// The state's name as in `callbox status --json`.
        state: &'static str,
        /// The call.
        call_id: CallId,
    },
    /// A step inside a call: `offer-sent`, `ringing`, `answer`, `ice`, `first-audio` and so on.
    Step {
        /// The step's name.
        step: &'static str,
        /// The call.
        call_id: CallId,
    },
    /// A fault began.
    FaultRaised {
        /// Which.
        fault: Fault,
    },
    /// A fault ended.
    FaultCleared {
        /// Which.
        fault: Fault,
    },
    /// A message was ignored, and counted; at most one entry a second by counter.
    Ignored {
        /// The counter's name.
        counter: &'static str,
    },
    /// A request was refused.
    Refused,
    /// What became of a call's sound, when its media is closed.
    Statistics {
        /// The call.
        call_id: CallId,
        /// The figures.
        statistics: Box<CallStatistics>,
    },
    /// Something happened at the door.
    Door {
        /// `released`, `secured`, `wrong-code`, `locked-out`, `lock-out-over`, `tampered`,
        /// `tamper-reset`, `opened`, `forced`, `held-open`, `closed` or `memory-lost`.
        event: &'static str,
    },
    /// Do-not-disturb began or ended.
    DoNotDisturb {
        /// Which.
        state: DoNotDisturbStatus,
    },
    /// A self-test of the sound is over.
    SelfTest {
        /// How it went.
        result: SelfTestResult,
    },
}
