//! A new offer in mid-call from what one side last said of itself.
//!
//! The core stands between the two legs of a call as a session border
//! controller does: it keeps a leg's addresses, keys and ICE credentials and
//! changes direction or codec only (RFC 3264 section 8).

use super::handle::Change;
use crate::media::Codec;

/// Turns a leg's own answer or offer into its next offer. `newer` is
/// added to its version, which must grow with every offer of a call (RFC 8866
/// section 5.2).
pub(super) fn reoffer(sdp: &str, change: Change, newer: u64) -> String {
    let direction = match change {
        Change::Same | Change::Codec(_) => None,
        Change::Hold => Some("a=sendonly"),
        Change::Inactive => Some("a=inactive"),
        Change::Resume => Some("a=sendrecv"),
    };
    let keep = match change {
        Change::Codec(codec) => Some(payload_types(sdp, codec)),
        Change::Same | Change::Hold | Change::Inactive | Change::Resume => None,
    };
    let mut offer = String::with_capacity(sdp.len());
    for line in sdp.lines() {
        let line = match (line, direction, &keep) {
            (line, _, _) if line.starts_with("o=") => with_version(line, newer),
            // The offerer of a kept DTLS association leaves the role open (RFC 8842 section 5.2).
            ("a=setup:active" | "a=setup:passive", _, _) => "a=setup:actpass".to_owned(),
            ("a=sendrecv" | "a=sendonly" | "a=recvonly" | "a=inactive", Some(direction), _) => {
                direction.to_owned()
            }
            (line, _, Some(keep)) if line.starts_with("m=audio ") => with_formats(line, keep),
            (line, _, Some(keep)) if payload_type(line).is_some_and(|pt| !keep.contains(&pt)) => {
                continue;
            }
            (line, _, _) => line.to_owned(),
        };
        offer.push_str(&line);
        offer.push_str("\r\n");
    }
    if let Change::Codec(codec) = change
        && let (_, None) = named(sdp, codec)
    {
        // An answer names the chosen codec only; ours has one media section, so this is its end.
        offer.push_str(usual(codec).1);
    }
    offer
}

/// A codec's payload type and rtpmap line where the description has none (RFC 3551, RFC 7587).
fn usual(codec: Codec) -> (&'static str, &'static str) {
    match codec {
        Codec::Opus => ("111", "a=rtpmap:111 opus/48000/2\r\n"),
        Codec::Pcmu => ("0", "a=rtpmap:0 PCMU/8000\r\n"),
        Codec::Pcma => ("8", "a=rtpmap:8 PCMA/8000\r\n"),
    }
}

/// The payload types of telephone-event and, if it is named, of a codec.
fn named(sdp: &str, codec: Codec) -> (Vec<&str>, Option<&str>) {
    let name = match codec {
        Codec::Opus => "opus/",
        Codec::Pcmu => "pcmu/",
        Codec::Pcma => "pcma/",
    };
    let (mut events, mut found) = (Vec::new(), None);
    for line in sdp.lines() {
        let Some((pt, encoding)) = line.strip_prefix("a=rtpmap:").and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let encoding = encoding.to_ascii_lowercase();
        if encoding.starts_with("telephone-event/") {
            events.push(pt);
        } else if encoding.starts_with(name) {
            found = found.or(Some(pt));
        }
    }
    (events, found)
}

/// The payload types that are left of a description with one codec.
fn payload_types(sdp: &str, codec: Codec) -> Vec<&str> {
    let (events, found) = named(sdp, codec);
    [vec![found.unwrap_or(usual(codec).0)], events].concat()
}

/// The payload type that an attribute line is about.
fn payload_type(line: &str) -> Option<&str> {
    let rest = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|prefix| line.strip_prefix(prefix))?;
    rest.split(' ').next().filter(|pt| *pt != "*")
}

fn with_formats(line: &str, formats: &[&str]) -> String {
    let head: Vec<&str> = line.split(' ').take(3).collect();
    format!("{} {}", head.join(" "), formats.join(" "))
}

fn with_version(line: &str, newer: u64) -> String {
    let mut fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
    if let Some(field) = fields.get_mut(2) {
        let version: u64 = field.parse().unwrap_or(0);
        *field = version.wrapping_add(newer).to_string();
    }
    fields.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\no=- 77 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 0 101\r\na=setup:active\r\na=ice-ufrag:abcd\r\n\
        a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

    #[test]
    fn hold_changes_direction_role_and_version_only() {
        let offer = reoffer(ANSWER, Change::Hold, 5);
        let expected = ANSWER
            .replace("77 1 ", "77 6 ")
            .replace("setup:active", "setup:actpass")
            .replace("sendrecv", "sendonly");
        assert_eq!(offer, expected);
    }

    #[test]
    fn a_codec_change_leaves_that_codec_and_the_digits() {
        let offer = reoffer(ANSWER, Change::Codec(Codec::Pcmu), 2);
        assert!(offer.contains("m=audio 9 UDP/TLS/RTP/SAVPF 0 101\r\n"), "{offer}");
        assert!(!offer.contains("opus") && !offer.contains("useinbandfec"), "{offer}");
        assert!(offer.contains("a=rtpmap:101 telephone-event/8000\r\n"), "{offer}");
    }

    #[test]
    fn a_codec_that_was_not_named_is_named() {
        let offer = reoffer(ANSWER, Change::Codec(Codec::Pcma), 2);
        assert!(offer.contains("SAVPF 8 101\r\n"), "{offer}");
        assert_eq!(offer.matches("a=rtpmap:8 PCMA/8000\r\n").count(), 1, "{offer}");
        assert!(!offer.contains("PCMU"), "{offer}");
    }
}
