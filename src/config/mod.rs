//! callbox.toml and board files: strict, with errors that name file, line and cure.
//!
//! Everything here is plain data that the driver hands to the other modules.
//! An unknown key is an error, and all errors are reported, not the first.

mod action;
pub mod audio;
mod behaviour;
pub mod board;
mod board_draft;
mod board_file;
mod board_line;
mod board_rules;
mod check_call;
mod contacts;
pub mod core;
mod diagnostic;
mod document;
mod door;
pub mod header;
mod hidden;
mod hook;
mod incoming;
pub mod media;
pub mod mqtt;
pub mod panel;
pub mod reference;
pub mod secret;
mod section;
mod selftest;
mod server;
pub mod setup;
pub mod setup_fleet;
pub mod telemetry;
pub mod tones;
mod value;
pub mod volume;
pub mod webhook;

use std::path::{Path, PathBuf};

use crate::appliance::command::Clip;
use crate::appliance::input::InputSettings;
use crate::appliance::output::OutputSettings;
use crate::appliance::settings::{Mode, Settings};
use crate::appliance::wall_clock::Zone;

pub use audio::{AudioConfig, AudioDevice, EchoCanceller, Processing};
pub use board::{Backend, Board};
pub use board_file::BoardLoader;
pub use core::{AuthConfig, CoreConfig, NamedFile};
pub use diagnostic::{Diagnostic, Place, Problem};
pub use hidden::Hidden;
pub use media::{Codec, Frame, MediaConfig};
pub use mqtt::MqttConfig;
pub use panel::{PanelConfig, PanelTls};
pub use secret::{SecretError, SecretSource};
pub use setup::Setup;
pub use telemetry::TelemetryConfig;
pub use tones::{Region, SoundsConfig};
pub use volume::CardConfig;
pub use webhook::WebhookConfig;

use diagnostic::Report;
use section::{Located, Section};

/// Where the appliance looks when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/callbox/callbox.toml";

/// A whole configuration with its board.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the box does.
    pub appliance: Settings,
    /// Where the voice core is.
    pub core: CoreConfig,
    /// How to be let in.
    pub auth: AuthConfig,
    /// The board.
    pub board: Board,
    /// Which driver moves the lines.
    pub backend: Backend,
    /// Microphone and loudspeaker.
    pub audio: AudioConfig,
    /// Tones and announcements.
    pub sounds: SoundsConfig,
    /// Codecs and addresses.
    pub media: MediaConfig,
    /// The web panel.
    pub panel: PanelConfig,
    /// The broker; `None` for none.
    pub mqtt: Option<MqttConfig>,
    /// Servers that are told what happens.
    pub webhooks: Vec<WebhookConfig>,
    /// Who gets traces of calls; `None` for nobody.
    pub telemetry: Option<TelemetryConfig>,
    /// The control socket.
    pub control: ControlConfig,
    /// What outlives a restart.
    pub state: StateConfig,
    /// The program's own log.
    pub log: LogConfig,
}

/// `[control]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlConfig {
    /// The control socket's path; `None` for the usual places.
    pub socket: Option<PathBuf>,
}

/// `[state]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// The folder for what outlives a restart; `None` for the usual places.
    pub dir: Option<PathBuf>,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How much to say. Default info.
    pub level: LogLevel,
}

/// How much to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what is odd.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

impl LogLevel {
    /// The word that stands in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

impl Config {
    /// Reads a configuration file and its board. Opens neither the secret nor
    /// any other file that it names: see [`Config::check_files`].
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the file.
    pub fn load(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        let cure = "write one (examples are in board/examples), or name another with --config";
        let text = document::read(path, cure).map_err(|found| vec![found])?;
        Self::parse(&text, &path.display().to_string(), &BoardLoader::beside(path))
    }

    /// Reads a configuration from a text. Relative paths in it count from the
    /// folder of `file_name`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, file_name: &str, boards: &BoardLoader) -> Result<Self, Vec<Diagnostic>> {
        let report = Report::new(file_name, text);
        let base = Path::new(file_name).parent().unwrap_or(Path::new(""));
        let config = read_text(text, base, &report, boards);
        let found = report.into_found();
        match config {
            Some(config) if found.is_empty() => Ok(config),
            Some(_) | None => Err(found),
        }
    }

    /// Looks at the files that the configuration names: the secret and its
    /// mode, the certificates. For `callbox check`; the appliance itself runs
    /// on without them and says what is missing.
    pub fn check_files(&self) -> Vec<Diagnostic> {
        let mut found = core::check_files(&self.core, &self.auth);
        found.extend(panel::check_files(&self.panel));
        found.extend(self.mqtt.iter().flat_map(mqtt::check_files));
        found.extend(self.webhooks.iter().flat_map(webhook::check_files));
        found.extend(self.telemetry.iter().flat_map(telemetry::check_files));
        found
    }
}

fn read_text(text: &str, base: &Path, report: &Report<'_>, boards: &BoardLoader) -> Option<Config> {
    let table = document::parse(text, report)?;
    let mut root = Section::new(report, table.get_ref(), 0, String::new());
    let config = read_root(&mut root, base, boards);
    root.finish();
    config
}

