//! One peer connection of the library, made and negotiated.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rtc::interceptor::Slot;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_PCMA, MIME_TYPE_PCMU, MIME_TYPE_TELEPHONE_EVENT,
};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use webrtc::error::Error;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceConnectionState, RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, Registry,
    SettingEngineBuilder, configure_rtcp_reports,
};
use webrtc::runtime::Runtime;

use super::leg::Wires;
use super::report::Reports;
use super::runtime::GuardedRuntime;
use super::sdp::{PayloadTypes, Remote, Setup, complete_answer};
use super::sender::{self, Sender};
use super::tap::{Heard, SharedTypes, Tap};
use super::{Codec, MediaSettings};
use crate::appliance::event::{MediaError, MediaErrorKind};

/// Gathering host candidates takes a few milliseconds; a machine under load may take long.
const GATHERING: Duration = Duration::from_secs(5);

/// How long the library may take to close before its tasks are aborted.
const CLOSING: Duration = Duration::from_secs(1);

/// ICE reports a break after the first and tries for as long as the second before it gives up.
const BROKEN: Duration = Duration::from_secs(5);
const HOPELESS: Duration = Duration::from_secs(25);

/// This many checks outlast that at any interval.
const CHECKS: u16 = u16::MAX;

/// Between two questions whether the way is still there (RFC 7675; 5 s there). To the library RTP is
/// no sign of life: where a third is lost, every 2 s would be a break now and then that is none.
const CONSENT: Duration = Duration::from_secs(1);

/// What the library reports to the peer's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Gathered,
    /// ICE has found a path, or has none.
    Path(bool),
    State(RTCPeerConnectionState),
}

/// What [`Connection::next`] tells.
#[derive(Debug)]
pub(super) enum Happened {
    Report(Report),
    Heard(Heard),
    /// One of the library's tasks is gone.
    Panicked,
}

/// The interceptor's place: nearest to the application.
const TAP: Slot = Slot::Custom(20_000);

/// Between the network and who writes reports.
const REPORTS: Slot = Slot::Custom(10_500);

struct Handler(mpsc::Sender<Report>);

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    // try_send: these run on the library's own task, which must never wait.
    // The channel is full only when the peer's task is gone.
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.0.try_send(Report::Gathered);
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        let path = matches!(state, RTCIceConnectionState::Connected | RTCIceConnectionState::Completed);
        let _ = self.0.try_send(Report::Path(path));
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let _ = self.0.try_send(Report::State(state));
    }
}

/// A peer connection, joined to the peer's ends of a leg.
pub(super) struct Connection {
    pc: Box<dyn PeerConnection>,
    runtime: Arc<GuardedRuntime>,
    reports: mpsc::Receiver<Report>,
    /// Came while gathering was awaited.
    postponed: VecDeque<Report>,
    heard: mpsc::Receiver<Heard>,
    pub(super) digits: mpsc::Sender<String>,
    /// Made, and not yet given to its task.
    sender: Option<(Sender, Arc<dyn TrackLocal>, mpsc::Receiver<String>)>,
    sending: Option<AbortHandle>,
    /// Whether this connection has the sound; the tap looks at it.
    live: Arc<AtomicBool>,
    panicked: Arc<Notify>,
    types: Arc<SharedTypes>,
    /// Our part in DTLS, once it is settled; it stays (RFC 8842 section 5.5).
    setup: Option<Setup>,
}

fn internal(error: impl std::fmt::Display) -> MediaError {
    MediaError { kind: MediaErrorKind::Internal, detail: error.to_string() }
}

fn bad_sdp(error: &Error) -> MediaError {
    MediaError { kind: MediaErrorKind::BadSdp, detail: format!("the description cannot be applied: {error}") }
}

