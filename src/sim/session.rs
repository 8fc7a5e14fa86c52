//! The voice core's side of one stream: what it says to a box, and when.
//!
//! Inputs: messages of the box, events of far ends, deadlines, orders of
//! [`super::SimHandle`]. Outputs: messages to the box, commands to far ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::call::{Call, Exchange, State};
use super::core::Shared;
use super::event::SimEvent;
use super::far_end::{FarCommand, FarEvent, FarReports};
use super::handle::{Act, ActError, Change};
use super::outbox::{Outbox, raw_message};
use super::reoffer::reoffer;
use super::script::{Phone, PickUp, RawSend, Sound};
use super::server::{Rpc, Terminal};
use crate::appliance::id::PhoneNumber as E164;
use crate::pipe::proto::web_terminal_message::Message;
use crate::pipe::proto::{Answer, Bye, Offer, Ringing, WebTerminalMessage, action, error};

/// How long a call goes on on the mobile phone unless the script says.
const ON_PHONE_FOR: Duration = Duration::from_secs(2);

/// One stream and its calls.
struct Session {
    multi: bool,
    shared: Arc<Shared>,
    to_box: Outbox,
    /// By serial number, which is never used twice: what comes late for a
    /// call that is over finds nothing.
    calls: BTreeMap<u64, Call>,
    last_serial: u64,
    elsewhere: Option<Elsewhere>,
    deadlines: JoinSet<Due>,
    far_events: mpsc::Sender<(u64, FarEvent)>,
}

/// The call that the box's number has on another terminal.
struct Elsewhere {
    call_id: String,
    number: String,
}

/// What a deadline is for.
enum Due {
    Ring(u64),
    PickUp(u64),
    Reject(u64),
    HangUp(u64),
    GiveUp(u64),
    PhoneDone { call_id: String },
    CallBox { from: String },
    Raw(RawSend),
}

/// Serves a stream until it ends.
pub(super) async fn serve(terminal: Terminal, shared: Arc<Shared>) {
    let Terminal { id, rpc, token: _, mut inbound, outbound } = terminal;
    let (orders, mut ordered) = mpsc::channel(16);
    let (far_events, mut far) = mpsc::channel(64);
    let multi = match rpc {
        Rpc::Pipe => false,
        Rpc::MultiPipe => true,
    };
    let mut session = Session {
        multi,
        to_box: Outbox { id, outbound, shared: shared.clone() },
        shared,
        calls: BTreeMap::new(),
        last_serial: 0,
        elsewhere: None,
        deadlines: JoinSet::new(),
        far_events,
    };
    session.shared.enter(id, orders);
    session.register().await;
    loop {
        tokio::select! {
            message = inbound.recv() => match message {
                Some(message) => session.message(message).await,
                None => break,
            },
            Some(order) = ordered.recv() => {
                if let Act::Close(status) = order.act {
                    session.to_box.close(status).await;
                    // Whoever gave the order may have gone.
                    let _ = order.done.send(Ok(String::new()));
                    break;
                }
                let outcome = session.act(order.act).await;
                let _ = order.done.send(outcome);
            }
            Some((serial, event)) = far.recv() => session.far_event(serial, event).await,
            Some(Ok(due)) = session.deadlines.join_next() => session.due(due).await,
        }
    }
    session.shared.leave(id);
    session.to_box.see(SimEvent::Unregistered);
}

impl Session {
    /// `Pipe` learns at once whether its number is in a call; `MultiPipe` does not.
    async fn register(&mut self) {
        self.to_box.see(SimEvent::Registered { multi: self.multi });
        let shared = self.shared.clone();
        match (&shared.script.in_call, self.multi) {
            (Some(number), false) => {
                self.in_call_elsewhere(Uuid::new_v4().to_string(), number.to_string()).await;
            }
            (None, false) => self.to_box.idle(String::new()).await,
            (_, true) => {}
        }
        if let Some(call) = &shared.script.call_box {
            self.later(call.after.0, Due::CallBox { from: call.from.to_string() });
        }
        for raw in &shared.script.send {
            self.later(raw.after, Due::Raw(raw.clone()));
        }
    }

