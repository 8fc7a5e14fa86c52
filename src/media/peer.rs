//! One peer's life: commands in, events out.
//!
//! Inputs: [`MediaCommand`]s, and what [`Connection::next`] tells. Outputs:
//! [`MediaOutput`]s. A peer is born by `Prepare` or `Check` and ends by
//! `Close`, or by the first failure.

use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use webrtc::peer_connection::RTCPeerConnectionState;

use super::connection::{Connection, Happened, Report};
use super::sdp::{Choice, Direction, Remote, local_direction};
use super::tap::Heard;
use super::{Codec, LegHandle, MediaOutput, MediaSettings};
use crate::appliance::command::MediaCommand;
use crate::appliance::event::{MediaError, MediaErrorKind, MediaEvent};
use crate::appliance::id::PeerId;

/// Where a peer is.
enum Stage {
    /// Made, nothing asked yet.
    New,
    /// A remote offer was read and found good; nothing is on the network.
    Checked(Box<Remote>),
    /// A local offer is made and not yet answered.
    Offered(Box<Connection>),
    /// Both descriptions are known.
    Negotiated(Box<Connection>, Media),
}

/// What was negotiated.
struct Media {
    codec: Codec,
    direction: Direction,
    connected: bool,
}

pub(super) struct Peer {
    id: PeerId,
    settings: MediaSettings,
    outputs: mpsc::Sender<(PeerId, MediaOutput)>,
    stage: Stage,
}

fn name(codec: Codec) -> String {
    match codec {
        Codec::Opus => "opus",
        Codec::Pcmu => "PCMU",
        Codec::Pcma => "PCMA",
    }
    .to_owned()
}

fn out_of_order(command: &str) -> MediaError {
    MediaError { kind: MediaErrorKind::Internal, detail: format!("{command} came out of order") }
}

impl Peer {
    pub(super) fn new(
        id: PeerId,
        settings: MediaSettings,
        outputs: mpsc::Sender<(PeerId, MediaOutput)>,
    ) -> Self {
        Self { id, settings, outputs, stage: Stage::New }
    }

    /// Lives until `Close` or the end of `commands`.
    ///
    /// # Errors
    /// Why the peer is of no more use.
    pub(super) async fn run(
        &mut self,
        commands: &mut mpsc::Receiver<MediaCommand>,
    ) -> Result<(), MediaError> {
        loop {
            let connection = match &mut self.stage {
                Stage::New | Stage::Checked(_) => None,
                Stage::Offered(connection) | Stage::Negotiated(connection, _) => Some(connection),
            };
            let next = async {
                match connection {
                    Some(connection) => connection.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = commands.recv() => match command {
                    Some(MediaCommand::Close) | None => return Ok(()),
                    Some(command) => self.obey(command).await?,
                },
                happened = next => self.notice(happened).await?,
            }
        }
    }

    /// Lets go of the connection, if there is one.
    pub(super) async fn close(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::New | Stage::Checked(_) => {}
            Stage::Offered(connection) | Stage::Negotiated(connection, _) => connection.close().await,
        }
    }

    async fn obey(&mut self, command: MediaCommand) -> Result<(), MediaError> {
        match command {
            MediaCommand::Prepare => self.prepare().await,
            MediaCommand::Check { sdp } => self.check(&sdp).await,
            MediaCommand::Answer => self.answer().await,
            MediaCommand::Start { sdp } => self.start(&sdp).await,
            MediaCommand::Renegotiate { sdp } => self.renegotiate(&sdp).await,
            MediaCommand::Digits(digits) => {
                if let Stage::Negotiated(connection, _) = &self.stage {
                    // Full only if somebody sends hundreds of digits at once.
                    let _ = connection.digits.try_send(digits);
                }
                Ok(())
            }
            MediaCommand::Close => Ok(()),
        }
    }

    fn first_codec(&self) -> Codec {
        self.settings.codecs.first().copied().unwrap_or(Codec::Opus)
    }

    async fn prepare(&mut self) -> Result<(), MediaError> {
        let Stage::New = self.stage else { return Err(out_of_order("Prepare")) };
        let connection = Box::new(Connection::new(&self.settings, self.first_codec()).await?);
        self.stage = Stage::Offered(connection);
        let Stage::Offered(connection) = &mut self.stage else { return Ok(()) };
        let sdp = connection.offer().await?;
        self.tell(MediaEvent::Prepared { sdp }).await;
        Ok(())
    }

    async fn check(&mut self, sdp: &str) -> Result<(), MediaError> {
        let Stage::New = self.stage else { return Err(out_of_order("Check")) };
        let remote = Remote::read(sdp, Choice::Ours(&self.settings.codecs))?;
        self.stage = Stage::Checked(Box::new(remote));
        self.tell(MediaEvent::Acceptable).await;
        Ok(())
    }

    async fn answer(&mut self) -> Result<(), MediaError> {
        let Stage::Checked(remote) = std::mem::replace(&mut self.stage, Stage::New) else {
            return Err(out_of_order("Answer"));
        };
        let connection = Connection::new(&self.settings, remote.codec).await?;
        self.stage = Stage::Negotiated(Box::new(connection), Media::of(&remote));
        self.answer_with(&remote).await
    }

