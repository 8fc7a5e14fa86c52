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
}

/// One direction of a [`Meters`].
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceMeters {
    /// Whether the device is open and delivers.
    pub running: bool,
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

/// Everything the audio threads share. Written by one thread each, read by anybody.
#[derive(Debug)]
pub(super) struct Counters {
    pub epoch: Instant,
    pub stop: AtomicBool,
    pub capture: DeviceCounters,
    pub playback: DeviceCounters,
    pub dsp_heartbeat: AtomicU64,
    pub silence_sent: AtomicU64,
    pub leg_panics: AtomicU64,
    pub realtime_threads: AtomicU32,
    /// Nanoseconds since `epoch`; 0 for never.
    pub last_sound: AtomicU64,
    pub ambient_boost_db: AtomicU32,
    /// For threads that may wait, only.
    pub volume_note: Mutex<Option<String>>,
}

impl Counters {
    pub fn new() -> Self {
        Self {
            epoch: Instant::now(),
            stop: AtomicBool::default(),
            capture: DeviceCounters::default(),
            playback: DeviceCounters::default(),
            dsp_heartbeat: AtomicU64::default(),
            silence_sent: AtomicU64::default(),
            leg_panics: AtomicU64::default(),
            realtime_threads: AtomicU32::default(),
            last_sound: AtomicU64::default(),
            ambient_boost_db: AtomicU32::default(),
            volume_note: Mutex::default(),
        }
    }

    pub fn stopping(&self) -> bool {
        self.stop.load(Relaxed)
    }

    pub fn snapshot(&self) -> Meters {
        let last_sound = self.last_sound.load(Relaxed);
        Meters {
            capture: self.capture.snapshot(),
            playback: self.playback.snapshot(),
            dsp_heartbeat: self.dsp_heartbeat.load(Relaxed),
            silence_sent: self.silence_sent.load(Relaxed),
            leg_panics: self.leg_panics.load(Relaxed),
            realtime_threads: self.realtime_threads.load(Relaxed),
            ambient_boost_db: f32::from_bits(self.ambient_boost_db.load(Relaxed)),
            volume_note: self.volume_note.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            last_sound: (last_sound > 0).then(|| self.epoch + Duration::from_nanos(last_sound)),
        }
    }
}
