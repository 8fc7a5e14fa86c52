//! The calls of the box, in the order in which they began, and the one rule
//! for which of them is the call at the box.

use super::call::{Call, Leg, State};
use super::id::{CallRef, PeerId};

#[derive(Default)]
pub(super) struct Calls {
    last: u32,
    calls: Vec<Call>,
}

impl Calls {
    /// Takes up a call. How many may live at once is for those who begin calls to say.
    pub fn begin(&mut self, leg: Leg, state: State) -> CallRef {
        self.last = self.last.wrapping_add(1);
        let reference = CallRef(self.last);
        self.calls.push(Call { reference, leg, state });
        reference
    }

    /// A call that lives.
    pub fn get(&self, reference: CallRef) -> Option<&Call> {
        self.live().find(|call| call.reference == reference)
    }

    /// A call that lives.
    pub fn get_mut(&mut self, reference: CallRef) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.reference == reference && call.state.is_live())
    }

    /// Every call that is not over.
    pub fn live(&self) -> impl Iterator<Item = &Call> {
        self.all().filter(|call| call.state.is_live())
    }

    /// Every call, those that are releasing too.
    pub fn all(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter()
    }

    /// The calls that live and for which something holds.
    pub fn which(&self, holds: impl Fn(&Call) -> bool) -> Vec<CallRef> {
        self.live().filter(|call| holds(call)).map(|call| call.reference).collect()
    }

    /// The live call of a peer connection.
    pub fn of_peer(&self, peer: PeerId) -> Option<CallRef> {
        self.live().find(|call| call.leg.peer == peer).map(|call| call.reference)
    }

    /// The call at the box: what lamps and status show, and what hang-up and
    /// digits are for. Talking comes before connecting, ringing there, calling,
    /// ringing here, held and releasing; of equals the oldest.
    pub fn at_box(&self) -> Option<&Call> {
        self.all().min_by_key(|call| call.state.distance())
    }

    /// The call at the box, if one lives.
    pub fn present(&self) -> Option<&Call> {
        self.at_box().filter(|call| call.state.is_live())
    }

    /// Forgets the calls that are releasing: a new one is of more interest.
    pub fn forget_released(&mut self) -> impl Iterator<Item = Call> {
        self.calls.extract_if(.., |call| !call.state.is_live())
    }

    /// Forgets one call that is releasing.
    pub fn remove_released(&mut self, released: impl Fn(&Call) -> bool) -> Option<Call> {
        let at = self.calls.iter().position(|call| !call.state.is_live() && released(call))?;
        Some(self.calls.remove(at))
    }
}
