//! What a back-end is: one blocking call a 10 ms period.

use std::time::{Duration, Instant};

use super::leg::Frame;
use super::settings::{Buffering, DeviceName};
use super::{PERIOD, alsa, synth, wav};

/// A microphone, open.
pub trait Capture: Send {
    /// Waits for the next period and fills it in. Must return within three
    /// seconds, and neither allocate, lock nor log while all is well.
    ///
    /// # Errors
    /// [`DeviceError`] when the device must be opened anew.
    fn read(&mut self, frame: &mut Frame) -> Result<Flow, DeviceError>;

    /// The age of the oldest sample that waits in the device.
    fn delay(&self) -> Duration;
}

/// A loudspeaker, open. One period: [`Self::ready`], then [`Self::write`].
pub trait Playback: Send {
    /// Waits until a period fits, so that what is written is as fresh as can
    /// be. Must return within three seconds, and neither allocate, lock nor
    /// log while all is well.
    ///
    /// # Errors
    /// [`DeviceError`] when the device must be opened anew.
    fn ready(&mut self) -> Result<(), DeviceError>;

    /// Hands one period over. The same rules.
    ///
    /// # Errors
    /// [`DeviceError`] when the device must be opened anew.
    fn write(&mut self, frame: &Frame) -> Result<Flow, DeviceError>;

    /// How long the sample written last will take to be heard.
    fn delay(&self) -> Duration;
}

/// How a period went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Without a gap.
    Smooth,
    /// After an overrun, underrun or suspend: sound is missing before it.
    Recovered,
}

/// A device that cannot be used, with the cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{device}: {reason}; {cure}")]
pub struct DeviceError {
    /// The name from the configuration.
    pub device: String,
    /// The kind.
    pub trouble: Trouble,
    /// What went wrong.
    pub reason: String,
    /// What would mend it.
    pub cure: String,
}

/// Kinds of trouble with a device; each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Not there, or unplugged.
    Missing,
    /// Another program has it.
    Busy,
    /// It cannot do the rate, the channels or the format.
    Unfit,
    /// Its clock stands still.
    Frozen,
    /// One overrun or underrun after the other.
    Storm,
    /// Its clock is far from the rate it was set to.
    WrongRate,
    /// It runs, and its samples are no sound: exact silence, a stuck value or a large offset.
    Dead,
    /// Anything else.
    Failed,
}

impl Trouble {
    /// Every kind, in order.
    pub const ALL: [Trouble; 8] = [
        Trouble::Missing,
        Trouble::Busy,
        Trouble::Unfit,
        Trouble::Frozen,
        Trouble::Storm,
        Trouble::WrongRate,
        Trouble::Dead,
        Trouble::Failed,
    ];

    /// Its name in status and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Trouble::Missing => "missing",
            Trouble::Busy => "busy",
            Trouble::Unfit => "unfit",
            Trouble::Frozen => "frozen",
            Trouble::Storm => "xrun-storm",
            Trouble::WrongRate => "wrong-rate",
            Trouble::Dead => "dead",
            Trouble::Failed => "failed",
        }
    }
}

/// Opens a microphone. May take long; not for a real-time thread.
///
/// # Errors
/// [`DeviceError`] when it is missing, busy or cannot do 48 kHz.
pub fn open_capture(name: &DeviceName, buffering: Buffering) -> Result<Box<dyn Capture>, DeviceError> {
    Ok(match name {
        DeviceName::Alsa(pcm) => Box::new(alsa::AlsaCapture::open(pcm, buffering)?),
        DeviceName::Wav(path) => Box::new(wav::WavCapture::open(path)?),
        DeviceName::Synth(kind) => Box::new(synth::SynthCapture::new(*kind)),
    })
}

/// Opens a loudspeaker. May take long; not for a real-time thread.
///
/// # Errors
/// [`DeviceError`] when it is missing, busy or cannot do 48 kHz.
pub fn open_playback(name: &DeviceName, buffering: Buffering) -> Result<Box<dyn Playback>, DeviceError> {
    Ok(match name {
        DeviceName::Alsa(pcm) => Box::new(alsa::AlsaPlayback::open(pcm, buffering)?),
        DeviceName::Wav(path) => Box::new(wav::WavPlayback::open(path)?),
        DeviceName::Synth(_) => Box::new(synth::SynthPlayback::new()),
    })
}

/// The clock of a device that is none: one tick a period.
#[derive(Debug)]
pub(super) struct Pacer {
    next: Instant,
}

/// A pacer this late has lost sound, as a card with four periods would have.
const LATE: Duration = Duration::from_millis(40);

impl Pacer {
    pub fn new() -> Self {
        Self { next: Instant::now() + PERIOD }
    }

    /// Sleeps to the next tick. After a long delay the ticks begin anew.
    pub fn tick(&mut self) -> Flow {
        let now = Instant::now();
        if now > self.next + LATE {
            self.next = now + PERIOD;
            return Flow::Recovered;
        }
        std::thread::sleep(self.next.saturating_duration_since(now));
        self.next += PERIOD;
        Flow::Smooth
    }
}