fn read_root(root: &mut Section<'_>, base: &Path, boards: &BoardLoader) -> Option<Config> {
    let (mode, zone) = read_terminal(root.section("terminal"));
    let core = core::read_core(root.section("core"), base);
    let auth = root.section("auth");
    let auth = core::read_auth(auth, root, base);
    let (board, backend) = read_board(root, base, boards);
    let board = board.as_ref();
    let contacts = contacts::read_contacts(root.section("contacts"));
    let audio = audio::read(root.section("audio"), board, base);
    let buttons = root.sections("button");
    volume::check_talk(&buttons, audio.talk);
    let buttons = behaviour::read_buttons(buttons, &contacts, mode, board);
    let incoming = incoming::read(root.section("incoming"), &contacts, mode, zone.as_ref());
    let mut call = behaviour::read_call(root.section("call"));
    call.check = check_call::read(root.section("check-call"), &contacts, zone.as_ref());
    let outputs = board.map(|board| {
        let output =
            |output: &board::BoardOutput| OutputSettings { function: output.function, max_on: output.max_on };
        board.outputs.iter().map(|(name, line)| (name.clone(), output(line))).collect()
    });
    let door = door::read(root.section("door"), &contacts, outputs.as_ref());
    let hook = hook::read(root.section("hook"), &contacts, mode);
    call.ring_times = contacts.ring_times;
    (call.sound.talk, call.sound.volume) = (audio.talk, audio.volume);
    call.sound.self_test = selftest::read(root.section("selftest"), zone.as_ref());
    let contacts = contacts.numbers;
    let backoff = behaviour::read_backoff(root.section("backoff"));
    let session = core::session(&core, &auth);
    let sounds = tones::read(root.section("tones"), root.section("announcements"), base);
    call.announce_location = sounds.clips.contains_key(&Clip::Location);
    call.announce_offline = sounds.clips.contains_key(&Clip::Offline);
    let media = media::read(root.section("media"));
    let panel = panel::read(root.section("panel"), base);
    let mqtt = mqtt::read(root.section("mqtt"), base);
    let webhooks = webhook::read(root.sections("webhook"), base);
    let telemetry = telemetry::read(root.section("telemetry"), base);
    let control = read_control(root.section("control"), base);
    let state = read_state(root.section("state"), base);
    let log = read_log(root.section("log"));
    let mut board = board?.clone();
    // Who reads the wires must know what `[[button]]` says.
    for (name, button) in &mut board.buttons {
        button.debounce = buttons.get(name).map_or(button.debounce, |set| set.debounce);
    }
    let leds = board.leds.iter().map(|(name, led)| (name.clone(), board.profile.of(led.function))).collect();
    let input =
        |input: &board::BoardInput| InputSettings { function: input.function, debounce: input.debounce };
    let inputs = board.inputs.iter().map(|(name, line)| (name.clone(), input(line))).collect();
    let outputs = outputs?;
    Some(Config {
        appliance: Settings {
            mode,
            contacts,
            buttons,
            leds,
            inputs,
            hook,
            outputs,
            door,
            incoming,
            call,
            backoff,
            session,
        },
        core,
        auth,
        backend: backend?,
        board,
        audio,
        sounds,
        media,
        panel,
        mqtt,
        webhooks,
        telemetry,
        control,
        state,
        log,
    })
}

fn read_terminal(section: Option<Section<'_>>) -> (Mode, Option<Zone>) {
    let Some(mut section) = section else { return (Mode::Pipe, None) };
    let mode = section.choice("mode", &[("pipe", Mode::Pipe), ("multi-pipe", Mode::MultiPipe)]);
    let zone = section.parsed("time-zone", incoming::time_zone).map(|zone| zone.value);
    section.finish();
    (mode.unwrap_or(Mode::Pipe), zone)
}

fn read_board(root: &mut Section<'_>, base: &Path, boards: &BoardLoader) -> (Option<Board>, Option<Backend>) {
    let Some(mut section) = root.section("board") else {
        let cure = format!("add [board] with file = one of {}", boards.names().join(", "));
        root.note(root.at, Problem::new("there is no [board]", cure));
        return (None, None);
    };
    let file = section.required_text("file", "\"rpi4-doorstation\", or another board or the path of one");
    let chosen = section.choice("backend", &board_draft::BACKENDS);
    let profile = section.choice("profile", &board_draft::PROFILES);
    let mut board = file.and_then(|Located { value, at }| {
        match boards.load_from(value, &section.report.place(at), base) {
            Ok(board) => Some(board),
            Err(found) => {
                found.into_iter().for_each(|diagnostic| section.report.add(diagnostic));
                None
            }
        }
    });
    let backend = chosen.or_else(|| board.as_ref().and_then(|board| board.backend));
    match (&mut board, backend) {
        (Some(board), Some(backend)) => {
            board.profile = profile.unwrap_or(board.profile);
            let (wrong, notes) = board_rules::for_backend(board, backend);
            wrong.into_iter().for_each(|diagnostic| section.report.add(diagnostic));
            board.notes.extend(notes);
        }
        (Some(board), None) if !section.has("backend") => {
            let what = format!("neither [board] nor the board {} names a backend", board.name);
            section.note(section.at, Problem::new(what, "add backend = \"gpiocdev\", \"rppal\" or \"mock\""));
        }
        (Some(_), None) | (None, _) => {}
    }
    section.finish();
    (board, backend)
}

fn read_control(section: Option<Section<'_>>, base: &Path) -> ControlConfig {
    let Some(mut section) = section else { return ControlConfig { socket: None } };
    let socket = section.path("socket", base).map(|path| path.value);
    section.finish();
    ControlConfig { socket }
}

fn read_state(section: Option<Section<'_>>, base: &Path) -> StateConfig {
    let Some(mut section) = section else { return StateConfig { dir: None } };
    let dir = section.path("dir", base).map(|path| path.value);
    section.finish();
    StateConfig { dir }
}

fn read_log(section: Option<Section<'_>>) -> LogConfig {
    let Some(mut section) = section else { return LogConfig { level: LogLevel::Info } };
    let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace]
        .map(|level| (level.as_str(), level));
    let level = section.choice("level", &levels).unwrap_or_default();
    section.finish();
    LogConfig { level }
}
