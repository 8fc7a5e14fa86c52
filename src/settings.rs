//! From the configuration to each shell's settings, and from the shells'
//! measurements to status. Plain copying: the modules may not know each other.

#[cfg(feature = "panel")]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::appliance::self_test::SelfTestStatus;
use crate::appliance::statistics::CallStatistics;
use crate::audio::{
    AudioSettings, Buffering, DeviceMeters, DeviceName, EchoChoice, Meters, ProcessingMode, Region, Synth,
    Trouble,
};
use crate::boot::{BoardShell, BootError};
use crate::config::{self, AudioDevice, AuthConfig, Backend, Config, secret};
use crate::gpio::Stamped;
#[cfg(feature = "gpiocdev")]
use crate::gpio::cdev::Cdev;
use crate::gpio::chips;
use crate::gpio::health::LineHealth;
#[cfg(feature = "mock-gpio")]
use crate::gpio::mock::{MockButtons, MockLines};
#[cfg(feature = "rppal")]
use crate::gpio::pi::Pi;
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
use crate::gpio::wired::{Driver, WiredLines};
use crate::handle::{AudioStatus, DeviceStatus, WebhookMeter};
use crate::media::{Codec, FrameLength, LegStats, MediaSettings};
use crate::mqtt::MqttSettings;
#[cfg(feature = "panel")]
use crate::panel::{PanelSettings, Restart};
use crate::pipe::{AuthSettings, PipeSettings, SecretSource};
use crate::system::state_store::StateStore;
use crate::telemetry::TelemetrySettings;
use crate::webhook::WebhookSettings;

/// The session shell's settings.
pub fn pipe(config: &Config) -> PipeSettings {
    PipeSettings {
        endpoint: config.core.endpoint.clone(),
        ca_file: config.core.ca_file.as_ref().map(|file| file.path.clone()),
        mode: config.appliance.mode,
        auth: auth(&config.auth),
        keep_alive: config.appliance.session.idle,
        connect_timeout: config.core.connect_timeout,
    }
}

fn auth(auth: &AuthConfig) -> AuthSettings {
    match auth {
        AuthConfig::None => AuthSettings::None,
        AuthConfig::ClientCredentials { token_url, client_id, secret, scope, ca_file, .. } => {
            let source = secret.clone();
            AuthSettings::ClientCredentials {
                token_url: token_url.clone(),
                client_id: client_id.clone(),
                secret: SecretSource::new(move || secret::read(&source).map_err(|error| error.to_string())),
                scope: scope.clone(),
                ca_file: ca_file.as_ref().map(|file| file.path.clone()),
            }
        }
    }
}

/// The media shell's settings.
pub fn media(config: &Config) -> MediaSettings {
    let media = &config.media;
    MediaSettings {
        codecs: media.codecs.iter().map(|codec| self::codec(*codec)).collect(),
        addresses: media.addresses.clone(),
        loopback: media.loopback,
        opus_bitrate: media.opus_bitrate,
        frame: match media.frame {
            config::Frame::Auto => FrameLength::Auto,
            config::Frame::Ms10 => FrameLength::Ms10,
            config::Frame::Ms20 => FrameLength::Ms20,
        },
        ice_check_interval: media.ice_check_interval,
    }
}

fn codec(codec: config::Codec) -> Codec {
    match codec {
        config::Codec::Opus => Codec::Opus,
        config::Codec::Pcmu => Codec::Pcmu,
        config::Codec::Pcma => Codec::Pcma,
    }
}

/// Where what must outlive a restart is kept. The mock board has no door to
/// guard: there only what the configuration asks for.
pub fn state(config: &Config) -> Option<StateStore> {
    match (config.backend, &config.state.dir) {
        (Backend::Mock, None) => None,
        (Backend::Mock | Backend::Gpiocdev | Backend::Rppal, dir) => Some(StateStore::usual(dir.clone())),
    }
}

/// The web panel's settings for this address.
#[cfg(feature = "panel")]
pub fn panel(
    config: &Config,
    listen: std::net::SocketAddr,
    file: PathBuf,
    restart: Option<Restart>,
) -> PanelSettings {
    let state_dir = StateStore::usual(config.state.dir.clone()).dir().join("panel");
    let call_file = state(config).map(|store| store.dir().join("panel/calls.jsonl"));
    PanelSettings { listen, state_dir, config_file: Some(file), call_file, restart }
}

