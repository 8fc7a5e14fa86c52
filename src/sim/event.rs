//! What can be seen of the simulated core from outside, as it happens.

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// At which terminal, in the order of registration; `None` for the browser pages.
    pub terminal: Option<u64>,
    /// What.
    pub what: SimEvent,
}

/// What happened. `call_id` is empty where the box left it out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum SimEvent {
    /// A box opened its stream.
    Registered {
        /// With `MultiPipe`, not `Pipe`.
        multi: bool,
    },
    /// The stream is gone.
    Unregistered,
    /// From the box: a new call, a transfer or a renegotiation.
    OfferReceived {
        /// Which call.
        call_id: String,
        /// The callee.
        number: Option<String>,
        /// The session description.
        #[serde(skip)]
        sdp: String,
    },
    /// From the box.
    AnswerReceived {
        /// Which call.
        call_id: String,
        /// The session description.
        #[serde(skip)]
        sdp: String,
    },
    /// From the box: it rings.
    RingingReceived {
        /// Which call.
        call_id: String,
    },
    /// From the box: rejected, cancelled or ended.
    ByeReceived {
        /// Which call.
        call_id: String,
    },
    /// From the box: move the call to the mobile phone.
    ToPhoneReceived {
        /// Which call.
        call_id: String,
    },
    /// From the box, and not to be expected there.
    Ignored {
        /// The message and why.
        why: String,
    },
    /// To the box: a call or a renegotiation.
    OfferSent {
        /// Which call.
        call_id: String,
    },
    /// To the box.
    RingingSent {
        /// Which call.
        call_id: String,
    },
    /// To the box.
    AnswerSent {
        /// Which call.
        call_id: String,
    },
    /// To the box.
    ByeSent {
        /// Which call.
        call_id: String,
    },
    /// To the box: its number is in no call.
    IdleSent {
        /// Which call ended; empty with `Pipe`.
        call_id: String,
    },
    /// To the box: its number is in a call elsewhere.
    InCallSent {
        /// Which call.
        call_id: String,
    },
    /// To the box.
    ErrorSent {
        /// Which call.
        call_id: String,
        /// `Error.Code`.
        code: i32,
    },
    /// To the box, from the script or the handle as it was.
    RawSent,
    /// The far end's ICE and DTLS are up.
    MediaConnected {
        /// Which call.
        call_id: String,
        /// The codec's RTP name.
        codec: String,
    },
    /// The first packet of audio from the box arrived.
    FirstAudio {
        /// Which call.
        call_id: String,
    },
    /// A DTMF digit from the box arrived.
    Digit {
        /// Which call.
        call_id: String,
        /// 0 to 9, `*`, `#`, A to D.
        digit: char,
    },
    /// The far end has no media, or none any more.
    MediaFailed {
        /// Which call.
        call_id: String,
        /// Why.
        detail: String,
    },
    /// A browser page connected.
    PageOpened,
    /// A browser page is gone.
    PageClosed,
    /// Once a second from every browser page: what it hears.
    Page(PageReport),
}

/// What the browser page measures of the sound that it gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageReport {
    /// The phone's name, put in by the core.
    #[serde(default, skip_deserializing)]
    pub phone: String,
    /// Level of the last 170 ms, dBFS; -120 for silence.
    pub level_db: f64,
    /// The strongest frequency, Hz; within 1 Hz for a steady tone.
    pub hz: f64,
    /// The peer connection's state as the browser names it; `none` without a call.
    pub state: String,
    /// The codec that arrives, such as `audio/opus`; empty if none does.
    pub codec: String,
}

impl fmt::Display for SimEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered { multi: false } => f.write_str("registered with Pipe"),
            Self::Registered { multi: true } => f.write_str("registered with MultiPipe"),
            Self::Unregistered => f.write_str("stream closed"),
            Self::OfferReceived { call_id, number, sdp } => {
                let number = number.as_deref().unwrap_or("nobody");
                write!(f, "<- Offer for {number} ({} bytes) {call_id}", sdp.len())
            }
            Self::AnswerReceived { call_id, sdp } => write!(f, "<- Answer ({} bytes) {call_id}", sdp.len()),
            Self::RingingReceived { call_id } => write!(f, "<- Ringing {call_id}"),
            Self::ByeReceived { call_id } => write!(f, "<- Bye {call_id}"),
            Self::ToPhoneReceived { call_id } => write!(f, "<- Action ToPhone {call_id}"),
            Self::Ignored { why } => write!(f, "<- ignored: {why}"),
            Self::OfferSent { call_id } => write!(f, "-> Offer {call_id}"),
            Self::RingingSent { call_id } => write!(f, "-> Ringing {call_id}"),
            Self::AnswerSent { call_id } => write!(f, "-> Answer {call_id}"),
            Self::ByeSent { call_id } => write!(f, "-> Bye {call_id}"),
            Self::IdleSent { call_id } => write!(f, "-> Idle {call_id}"),
            Self::InCallSent { call_id } => write!(f, "-> InCall {call_id}"),
            Self::ErrorSent { call_id, code } => write!(f, "-> Error {code} {call_id}"),
            Self::RawSent => f.write_str("-> a message as the script has it"),
            Self::MediaConnected { call_id, codec } => write!(f, "media connected, {codec} {call_id}"),
            Self::FirstAudio { call_id } => write!(f, "first audio {call_id}"),
            Self::Digit { call_id, digit } => write!(f, "digit {digit} {call_id}"),
            Self::MediaFailed { call_id, detail } => write!(f, "media failed: {detail} {call_id}"),
            Self::PageOpened => f.write_str("browser page opened"),
            Self::PageClosed => f.write_str("browser page closed"),
            Self::Page(PageReport { phone, level_db, hz, state, codec }) => {
                write!(f, "{phone} hears {level_db:.0} dBFS, {hz:.0} Hz, {codec}, {state}")
            }
        }
    }
}
