//! Offers and answers of the box, and calls that move to its phone.

use std::time::Duration;

use super::{Due, Elsewhere, ON_PHONE_FOR, Session};
use crate::appliance::id::PhoneNumber as E164;
use crate::pipe::proto::error;
use crate::sim::call::{Call, Exchange, State};
use crate::sim::event::SimEvent;
use crate::sim::far_end::FarCommand;
use crate::sim::handle::Change;
use crate::sim::reoffer::reoffer;
use crate::sim::script::{PickUp, Sound};

impl Session {
    /// A new call of the box, or the transfer of the one elsewhere.
    pub(super) async fn offered(&mut self, call_id: String, number: Option<String>, sdp: String) {
        let same = |there: &Elsewhere| !self.multi || there.call_id == call_id;
        let transfer = self.elsewhere.as_ref().is_some_and(same) && (number.is_none() || self.multi);
        if transfer && let Some(there) = self.elsewhere.take() {
            let kept = there.kept.as_ref().map(|call| call.phone.clone());
            let phone = kept.unwrap_or_else(|| self.shared.phone(&there.number));
            let page = phone.sound == Sound::Browser;
            let serial = self.begin(call_id, there.number.clone(), phone, None, State::Dialled);
            // Its sound goes on until the new way is up; a page has room for one call only.
            if let Some(call) = self.calls.get_mut(&serial) {
                call.replaces = there.kept.filter(|_| !page).map(Box::new);
            }
            self.tell(serial, FarCommand::Offered { sdp, from: there.number });
            return self.later(Duration::ZERO, Due::PickUp(serial));
        }
        let Some(number) = number else {
            return self.to_box.error(call_id, error::Code::NotIncall).await;
        };
        if E164::parse(&number).is_err() {
            return self.to_box.bye(call_id).await;
        }
        let phone = self.shared.phone(&number);
        let (ring_after, pick_up) = (phone.ring_after, phone.pick_up);
        let page = phone.sound == Sound::Browser;
        let serial = self.begin(call_id, number.clone(), phone, None, State::Dialled);
        self.tell(serial, FarCommand::Offered { sdp, from: number });
        match ring_after {
            // A page says by itself that it rings, and a person there picks up.
            // Two deadlines at the same time come in any order: ringing is to be first.
            Some(Duration::ZERO) if !page => self.ring(serial).await,
            Some(after) if !page => self.later(after, Due::Ring(serial)),
            Some(_) | None => {}
        }
        match pick_up {
            PickUp::Answer { after: _ } if page => {}
            PickUp::Answer { after } => self.later(after, Due::PickUp(serial)),
            PickUp::Reject { after } => self.later(after, Due::Reject(serial)),
            PickUp::Never | PickUp::Manual => {}
        }
    }

    /// An offer of the box in a call that it has.
    pub(super) async fn reoffered(&mut self, serial: u64, sdp: String) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        match &mut call.state {
            State::Established { exchange, .. } if *exchange == Exchange::None => {
                *exchange = Exchange::FromBox;
                call.far.tell(FarCommand::Reoffered { sdp });
            }
            State::Dialled | State::Preparing | State::Offered { .. } | State::Established { .. } => {
                let call_id = call.call_id.clone();
                self.to_box.see(SimEvent::Ignored { why: "an Offer while another is open".to_owned() });
                self.to_box.error(call_id, error::Code::TryAgain).await;
            }
        }
    }

    pub(super) fn answered(&mut self, serial: u64, sdp: String) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        match &mut call.state {
            State::Offered { sdp: offer } => {
                call.state = State::established(std::mem::take(offer));
                call.far.tell(FarCommand::Answered { sdp });
                if let Some(after) = call.phone.hang_up_after {
                    self.later(after, Due::HangUp(serial));
                }
            }
            State::Established { exchange, .. } if *exchange == Exchange::FromCore => {
                *exchange = Exchange::Settling;
                // The far end takes the box's new wishes as an offer, so that
                // it never has to make one in mid-call.
                call.far.tell(FarCommand::Reoffered { sdp: reoffer(&sdp, Change::Same, 0) });
            }
            State::Established { exchange, .. } if *exchange == Exchange::FromFarEnd => {
                *exchange = Exchange::None;
                call.far.tell(FarCommand::Answered { sdp });
            }
            State::Dialled | State::Preparing | State::Established { .. } => {
                self.to_box.see(SimEvent::Ignored { why: "an Answer to no Offer".to_owned() });
            }
        }
    }

    pub(super) async fn move_to_phone(&mut self, call_id: String, serial: Option<u64>) {
        let established =
            |call: &Call| matches!(call.state, State::Established { exchange: Exchange::None, .. });
        let Some(serial) = serial.filter(|serial| self.calls.get(serial).is_some_and(established)) else {
            return self.to_box.error(call_id, error::Code::NotIncall).await;
        };
        let Some(call) = self.calls.remove(&serial) else { return };
        let number = call.number.clone();
        self.in_call_elsewhere(call.call_id.clone(), number, None).await;
        let after = self.shared.script.on_phone_for.map_or(ON_PHONE_FOR, |time| time.0);
        self.later(after, Due::PhoneDone { call_id: call.call_id });
    }
}
