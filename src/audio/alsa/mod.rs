//! The sound card through alsa-lib, hardware and plug-in devices alike.
//!
//! Opened non-blocking, so that a busy device is an error and not a wait
//! without end, and a card that hangs is noticed.

use std::time::Duration;

pub mod mixer;
mod names;
mod wait;

use alsa::pcm::{Access, Format, Frames, HwParams, PCM, State};
use alsa::{Direction, Output, ValueOr};

pub(super) use names::names;
pub use names::{DeviceInfo, devices};

use super::device::{Capture, DeviceError, Flow, Playback, Trouble};
use super::leg::{FRAME_SAMPLES, Frame, SAMPLE_RATE};
use super::settings::Buffering;
use wait::Waiter;

/// More channels than a mono box can make sense of.
const MOST_CHANNELS: u32 = 8;

/// A card that gives or takes nothing for so long hangs. A sound server that
/// wakes up an idle card may need two seconds.
const STALLED: Duration = Duration::from_secs(3);

/// The same for one that has been running: nothing has to wake up there.
const STALLED_RUNNING: Duration = Duration::from_millis(1500);

/// Recoveries for one period until the device is given up.
const MOST_RECOVERIES: usize = 10;

const PERIOD_FRAMES: Frames = FRAME_SAMPLES as Frames;

/// A microphone of alsa-lib.
#[derive(Debug)]
pub struct AlsaCapture(Pcm);

impl AlsaCapture {
    /// Opens and starts it.
    ///
    /// # Errors
    /// [`DeviceError`] when it is missing, busy or cannot do 48 kHz in 16 or 32 bits.
    pub fn open(name: &str, buffering: Buffering) -> Result<Self, DeviceError> {
        let pcm = Pcm::open(name, Direction::Capture, frames(buffering.period), frames(buffering.capture))?;
        pcm.pcm.start().map_err(|error| pcm.failed(error))?;
        Ok(Self(pcm))
    }
}

impl Capture for AlsaCapture {
    fn read(&mut self, frame: &mut Frame) -> Result<Flow, DeviceError> {
        let mut flow = Flow::Smooth;
        for _ in 0..MOST_RECOVERIES {
            if self.0.transfer(|pcm, bytes| pcm.io_bytes().readi(bytes))? {
                down_mix(&self.0.bytes, self.0.width, self.0.channels, frame);
                return Ok(flow);
            }
            flow = Flow::Recovered;
            self.0.pcm.start().map_err(|error| self.0.failed(error))?;
        }
        Err(self.0.stalled())
    }

    fn delay(&self) -> Duration {
        self.0.delay()
    }
}

/// A loudspeaker of alsa-lib.
#[derive(Debug)]
pub struct AlsaPlayback(Pcm);

impl AlsaPlayback {
    /// Opens it. It starts by itself with the first periods written.
    ///
    /// # Errors
    /// [`DeviceError`] when it is missing, busy or cannot do 48 kHz in 16 or 32 bits.
    pub fn open(name: &str, buffering: Buffering) -> Result<Self, DeviceError> {
        let buffer = frames(buffering.playback);
        Pcm::open(name, Direction::Playback, frames(buffering.period), buffer).map(Self)
    }

    fn put(&mut self) -> Result<bool, DeviceError> {
        self.0.transfer(|pcm, bytes| pcm.io_bytes().writei(bytes))
    }
}

impl Playback for AlsaPlayback {
    fn ready(&mut self) -> Result<(), DeviceError> {
        if self.0.pcm.state() == State::Prepared {
            return Ok(());
        }
        // An underrun shows here first, and is mended by the write that follows.
        self.0.waiter.moved();
        let ready = self.0.pcm.avail_update().and_then(|room| match room {
            PERIOD_FRAMES.. => Ok(true),
            _ => self.0.wait(),
        });
        match ready {
            Ok(false) => Err(self.0.stalled()),
            Ok(true) => Ok(()),
            Err(error) if matches!(error.errno(), libc::EINTR | libc::EPIPE | libc::ESTRPIPE) => Ok(()),
            Err(error) => Err(self.0.failed(error)),
        }
    }

    fn write(&mut self, frame: &Frame) -> Result<Flow, DeviceError> {
        let mut flow = Flow::Smooth;
        for _ in 0..MOST_RECOVERIES {
            let mut well = true;
            if self.0.pcm.state() == State::Prepared {
                // A cushion of silence, or the next late frame would be an underrun.
                self.0.bytes.fill(0);
                well = self.put()?;
            }
            up_mix(frame, self.0.width, self.0.channels, &mut self.0.bytes);
            if well && self.put()? {
                return Ok(flow);
            }
            flow = Flow::Recovered;
        }
        Err(self.0.stalled())
    }

    fn delay(&self) -> Duration {
        self.0.delay()
    }
}

