//! Lines: buttons in, lamps and outputs out. One trait, several back-ends.

use crate::appliance::id::{LedName, OutputName};

pub mod lamps;
#[cfg(feature = "mock-gpio")]
pub mod mock;

/// The output side of a back-end. The input side is a channel of
/// [`crate::appliance::event::LineEvent`] given to the back-end when it is opened.
pub trait Lines: Send {
    /// Lights a lamp or makes it dark. Active-low is the back-end's business.
    ///
    /// # Errors
    /// [`LineError`] when the line is gone.
    fn set_led(&mut self, led: &LedName, lit: bool) -> Result<(), LineError>;

    /// Switches an output.
    ///
    /// # Errors
    /// [`LineError`] when the line is gone.
    fn set_output(&mut self, output: &OutputName, on: bool) -> Result<(), LineError>;
}

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {name}: {reason}")]
pub struct LineError {
    /// The line's name from the board file.
    pub name: String,
    /// Why not.
    pub reason: String,
}
