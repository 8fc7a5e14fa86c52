//! `[audio]`: microphone and loudspeaker.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::appliance::settings::TalkMode;
use crate::appliance::volume::VolumeSettings;

use super::board::Board;
use super::diagnostic::{Problem, quoted};
use super::section::Section;
use super::volume::{self, CardConfig};

/// Microphone and loudspeaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioConfig {
    /// The microphone. Default: the board's, else ALSA's `default`.
    pub capture: AudioDevice,
    /// The loudspeaker. Default: the board's, else ALSA's `default`.
    pub playback: AudioDevice,
    /// How the sound card is used.
    pub card: CardConfig,
    /// Who may talk when.
    pub talk: TalkMode,
    /// The loudspeaker's volume.
    pub volume: VolumeSettings,
    /// What is done against echo. Default [`Processing::FullDuplex`] between two
    /// sound cards; a file or made-up sound hears no loudspeaker, so there nothing.
    pub processing: Processing,
    /// By whom. Default [`EchoCanceller::Own`].
    pub echo_canceller: EchoCanceller,
    /// Whether steady noise is lowered. Default true.
    pub noise_suppression: bool,
    /// Whether very quiet and very loud speech is brought nearer to the usual level. Default true.
    pub gain_control: bool,
}

/// What is done against echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processing {
    /// Both may speak at once; one at a time for as long as echo cannot be cancelled.
    FullDuplex,
    /// One at a time.
    HalfDuplex,
    /// Nothing at all, noise suppression and gain control included.
    Off,
}

/// Which echo canceller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EchoCanceller {
    /// The one of this program.
    Own,
    /// WebRTC's, by its port sonora.
    Sonora,
}

const PROCESSING: [(&str, Processing); 3] = [
    ("full-duplex", Processing::FullDuplex),
    ("half-duplex", Processing::HalfDuplex),
    ("off", Processing::Off),
];

const CANCELLERS: [(&str, EchoCanceller); 2] =
    [("own", EchoCanceller::Own), ("sonora", EchoCanceller::Sonora)];

/// A sound device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioDevice {
    /// An ALSA PCM's name, such as `default` or `plughw:CARD=Device`.
    Alsa(String),
    /// A WAV file, read or written at the pace of a sound card.
    Wav(PathBuf),
    /// Made up: silence. As a loudspeaker it throws the sound away.
    Silence,
    /// Made up: a sine of this many hertz, 20 to 20000. Only as a microphone.
    Tone(u32),
}

impl fmt::Display for AudioDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AudioDevice::Alsa(name) => f.write_str(name),
            AudioDevice::Wav(path) => write!(f, "wav:{}", path.display()),
            AudioDevice::Silence => f.write_str("synth:silence"),
            AudioDevice::Tone(hertz) => write!(f, "synth:tone={hertz}"),
        }
    }
}

/// Which way the sound goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Capture,
    Playback,
}

/// Reads a device's name; a relative WAV path counts from `base`.
pub(super) fn device(text: &str, way: Way, base: &Path) -> Result<AudioDevice, Problem> {
    const CURE: &str =
        "write an ALSA name such as \"default\" or \"plughw:CARD=Device\", \"wav:FILE\" or \"synth:silence\"";
    if let Some(path) = text.strip_prefix("wav:") {
        return if path.is_empty() || path.contains('\0') {
            Err(Problem::new(format!("{} names no file", quoted(text)), "write \"wav:FILE\""))
        } else {
            Ok(AudioDevice::Wav(base.join(path)))
        };
    }
    if let Some(synth) = text.strip_prefix("synth:") {
        let tone = synth.strip_prefix("tone=").and_then(|hertz| hertz.parse().ok());
        return match (synth, tone, way) {
            ("silence", ..) => Ok(AudioDevice::Silence),
            (_, Some(_), Way::Playback) => Err(Problem::new(
                format!("{} cannot be a loudspeaker", quoted(text)),
                "write \"synth:silence\" to throw the sound away",
            )),
            (_, Some(hertz @ 20..=20_000), Way::Capture) => Ok(AudioDevice::Tone(hertz)),
            (_, Some(_) | None, _) => Err(Problem::new(
                format!("{} is no synthetic sound", quoted(text)),
                "write \"synth:silence\", or \"synth:tone=440\" with 20 to 20000 hertz",
            )),
        };
    }
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Problem::new(format!("{} is no sound device", quoted(text)), CURE));
    }
    Ok(AudioDevice::Alsa(text.to_owned()))
}

pub(super) fn read(section: Option<Section<'_>>, board: Option<&Board>, base: &Path) -> AudioConfig {
    let (mut capture, mut playback) = (None, None);
    let (mut card, mut talk, mut volume): (CardConfig, TalkMode, VolumeSettings) = Default::default();
    let (mut processing, mut echo_canceller) = (None, None);
    let (mut noise_suppression, mut gain_control) = (None, None);
    if let Some(mut section) = section {
        capture = section.parsed("capture", |text| device(text, Way::Capture, base));
        playback = section.parsed("playback", |text| device(text, Way::Playback, base));
        (card, talk, volume) = volume::read(&mut section);
        processing = section.choice("processing", &PROCESSING);
        echo_canceller = section.choice("echo-canceller", &CANCELLERS);
        noise_suppression = section.boolean("noise-suppression");
        gain_control = section.boolean("gain-control");
        if processing == Some(Processing::Off) {
            useless(&section);
        }
        section.finish();
    }
    let usual = || AudioDevice::Alsa("default".to_owned());
    let of_board = |pick: fn(&Board) -> &Option<AudioDevice>| board.and_then(|board| pick(board).clone());
    let capture = capture.map(|d| d.value).or_else(|| of_board(|b| &b.capture)).unwrap_or_else(usual);
    let playback = playback.map(|d| d.value).or_else(|| of_board(|b| &b.playback)).unwrap_or_else(usual);
    // A file or made-up sound hears no loudspeaker.
    let by_itself = match (&capture, &playback) {
        (AudioDevice::Alsa(_), AudioDevice::Alsa(_)) => Processing::FullDuplex,
        _ => Processing::Off,
    };
    AudioConfig {
        capture,
        playback,
        card,
        talk,
        volume,
        processing: processing.unwrap_or(by_itself),
        echo_canceller: echo_canceller.unwrap_or(EchoCanceller::Own),
        noise_suppression: noise_suppression.unwrap_or(true),
        gain_control: gain_control.unwrap_or(true),
    }
}

/// Notes what does nothing with `processing = "off"`.
fn useless(section: &Section<'_>) {
    for key in ["echo-canceller", "noise-suppression", "gain-control"] {
        if let Some(at) = section.key_at(key) {
            let what = format!("{key} does nothing with processing = \"off\"");
            section.note(at, Problem::new(what, format!("leave {key} out, or write another processing")));
        }
    }
}
