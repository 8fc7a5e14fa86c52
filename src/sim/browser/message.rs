//! What a page and the simulated core say to each other, as JSON.

use serde::{Deserialize, Serialize};

use crate::sim::event::PageReport;
use crate::sim::far_end::FarCommand;

/// What a page is told.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub(super) enum ToPage {
    /// Who it is, and a line for its user. The first message.
    You { phone: u64, note: String },
    /// All phones, at every change; also a page's own name is found here.
    Phones { phones: Vec<Listed> },
    /// The box calls.
    Offer {
        sdp: String,
        /// The number that the box dialled.
        dialled: String,
    },
    /// Another phone hands its call over: make an offer to accept.
    HandOver {
        /// That phone's name.
        from: String,
    },
    /// Answer that call, as the button would.
    PickUp,
    /// Make an offer, to call the box.
    MakeOffer,
    /// The box answered that offer.
    Answer { sdp: String },
    /// An offer in mid-call.
    Reoffer { sdp: String },
    /// Press these keys.
    Digits { digits: String },
    /// The call stays here: handing it over came to nothing.
    Kept { why: String },
    /// The call is over for this phone.
    Bye {
        /// Empty where it is plain.
        why: String,
    },
}

/// What a page says.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum FromPage {
    /// What it wants to be called.
    Name { name: String },
    /// It rings.
    Ringing,
    /// Answers an offer, the first or one in mid-call.
    Answer { sdp: String },
    /// Answers `MakeOffer`, or accepts `HandOver`.
    Offer { sdp: String },
    /// Rejected or hung up.
    Bye,
    /// The button that calls the box.
    Call,
    /// Hand the call over to that phone.
    HandOver { to: u64 },
    /// What it hears.
    Report { report: PageReport },
    /// The browser refused something.
    Trouble { detail: String },
}

/// One phone as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Listed {
    pub phone: u64,
    pub name: String,
    pub state: PhoneState,
}

/// What a phone is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PhoneState {
    Ready,
    Ringing,
    InCall,
}

impl ToPage {
    /// An order of the core for a page that has a call; none is not for pages.
    pub fn of(command: FarCommand) -> Option<Self> {
        match command {
            FarCommand::Offered { sdp, from } => Some(Self::Offer { sdp, dialled: from }),
            FarCommand::PickUp => Some(Self::PickUp),
            FarCommand::Call => Some(Self::MakeOffer),
            FarCommand::Answered { sdp } => Some(Self::Answer { sdp }),
            FarCommand::Reoffered { sdp } => Some(Self::Reoffer { sdp }),
            FarCommand::Digits(digits) => Some(Self::Digits { digits }),
            FarCommand::Refused => None,
        }
    }
}
