//! Peer connections: webrtc, RTP in and out, jitter buffer, codecs, DTMF.
//!
//! One tokio task per peer connection, so that one that is slow or panics
//! never holds up another. Sound goes between that task and the `audio-dsp`
//! thread through lock-free rings behind [`crate::audio::Leg`].

mod codec;
mod connection;
mod dtmf;
mod emodel;
mod engine;
mod feedback;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gate;
pub mod in_band;
mod jitter;
mod leg;
mod line;
mod lock_free;
mod pacing;
mod packet;
mod pause;
mod peer;
mod quiet;
pub mod rehearsal;
mod report;
mod runtime;
mod sdp;
mod sender;
mod statistics;
mod stats;
mod tap;

#[cfg(test)]
mod bad_rtp_tests;

/// The atomics of `lock_free`; its model has loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};
}

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::appliance::event::MediaEvent;
use crate::audio::Leg;

pub use codec::limits::FrameLength;
pub use engine::spawn;
pub use stats::{Counter, LegStats, Level};

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
    /// Length of the packets sent.
    pub frame: FrameLength,
    /// Time between ICE checks in the first second. Default 5 ms, the least that RFC 8445 section 14.2 allows.
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

impl Codec {
    /// The RTP name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }
}

/// What the media shell tells of one peer connection.
pub enum MediaOutput {
    /// For the appliance.
    Event(MediaEvent),
    /// For the audio shell: this peer's sound. Comes once per peer, right
    /// before the event that follows `Start` or `Answer`, and always before `Connected`.
    Leg(LegHandle),
}

/// One peer's sound and what became of it.
pub struct LegHandle {
    /// To be moved to the `audio-dsp` thread. It stays safe to call after
    /// the peer is closed: it then takes everything and plays silence.
    pub leg: Box<dyn Leg>,
    /// Shared with the leg and the peer's task.
    pub stats: Arc<LegStats>,
}
