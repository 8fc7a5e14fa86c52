//! `[media]`: codecs and addresses.

use std::net::IpAddr;
use std::time::Duration;

use super::diagnostic::{Problem, quoted};
use super::section::{Section, choose};

/// Codecs and addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaConfig {
    /// In order of preference. Default all: opus, pcmu, pcma.
    pub codecs: Vec<Codec>,
    /// Local addresses to offer; empty for every usable one of the machine.
    pub addresses: Vec<IpAddr>,
    /// Offer loopback addresses too. Default false.
    pub loopback: bool,
    /// Bits a second, 6000 to 128000. Default 32000.
    pub opus_bitrate: u32,
    /// Length of the packets sent. Default auto.
    pub frame: Frame,
    /// Time between ICE checks at the start, 5 ms (RFC 8445 section 14.2) to 500 ms. Default 5 ms.
    pub ice_check_interval: Duration,
}

/// Audio codecs of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// RFC 6716, RFC 7587.
    Opus,
    /// ITU-T G.711 mu-law.
    Pcmu,
    /// ITU-T G.711 A-law.
    Pcma,
}

/// Length of the packets sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// 20 ms, and 10 ms where the network is good.
    Auto,
    /// 10 ms from the start.
    Ms10,
    /// Never shorter than 20 ms.
    Ms20,
}

const FRAMES: [(&str, Frame); 3] = [("auto", Frame::Auto), ("10ms", Frame::Ms10), ("20ms", Frame::Ms20)];

const CODECS: [(&str, Codec); 3] = [("opus", Codec::Opus), ("pcmu", Codec::Pcmu), ("pcma", Codec::Pcma)];

pub(super) fn read(section: Option<Section<'_>>) -> MediaConfig {
    let mut media = MediaConfig {
        codecs: CODECS.map(|(_, codec)| codec).to_vec(),
        addresses: Vec::new(),
        loopback: false,
        opus_bitrate: 32_000,
        frame: Frame::Auto,
        ice_check_interval: Duration::from_millis(5),
    };
    let Some(mut section) = section else { return media };
    if let Some(codecs) = read_codecs(&mut section) {
        media.codecs = codecs;
    }
    for address in section.texts("addresses").unwrap_or_default() {
        match address.value.parse() {
            Ok(address) => media.addresses.push(address),
            Err(_) => {
                let what = format!("{} is no IP address", quoted(address.value));
                let cure = "write an address of this machine such as \"192.168.1.20\", or leave addresses out for all";
                section.note(address.at, Problem::new(what, cure));
            }
        }
    }
    media.loopback = section.boolean("loopback").unwrap_or(media.loopback);
    media.opus_bitrate = section.integer("opus-bitrate", 6_000..=128_000).unwrap_or(media.opus_bitrate);
    media.frame = section.choice("frame", &FRAMES).unwrap_or(media.frame);
    let pacing = Duration::from_millis(5)..=Duration::from_millis(500);
    media.ice_check_interval =
        section.duration("ice-check-interval", pacing).unwrap_or(media.ice_check_interval);
    section.finish();
    media
}

fn read_codecs(section: &mut Section<'_>) -> Option<Vec<Codec>> {
    let words = section.texts("codecs")?;
    let mut codecs = Vec::new();
    for word in &words {
        match choose("codec", word.value, &CODECS) {
            Ok(codec) if codecs.contains(&codec) => {
                let what = format!("{} stands here twice", quoted(word.value));
                section.note(word.at, Problem::new(what, "name each codec once"));
            }
            Ok(codec) => codecs.push(codec),
            Err(problem) => section.note(word.at, problem),
        }
    }
    if words.is_empty() {
        let at = section.key_at("codecs").unwrap_or(section.at);
        section.note(at, Problem::new("codecs names none", "write codecs = [\"opus\", \"pcmu\", \"pcma\"]"));
    }
    Some(codecs)
}
