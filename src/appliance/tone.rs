//! Tones as commands: which one when. The cadence is rendered by `audio`.

use serde::Serialize;

/// A tone that a person at the box hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// One short blip at every press that does something.
    Press,
    /// Between the press and the far end's ringing.
    Progress,
    /// The far end rings (ITU-T E.180 ringing tone).
    Ringback,
    /// A call rings here.
    Ring,
    /// Over the call: another one waits (ITU-T E.180 call waiting tone).
    CallWaiting,
    /// Rejected, or the far end hung up (ITU-T E.180 busy tone).
    Busy,
    /// The call could not be made (ITU-T E.180 congestion tone).
    Congestion,
    /// Pressed, but the box cannot call: not registered or broken.
    Error,
    /// The call will end soon, its time is up; quiet, laid over the call.
    CallEnding,
}
