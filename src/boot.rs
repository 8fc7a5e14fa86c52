//! Builds the shells from the configuration and sets them going.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{mpsc, oneshot, watch};

use crate::appliance::Appliance;
use crate::appliance::event::{Event, SystemEvent};
use crate::appliance::fault::Fault;
use crate::appliance::log::{Kind, Record};
use crate::appliance::memory::Memory;
use crate::appliance::status::{SessionStatus, Status};
use crate::audio::{self, AudioEngine, DeviceMeters, Meters};
use crate::config::Config;
use crate::driver::{Beats, Driver, Inputs, Outputs};
use crate::gpio::Lines;
use crate::gpio::health::{LineHealth, LostLines};
use crate::gpio::lamps;
use crate::handle::{AudioStatus, Handle};
use crate::media::{self, LegStats};
use crate::pipe;
use crate::realtime;
use crate::settings;
use crate::system::event_log::EventLog;
use crate::system::pulse::{Beat, Pulse, Pulses};
use crate::system::state_store::{Kept, StateStore};
use crate::system::{addresses, clock, machine, threads};

/// Room for commands and events between the driver and each shell. A call
/// makes a handful; a queue this full means that a shell is stuck.
const QUEUE: usize = 256;

/// How long lamps and outputs get to reach their safe state at the end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// More than a sound server takes to set a volume.
const MIXER_TIME: Duration = Duration::from_secs(60);

/// More than a token takes, on top of the connection.
const TOKEN_TIME: Duration = Duration::from_secs(60);

/// An appliance at work.
pub struct Running {
    /// To ask it.
    pub handle: Handle,
    /// Signs of life of every part on the way of a call.
    pub pulses: Pulses,
    system: mpsc::Sender<SystemEvent>,
    driver: oneshot::Receiver<Result<(), Died>>,
}

