//! How calls end: each cause, whom it tells, what the person hears.

use std::time::{Duration, Instant};

use super::call::{Call, Phone};
use super::command::{AudioCommand, Refusal};
use super::context::Context;
use super::event::{Body, MediaError, MediaErrorKind};
use super::fault::Fault;
use super::feedback;
use super::id::CallId;
use super::session::Change;
use super::status::CallStatus;
use super::timer::Timer;
use super::tone::Tone;

/// The media shell may take this long to close.
const RELEASING: Duration = Duration::from_secs(2);
/// A Bye that could not be sent is worth sending for this long.
const BYE_LIFE: Duration = Duration::from_secs(30);

/// A Bye that waits for the session to come back.
pub(super) struct UnsentBye {
    id: CallId,
    until: Instant,
}

/// Why a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Hung up, cancelled or rejected at this box.
    HungUpHere,
    /// Bye from the core.
    HungUpThere,
    /// Nobody answered.
    RingTimeout,
    /// Media did not come up.
    MediaTimeout,
    /// Media was interrupted for too long.
    MediaLost,
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
    /// The appliance shuts down.
    ShuttingDown,
}

impl Cause {
    /// Whether the core must be told, once it has heard of the call.
    fn needs_bye(self) -> bool {
        match self {
            Cause::HungUpHere
            | Cause::RingTimeout
            | Cause::MediaTimeout
            | Cause::MediaLost
            | Cause::MediaFailed(_)
            | Cause::PeerNotReady
            | Cause::SessionLost
            | Cause::RateLimited
            | Cause::NotAllowed
            | Cause::ShuttingDown => true,
            Cause::HungUpThere | Cause::UnknownToCore | Cause::MovedToPhone => false,
        }
    }

    /// What the person at the box hears, unless the call only rang here.
    fn tone(self) -> Option<Tone> {
        match self {
            Cause::HungUpHere | Cause::MovedToPhone | Cause::NotAllowed | Cause::ShuttingDown => None,
            Cause::HungUpThere => Some(Tone::Busy),
            Cause::RingTimeout
            | Cause::MediaTimeout
            | Cause::MediaLost
            | Cause::MediaFailed(_)
            | Cause::SessionLost
            | Cause::RateLimited
            | Cause::UnknownToCore => Some(Tone::Congestion),
            Cause::PeerNotReady => Some(Tone::Error),
        }
    }

    /// Whether something went wrong that lamps should show for a moment.
    fn is_trouble(self) -> bool {
        match self {
            Cause::HungUpHere
            | Cause::HungUpThere
            | Cause::RingTimeout
            | Cause::MovedToPhone
            | Cause::NotAllowed
            | Cause::ShuttingDown => false,
            Cause::MediaTimeout
            | Cause::MediaLost
            | Cause::MediaFailed(_)
            | Cause::PeerNotReady
            | Cause::SessionLost
            | Cause::RateLimited
            | Cause::UnknownToCore => true,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Cause::HungUpHere => "hung up here",
            Cause::HungUpThere => "the far end hung up",
            Cause::RingTimeout => "nobody answered",
            Cause::MediaTimeout => "media did not come up in time",
            Cause::MediaLost => "media was interrupted for too long",
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
            Cause::ShuttingDown => "shutting down",
        }
    }
}

impl Phone {
    /// Action: hang up, cancel or reject.
    pub fn hang_up(&mut self, cx: &mut Context) -> Result<(), Refusal> {
        if self.call.leg().is_none() {
            return Err(Refusal::NoCall);
        }
        self.end(cx, Cause::HungUpHere);
        Ok(())
    }

    /// Bye for our call.
    pub fn far_end_hung_up(&mut self, cx: &mut Context) {
        if !self.next_number(cx, Cause::HungUpThere) {
            self.end(cx, Cause::HungUpThere);
        }
    }

    /// `Timer::RingTimeout`.
    pub fn rang_too_long(&mut self, cx: &mut Context) {
        if !self.next_number(cx, Cause::RingTimeout) {
            self.end(cx, Cause::RingTimeout);
        }
    }

