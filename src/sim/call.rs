//! One call of one terminal, as the simulated core holds it.

use super::far_end::{FarEnd, FarReports};
use super::script::Phone;

/// A call.
pub(super) struct Call {
    /// As the box knows it.
    pub call_id: String,
    /// The other party's.
    pub number: String,
    pub phone: Phone,
    pub far: FarEnd,
    pub reports: FarReports,
    pub state: State,
    /// The same call on its way before the box took it over; it is let go of when this one is up.
    pub replaces: Option<Box<Call>>,
}

/// Where a call is. Inputs: messages of the box, events of the far end,
/// deadlines, orders. Outputs: messages to the box, commands to the far end.
pub(super) enum State {
    /// The box called; the phone has not answered.
    Dialled,
    /// The phone calls; its offer is not made yet.
    Preparing,
    /// The phone's offer is at the box.
    Offered {
        /// That offer.
        sdp: String,
    },
    /// Both have described themselves.
    Established {
        /// What the far end last said of itself.
        sdp: String,
        /// How many offers the core has made of it.
        offers: u64,
        exchange: Exchange,
    },
}

/// An offer that is open in an established call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    /// None.
    None,
    /// The box's, at the far end.
    FromBox,
    /// The core's, at the box.
    FromCore,
    /// Another phone's, to which the far end hands the call over, at the box.
    FromFarEnd,
    /// The box's answer, at the far end as an offer, whose answer nobody needs.
    Settling,
}

impl State {
    pub fn established(sdp: String) -> Self {
        Self::Established { sdp, offers: 0, exchange: Exchange::None }
    }
}
