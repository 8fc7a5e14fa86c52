//! What is said over the control socket.

use serde::{Deserialize, Serialize};

use crate::appliance::action::Action;

/// The longest line either side reads, in bytes.
pub const LONGEST_LINE: usize = 64 * 1024;

/// A line from the client. One request a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Answered by one [`Answer::Status`].
    Status,
    /// Answered by [`Answer::Done`] or [`Answer::Refused`].
    Do {
        /// What to do.
        action: Action,
    },
    /// Pushes a button of the mock board in.
    Press {
        /// Which.
        button: String,
        /// Let it go after this many milliseconds; absent to keep it in.
        #[serde(default)]
        for_ms: Option<u64>,
    },
    /// Lets a button of the mock board go.
    Release {
        /// Which.
        button: String,
    },
    /// Answered by [`Answer::Event`] for every entry, then, unless following,
    /// by [`Answer::Done`].
    Events {
        /// Go on with new entries until the client leaves.
        #[serde(default)]
        follow: bool,
    },
}

/// A line from the appliance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done,
    /// It is not, and why.
    Refused {
        /// For people.
        why: String,
    },
    /// See `callbox status --json`.
    Status {
        /// The whole status.
        status: serde_json::Value,
    },
    /// See `callbox events --json`.
    Event {
        /// One entry.
        event: serde_json::Value,
    },
}
