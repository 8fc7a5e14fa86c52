//! Orders of a test or a person: see [`crate::sim::SimHandle`].

use uuid::Uuid;

use super::Session;
use crate::sim::call::{Exchange, State};
use crate::sim::far_end::FarCommand;
use crate::sim::handle::{Act, ActError};
use crate::sim::reoffer::reoffer;

impl Session {
    pub(super) async fn act(&mut self, act: Act) -> Result<String, ActError> {
        let newest = self.calls.last_key_value().map(|(serial, _)| *serial);
        match act {
            Act::CallBox { from, page } => self.call_box(from, page),
            Act::Answer => {
                let serial = self.newest_dialled()?;
                self.tell(serial, FarCommand::PickUp);
                self.id_of(serial)
            }
            Act::Reject => {
                let serial = self.newest_dialled()?;
                let call_id = self.id_of(serial);
                self.end(serial).await;
                call_id
            }
            Act::HangUp => {
                let serial = newest.ok_or(ActError::NoCall)?;
                let call_id = self.id_of(serial);
                self.end(serial).await;
                call_id
            }
            Act::Renegotiate(change) => {
                let call = newest.and_then(|serial| self.calls.get_mut(&serial)).ok_or(ActError::NoCall)?;
                let State::Established { sdp, offers, exchange } = &mut call.state else {
                    return Err(ActError::NoCall);
                };
                if *exchange != Exchange::None {
                    return Err(ActError::Busy);
                }
                *exchange = Exchange::FromCore;
                *offers += 1;
                let offer = reoffer(sdp, change, *offers);
                let call_id = call.call_id.clone();
                self.to_box.offer(call_id.clone(), offer, None).await;
                Ok(call_id)
            }
            Act::Digits(digits) => {
                let serial = newest.ok_or(ActError::NoCall)?;
                if !self.is(serial, |state| matches!(state, State::Established { .. })) {
                    return Err(ActError::NoCall);
                }
                self.tell(serial, FarCommand::Digits(digits));
                self.id_of(serial)
            }
            Act::SendRaw(message) => {
                self.to_box.send_raw(message).await;
                Ok(String::new())
            }
            Act::InCallElsewhere { number } => {
                let call_id = Uuid::new_v4().to_string();
                self.in_call_elsewhere(call_id.clone(), number, None).await;
                Ok(call_id)
            }
            Act::IdleElsewhere => {
                let call_id =
                    self.elsewhere.as_ref().map(|there| there.call_id.clone()).ok_or(ActError::NoCall)?;
                self.idle_elsewhere().await;
                Ok(call_id)
            }
            // The stream's own loop ends it.
            Act::Close(_) => Ok(String::new()),
        }
    }

    /// The far end makes its offer first; the box hears of the call then.
    pub(super) fn call_box(&mut self, from: String, page: Option<u64>) -> Result<String, ActError> {
        if !self.multi && !self.calls.is_empty() {
            return Err(ActError::Busy);
        }
        let phone = self.shared.phone(&from);
        let call_id = Uuid::new_v4().to_string();
        let serial = self.begin(call_id.clone(), from, phone, page, State::Preparing);
        self.tell(serial, FarCommand::Call);
        Ok(call_id)
    }
}
