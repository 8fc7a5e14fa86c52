//! Whether an update may be installed now. What signs it is judged before, by RAUC.

use super::status::CallStatus;

/// What an update bundle says of itself, and RAUC vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Which machines it is for.
    pub compatible: String,
    /// Its version, numbers with dots between them.
    pub version: String,
}

/// What runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// What this machine is.
    pub compatible: String,
    /// The version of the slot that runs.
    pub version: String,
    /// The call at the box; `None` where no appliance runs, which an update may cure.
    pub call: Option<CallStatus>,
    /// Whether a slot is being tried still, and nothing is known to be good but the other one.
    pub trying: bool,
}

/// Why an update is not installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateRefusal {
    /// People talk.
    #[error("a call is up; an update waits until it has ended: try again then")]
    InCall,
    /// It would not start here.
    #[error("the bundle is for {bundle}, and this box is {running}")]
    WrongBoard {
        /// What the bundle is for.
        bundle: String,
        /// What this box is.
        running: String,
    },
    /// Old holes stay shut.
    #[error("the bundle is version {bundle}, and {running} runs already: only a newer one is installed")]
    NotNewer {
        /// The bundle's version.
        bundle: String,
        /// The version that runs.
        running: String,
    },
    /// Nobody can say which is newer.
    #[error("{0:?} is no version: use numbers with dots between them, such as 1.4.2")]
    NoVersion(String),
    /// The way back must not be overwritten.
    #[error("the slot that runs has not been found good yet, so the other one is kept: try again later")]
    OnTrial,
}

/// Whether a bundle may be installed on what runs.
///
/// # Errors
/// The first reason against it.
pub fn permit(bundle: &Bundle, running: &Running) -> Result<(), UpdateRefusal> {
    if bundle.compatible != running.compatible {
        return Err(UpdateRefusal::WrongBoard {
            bundle: bundle.compatible.clone(),
            running: running.compatible.clone(),
        });
    }
    if numbers(&bundle.version)? <= numbers(&running.version)? {
        return Err(UpdateRefusal::NotNewer {
            bundle: bundle.version.clone(),
            running: running.version.clone(),
        });
    }
    if running.trying {
        return Err(UpdateRefusal::OnTrial);
    }
    if running.call.is_some_and(|call| call != CallStatus::Idle) {
        return Err(UpdateRefusal::InCall);
    }
    Ok(())
}

/// A version's numbers, without zeros at the end: 1.2 is 1.2.0.
fn numbers(version: &str) -> Result<Vec<u32>, UpdateRefusal> {
    let parsed: Result<Vec<u32>, _> = version.split('.').map(str::parse).collect();
    let mut numbers = parsed.map_err(|_| UpdateRefusal::NoVersion(version.to_owned()))?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(compatible: &str, version: &str, call: Option<CallStatus>) -> Result<(), UpdateRefusal> {
        let bundle = Bundle { compatible: compatible.to_owned(), version: version.to_owned() };
        let running = Running {
            compatible: "callbox-rpi-arm64".to_owned(),
            version: "1.9.0".to_owned(),
            call,
            trying: false,
        };
        permit(&bundle, &running)
    }

    #[test]
    fn a_newer_bundle_for_this_board_is_installed_while_no_call_is_up() {
        for newer in ["1.9.1", "1.10", "2", "1.9.0.1"] {
            assert_eq!(judge("callbox-rpi-arm64", newer, Some(CallStatus::Idle)), Ok(()), "{newer}");
        }
        assert_eq!(judge("callbox-rpi-arm64", "2.0", None), Ok(()));
    }

    #[test]
    fn an_older_one_or_the_same_again_is_refused_with_both_versions() {
        for older in ["1.9.0", "1.9", "1.8.99", "0", "1.9.0.0"] {
            let refusal = judge("callbox-rpi-arm64", older, None).unwrap_err();
            assert_eq!(
                refusal,
                UpdateRefusal::NotNewer { bundle: older.to_owned(), running: "1.9.0".to_owned() }
            );
        }
    }

    #[test]
    fn what_is_no_version_is_not_compared() {
        for odd in ["", "1.9.", "v2", "2.0-rc1", "99999999999", "1..2", "-1"] {
            assert_eq!(judge("callbox-rpi-arm64", odd, None), Err(UpdateRefusal::NoVersion(odd.to_owned())));
        }
    }

    #[test]
    fn another_boards_bundle_is_refused_whatever_its_version() {
        let refusal = judge("callbox-virt-arm64", "9.9", None).unwrap_err();
        assert!(refusal.to_string().contains("for callbox-virt-arm64"), "{refusal}");
    }

    #[test]
    fn no_call_is_disturbed_in_any_of_its_states() {
        for call in [
            CallStatus::Outgoing,
            CallStatus::Ringing,
            CallStatus::Incoming,
            CallStatus::Connecting,
            CallStatus::InCall,
            CallStatus::Releasing,
        ] {
            assert_eq!(judge("callbox-rpi-arm64", "2.0", Some(call)), Err(UpdateRefusal::InCall), "{call:?}");
        }
    }

    #[test]
    fn the_way_back_is_not_overwritten_before_the_new_slot_is_good() {
        let bundle = Bundle { compatible: "x".to_owned(), version: "2".to_owned() };
        let running =
            Running { compatible: "x".to_owned(), version: "1".to_owned(), call: None, trying: true };
        assert_eq!(permit(&bundle, &running), Err(UpdateRefusal::OnTrial));
    }
}
