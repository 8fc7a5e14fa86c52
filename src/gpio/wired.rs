//! A board with real lines: takes each by itself, so that one that is missing
//! or busy holds up no other, and takes lost ones again when they come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::edges::EdgeThreads;
use super::health::LineHealth;
use super::{LineError, Lines, Stamped, pwm};
use crate::appliance::command::LineCommand;
use crate::appliance::id::{LedName, OutputName};
use crate::appliance::indicator::Pattern;
use crate::config::Board;
use crate::config::board::{Bias, BoardLed, BoardOutput, Drive, Edges, Line};

/// A way to reach the lines of this machine. Reasons for errors are for
/// people: what this machine has and what would cure it. A line is given back
/// when what was taken is dropped.
pub trait Driver: Send + Sync {
    /// Takes a line as an input.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn input(&self, line: &Line, contact: Contact) -> Result<Box<dyn Input>, String>;

    /// Takes a line as an output that begins at this level.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn output(&self, line: &Line, driven: Driven, on: bool) -> Result<Box<dyn Output>, String>;
}

/// What hangs on an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Resistor.
    pub bias: Bias,
    /// Which edges are to be told.
    pub edge: Edges,
}

/// How an output is to be driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Driven {
    /// To which levels.
    pub drive: Drive,
    /// Percent of the time while it is on, 1 to 100.
    pub brightness: u8,
    /// It is a channel of the kernel's PWM, which no driver need know of.
    pub pwm: bool,
}

/// An input that was taken; active-low is resolved.
pub trait Input {
    /// Whether the line is active now.
    ///
    /// # Errors
    /// Why the line is lost.
    fn level(&mut self) -> Result<bool, String>;

    /// Adds the edges that come within `limit`; returns after the first ones.
    /// Every edge made before the call is among them.
    ///
    /// # Errors
    /// Why the line is lost.
    fn wait(&mut self, limit: Duration, edges: &mut Vec<Edge>) -> Result<(), String>;
}

/// An edge of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// To active, or away from it.
    pub active: bool,
    /// When the kernel saw it, on its monotonic clock.
    pub at: Duration,
}

/// An output that was taken; active-low is resolved.
pub trait Output: Send {
    /// Makes the line active or not.
    ///
    /// # Errors
    /// Why the line is lost.
    fn set(&mut self, on: bool) -> Result<(), String>;
}

/// Grows from try to try, so that a missing chip costs next to nothing and
/// one that is back is used soon.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(2);

    /// How long to wait before the next try.
    pub(super) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(Self::LONGEST);
        wait
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: Self::FIRST }
    }
}

/// The lamps and outputs of a board; its buttons have threads of their own,
/// which end when this is dropped.
pub struct WiredLines {
    driver: Arc<dyn Driver>,
    leds: BTreeMap<LedName, Slot>,
    outputs: BTreeMap<OutputName, Slot>,
    at_rest: Vec<LineCommand>,
    buttons: EdgeThreads,
}

impl WiredLines {
    /// Watches the buttons of a board from now on. Its lamps and outputs are
    /// taken when they are first set. Buttons that cannot be used are told to
    /// `health` and tried again.
    pub fn open(
        driver: Arc<dyn Driver>,
        board: &Board,
        edges: &mpsc::Sender<Stamped>,
        health: &mpsc::Sender<LineHealth>,
    ) -> Self {
        let lit = |on| if on { Pattern::On } else { Pattern::Off };
        let leds_at_rest = board
            .leds
            .iter()
            .map(|(led, line)| LineCommand::Led { led: led.clone(), pattern: lit(line.initial) });
        let outputs_at_rest = board.outputs.keys().map(|output| LineCommand::Output {
            output: output.clone(),
            on: false,
            longest: None,
        });
        let led = |(name, led): (&LedName, &BoardLed)| {
            let driven = Driven { drive: led.drive, brightness: led.brightness, pwm: led.pwm };
            (name.clone(), Slot::new(format!("lamp {}", name.as_str()), &led.line, driven))
        };
        let output = |(name, output): (&OutputName, &BoardOutput)| {
            let driven = Driven { drive: output.drive, brightness: 100, pwm: false };
            (name.clone(), Slot::new(format!("output {}", name.as_str()), &output.line, driven))
        };
        Self {
            at_rest: outputs_at_rest.chain(leds_at_rest).collect(),
            leds: board.leds.iter().map(led).collect(),
            outputs: board.outputs.iter().map(output).collect(),
            buttons: EdgeThreads::start(&driver, board, edges, health),
            driver,
        }
    }
}

impl Lines for WiredLines {
    fn set_led(&mut self, led: &LedName, lit: bool) -> Result<(), LineError> {
        match self.leds.get_mut(led) {
            Some(slot) => slot.set(self.driver.as_ref(), lit),
            None => Err(unknown("lamp", led.as_str())),
        }
    }

    fn set_output(&mut self, output: &OutputName, on: bool) -> Result<(), LineError> {
        match self.outputs.get_mut(output) {
            Some(slot) => slot.set(self.driver.as_ref(), on),
            None => Err(unknown("output", output.as_str())),
        }
    }

    fn at_rest(&self) -> Vec<LineCommand> {
        self.at_rest.clone()
    }

    fn beats(&self) -> Vec<Arc<AtomicU64>> {
        self.buttons.beats()
    }
}