    async fn message(&mut self, message: WebTerminalMessage) {
        let WebTerminalMessage { call_id, message } = message;
        let Some(message) = message else {
            return self.to_box.see(SimEvent::Ignored { why: "nothing in the oneof".to_owned() });
        };
        if self.multi && Uuid::try_parse(&call_id).is_err() {
            self.to_box.see(SimEvent::Ignored { why: format!("the call id {call_id:?} is no UUID") });
            return self.to_box.error(call_id, error::Code::InvalidCallId).await;
        }
        let serial = self.find(&call_id);
        match message {
            Message::Offer(Offer { sdp, msisdn }) => {
                let number = msisdn.map(|number| number.e164).filter(|number| !number.is_empty());
                self.to_box.see(SimEvent::OfferReceived {
                    call_id: call_id.clone(),
                    number: number.clone(),
                    sdp: sdp.clone(),
                });
                match serial {
                    Some(serial) => self.reoffered(serial, sdp).await,
                    None => self.offered(call_id, number, sdp).await,
                }
            }
            Message::Answer(Answer { sdp }) => {
                self.to_box.see(SimEvent::AnswerReceived { call_id: call_id.clone(), sdp: sdp.clone() });
                match serial {
                    Some(serial) => self.answered(serial, sdp),
                    None => self.unknown_call(call_id, "Answer").await,
                }
            }
            Message::Ringing(Ringing {}) => {
                self.to_box.see(SimEvent::RingingReceived { call_id: call_id.clone() });
                if serial.is_none() {
                    self.unknown_call(call_id, "Ringing").await;
                }
            }
            Message::Bye(Bye {}) => {
                self.to_box.see(SimEvent::ByeReceived { call_id: call_id.clone() });
                match serial {
                    Some(serial) => drop(self.calls.remove(&serial)),
                    None => self.unknown_call(call_id, "Bye").await,
                }
            }
            Message::Action(action) => match action.message {
                Some(action::Message::ToPhone(_)) => {
                    self.to_box.see(SimEvent::ToPhoneReceived { call_id: call_id.clone() });
                    self.move_to_phone(call_id, serial).await;
                }
                None => {
                    self.to_box.see(SimEvent::Ignored { why: "an Action that asks for nothing".to_owned() })
                }
            },
            Message::Idle(_) | Message::InCall(_) | Message::Error(_) => {
                self.to_box.see(SimEvent::Ignored { why: "a message that only a core sends".to_owned() });
            }
        }
    }

    /// The call that a message is about: with `Pipe` the one there is.
    fn find(&self, call_id: &str) -> Option<u64> {
        let mut calls = self.calls.iter();
        let found = if self.multi { calls.find(|(_, call)| call.call_id == call_id) } else { calls.next() };
        found.map(|(serial, _)| *serial)
    }

    async fn unknown_call(&mut self, call_id: String, what: &str) {
        self.to_box.see(SimEvent::Ignored { why: format!("{what} for no call") });
        if self.multi {
            self.to_box.error(call_id, error::Code::InvalidCallId).await;
        }
    }

    /// A new call of the box, or the transfer of the one elsewhere.
    async fn offered(&mut self, call_id: String, number: Option<String>, sdp: String) {
        let same = |there: &Elsewhere| !self.multi || there.call_id == call_id;
        let transfer = self.elsewhere.as_ref().is_some_and(same) && (number.is_none() || self.multi);
        if transfer && let Some(there) = self.elsewhere.take() {
            let phone = self.shared.script.phone(&there.number).clone();
            let serial = self.begin(call_id, there.number.clone(), phone, State::Dialled);
            self.tell(serial, FarCommand::Offered { sdp, from: there.number });
            return self.later(Duration::ZERO, Due::PickUp(serial));
        }
        let Some(number) = number else {
            return self.to_box.error(call_id, error::Code::NotIncall).await;
        };
        if E164::parse(&number).is_err() {
            return self.to_box.bye(call_id).await;
        }
        let phone = self.shared.script.phone(&number).clone();
        let (ring_after, pick_up) = (phone.ring_after, phone.pick_up);
        let page = phone.sound == Sound::Browser;
        let serial = self.begin(call_id, number.clone(), phone, State::Dialled);
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
    async fn reoffered(&mut self, serial: u64, sdp: String) {
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

    fn answered(&mut self, serial: u64, sdp: String) {
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
            State::Dialled | State::Preparing | State::Established { .. } => {
                self.to_box.see(SimEvent::Ignored { why: "an Answer to no Offer".to_owned() });
            }
        }
    }

    async fn move_to_phone(&mut self, call_id: String, serial: Option<u64>) {
        let established =
            |call: &Call| matches!(call.state, State::Established { exchange: Exchange::None, .. });
        let Some(serial) = serial.filter(|serial| self.calls.get(serial).is_some_and(established)) else {
            return self.to_box.error(call_id, error::Code::NotIncall).await;
        };
        let Some(call) = self.calls.remove(&serial) else { return };
        let number = call.number.clone();
        self.in_call_elsewhere(call.call_id.clone(), number).await;
        let after = self.shared.script.on_phone_for.map_or(ON_PHONE_FOR, |time| time.0);
        self.later(after, Due::PhoneDone { call_id: call.call_id });
    }

    async fn far_event(&mut self, serial: u64, event: FarEvent) {
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
            FarEvent::Offer { sdp } => {
                let from = call.number.clone();
                call.state = State::Offered { sdp: sdp.clone() };
                let give_up_after = call.phone.give_up_after;
                self.to_box.offer(call_id, sdp, Some(from)).await;
                if let Some(after) = give_up_after {
                    self.later(after, Due::GiveUp(serial));
                }
            }
            FarEvent::Connected { codec } => self.to_box.see(SimEvent::MediaConnected { call_id, codec }),
            FarEvent::FirstAudio => self.to_box.see(SimEvent::FirstAudio { call_id }),
            FarEvent::Digit(digit) => self.to_box.see(SimEvent::Digit { call_id, digit }),
            FarEvent::HungUp => self.end(serial).await,
            FarEvent::Failed(detail) => {
                self.to_box.see(SimEvent::MediaFailed { call_id, detail });
                self.end(serial).await;
            }
        }
    }

