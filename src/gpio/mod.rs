//! Lines: buttons in, lamps and outputs out. One trait, several back-ends.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use crate::appliance::command::LineCommand;
use crate::appliance::event::LineEvent;
use crate::appliance::id::{LedName, OutputName};

#[cfg(feature = "gpiocdev")]
pub mod cdev;
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
mod chatter;
pub mod chips;
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
mod edges;
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
mod filter;
pub mod health;
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
pub mod jumper;
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
mod kernel_time;
pub mod lamps;
#[cfg(feature = "mock-gpio")]
pub mod mock;
#[cfg(feature = "rppal")]
pub mod pi;
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
mod pwm;
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
mod quiet;
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
mod settle;
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
mod watch;
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
pub mod wired;

/// An edge and when it was made: by the kernel's stamp where there is a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// What happened.
    pub event: LineEvent,
    /// When.
    pub at: Instant,
}

/// The output side of a back-end. The input side is a channel of [`Stamped`]
/// edges given to the back-end when it is opened.
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

    /// The state of every line before anybody asks for another; none for
    /// lines that need not be taken.
    fn at_rest(&self) -> Vec<LineCommand> {
        Vec::new()
    }

    /// A number for each thread of the input side that moves while the thread
    /// does, at least every three seconds.
    fn beats(&self) -> Vec<Arc<AtomicU64>> {
        Vec::new()
    }
}

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct LineError {
    /// What it is and its name from the board file, such as `button call`.
    pub name: String,
    /// Why not.
    pub reason: String,
}
