//! One peer's life: commands in, events out.
//!
//! Inputs: [`MediaCommand`]s, and what [`Connection::next`] tells. Outputs:
//! [`MediaOutput`]s. A peer is born by `Prepare` or `Check` and ends by
//! `Close`, or by the first failure.
//!
//! Every description of the far end is followed, in the order in which they
//! come. One with the certificate of the line there is changes that line; one
//! with another certificate means another far end, and gets a line of its own,
//! which takes over when it is connected.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use webrtc::peer_connection::RTCPeerConnectionState;

use super::connection::{Connection, Happened, Report};
use super::leg::{self, AudioLeg, EncoderSwitch, Wires};
use super::line::{Line, Lines, Which};
use super::quiet::{Change, Quiet};
use super::sdp::{Choice, Remote};
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
    Up(Box<Lines>),
}

pub(super) struct Peer {
    id: PeerId,
    settings: MediaSettings,
    outputs: mpsc::Sender<(PeerId, MediaOutput)>,
    stage: Stage,
    ends: Option<(Wires, EncoderSwitch)>,
    /// Until it is handed out.
    leg: Option<AudioLeg>,
    quiet: Quiet,
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
        let quiet = Quiet::default();
        Self { id, settings, outputs, stage: Stage::New, ends: None, leg: None, quiet }
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
            let overdue = match &self.stage {
                Stage::Up(lines) => lines.overdue(),
                Stage::New | Stage::Checked(_) | Stage::Offered(_) => None,
            };
            let deadline = [overdue.map(|(at, _)| at), self.quiet.deadline()].into_iter().flatten().min();
            let happens = async {
                match &mut self.stage {
                    Stage::New | Stage::Checked(_) => std::future::pending().await,
                    Stage::Offered(connection) => (Which::Current, connection.next().await),
                    Stage::Up(lines) => lines.happens().await,
                }
            };
            tokio::select! {
                command = commands.recv() => match command {
                    Some(MediaCommand::Close) | None => return Ok(()),
                    Some(command) => self.obey(command).await?,
                },
                (which, happened) = happens => self.notice(which, happened).await?,
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    match overdue.filter(|(at, _)| *at <= Instant::now()) {
                        Some((_, which)) => self.lost(which).await?,
                        None => self.listen().await,
                    }
                }
            }
        }
    }

    /// Lets go of the connections, if there are any.
    pub(super) async fn close(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::New | Stage::Checked(_) => {}
            Stage::Offered(connection) => connection.close().await,
            Stage::Up(lines) => lines.close().await,
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
                if let Stage::Up(lines) = &self.stage {
                    // Full only if somebody sends hundreds of digits at once.
                    let _ = lines.current.connection.digits.try_send(digits);
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
        let (line, sdp) = self.answer_on_a_new_line(&remote).await?;
        self.up(line, None).await?;
        self.tell(MediaEvent::Answer { sdp }).await;
        Ok(())
    }

    async fn start(&mut self, sdp: &str) -> Result<(), MediaError> {
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::Offered(mut connection) => {
                let accepted = accept(&mut connection, sdp, &self.settings.codecs).await;
                let line = match accepted {
                    Ok(remote) => Line::new(connection, &remote),
                    Err(error) => {
                        self.stage = Stage::Offered(connection);
                        return Err(error);
                    }
                };
                self.up(line, None).await
            }
            // An offer of the far end overtook this answer to ours (glare,
            // early media), and now the call moves to where the answer says.
            Stage::Up(mut lines) => {
                if let Some(mut connection) = lines.offered.take() {
                    match accept(&mut connection, sdp, &self.settings.codecs).await {
                        Ok(remote) => lines.set_next(Some(Line::new(connection, &remote))),
                        Err(error) => {
                            self.disregard("a late answer", &error);
                            connection.close_later();
                        }
                    }
                }
                self.stage = Stage::Up(lines);
                Ok(())
            }
            stage @ (Stage::New | Stage::Checked(_)) => {
                self.stage = stage;
                Err(out_of_order("Start"))
            }
        }
    }

    /// An offer that cannot be read or answered changes nothing: the call goes on as it was.
    async fn renegotiate(&mut self, sdp: &str) -> Result<(), MediaError> {
        if let Stage::New | Stage::Checked(_) = &self.stage {
            return Err(out_of_order("Renegotiate"));
        }
        let answered = match Remote::read(sdp, Choice::Ours(&self.settings.codecs)) {
            Ok(remote) => self.answer_again(&remote).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(sdp) => {
                self.apply()?;
                self.tell(MediaEvent::Answer { sdp }).await;
                self.listen().await;
            }
            Err(error) => self.disregard("an offer in mid-call", &error),
        }
        Ok(())
    }

    async fn answer_again(&mut self, remote: &Remote) -> Result<String, MediaError> {
        if let Stage::Up(lines) = &mut self.stage {
            let same = |line: &&mut Line| line.fingerprint == remote.fingerprint;
            if let Some(next) = lines.next.as_mut().filter(same) {
                return next.answer(remote).await;
            }
            if lines.current.fingerprint == remote.fingerprint {
                lines.set_next(None);
                return lines.current.answer(remote).await;
            }
        }
        // Our own offer was not answered yet, or the far end has moved to
        // another server, with which DTLS must begin anew.
        let (line, sdp) = self.answer_on_a_new_line(remote).await?;
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::Up(mut lines) if lines.current.connected => {
                lines.set_next(Some(line));
                self.stage = Stage::Up(lines);
            }
            Stage::Up(lines) => {
                let Lines { current, next, offered } = *lines;
                for line in [Some(current), next].into_iter().flatten() {
                    line.connection.close_later();
                }
                self.up(line, offered).await?;
            }
            Stage::Offered(connection) => self.up(line, Some(connection)).await?,
            Stage::New | Stage::Checked(_) => self.up(line, None).await?,
        }
        Ok(sdp)
    }

    async fn answer_on_a_new_line(&mut self, remote: &Remote) -> Result<(Line, String), MediaError> {
        let connection = self.connect(remote.codec).await?;
        let mut line = Line::new(connection, remote);
        match line.answer(remote).await {
            Ok(sdp) => Ok((line, sdp)),
            Err(error) => {
                line.connection.close_later();
                Err(error)
            }
        }
    }

    /// The call has its first line, or the first that may become one.
    async fn up(&mut self, mut line: Line, offered: Option<Box<Connection>>) -> Result<(), MediaError> {
        line.connection.go_live();
        self.stage = Stage::Up(Box::new(Lines::new(line, offered)));
        self.apply()?;
        self.hand_out_leg().await;
        Ok(())
    }

    fn disregard(&self, what: &str, error: &MediaError) {
        tracing::warn!(peer = self.id.0, detail = %error.detail, "{what} is disregarded");
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
        let Some((wires, encoders)) = &mut self.ends else { return Ok(()) };
        let sends = match &self.stage {
            Stage::Up(lines) => {
                encoders.switch_to(lines.current.codec).map_err(internal)?;
                lines.current.sends()
            }
            Stage::New | Stage::Checked(_) | Stage::Offered(_) => false,
        };
        wires.shared.sending.store(sends, Ordering::Relaxed);
        Ok(())
    }

    /// Tells when the far end has fallen silent, and when it is back.
    async fn listen(&mut self) {
        let Some((wires, _)) = &self.ends else { return };
        let expected = matches!(&self.stage, Stage::Up(lines) if lines.current.receives());
        let (packets, last) = wires.shared.rtp();
        let change = self.quiet.look(expected, packets, last.map(Instant::from_std), Instant::now());
        wires.shared.quiet.store(self.quiet.is_quiet(), Ordering::Relaxed);
        match change {
            Some(Change::Quiet) => self.tell(MediaEvent::Quiet).await,
            Some(Change::Back) => self.tell(MediaEvent::AudioBack).await,
            None => {}
        }
    }

    async fn notice(&mut self, which: Which, happened: Happened) -> Result<(), MediaError> {
        match happened {
            Happened::Panicked if which == Which::Current => Err(MediaError {
                kind: MediaErrorKind::Internal,
                detail: "the media library's task ended unexpectedly".to_owned(),
            }),
            Happened::Panicked => self.lost(which).await,
            Happened::Heard(Heard::FirstAudio) => {
                self.tell(MediaEvent::FirstAudio).await;
                Ok(())
            }
            Happened::Heard(Heard::Again) => {
                self.listen().await;
                Ok(())
            }
            Happened::Heard(Heard::Digit(digit)) => {
                self.tell(MediaEvent::Digit(digit)).await;
                Ok(())
            }
            Happened::Report(Report::Gathered | Report::Path(_)) => Ok(()),
            Happened::Report(Report::State(state)) => self.follow(which, state).await,
        }
    }

    async fn follow(&mut self, which: Which, state: RTCPeerConnectionState) -> Result<(), MediaError> {
        match state {
            RTCPeerConnectionState::Connected => self.connected(which).await,
            RTCPeerConnectionState::Disconnected => {
                let connected = matches!(&self.stage, Stage::Up(lines) if lines.current.connected);
                if connected && which == Which::Current {
                    self.tell(MediaEvent::Interrupted).await;
                }
                Ok(())
            }
            RTCPeerConnectionState::Failed => self.lost(which).await,
            RTCPeerConnectionState::Unspecified
            | RTCPeerConnectionState::New
            | RTCPeerConnectionState::Connecting
            | RTCPeerConnectionState::Closed => Ok(()),
            // The library may add states; what they mean is unknown here.
            _ => Ok(()),
        }
    }

    async fn connected(&mut self, which: Which) -> Result<(), MediaError> {
        if let Stage::Up(lines) = &mut self.stage {
            if which == Which::Next {
                lines.switch();
            }
            lines.current.connected = true;
            let codec = name(lines.current.codec);
            self.apply()?;
            self.tell(MediaEvent::Connected { codec }).await;
            self.listen().await;
        }
        Ok(())
    }

    /// A line has failed for good. The call goes on where there is another way.
    async fn lost(&mut self, which: Which) -> Result<(), MediaError> {
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::Up(mut lines) if which == Which::Next => {
                if let Some(next) = &lines.next {
                    self.disregard("a new way for the call", &next.why_failed());
                }
                lines.set_next(None);
                self.stage = Stage::Up(lines);
                Ok(())
            }
            Stage::Up(mut lines) => {
                let (error, interrupted) = (lines.current.why_failed(), lines.current.connected);
                if lines.switch() {
                    self.stage = Stage::Up(lines);
                } else if let Some(offered) = lines.offered.take() {
                    // Early media is gone; our offer may still be answered.
                    lines.current.connection.go_silent();
                    lines.current.connection.close_later();
                    self.stage = Stage::Offered(offered);
                } else {
                    self.stage = Stage::Up(lines);
                    return Err(error);
                }
                self.disregard("the end of a line", &error);
                self.apply()?;
                self.listen().await;
                if interrupted {
                    self.tell(MediaEvent::Interrupted).await;
                }
                Ok(())
            }
            stage @ (Stage::New | Stage::Checked(_) | Stage::Offered(_)) => {
                self.stage = stage;
                Err(MediaError {
                    kind: MediaErrorKind::IceFailed,
                    detail: "the network path failed before it was used".to_owned(),
                })
            }
        }
    }

    async fn tell(&mut self, event: MediaEvent) {
        self.put(MediaOutput::Event(event)).await;
    }

    async fn put(&mut self, output: MediaOutput) {
        // Nobody listens any more: the process is ending.
        let _ = self.outputs.send((self.id, output)).await;
    }
}

/// Applies an answer of the far end to our offer.
async fn accept(connection: &mut Connection, sdp: &str, codecs: &[Codec]) -> Result<Remote, MediaError> {
    let remote = Remote::read(sdp, Choice::Theirs(codecs))?;
    connection.accept(&remote).await?;
    Ok(remote)
}

#[cfg(test)]
mod tests {
    //! A panic in one peer, whoever's it is, ends that peer and no other.

    use std::time::Duration;

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
