//! What the audio threads count, and how others read it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::device::Trouble;

/// A snapshot of the audio shell.
#[derive(Clone, Debug, PartialEq)]
pub struct Meters {
    /// The microphone, before mute.
    pub capture: DeviceMeters,
    /// The loudspeaker, after the mixer.
    pub playback: DeviceMeters,
    /// Turns of the `audio-dsp` thread: stands still only when it hangs.
    pub dsp_heartbeat: u64,
    /// Turns of the thread `audio-tidy`, which tells whether the microphone is live.
    pub tidy_heartbeat: u64,
    /// Turns of the thread `audio-care`; one lasts as long as a card's mixer makes it wait.
    pub care_heartbeat: u64,
    /// Frames of silence sent to the far end because the microphone gave none.
    pub silence_sent: u64,
    /// Legs that panicked and were taken out.
    pub leg_panics: u64,
    /// Audio threads that were given SCHED_FIFO.
    pub realtime_threads: u32,
    /// When the loudspeaker last went from at least 200 ms of silence to
    /// sound: the moment the device had taken that period.
    pub last_sound: Option<Instant>,
    /// What is added to the loudspeaker's volume for the noise around, in dB.
    pub ambient_boost_db: f32,
    /// Why the volume is not set where it should be; none while all is well.
    pub volume_note: Option<String>,
    /// Whether captured sound goes out to somebody now: the microphone's truth.
    pub microphone_live: bool,
    /// Echo and who may speak.
    pub duplex: DuplexMeters,
}

/// What the processing of the microphone's sound measures. Kept from call to call.
#[derive(Clone, Debug, PartialEq)]
pub struct DuplexMeters {
    /// From the loudspeaker's samples to the echo's in the microphone's, in dB (ERL of ITU-T G.168).
    pub path_loss_db: Option<f32>,
    /// By how much more the echo is quieter in what goes out, in dB (ERLE).
    pub cancelled_db: Option<f32>,
    /// From rendering to the echo's arrival, devices and queues included, in ms.
    pub delay_ms: Option<f32>,
    /// By how much the loudspeaker's clock is slow against the microphone's, in parts per million; none without
    /// processing.
    pub drift_ppm: Option<f32>,
    /// Frames rendered that wait for the microphone frames of their time.
    pub reference_frames: u32,
    /// The echo is hopeless here: one speaks at a time.
    pub fallen_back: bool,
    /// Whether who stands here may be heard now; false only where one speaks at a time.
    pub microphone_gate: bool,
    /// Whether the far end may be heard now; false only where one speaks at a time.
    pub loudspeaker_gate: bool,
}

/// One direction of a [`Meters`].
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceMeters {
    /// Whether the device is open and delivers.
    pub running: bool,
    /// Looks of the thread that keeps the device open; none while it opens it, which may last.
    pub keeper_heartbeat: Option<u64>,
    /// RMS over about 100 ms in dBFS (a full-scale sine is 0, AES17); -120 is silence.
    pub level_db: f32,
    /// Overruns or underruns and suspends that the device recovered from.
    pub xruns: u64,
    /// Periods read or written since the start: a heartbeat while `running`.
    pub periods: u64,
    /// Frames thrown away because the queue was full (capture), or missing
    /// when the device wanted one (playback; silence was played instead).
    pub lost_frames: u64,
    /// Frames waiting between the device's thread and `audio-dsp`.
    pub queued_frames: u32,
    /// What waits in the device and in that queue together.
    pub delay: Duration,
    /// Times the device was opened.
    pub opened: u64,
    /// How often each kind of trouble was met, in the order of [`Trouble::ALL`].
    pub troubles: [u64; Trouble::ALL.len()],
}

impl DeviceMeters {
    /// How often this kind of trouble was met.
    pub fn troubles(&self, trouble: Trouble) -> u64 {
        self.troubles[trouble as usize]
    }
}

/// Silence of the level meter.
pub const FLOOR_DB: f32 = -120.0;

