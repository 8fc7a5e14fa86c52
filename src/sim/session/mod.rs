//! The voice core's side of one stream: what it says to a box, and when.
//!
//! Inputs: messages of the box, events of far ends, deadlines, orders of
//! [`super::SimHandle`]. Outputs: messages to the box, commands to far ends.

mod far_events;
mod offers;
mod orders;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::call::{Call, State};
use super::core::Shared;
use super::event::SimEvent;
use super::far_end::{FarCommand, FarEvent, FarReports};
use super::handle::{Act, ActError};
use super::kept;
use super::outbox::Outbox;
use super::script::{Phone, RawSend};
use super::server::{Rpc, Terminal};
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
    elsewhere: Option<Elsewhere>,
    deadlines: JoinSet<Due>,
    far_events: mpsc::Sender<(u64, FarEvent)>,
}

/// The call that the box's number has on another terminal.
struct Elsewhere {
    call_id: String,
    number: String,
    /// It was this box's until its stream broke; its media goes on.
    kept: Option<Call>,
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
    let core = shared.clone();
    let mut session = Session {
        multi,
        to_box: Outbox { id, outbound, shared: shared.clone() },
        shared,
        calls: BTreeMap::new(),
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
            // The box came back on this stream before its old one was found dead.
            () = core.kept.left.notified(), if multi => session.take_over(core.kept.take()),
        }
    }
    session.shared.leave(id);
    session.keep_calls();
    session.to_box.see(SimEvent::Unregistered);
}

impl Session {
    /// `Pipe` learns at once whether its number is in a call; `MultiPipe` does not.
    async fn register(&mut self) {
        self.to_box.see(SimEvent::Registered { multi: self.multi });
        let shared = self.shared.clone();
        let kept = shared.kept.take();
        if self.multi {
            self.take_over(kept);
        } else if let Some(call) = kept.into_iter().last() {
            let (call_id, number) = (call.call_id.clone(), call.number.clone());
            self.in_call_elsewhere(call_id, number, Some(call)).await;
        } else if let Some(number) = &shared.script.in_call {
            self.in_call_elsewhere(Uuid::new_v4().to_string(), number.to_string(), None).await;
        } else {
            self.to_box.idle(String::new()).await;
        }
        if let Some(call) = &shared.script.call_box {
            self.later(call.after.0, Due::CallBox { from: call.from.to_string() });
        }
        for raw in &shared.script.send {
            self.later(raw.after, Due::Raw(raw.clone()));
        }
    }

    /// `MultiPipe`: the box knows the calls' ids, and may end or move them as before.
    fn take_over(&mut self, kept: Vec<Call>) {
        for call in kept {
            call.reports.hand_over(self.far_events.clone());
            self.calls.insert(call.reports.serial, call);
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
                    // The box hung up while its stream was broken.
                    None if self.elsewhere.as_ref().is_some_and(|there| there.kept.is_some()) => {
                        self.idle_elsewhere().await;
                    }
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

    /// `page` is the only browser page that may have the call; `None` for any.
    fn begin(
        &mut self,
        call_id: String,
        number: String,
        phone: Phone,
        page: Option<u64>,
        state: State,
    ) -> u64 {
        let serial = self.shared.next_serial();
        let reports = FarReports::new(serial, self.far_events.clone());
        let far = self.shared.far_end(&phone, page, reports.clone());
        self.calls.insert(serial, Call { call_id, number, phone, far, reports, state, replaces: None });
        serial
    }

    /// The stream is gone. Talks go on, and the box may come back for them.
    fn keep_calls(&mut self) {
        let calls = std::mem::take(&mut self.calls).into_values();
        let talks = calls.filter(|call| matches!(call.state, State::Established { .. }));
        let there = self.elsewhere.take().and_then(|there| there.kept);
        kept::keep(&self.shared, there.into_iter().chain(talks).collect());
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

    async fn in_call_elsewhere(&mut self, call_id: String, number: String, kept: Option<Call>) {
        self.elsewhere = Some(Elsewhere { call_id: call_id.clone(), number: number.clone(), kept });
        self.to_box.in_call(call_id, number).await;
    }

    async fn idle_elsewhere(&mut self) {
        let call_id = self.elsewhere.take().map(|there| there.call_id).unwrap_or_default();
        self.to_box.idle(if self.multi { call_id } else { String::new() }).await;
    }
}