/// The broker's settings, where there is one.
pub fn mqtt(config: &Config) -> Option<MqttSettings> {
    let mqtt = config.mqtt.as_ref()?;
    Some(MqttSettings {
        host: mqtt.broker.host.clone(),
        port: mqtt.broker.port,
        tls: mqtt.broker.tls,
        ca_file: mqtt.ca_file.as_ref().map(|file| file.path.clone()),
        login: mqtt.login.as_ref().map(|login| (login.user.clone(), login.password.clone())),
        name: mqtt.name.clone(),
        topic: mqtt.topic.clone(),
        discovery: mqtt.discovery.clone(),
        commands: mqtt.commands.clone(),
        model: config.board.description.clone(),
        buttons: config.board.buttons.keys().map(ToString::to_string).collect(),
        outputs: config.board.outputs.keys().map(ToString::to_string).collect(),
    })
}

/// The webhooks' settings.
pub fn webhooks(config: &Config) -> Vec<WebhookSettings> {
    let hook = |hook: &config::WebhookConfig| WebhookSettings {
        url: hook.url.clone(),
        server: hook.server.clone(),
        events: hook.events.clone(),
        secret: hook.secret.as_ref().map(|(source, _)| source.clone()),
        ca_file: hook.ca_file.as_ref().map(|file| file.path.clone()),
        timeout: hook.timeout,
        give_up_after: hook.give_up_after,
    };
    config.webhooks.iter().map(hook).collect()
}

/// The collector's settings, where there is one.
pub fn telemetry(config: &Config) -> Option<TelemetrySettings> {
    let telemetry = config.telemetry.as_ref()?;
    Some(TelemetrySettings {
        collector: telemetry.otlp.clone(),
        protocol: telemetry.protocol,
        ca_file: telemetry.ca_file.as_ref().map(|file| file.path.clone()),
        board: config.board.name.clone(),
    })
}

/// A meter a webhook.
pub fn webhook_meters(config: &Config) -> Arc<[Arc<WebhookMeter>]> {
    config.webhooks.iter().map(|hook| Arc::new(WebhookMeter::new(hook.server.clone()))).collect()
}

/// The audio shell's settings.
pub fn audio(config: &Config) -> AudioSettings {
    let card = config.audio.card.clone();
    let usual = Buffering::default();
    AudioSettings {
        buffering: Buffering {
            period: card.period,
            playback: card.buffer,
            capture: usual.capture.max(card.buffer),
        },
        mixer: card.mixer,
        capture_mixer: card.capture_mixer,
        ambient: card.ambient,
        dead_after: card.dead_after,
        capture: device(&config.audio.capture),
        playback: device(&config.audio.playback),
        region: match config.sounds.region {
            config::Region::Eu => Region::Eu,
            config::Region::Us => Region::Us,
            config::Region::Uk => Region::Uk,
        },
        tone_files: config.sounds.tones.iter().map(|(tone, file)| (*tone, file.path.clone())).collect(),
        clip_files: config.sounds.clips.iter().map(|(clip, file)| (*clip, file.path.clone())).collect(),
        processing: match config.audio.processing {
            config::Processing::FullDuplex => ProcessingMode::FullDuplex,
            config::Processing::HalfDuplex => ProcessingMode::HalfDuplex,
            config::Processing::Off => ProcessingMode::Off,
        },
        echo_canceller: match config.audio.echo_canceller {
            config::EchoCanceller::Own => EchoChoice::Own,
            config::EchoCanceller::Sonora => EchoChoice::Sonora,
        },
        noise_suppression: config.audio.noise_suppression,
        gain_control: config.audio.gain_control,
        ..AudioSettings::default()
    }
}

fn device(device: &AudioDevice) -> DeviceName {
    match device {
        AudioDevice::Alsa(name) => DeviceName::Alsa(name.clone()),
        AudioDevice::Wav(path) => DeviceName::Wav(path.clone()),
        AudioDevice::Silence => DeviceName::Synth(Synth::Silence),
        AudioDevice::Tone(hertz) => DeviceName::Synth(Synth::Tone(*hertz as f32)),
    }
}

/// Opens the board with the back-end that the configuration asks for. Lines
/// that are missing now are reported to `health` and tried again.
///
/// # Errors
/// [`BootError::Backend`] if this build does not have it.
#[cfg_attr(not(any(feature = "gpiocdev", feature = "rppal")), allow(unused_variables))]
pub fn board(
    config: &Config,
    edges: mpsc::Sender<Stamped>,
    health: mpsc::Sender<LineHealth>,
) -> Result<BoardShell, BootError> {
    match config.backend {
        #[cfg(feature = "mock-gpio")]
        Backend::Mock => Ok(BoardShell {
            lines: Box::new(MockLines::default()),
            buttons: Some(MockButtons::new(&config.board, edges)),
        }),
        #[cfg(not(feature = "mock-gpio"))]
        Backend::Mock => Err(not_built_in(config.backend)),
        #[cfg(any(feature = "gpiocdev", feature = "rppal"))]
        backend @ (Backend::Gpiocdev | Backend::Rppal) => Ok(BoardShell {
            lines: Box::new(WiredLines::open(driver(backend)?, &config.board, &edges, &health)),
            #[cfg(feature = "mock-gpio")]
            buttons: None,
        }),
        #[cfg(not(any(feature = "gpiocdev", feature = "rppal")))]
        backend @ (Backend::Gpiocdev | Backend::Rppal) => Err(not_built_in(backend)),
    }
}