/// The atomics behind one [`DeviceMeters`].
#[derive(Debug)]
pub(super) struct DeviceCounters {
    pub running: AtomicBool,
    pub level_db: AtomicU32,
    pub xruns: AtomicU64,
    pub periods: AtomicU64,
    pub lost_frames: AtomicU64,
    pub queued_frames: AtomicU32,
    pub delay_us: AtomicU32,
    pub opened: AtomicU64,
    pub troubles: [AtomicU64; Trouble::ALL.len()],
    /// Opening goes on.
    pub opening: AtomicBool,
    pub keeper_heartbeat: AtomicU64,
    /// Periods in a row of one and the same sample value, and with a large offset.
    pub stuck: AtomicU32,
    pub offset: AtomicU32,
}

impl Default for DeviceCounters {
    fn default() -> Self {
        Self {
            running: AtomicBool::default(),
            level_db: AtomicU32::new(FLOOR_DB.to_bits()),
            xruns: AtomicU64::default(),
            periods: AtomicU64::default(),
            lost_frames: AtomicU64::default(),
            queued_frames: AtomicU32::default(),
            delay_us: AtomicU32::default(),
            opened: AtomicU64::default(),
            troubles: Default::default(),
            opening: AtomicBool::default(),
            keeper_heartbeat: AtomicU64::default(),
            stuck: AtomicU32::default(),
            offset: AtomicU32::default(),
        }
    }
}

impl DeviceCounters {
    pub fn set_delay(&self, delay: Duration) {
        self.delay_us.store(delay.as_micros().try_into().unwrap_or(u32::MAX), Relaxed);
    }

    pub fn count_trouble(&self, trouble: Trouble) {
        self.troubles[trouble as usize].fetch_add(1, Relaxed);
    }

    fn snapshot(&self) -> DeviceMeters {
        let queued_frames = self.queued_frames.load(Relaxed);
        DeviceMeters {
            running: self.running.load(Relaxed),
            keeper_heartbeat: (!self.opening.load(Relaxed)).then(|| self.keeper_heartbeat.load(Relaxed)),
            level_db: f32::from_bits(self.level_db.load(Relaxed)),
            xruns: self.xruns.load(Relaxed),
            periods: self.periods.load(Relaxed),
            lost_frames: self.lost_frames.load(Relaxed),
            queued_frames,
            delay: Duration::from_micros(self.delay_us.load(Relaxed).into()) + super::PERIOD * queued_frames,
            opened: self.opened.load(Relaxed),
            troubles: std::array::from_fn(|n| self.troubles[n].load(Relaxed)),
        }
    }
}

/// A figure that may not be known, as an atomic: NaN is none.
#[derive(Debug)]
pub(super) struct Figure(AtomicU32);

impl Default for Figure {
    fn default() -> Self {
        Self(AtomicU32::new(f32::NAN.to_bits()))
    }
}

impl Figure {
    pub fn set(&self, value: Option<f32>) {
        self.0.store(value.unwrap_or(f32::NAN).to_bits(), Relaxed);
    }

    fn get(&self) -> Option<f32> {
        Some(f32::from_bits(self.0.load(Relaxed))).filter(|value| !value.is_nan())
    }
}

/// The atomics behind [`DuplexMeters`].
#[derive(Debug)]
pub(super) struct DuplexCounters {
    pub path_loss_db: Figure,
    pub cancelled_db: Figure,
    pub delay_ms: Figure,
    pub drift_ppm: Figure,
    pub waiting: AtomicU32,
    pub fallen_back: AtomicBool,
    pub microphone_gate: AtomicBool,
    pub loudspeaker_gate: AtomicBool,
}

impl Default for DuplexCounters {
    fn default() -> Self {
        Self {
            path_loss_db: Figure::default(),
            cancelled_db: Figure::default(),
            delay_ms: Figure::default(),
            drift_ppm: Figure::default(),
            waiting: AtomicU32::default(),
            fallen_back: AtomicBool::default(),
            microphone_gate: AtomicBool::new(true),
            loudspeaker_gate: AtomicBool::new(true),
        }
    }
}

