//! The sound card through alsa-lib, hardware and plug-in devices alike.
//!
//! Opened non-blocking, so that a busy device is an error and not a wait
//! without end, and a card that hangs is noticed.

use std::time::Duration;

use alsa::pcm::{Access, Format, Frames, HwParams, PCM, State};
use alsa::{Direction, Output, ValueOr};

use super::device::{Capture, DeviceError, Flow, Playback};
use super::devices;
use super::leg::{FRAME_SAMPLES, Frame, SAMPLE_RATE};

/// Periods of the card's buffer: capture may be read late, playback is heard late.
const CAPTURE_PERIODS: Frames = 4;
const PLAYBACK_PERIODS: Frames = 3;

/// Playback starts with this much silence ahead of the first sound. The start
/// threshold itself is one period: PulseAudio's plug-in makes it the least
/// fill after an underrun, too, and two of three periods is a dead-lock there.
const CUSHION_PERIODS: usize = 1;

/// More channels than a mono box can make sense of.
const MOST_CHANNELS: u32 = 8;

/// A card that gives or takes nothing for so long hangs. A sound server that
/// wakes up an idle card may need two seconds.
const STALLED_MS: u32 = 3000;

/// Recoveries within one period until the device is given up.
const MOST_RECOVERIES: u32 = 10;

const PERIOD_FRAMES: Frames = FRAME_SAMPLES as Frames;

/// A microphone of alsa-lib.
#[derive(Debug)]
pub struct AlsaCapture(Pcm);

impl AlsaCapture {
    /// Opens and starts it.
    ///
    /// # Errors
    /// [`DeviceError`] when it is missing, busy or cannot do 48 kHz in 16 or 32 bits.
    pub fn open(name: &str) -> Result<Self, DeviceError> {
        let pcm = Pcm::open(name, Direction::Capture, CAPTURE_PERIODS * PERIOD_FRAMES)?;
        pcm.pcm.start().map_err(|error| pcm.failed(error))?;
        Ok(Self(pcm))
    }
}

impl Capture for AlsaCapture {
    fn read(&mut self, frame: &mut Frame) -> Result<Flow, DeviceError> {
        let flow = self.0.transfer(|pcm, bytes| pcm.io_bytes().readi(bytes))?;
        self.0.down_mix(frame);
        Ok(flow)
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
    pub fn open(name: &str) -> Result<Self, DeviceError> {
        Pcm::open(name, Direction::Playback, PLAYBACK_PERIODS * PERIOD_FRAMES).map(Self)
    }

    fn put(&mut self) -> Result<Flow, DeviceError> {
        self.0.transfer(|pcm, bytes| pcm.io_bytes().writei(bytes))
    }
}

impl Playback for AlsaPlayback {
    fn write(&mut self, frame: &Frame) -> Result<Flow, DeviceError> {
        if self.0.pcm.state() == State::Prepared {
            // A cushion of silence, or the next late frame would be an underrun.
            self.0.bytes.fill(0);
            for _ in 0..CUSHION_PERIODS {
                self.put()?;
            }
        }
        self.0.up_mix(frame);
        self.put()
    }

    fn delay(&self) -> Duration {
        self.0.delay()
    }
}

/// What both directions share.
#[derive(Debug)]
struct Pcm {
    pcm: PCM,
    name: String,
    direction: Direction,
    /// 32 bits a sample, else 16.
    wide: bool,
    channels: usize,
    /// One period in the device's own format, interleaved.
    bytes: Vec<u8>,
}

impl Pcm {
    fn open(name: &str, direction: Direction, buffer: Frames) -> Result<Self, DeviceError> {
        // What alsa-lib would print to stderr; the errors returned say enough.
        let _quiet = Output::local_error_handler();
        let pcm = PCM::new(name, direction, true).map_err(|error| not_opened(name, direction, error))?;
        let (wide, channels) = set_hardware(&pcm, name, buffer)?;
        let mut opened = Self { pcm, name: name.to_owned(), direction, wide, channels, bytes: Vec::new() };
        opened.set_software().map_err(|error| opened.failed(error))?;
        opened.bytes = vec![0; FRAME_SAMPLES * channels * if wide { 4 } else { 2 }];
        Ok(opened)
    }

    fn set_software(&self) -> alsa::Result<()> {
        let software = self.pcm.sw_params_current()?;
        let buffer = self.pcm.hw_params_current()?.get_buffer_size()?;
        let start = match self.direction {
            Direction::Playback => PERIOD_FRAMES.min(buffer),
            Direction::Capture => 1,
        };
        software.set_start_threshold(start)?;
        software.set_avail_min(PERIOD_FRAMES.min(buffer))?;
        self.pcm.sw_params(&software)?;
        self.pcm.prepare()
    }

