//! A bare gRPC client in the place of a box, for the tests of the simulated core.
#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

pub mod sound;

use std::time::Duration;

use callbox::pipe::proto::web_terminal_message::Message;
use callbox::pipe::proto::web_terminal_service_client::WebTerminalServiceClient;
use callbox::pipe::proto::{Bye, Offer, PhoneNumber, WebTerminalMessage};
use callbox::sim::{Script, Seen, SimCore, SimEvent, SimSettings};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Nothing on one machine takes this long unless it never comes.
pub const SOON: Duration = Duration::from_secs(20);

pub const CALL: &str = "0c9a1a9e-1a52-4c4e-9c0e-2f6d6b7a3d11";

pub struct Client {
    to: mpsc::Sender<WebTerminalMessage>,
    from: Streaming<WebTerminalMessage>,
}

impl Client {
    pub async fn pipe(core: &SimCore) -> Self {
        let (to, said) = mpsc::channel(16);
        let mut client = WebTerminalServiceClient::connect(core.endpoint()).await.unwrap();
        let from = client.pipe(ReceiverStream::new(said)).await.unwrap().into_inner();
        Self { to, from }
    }

    pub async fn multi_pipe(core: &SimCore) -> Self {
        let (to, said) = mpsc::channel(16);
        let mut client = WebTerminalServiceClient::connect(core.endpoint()).await.unwrap();
        let from = client.multi_pipe(ReceiverStream::new(said)).await.unwrap().into_inner();
        Self { to, from }
    }

    /// A client of `Pipe` that has taken its `Idle`.
    pub async fn registered(core: &SimCore) -> Self {
        let mut client = Self::pipe(core).await;
        assert_eq!(kind(&client.next().await), "idle");
        client
    }

    pub async fn send(&self, call_id: &str, message: Message) {
        self.to.send(WebTerminalMessage { call_id: call_id.into(), message: Some(message) }).await.unwrap();
    }

    pub async fn send_nothing(&self, call_id: &str) {
        self.to.send(WebTerminalMessage { call_id: call_id.into(), message: None }).await.unwrap();
    }

    pub async fn offer(&self, call_id: &str, number: &str, sdp: &str) {
        let msisdn = (!number.is_empty()).then(|| PhoneNumber { e164: number.into() });
        self.send(call_id, Message::Offer(Offer { sdp: sdp.into(), msisdn })).await;
    }

    pub async fn bye(&self, call_id: &str) {
        self.send(call_id, Message::Bye(Bye {})).await;
    }

    pub async fn next(&mut self) -> WebTerminalMessage {
        self.end().await.unwrap().expect("the stream ended")
    }

    /// The next message, the stream's end, or its status.
    pub async fn end(&mut self) -> Result<Option<WebTerminalMessage>, tonic::Status> {
        tokio::time::timeout(SOON, self.from.message()).await.expect("nothing came")
    }

    /// Fails if anything comes within this time.
    pub async fn silence(&mut self, time: Duration) {
        if let Ok(message) = tokio::time::timeout(time, self.from.message()).await {
            panic!("unexpected: {message:?}");
        }
    }
}

/// The name of a message's member.
pub fn kind(message: &WebTerminalMessage) -> &'static str {
    match &message.message {
        None => "nothing",
        Some(Message::Offer(_)) => "offer",
        Some(Message::Answer(_)) => "answer",
        Some(Message::Ringing(_)) => "ringing",
        Some(Message::Bye(_)) => "bye",
        Some(Message::Idle(_)) => "idle",
        Some(Message::InCall(_)) => "in-call",
        Some(Message::Error(_)) => "error",
        Some(Message::Action(_)) => "action",
    }
}

/// The code of an `Error`.
pub fn code(message: &WebTerminalMessage) -> i32 {
    match &message.message {
        Some(Message::Error(error)) => error.err,
        other => panic!("not an error: {other:?}"),
    }
}

/// The text in the place of an SDP.
pub fn sdp(message: &WebTerminalMessage) -> &str {
    match &message.message {
        Some(Message::Offer(offer)) => &offer.sdp,
        Some(Message::Answer(answer)) => &answer.sdp,
        other => panic!("no SDP: {other:?}"),
    }
}

/// A core without TLS or tokens that follows this script.
pub async fn core(script: &str) -> SimCore {
    let script = Script::parse(script, "script").unwrap();
    SimCore::start(SimSettings::plain(script)).await.unwrap()
}

/// Waits for an event that `wanted` accepts.
pub async fn wait_for<T>(
    events: &mut broadcast::Receiver<Seen>,
    what: &str,
    mut wanted: impl FnMut(&SimEvent) -> Option<T>,
) -> T {
    let look = async {
        loop {
            let seen = events.recv().await.expect("the core ended");
            if let Some(found) = wanted(&seen.what) {
                return found;
            }
        }
    };
    tokio::time::timeout(SOON, look).await.unwrap_or_else(|_| panic!("never seen: {what}"))
}
