//! Boards: which line, chip, bias and sound device does what. Hardware
//! differences are data; a new board is a new file and no new code.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::appliance::id::{ButtonName, LedName, OutputName};
use crate::appliance::indicator::LedFunction;
use crate::appliance::output::OutputFunction;

use super::audio::AudioDevice;
use super::diagnostic::Place;

/// A board with everything inherited filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its name: the file's without `.toml`.
    pub name: String,
    /// For people.
    pub description: String,
    /// The back-end that suits it, unless `callbox.toml` names another.
    pub backend: Option<Backend>,
    /// The microphone that suits it, unless `callbox.toml` names another.
    pub capture: Option<AudioDevice>,
    /// The loudspeaker that suits it, unless `callbox.toml` names another.
    pub playback: Option<AudioDevice>,
    /// Inputs.
    pub buttons: BTreeMap<ButtonName, BoardButton>,
    /// Lamps.
    pub leds: BTreeMap<LedName, BoardLed>,
    /// Switched outputs.
    pub outputs: BTreeMap<OutputName, BoardOutput>,
}

/// Which driver moves the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Raspberry Pi registers.
    Rppal,
    /// Any Linux GPIO character device.
    Gpiocdev,
    /// None: buttons are pressed over the control socket.
    Mock,
}

/// A button's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardButton {
    /// Where.
    pub line: Line,
    /// Resistor.
    pub bias: Bias,
    /// Edges within this time after an accepted edge are bounces. Default 30 ms.
    pub debounce: Duration,
    /// Where the file says so.
    pub place: Place,
}

/// A lamp's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardLed {
    /// Where.
    pub line: Line,
    /// What it shows.
    pub function: LedFunction,
    /// Lit from the moment the line is taken. Default false.
    pub initial: bool,
    /// Where the file says so.
    pub place: Place,
}

/// A switched output's line. Off from the moment the line is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardOutput {
    /// Where.
    pub line: Line,
    /// What it switches.
    pub function: OutputFunction,
    /// Never on for longer than this. A strike always has a limit (default 10 s).
    pub max_on: Option<Duration>,
    /// Where the file says so.
    pub place: Place,
}

/// A line of a GPIO chip.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line {
    /// The chip's label, which outlives kernels, unlike its number.
    pub chip: String,
    /// Which of its lines.
    pub id: LineId,
    /// Low means pressed, lit or on.
    pub active_low: bool,
}

/// How a line is found on its chip.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LineId {
    /// By its offset; on a Raspberry Pi that is the BCM number.
    Offset(u32),
    /// By the kernel's name for it, such as `GPIO17`.
    Name(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            LineId::Offset(offset) => write!(f, "{} line {offset}", self.chip),
            LineId::Name(name) => write!(f, "{} line {name}", self.chip),
        }
    }
}

/// The resistor at an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// Whatever the line has already.
    AsIs,
    /// None.
    Disabled,
    /// To the supply.
    PullUp,
    /// To ground.
    PullDown,
}
