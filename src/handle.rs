//! What the fronts of a running appliance (control socket, panel, demo) may
//! ask of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use crate::appliance::action::Action;
use crate::appliance::command::Refusal;
use crate::appliance::event::LineEvent;
use crate::appliance::id::ButtonName;
use crate::appliance::self_test::SelfTestStatus;
use crate::appliance::statistics::CallStatistics;
use crate::appliance::status::Status;
use crate::gpio::Stamped;
#[cfg(feature = "mock-gpio")]
use crate::gpio::mock::MockButtons;
pub use crate::system::event_log::Entry;
use crate::system::event_log::EventLog;
use crate::system::machine::UpdateStatus;

/// A request to act, with the way back for its answer.
#[derive(Debug)]
pub struct Ask {
    /// What is asked for.
    pub action: Action,
    /// Where the answer goes; dropped if the appliance ends before.
    pub reply: oneshot::Sender<Result<(), Refusal>>,
}

/// Measurements of sound, for status.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AudioStatus {
    /// RMS level of the microphone, dB relative to full scale.
    pub capture_level_db: f32,
    /// RMS level of the loudspeaker, dB relative to full scale.
    pub playback_level_db: f32,
    /// Under-runs and over-runs of both devices since the start.
    pub xruns: u64,
    /// Inter-arrival jitter of the call's packets in ms (RFC 3550, section 6.4.1).
    pub jitter_ms: f32,
    /// Time from a packet's arrival to its sound, in ms.
    pub playout_delay_ms: f32,
    /// Share of the call's sound that had to be made up, 0 to 1.
    pub concealed_ratio: f32,
    /// When the loudspeaker last went from 200 ms of silence to sound, on the
    /// clock of the event log's `t_us`; none before the first time.
    pub last_sound_us: Option<u64>,
    /// By how many dB the far end's own sound comes back quieter than it was played: the two figures below
    /// together. None until echo was measured; kept from call to call.
    pub echo_return_loss_db: Option<f32>,
    /// What of it the room does, loudspeaker to microphone in their samples, in dB (ERL of ITU-T G.168).
    pub echo_path_loss_db: Option<f32>,
    /// What of it the echo canceller does, in dB (ERLE of ITU-T G.168).
    pub echo_cancelled_db: Option<f32>,
    /// From rendering a sample to hearing its echo, devices and queues included, in ms; none until found.
    pub echo_delay_ms: Option<f32>,
    /// By how much the loudspeaker's clock is slow against the microphone's, in parts per million, -300 to 300;
    /// none without processing.
    pub clock_drift_ppm: Option<f32>,
    /// Echo cannot be cancelled here at the moment, so one speaks at a time.
    pub half_duplex_fallback: bool,
    /// Whether who stands here may be heard; false only while one speaks at a time and it is the other.
    pub microphone_gate_open: bool,
    /// Whether the far end may be heard; false only while one speaks at a time and it is this side.
    pub loudspeaker_gate_open: bool,
    /// Captured sound goes out to somebody now.
    pub microphone_live: bool,
    /// 10 ms frames that wait between the microphone's thread and the mixer.
    pub captured_frames: u32,
    /// 10 ms frames that wait between the mixer and the loudspeaker's thread.
    pub rendered_frames: u32,
    /// 10 ms frames shown to the echo canceller that wait for the microphone's of their time.
    pub reference_frames: u32,
    /// The microphone's device.
    pub capture: DeviceStatus,
    /// The loudspeaker's device.
    pub playback: DeviceStatus,
    /// What is added to the loudspeaker's volume for the noise around, in dB.
    pub ambient_boost_db: f32,
    /// Why the volume is not set by the card's own control; none while all is well.
    pub volume_note: Option<String>,
    /// How the last self-test of the sound went, and what it measured.
    pub selftest: SelfTestStatus,
    /// The call that talks, if there is one, in every figure.
    pub call: Option<Box<CallStatistics>>,
}

/// One sound device, for status.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeviceStatus {
    /// It is open and delivers.
    pub running: bool,
    /// Times it was opened since the start.
    pub opened: u64,
    /// Sound that waits in the device and its queue, ms.
    pub delay_ms: f32,
    /// Frames of 10 ms that wait between the device's thread and the mixer.
    pub queued_frames: u32,
    /// Frames thrown away (microphone) or missing (loudspeaker).
    pub lost_frames: u64,
    /// Over-runs or under-runs since the start.
    pub xruns: u64,
    /// How often each kind of trouble was met since the start: `missing`, `busy`,
    /// `unfit`, `frozen`, `xrun-storm`, `wrong-rate`, `dead`, `failed`.
    pub troubles: BTreeMap<&'static str, u64>,
}

/// How a webhook fares, for status.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WebhookStatus {
    /// The server: scheme, host and port.
    pub server: String,
    /// Events that it has taken since the start.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Events that it will never get: too old, refused for good, or without room to wait.
    pub dropped: u64,
    /// Events that wait for it.
    pub waiting: u64,
    /// Why the last attempt failed; none if it did not.
    pub trouble: Option<String>,
}

