//! What the core says on one stream, and the note of it for those who look.

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::Status;

use super::core::Shared;
use super::event::SimEvent;
use super::script::{Raw, RawSend};
use crate::pipe::proto::web_terminal_message::Message;
use crate::pipe::proto::{
    Answer, Bye, Error, Idle, InCall, Offer, PhoneNumber, Ringing, WebTerminalMessage, error,
};

/// The way to one box.
pub(super) struct Outbox {
    pub id: u64,
    pub outbound: mpsc::Sender<Result<WebTerminalMessage, Status>>,
    pub shared: Arc<Shared>,
}

impl Outbox {
    pub fn see(&self, what: SimEvent) {
        self.shared.see(Some(self.id), what);
    }

    pub async fn offer(&self, call_id: String, sdp: String, from: Option<String>) {
        let msisdn = from.map(|e164| PhoneNumber { e164 });
        self.send(call_id.clone(), Message::Offer(Offer { sdp, msisdn })).await;
        self.see(SimEvent::OfferSent { call_id });
    }

    pub async fn ringing(&self, call_id: String) {
        self.send(call_id.clone(), Message::Ringing(Ringing {})).await;
        self.see(SimEvent::RingingSent { call_id });
    }

    pub async fn answer(&self, call_id: String, sdp: String) {
        self.send(call_id.clone(), Message::Answer(Answer { sdp })).await;
        self.see(SimEvent::AnswerSent { call_id });
    }

    pub async fn in_call(&self, call_id: String, number: String) {
        let msisdn = Some(PhoneNumber { e164: number });
        self.send(call_id.clone(), Message::InCall(InCall { msisdn })).await;
        self.see(SimEvent::InCallSent { call_id });
    }

    pub async fn idle(&self, call_id: String) {
        self.send(call_id.clone(), Message::Idle(Idle {})).await;
        self.see(SimEvent::IdleSent { call_id });
    }

    pub async fn bye(&self, call_id: String) {
        self.send(call_id.clone(), Message::Bye(Bye {})).await;
        self.see(SimEvent::ByeSent { call_id });
    }

    pub async fn error(&self, call_id: String, code: error::Code) {
        let code = i32::from(code);
        self.send(call_id.clone(), Message::Error(Error { err: code })).await;
        self.see(SimEvent::ErrorSent { call_id, code });
    }

    pub async fn send_raw(&self, message: WebTerminalMessage) {
        // A stream that is gone ends the session at its next turn.
        let _ = self.outbound.send(Ok(message)).await;
        self.see(SimEvent::RawSent);
    }

    async fn send(&self, call_id: String, message: Message) {
        let message = WebTerminalMessage { call_id, message: Some(message) };
        // As above.
        let _ = self.outbound.send(Ok(message)).await;
    }

    /// Ends the stream with this status.
    pub async fn close(&self, status: Status) {
        // As above.
        let _ = self.outbound.send(Err(status)).await;
    }
}

/// A message of a script.
pub(super) fn raw_message(RawSend { after: _, call_id, raw }: RawSend) -> WebTerminalMessage {
    let message = match raw {
        Raw::Empty => None,
        Raw::Error(code) => Some(Message::Error(Error { err: code })),
        Raw::Offer { sdp, from } => {
            let msisdn = from.map(|e164| PhoneNumber { e164 });
            Some(Message::Offer(Offer { sdp, msisdn }))
        }
        Raw::Answer(sdp) => Some(Message::Answer(Answer { sdp })),
        Raw::Ringing => Some(Message::Ringing(Ringing {})),
        Raw::Bye => Some(Message::Bye(Bye {})),
        Raw::Idle => Some(Message::Idle(Idle {})),
        Raw::InCall(number) => Some(Message::InCall(InCall { msisdn: Some(PhoneNumber { e164: number }) })),
    };
    WebTerminalMessage { call_id, message }
}