/// What reaches real lines with this back-end.
///
/// # Errors
/// [`BootError::Backend`] if this build does not have it, or it has none.
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
pub fn driver(backend: Backend) -> Result<Arc<dyn Driver>, BootError> {
    match backend {
        #[cfg(feature = "gpiocdev")]
        Backend::Gpiocdev => Ok(Arc::new(Cdev)),
        #[cfg(not(feature = "gpiocdev"))]
        Backend::Gpiocdev => Err(not_built_in(backend)),
        #[cfg(feature = "rppal")]
        Backend::Rppal => Ok(Arc::new(Pi)),
        #[cfg(not(feature = "rppal"))]
        Backend::Rppal => Err(not_built_in(backend)),
        Backend::Mock => Err(refused(backend, "it has no lines".to_owned())),
    }
}

/// That a back-end is not in this build; says what this build and this machine have.
pub fn not_built_in(backend: Backend) -> BootError {
    let known = [
        ("gpiocdev", cfg!(feature = "gpiocdev")),
        ("rppal", cfg!(feature = "rppal")),
        ("mock", cfg!(feature = "mock-gpio")),
    ];
    let built: Vec<&str> = known.into_iter().filter_map(|(name, built)| built.then_some(name)).collect();
    let has = if built.is_empty() { "none".to_owned() } else { built.join(", ") };
    let machine = chips::listing(&chips::of_this_machine());
    refused(backend, format!("not built in; this build has: {has}; GPIO chips of this machine: {machine}"))
}

fn refused(backend: Backend, reason: String) -> BootError {
    let backend = match backend {
        Backend::Gpiocdev => "gpiocdev",
        Backend::Rppal => "rppal",
        Backend::Mock => "mock",
    };
    BootError::Backend { backend: backend.to_owned(), reason }
}

fn device_status(meters: &DeviceMeters) -> DeviceStatus {
    DeviceStatus {
        running: meters.running,
        opened: meters.opened,
        delay_ms: meters.delay.as_secs_f32() * 1000.0,
        queued_frames: meters.queued_frames,
        lost_frames: meters.lost_frames,
        xruns: meters.xruns,
        troubles: Trouble::ALL.map(|trouble| (trouble.name(), meters.troubles(trouble))).into(),
    }
}

/// Measurements for `callbox status`; `start` is the event log's time zero.
pub fn audio_status(meters: &Meters, call: Option<&LegStats>, start: Instant) -> AudioStatus {
    let since_start = |at: Instant| u64::try_from(at.saturating_duration_since(start).as_micros()).ok();
    let figures = call.map(|stats| Box::new(stats.figures()));
    let of_call = |figure: fn(&CallStatistics) -> f32| figures.as_deref().map_or(0.0, figure);
    let duplex = &meters.duplex;
    let both = |one: Option<f32>, other: Option<f32>| Some(one? + other?);
    AudioStatus {
        capture_level_db: meters.capture.level_db,
        playback_level_db: meters.playback.level_db,
        xruns: meters.capture.xruns + meters.playback.xruns,
        jitter_ms: of_call(|call| call.jitter_us as f32 / 1000.0),
        playout_delay_ms: of_call(|call| call.playout_delay_ms as f32),
        concealed_ratio: of_call(|call| call.concealed_permille as f32 / 1000.0),
        last_sound_us: meters.last_sound.and_then(since_start),
        capture: device_status(&meters.capture),
        playback: device_status(&meters.playback),
        ambient_boost_db: meters.ambient_boost_db,
        volume_note: meters.volume_note.clone(),
        selftest: SelfTestStatus::default(),
        echo_return_loss_db: both(duplex.path_loss_db, duplex.cancelled_db),
        echo_path_loss_db: duplex.path_loss_db,
        echo_cancelled_db: duplex.cancelled_db,
        echo_delay_ms: duplex.delay_ms,
        clock_drift_ppm: duplex.drift_ppm,
        half_duplex_fallback: duplex.fallen_back,
        microphone_gate_open: duplex.microphone_gate,
        loudspeaker_gate_open: duplex.loudspeaker_gate,
        microphone_live: meters.microphone_live,
        captured_frames: meters.capture.queued_frames,
        rendered_frames: meters.playback.queued_frames,
        reference_frames: duplex.reference_frames,
        call: figures,
    }
}
