//! What the outside tells the appliance. Inputs by source: lines, session,
//! media, audio, control, system.

use std::time::Duration;

use super::action::Action;
use super::fault::Fault;
use super::id::{ButtonName, CallId, InputName, PeerId, PhoneNumber, RequestId};
use super::memory::Memory;
use super::self_test::SelfTestReport;
use super::statistics::CallStatistics;

/// Anything that can happen to the appliance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An edge on an input line.
    Line(LineEvent),
    /// News of the session to the voice core.
    Session(SessionEvent),
    /// News of one peer connection.
    Media {
        /// Which peer connection.
        peer: PeerId,
        /// What happened to it.
        event: MediaEvent,
    },
    /// Somebody asks for an action over the control socket or the panel;
    /// answered by exactly one [`super::command::Command::Reply`].
    Control {
        /// Names the answer.
        request: RequestId,
        /// What is asked for.
        action: Action,
    },
    /// News of the machine the appliance runs on.
    System(SystemEvent),
}

/// An edge, as the back-end saw it (active-low already resolved).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineEvent {
    /// A button was pushed in, or bounced in.
    Pressed(ButtonName),
    /// A button was let go, or bounced out.
    Released(ButtonName),
    /// The back-end took an edge of a button for a bounce, so its level is not
    /// told. Many of them are a broken contact.
    ButtonBounced(ButtonName),
    /// As [`LineEvent::ButtonBounced`], of an input that is no button.
    InputBounced(InputName),
    /// An input that is no button became active, became inactive, or bounced;
    /// also once per input at start, with its level.
    Input {
        /// Which.
        input: InputName,
        /// Its level now.
        active: bool,
    },
}

/// What the session shell reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// The stream's request is on its way over a working transport. Some
    /// servers send no header before their first message, so nothing more may
    /// come for a while although the terminal is registered.
    Sent,
    /// The voice core has accepted the stream.
    Opened,
    /// A message of the wire contract.
    Message(Message),
    /// A message that the contract does not know or that has nothing in its
    /// oneof. Counted, otherwise skipped.
    Unknown,
    /// The stream is gone, or could not be opened. Exactly one follows every
    /// [`super::command::SessionCommand::Connect`], at its end.
    Closed(Closed),
}

/// Why a session ended or did not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The kind, which decides what to do next.
    pub reason: CloseReason,
    /// For people: what happened, with the address or name concerned.
    pub detail: String,
}

/// Kinds of session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseReason {
    /// The name of the voice core could not be resolved.
    NameNotResolved,
    /// No connection: refused, no route, timed out.
    Unreachable,
    /// TLS failed: the certificate is unknown, expired or for another host.
    CertificateRefused,
    /// The core refused the token (UNAUTHENTICATED).
    Unauthenticated,
    /// The core refused this terminal (PERMISSION_DENIED).
    PermissionDenied,
    /// The token server refused the client id or secret.
    TokenRefused,
    /// The token server could not be reached or answered nonsense.
    TokenUnavailable,
    /// The secret could not be read.
    SecretUnreadable,
    /// The core asked for less (RESOURCE_EXHAUSTED).
    RateLimited,
    /// The core finds keep-alive too often (GOAWAY with ENHANCE_YOUR_CALM,
    /// gRPC proposal A8).
    TooManyPings,
    /// The core ended the stream in good order.
    EndedByCore,
    /// The connection broke: reset, keep-alive without answer, bad frame.
    Lost,
    /// The appliance asked for it.
    Requested,
}

/// A message of the wire contract, either way. SDP is opaque here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// UUID in text form; empty where the core leaves it out.
    pub call_id: CallId,
    /// What it says.
    pub body: Body,
}