/// A webhook's status, written by its task.
#[derive(Debug)]
pub struct WebhookMeter(Mutex<WebhookStatus>);

impl WebhookMeter {
    /// Of this server: scheme, host and port.
    pub fn new(server: String) -> Self {
        Self(Mutex::new(WebhookStatus { server, ..WebhookStatus::default() }))
    }

    /// As it is now.
    pub fn status(&self) -> WebhookStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it.
    pub fn note(&self, change: impl FnOnce(&mut WebhookStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// All of `callbox status --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// The appliance's part.
    #[serde(flatten)]
    pub appliance: Status,
    /// Sound.
    pub audio: AudioStatus,
    /// The slot that runs and how its update went; none but on the image.
    pub update: Option<UpdateStatus>,
    /// Webhooks, in the order of the configuration.
    pub webhooks: Vec<WebhookStatus>,
    /// Seconds since the process started.
    pub uptime_s: u64,
    /// The program's version.
    pub version: &'static str,
}

/// A handle on a running appliance. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) audio: Arc<dyn Fn() -> AudioStatus + Send + Sync>,
    pub(crate) slot: watch::Receiver<Option<UpdateStatus>>,
    pub(crate) log: Arc<EventLog>,
    pub(crate) start: Instant,
    pub(crate) edges: mpsc::Sender<Stamped>,
    pub(crate) webhooks: Arc<[Arc<WebhookMeter>]>,
    #[cfg(feature = "mock-gpio")]
    pub(crate) buttons: Option<MockButtons>,
}

impl Handle {
    /// Asks for an action and waits for the appliance's word.
    ///
    /// # Errors
    /// The appliance's [`Refusal`].
    pub async fn act(&self, action: Action) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask { action, reply }).await.map_err(|_| Refusal::ShuttingDown)?;
        answer.await.unwrap_or(Err(Refusal::ShuttingDown))
    }

    /// What the box is doing now.
    pub fn snapshot(&self) -> Snapshot {
        let appliance = self.status.borrow().clone().at(Instant::now());
        let mut audio = (self.audio)();
        audio.selftest = appliance.self_test.clone();
        Snapshot {
            appliance,
            audio,
            update: self.slot.borrow().clone(),
            webhooks: self.webhooks.iter().map(|meter| meter.status()).collect(),
            uptime_s: self.start.elapsed().as_secs(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// The appliance's part of the status, as it changes.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// The event log.
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    /// The meters of the webhooks, in the order of the configuration.
    pub fn webhooks(&self) -> &[Arc<WebhookMeter>] {
        &self.webhooks
    }

    /// Pushes a button in, or lets it go, as a finger would. On a real board
    /// the line's own edges go on beside it: for tests of what the button does.
    ///
    /// # Errors
    /// [`Refusal::ShuttingDown`] when the appliance has ended.
    pub async fn finger(&self, button: &ButtonName, pressed: bool) -> Result<(), Refusal> {
        #[cfg(feature = "mock-gpio")]
        if let Some(buttons) = &self.buttons {
            let name = button.as_str();
            let moved = if pressed { buttons.press(name).await } else { buttons.release(name).await };
            return moved.map_err(|_| Refusal::ShuttingDown);
        }
        let button = button.clone();
        let event = if pressed { LineEvent::Pressed(button) } else { LineEvent::Released(button) };
        self.edges.send(Stamped { event, at: Instant::now() }).await.map_err(|_| Refusal::ShuttingDown)
    }

    /// The mock board's buttons; `None` on real hardware.
    #[cfg(feature = "mock-gpio")]
    pub fn buttons(&self) -> Option<&MockButtons> {
        self.buttons.as_ref()
    }
}

/// A door for the fuzz targets in `tests/fuzz`: a handle on no appliance but on
/// whoever has the receivers, of actions and of edges.
#[cfg(feature = "fuzzing")]
pub fn detached(config: &crate::config::Config) -> (Handle, mpsc::Receiver<Ask>, mpsc::Receiver<Stamped>) {
    let start = Instant::now();
    let (asks, asked) = mpsc::channel(16);
    let (edges, moved) = mpsc::channel(16);
    let mut appliance = crate::appliance::Appliance::new(config.appliance.clone(), Box::new(|| 0), start);
    let log = EventLog::new(start);
    while let Some(command) = appliance.poll_command() {
        if let crate::appliance::command::Command::Log(record) = command {
            log.add(record, start);
        }
    }
    let (_, status) = watch::channel(appliance.status());
    let handle = Handle {
        asks,
        status,
        audio: Arc::new(AudioStatus::default),
        slot: watch::channel(None).1,
        log: Arc::new(log),
        start,
        edges,
        webhooks: Arc::from([]),
        #[cfg(feature = "mock-gpio")]
        buttons: None,
    };
    (handle, asked, moved)
}