    async fn due(&mut self, due: Due) {
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
                if let Err(error) = self.call_box(from) {
                    tracing::info!(%error, "the script's call to the box was not made");
                }
            }
            Due::Raw(raw) => {
                let message = raw_message(raw);
                self.to_box.send_raw(message).await;
            }
        }
    }

    async fn act(&mut self, act: Act) -> Result<String, ActError> {
        let newest = self.calls.last_key_value().map(|(serial, _)| *serial);
        match act {
            Act::CallBox { from } => self.call_box(from),
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
                self.in_call_elsewhere(call_id.clone(), number).await;
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
    fn call_box(&mut self, from: String) -> Result<String, ActError> {
        if !self.multi && !self.calls.is_empty() {
            return Err(ActError::Busy);
        }
        let phone = self.shared.script.phone(&from).clone();
        let call_id = Uuid::new_v4().to_string();
        let serial = self.begin(call_id.clone(), from, phone, State::Preparing);
        self.tell(serial, FarCommand::Call);
        Ok(call_id)
    }

    fn begin(&mut self, call_id: String, number: String, phone: Phone, state: State) -> u64 {
        self.last_serial += 1;
        let serial = self.last_serial;
        let reports = FarReports { serial, events: self.far_events.clone() };
        let far = self.shared.far_end(&phone, reports);
        self.calls.insert(serial, Call { call_id, number, phone, far, state });
        serial
    }

    async fn ring(&mut self, serial: u64) {
        if self.is(serial, |state| matches!(state, State::Dialled))
            && let Ok(call_id) = self.id_of(serial)
        {
            self.to_box.ringing(call_id).await;
        }
    }

    /// Ends a call from the far end's side.
    async fn end(&mut self, serial: u64) {
        if let Some(call) = self.calls.remove(&serial) {
            self.to_box.bye(call.call_id).await;
        }
    }

    fn is(&self, serial: u64, state: impl Fn(&State) -> bool) -> bool {
        self.calls.get(&serial).is_some_and(|call| state(&call.state))
    }

    fn id_of(&self, serial: u64) -> Result<String, ActError> {
        self.calls.get(&serial).map(|call| call.call_id.clone()).ok_or(ActError::NoCall)
    }

    fn newest_dialled(&self) -> Result<u64, ActError> {
        let mut calls = self.calls.iter().rev();
        let found = calls.find(|(_, call)| matches!(call.state, State::Dialled));
        found.map(|(serial, _)| *serial).ok_or(ActError::NoCall)
    }

    fn tell(&self, serial: u64, command: FarCommand) {
        if let Some(call) = self.calls.get(&serial) {
            call.far.tell(command);
        }
    }

    fn later(&mut self, after: Duration, due: Due) {
        self.deadlines.spawn(async move {
            tokio::time::sleep(after).await;
            due
        });
    }

    async fn in_call_elsewhere(&mut self, call_id: String, number: String) {
        self.elsewhere = Some(Elsewhere { call_id: call_id.clone(), number: number.clone() });
        self.to_box.in_call(call_id, number).await;
    }

    async fn idle_elsewhere(&mut self) {
        let call_id = self.elsewhere.take().map(|there| there.call_id).unwrap_or_default();
        self.to_box.idle(if self.multi { call_id } else { String::new() }).await;
    }
}