/// What both directions share.
#[derive(Debug)]
struct Pcm {
    pcm: PCM,
    waiter: Waiter,
    name: String,
    /// Bytes a sample: 2 or 4.
    width: usize,
    channels: usize,
    /// One frame in the device's own format, interleaved.
    bytes: Vec<u8>,
    /// Frames moved, as far as it matters.
    moved: u32,
}

/// Frames after which a device counts as running: a second.
const RUNNING: u32 = 100;

/// Sample frames of so long a time.
fn frames(time: Duration) -> Frames {
    (time.as_micros() * u128::from(SAMPLE_RATE) / 1_000_000).try_into().unwrap_or(PERIOD_FRAMES)
}

impl Pcm {
    fn open(name: &str, direction: Direction, period: Frames, buffer: Frames) -> Result<Self, DeviceError> {
        // What alsa-lib would print to stderr.
        let chatter = Output::local_error_handler();
        let pcm = PCM::new(name, direction, true).map_err(|error| {
            tracing::debug!(chatter = chatter.map(|text| text.borrow().to_string()).unwrap_or_default());
            not_opened(name, error)
        })?;
        let (width, channels) = set_hardware(&pcm, name, period, buffer)?;
        let waiter = Waiter::new(&pcm).map_err(|error| not_opened(name, error))?;
        let mut opened =
            Self { pcm, waiter, name: name.to_owned(), width, channels, bytes: Vec::new(), moved: 0 };
        opened.set_software().map_err(|error| opened.failed(error))?;
        opened.bytes = vec![0; FRAME_SAMPLES * channels * width];
        Ok(opened)
    }

    fn set_software(&self) -> alsa::Result<()> {
        let software = self.pcm.sw_params_current()?;
        let buffer = self.pcm.hw_params_current()?.get_buffer_size()?;
        // One period: PulseAudio's plug-in makes it the least fill after an
        // underrun, too, and two of three periods is a dead-lock there.
        software.set_start_threshold(PERIOD_FRAMES.min(buffer))?;
        software.set_avail_min(PERIOD_FRAMES.min(buffer))?;
        self.pcm.sw_params(&software)?;
        self.pcm.prepare()
    }

