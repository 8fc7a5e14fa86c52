//! Inputs other than buttons: exit button, tamper contact, door contact, hook.

use serde::{Deserialize, Serialize};

/// What an input other than a button is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputFunction {
    /// Lets people out at any time.
    Exit,
    /// The case is open or the box is off its wall.
    Tamper,
    /// Active while the door is open.
    DoorContact,
    /// Active while the handset is off the hook.
    Hook,
}
