//! Session descriptions: what the far end wants, made digestible for the
//! library, and the library's answers made right for the far end.
//!
//! The parser is the library's. What it parsed is reduced to one audio
//! section, always with the same codecs, payload types and media id, and
//! always `sendrecv`. That side-steps what the library gets wrong (each has a
//! test under `tests/`): it answers `sendonly` with `sendrecv`, stops a
//! transceiver for good at `inactive`, confuses telephone-events of two clock
//! rates, knows no codec later that was not in the first offer, and would
//! want a transceiver for every video section. The true codec, direction and
//! media id and the rejected sections are put back into the answer here. The
//! sending task obeys the direction, and the tap (see there) puts the far
//! end's payload types into the packets.

mod answer;
mod candidate;
mod wishes;

use std::io::Cursor;

use rtc::sdp::description::common::Attribute;
use rtc::sdp::{MediaDescription, SessionDescription};

use super::Codec;
use super::codec::limits::Wishes;
use crate::appliance::event::{MediaError, MediaErrorKind};

pub(super) use answer::{complete_answer, local_direction};

/// A description longer than this is no session description.
pub(super) const LONGEST: usize = 64 * 1024;

/// A description with more sections is no call of ours either. Rejecting each
/// in the answer takes more room than offering it did.
const MOST_SECTIONS: usize = 32;

/// What the answer repeats of the offer, in bytes at most: with the library's own part, which is a
/// few KiB, it must fit into a message of the session (`pipe::MESSAGE_LIMIT`), or it would end it.
const MOST_REPEATED: usize = 32 * 1024;

/// The media id that the library sees, whatever the far end calls its section.
pub(super) const INNER_MID: &str = "0";

/// Negotiated RTP payload types; `None` for what is not in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PayloadTypes {
    pub(super) opus: Option<u8>,
    pub(super) pcmu: Option<u8>,
    pub(super) pcma: Option<u8>,
    /// RFC 4733 at 8 kHz.
    pub(super) telephone_event: Option<u8>,
}

impl PayloadTypes {
    /// What the box offers, and all that the library ever sees.
    pub(super) const OFFERED: Self =
        Self { opus: Some(111), pcmu: Some(0), pcma: Some(8), telephone_event: Some(126) };

    /// As an `m=` line lists them.
    fn formats(&self) -> String {
        let all = [self.opus, self.pcmu, self.pcma, self.telephone_event];
        let all: Vec<String> = all.into_iter().flatten().map(|number| number.to_string()).collect();
        all.join(" ")
    }

    /// The type that `other` uses for what this one calls `payload_type`.
    pub(super) fn translate(&self, payload_type: u8, other: &Self) -> Option<u8> {
        if self.telephone_event == Some(payload_type) {
            return other.telephone_event;
        }
        self.codec_of(payload_type).and_then(|codec| other.of(codec))
    }

    pub(super) fn of(&self, codec: Codec) -> Option<u8> {
        match codec {
            Codec::Opus => self.opus,
            Codec::Pcmu => self.pcmu,
            Codec::Pcma => self.pcma,
        }
    }

    /// Whether `payload_type` means anything here.
    pub(super) fn names(&self, payload_type: u8) -> bool {
        self.telephone_event == Some(payload_type) || self.codec_of(payload_type).is_some()
    }

    pub(super) fn codec_of(&self, payload_type: u8) -> Option<Codec> {
        [Codec::Opus, Codec::Pcmu, Codec::Pcma]
            .into_iter()
            .find(|codec| self.of(*codec) == Some(payload_type))
    }
}

/// Which ways audio may flow, as one side says it (RFC 3264 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// What it means seen from the other side.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::SendRecv => Self::SendRecv,
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::Inactive => Self::Inactive,
        }
    }

    pub(super) fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }
}

/// Who begins the DTLS handshake (RFC 4145 section 4, RFC 8842).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    Active,
    Passive,
    ActPass,
}

impl Setup {
    fn of(value: &str) -> Self {
        match value {
            "active" => Self::Active,
            "passive" => Self::Passive,
            // `holdconn` and nonsense leave the choice to us.
            _ => Self::ActPass,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
        }
    }

    /// Our part when the far end's answer says `self`: the library, which
    /// controls ICE when it has offered, waits unless it is told not to.
    pub(super) fn answered(self) -> Self {
        match self {
            Self::Active | Self::ActPass => Self::Passive,
            Self::Passive => Self::Active,
        }
    }
}

/// One section of a remote description that is not the call's audio.
#[derive(Debug)]
pub(super) struct OtherSection {
    /// `m=` line without its port: media, protocol, formats.
    pub(super) media: String,
    pub(super) protocol: String,
    pub(super) formats: String,
    pub(super) mid: Option<String>,
}

