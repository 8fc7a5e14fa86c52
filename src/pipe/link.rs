//! The two channels to the driver. Commands are taken in at all times, also
//! while an event waits for room: a driver that waits for its command to be
//! taken must never wait for a shell that waits for the driver.

use std::collections::VecDeque;
use std::pin::pin;

use tokio::sync::mpsc;

use crate::appliance::command::SessionCommand;
use crate::appliance::event::SessionEvent;

/// Commands that are kept while an event waits; beyond this the driver waits.
const BACKLOG: usize = 256;

/// The driver is gone: nobody is left to obey or to tell.
#[derive(Debug)]
pub(super) struct Gone;

/// The session shell's side of its channels.
pub(super) struct Link {
    commands: mpsc::Receiver<SessionCommand>,
    events: mpsc::Sender<SessionEvent>,
    backlog: VecDeque<SessionCommand>,
}

impl Link {
    pub(super) fn new(commands: mpsc::Receiver<SessionCommand>, events: mpsc::Sender<SessionEvent>) -> Self {
        Self { commands, events, backlog: VecDeque::new() }
    }

    /// The next command in order. Nothing is lost if this is dropped early.
    pub(super) async fn command(&mut self) -> Result<SessionCommand, Gone> {
        match self.backlog.pop_front() {
            Some(command) => Ok(command),
            None => self.commands.recv().await.ok_or(Gone),
        }
    }

    /// Puts a command back, to be the next one.
    pub(super) fn put_back(&mut self, command: SessionCommand) {
        self.backlog.push_front(command);
    }

    /// Tells the driver, waiting for room.
    pub(super) async fn report(&mut self, event: SessionEvent) -> Result<(), Gone> {
        let events = self.events.clone();
        self.meanwhile(events.send(event)).await.map_err(|_| Gone)
    }

    /// Waits for `work` and keeps the commands that come meanwhile for later.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                command = self.commands.recv(), if open && self.backlog.len() < BACKLOG => {
                    match command {
                        Some(command) => self.backlog.push_back(command),
                        None => open = false,
                    }
                }
            }
        }
    }
}