    /// Moves the whole period, waiting and recovering as needed. alsa-lib's
    /// `io_bytes` is used because the checked kinds look the format up, and
    /// so allocate, every time.
    fn transfer(
        &mut self,
        mut step: impl FnMut(&PCM, &mut [u8]) -> alsa::Result<usize>,
    ) -> Result<Flow, DeviceError> {
        let frame_bytes = self.bytes.len() / FRAME_SAMPLES;
        let (mut done, mut recoveries) = (0, 0);
        while done < self.bytes.len() {
            let error = match step(&self.pcm, &mut self.bytes[done..]) {
                Ok(frames) => {
                    done += frames * frame_bytes;
                    continue;
                }
                Err(error) if error.errno() == libc::EAGAIN => match self.pcm.wait(Some(STALLED_MS)) {
                    Ok(true) => continue,
                    Ok(false) => return Err(self.stalled()),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            recoveries += 1;
            if recoveries > MOST_RECOVERIES
                || !matches!(error.errno(), libc::EPIPE | libc::ESTRPIPE | libc::EINTR)
            {
                return Err(self.failed(error));
            }
            self.pcm.try_recover(error, true).map_err(|error| self.failed(error))?;
            if self.direction == Direction::Capture {
                self.pcm.start().map_err(|error| self.failed(error))?;
                done = 0;
            }
        }
        Ok(if recoveries == 0 { Flow::Smooth } else { Flow::Recovered })
    }

    fn down_mix(&self, frame: &mut Frame) {
        let width = if self.wide { 4 } else { 2 };
        for (sample, from) in frame.iter_mut().zip(self.bytes.chunks_exact(width * self.channels)) {
            // The two upper bytes of a little-endian sample are its 16 bits.
            let sum: i32 = from
                .chunks_exact(width)
                .map(|bytes| i32::from(i16::from_le_bytes([bytes[width - 2], bytes[width - 1]])))
                .sum();
            *sample = (sum / self.channels as i32) as i16;
        }
    }

    fn up_mix(&mut self, frame: &Frame) {
        let width = if self.wide { 4 } else { 2 };
        for (sample, to) in frame.iter().zip(self.bytes.chunks_exact_mut(width * self.channels)) {
            for bytes in to.chunks_exact_mut(width) {
                bytes.fill(0);
                bytes[width - 2..].copy_from_slice(&sample.to_le_bytes());
            }
        }
    }

    fn delay(&self) -> Duration {
        let frames = self.pcm.delay().unwrap_or(0).max(0);
        Duration::from_micros(frames as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
    }

    fn stalled(&self) -> DeviceError {
        DeviceError {
            device: self.name.clone(),
            reason: format!("no sound has moved for {STALLED_MS} ms"),
            cure: "unplug the device and plug it in again, or restart the sound server".to_owned(),
        }
    }

    fn failed(&self, error: alsa::Error) -> DeviceError {
        DeviceError {
            device: self.name.clone(),
            reason: error.to_string(),
            cure: "see that it is plugged in and its sound server runs; it is tried again by itself"
                .to_owned(),
        }
    }
}

/// Sets format, channels, rate and buffer; tells the width and the channels chosen.
fn set_hardware(pcm: &PCM, name: &str, buffer: Frames) -> Result<(bool, usize), DeviceError> {
    let refused = |what: &str, error: alsa::Error| DeviceError {
        device: name.to_owned(),
        reason: format!("it cannot do {what} ({error})"),
        cure: match name.strip_prefix("hw:") {
            Some(rest) => format!("write plughw:{rest} instead, so that ALSA converts"),
            None => "choose a device that can, or one of ALSA's plughw: names, which convert".to_owned(),
        },
    };
    let params = HwParams::any(pcm).map_err(|error| refused("PCM", error))?;
    params.set_access(Access::RWInterleaved).map_err(|error| refused("interleaved access", error))?;
    let wide = match params.set_format(Format::S16LE) {
        Ok(()) => false,
        Err(_) => {
            params.set_format(Format::S32LE).map_err(|error| refused("16 or 32 bit samples", error))?;
            true
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
    params
        .set_period_size_near(PERIOD_FRAMES, ValueOr::Nearest)
        .map_err(|error| refused("periods", error))?;
    params.set_buffer_size_near(buffer).map_err(|error| refused("a short buffer", error))?;
    pcm.hw_params(&params).map_err(|error| refused("48 kHz in 10 ms periods", error))?;
    let rate = params.get_rate().map_err(|error| refused("48000 samples a second", error))?;
    if rate != SAMPLE_RATE {
        return Err(refused(
            "48000 samples a second",
            alsa::Error::new("snd_pcm_hw_params_get_rate", libc::EINVAL),
        ));
    }
    Ok((wide, channels as usize))
}

fn not_opened(name: &str, direction: Direction, error: alsa::Error) -> DeviceError {
    let cure = if error.errno() == libc::EBUSY {
        "end the program that uses it, or name a device that can be shared".to_owned()
    } else {
        format!("name one that is there. {}", devices::names(direction == Direction::Capture))
    };
    DeviceError { device: name.to_owned(), reason: error.to_string(), cure }
}