    /// Moves the whole period. False after a recovery: the device is prepared
    /// again, and the period is to be moved from its start.
    ///
    /// `step` uses alsa-lib's `io_bytes` because the checked kinds look the
    /// format up, and so allocate, every time.
    fn transfer(
        &mut self,
        mut step: impl FnMut(&PCM, &mut [u8]) -> alsa::Result<usize>,
    ) -> Result<bool, DeviceError> {
        let frame_bytes = self.width * self.channels;
        let mut done = 0;
        while done < self.bytes.len() {
            let error = match step(&self.pcm, &mut self.bytes[done..]) {
                Ok(frames) => {
                    self.waiter.moved();
                    done += frames * frame_bytes;
                    continue;
                }
                Err(error) if error.errno() == libc::EAGAIN => match self.wait() {
                    Ok(true) => continue,
                    Ok(false) => return Err(self.stalled()),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            match error.errno() {
                libc::EINTR => {}
                libc::EPIPE | libc::ESTRPIPE => {
                    return match self.pcm.try_recover(error, true) {
                        Ok(()) => Ok(false),
                        Err(error) => Err(self.failed(error)),
                    };
                }
                _ => return Err(self.failed(error)),
            }
        }
        self.moved = self.moved.saturating_add(1);
        Ok(true)
    }

    fn patience(&self) -> Duration {
        if self.moved < RUNNING { STALLED } else { STALLED_RUNNING }
    }

    fn wait(&mut self) -> alsa::Result<bool> {
        let patience = self.patience();
        self.waiter.ready(&self.pcm, patience)
    }

    fn delay(&self) -> Duration {
        let frames = self.pcm.delay().unwrap_or(0).max(0);
        Duration::from_micros(frames as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
    }

    fn stalled(&self) -> DeviceError {
        DeviceError {
            device: self.name.clone(),
            trouble: Trouble::Frozen,
            reason: format!("no sound has moved for {} ms", self.patience().as_millis()),
            cure: "unplug the device and plug it in again, or restart the sound server".to_owned(),
        }
    }

    fn failed(&self, error: alsa::Error) -> DeviceError {
        DeviceError {
            device: self.name.clone(),
            trouble: trouble(error),
            reason: error.to_string(),
            cure: "see that it is plugged in and its sound server runs; it is tried again by itself"
                .to_owned(),
        }
    }
}

/// Averages the channels of one period.
fn down_mix(bytes: &[u8], width: usize, channels: usize, frame: &mut Frame) {
    for (sample, from) in frame.iter_mut().zip(bytes.chunks_exact(width * channels)) {
        // The two upper bytes of a little-endian sample are its upper 16 bits.
        let upper = |bytes: &[u8]| i32::from(i16::from_le_bytes([bytes[width - 2], bytes[width - 1]]));
        *sample = (from.chunks_exact(width).map(upper).sum::<i32>() / channels as i32) as i16;
    }
}

/// Gives every channel the same.
fn up_mix(frame: &Frame, width: usize, channels: usize, bytes: &mut [u8]) {
    bytes.fill(0);
    for (sample, to) in frame.iter().zip(bytes.chunks_exact_mut(width * channels)) {
        for to in to.chunks_exact_mut(width) {
            to[width - 2..].copy_from_slice(&sample.to_le_bytes());
        }
    }
}

/// Sets format, channels, rate and buffer; tells the bytes a sample and the channels chosen.
fn set_hardware(
    pcm: &PCM,
    name: &str,
    period: Frames,
    buffer: Frames,
) -> Result<(usize, usize), DeviceError> {
    let refused = |what: &str, error: alsa::Error| DeviceError {
        device: name.to_owned(),
        trouble: Trouble::Unfit,
        reason: format!("it cannot do {what} ({error})"),
        cure: match name.strip_prefix("hw:") {
            Some(rest) => format!("write plughw:{rest} instead, so that ALSA converts"),
            None => "choose a device that can, or one of ALSA's plughw: names, which convert".to_owned(),
        },
    };
    let params = HwParams::any(pcm).map_err(|error| refused("PCM", error))?;
    params.set_access(Access::RWInterleaved).map_err(|error| refused("interleaved access", error))?;
    let width = match params.set_format(Format::S16LE) {
        Ok(()) => 2,
        Err(_) => {
            params.set_format(Format::S32LE).map_err(|error| refused("16 or 32 bit samples", error))?;
            4
        }
    };
    let channels =
        (1..=MOST_CHANNELS).find(|&channels| params.test_channels(channels).is_ok()).ok_or_else(|| {
            refused("1 to 8 channels", alsa::Error::new("snd_pcm_hw_params_test_channels", libc::EINVAL))
        })?;
    params.set_channels(channels).map_err(|error| refused("its own channels", error))?;
    params
        .set_rate(SAMPLE_RATE, ValueOr::Nearest)
        .map_err(|error| refused("48000 samples a second", error))?;
    params.set_period_size_near(period, ValueOr::Nearest).map_err(|error| refused("periods", error))?;
    params.set_buffer_size_near(buffer).map_err(|error| refused("a short buffer", error))?;
    pcm.hw_params(&params).map_err(|error| refused("48 kHz in such short periods", error))?;
    let rate = params.get_rate().map_err(|error| refused("48000 samples a second", error))?;
    if rate != SAMPLE_RATE {
        return Err(refused(
            "48000 samples a second",
            alsa::Error::new("snd_pcm_hw_params_get_rate", libc::EINVAL),
        ));
    }
    Ok((width, channels as usize))
}

/// What kind of trouble an error of alsa-lib tells of.
fn trouble(error: alsa::Error) -> Trouble {
    match error.errno() {
        libc::EBUSY => Trouble::Busy,
        libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::ECONNREFUSED | libc::EBADFD => Trouble::Missing,
        _ => Trouble::Failed,
    }
}

fn not_opened(name: &str, error: alsa::Error) -> DeviceError {
    let trouble = trouble(error);
    let cure = if trouble == Trouble::Busy {
        "end the program that uses it, or name a device that can be shared"
    } else {
        "name one that is there"
    };
    DeviceError { device: name.to_owned(), trouble, reason: error.to_string(), cure: cure.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_widths_are_mixed_there_and_back() {
        let mut frame: Frame = [0; FRAME_SAMPLES];
        for (n, sample) in frame.iter_mut().enumerate() {
            *sample = (n as i16 - 240) * 136;
        }
        for (width, channels) in [(2, 1), (2, 2), (2, 8), (4, 1), (4, 2), (4, 6)] {
            let mut bytes = vec![0xAA; FRAME_SAMPLES * width * channels];
            up_mix(&frame, width, channels, &mut bytes);
            if width == 4 {
                let first = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                assert_eq!(first, i32::from(frame[0]) << 16);
            }
            let mut back = [1; FRAME_SAMPLES];
            down_mix(&bytes, width, channels, &mut back);
            assert_eq!(back, frame, "{channels} channels of {width} bytes");
        }
        // Two channels that differ: their mean, even where the sum is more than 16 bits.
        let mut back = [0; FRAME_SAMPLES];
        let bytes = [[0xFF, 0x7F, 0xFD, 0x7F]; FRAME_SAMPLES].concat();
        down_mix(&bytes, 2, 2, &mut back);
        assert_eq!(back[0], 32_766);
    }
}
