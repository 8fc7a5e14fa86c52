//! Boards: which line, chip, bias and sound device does what. Hardware
//! differences are data; a new board is a new file and no new code.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::appliance::id::{ButtonName, InputName, LedName, OutputName};
use crate::appliance::indicator::{LampProfile, LedFunction};
use crate::appliance::input::InputFunction;
pub use crate::appliance::output::OutputFunction;

use super::audio::AudioDevice;
use super::diagnostic::{Diagnostic, Place};
pub use super::header::Header;

/// A board with everything inherited filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its name: the file's without `.toml`.
    pub name: String,
    /// For people.
    pub description: String,
    /// The back-end that suits it, unless `callbox.toml` names another.
    pub backend: Option<Backend>,
    /// The header that its lines are on, where it is a known one.
    pub header: Option<Header>,
    /// What its lamps mean, unless `callbox.toml` says otherwise.
    pub profile: LampProfile,
    /// The microphone that suits it, unless `callbox.toml` names another.
    pub capture: Option<AudioDevice>,
    /// The loudspeaker that suits it, unless `callbox.toml` names another.
    pub playback: Option<AudioDevice>,
    /// Buttons.
    pub buttons: BTreeMap<ButtonName, BoardButton>,
    /// Inputs that are no buttons.
    pub inputs: BTreeMap<InputName, BoardInput>,
    /// Lamps.
    pub leds: BTreeMap<LedName, BoardLed>,
    /// Switched outputs.
    pub outputs: BTreeMap<OutputName, BoardOutput>,
    /// What may be meant so, and is worth a look.
    pub notes: Vec<Diagnostic>,
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
    /// Which edges its wire makes.
    pub edge: Edges,
    /// How long the line must rest before its next edge counts at once: edges until
    /// then are bounces. `[[button]]` may say otherwise. Default 30 ms.
    pub debounce: Duration,
    /// A level counts only once it has lasted for this long, 0 s to 100 ms.
    /// Default 0 s: the first edge of a press acts at once.
    pub glitch_filter: Duration,
    /// Where the file says so.
    pub place: Place,
}

/// The line of an input that is no button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardInput {
    /// Where.
    pub line: Line,
    /// What it tells.
    pub function: InputFunction,
    /// Resistor.
    pub bias: Bias,
    /// As for a button.
    pub debounce: Duration,
    /// As for a button.
    pub glitch_filter: Duration,
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
    /// How the line is driven.
    pub drive: Drive,
    /// Percent of its light, 1 to 100, by pulse-width modulation. Default 100.
    pub brightness: u8,
    /// The line is a channel of the kernel's PWM: its chip is `pwmchip0` or
    /// another of `/sys/class/pwm`. Default false.
    pub pwm: bool,
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
    /// Never on for longer than this. Every strike has one.
    pub max_on: Option<Duration>,
    /// How the line is driven.
    pub drive: Drive,
    /// The hardware behind it lets go by itself, whatever the line does: a
    /// relay with a timer. Default false.
    pub one_shot: bool,
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

/// The edges of a button's wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edges {
    /// One at the press and one when it is let go.
    Both,
    /// A pulse a press, however short, as from a bell transformer's detector:
    /// the button counts as let go at once and cannot be held.
    Press,
}

/// How an output's line is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// To both levels.
    PushPull,
    /// Only low; open else.
    OpenDrain,
    /// Only high; open else.
    OpenSource,
}