impl DuplexCounters {
    fn snapshot(&self) -> DuplexMeters {
        DuplexMeters {
            path_loss_db: self.path_loss_db.get(),
            cancelled_db: self.cancelled_db.get(),
            delay_ms: self.delay_ms.get(),
            drift_ppm: self.drift_ppm.get(),
            reference_frames: self.waiting.load(Relaxed),
            fallen_back: self.fallen_back.load(Relaxed),
            microphone_gate: self.microphone_gate.load(Relaxed),
            loudspeaker_gate: self.loudspeaker_gate.load(Relaxed),
        }
    }
}

/// Captured sound that went out so recently still goes out: as long as `audio-dsp` waits for the next.
const LIVE: Duration = Duration::from_millis(50);

/// Everything the audio threads share. Written by one thread each, read by anybody.
#[derive(Debug)]
pub(super) struct Counters {
    pub epoch: Instant,
    pub stop: AtomicBool,
    pub capture: DeviceCounters,
    pub playback: DeviceCounters,
    pub dsp_heartbeat: AtomicU64,
    pub tidy_heartbeat: AtomicU64,
    pub care_heartbeat: AtomicU64,
    pub silence_sent: AtomicU64,
    pub leg_panics: AtomicU64,
    pub realtime_threads: AtomicU32,
    /// Nanoseconds since `epoch`; 0 for never.
    pub last_sound: AtomicU64,
    pub ambient_boost_db: AtomicU32,
    /// For threads that may wait, only.
    pub volume_note: Mutex<Option<String>>,
    /// When captured sound last went out to somebody, in the same measure.
    pub last_heard: AtomicU64,
    pub duplex: DuplexCounters,
}

impl Counters {
    pub fn new() -> Self {
        Self {
            epoch: Instant::now(),
            stop: AtomicBool::default(),
            capture: DeviceCounters::default(),
            playback: DeviceCounters::default(),
            dsp_heartbeat: AtomicU64::default(),
            tidy_heartbeat: AtomicU64::default(),
            care_heartbeat: AtomicU64::default(),
            silence_sent: AtomicU64::default(),
            leg_panics: AtomicU64::default(),
            realtime_threads: AtomicU32::default(),
            last_sound: AtomicU64::default(),
            ambient_boost_db: AtomicU32::default(),
            volume_note: Mutex::default(),
            last_heard: AtomicU64::default(),
            duplex: DuplexCounters::default(),
        }
    }

    pub fn stopping(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Captured sound goes out to somebody now.
    pub fn microphone_heard(&self, now: Instant) {
        let since = now.saturating_duration_since(self.epoch).as_nanos();
        self.last_heard.store(since.try_into().unwrap_or(u64::MAX), Relaxed);
    }

    /// Whether captured sound goes out to somebody. Becomes untrue by itself, whatever part fails.
    pub fn microphone_live(&self) -> bool {
        let heard = self.last_heard.load(Relaxed);
        heard > 0 && self.epoch.elapsed().saturating_sub(Duration::from_nanos(heard)) < LIVE
    }

    pub fn snapshot(&self) -> Meters {
        let last_sound = self.last_sound.load(Relaxed);
        Meters {
            capture: self.capture.snapshot(),
            playback: self.playback.snapshot(),
            dsp_heartbeat: self.dsp_heartbeat.load(Relaxed),
            tidy_heartbeat: self.tidy_heartbeat.load(Relaxed),
            care_heartbeat: self.care_heartbeat.load(Relaxed),
            silence_sent: self.silence_sent.load(Relaxed),
            leg_panics: self.leg_panics.load(Relaxed),
            realtime_threads: self.realtime_threads.load(Relaxed),
            ambient_boost_db: f32::from_bits(self.ambient_boost_db.load(Relaxed)),
            volume_note: self.volume_note.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            microphone_live: self.microphone_live(),
            duplex: self.duplex.snapshot(),
            last_sound: (last_sound > 0).then(|| self.epoch + Duration::from_nanos(last_sound)),
        }
    }
}
