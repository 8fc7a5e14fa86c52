//! The appliance: everything that decides, and nothing else.
//!
//! Pure: no clock, no I/O, no threads. Events and the time go in, commands
//! and the next deadline come out, so a week of a thousand boxes runs in
//! seconds in a test.

pub mod action;
pub mod command;
pub mod event;
pub mod fault;
pub mod id;
pub mod indicator;
pub mod log;
pub mod settings;
pub mod status;
pub mod timer;
pub mod tone;

use std::collections::VecDeque;
use std::time::Instant;

use command::Command;
use event::Event;
use settings::Settings;
use status::Status;
use timer::Timer;

/// A source of random 64-bit numbers; injected, as the time is.
pub type Entropy = Box<dyn FnMut() -> u64 + Send>;

/// The box's behaviour as one state machine.
///
/// After every `handle_*`, drain [`Appliance::poll_command`] fully, then sleep
/// until [`Appliance::poll_timeout`].
pub struct Appliance {
    commands: VecDeque<Command>,
}

impl Appliance {
    /// A box that has just been switched on. Its first commands (connect,
    /// prepare a peer connection, lamps) are ready to be polled.
    pub fn new(_settings: Settings, _entropy: Entropy, _now: Instant) -> Self {
        Self { commands: VecDeque::new() }
    }

    /// Takes note of something that happened.
    pub fn handle_event(&mut self, _event: Event, _now: Instant) {}

    /// Acts on every deadline that `now` has reached.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// The next command for the shells, in order.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When to call [`Appliance::handle_timeout`] next, and for which timer.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        None
    }

    /// A snapshot for people and programs.
    pub fn status(&self) -> Status {
        unimplemented!()
    }
}
