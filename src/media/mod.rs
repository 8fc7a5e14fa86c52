//! Peer connections: webrtc, RTP in and out, jitter buffer, codecs, DTMF.

use std::net::IpAddr;
use std::time::Duration;

/// What the media shell must know; made by `config`.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// Codecs in order of preference.
    pub codecs: Vec<Codec>,
    /// Local addresses to offer; empty for every usable one of the machine.
    pub addresses: Vec<IpAddr>,
    /// Offer loopback addresses too (demo and tests).
    pub loopback: bool,
    /// Opus target, bits a second. Default 32000.
    pub opus_bitrate: u32,
    /// Time between ICE checks at the start. Default 10 ms.
    pub ice_check_interval: Duration,
}

/// Audio codecs of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// RFC 6716, RFC 7587.
    Opus,
    /// ITU-T G.711 mu-law.
    Pcmu,
    /// ITU-T G.711 A-law.
    Pcma,
}