impl Connection {
    /// Makes a peer connection that can send `codec` first.
    pub(super) async fn new(
        settings: &MediaSettings,
        codec: Codec,
        wires: Wires,
    ) -> Result<Self, MediaError> {
        let addresses = local_addresses(settings);
        if addresses.is_empty() {
            let detail = "no network address to offer: is the network up?".to_owned();
            return Err(MediaError { kind: MediaErrorKind::NoAddress, detail });
        }
        let (report, reports) = mpsc::channel(64);
        let (hear, heard) = mpsc::channel(64);
        let (digits, digits_out) = mpsc::channel(16);
        let types = Arc::new(SharedTypes::default());
        let panicked = Arc::new(Notify::new());
        let runtime = Arc::new(GuardedRuntime::new(Arc::clone(&panicked), Arc::clone(&wires.shared.stats)));
        let live = Arc::new(AtomicBool::new(false));
        let tap = Tap::new(
            Arc::clone(&types),
            Arc::clone(&wires.shared),
            wires.arrived,
            hear.clone(),
            Arc::clone(&live),
        );
        let registry = configure_rtcp_reports(Registry::new())
            .with(TAP, tap)
            .with(REPORTS, Reports::new(Arc::clone(&types), hear));
        let pc = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(media_engine().map_err(internal)?)
            .with_interceptor_registry(registry)
            .with_setting_engine(
                SettingEngineBuilder::new()
                    .with_ice_timeouts(Some(BROKEN), Some(HOPELESS), Some(CONSENT))
                    .with_ice_connection_attempts(Some(settings.ice_check_interval), Some(CHECKS))
                    .with_host_acceptance_min_wait(Some(Duration::ZERO))
                    .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
                    .with_include_loopback_candidate(true)
                    .build(),
            )
            .with_runtime(Arc::clone(&runtime) as Arc<dyn Runtime>)
            .with_handler(Arc::new(Handler(report)))
            .with_udp_addrs(addresses)
            .build()
            .await
            .map_err(|error| MediaError { kind: MediaErrorKind::NoAddress, detail: error.to_string() })?;
        let ssrc: u32 = rand::random();
        let track = local_track(codec, ssrc);
        pc.add_track(Arc::clone(&track)).await.map_err(internal)?;
        for transceiver in pc.get_transceivers().await {
            transceiver.set_codec_preferences(codecs(&settings.codecs)).await.map_err(internal)?;
        }
        let sender = Sender::new(ssrc, wires.outgoing, Arc::clone(&types), wires.shared);
        Ok(Self {
            pc: Box::new(pc),
            runtime,
            reports,
            postponed: VecDeque::new(),
            heard,
            digits,
            sender: Some((sender, track, digits_out)),
            sending: None,
            live,
            panicked,
            types,
            setup: None,
        })
    }

    /// A local offer with all its candidates.
    pub(super) async fn offer(&mut self) -> Result<String, MediaError> {
        let offer = self.pc.create_offer(None).await.map_err(internal)?;
        self.set_local(offer).await
    }

    /// Applies the answer to [`Self::offer`].
    pub(super) async fn accept(&mut self, remote: &Remote) -> Result<(), MediaError> {
        let answer =
            RTCSessionDescription::answer(remote.reduced.clone()).map_err(|error| bad_sdp(&error))?;
        self.types.set(&remote.types, &PayloadTypes::OFFERED);
        self.setup = Some(remote.setup.answered());
        self.pc.set_remote_description(answer).await.map_err(|error| bad_sdp(&error))
    }

    /// Answers an offer, the first one or a later one.
    pub(super) async fn answer(&mut self, remote: &Remote) -> Result<String, MediaError> {
        let offer = RTCSessionDescription::offer(remote.reduced.clone()).map_err(|error| bad_sdp(&error))?;
        self.pc.set_remote_description(offer).await.map_err(|error| bad_sdp(&error))?;
        self.types.set(&remote.types, &remote.types);
        let answer = self.pc.create_answer(None).await.map_err(internal)?;
        let answer = self.set_local(answer).await?;
        let setup = *self.setup.get_or_insert(remote.setup.in_answer(&answer));
        Ok(complete_answer(&answer, remote, setup))
    }

    /// What happens next in the library, or to the sound.
    pub(super) async fn next(&mut self) -> Happened {
        if let Some(report) = self.postponed.pop_front() {
            return Happened::Report(report);
        }
        tokio::select! {
            () = self.panicked.notified() => Happened::Panicked,
            Some(report) = self.reports.recv() => Happened::Report(report),
            Some(heard) = self.heard.recv() => Happened::Heard(heard),
            else => Happened::Panicked,
        }
    }

