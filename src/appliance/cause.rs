//! Why calls end: whom each cause tells, and what the person at the box hears.

use super::event::MediaErrorKind;
use super::tone::Tone;

/// Why a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Hung up, cancelled or rejected at this box.
    HungUpHere,
    /// Bye from the core.
    HungUpThere,
    /// Another number of the same hunt was answered first.
    AnsweredByAnother,
    /// Nobody answered.
    RingTimeout,
    /// Whoever answered did not accept the call.
    NotAcknowledged,
    /// Media did not come up.
    MediaTimeout,
    /// Media was interrupted for too long.
    MediaLost,
    /// The far end sent no audio for too long.
    NoMedia,
    /// The longest time of a call is over.
    TooLong,
    /// Media gave up.
    MediaFailed(MediaErrorKind),
    /// No peer connection for the Offer.
    PeerNotReady,
    /// The session ended before the call was answered.
    SessionLost,
    /// RATE_LIMIT_HIT.
    RateLimited,
    /// INVALID_CALL_ID: the core does not know it.
    UnknownToCore,
    /// It goes on at the mobile phone.
    MovedToPhone,
    /// The caller is not on the list after all.
    NotAllowed,
    /// A check call was good.
    CheckDone,
    /// A check call was up and nothing was heard.
    CheckSilent,
    /// A check call gave way to a person or to a call for this box.
    CheckGaveWay,
    /// The appliance shuts down.
    ShuttingDown,
}

impl Cause {
    /// Whether the core must be told, once it has heard of the call.
    pub fn needs_bye(self) -> bool {
        match self {
            Cause::HungUpHere
            | Cause::AnsweredByAnother
            | Cause::RingTimeout
            | Cause::NotAcknowledged
            | Cause::MediaTimeout
            | Cause::MediaLost
            | Cause::NoMedia
            | Cause::TooLong
            | Cause::MediaFailed(_)
            | Cause::PeerNotReady
            | Cause::SessionLost
            | Cause::RateLimited
            | Cause::NotAllowed
            | Cause::CheckDone
            | Cause::CheckSilent
            | Cause::CheckGaveWay
            | Cause::ShuttingDown => true,
            Cause::HungUpThere | Cause::UnknownToCore | Cause::MovedToPhone => false,
        }
    }

    /// What the person at the box hears, unless the call only rang here.
    pub fn tone(self) -> Option<Tone> {
        match self {
            Cause::HungUpHere
            | Cause::AnsweredByAnother
            | Cause::MovedToPhone
            | Cause::NotAllowed
            | Cause::CheckDone
            | Cause::CheckSilent
            | Cause::CheckGaveWay
            | Cause::ShuttingDown => None,
            Cause::HungUpThere | Cause::TooLong => Some(Tone::Busy),
            Cause::RingTimeout
            | Cause::NotAcknowledged
            | Cause::MediaTimeout
            | Cause::MediaLost
            | Cause::NoMedia
            | Cause::MediaFailed(_)
            | Cause::SessionLost
            | Cause::RateLimited
            | Cause::UnknownToCore => Some(Tone::Congestion),
            Cause::PeerNotReady => Some(Tone::Error),
        }
    }

    /// Whether something went wrong that lamps should show for a moment.
    pub fn is_trouble(self) -> bool {
        match self {
            Cause::HungUpHere
            | Cause::HungUpThere
            | Cause::AnsweredByAnother
            | Cause::RingTimeout
            | Cause::NotAcknowledged
            | Cause::TooLong
            | Cause::MovedToPhone
            | Cause::NotAllowed
            | Cause::CheckDone
            | Cause::CheckSilent
            | Cause::CheckGaveWay
            | Cause::ShuttingDown => false,
            Cause::MediaTimeout
            | Cause::MediaLost
            | Cause::NoMedia
            | Cause::MediaFailed(_)
            | Cause::PeerNotReady
            | Cause::SessionLost
            | Cause::RateLimited
            | Cause::UnknownToCore => true,
        }
    }

    /// Whether the next number of a hunt may do better.
    pub fn is_of_that_number(self) -> bool {
        match self {
            Cause::HungUpThere | Cause::RingTimeout | Cause::NotAcknowledged => true,
            Cause::HungUpHere
            | Cause::AnsweredByAnother
            | Cause::MediaTimeout
            | Cause::MediaLost
            | Cause::NoMedia
            | Cause::TooLong
            | Cause::MediaFailed(_)
            | Cause::PeerNotReady
            | Cause::SessionLost
            | Cause::RateLimited
            | Cause::UnknownToCore
            | Cause::MovedToPhone
            | Cause::NotAllowed
            | Cause::CheckDone
            | Cause::CheckSilent
            | Cause::CheckGaveWay
            | Cause::ShuttingDown => false,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Cause::HungUpHere => "hung up here",
            Cause::HungUpThere => "the far end hung up",
            Cause::AnsweredByAnother => "somebody else answered first",
            Cause::RingTimeout => "nobody answered",
            Cause::NotAcknowledged => "whoever answered did not accept the call",
            Cause::MediaTimeout => "media did not come up in time",
            Cause::MediaLost => "media was interrupted for too long",
            Cause::NoMedia => "no audio came from the far end for too long",
            Cause::TooLong => "the longest time of a call is over",
            Cause::MediaFailed(kind) => match kind {
                MediaErrorKind::BadSdp => "the far end's SDP cannot be read",
                MediaErrorKind::NoAudio => "the far end offers no audio",
                MediaErrorKind::NoCommonCodec => "no common codec",
                MediaErrorKind::IceFailed => "no network path for media",
                MediaErrorKind::DtlsFailed => "DTLS failed",
                MediaErrorKind::NoAddress => "no local address for media",
                MediaErrorKind::Internal => "the media part failed",
            },
            Cause::PeerNotReady => "no peer connection was ready",
            Cause::SessionLost => "the session to the voice core was lost",
            Cause::RateLimited => "the voice core asked for fewer calls",
            Cause::UnknownToCore => "the voice core does not know the call",
            Cause::MovedToPhone => "moved to the mobile phone",
            Cause::NotAllowed => "the caller is not on the list",
            Cause::CheckDone => "the check call was good",
            Cause::CheckSilent => "nothing was heard in the check call",
            Cause::CheckGaveWay => "the check call gave way",
            Cause::ShuttingDown => "shutting down",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_can_tell_causes_apart() {
        let causes = [Cause::HungUpHere, Cause::HungUpThere, Cause::RingTimeout, Cause::MediaLost];
        let texts: std::collections::BTreeSet<&str> = causes.into_iter().map(Cause::text).collect();
        assert_eq!(texts.len(), causes.len());
        assert!(texts.iter().all(|text| !text.is_empty()));
    }
}