/// The members of the contract's oneof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A call, or a renegotiation. A number that is absent or not E.164 is `None`.
    Offer {
        /// The session description (RFC 8866).
        sdp: String,
        /// The other party: callee when sent, caller when received.
        msisdn: Option<PhoneNumber>,
    },
    /// The answer to an offer.
    Answer {
        /// The session description.
        sdp: String,
    },
    /// The other party's phone rings.
    Ringing,
    /// The call is over, rejected or cancelled.
    Bye,
    /// The associated number is in no call.
    Idle,
    /// The associated number is in a call on another terminal.
    InCall {
        /// With whom, if the core says.
        msisdn: Option<PhoneNumber>,
    },
    /// Something was refused.
    Error(ErrorCode),
    /// Move this terminal's call to the mobile phone.
    ToPhone,
}

/// `Error.Code` of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 0, or a number that the contract does not name.
    Unknown(i32),
    /// An action or transfer with no call.
    NotInCall,
    /// Temporary; try later.
    TryAgain,
    /// The call id is not known to the core: forget that call.
    InvalidCallId,
    /// Back off.
    RateLimitHit,
}

/// What the media shell reports of one peer connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// Answers `Prepare`: a local offer with all its candidates.
    Prepared {
        /// The offer to send when a call starts.
        sdp: String,
    },
    /// Answers `Check`: the remote offer can be answered.
    Acceptable,
    /// Answers `Answer` and `Renegotiate`.
    Answer {
        /// The local answer with all its candidates.
        sdp: String,
    },
    /// ICE and DTLS are up; audio can flow both ways.
    Connected {
        /// The codec's RTP name, such as `opus` or `PCMU`.
        codec: String,
    },
    /// The first packet of audio arrived from the far end.
    FirstAudio,
    /// ICE lost its peer for now; it may come back by itself.
    Interrupted,
    /// No RTP for 5 s although the far end should send: connected, and not on
    /// hold. Once until `AudioBack`.
    Quiet,
    /// After `Quiet`: RTP came again, or the far end went on hold and need not send.
    AudioBack,
    /// A DTMF digit from the far end (RFC 4733), once per key press.
    Digit(char),
    /// The peer connection is of no more use. Sent once, the last event but `Closed`.
    Failed(MediaError),
    /// What became of the sound, once, after `Close` and right before `Closed`; not where there was none.
    Statistics(Box<CallStatistics>),
    /// Answers `Close`; nothing of this peer is left.
    Closed,
}

/// Why media failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaError {
    /// The kind.
    pub kind: MediaErrorKind,
    /// For people.
    pub detail: String,
}

/// Kinds of media failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaErrorKind {
    /// The remote SDP is empty, truncated or otherwise unreadable.
    BadSdp,
    /// The remote SDP has no audio.
    NoAudio,
    /// The remote SDP has audio, but no codec of ours.
    NoCommonCodec,
    /// ICE found no path, or lost it for good.
    IceFailed,
    /// DTLS failed.
    DtlsFailed,
    /// No local network address to offer.
    NoAddress,
    /// The media library failed or panicked.
    Internal,
}

/// News of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemEvent {
    /// A part reports a fault of its own, or renews its detail.
    FaultRaised {
        /// Which.
        fault: Fault,
        /// For people: what is wrong and what would cure it.
        detail: String,
    },
    /// A fault is mended.
    FaultCleared(Fault),
    /// Local network addresses changed: prepared offers are stale.
    AddressesChanged,
    /// What the machine's clock says: at start, and whenever it was set.
    Clock(Clock),
    /// The audio shell's answer to a self-test that was not broken off.
    SelfTest(SelfTestReport),
    /// What was kept over a restart: once, at start, before anything else.
    Remembered(Memory),
    /// The audio shell: sound of the microphone goes out to somebody from now
    /// on, or no more. Real capture that runs, not muted, to a leg that hears it.
    Microphone(bool),
    /// The process should end: hang up, lamps off, outputs safe.
    Shutdown,
}

/// The machine's clock at one instant. Time enters the appliance only so: a
/// small board has no battery clock and starts in 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Since 1970-01-01 UTC.
    pub unix: Duration,
    /// False while the clock is before this program was built.
    pub known: bool,
}
