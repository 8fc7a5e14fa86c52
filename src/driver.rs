//! The only event loop: owns the appliance, hands it events and the time, and
//! carries its commands to the shells. It decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::appliance::Appliance;
use crate::appliance::command::{
    AudioCommand, Command, LineCommand, MediaCommand, Refusal, Role, SessionCommand,
};
use crate::appliance::event::{Event, MediaEvent, SessionEvent, SystemEvent};
use crate::appliance::id::{PeerId, RequestId};
use crate::appliance::memory::Memory;
use crate::appliance::status::Status;
use crate::audio::AudioEngine;
use crate::gpio::Stamped;
use crate::handle::Ask;
use crate::media::{LegStats, MediaOutput};
use crate::system::event_log::EventLog;

/// No flood of edges keeps the rest from its turn.
const EDGES_A_TURN: usize = 64;
/// How often the driver turns when nothing happens, as a sign of life.
const BEAT: Duration = Duration::from_secs(1);

/// Signs of life: both move while the driver does.
#[derive(Debug, Default)]
pub struct Beats {
    /// Turns of the loop, each drained to its end; at least one a second.
    pub turns: AtomicU64,
    /// News of the session.
    pub session_news: AtomicU64,
}

/// What comes in, one bounded channel a source.
pub struct Inputs {
    /// Edges of buttons and other inputs.
    pub lines: mpsc::Receiver<Stamped>,
    /// The session to the voice core.
    pub session: mpsc::Receiver<SessionEvent>,
    /// Peer connections.
    pub media: mpsc::Receiver<(PeerId, MediaOutput)>,
    /// The machine: faults, addresses, shutdown.
    pub system: mpsc::Receiver<SystemEvent>,
    /// Requests of the fronts.
    pub asks: mpsc::Receiver<Ask>,
}

/// Where commands go.
pub struct Outputs {
    /// The session shell.
    pub session: mpsc::Sender<SessionCommand>,
    /// The media shell.
    pub media: mpsc::Sender<(PeerId, MediaCommand)>,
    /// Microphone and loudspeaker.
    pub audio: Arc<AudioEngine>,
    /// Lamps and outputs.
    pub lines: mpsc::Sender<LineCommand>,
    /// What is to outlive a restart; only the last of it counts.
    pub memory: watch::Sender<Memory>,
    /// For people.
    pub log: Arc<EventLog>,
    /// For status.
    pub status: watch::Sender<Status>,
    /// Measurements of the first call that talks, for status.
    pub call_stats: watch::Sender<Option<Arc<LegStats>>>,
    /// For the watchdog.
    pub beats: Arc<Beats>,
}

/// Ties the appliance to its shells.
pub struct Driver {
    appliance: Appliance,
    outputs: Outputs,
    replies: BTreeMap<RequestId, oneshot::Sender<Result<(), Refusal>>>,
    last_request: u64,
    stats: BTreeMap<PeerId, Arc<LegStats>>,
    connected: Vec<(PeerId, Role)>,
    exit: bool,
}

impl Driver {
    /// A driver for an appliance that has just been made.
    pub fn new(appliance: Appliance, outputs: Outputs) -> Self {
        Self {
            appliance,
            outputs,
            replies: BTreeMap::new(),
            last_request: 0,
            stats: BTreeMap::new(),
            connected: Vec::new(),
            exit: false,
        }
    }

    /// Runs until the appliance says that the process may end.
    pub async fn run(mut self, mut inputs: Inputs) {
        self.drain().await;
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !self.exit {
            // Edges that wait are older than the timers that ran out
            // meanwhile: a stalled process must not take a bounce for a press.
            for _ in 0..EDGES_A_TURN {
                let Ok(edge) = inputs.lines.try_recv() else { break };
                self.edge(edge).await;
            }
            // Every turn, not only when nothing else comes: a core that floods
            // must not hold up a debounce or a time-out.
            self.appliance.handle_timeout(Instant::now());
            self.drain().await;
            let deadline = self.appliance.poll_timeout().map(|(at, _)| at);
            // Biased: a person's finger goes first, then this machine's own
            // news and its operator, and what comes from the network last.
            tokio::select! {
                biased;
                Some(edge) = inputs.lines.recv() => self.edge(edge).await,
                Some(event) = inputs.system.recv() => self.event(Event::System(event)),
                Some(ask) = inputs.asks.recv() => self.ask(ask),
                Some((peer, output)) = inputs.media.recv() => self.media(peer, output),
                Some(event) = inputs.session.recv() => {
                    self.outputs.beats.session_news.fetch_add(1, Relaxed);
                    self.event(Event::Session(event));
                }
                () = until(deadline) => {}
                _ = beat.tick() => {}
            }
            self.drain().await;
            self.outputs.beats.turns.fetch_add(1, Relaxed);
        }
    }