/// A remote description, read and found usable.
#[derive(Debug)]
pub(super) struct Remote {
    /// The codec to use from now on, and all payload types that go with it.
    pub(super) codec: Codec,
    pub(super) types: PayloadTypes,
    pub(super) direction: Direction,
    /// What it wants of our packets.
    pub(super) wishes: Wishes,
    pub(super) mid: Option<String>,
    /// Of the audio section; an answer repeats it (RFC 8829 section 5.3.1).
    pub(super) protocol: String,
    pub(super) setup: Setup,
    /// The far end's certificate; another one means another far end.
    pub(super) fingerprint: String,
    /// Whether the audio section is in a BUNDLE group.
    pub(super) bundled: bool,
    /// Which of the description's sections is the audio.
    pub(super) position: usize,
    /// The other sections, in order.
    pub(super) others: Vec<OtherSection>,
    /// The same description reduced for the library.
    pub(super) reduced: String,
}

/// The detail may repeat what the far end wrote, and a terminal may show it:
/// nothing but printable ASCII passes.
fn refuse(kind: MediaErrorKind, detail: impl Into<String>) -> MediaError {
    let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    MediaError { kind, detail: detail.into().chars().map(printable).collect() }
}

/// Whose order of preference decides the codec.
#[derive(Clone, Copy)]
pub(super) enum Choice<'a> {
    /// An offer: ours.
    Ours(&'a [Codec]),
    /// An answer: the far end has chosen; ours says only what is allowed.
    Theirs(&'a [Codec]),
}

impl Remote {
    /// Reads a remote description.
    ///
    /// # Errors
    /// `BadSdp`, `NoAudio` or `NoCommonCodec`.
    pub(super) fn read(sdp: &str, choice: Choice<'_>) -> Result<Self, MediaError> {
        let session = parse(sdp)?;
        let sections = session.media_descriptions.len();
        if sections > MOST_SECTIONS {
            return Err(refuse(MediaErrorKind::BadSdp, format!("{sections} sections are too many")));
        }
        let audio =
            session.media_descriptions.iter().position(is_live_audio).ok_or_else(|| {
                refuse(MediaErrorKind::NoAudio, "the description has no audio section in use")
            })?;
        let section = &session.media_descriptions[audio];
        let offered = Offered::of(section);
        let codec = offered.choose(choice).ok_or_else(|| {
            refuse(MediaErrorKind::NoCommonCodec, format!("none of {} is ours", offered.names()))
        })?;
        let mut types = PayloadTypes { telephone_event: offered.telephone_event, ..Default::default() };
        match codec {
            Codec::Opus => types.opus = offered.type_of(codec),
            Codec::Pcmu => types.pcmu = offered.type_of(codec),
            Codec::Pcma => types.pcma = offered.type_of(codec),
        }
        let mid = value(section, "mid").map(ToOwned::to_owned);
        let group = bundle_group(&session);
        let bundled = mid.as_deref().is_some_and(|mid| group.contains(&mid));
        let transport = Transport::of(&session, section, bundled)?;
        let others = session.media_descriptions.iter().enumerate().filter(|(index, _)| *index != audio);
        let others: Vec<OtherSection> = others.map(|(_, other)| OtherSection::of(other)).collect();
        let protocol = section.media_name.protos.join("/");
        let own = protocol.len() + 2 * mid.as_ref().map_or(0, String::len);
        let repeated = own + others.iter().map(OtherSection::repeated).sum::<usize>();
        if repeated > MOST_REPEATED {
            let why = format!("an answer would repeat {repeated} bytes of it");
            return Err(refuse(MediaErrorKind::BadSdp, why));
        }
        Ok(Self {
            codec,
            types,
            direction: direction_of(&session, section),
            wishes: wishes::read(section, types.of(codec)),
            bundled,
            position: audio,
            others,
            mid,
            protocol,
            setup: transport.setup,
            fingerprint: transport.fingerprint.clone(),
            reduced: reduce(&session, &transport),
        })
    }
}

impl OtherSection {
    fn of(section: &MediaDescription) -> Self {
        Self {
            media: section.media_name.media.clone(),
            protocol: section.media_name.protos.join("/"),
            formats: section.media_name.formats.join(" "),
            mid: value(section, "mid").map(ToOwned::to_owned),
        }
    }

    /// Bytes of it in an answer, but for what is the same of all.
    fn repeated(&self) -> usize {
        let mid = self.mid.as_ref().map_or(0, String::len);
        self.media.len() + self.protocol.len() + self.formats.len() + mid
    }
}

fn parse(sdp: &str) -> Result<SessionDescription, MediaError> {
    if sdp.trim().is_empty() {
        return Err(refuse(MediaErrorKind::BadSdp, "the description is empty"));
    }
    if sdp.len() > LONGEST {
        return Err(refuse(MediaErrorKind::BadSdp, format!("{} bytes are too long", sdp.len())));
    }
    // The parser is third-party code that reads what strangers wrote.
    std::panic::catch_unwind(|| SessionDescription::unmarshal(&mut Cursor::new(sdp.as_bytes())))
        .map_err(|_| refuse(MediaErrorKind::BadSdp, "the description broke the parser"))?
        .map_err(|error| refuse(MediaErrorKind::BadSdp, format!("not a session description: {error}")))
}

/// Audio with a port, or with none because another section's port is used
/// (RFC 8843 section 6).
fn is_live_audio(section: &MediaDescription) -> bool {
    section.media_name.media == "audio"
        && (section.media_name.port.value != 0 || section.has_attribute("bundle-only"))
}

fn value<'a>(section: &'a MediaDescription, key: &str) -> Option<&'a str> {
    section.attribute(key).flatten().map(str::trim)
}

