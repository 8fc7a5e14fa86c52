//! A far end made of the bare library, for what our own engine never does.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use std::time::Instant;

use async_trait::async_trait;
use rtc::interceptor::{self, Interceptor, Slot, StreamInfo, TaggedPacket};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCOfferOptions;
use rtc::rtp::{Header, Packet};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder,
    configure_rtcp_reports,
};

struct Handler {
    gathered: watch::Sender<u64>,
    connected: watch::Sender<bool>,
    heard: Arc<AtomicU64>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_modify(|count| *count += 1);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.connected.send_replace(state == RTCPeerConnectionState::Connected);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let heard = Arc::clone(&self.heard);
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(_) = event {
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
}

/// Changes the source of what is sent, as a media server does that switches
/// to another speaker.
struct Masquerade {
    ssrc: Arc<AtomicU32>,
    read: Option<TaggedPacket>,
    write: Option<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Masquerade {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.read = Some(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.take()
    }

    fn handle_write(&mut self, mut message: TaggedPacket) -> Result<(), Error> {
        if let interceptor::Packet::Rtp(packet) = &mut message.message.packet {
            packet.header.ssrc = self.ssrc.load(Ordering::Relaxed);
        }
        self.write = Some(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.take()
    }
}

impl Interceptor for Masquerade {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

pub struct Raw {
    pc: Box<dyn PeerConnection>,
    track: Arc<dyn TrackLocal>,
    gathered: watch::Receiver<u64>,
    connected: watch::Receiver<bool>,
    /// RTP packets that came.
    pub heard: Arc<AtomicU64>,
    sequence: u16,
    payload_type: u8,
    /// The source that speaks on the wire.
    pub ssrc: Arc<AtomicU32>,
}

pub const SSRC: u32 = 4711;

impl Raw {
    /// A PCMU speaker with one SSRC; `lite` makes it an ICE-lite server (RFC 8445 section 2.5).
    pub async fn new(lite: bool) -> Self {
        Self::with(lite, 0).await
    }

    /// The same with any payload type.
    pub async fn with(lite: bool, payload_type: u8) -> Self {
        let (gathered, gathered_out) = watch::channel(0);
        let (connected, connected_out) = watch::channel(false);
        let heard = Arc::new(AtomicU64::new(0));
        let codec = RTCRtpCodec {
            mime_type: "audio/PCMU".to_owned(),
            clock_rate: 8_000,
            channels: 0,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: Vec::new(),
        };
        let mut engine = MediaEngine::default();
        let parameters = RTCRtpCodecParameters { rtp_codec: codec.clone(), payload_type };
        engine.register_codec(parameters, RtpCodecKind::Audio).unwrap();
        let settings = SettingEngineBuilder::new()
            .with_ice_connection_attempts(Some(Duration::from_millis(20)), Some(1_000))
            .with_include_loopback_candidate(true)
            .with_lite(lite)
            .build();
        let ssrc = Arc::new(AtomicU32::new(SSRC));
        let registry = configure_rtcp_reports(Registry::new())
            .with(Slot::Custom(500), Masquerade { ssrc: Arc::clone(&ssrc), read: None, write: None });
        let pc = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(engine)
            .with_interceptor_registry(registry)
            .with_setting_engine(settings)
            .with_handler(Arc::new(Handler { gathered, connected, heard: Arc::clone(&heard) }))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await
            .unwrap();
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(SSRC), ..Default::default() },
            codec,
            ..Default::default()
        };
        let track: Arc<dyn TrackLocal> = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
            "raw".to_owned(),
            "raw".to_owned(),
            "raw".to_owned(),
            RtpCodecKind::Audio,
            vec![encoding],
        )));
        pc.add_track(Arc::clone(&track)).await.unwrap();
        Self {
            pc: Box::new(pc),
            track,
            gathered: gathered_out,
            connected: connected_out,
            heard,
            sequence: 60_000,
            payload_type,
            ssrc,
        }
    }

    pub async fn offer(&mut self, restart: bool) -> String {
        let options = restart.then_some(RTCOfferOptions { ice_restart: true });
        let offer = self.pc.create_offer(options).await.unwrap();
        self.gathered.mark_unchanged();
        self.pc.set_local_description(offer).await.unwrap();
        self.gathered.changed().await.unwrap();
        self.pc.local_description().await.unwrap().sdp
    }

    pub async fn accept(&mut self, answer: String) {
        self.pc.set_remote_description(RTCSessionDescription::answer(answer).unwrap()).await.unwrap();
    }

    pub async fn connected(&mut self) {
        let wait = self.connected.wait_for(|connected| *connected);
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("not connected").unwrap();
    }

    /// Sends `count` packets of silence, 20 ms apart.
    pub async fn speak(&mut self, count: u16) {
        for _ in 0..count {
            self.sequence = self.sequence.wrapping_add(1);
            let header = Header {
                version: 2,
                payload_type: self.payload_type,
                sequence_number: self.sequence,
                timestamp: u32::from(self.sequence) * 160,
                ssrc: SSRC,
                ..Default::default()
            };
            let payload = vec![0x55; 160].into();
            self.track.write_rtp(Packet { header, payload }).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn close(self) {
        self.pc.close().await.unwrap();
    }
}
