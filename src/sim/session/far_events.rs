//! What far ends report, and what comes of time.

use super::{Due, Session};
use crate::sim::call::{Exchange, State};
use crate::sim::event::SimEvent;
use crate::sim::far_end::{FarCommand, FarEvent};
use crate::sim::outbox::raw_message;

impl Session {
    pub(super) async fn far_event(&mut self, serial: u64, event: FarEvent) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let call_id = call.call_id.clone();
        match event {
            FarEvent::Ringing => self.ring(serial).await,
            FarEvent::Answer { sdp } => match &mut call.state {
                State::Dialled => {
                    call.state = State::established(sdp.clone());
                    let hang_up_after = call.phone.hang_up_after;
                    self.to_box.answer(call_id, sdp).await;
                    if let Some(after) = hang_up_after {
                        self.later(after, Due::HangUp(serial));
                    }
                }
                State::Established { sdp: last, exchange, .. } => {
                    let to_box = *exchange == Exchange::FromBox;
                    *exchange = Exchange::None;
                    if to_box {
                        last.clone_from(&sdp);
                        self.to_box.answer(call_id, sdp).await;
                    }
                }
                State::Preparing | State::Offered { .. } => {}
            },
            FarEvent::Offer { sdp } => match &mut call.state {
                State::Preparing => {
                    let from = call.number.clone();
                    call.state = State::Offered { sdp: sdp.clone() };
                    let give_up_after = call.phone.give_up_after;
                    self.to_box.offer(call_id, sdp, Some(from)).await;
                    if let Some(after) = give_up_after {
                        self.later(after, Due::GiveUp(serial));
                    }
                }
                State::Established { sdp: last, exchange: exchange @ Exchange::None, offers: _ } => {
                    *exchange = Exchange::FromFarEnd;
                    last.clone_from(&sdp);
                    self.to_box.offer(call_id, sdp, None).await;
                }
                State::Established { .. } => call.far.tell(FarCommand::Refused),
                State::Dialled | State::Offered { .. } => {}
            },
            FarEvent::Connected { codec } => {
                call.replaces = None;
                self.to_box.see(SimEvent::MediaConnected { call_id, codec });
            }
            FarEvent::FirstAudio => self.to_box.see(SimEvent::FirstAudio { call_id }),
            FarEvent::Digit(digit) => self.to_box.see(SimEvent::Digit { call_id, digit }),
            FarEvent::HungUp => self.end(serial).await,
            FarEvent::Failed(detail) => {
                self.to_box.see(SimEvent::MediaFailed { call_id, detail });
                self.end(serial).await;
            }
        }
    }

    pub(super) async fn due(&mut self, due: Due) {
        match due {
            Due::Ring(serial) => self.ring(serial).await,
            Due::PickUp(serial) => {
                if self.is(serial, |state| matches!(state, State::Dialled)) {
                    self.tell(serial, FarCommand::PickUp);
                }
            }
            Due::Reject(serial) => {
                if self.is(serial, |state| matches!(state, State::Dialled)) {
                    self.end(serial).await;
                }
            }
            Due::HangUp(serial) => self.end(serial).await,
            Due::GiveUp(serial) => {
                if self.is(serial, |state| matches!(state, State::Offered { .. })) {
                    self.end(serial).await;
                }
            }
            Due::PhoneDone { call_id } => {
                if self.elsewhere.as_ref().is_some_and(|there| there.call_id == call_id) {
                    self.idle_elsewhere().await;
                }
            }
            Due::CallBox { from } => {
                // A box that is busy by then is not called.
                if let Err(error) = self.call_box(from, None) {
                    tracing::info!(%error, "the script's call to the box was not made");
                }
            }
            Due::Raw(raw) => {
                let message = raw_message(raw);
                self.to_box.send_raw(message).await;
            }
        }
    }
}
