//! What the audio shell must know; made by `config`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::appliance::command::Clip;
use crate::appliance::tone::Tone;

/// Devices, tone plan and levels.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioSettings {
    /// The microphone. Default: ALSA `default`.
    pub capture: DeviceName,
    /// The loudspeaker. Default: ALSA `default`.
    pub playback: DeviceName,
    /// Whose tones people here know. Default [`Region::Eu`].
    pub region: Region,
    /// Level of all tones but the ringer, dBFS (a full-scale sine is 0). -60 to 0, default -18.
    pub tone_level_db: f32,
    /// Level of the ringer, dBFS. -60 to 0, default -9.
    pub ring_level_db: f32,
    /// How much sound a card holds.
    pub buffering: Buffering,
    /// The card's own volume control for the loudspeaker, such as `Master`; `None`: volume is software.
    pub mixer: Option<String>,
    /// The card's own gain control for the microphone, such as `Mic`, and what to set it to, in percent.
    pub capture_mixer: Option<(String, u8)>,
    /// The loudspeaker gets up to 12 dB louder where it is noisy. Default false.
    pub ambient: bool,
    /// A microphone that gives no sound at all for so long is dead; `None`: nobody looks. Default 60 s.
    pub dead_after: Option<Duration>,
    /// WAV files in the place of built-in tones.
    pub tone_files: BTreeMap<Tone, PathBuf>,
    /// WAV files in the place of built-in announcements.
    pub clip_files: BTreeMap<Clip, PathBuf>,
    /// What is done against echo. Default [`ProcessingMode::FullDuplex`].
    pub processing: ProcessingMode,
    /// By whom. Default [`EchoChoice::Own`].
    pub echo_canceller: EchoChoice,
    /// Whether steady noise is lowered by 12 dB, tones left alone. Default true; not with [`ProcessingMode::Off`].
    pub noise_suppression: bool,
    /// Whether speech that is very quiet or very loud is brought nearer to -26 dBov. Default true; not with
    /// [`ProcessingMode::Off`].
    pub gain_control: bool,
}

/// What is done against echo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessingMode {
    /// Both people at once, echo cancelled; one at a time for as long as that is in vain here.
    #[default]
    FullDuplex,
    /// One at a time.
    HalfDuplex,
    /// Nothing: the microphone's samples go out as they are. For handsets, and sound cards that do it themselves.
    Off,
}

/// Which echo canceller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EchoChoice {
    /// The one of this program.
    #[default]
    Own,
    /// WebRTC's, by its port `sonora`. It allocates now and then on the audio thread, which the other never does.
    Sonora,
}

/// How much sound a card holds: the more, the later it is heard, and the longer may the machine be busy elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffering {
    /// From one interrupt of the card to the next, 2 to 20 ms. Default 10 ms.
    pub period: Duration,
    /// Of the loudspeaker, 20 to 500 ms. Full while it plays, so all of it is delay. Default 30 ms.
    pub playback: Duration,
    /// Of the microphone, 20 to 500 ms. Empty unless the machine is late, so no delay. Default 40 ms.
    pub capture: Duration,
}

impl Default for Buffering {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self { period: ms(10), playback: ms(30), capture: ms(40) }
    }
}

impl Buffering {
    /// The longest buffer that storms of underruns lead to.
    const LONGEST: Duration = Duration::from_millis(120);

    /// After a storm of overruns or underruns: half as much again, for as long as the box runs.
    pub fn longer(self) -> Self {
        let longer = |time: Duration| time.max((time * 3 / 2).min(Self::LONGEST));
        Self { playback: longer(self.playback), capture: longer(self.capture), ..self }
    }
}