    /// Media gave up on the call's peer connection.
    pub fn media_failed(&mut self, cx: &mut Context, error: MediaError) {
        cx.counters.count(media_counter(error.kind));
        let cause = match &self.call {
            Call::Preparing(_) => {
                cx.raise(Fault::MediaNotReady, error.detail.clone());
                Cause::PeerNotReady
            }
            Call::Idle
            | Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_)
            | Call::Releasing(_) => Cause::MediaFailed(error.kind),
        };
        if let Some(leg) = self.call.leg() {
            cx.step("media-failed", &leg.id, error.detail);
        }
        self.end(cx, cause);
    }

    /// Ends the call that lives, if one does.
    pub fn end(&mut self, cx: &mut Context, cause: Cause) {
        let only_rang = match self.call.status() {
            CallStatus::Idle | CallStatus::Releasing => return,
            CallStatus::Incoming => true,
            CallStatus::Outgoing | CallStatus::Ringing | CallStatus::Connecting | CallStatus::InCall => false,
        };
        self.let_go(cx, cause);
        feedback::tone_of_call(cx, None);
        match cause.tone() {
            Some(tone) if !only_rang => feedback::end_tone(cx, tone),
            Some(_) | None => {}
        }
        if cause.is_trouble() {
            feedback::notice(cx);
        }
    }

    /// Lets go of the call and its media, without a word to the person.
    pub fn let_go(&mut self, cx: &mut Context, cause: Cause) {
        let (leg, told) = match std::mem::replace(&mut self.call, Call::Idle) {
            // The core has not heard of it.
            Call::Preparing(out) => (out.leg, false),
            Call::Outgoing(out) | Call::Ringing(out) => (out.leg, true),
            // It may ring again when the session is back: that is for the core to say.
            Call::Incoming(incoming) => (incoming.leg, cause != Cause::SessionLost),
            Call::Connecting(leg) | Call::Talking(leg) => (leg, true),
            over @ (Call::Idle | Call::Releasing(_)) => {
                self.call = over;
                return;
            }
        };
        if leg.answers_owed > 0 {
            cx.counters.count("renegotiation-unanswered");
        }
        for timer in
            [Timer::PeerWait, Timer::OfferRetry, Timer::RingTimeout, Timer::MediaTimeout, Timer::MediaLost]
        {
            cx.timers.stop(&timer);
        }
        // On `MultiPipe` no Idle may come for a call that was taken over and
        // ends here. `Pipe`, where ids may be empty, always sends Idle.
        if told && !leg.id.as_str().is_empty() {
            self.elsewhere.forget(&leg.id);
            self.remember(cx, &leg.id);
        }
        if told && cause.needs_bye() {
            self.bye(cx, leg.id.clone());
        }
        cx.audio(AudioCommand::Connect(vec![]));
        self.peers.close(cx, leg.peer);
        cx.after(Timer::Releasing, RELEASING);
        cx.step("hang-up", &leg.id, cause.text());
        cx.call_state(CallStatus::Releasing, &leg.id, cause.text());
        self.call = Call::Releasing(leg);
        if self.muted {
            // The next visitor must not find a box that says nothing.
            self.mute(cx, false);
        }
    }

    /// The ended call's media is closed.
    pub fn released(&mut self, cx: &mut Context) {
        match &self.call {
            Call::Releasing(leg) => {
                cx.timers.stop(&Timer::Releasing);
                cx.call_state(CallStatus::Idle, &leg.id, "the call is over");
                self.call = Call::Idle;
            }
            Call::Idle
            | Call::Preparing(_)
            | Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_) => {}
        }
    }

    /// The session came or went.
    ///
    /// Without it a call that is answered goes on: its media does not need the
    /// core. One that is not answered ends: nobody could tell us of the answer.
    pub fn session_changed(&mut self, cx: &mut Context, change: Change) {
        match change {
            Change::Registered => {
                if let Some(bye) = self.unsent_bye.take()
                    && cx.now <= bye.until
                {
                    cx.step("hang-up", &bye.id, "Bye sent late: the session was gone");
                    cx.send(bye.id, Body::Bye);
                }
            }
            Change::Lost => {
                self.elsewhere.clear();
                match &self.call {
                    Call::Preparing(_) | Call::Outgoing(_) | Call::Ringing(_) | Call::Incoming(_) => {
                        self.end(cx, Cause::SessionLost);
                    }
                    Call::Idle | Call::Connecting(_) | Call::Talking(_) | Call::Releasing(_) => {}
                }
            }
        }
    }

    fn bye(&mut self, cx: &mut Context, id: CallId) {
        if cx.registered() {
            cx.send(id, Body::Bye);
        } else if let Some(until) = cx.now.checked_add(BYE_LIFE) {
            self.unsent_bye = Some(UnsentBye { id, until });
        }
    }
}

fn media_counter(kind: MediaErrorKind) -> &'static str {
    match kind {
        MediaErrorKind::BadSdp => "media-bad-sdp",
        MediaErrorKind::NoAudio => "media-no-audio",
        MediaErrorKind::NoCommonCodec => "media-no-common-codec",
        MediaErrorKind::IceFailed => "media-ice-failed",
        MediaErrorKind::DtlsFailed => "media-dtls-failed",
        MediaErrorKind::NoAddress => "media-no-address",
        MediaErrorKind::Internal => "media-internal",
    }
}
