//! What anybody may send to a call's port: STUN, DTLS, SRTP and nonsense, to the
//! library's peer connection before ICE, before DTLS and after both, from the
//! far end's address or a stranger's.
//!
//! Bytes: which connection and whose address; then records of one datagram each.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_PCMU, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use super::feed::Feed;

/// A connection is made anew after so many datagrams, before its timers run out.
const WEARS_OUT: u32 = 3_000;

/// Answers to one datagram: a flight of the handshake at most.
const MOST_ANSWERS: usize = 64;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Both descriptions are known.
    Described,
    /// ICE has a path; nothing of DTLS has passed.
    Path,
    /// Media may flow.
    Up,
}

const STAGES: [Stage; 3] = [Stage::Described, Stage::Path, Stage::Up];

/// One end, without a socket.
pub struct End {
    connection: RTCPeerConnection,
    pub address: SocketAddr,
    pub state: RTCPeerConnectionState,
}

/// A connection under attack.
struct Target {
    end: End,
    far: SocketAddr,
    now: Instant,
    datagrams: u32,
}

thread_local! {
    static TARGETS: RefCell<[Option<Target>; 3]> = const { RefCell::new([None, None, None]) };
}

pub fn run(data: &[u8]) {
    let mut feed = Feed(data);
    let (which, from) = (feed.byte() % 3, feed.byte());
    TARGETS.with_borrow_mut(|targets| {
        let slot = &mut targets[usize::from(which)];
        if slot.as_ref().is_none_or(Target::is_spent) {
            *slot = Some(Target::new(STAGES[usize::from(which)]));
        }
        let Some(target) = slot else { return };
        while !feed.is_empty() {
            let length = usize::from(feed.word() % 1_500);
            target.attack(feed.take(length), from & 1 == 1);
        }
    });
}

/// What passes between two ends on their way to a call: where a corpus begins.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut passed = Vec::new();
    let _ = pair(Stage::Up, &mut passed);
    let record = |(stage, datagram): (u8, Vec<u8>)| {
        let length = datagram.len().min(1_499) as u16;
        let mut seed = vec![stage, 0];
        seed.extend(length.to_le_bytes());
        seed.extend(datagram);
        seed
    };
    let stages = passed.iter().map(|datagram| match datagram[0] {
        0..=19 => 0,
        20..=63 => 1,
        _ => 2,
    });
    stages.zip(passed.clone()).map(record).collect()
}

impl Target {
    fn new(stage: Stage) -> Self {
        let (end, far, now) = pair(stage, &mut Vec::new());
        Self { end, far: far.address, now, datagrams: 0 }
    }

    fn is_spent(&self) -> bool {
        let over = matches!(self.end.state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed);
        over || self.datagrams >= WEARS_OUT
    }

    fn attack(&mut self, datagram: &[u8], stranger: bool) {
        self.datagrams += 1;
        self.now += Duration::from_millis(1);
        let from = if stranger { SocketAddr::from(([203, 0, 113, 66], 6_666)) } else { self.far };
        self.end.receive(datagram, from, self.now);
        let answers = self.end.sends(self.now);
        assert!(answers.len() <= MOST_ANSWERS, "{} answers to one datagram", answers.len());
    }
}

impl End {
    fn new(port: u16, now: Instant) -> Self {
        let codec = RTCRtpCodec {
            mime_type: MIME_TYPE_PCMU.to_owned(),
            clock_rate: 8_000,
            channels: 0,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: Vec::new(),
        };
        let mut engine = MediaEngine::default();
        let parameters = RTCRtpCodecParameters { rtp_codec: codec.clone(), payload_type: 0 };
        engine.register_codec(parameters, RtpCodecKind::Audio).unwrap();
        let settings = SettingEngineBuilder::new()
            .with_ice_connection_attempts(Some(Duration::from_millis(5)), Some(1_000))
            .with_host_acceptance_min_wait(Some(Duration::ZERO))
            .with_include_loopback_candidate(true)
            .build();
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_setting_engine(settings)
            .with_media_engine(engine)
            .build(now)
            .unwrap();
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(u32::from(port)),
                ..Default::default()
            },
            codec,
            ..Default::default()
        };
        let name = || "fuzzed".to_owned();
        let track = MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Audio, vec![encoding]);
        connection.add_track(track).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: address.ip().to_string(),
            port,
            component: 1,
            ..Default::default()
        };
        let candidate =
            CandidateHostConfig { base_config, ..Default::default() }.new_candidate_host().unwrap();
        let candidate = RTCIceCandidate::from(&candidate).to_json().unwrap();
        connection.add_local_candidate(candidate).unwrap();
        Self { connection, address, state: RTCPeerConnectionState::New }
    }

    pub fn receive(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        let transport = TransportContext {
            local_addr: self.address,
            peer_addr: from,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        let message = BytesMut::from(datagram);
        // An error is what the driver logs.
        let _ = self.connection.handle_read(TaggedBytesMut { now, transport, message });
        while self.connection.poll_read().is_some() {}
        self.follow();
    }

    fn follow(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.state = state;
            }
        }
    }

    pub fn sends(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let _ = self.connection.handle_timeout(now);
        self.follow();
        std::iter::from_fn(|| self.connection.poll_write()).map(|sent| sent.message.to_vec()).collect()
    }
}

/// Both ends of a connection that has come so far, and the time; all that
/// passed on the way is noted.
pub fn pair(stage: Stage, passed: &mut Vec<Vec<u8>>) -> (End, End, Instant) {
    let mut now = Instant::now();
    let (mut near, mut far) = (End::new(4_000, now), End::new(5_000, now));
    let offer = near.connection.create_offer(None).unwrap();
    near.connection.set_local_description(now, offer).unwrap();
    let offer = near.connection.local_description().unwrap();
    far.connection.set_remote_description(now, offer).unwrap();
    let answer = far.connection.create_answer(None).unwrap();
    far.connection.set_local_description(now, answer).unwrap();
    near.connection.set_remote_description(now, far.connection.local_description().unwrap()).unwrap();
    let up = |end: &End| end.state == RTCPeerConnectionState::Connected;
    let reached = |near: &End, far: &End| stage == Stage::Described || up(near) && up(far);
    for _ in 0..if stage == Stage::Path { 20 } else { 400 } {
        if reached(&near, &far) {
            break;
        }
        let passes = |datagram: &Vec<u8>| stage == Stage::Up || !(20..64).contains(&datagram[0]);
        let (near_says, far_says) = (near.sends(now), far.sends(now));
        passed.extend(near_says.iter().chain(&far_says).cloned());
        for datagram in near_says.iter().filter(|datagram| passes(datagram)) {
            far.receive(datagram, near.address, now);
        }
        for datagram in far_says.iter().filter(|datagram| passes(datagram)) {
            near.receive(datagram, far.address, now);
        }
        now += Duration::from_millis(5);
    }
    assert!(stage == Stage::Path || reached(&near, &far), "the two ends do not come together");
    (near, far, now)
}