    async fn start(&mut self, sdp: &str) -> Result<(), MediaError> {
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::Offered(connection) => {
                self.stage = Stage::Offered(connection);
                let remote = Remote::read(sdp, Choice::Theirs(&self.settings.codecs))?;
                let Stage::Offered(mut connection) = std::mem::replace(&mut self.stage, Stage::New) else {
                    return Err(out_of_order("Start"));
                };
                let leg = connection.leg.take();
                let shared = connection.shared.clone();
                let accepted = connection.accept(&remote).await;
                self.stage = Stage::Negotiated(connection, Media::of(&remote));
                accepted?;
                if let Some(leg) = leg {
                    let stats = shared.stats.clone();
                    self.put(MediaOutput::Leg(LegHandle { leg: Box::new(leg), stats })).await;
                }
                Ok(())
            }
            // An offer of the far end overtook this answer to ours (glare):
            // what it asked for is in force, and the answer has nothing to say.
            stage @ Stage::Negotiated(..) => {
                self.stage = stage;
                Ok(())
            }
            Stage::New | Stage::Checked(_) => Err(out_of_order("Start")),
        }
    }

    async fn renegotiate(&mut self, sdp: &str) -> Result<(), MediaError> {
        let codecs = self.settings.codecs.clone();
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::Negotiated(connection, media) => {
                let connected = media.connected;
                self.stage = Stage::Negotiated(connection, media);
                let remote = Remote::read(sdp, Choice::Ours(&codecs))?;
                if let Stage::Negotiated(_, media) = &mut self.stage {
                    *media = Media { connected, ..Media::of(&remote) };
                }
                self.answer_with(&remote).await
            }
            Stage::Offered(mut connection) => {
                let rolled_back = connection.roll_back().await;
                self.stage = Stage::Offered(connection);
                rolled_back?;
                let remote = Remote::read(sdp, Choice::Ours(&codecs))?;
                if let Stage::Offered(connection) = std::mem::replace(&mut self.stage, Stage::New) {
                    self.stage = Stage::Negotiated(connection, Media::of(&remote));
                }
                self.answer_with(&remote).await
            }
            Stage::New | Stage::Checked(_) => Err(out_of_order("Renegotiate")),
        }
    }

    /// Answers `remote` on the connection there is, with the leg first.
    async fn answer_with(&mut self, remote: &Remote) -> Result<(), MediaError> {
        let Stage::Negotiated(connection, media) = &mut self.stage else {
            return Err(out_of_order("an answer"));
        };
        let sdp = connection.answer(remote).await?;
        media.apply(connection);
        let stats = connection.shared.stats.clone();
        let leg = connection.leg.take();
        if let Some(leg) = leg {
            self.put(MediaOutput::Leg(LegHandle { leg: Box::new(leg), stats })).await;
        }
        self.tell(MediaEvent::Answer { sdp }).await;
        Ok(())
    }

    async fn notice(&mut self, happened: Happened) -> Result<(), MediaError> {
        match happened {
            Happened::Panicked => Err(MediaError {
                kind: MediaErrorKind::Internal,
                detail: "the media library's task ended unexpectedly".to_owned(),
            }),
            Happened::Heard(Heard::FirstAudio) => {
                self.tell(MediaEvent::FirstAudio).await;
                Ok(())
            }
            Happened::Heard(Heard::Digit(digit)) => {
                self.tell(MediaEvent::Digit(digit)).await;
                Ok(())
            }
            Happened::Report(Report::Gathered) => Ok(()),
            Happened::Report(Report::State(state)) => self.follow(state).await,
        }
    }

    async fn follow(&mut self, state: RTCPeerConnectionState) -> Result<(), MediaError> {
        match state {
            RTCPeerConnectionState::Connected => {
                if let Stage::Negotiated(connection, media) = &mut self.stage {
                    media.connected = true;
                    media.apply(connection);
                    let codec = name(media.codec);
                    self.tell(MediaEvent::Connected { codec }).await;
                }
                Ok(())
            }
            RTCPeerConnectionState::Disconnected => {
                self.tell(MediaEvent::Interrupted).await;
                Ok(())
            }
            RTCPeerConnectionState::Failed => Err(self.why_failed()),
            RTCPeerConnectionState::Unspecified
            | RTCPeerConnectionState::New
            | RTCPeerConnectionState::Connecting
            | RTCPeerConnectionState::Closed => Ok(()),
            // The library may add states; what they mean is unknown here.
            _ => Ok(()),
        }
    }

    fn why_failed(&self) -> MediaError {
        let detail = "no network path to the far end's media";
        MediaError { kind: MediaErrorKind::IceFailed, detail: detail.to_owned() }
    }

    async fn tell(&mut self, event: MediaEvent) {
        self.put(MediaOutput::Event(event)).await;
    }

    async fn put(&mut self, output: MediaOutput) {
        // Nobody listens any more: the process is ending.
        let _ = self.outputs.send((self.id, output)).await;
    }
}

impl Media {
    fn of(remote: &Remote) -> Self {
        Self { codec: remote.codec, direction: local_direction(remote), connected: false }
    }

    /// Lets the near end be heard, or not.
    fn apply(&self, connection: &Connection) {
        connection.shared.sending.store(self.connected && self.direction.sends(), Ordering::Relaxed);
    }
}
