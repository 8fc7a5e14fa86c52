//! One call: its state, and what every call has whatever its state.
//!
//! ```text
//! Preparing -> Outgoing -> Ringing -> Connecting -> Talking -> Releasing
//!                                 -> Acknowledging -> ...
//! Incoming (Checking -> Ringing -> Answering) -> Connecting -> ...
//! ```
//!
//! `outgoing.rs`, `incoming.rs`, `talking.rs` and `ending.rs` hold the steps.

use super::adoption::Signalling;
use super::id::{CallId, CallRef, PeerId, PhoneNumber};
use super::status::{CallEntry, CallStatus};

/// A call of this box.
pub(super) struct Call {
    pub reference: CallRef,
    pub leg: Leg,
    pub state: State,
}

/// What every call has.
#[derive(Clone)]
pub(super) struct Leg {
    pub id: CallId,
    pub peer: PeerId,
    /// The other party, where known.
    pub number: Option<PhoneNumber>,
    pub origin: Origin,
    /// Offers of the core that media has not answered yet.
    pub answers_owed: u32,
    /// What the core knows of it.
    pub signalling: Signalling,
    /// Whether its audio comes.
    pub audio: Audio,
    /// Whether it is being moved to the mobile phone.
    pub moving: Moving,
    /// The far end's first packet of audio has come.
    pub heard: bool,
}

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This box called a number.
    Dialled,
    /// This box takes over what the associated number has elsewhere.
    TakenOver,
    /// The core offered it.
    Offered,
    /// The box called a number by itself: see `check_call.rs`.
    Check,
}

/// The far end's audio, as media sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audio {
    /// It comes, or need not come.
    Flows,
    /// It should come and does not.
    Quiet,
}

/// Moving a call to the mobile phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moving {
    No,
    /// ToPhone is sent; InCall tells that it is done.
    Asked,
}

/// How far a call has come. A call that is gone from the box has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Called, but the Offer waits for its peer connection.
    Preparing,
    /// The Offer is sent.
    Outgoing {
        /// To send again after TRY_AGAIN.
        sdp: String,
        media: EarlyMedia,
    },
    /// The far end rings.
    Ringing { media: EarlyMedia },
    /// Answered, but perhaps by a machine: see `acknowledge.rs`.
    Acknowledging { media: EarlyMedia },
    /// A call for this box, not answered yet.
    Incoming(Stage),
    /// Answered; media is coming up.
    Connecting,
    /// Both can talk, unless it is held.
    Talking(Part),
    /// Over; media is closing.
    Releasing,
}

/// Media before the answer: a core may renegotiate early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EarlyMedia {
    Down,
    Up,
}

/// How far a call for this box has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Media reads the Offer.
    Checking(Then),
    /// It rings.
    Ringing,
    /// Answered by a person; media makes the Answer.
    Answering,
}

/// What follows when media can take the Offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Begin to ring.
    Ring,
    /// It rings already: the core replaced its Offer.
    KeepRinging,
    /// Answer at once.
    Answer,
}

/// The part that an established call has at the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The person at the box is in it.
    Present,
    /// It waits, in silence, for the person to come back.
    Held,
}

impl Call {
    /// For people and programs.
    pub fn entry(&self) -> CallEntry {
        CallEntry {
            state: self.state.status(),
            peer: self.leg.number.clone(),
            call_id: self.leg.id.clone(),
            held: self.state.is_held(),
            adopting: self.leg.is_adopting(),
        }
    }
}

impl Leg {
    pub fn new(id: CallId, peer: PeerId, number: Option<PhoneNumber>, origin: Origin) -> Self {
        Self {
            id,
            peer,
            number,
            origin,
            answers_owed: 0,
            signalling: Signalling::Up,
            audio: Audio::Flows,
            moving: Moving::No,
            heard: false,
        }
    }

    /// What our Offer says of whom it is for.
    pub fn callee(&self) -> Option<PhoneNumber> {
        match self.origin {
            Origin::Dialled | Origin::Check => self.number.clone(),
            Origin::TakenOver | Origin::Offered => None,
        }
    }
}

impl State {
    pub fn status(&self) -> CallStatus {
        match self {
            State::Preparing | State::Outgoing { .. } => CallStatus::Outgoing,
            // To whoever waits at the box nobody has answered.
            State::Ringing { .. } | State::Acknowledging { .. } => CallStatus::Ringing,
            State::Incoming(_) => CallStatus::Incoming,
            State::Connecting => CallStatus::Connecting,
            State::Talking(_) => CallStatus::InCall,
            State::Releasing => CallStatus::Releasing,
        }
    }

    /// Whether the call still is one: not when only its media is closing.
    pub fn is_live(&self) -> bool {
        match self {
            State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Talking(_) => true,
            State::Releasing => false,
        }
    }

    /// Whether nobody has answered yet, here or there. To the core an answer
    /// is one, whether or not the callee has accepted the call.
    pub fn is_unanswered(&self) -> bool {
        match self {
            State::Preparing | State::Outgoing { .. } | State::Ringing { .. } | State::Incoming(_) => true,
            State::Acknowledging { .. } | State::Connecting | State::Talking(_) | State::Releasing => false,
        }
    }

    pub fn is_held(&self) -> bool {
        *self == State::Talking(Part::Held)
    }

    /// The lower, the more it is what the person at the box is busy with.
    pub fn distance(&self) -> u8 {
        match self {
            State::Talking(Part::Present) => 0,
            State::Connecting => 1,
            State::Acknowledging { .. } => 2,
            State::Ringing { .. } => 3,
            State::Outgoing { .. } => 4,
            State::Preparing => 5,
            State::Incoming(Stage::Checking(Then::Answer) | Stage::Answering) => 6,
            State::Incoming(Stage::Checking(Then::Ring | Then::KeepRinging) | Stage::Ringing) => 7,
            State::Talking(Part::Held) => 8,
            State::Releasing => 9,
        }
    }
}