    /// An edge counts from when it was made, and finds what was over by then over.
    async fn edge(&mut self, edge: Stamped) {
        let late_us = edge.at.elapsed().as_micros();
        let event = tracing::enabled!(tracing::Level::TRACE).then(|| edge.event.clone());
        self.appliance.handle_timeout(edge.at);
        self.appliance.handle_event(Event::Line(edge.event), edge.at);
        self.drain().await;
        // Not sooner: a person sees before the log does.
        if let Some(event) = event {
            tracing::trace!(?event, late_us, "edge");
        }
    }

    fn event(&mut self, event: Event) {
        self.appliance.handle_event(event, Instant::now());
    }

    fn media(&mut self, peer: PeerId, output: MediaOutput) {
        match output {
            MediaOutput::Leg(handle) => {
                self.stats.insert(peer, handle.stats);
                self.outputs.audio.attach(peer, handle.leg);
                self.show_call_stats();
            }
            MediaOutput::Event(event) => {
                if event == MediaEvent::Closed {
                    self.outputs.audio.detach(peer);
                    self.stats.remove(&peer);
                }
                self.event(Event::Media { peer, event });
            }
        }
    }

    fn show_call_stats(&self) {
        let talking = self.connected.iter().find(|(_, role)| *role == Role::Talk);
        let stats = talking.and_then(|(peer, _)| self.stats.get(peer).cloned());
        self.outputs.call_stats.send_replace(stats);
    }

    fn ask(&mut self, ask: Ask) {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.replies.insert(request, ask.reply);
        self.event(Event::Control { request, action: ask.action });
    }

    /// One mutation, then everything it led to.
    async fn drain(&mut self) {
        while let Some(command) = self.appliance.poll_command() {
            self.obey(command).await;
        }
        let status = self.appliance.status();
        self.outputs.status.send_if_modified(|shown| {
            let changed = *shown != status;
            if changed {
                *shown = status;
            }
            changed
        });
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Session(command) => deliver(&self.outputs.session, command, "session").await,
            Command::Media { peer, command } => {
                deliver(&self.outputs.media, (peer, command), "media").await;
            }
            Command::Audio(AudioCommand::Tone(tone)) => self.outputs.audio.tone(tone),
            Command::Audio(AudioCommand::Connect(legs)) => {
                self.outputs.audio.connect(&legs);
                self.connected = legs;
                self.show_call_stats();
            }
            Command::Audio(AudioCommand::Mute(muted)) => self.outputs.audio.mute(muted),
            Command::Audio(AudioCommand::Announce { clip, to }) => self.outputs.audio.announce(clip, to),
            Command::Audio(AudioCommand::Direction(direction)) => self.outputs.audio.direction(direction),
            Command::Audio(AudioCommand::Volume(percent)) => self.outputs.audio.volume(percent),
            Command::Audio(AudioCommand::SelfTest { attempt }) => self.outputs.audio.self_test(attempt),
            Command::Audio(AudioCommand::StopSelfTest) => self.outputs.audio.stop_self_test(),
            Command::Line(command) => deliver(&self.outputs.lines, command, "lines").await,
            Command::Reply { request, result } => {
                if let Some(reply) = self.replies.remove(&request) {
                    // The front may have gone away in the meantime.
                    let _ = reply.send(result);
                }
            }
            Command::Log(record) => {
                tracing::info!(target: "callbox::event", kind = ?record.kind, "{}", record.text);
                self.outputs.log.add(record, Instant::now());
            }
            Command::Remember(memory) => {
                self.outputs.memory.send_replace(memory);
            }
            Command::Exit => self.exit = true,
        }
    }
}

/// Waits for room: commands are never dropped. The shells never wait for the
/// driver with their command queue full, so this cannot lock up.
async fn deliver<T>(channel: &mpsc::Sender<T>, command: T, shell: &str) {
    if channel.send(command).await.is_err() {
        tracing::error!(shell, "shell has ended; command dropped");
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
