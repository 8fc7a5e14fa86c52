//! The library's answer, made right for the far end.

use super::{Direction, INNER_MID, OtherSection, Remote, Setup, codec_lines};

/// Our direction in answer to the far end's.
pub(in crate::media) fn local_direction(remote: &Remote) -> Direction {
    remote.direction.mirrored()
}

impl Setup {
    /// Our part when the far end's first offer says `self`. The library does
    /// as it is told, but `answer`, its own, says so only where the choice is ours.
    pub(in crate::media) fn in_answer(self, answer: &str) -> Self {
        match self {
            Self::Active => Self::Passive,
            Self::Passive => Self::Active,
            Self::ActPass => {
                let said = answer.lines().find_map(|line| line.strip_prefix("a=setup:"));
                Self::of(said.unwrap_or("active"))
            }
        }
    }
}

/// Puts back what [`Remote::read`] took away: the direction, the far end's
/// media id and BUNDLE group, and a rejection (port 0, RFC 3264 section 6)
/// for every section but the audio. `setup` is our part in DTLS: the library
/// would claim another one in a later answer.
pub(in crate::media) fn complete_answer(answer: &str, remote: &Remote, setup: Setup) -> String {
    let (session, audio) = answer.split_once("m=audio").unwrap_or((answer, ""));
    let mut text = String::new();
    for line in session.lines() {
        if line.starts_with("a=group:BUNDLE") {
            if let Some(mid) = remote.mid.as_ref().filter(|_| remote.bundled) {
                push(&mut text, &format!("a=group:BUNDLE {mid}"));
            }
        } else {
            push(&mut text, line);
        }
    }
    let mut others = remote.others.iter();
    for position in 0..=remote.others.len() {
        if position == remote.position {
            push_audio(&mut text, audio, remote, setup);
        } else if let Some(other) = others.next() {
            push_rejected(&mut text, other);
        }
    }
    text
}

fn push_audio(text: &mut String, audio: &str, remote: &Remote, setup: Setup) {
    let inner_mid = format!("a=mid:{INNER_MID}");
    let directions = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    for (number, line) in audio.lines().enumerate() {
        let is_direction =
            directions.iter().any(|direction| line.strip_prefix("a=") == Some(direction.as_str()));
        if number == 0 {
            push(text, &format!("m=audio 9 {} {}", remote.protocol, remote.types.formats()));
        } else if ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().any(|key| line.starts_with(key)) {
            // The library's payload types; the far end's follow below.
        } else if line == inner_mid {
            if let Some(mid) = &remote.mid {
                push(text, &format!("a=mid:{mid}"));
            }
        } else if line.starts_with("a=setup:") {
            push(text, &format!("a=setup:{}", setup.as_str()));
        } else if is_direction {
            push(text, &format!("a={}", local_direction(remote).as_str()));
        } else {
            push(text, line);
        }
    }
    text.push_str(&codec_lines(&remote.types));
}

fn push_rejected(text: &mut String, other: &OtherSection) {
    push(text, &format!("m={} 0 {} {}", other.media, other.protocol, other.formats));
    push(text, "c=IN IP4 0.0.0.0");
    if let Some(mid) = &other.mid {
        push(text, &format!("a=mid:{mid}"));
    }
    push(text, "a=inactive");
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push_str("\r\n");
}
