//! Who may open the door, and how.

use std::fmt;
use std::hint::black_box;
use std::time::Duration;

use crate::appliance::id::{OutputName, PhoneNumber};

/// Settings of the door. Without a strike among the outputs nothing opens.
#[derive(Clone, Debug)]
pub struct DoorSettings {
    /// The strike that codes and the exit button open; none for the first one.
    pub output: Option<OutputName>,
    /// Digits that open the door; none by default.
    pub codes: Vec<Code>,
    /// In whose calls codes count.
    pub who: Who,
    /// How long the strike opens, and never longer than the board's `max-on`. Default 3 s.
    pub pulse: Duration,
    /// From the end of one opening to the next one by code or command. Default 1 s.
    pub pause: Duration,
    /// Digits further apart belong to different codes. Default 4 s.
    pub digit_pause: Duration,
    /// So many wrong codes lock codes out. At least 1, default 3.
    pub wrong_codes: u32,
    /// For how long the first time; then twice as long each time, up to 1 h. Default 1 min.
    pub lock_time: Duration,
    /// So long after the last wrong code they are forgotten. Default 1 h.
    pub forget_after: Duration,
    /// `open-door` of a button, the control socket or the panel. Default false.
    pub allow_command: bool,
    /// How the tamper alarm ends. Default by `reset-tamper`.
    pub tamper_clear: TamperClear,
    /// A door that is open for longer raises the alarm; `None` for never. Default 60 s.
    pub held_open_after: Option<Duration>,
    /// A door that opens without having been released raises the alarm. Default
    /// false: many doors have a handle inside.
    pub forced_alarm: bool,
}

impl Default for DoorSettings {
    fn default() -> Self {
        Self {
            output: None,
            codes: Vec::new(),
            who: Who::Usual,
            pulse: Duration::from_secs(3),
            pause: Duration::from_secs(1),
            digit_pause: Duration::from_secs(4),
            wrong_codes: 3,
            lock_time: Duration::from_secs(60),
            forget_after: Duration::from_secs(3600),
            allow_command: false,
            tamper_clear: TamperClear::Command,
            held_open_after: Some(Duration::from_secs(60)),
            forced_alarm: false,
        }
    }
}

/// In whose calls codes count. A check call is in none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// In calls that somebody at the box made, and in those of contacts.
    Usual,
    /// In calls with these numbers, whoever made them.
    Only(Vec<PhoneNumber>),
}

/// How the tamper alarm ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TamperClear {
    /// By the action `reset-tamper`, once the contact is closed.
    Command,
    /// Not while the box runs: its kept state must be removed.
    Never,
}

/// Digits that open the door. They do not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// A code of DTMF digits (ITU-T Q.23); anything else never matches.
    pub fn new(digits: impl Into<String>) -> Self {
        Self(digits.into())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `dialled` ends with this code, in a time that tells nothing of
    /// how many digits are right.
    pub(super) fn ends(&self, dialled: &str) -> bool {
        let Some(from) = dialled.len().checked_sub(self.0.len()) else { return false };
        let pairs = self.0.bytes().zip(dialled.bytes().skip(from));
        let differing = pairs.fold(0, |differing, (a, b)| black_box(differing | (a ^ b)));
        differing == 0 && !self.0.is_empty()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_at_the_end_only_and_never_printed() {
        let code = Code::new("12*");
        for (dialled, right) in
            [("12*", true), ("712*", true), ("12*7", false), ("2*", false), ("", false), ("13*", false)]
        {
            assert_eq!(code.ends(dialled), right, "{dialled}");
        }
        assert!(!Code::new("").ends("1"));
        assert_eq!(format!("{code:?}"), "Code([redacted])");
    }
}