/// A part that runs as long as the appliance does ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("{0} ended by itself; the log tells why")]
pub struct Died(&'static str);

/// The board's back-end cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Not compiled in, or not on this machine.
    #[error("[board] backend = {backend:?}: {reason}")]
    Backend {
        /// The back-end asked for.
        backend: String,
        /// Why not, and what there is.
        reason: String,
    },
    /// The system has no thread left.
    #[error("no thread for {name}: {error}")]
    Thread {
        /// What for.
        name: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

impl Running {
    /// Asks the appliance to end in good order: hang up, lamps dark, outputs off.
    ///
    /// # Errors
    /// [`Died`] as for [`Running::ended`].
    pub async fn end(self) -> Result<(), Died> {
        if self.system.send(SystemEvent::Shutdown).await.is_err() {
            tracing::debug!("the appliance has ended already");
        }
        self.ended().await
    }

    /// Waits until the appliance has ended.
    ///
    /// # Errors
    /// [`Died`] if it did not end because it was asked to: then the process
    /// should end with a failure, so that it is started again.
    pub async fn ended(self) -> Result<(), Died> {
        self.driver.await.unwrap_or(Err(Died("the driver")))
    }

    /// A way to ask for the end from elsewhere.
    pub fn shutdown(&self) -> mpsc::Sender<SystemEvent> {
        self.system.clone()
    }
}

/// Sets an appliance going. `start` is the time the process started.
///
/// # Errors
/// [`BootError`] if the configuration asks for what this build or machine
/// does not have. Devices and networks that are missing now are not errors:
/// they are faults of the running appliance.
pub fn start(config: &Config, start: Instant) -> Result<Running, BootError> {
    let audio_settings = settings::audio(config);
    let (edges, line_events) = mpsc::channel(QUEUE);
    let (health, line_health) = mpsc::channel(QUEUE);
    let board = settings::board(config, edges.clone(), health.clone())?;

    let (session_commands, commands) = mpsc::channel(QUEUE);
    let (events, session_events) = mpsc::channel(QUEUE);
    let mut session = pipe::spawn(settings::pipe(config), commands, events);

    let (media_commands, commands) = mpsc::channel(QUEUE);
    let (outputs, media_outputs) = mpsc::channel(QUEUE);
    let mut media = media::spawn(settings::media(config), commands, outputs);

    let (system, system_events) = mpsc::channel(QUEUE);
    let audio = Arc::new(start_audio(audio_settings, system.clone()));

    let line_beats = board.lines.beats();
    let (line_commands, commands) = mpsc::channel(QUEUE);
    let lamps_beat = Arc::default();
    let mut lamps =
        on_a_thread("lamps", true, lamps::run(board.lines, commands, health, Arc::clone(&lamps_beat)))?;
    tokio::spawn(report_lines(line_health, system.clone()));
    tokio::spawn(report_addresses(system.clone()));
    tokio::spawn(clock::watch(system.clone()));
    let (told, slot) = watch::channel(None);
    tokio::spawn(machine::watch(machine::FOLDER.into(), system.clone(), told));

    let mut random = StdRng::from_os_rng();
    let entropy = Box::new(move || random.random());
    let mut appliance = Appliance::new(config.appliance.clone(), entropy, Instant::now());
    let log = Arc::new(EventLog::new(start));
    let store = settings::state(config);
    let kept = recall(store.as_ref(), &log);
    let (memory, remembered) = watch::channel(kept.clone());
    // Before any line or call can be heard of: an alarm has been on all the time.
    appliance.handle_event(Event::System(SystemEvent::Remembered(kept)), Instant::now());
    let store = store.map(|store| tokio::spawn(store.keep(remembered, system.clone())));
    let (asks, asked) = mpsc::channel(QUEUE);
    let (status, shown) = watch::channel(appliance.status());
    let (call_stats, stats) = watch::channel(None);
    let handle = Handle {
        asks,
        status: shown,
        audio: audio_status(Arc::clone(&audio), stats, start),
        slot,
        log: Arc::clone(&log),
        start,
        edges,
        webhooks: settings::webhook_meters(config),
        #[cfg(feature = "mock-gpio")]
        buttons: board.buttons,
    };
    let beats = Arc::new(Beats::default());
    let pulses = pulses(config, &beats, &audio, (lamps_beat, line_beats), handle.status.clone());
    let driver = Driver::new(
        appliance,
        Outputs {
            session: session_commands,
            media: media_commands,
            audio,
            lines: line_commands,
            memory,
            log,
            status,
            call_stats,
            beats,
        },
    );
    let inputs = Inputs {
        lines: line_events,
        session: session_events,
        media: media_outputs,
        system: system_events,
        asks: asked,
    };
    let driver = on_a_thread("driver", false, async move {
        let end = tokio::select! {
            biased;
            () = driver.run(inputs) => Ok(()),
            _ = &mut session => Err(Died("the session's task")),
            _ = &mut media => Err(Died("the media task")),
            _ = &mut lamps => return Err(Died("the lines' task")),
        };
        // The driver's end closes the lines' channel: lamps go dark, outputs off.
        if tokio::time::timeout(LAST_WORDS, lamps).await.is_err() {
            tracing::error!("lines did not reach their safe state in time");
        }
        if let Some(store) = store
            && tokio::time::timeout(LAST_WORDS, store).await.is_err()
        {
            tracing::error!("what should outlive the restart was not kept in time");
        }
        end
    })?;
    Ok(Running { handle, pulses, system, driver })
}

/// Runs what stands between a finger and a lamp on a thread of its own. Among
/// the runtime's tasks it would wait its turn behind a handshake's sums. A
/// panic in it closes the channel. `urgent` is for work of microseconds.
fn on_a_thread<T: Send + 'static>(
    name: &'static str,
    urgent: bool,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<oneshot::Receiver<T>, BootError> {
    let (end, ended) = oneshot::channel();
    let runtime = Runtime::current();
    let run = move || {
        if urgent && !realtime::promote(realtime::LINES) {
            tracing::debug!(name, "no real-time priority");
        }
        if end.send(runtime.block_on(work)).is_err() {
            tracing::debug!(name, "nobody waits for its end");
        }
    };
    match thread::Builder::new().name(name.to_owned()).spawn(run) {
        Ok(_) => Ok(ended),
        Err(error) => Err(BootError::Thread { name, error }),
    }
}

/// A board's two sides.
pub struct BoardShell {
    /// Lamps and outputs.
    pub lines: Box<dyn Lines>,
    /// Only on the mock board.
    #[cfg(feature = "mock-gpio")]
    pub buttons: Option<crate::gpio::mock::MockButtons>,
}

/// What was kept over the restart.
fn recall(store: Option<&StateStore>, log: &EventLog) -> Memory {
    let Some(store) = store else { return Memory::default() };
    let Kept { memory, trouble } = store.load();
    tracing::info!(dir = %store.dir().display(), ?memory, "what was kept");
    if let Some(trouble) = trouble {
        let text = format!("what was kept cannot be read, so the box counts as tampered with: {trouble}");
        tracing::warn!("{text}");
        log.add(Record { kind: Kind::Door { event: "memory-lost" }, text }, Instant::now());
    }
    memory
}

/// Every part that a call needs, and how it shows that it moves.
fn pulses(
    config: &Config,
    beats: &Arc<Beats>,
    audio: &Arc<AudioEngine>,
    (lamps, lines): (Arc<AtomicU64>, Vec<Arc<AtomicU64>>),
    status: watch::Receiver<Status>,
) -> Pulses {
    let sound = |name, read: fn(&Meters) -> Beat| {
        let audio = Arc::clone(audio);
        Pulse::new(name, move || read(&audio.meters()))
    };
    let (driver, session) = (Arc::clone(beats), Arc::clone(beats));
    let mut parts = vec![
        Pulse::new("the driver", move || Beat::At(driver.turns.load(Relaxed))),
        Pulse::new("the thread lamps", move || Beat::At(lamps.load(Relaxed))),
        sound("the thread audio-dsp", |meters| Beat::At(meters.dsp_heartbeat)),
        sound("the thread alsa-capture", |meters| device_beat(&meters.capture)),
        sound("the thread alsa-playback", |meters| device_beat(&meters.playback)),
        sound("the thread capture-keeper", |meters| keeper_beat(&meters.capture)),
        sound("the thread playback-keeper", |meters| keeper_beat(&meters.playback)),
        sound("the thread audio-tidy", |meters| Beat::At(meters.tidy_heartbeat)),
        sound("the thread audio-care", |meters| Beat::At(meters.care_heartbeat)).with_patience(MIXER_TIME),
        // An attempt has a time limit, after which there is news.
        Pulse::new("the session", move || match status.borrow().session {
            SessionStatus::Connecting => Beat::At(session.session_news.load(Relaxed)),
            SessionStatus::Offline | SessionStatus::Registered => Beat::AtRest,
        })
        .with_patience(config.core.connect_timeout * 2 + TOKEN_TIME),
    ];
    parts.extend(
        lines.into_iter().map(|beat| Pulse::new("a thread gpio-edge", move || Beat::At(beat.load(Relaxed)))),
    );
    parts.extend(threads::workers());
    parts.push(threads::held());
    Pulses::new(parts)
}

fn device_beat(meters: &DeviceMeters) -> Beat {
    if meters.running { Beat::At(meters.periods) } else { Beat::AtRest }
}

fn keeper_beat(meters: &DeviceMeters) -> Beat {
    meters.keeper_heartbeat.map_or(Beat::AtRest, Beat::At)
}

fn start_audio(settings: audio::AudioSettings, system: mpsc::Sender<SystemEvent>) -> AudioEngine {
    audio::start(settings, move |fault| {
        // Called from the audio supervisor's own thread, which may wait.
        if system.blocking_send(fault).is_err() {
            tracing::debug!("sound device fault not reported: the appliance has ended");
        }
    })
}

async fn report_lines(mut health: mpsc::Receiver<LineHealth>, system: mpsc::Sender<SystemEvent>) {
    let mut lost = LostLines::default();
    while let Some(news) = health.recv().await {
        lost.note(news);
        let event = match lost.detail() {
            Some(detail) => SystemEvent::FaultRaised { fault: Fault::LineLost, detail },
            None => SystemEvent::FaultCleared(Fault::LineLost),
        };
        if system.send(event).await.is_err() {
            return;
        }
    }
}

async fn report_addresses(system: mpsc::Sender<SystemEvent>) {
    let (changed, mut changes) = mpsc::channel(1);
    tokio::spawn(addresses::watch(changed));
    while changes.recv().await.is_some() {
        if system.send(SystemEvent::AddressesChanged).await.is_err() {
            return;
        }
    }
}

fn audio_status(
    audio: Arc<AudioEngine>,
    call: watch::Receiver<Option<Arc<LegStats>>>,
    start: Instant,
) -> Arc<dyn Fn() -> AudioStatus + Send + Sync> {
    Arc::new(move || settings::audio_status(&audio.meters(), call.borrow().as_deref(), start))
}