/// Takes every output of a board, off, and gives it back: for after a process
/// that was killed, where the kernel leaves lines as they were.
pub fn outputs_off(driver: &dyn Driver, board: &Board) -> Vec<LineError> {
    let off = |(name, output): (&OutputName, &BoardOutput)| {
        let driven = Driven { drive: output.drive, brightness: 100, pwm: false };
        let reason = driver.output(&output.line, driven, false).err()?;
        Some(LineError { name: format!("output {name}"), reason })
    };
    board.outputs.iter().filter_map(off).collect()
}

fn unknown(what: &str, name: &str) -> LineError {
    LineError { name: format!("{what} {name}"), reason: "not on this board".to_owned() }
}

/// One output line, taken or to be taken.
struct Slot {
    name: String,
    line: Line,
    driven: Driven,
    taken: Option<Box<dyn Output>>,
    backoff: Backoff,
    /// Until when not to try again, and why it failed.
    failed: Option<(Instant, String)>,
}

impl Slot {
    fn new(name: String, line: &Line, driven: Driven) -> Self {
        Self { name, line: line.clone(), driven, taken: None, backoff: Backoff::default(), failed: None }
    }

    fn take(&self, driver: &dyn Driver, on: bool) -> Result<Box<dyn Output>, String> {
        if self.driven.pwm {
            pwm::output(&self.line, self.driven.brightness, on)
        } else {
            driver.output(&self.line, self.driven, on)
        }
    }

    fn set(&mut self, driver: &dyn Driver, on: bool) -> Result<(), LineError> {
        let now = Instant::now();
        if let Some((until, reason)) = &self.failed
            && now < *until
        {
            return Err(LineError { name: self.name.clone(), reason: reason.clone() });
        }
        let result = match &mut self.taken {
            Some(output) => output.set(on),
            None => self.take(driver, on).map(|output| self.taken = Some(output)),
        };
        match result {
            Ok(()) => {
                self.backoff = Backoff::default();
                self.failed = None;
                Ok(())
            }
            Err(reason) => {
                self.taken = None;
                self.failed = Some((now + self.backoff.wait(), reason.clone()));
                Err(LineError { name: self.name.clone(), reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::config::board::LineId;

    /// A chip that can be pulled out and counts how often it was asked for a line.
    #[derive(Default)]
    struct Chip {
        gone: Mutex<bool>,
        taken: Mutex<Vec<bool>>,
        levels: Mutex<Vec<bool>>,
    }

    #[derive(Clone, Default)]
    struct Machine(Arc<Chip>);

    impl Driver for Machine {
        fn input(&self, _line: &Line, _contact: Contact) -> Result<Box<dyn Input>, String> {
            Err("no inputs here".to_owned())
        }

        fn output(&self, _line: &Line, _driven: Driven, on: bool) -> Result<Box<dyn Output>, String> {
            self.0.taken.lock().unwrap().push(on);
            let gone = *self.0.gone.lock().unwrap();
            if gone { Err("no chip".to_owned()) } else { Ok(Box::new(self.clone())) }
        }
    }

    impl Output for Machine {
        fn set(&mut self, on: bool) -> Result<(), String> {
            if *self.0.gone.lock().unwrap() {
                return Err("chip gone".to_owned());
            }
            self.0.levels.lock().unwrap().push(on);
            Ok(())
        }
    }

    fn slot() -> Slot {
        let line = Line { chip: "c".into(), id: LineId::Offset(1), active_low: false };
        Slot::new("lamp a".into(), &line, Driven { drive: Drive::PushPull, brightness: 100, pwm: false })
    }

    #[test]
    fn every_output_is_switched_off_and_those_that_cannot_be_are_named() {
        let board = crate::config::BoardLoader::new(Vec::new()).load("rpi4-doorstation").unwrap();
        let machine = Machine::default();
        assert_eq!(outputs_off(&machine, &board), []);
        assert_eq!(*machine.0.taken.lock().unwrap(), [false]);
        *machine.0.gone.lock().unwrap() = true;
        let failed = outputs_off(&machine, &board);
        assert_eq!(failed.iter().map(ToString::to_string).collect::<Vec<_>>(), ["output strike: no chip"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_is_taken_with_the_level_asked_for_and_only_once() {
        let (machine, mut slot) = (Machine::default(), slot());
        for on in [false, true, false] {
            slot.set(&machine, on).unwrap();
        }
        assert_eq!(*machine.0.taken.lock().unwrap(), [false]);
        assert_eq!(*machine.0.levels.lock().unwrap(), [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_line_is_tried_again_ever_more_rarely_and_works_when_it_is_back() {
        let (machine, mut slot) = (Machine::default(), slot());
        slot.set(&machine, false).unwrap();
        *machine.0.gone.lock().unwrap() = true;
        assert_eq!(slot.set(&machine, true).unwrap_err().to_string(), "lamp a: chip gone");
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            assert!(slot.set(&machine, true).is_err());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let tries = machine.0.taken.lock().unwrap().len();
        assert!((10..=16).contains(&tries), "{tries} tries in 20 s");
        *machine.0.gone.lock().unwrap() = false;
        tokio::time::sleep(Backoff::LONGEST).await;
        slot.set(&machine, true).unwrap();
        assert_eq!(machine.0.taken.lock().unwrap().last(), Some(&true), "not taken with its level");
    }
}