    async fn set_local(&mut self, description: RTCSessionDescription) -> Result<String, MediaError> {
        self.pc.set_local_description(description).await.map_err(internal)?;
        let gathered = tokio::time::timeout(GATHERING, async {
            while let Some(report) = self.reports.recv().await {
                match report {
                    Report::Gathered => return true,
                    Report::Path(_) | Report::State(_) => self.postponed.push_back(report),
                }
            }
            false
        });
        let gathered = gathered.await.unwrap_or(false);
        let local = self.pc.local_description().await.filter(|_| gathered);
        local.map(|local| local.sdp).ok_or_else(|| internal("ICE candidates could not be gathered"))
    }

    /// Gives the peer's sound to this connection, both ways. Once, and no other may have it.
    pub(super) fn go_live(&mut self) {
        self.live.store(true, Ordering::Relaxed);
        if let Some((sender, track, digits)) = self.sender.take() {
            self.sending = Some(self.runtime.guard(sender::run(sender, track, digits)).abort_handle());
        }
    }

    /// Takes the peer's sound away from this connection, for good.
    pub(super) fn go_silent(&mut self) {
        self.live.store(false, Ordering::Relaxed);
        if let Some(task) = self.sending.take() {
            task.abort();
        }
    }

    /// Makes one of the library's tasks panic.
    #[cfg(test)]
    pub(super) fn panic(&self) {
        self.runtime.guard(async { panic!("asked for by a test") });
    }

    /// Ends everything. Sockets are closed when this returns.
    pub(super) async fn close(self) {
        let _ = tokio::time::timeout(CLOSING, self.pc.close()).await;
        self.runtime.abort_all();
    }

    /// The same without waiting for it.
    pub(super) fn close_later(self) {
        tokio::spawn(self.close());
    }
}

fn media_engine() -> Result<MediaEngine, Error> {
    let mut engine = MediaEngine::default();
    for codec in codecs(&[Codec::Opus, Codec::Pcmu, Codec::Pcma]) {
        engine.register_codec(codec, RtpCodecKind::Audio)?;
    }
    Ok(engine)
}

/// The library's view of codecs, telephone-event last.
fn codecs(wanted: &[Codec]) -> Vec<RTCRtpCodecParameters> {
    let types = PayloadTypes::OFFERED;
    let audio = wanted.iter().map(|codec| (rtp_codec(*codec), types.of(*codec)));
    let event = (
        RTCRtpCodec {
            mime_type: MIME_TYPE_TELEPHONE_EVENT.to_owned(),
            clock_rate: 8_000,
            channels: 0,
            sdp_fmtp_line: "0-15".to_owned(),
            rtcp_feedback: Vec::new(),
        },
        types.telephone_event,
    );
    audio
        .chain([event])
        .filter_map(|(rtp_codec, payload_type)| {
            Some(RTCRtpCodecParameters { rtp_codec, payload_type: payload_type? })
        })
        .collect()
}

fn rtp_codec(codec: Codec) -> RTCRtpCodec {
    let (mime_type, clock_rate, channels, parameters) = match codec {
        Codec::Opus => (MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1"),
        Codec::Pcmu => (MIME_TYPE_PCMU, 8_000, 0, ""),
        Codec::Pcma => (MIME_TYPE_PCMA, 8_000, 0, ""),
    };
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: parameters.to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

fn local_track(codec: Codec, ssrc: u32) -> Arc<dyn TrackLocal> {
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
        codec: rtp_codec(codec),
        ..Default::default()
    };
    Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        "callbox".to_owned(),
        "microphone".to_owned(),
        "microphone".to_owned(),
        RtpCodecKind::Audio,
        vec![encoding],
    )))
}

/// Where to bind: what the settings name, else every usable address, with
/// loopback where it is asked for or where there is nothing else.
fn local_addresses(settings: &MediaSettings) -> Vec<SocketAddr> {
    let any_port = |address: IpAddr| SocketAddr::new(address, 0);
    if !settings.addresses.is_empty() {
        return settings.addresses.iter().copied().map(any_port).collect();
    }
    let mut all: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .iter()
        .filter(|interface| interface.is_oper_up() && !interface.is_link_local())
        .map(if_addrs::Interface::ip)
        .collect();
    all.sort();
    all.dedup();
    let (loopback, others): (Vec<IpAddr>, Vec<IpAddr>) = all.into_iter().partition(IpAddr::is_loopback);
    let with_loopback = settings.loopback || others.is_empty();
    others.into_iter().chain(loopback.into_iter().filter(|_| with_loopback)).map(any_port).collect()
}