fn bundle_group(session: &SessionDescription) -> Vec<&str> {
    let groups = session.attributes.iter().filter(|attribute| attribute.key == "group");
    let mut bundles =
        groups.filter_map(|attribute| attribute.value.as_deref()?.trim().strip_prefix("BUNDLE"));
    bundles.next().map(|mids| mids.split_whitespace().collect()).unwrap_or_default()
}

fn direction_of(session: &SessionDescription, section: &MediaDescription) -> Direction {
    let all = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    let said = |has: &dyn Fn(&str) -> bool| all.into_iter().find(|direction| has(direction.as_str()));
    said(&|key| section.has_attribute(key))
        .or_else(|| said(&|key| session.has_attribute(key)))
        .unwrap_or(Direction::SendRecv)
}

/// The formats of an audio section that mean something to the box.
struct Offered {
    /// In the far end's order.
    codecs: Vec<(Codec, u8)>,
    telephone_event: Option<u8>,
    names: Vec<String>,
}

impl Offered {
    fn of(section: &MediaDescription) -> Self {
        let mut offered = Self { codecs: Vec::new(), telephone_event: None, names: Vec::new() };
        for format in &section.media_name.formats {
            let Some(payload_type) = format.parse::<u8>().ok().filter(|payload_type| *payload_type < 128)
            else {
                continue;
            };
            let name = rtpmap(section, payload_type);
            match name.as_deref() {
                Some("opus/48000/2") => offered.codecs.push((Codec::Opus, payload_type)),
                Some("pcmu/8000") => offered.codecs.push((Codec::Pcmu, payload_type)),
                Some("pcma/8000") => offered.codecs.push((Codec::Pcma, payload_type)),
                Some("telephone-event/8000") => {
                    offered.telephone_event = offered.telephone_event.or(Some(payload_type));
                }
                Some(_) | None => {}
            }
            offered.names.push(name.unwrap_or_else(|| format.clone()));
        }
        offered
    }

    fn type_of(&self, codec: Codec) -> Option<u8> {
        self.codecs.iter().find(|(offered, _)| *offered == codec).map(|(_, payload_type)| *payload_type)
    }

    fn choose(&self, choice: Choice<'_>) -> Option<Codec> {
        match choice {
            Choice::Ours(ours) => ours.iter().copied().find(|codec| self.type_of(*codec).is_some()),
            Choice::Theirs(ours) => {
                self.codecs.iter().map(|(codec, _)| *codec).find(|codec| ours.contains(codec))
            }
        }
    }

    fn names(&self) -> String {
        let mut names = self.names.join(", ");
        names.truncate(names.char_indices().nth(200).map_or(names.len(), |(at, _)| at));
        names
    }
}

/// What a payload type stands for, in lower case and without a channel count of one.
fn rtpmap(section: &MediaDescription, payload_type: u8) -> Option<String> {
    let said = section
        .attributes
        .iter()
        .filter(|attribute| attribute.key == "rtpmap")
        .filter_map(|attribute| attribute.value.as_deref()?.split_once(' '))
        .find(|(number, _)| number.trim().parse() == Ok(payload_type))
        .map(|(_, name)| name.trim().to_ascii_lowercase());
    // Static payload types need no rtpmap (RFC 3551 section 6).
    let name = said.or_else(|| match payload_type {
        0 => Some("pcmu/8000".to_owned()),
        8 => Some("pcma/8000".to_owned()),
        1..=7 | 9..=u8::MAX => None,
    })?;
    Some(name.strip_suffix("/1").map(ToOwned::to_owned).unwrap_or(name))
}

