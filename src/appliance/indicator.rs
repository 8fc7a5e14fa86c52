//! Lamp patterns: what a lamp shows for what state.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a lamp shows. All lamps blink in step: phase zero is a common instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Dark.
    Off,
    /// Lit.
    On,
    /// 1 s lit, 1 s dark.
    Slow,
    /// 200 ms lit, 200 ms dark.
    Fast,
    /// 50 ms lit every 3 s: alive, nothing to do.
    Heartbeat,
    /// Two short flashes every 2 s: a fault.
    DoubleFlash,
}

impl Pattern {
    /// Whether the lamp is lit this long after phase zero.
    pub fn lit_at(self, since_phase_zero: Duration) -> bool {
        let ms = since_phase_zero.as_millis();
        match self {
            Pattern::Off => false,
            Pattern::On => true,
            Pattern::Slow => ms % 2000 < 1000,
            Pattern::Fast => ms % 400 < 200,
            Pattern::Heartbeat => ms % 3000 < 50,
            Pattern::DoubleFlash => matches!(ms % 2000, 0..100 | 200..300),
        }
    }
}

/// What a lamp is for; the board file gives each lamp one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LedFunction {
    /// Session, call and faults in one lamp, for boxes with only one.
    Status,
    /// Lit while registered.
    Online,
    /// A call is being made, or rings here.
    Calling,
    /// The far end rings.
    Ringing,
    /// Both can talk.
    Answered,
    /// The associated number is in a call elsewhere.
    BusyElsewhere,
    /// A fault is present.
    Fault,
}
