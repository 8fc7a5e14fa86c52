//! One peer's life: commands in, events out.
//!
//! Inputs: [`MediaCommand`]s, and what [`Connection::next`] tells. Outputs:
//! [`MediaOutput`]s. A peer is born by `Prepare` or `Check` and ends by
//! `Close`, or by the first failure.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use webrtc::peer_connection::RTCPeerConnectionState;

use super::connection::{Connection, Happened, Report};
use super::leg::{self, AudioLeg, EncoderSwitch, Wires};
use super::sdp::{Choice, Direction, Remote, local_direction};
use super::tap::Heard;
use super::{Codec, LegHandle, MediaOutput, MediaSettings};
use crate::appliance::command::MediaCommand;
use crate::appliance::event::{MediaError, MediaErrorKind, MediaEvent};
use crate::appliance::id::PeerId;

/// How long DTLS may take once ICE has a path: three flights lost in a row
/// (1, 2 and 4 s, RFC 6347 section 4.2.4.1), and less than the appliance waits.
const HANDSHAKE: Duration = Duration::from_secs(8);

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
    /// Of the far end's certificate.
    fingerprint: String,
    connected: bool,
}

pub(super) struct Peer {
    id: PeerId,
    settings: MediaSettings,
    outputs: mpsc::Sender<(PeerId, MediaOutput)>,
    stage: Stage,
    ends: Option<(Wires, EncoderSwitch)>,
    /// Until it is handed out.
    leg: Option<AudioLeg>,
    /// Since when ICE has a path, if it has one.
    path: Option<Instant>,
}

