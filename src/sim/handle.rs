//! What a test or a person can make the simulated core do.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot};
use tonic::Status;

use super::core::Shared;
use super::event::Seen;
use crate::media::Codec;
use crate::pipe::proto::WebTerminalMessage;

/// Acts on the terminal that registered last and on its newest call.
#[derive(Clone)]
pub struct SimHandle {
    pub(super) shared: Arc<Shared>,
}

/// What a new offer in mid-call changes against the call's first description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Same,
    /// The far end goes on hold and may play music: `sendonly`.
    Hold,
    /// Neither side sends: `inactive`.
    Inactive,
    /// Both send again: `sendrecv`.
    Resume,
    /// This codec only.
    Codec(Codec),
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// No box has an open stream.
    #[error("no box is registered")]
    NoTerminal,
    /// There is no call for that.
    #[error("there is no call in a state for that")]
    NoCall,
    /// With `Pipe` there is one call at a time.
    #[error("the box has a call already")]
    Busy,
}

/// An order to one terminal's task.
pub(super) struct Order {
    pub act: Act,
    pub done: oneshot::Sender<Result<String, ActError>>,
}

pub(super) enum Act {
    /// `page` is the browser page that is to make the call; `None` leaves it to the script.
    CallBox {
        from: String,
        page: Option<u64>,
    },
    Answer,
    Reject,
    HangUp,
    Renegotiate(Change),
    Digits(String),
    SendRaw(WebTerminalMessage),
    Close(Status),
    InCallElsewhere {
        number: String,
    },
    IdleElsewhere,
}

impl SimHandle {
    /// Everything that happens from now on; the slow miss the oldest.
    pub fn events(&self) -> broadcast::Receiver<Seen> {
        self.shared.seen.subscribe()
    }

    /// The phone of this number calls the box. Returns the call's id.
    ///
    /// # Errors
    /// [`ActError::NoTerminal`], or [`ActError::Busy`] with `Pipe`.
    pub async fn call_box(&self, from: &str) -> Result<String, ActError> {
        self.act(Act::CallBox { from: from.to_owned(), page: None }).await
    }

    /// The same for one browser page.
    pub(super) async fn call_from_page(&self, page: u64) -> Result<String, ActError> {
        let from = self.shared.script.browser_number().to_owned();
        self.act(Act::CallBox { from, page: Some(page) }).await
    }

    /// A phone that waits (`manual`) picks up.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn answer(&self) -> Result<String, ActError> {
        self.act(Act::Answer).await
    }

    /// A phone that rings rejects.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn reject(&self) -> Result<String, ActError> {
        self.act(Act::Reject).await
    }

    /// The far end ends the call, whatever its state.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn hang_up(&self) -> Result<String, ActError> {
        self.act(Act::HangUp).await
    }

    /// A new offer in the established call.
    ///
    /// # Errors
    /// [`ActError`]; also while another offer is open.
    pub async fn renegotiate(&self, change: Change) -> Result<String, ActError> {
        self.act(Act::Renegotiate(change)).await
    }

    /// The far end presses these keys (RFC 4733).
    ///
    /// # Errors
    /// [`ActError::NoCall`] before the answer.
    pub async fn digits(&self, digits: &str) -> Result<String, ActError> {
        self.act(Act::Digits(digits.to_owned())).await
    }

    /// Sends a message as it is.
    ///
    /// # Errors
    /// [`ActError::NoTerminal`].
    pub async fn send_raw(&self, message: WebTerminalMessage) -> Result<(), ActError> {
        self.act(Act::SendRaw(message)).await.map(drop)
    }

    /// Ends the stream with this status.
    ///
    /// # Errors
    /// [`ActError::NoTerminal`].
    pub async fn close_streams(&self, status: Status) -> Result<(), ActError> {
        self.act(Act::Close(status)).await.map(drop)
    }

    /// The box's number joins a call on another terminal: `InCall`. Returns the call's id.
    ///
    /// # Errors
    /// [`ActError::NoTerminal`].
    pub async fn in_call_elsewhere(&self, number: &str) -> Result<String, ActError> {
        self.act(Act::InCallElsewhere { number: number.to_owned() }).await
    }

    /// The call on the other terminal ends: `Idle`.
    ///
    /// # Errors
    /// [`ActError::NoCall`] if there is none.
    pub async fn idle_elsewhere(&self) -> Result<String, ActError> {
        self.act(Act::IdleElsewhere).await
    }

    async fn act(&self, act: Act) -> Result<String, ActError> {
        let (done, outcome) = oneshot::channel();
        let terminal: mpsc::Sender<Order> = self.shared.newest().ok_or(ActError::NoTerminal)?;
        terminal.send(Order { act, done }).await.map_err(|_| ActError::NoTerminal)?;
        outcome.await.map_err(|_| ActError::NoTerminal)?
    }
}
