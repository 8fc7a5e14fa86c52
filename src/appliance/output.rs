//! Switched outputs and what they are for.

use serde::{Deserialize, Serialize};

/// What an output switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputFunction {
    /// A door strike.
    Strike,
    /// A light at the door.
    Light,
    /// A bell.
    Bell,
    /// The loudspeaker amplifier.
    Amplifier,
    /// A strobe or beacon: on while a call rings and while it talks.
    Strobe,
    /// A sounder: on while a call rings.
    Sounder,
}
