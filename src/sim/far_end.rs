//! The far end of a call: a phone with media, a text in place of media, or
//! (in [`super::browser`]) a page.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::script::Phone;
use super::voice::{self, Voice};
use crate::appliance::command::MediaCommand;
use crate::appliance::event::MediaEvent;
use crate::appliance::id::PeerId;
use crate::media::{self, MediaOutput, MediaSettings};

/// Every engine has one peer connection.
const PEER: PeerId = PeerId(1);

/// What the core tells the far end.
#[derive(Debug)]
pub(super) enum FarCommand {
    /// The box calls.
    Offered { sdp: String, from: String },
    /// Answer that call.
    PickUp,
    /// Call the box: make an offer.
    Call,
    /// The box has answered that offer.
    Answered { sdp: String },
    /// An offer in mid-call.
    Reoffered { sdp: String },
    /// Press these keys.
    Digits(String),
    /// An offer of the far end's own in mid-call, while another one is open.
    Refused,
}

/// What the far end tells the core.
#[derive(Debug)]
pub(super) enum FarEvent {
    /// A page rings.
    Ringing,
    /// Answers `PickUp` and `Reoffered`.
    Answer { sdp: String },
    /// Answers `Call`, or hands a call that is up over to another phone.
    Offer { sdp: String },
    /// ICE and DTLS are up.
    Connected { codec: String },
    /// The first packet of audio arrived.
    FirstAudio,
    /// A DTMF digit arrived.
    Digit(char),
    /// The person at the page hung up or rejected.
    HungUp,
    /// There is no media, or none any more.
    Failed(String),
}

/// Where one call's far end reports, with the call's number.
#[derive(Clone)]
pub(super) struct FarReports {
    pub serial: u64,
    listener: Arc<Mutex<mpsc::Sender<(u64, FarEvent)>>>,
}

impl FarReports {
    pub fn new(serial: u64, listener: mpsc::Sender<(u64, FarEvent)>) -> Self {
        Self { serial, listener: Arc::new(Mutex::new(listener)) }
    }

    /// Another session has the call from now on.
    pub fn hand_over(&self, listener: mpsc::Sender<(u64, FarEvent)>) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = listener;
    }

    /// Nobody may listen: the box's stream broke, and the call is kept for it.
    pub async fn tell(&self, event: FarEvent) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if listener.send((self.serial, event)).await.is_err() {
            tracing::debug!("news of a far end while no session has its call");
        }
    }
}

/// One call's far end. It lets go of its media when this is dropped.
pub(super) struct FarEnd(pub mpsc::Sender<FarCommand>);

impl FarEnd {
    pub fn tell(&self, command: FarCommand) {
        // A far end that is gone has said so; one that is 16 commands behind is as good as gone.
        if self.0.try_send(command).is_err() {
            tracing::debug!("a far end takes no more commands");
        }
    }
}

/// A phone with a peer connection and a voice of its own.
pub(super) fn phone(phone: &Phone, settings: &MediaSettings, reports: FarReports) -> FarEnd {
    let settings = MediaSettings { codecs: phone.codecs.clone(), ..settings.clone() };
    let (sender, commands) = mpsc::channel(16);
    tokio::spawn(run_phone(phone.clone(), settings, commands, reports));
    FarEnd(sender)
}

async fn run_phone(
    phone: Phone,
    settings: MediaSettings,
    mut commands: mpsc::Receiver<FarCommand>,
    reports: FarReports,
) {
    let voice = match Voice::of(&phone.sound, phone.record.as_deref()) {
        Ok(voice) => voice,
        Err(error) => {
            reports.tell(FarEvent::Failed(error.to_string())).await;
            return;
        }
    };
    let mut voice = Some(voice);
    let mut _speaking = None;
    let (to_media, media_commands) = mpsc::channel(16);
    let (media_outputs, mut outputs) = mpsc::channel(64);
    media::spawn(settings, media_commands, media_outputs);
    loop {
        tokio::select! {
            command = commands.recv() => {
                let Some(command) = command else { return };
                let Some(command) = media_command(command) else { continue };
                if to_media.send((PEER, command)).await.is_err() {
                    return;
                }
            }
            output = outputs.recv() => match output {
                Some((_, MediaOutput::Leg(leg))) => {
                    // One leg a peer, so one voice.
                    if let Some(voice) = voice.take() {
                        _speaking = Some(voice::start(leg.leg, voice));
                    }
                }
                Some((_, MediaOutput::Event(event))) => {
                    if let Some(event) = far_event(event) {
                        reports.tell(event).await;
                    }
                }
                None => {
                    reports.tell(FarEvent::Failed("the media engine ended".to_owned())).await;
                    return;
                }
            },
        }
    }
}

fn media_command(command: FarCommand) -> Option<MediaCommand> {
    match command {
        FarCommand::Offered { sdp, from: _ } => Some(MediaCommand::Check { sdp }),
        FarCommand::PickUp => Some(MediaCommand::Answer),
        FarCommand::Call => Some(MediaCommand::Prepare),
        FarCommand::Answered { sdp } => Some(MediaCommand::Start { sdp }),
        FarCommand::Reoffered { sdp } => Some(MediaCommand::Renegotiate { sdp }),
        FarCommand::Digits(digits) => Some(MediaCommand::Digits(digits)),
        // This phone hands nothing over.
        FarCommand::Refused => None,
    }
}

fn far_event(event: MediaEvent) -> Option<FarEvent> {
    match event {
        MediaEvent::Prepared { sdp } => Some(FarEvent::Offer { sdp }),
        MediaEvent::Answer { sdp } => Some(FarEvent::Answer { sdp }),
        MediaEvent::Connected { codec } => Some(FarEvent::Connected { codec }),
        MediaEvent::FirstAudio => Some(FarEvent::FirstAudio),
        MediaEvent::Digit(digit) => Some(FarEvent::Digit(digit)),
        MediaEvent::Failed(error) => Some(FarEvent::Failed(format!("{:?}: {}", error.kind, error.detail))),
        MediaEvent::Acceptable
        | MediaEvent::Interrupted
        | MediaEvent::Quiet
        | MediaEvent::AudioBack
        | MediaEvent::Statistics(_)
        | MediaEvent::Closed => None,
    }
}

/// A far end that says this text where an SDP should be.
pub(super) fn text(sdp: String, reports: FarReports) -> FarEnd {
    let (sender, mut commands) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Some(command) = commands.recv().await {
            let sdp = sdp.clone();
            let event = match command {
                FarCommand::PickUp | FarCommand::Reoffered { .. } => FarEvent::Answer { sdp },
                FarCommand::Call => FarEvent::Offer { sdp },
                FarCommand::Offered { .. }
                | FarCommand::Answered { .. }
                | FarCommand::Digits(_)
                | FarCommand::Refused => continue,
            };
            reports.tell(event).await;
        }
    });
    FarEnd(sender)
}
