//! What the far end does: phones by number, calls to the box, and messages
//! that no well-behaved core would send. Read from TOML, strictly.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::appliance::id::PhoneNumber;
use crate::media::Codec;

/// The script that is used when none is given; it doubles as the example.
const BUILT_IN: &str = include_str!("numbers.toml");

/// What the simulated core and its phones do. `Script::default()` has one
/// phone that rings and answers at once, whatever the number, and echoes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Script {
    /// The phone of every number that `phones` does not name.
    #[serde(default)]
    pub default_phone: Phone,
    /// Phones by number.
    #[serde(default, rename = "phone")]
    pub phones: Vec<Numbered>,
    /// The number is in a call with this one on another terminal when a box registers.
    pub in_call: Option<PhoneNumber>,
    /// A call to every box that registers.
    pub call_box: Option<CallBox>,
    /// Messages to every box that registers, sent as they are.
    #[serde(default)]
    pub send: Vec<RawSend>,
    /// After `ToPhone`, how long the call goes on on the mobile phone. Default 2 s.
    #[serde(default)]
    pub on_phone_for: Option<Time>,
}

/// One phone and the number it has.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "super::script_tables::PhoneTable")]
pub struct Numbered {
    /// Its number.
    pub number: PhoneNumber,
    /// What it does.
    pub phone: Phone,
}

/// What one phone does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "super::script_tables::PhoneTable")]
pub struct Phone {
    /// From the box's offer to `Ringing`; `None` sends none.
    pub ring_after: Option<Duration>,
    /// What comes of it.
    pub pick_up: PickUp,
    /// From the answer to a `Bye` of the far end; `None` leaves that to the box.
    pub hang_up_after: Option<Duration>,
    /// In a call to the box: from the offer to a `Bye` if the box has not answered.
    pub give_up_after: Option<Duration>,
    /// What it says.
    pub sound: Sound,
    /// A WAV file of what it hears.
    pub record: Option<PathBuf>,
    /// The codecs it knows, the best first.
    pub codecs: Vec<Codec>,
}

impl Default for Phone {
    fn default() -> Self {
        Self {
            ring_after: Some(Duration::ZERO),
            pick_up: PickUp::Answer { after: Duration::ZERO },
            hang_up_after: None,
            give_up_after: None,
            sound: Sound::Echo,
            record: None,
            codecs: vec![Codec::Opus, Codec::Pcmu, Codec::Pcma],
        }
    }
}

/// What becomes of a call to a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickUp {
    /// It answers.
    Answer {
        /// From the offer.
        after: Duration,
    },
    /// It rejects: `Bye`.
    Reject {
        /// From the offer.
        after: Duration,
    },
    /// It rings for ever.
    Never,
    /// [`super::SimHandle::answer`] and [`super::SimHandle::reject`] say.
    Manual,
}

/// What a phone says.
#[derive(Clone, Debug, PartialEq)]
pub enum Sound {
    /// What it hears, 40 ms later.
    Echo,
    /// Nothing.
    Quiet,
    /// A sine of this many Hz, 20 to 20000, at -12 dBFS.
    Tone(f64),
    /// A WAV file, mono, 16 bit, 48 kHz.
    Prompt {
        /// Which.
        file: PathBuf,
        /// Once instead of again and again.
        once: bool,
    },
    /// Whoever sits at a browser page.
    Browser,
    /// The same; what it hears, 40 ms later, while no page is open.
    BrowserOrEcho,
    /// There is no media: this text is sent where an SDP should be.
    Sdp(String),
}

/// An incoming call to the box.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallBox {
    /// From the registration.
    pub after: Time,
    /// The caller; also names the phone that calls.
    pub from: PhoneNumber,
}

/// A message sent as it is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "super::script_tables::RawTable")]
pub struct RawSend {
    /// From the registration.
    pub after: Duration,
    /// The `call_id`; empty unless given.
    pub call_id: String,
    /// What to send.
    pub raw: Raw,
}

/// The message of a [`RawSend`].
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// Nothing in the oneof.
    Empty,
    /// An error with any code, known to the contract or not.
    Error(i32),
    /// An offer with any text as its SDP.
    Offer {
        /// The text.
        sdp: String,
        /// The caller, E.164 or not.
        from: Option<String>,
    },
    /// An answer with any text as its SDP.
    Answer(String),
    /// `Ringing`.
    Ringing,
    /// `Bye`.
    Bye,
    /// `Idle`.
    Idle,
    /// `InCall` with this number, E.164 or not.
    InCall(String),
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file could not be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what a script should be; the text names the line.
    #[error("{name}: {source}")]
    Wrong {
        /// The file's name.
        name: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
}

impl Script {
    /// The script behind `callbox demo` and `callbox sim-core`: a phone for
    /// every behaviour, from +4700000001 on.
    ///
    /// # Errors
    /// None in a build that passed its tests.
    pub fn built_in() -> Result<Self, ScriptError> {
        Self::parse(BUILT_IN, "the built-in script")
    }

    /// Reads a script; `name` goes into errors.
    ///
    /// # Errors
    /// [`ScriptError::Wrong`] for unknown keys, contradictions and bad values.
    pub fn parse(text: &str, name: &str) -> Result<Self, ScriptError> {
        toml::from_str(text)
            .map_err(|source| ScriptError::Wrong { name: name.to_owned(), source: Box::new(source) })
    }

    /// Reads a script from a file; files that it names are relative to its folder.
    ///
    /// # Errors
    /// [`ScriptError`].
    pub fn load(file: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ScriptError::Unreadable { file: file.to_owned(), source })?;
        let mut script = Self::parse(&text, &file.display().to_string())?;
        let folder = file.parent().unwrap_or(Path::new("."));
        let phones = script.phones.iter_mut().map(|numbered| &mut numbered.phone);
        for phone in phones.chain([&mut script.default_phone]) {
            if let Sound::Prompt { file, .. } = &mut phone.sound {
                *file = folder.join(&*file);
            }
            phone.record = phone.record.take().map(|record| folder.join(record));
        }
        Ok(script)
    }

    /// The phone that has this number.
    pub fn phone(&self, number: &str) -> &Phone {
        let named = self.phones.iter().find(|numbered| numbered.number.as_str() == number);
        named.map_or(&self.default_phone, |numbered| &numbered.phone)
    }

    /// The number of the browser page; any number if it is the default phone.
    pub fn browser_number(&self) -> &str {
        let page = |sound: &Sound| matches!(sound, Sound::Browser | Sound::BrowserOrEcho);
        let page = self.phones.iter().find(|numbered| page(&numbered.phone.sound));
        page.map_or("+4700000000", |numbered| numbered.number.as_str())
    }

    /// True if some phone is a browser page.
    pub fn wants_browser(&self) -> bool {
        let mut phones = self.phones.iter().map(|numbered| &numbered.phone).chain([&self.default_phone]);
        phones.any(|phone| phone.sound == Sound::Browser)
    }
}

/// A length of time as people write it: `250ms`, `1.5s`, `2min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Time(pub Duration);

impl std::str::FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || format!("{text:?} is not a time: write it as 250ms, 1.5s or 2min");
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(refused)?;
        let (number, unit) = text.split_at(unit_at);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "min" => 60.0,
            _ => return Err(refused()),
        };
        let number: f64 = number.trim().parse().map_err(|_| refused())?;
        Duration::try_from_secs_f64(number * seconds).map(Self).map_err(|_| refused())
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
