//! What the demo runs on: a folder for its files, sound devices and a
//! configuration like any other box's.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::Rng;
use rand::distr::Alphanumeric;
use tempfile::TempDir;

use super::DemoArguments;
use crate::appliance::id::PhoneNumber;
use crate::audio::device::{open_capture, open_playback};
use crate::audio::{Buffering, DeviceName};
use crate::config::Config;
use crate::sim::script::{Numbered, PickUp, Sound};
use crate::sim::{Script, SimSettings};

/// The mock board's call button.
pub const BUTTON: &str = "call";

/// Who calls the box at the key `i`.
pub const CALLER: &str = "+4722222222";

const CALLEE: &str = "+4711111111";
const CLIENT_ID: &str = "callbox-demo";
const TEMPLATE: &str = include_str!("demo.toml");

/// What opens the drawn door when it is dialled in a call.
pub const DOOR_CODE: &str = "1379";

/// How long the far end rings before it answers.
const RINGS_FOR: Duration = Duration::from_millis(1500);

/// Recorded human speech that Debian's packages install; `make demo` sees to one of them.
const SPEECH: [&str; 3] = [
    "/usr/share/asterisk/sounds/en_US_f_Allison/demo-congrats.wav",
    "/usr/share/sounds/alsa/Front_Center.wav",
    "/usr/share/sounds/alsa/Front_Left.wav",
];

/// The demo's files and devices.
pub struct DemoBoard {
    folder: TempDir,
    secret: String,
    capture: String,
    playback: String,
    recording: Option<PathBuf>,
}

impl DemoBoard {
    /// Makes the folder and chooses the sound devices.
    pub fn prepare(arguments: &DemoArguments) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("callbox-demo-")
            .tempdir()
            .map_err(|error| format!("no temporary folder: {error}"))?;
        let secret: String = rand::rng().sample_iter(Alphanumeric).take(32).map(char::from).collect();
        let (capture, playback, recording) = if !arguments.no_sound_card && has_sound_card() {
            ("default".to_owned(), "default".to_owned(), None)
        } else {
            let recording = std::path::absolute(&arguments.recording).map_err(|error| error.to_string())?;
            (speech(arguments.speech.as_deref())?, format!("wav:{}", recording.display()), Some(recording))
        };
        Ok(Self { folder, secret, capture, playback, recording })
    }

    /// The voice core: TLS, tokens, and a far end that rings at the pages that
    /// are open; without any it answers by itself and echoes.
    pub fn sim_settings(&self, browser: SocketAddr) -> Result<SimSettings, String> {
        let mut script = Script::default();
        script.default_phone.ring_after = Some(Duration::from_millis(200));
        script.default_phone.pick_up = PickUp::Answer { after: RINGS_FOR };
        script.default_phone.sound = Sound::BrowserOrEcho;
        // So that the pages call with a number that the box knows.
        let number = PhoneNumber::parse(CALLEE).map_err(|error| error.to_string())?;
        script.phones = vec![Numbered { number, phone: script.default_phone.clone() }];
        let mut settings = SimSettings {
            script,
            browser: Some(browser),
            browser_note: format!("The door opens with {DOOR_CODE}."),
            ..SimSettings::default()
        };
        settings.server.token.client_id = CLIENT_ID.to_owned();
        settings.server.token.client_secret.clone_from(&self.secret);
        Ok(settings)
    }

    /// The box's configuration, read by the same code as any other.
    pub fn config(&self, endpoint: String, token_url: String, ca_pem: &str) -> Result<Config, String> {
        let folder = self.folder.path();
        write(&folder.join("ca.pem"), ca_pem)?;
        write(&folder.join("client-secret"), &self.secret)?;
        let text = [
            ("{endpoint}", endpoint.as_str()),
            ("{token-url}", &token_url),
            ("{folder}", &folder.display().to_string()),
            ("{client-id}", CLIENT_ID),
            ("{capture}", &self.capture),
            ("{playback}", &self.playback),
            ("{callee}", CALLEE),
            ("{door-code}", DOOR_CODE),
        ]
        .iter()
        .fold(TEMPLATE.to_owned(), |text, (name, value)| text.replace(name, value));
        let file = self.config_file();
        write(&file, &text)?;
        Config::load(&file)
            .map_err(|diagnostics| diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    /// The box's configuration.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("callbox.toml")
    }

    /// Where the control socket may go: a demo needs no right to /run.
    pub fn socket_places(&self, usual: Vec<PathBuf>) -> Vec<PathBuf> {
        usual.into_iter().chain([self.folder.path().join("control.sock")]).collect()
    }

    /// The sound devices, for people.
    pub fn sound(&self) -> String {
        match &self.recording {
            None => "the default ALSA device".to_owned(),
            Some(recording) => {
                format!("no sound card: speech from {}, loudspeaker to {}", self.capture, recording.display())
            }
        }
    }

    /// The WAV file of the loudspeaker, if there is no sound card.
    pub fn recording(&self) -> Option<&Path> {
        self.recording.as_deref()
    }
}

fn has_sound_card() -> bool {
    let default = DeviceName::Alsa("default".to_owned());
    open_capture(&default, Buffering::default()).is_ok()
        && open_playback(&default, Buffering::default()).is_ok()
}

fn speech(given: Option<&Path>) -> Result<String, String> {
    match given {
        Some(file) if file.is_file() => {
            let file = std::path::absolute(file).map_err(|error| error.to_string())?;
            Ok(format!("wav:{}", file.display()))
        }
        Some(file) => Err(format!("{}: no such file", file.display())),
        None => Ok(SPEECH
            .iter()
            .find(|file| Path::new(file).is_file())
            .map_or_else(|| "synth:tone=440".to_owned(), |file| format!("wav:{file}"))),
    }
}

/// Writes a file that only its owner may read.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("{}: {error}", path.display()))
}