/// What a section says of ICE and DTLS.
struct Transport {
    ufrag: String,
    password: String,
    fingerprint: String,
    setup: Setup,
    candidates: Vec<String>,
}

impl Transport {
    /// In a BUNDLE group the transport's attributes may stand in the group's
    /// first section only (RFC 8843 section 7.1.3).
    fn of(
        session: &SessionDescription,
        section: &MediaDescription,
        bundled: bool,
    ) -> Result<Self, MediaError> {
        let tagged = bundle_group(session).first().and_then(|tag| {
            session.media_descriptions.iter().find(|media| bundled && value(media, "mid") == Some(*tag))
        });
        let find = |key: &str| {
            value(section, key)
                .or_else(|| tagged.and_then(|tagged| value(tagged, key)))
                .or_else(|| session.attribute(key).map(|found| found.trim()))
                .filter(|found| !found.is_empty())
        };
        let need = |key: &str| {
            let found = find(key).map(ToOwned::to_owned);
            found.ok_or_else(|| refuse(MediaErrorKind::BadSdp, format!("the audio section has no a={key}")))
        };
        let said =
            [Some(&section.attributes), tagged.map(|tagged| &tagged.attributes), Some(&session.attributes)];
        let fingerprint = said.into_iter().flatten().flatten().find_map(fingerprint_of).ok_or_else(|| {
            refuse(MediaErrorKind::BadSdp, "the audio section has no whole a=fingerprint of sha-256")
        })?;
        let inherited = tagged.filter(|_| !section.has_attribute("candidate"));
        Ok(Self {
            ufrag: need("ice-ufrag")?,
            password: need("ice-pwd")?,
            fingerprint,
            setup: Setup::of(find("setup").unwrap_or("actpass")),
            candidates: candidate::usable(session, inherited.unwrap_or(section)),
        })
    }
}

/// The fingerprint in an attribute, if it is one of the only hash that the
/// library verifies, in the only spelling that it knows; any case and other
/// hashes beside it are allowed (RFC 8122 section 5).
fn fingerprint_of(attribute: &Attribute) -> Option<String> {
    let value = attribute.value.as_deref().filter(|_| attribute.key == "fingerprint")?;
    let (hash, digest) = value.trim().split_once(' ')?;
    let digest = digest.trim_start();
    let octet = |octet: &str| octet.len() == 2 && octet.bytes().all(|digit| digit.is_ascii_hexdigit());
    let whole = digest.split(':').count() == 32 && digest.split(':').all(octet);
    (whole && hash.eq_ignore_ascii_case("sha-256")).then(|| format!("sha-256 {digest}").to_ascii_lowercase())
}

/// Writes the description anew with one audio section.
fn reduce(session: &SessionDescription, transport: &Transport) -> String {
    let lite = if session.has_attribute("ice-lite") { "a=ice-lite\r\n" } else { "" };
    let Transport { ufrag, password, fingerprint, setup, candidates } = transport;
    let mut text = format!(
        "v=0\r\no=- {id} {version} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {INNER_MID}\r\n{lite}\
         m=audio 9 UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\na=mid:{INNER_MID}\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\na=fingerprint:{fingerprint}\r\na=setup:{setup}\r\n\
         a=rtcp-mux\r\na=sendrecv\r\n",
        id = session.origin.session_id,
        version = session.origin.session_version,
        formats = PayloadTypes::OFFERED.formats(),
        setup = setup.as_str(),
    );
    text.push_str(&codec_lines(&PayloadTypes::OFFERED));
    for candidate in candidates {
        text.push_str(&format!("a=candidate:{candidate}\r\n"));
    }
    text
}

fn codec_lines(types: &PayloadTypes) -> String {
    let mut lines = String::new();
    let mut line = |number: Option<u8>, name: &str, parameters: Option<&str>| {
        if let Some(number) = number {
            lines.push_str(&format!("a=rtpmap:{number} {name}\r\n"));
            if let Some(parameters) = parameters {
                lines.push_str(&format!("a=fmtp:{number} {parameters}\r\n"));
            }
        }
    };
    line(types.opus, "opus/48000/2", Some("minptime=10;useinbandfec=1"));
    line(types.pcmu, "PCMU/8000", None);
    line(types.pcma, "PCMA/8000", None);
    line(types.telephone_event, "telephone-event/8000", Some("0-15"));
    lines
}

#[cfg(test)]
mod tests;
