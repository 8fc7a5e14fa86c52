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

mod negotiate;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use webrtc::peer_connection::RTCPeerConnectionState;

use super::codec::limits::Limits;
use super::connection::{Connection, Happened, Report};
use super::leg::{self, AudioLeg, EncoderSwitch, Wires};
use super::line::{Lines, Which};
use super::quiet::{Change, Quiet};
use super::sdp::{Choice, Remote};
use super::tap::Heard;
use super::{Codec, LegHandle, MediaOutput, MediaSettings};
use crate::appliance::command::MediaCommand;
use crate::appliance::event::{MediaError, MediaErrorKind, MediaEvent};
use crate::appliance::id::PeerId;
use crate::appliance::statistics::CallStatistics;

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
            let shared = self.ends.as_ref().map(|(wires, _)| Arc::clone(&wires.shared));
            let digits = async {
                match &shared {
                    Some(shared) => shared.in_band.news().await,
                    None => std::future::pending().await,
                }
            };
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
                () = digits => {
                    for digit in shared.iter().flat_map(|shared| shared.in_band.fetch()) {
                        self.tell(MediaEvent::Digit(digit)).await;
                    }
                }
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

    /// What became of the sound; `None` if there was none either way.
    pub(super) fn statistics(&self) -> Option<CallStatistics> {
        let figures = self.ends.as_ref().map(|(wires, _)| wires.shared.stats.figures())?;
        (figures.packets_sent + figures.packets_received > 0).then_some(figures)
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

    async fn connect(&mut self, codec: Codec) -> Result<Box<Connection>, MediaError> {
        let wires = match &self.ends {
            Some((wires, _)) => wires.clone(),
            None => {
                let limits = Limits::new(self.settings.opus_bitrate, self.settings.frame);
                let (leg, wires, encoders) = leg::pair(codec, limits).map_err(internal)?;
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
        let events = matches!(&self.stage, Stage::Up(lines) if lines.current.events);
        wires.shared.in_band.want(!events);
        let sends = match &self.stage {
            Stage::Up(lines) => {
                encoders.switch_to(lines.current.codec, &lines.current.wishes).map_err(internal)?;
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
            Happened::Heard(Heard::Feedback(feedback)) => {
                // A line that does not carry the sound has nothing to say of it.
                if let Some((_, encoders)) = self.ends.as_mut().filter(|_| which == Which::Current) {
                    encoders.report(feedback, std::time::Instant::now());
                }
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
            let codec = lines.current.codec.name().to_owned();
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

#[cfg(test)]
mod tests;