impl Default for AudioSettings {
    fn default() -> Self {
        Self {
            capture: DeviceName::Alsa("default".to_owned()),
            playback: DeviceName::Alsa("default".to_owned()),
            region: Region::Eu,
            tone_level_db: -18.0,
            ring_level_db: -9.0,
            buffering: Buffering::default(),
            mixer: None,
            capture_mixer: None,
            ambient: false,
            dead_after: Some(Duration::from_secs(60)),
            tone_files: BTreeMap::new(),
            clip_files: BTreeMap::new(),
            processing: ProcessingMode::default(),
            echo_canceller: EchoChoice::default(),
            noise_suppression: true,
            gain_control: true,
        }
    }
}

/// Where sound comes from or goes to.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceName {
    /// An ALSA PCM name, such as `plughw:CARD=Device,DEV=0`.
    Alsa(String),
    /// A WAV file, paced by the machine's clock.
    Wav(PathBuf),
    /// No device at all, paced by the machine's clock. As playback every kind only meters what it gets.
    Synth(Synth),
}

/// What a [`DeviceName::Synth`] microphone hears.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Synth {
    /// Digital silence.
    Silence,
    /// A sine of this many hertz at -18 dBFS.
    Tone(f32),
    /// White noise at -18 dBFS.
    Noise,
}

/// Why a text names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDeviceName {
    /// Nothing there, or `wav:` with no path.
    #[error("{0:?} names no device: write an ALSA name such as plughw:CARD=Device, or wav:PATH")]
    Empty(String),
    /// An unknown kind of synth, or a frequency that cannot be played.
    #[error("{0:?} is unknown: write synth:silence, synth:noise or synth:tone=HZ with 20 to 20000 Hz")]
    Synth(String),
}

impl FromStr for DeviceName {
    type Err = BadDeviceName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("wav:") {
            return if path.is_empty() {
                Err(BadDeviceName::Empty(text.to_owned()))
            } else {
                Ok(Self::Wav(path.into()))
            };
        }
        let Some(kind) = text.strip_prefix("synth:") else {
            return if text.trim().is_empty() || text.contains('\0') {
                Err(BadDeviceName::Empty(text.to_owned()))
            } else {
                Ok(Self::Alsa(text.to_owned()))
            };
        };
        let hertz = || kind.strip_prefix("tone=")?.parse().ok().filter(|hz| (20.0..=20_000.0).contains(hz));
        match kind {
            "silence" => Ok(Self::Synth(Synth::Silence)),
            "noise" => Ok(Self::Synth(Synth::Noise)),
            _ => hertz()
                .map(|hz| Self::Synth(Synth::Tone(hz)))
                .ok_or_else(|| BadDeviceName::Synth(text.to_owned())),
        }
    }
}

impl std::fmt::Display for DeviceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Alsa(name) => f.write_str(name),
            Self::Wav(path) => write!(f, "wav:{}", path.display()),
            Self::Synth(Synth::Silence) => f.write_str("synth:silence"),
            Self::Synth(Synth::Noise) => f.write_str("synth:noise"),
            Self::Synth(Synth::Tone(hz)) => write!(f, "synth:tone={hz}"),
        }
    }
}

/// A tone plan (ITU-T E.180 Supplement 2, "Various tones used in national networks").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// 425 Hz, most of Europe (ETSI TR 101 041).
    #[default]
    Eu,
    /// North America's precise tone plan.
    Us,
    /// The United Kingdom (BT SIN 350).
    Uk,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_back() {
        for text in [
            "default",
            "plughw:CARD=Device,DEV=0",
            "wav:/tmp/a b.wav",
            "synth:silence",
            "synth:noise",
            "synth:tone=440",
        ] {
            assert_eq!(text.parse::<DeviceName>().unwrap().to_string(), text);
        }
        assert_eq!("synth:tone=440".parse(), Ok(DeviceName::Synth(Synth::Tone(440.0))));
        for wrong in [
            "",
            " ",
            "wav:",
            "synth:",
            "synth:tone=",
            "synth:tone=NaN",
            "synth:tone=-1",
            "synth:drum",
            "a\0b",
        ] {
            assert!(wrong.parse::<DeviceName>().is_err(), "{wrong:?} was accepted");
        }
    }
}