fn internal(error: impl std::fmt::Display) -> MediaError {
    MediaError { kind: MediaErrorKind::Internal, detail: error.to_string() }
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
        Self { id, settings, outputs, stage: Stage::New, ends: None, leg: None, path: None }
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
            let overdue = self.handshake_overdue();
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
                () = sleep_until(overdue.unwrap_or_else(Instant::now)), if overdue.is_some() => return Err(self.why_failed()),
            }
        }
    }

    /// When a handshake that has begun will have failed: the library reports
    /// no failure of DTLS, it just stays silent.
    fn handshake_overdue(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Negotiated(_, media) if !media.connected => Some(self.path? + HANDSHAKE),
            Stage::New | Stage::Checked(_) | Stage::Offered(_) | Stage::Negotiated(..) => None,
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
            #[cfg(test)]
            MediaCommand::Digits(digits) if digits == tests::PANIC_HERE => panic!("asked for by a test"),
            #[cfg(test)]
            MediaCommand::Digits(digits) if digits == tests::PANIC_BELOW => {
                if let Stage::Offered(connection) = &self.stage {
                    connection.panic();
                }
                Ok(())
            }
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
        let connection = self.connect(self.first_codec()).await?;
        self.stage = Stage::Offered(connection);
        let Stage::Offered(connection) = &mut self.stage else { return Err(out_of_order("Prepare")) };
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
        self.answer_anew(&remote).await
    }

    async fn start(&mut self, sdp: &str) -> Result<(), MediaError> {
        match &mut self.stage {
            Stage::Offered(connection) => {
                let remote = Remote::read(sdp, Choice::Theirs(&self.settings.codecs))?;
                connection.accept(&remote).await?;
                self.stage.negotiated(Media::of(&remote));
                self.apply()?;
                self.hand_out_leg().await;
                Ok(())
            }
            // An offer of the far end overtook this answer to ours (glare):
            // what it asked for is in force, and the answer has nothing to say.
            Stage::Negotiated(..) => Ok(()),
            Stage::New | Stage::Checked(_) => Err(out_of_order("Start")),
        }
    }

    /// An offer that cannot be read changes nothing: the call goes on as it was.
    async fn renegotiate(&mut self, sdp: &str) -> Result<(), MediaError> {
        let known = match &self.stage {
            Stage::New | Stage::Checked(_) => return Err(out_of_order("Renegotiate")),
            Stage::Offered(_) => None,
            Stage::Negotiated(_, media) => Some((media.fingerprint.clone(), media.connected)),
        };
        let remote = match Remote::read(sdp, Choice::Ours(&self.settings.codecs)) {
            Ok(remote) => remote,
            Err(error) => {
                tracing::warn!(peer = self.id.0, detail = %error.detail, "an offer in mid-call is not answered");
                return Ok(());
            }
        };
        let (fingerprint, connected) = known.unwrap_or_default();
        if remote.fingerprint != fingerprint {
            // Our own offer was not answered, or the far end has moved to
            // another server, with which DTLS must begin anew.
            return self.answer_anew(&remote).await;
        }
        self.stage.negotiated(Media { connected, ..Media::of(&remote) });
        self.answer_here(&remote).await
    }

    /// Answers on a new connection, which replaces the old one if there is one.
    async fn answer_anew(&mut self, remote: &Remote) -> Result<(), MediaError> {
        let connection = self.connect(remote.codec).await?;
        self.close().await;
        self.path = None;
        self.stage = Stage::Negotiated(connection, Media::of(remote));
        self.answer_here(remote).await
    }

    async fn answer_here(&mut self, remote: &Remote) -> Result<(), MediaError> {
        let Stage::Negotiated(connection, _) = &mut self.stage else { return Err(out_of_order("an answer")) };
        let sdp = connection.answer(remote).await?;
        self.apply()?;
        self.hand_out_leg().await;
        self.tell(MediaEvent::Answer { sdp }).await;
        Ok(())
    }

    async fn connect(&mut self, codec: Codec) -> Result<Box<Connection>, MediaError> {
        let wires = match &self.ends {
            Some((wires, _)) => wires.clone(),
            None => {
                let (leg, wires, encoders) =
                    leg::pair(codec, self.settings.opus_bitrate).map_err(internal)?;
                self.leg = Some(leg);
                self.ends = Some((wires.clone(), encoders));
                wires
            }
        };
        Ok(Box::new(Connection::new(&self.settings, codec, wires).await?))
    }

    async fn hand_out_leg(&mut self) {
        let stats = self.ends.as_ref().map(|(wires, _)| Arc::clone(&wires.shared.stats));
        if let (Some(leg), Some(stats)) = (self.leg.take(), stats) {
            self.put(MediaOutput::Leg(LegHandle { leg: Box::new(leg), stats })).await;
        }
    }

    /// Lets the near end be heard, or not, in the codec negotiated.
    fn apply(&mut self) -> Result<(), MediaError> {
        if let (Stage::Negotiated(_, media), Some((wires, encoders))) = (&self.stage, &mut self.ends) {
            encoders.switch_to(media.codec).map_err(internal)?;
            let sending = media.connected && media.direction.sends();
            wires.shared.sending.store(sending, Ordering::Relaxed);
        }
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
            Happened::Report(Report::Path(path)) => {
                self.path = path.then(|| self.path.unwrap_or_else(Instant::now));
                Ok(())
            }
            Happened::Report(Report::State(state)) => self.follow(state).await,
        }
    }

    async fn follow(&mut self, state: RTCPeerConnectionState) -> Result<(), MediaError> {
        match state {
            RTCPeerConnectionState::Connected => {
                if let Stage::Negotiated(_, media) = &mut self.stage {
                    media.connected = true;
                    let codec = name(media.codec);
                    self.apply()?;
                    self.tell(MediaEvent::Connected { codec }).await;
                }
                Ok(())
            }
            RTCPeerConnectionState::Disconnected => {
                if matches!(&self.stage, Stage::Negotiated(_, media) if media.connected) {
                    self.tell(MediaEvent::Interrupted).await;
                }
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
        let (kind, detail) = if self.path.is_some() {
            (MediaErrorKind::DtlsFailed, "the far end's media does not prove to be who signalling says")
        } else {
            (MediaErrorKind::IceFailed, "no network path to the far end's media")
        };
        MediaError { kind, detail: detail.to_owned() }
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
        Self {
            codec: remote.codec,
            direction: local_direction(remote),
            fingerprint: remote.fingerprint.clone(),
            connected: false,
        }
    }
}

impl Stage {
    /// Notes what was negotiated on the connection there is.
    fn negotiated(&mut self, media: Media) {
        *self = match std::mem::replace(self, Self::New) {
            Self::Offered(connection) | Self::Negotiated(connection, _) => {
                Self::Negotiated(connection, media)
            }
            stage @ (Self::New | Self::Checked(_)) => stage,
        };
    }
}

#[cfg(test)]
mod tests {
    //! A panic in one peer, whoever's it is, ends that peer and no other.

    use super::*;
    use crate::media::spawn;

    pub(super) const PANIC_HERE: &str = "panic in the peer's task";
    pub(super) const PANIC_BELOW: &str = "panic in the library's task";

    async fn next(outputs: &mut mpsc::Receiver<(PeerId, MediaOutput)>) -> (PeerId, MediaEvent) {
        let next = tokio::time::timeout(Duration::from_secs(20), outputs.recv()).await;
        match next.expect("silence").expect("the engine is gone") {
            (peer, MediaOutput::Event(event)) => (peer, event),
            (_, MediaOutput::Leg(_)) => panic!("no leg is due"),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_fails_its_own_peer_only() {
        for how in [PANIC_HERE, PANIC_BELOW] {
            let settings = MediaSettings {
                codecs: vec![Codec::Opus],
                addresses: vec!["127.0.0.1".parse().unwrap()],
                loopback: true,
                opus_bitrate: 32_000,
                ice_check_interval: Duration::from_millis(10),
            };
            let (commands, received) = mpsc::channel(8);
            let (sent, mut outputs) = mpsc::channel(8);
            let engine = spawn(settings, received, sent);
            let (bad, good) = (PeerId(1), PeerId(2));
            for peer in [bad, good] {
                commands.send((peer, MediaCommand::Prepare)).await.unwrap();
                assert!(matches!(next(&mut outputs).await, (p, MediaEvent::Prepared { .. }) if p == peer));
            }
            commands.send((bad, MediaCommand::Digits(how.to_owned()))).await.unwrap();
            let (peer, event) = next(&mut outputs).await;
            let MediaEvent::Failed(error) = event else { panic!("{how}: {event:?}") };
            assert_eq!((peer, error.kind), (bad, MediaErrorKind::Internal), "{how}");
            // The other one does not notice, and new ones can be made.
            for peer in [bad, good] {
                commands.send((peer, MediaCommand::Close)).await.unwrap();
                assert_eq!(next(&mut outputs).await, (peer, MediaEvent::Closed), "{how}");
            }
            commands.send((PeerId(3), MediaCommand::Prepare)).await.unwrap();
            assert!(matches!(next(&mut outputs).await, (_, MediaEvent::Prepared { .. })), "{how}");
            drop(commands);
            engine.await.unwrap();
        }
    }
}
