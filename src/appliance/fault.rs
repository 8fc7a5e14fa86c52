//! What is broken now, and what that does to lamps and readiness.

use std::collections::BTreeMap;

use serde::Serialize;

use super::status::FaultStatus;

/// A condition that somebody must know of. Raised and cleared, never both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// No connection to the voice core.
    CoreUnreachable,
    /// The voice core's name is not resolved.
    NameNotResolved,
    /// The voice core's or token server's certificate is refused.
    CertificateRefused,
    /// Client id or secret refused, or the core refuses the token.
    CredentialsRefused,
    /// The token server does not answer as it should.
    TokenUnavailable,
    /// The secret's file cannot be read, or others can read it too.
    SecretUnreadable,
    /// The voice core asks for fewer requests.
    RateLimited,
    /// The microphone's device is missing or broken.
    CaptureDevice,
    /// The loudspeaker's device is missing or broken.
    PlaybackDevice,
    /// The microphone runs, but gives no sound: exact silence, a stuck value or a large offset.
    MicrophoneDead,
    /// The self-test's sweep does not reach the microphone.
    LoudspeakerDead,
    /// The file of a tone or an announcement cannot be played; the built-in
    /// sound takes its place.
    SoundFile,
    /// No peer connection can be made ready.
    MediaNotReady,
    /// A button has been held for longer than anybody would.
    StuckButton,
    /// An input that nobody holds for long is active for longer.
    StuckInput,
    /// A button or an input changes more often than anybody could make it.
    ChatteringLine,
    /// The box was opened or torn off its wall: codes and commands open no door.
    Tampered,
    /// The door stands open for too long.
    DoorHeldOpen,
    /// The door opened without being released.
    DoorForced,
    /// What should outlive a restart cannot be kept.
    StateNotKept,
    /// The machine around says that something is wrong: the data partition, the
    /// configuration or a set-up that was refused.
    MachineTrouble,
    /// An input or output line cannot be used.
    LineLost,
    /// No check call has been good for too long.
    CheckCallOverdue,
    /// The clock is before this program was built.
    ClockNotSet,
}

/// The faults of this moment, each with what a person should know.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    present: BTreeMap<Fault, String>,
}

impl Faults {
    /// Raises a fault or renews its detail; true if it is new.
    pub fn raise(&mut self, fault: Fault, detail: String) -> bool {
        self.present.insert(fault, detail).is_none()
    }

    /// Ends a fault; its detail if there was one.
    pub fn clear(&mut self, fault: Fault) -> Option<String> {
        self.present.remove(&fault)
    }

    pub fn is_raised(&self, fault: Fault) -> bool {
        self.present.contains_key(&fault)
    }

    pub fn any(&self) -> bool {
        !self.present.is_empty()
    }

    pub fn all(&self) -> Vec<FaultStatus> {
        self.present
            .iter()
            .map(|(fault, detail)| FaultStatus { fault: *fault, detail: detail.clone() })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_new_once_keeps_its_last_detail_and_ends_once() {
        let mut faults = Faults::default();
        assert!(!faults.any() && !faults.is_raised(Fault::LineLost));
        assert!(faults.raise(Fault::LineLost, "first".to_owned()));
        assert!(!faults.raise(Fault::LineLost, "second".to_owned()));
        assert!(faults.raise(Fault::StuckButton, "call".to_owned()));
        assert!(faults.any() && faults.is_raised(Fault::LineLost));
        let all: Vec<_> = faults.all().into_iter().map(|status| (status.fault, status.detail)).collect();
        let told = [(Fault::StuckButton, "call".to_owned()), (Fault::LineLost, "second".to_owned())];
        assert_eq!(all, told);
        assert_eq!(faults.clear(Fault::LineLost), Some("second".to_owned()));
        assert_eq!(faults.clear(Fault::LineLost), None);
        assert!(faults.any() && !faults.is_raised(Fault::LineLost));
        faults.clear(Fault::StuckButton);
        assert!(!faults.any());
    }
}
