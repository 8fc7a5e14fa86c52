//! A box, a voice core with phones, and one call after the other in every way
//! that a call can go.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use callbox::appliance::action::{Action, Ring};
use callbox::control::client::Client;
use callbox::control::protocol::{Answer, Request};
use callbox::media::Codec;
use callbox::sim::{ActError, Change, Script, Seen, SimCore, SimEvent, SimHandle, SimSettings};
use serde_json::Value;
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

use super::support::appliance::{Appliance, Config};
use super::support::core::{CLIENT_ID, CLIENT_SECRET};

const ANSWERS: &str = "+4700000001";
const REJECTS: &str = "+4700000002";
const ONLY_RINGS: &str = "+4700000003";
const GIVES_UP: &str = "+4700000004";
const NO_MEDIA: &str = "+4700000005";

/// Nobody is where its media should be: it answers, and nothing comes.
const SCRIPT: &str = r#"
[[phone]]
number = "+4700000001"
[[phone]]
number = "+4700000002"
reject = true
[[phone]]
number = "+4700000003"
silent = true
[[phone]]
number = "+4700000004"
give-up-after = "60ms"
[[phone]]
number = "+4700000005"
answer-sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 127.0.0.1\r\na=mid:0\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\na=setup:active\r\na=sendrecv\r\na=rtpmap:111 opus/48000/2\r\na=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n"
"#;

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    AnsweredEndedHere,
    AnsweredEndedThere,
    Rejected,
    Cancelled,
    TakenEndedHere,
    TakenEndedThere,
    RejectedHere,
    GivenUp,
    Renegotiated,
    TakenRenegotiated,
    DroppedRinging,
    DroppedTalking,
    NoMedia,
}

impl Way {
    pub const ALL: [Way; 13] = [
        Way::AnsweredEndedHere,
        Way::AnsweredEndedThere,
        Way::Rejected,
        Way::Cancelled,
        Way::TakenEndedHere,
        Way::TakenEndedThere,
        Way::RejectedHere,
        Way::GivenUp,
        Way::Renegotiated,
        Way::TakenRenegotiated,
        Way::DroppedRinging,
        Way::DroppedTalking,
        Way::NoMedia,
    ];

    /// The way of the `n`th call: all in turn, the slow ones seldom.
    pub fn of_call(n: usize) -> Self {
        match n {
            _ if n % 500 == 250 => Way::NoMedia,
            _ if n.is_multiple_of(50) => Way::DroppedTalking,
            _ => Self::ALL[n % 11],
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Way::AnsweredEndedHere => "outgoing, answered, ended here",
            Way::AnsweredEndedThere => "outgoing, answered, ended there",
            Way::Rejected => "outgoing, rejected",
            Way::Cancelled => "outgoing, cancelled while it rings",
            Way::TakenEndedHere => "incoming, answered, ended here",
            Way::TakenEndedThere => "incoming, answered, ended there",
            Way::RejectedHere => "incoming, rejected",
            Way::GivenUp => "incoming, the caller gives up",
            Way::Renegotiated => "outgoing, renegotiated three times (hold, resume, codec)",
            Way::TakenRenegotiated => "incoming, renegotiated three times",
            Way::DroppedRinging => "stream dropped while it rings there",
            Way::DroppedTalking => "stream dropped in the call, which is taken up again",
            Way::NoMedia => "answered, and no media ever comes",
        }
    }
}

/// The box and what calls it.
pub struct Caller {
    multi: bool,
    appliance: Appliance,
    panel: String,
    socket: Vec<PathBuf>,
    core: SimCore,
    handle: SimHandle,
    seen: Receiver<Seen>,
    _ca: tempfile::TempDir,
}

impl Caller {
    /// Starts both and waits until the box is registered.
    pub async fn start(multi: bool) -> Self {
        let mut settings =
            SimSettings { script: Script::parse(SCRIPT, "soak").unwrap(), ..SimSettings::default() };
        settings.server.token.client_id = CLIENT_ID.to_owned();
        settings.server.token.client_secret = CLIENT_SECRET.to_owned();
        let core = SimCore::start(settings).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, core.ca_pem()).unwrap();
        let config = Config {
            endpoint: core.endpoint(),
            ca_file: Some(ca),
            token_url: Some(core.token_url()),
            mode: if multi { "multi-pipe" } else { "pipe" },
            answer: "ring",
            audio: ("synth:tone=440".to_owned(), "synth:silence".to_owned()),
            backoff: ("50ms", "200ms"),
            more: "[panel]\nlisten = \"127.0.0.1:0\"\n".to_owned(),
            ..Config::bare()
        };
        let environment = [("NO_COLOR", "1".to_owned()), ("RUST_LOG", "error,callbox::cli=info".to_owned())];
        let appliance = Appliance::start_with_environment(&config, &environment);
        let socket = vec![appliance.socket()];
        let (handle, seen) = (core.handle(), core.events());
        let mut caller =
            Self { multi, appliance, panel: String::new(), socket, core, handle, seen, _ca: folder };
        caller
            .until("registered", Duration::from_secs(30), |status| status["session"] == "registered")
            .await
            .unwrap();
        let log = caller.appliance.log();
        let panel = log.split("url=").nth(1).and_then(|rest| rest.split_whitespace().next());
        caller.panel = panel.unwrap_or_else(|| panic!("no panel: {log}")).trim_end_matches('/').to_owned();
        caller
    }

    pub fn process(&self) -> u32 {
        self.appliance.id()
    }

    pub fn panel(&self) -> &str {
        &self.panel
    }

    pub async fn end(self) {
        drop(self.appliance);
        self.core.stop().await;
    }

    /// One call from idle to idle.
    pub async fn call(&mut self, way: Way) -> Result<(), String> {
        while !matches!(self.seen.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        match way {
            Way::AnsweredEndedHere => {
                self.talk().await?;
                self.act(Action::HangUp).await?;
            }
            Way::AnsweredEndedThere => {
                self.talk().await?;
                self.handle.hang_up().await.map_err(text)?;
            }
            Way::Rejected => {
                self.dial(REJECTS).await?;
                self.core_says("Bye sent", |event| matches!(event, SimEvent::ByeSent { .. })).await?;
            }
            Way::Cancelled => {
                self.dial(ONLY_RINGS).await?;
                self.call_is("ringing").await?;
                self.act(Action::HangUp).await?;
            }
            Way::TakenEndedHere => {
                self.take().await?;
                self.act(Action::HangUp).await?;
            }
            Way::TakenEndedThere => {
                self.take().await?;
                self.handle.hang_up().await.map_err(text)?;
            }
            Way::RejectedHere => {
                self.ring_box(ANSWERS).await?;
                self.call_is("incoming").await?;
                self.act(Action::HangUp).await?;
            }
            Way::GivenUp => {
                self.ring_box(GIVES_UP).await?;
                self.core_says("Bye sent", |event| matches!(event, SimEvent::ByeSent { .. })).await?;
            }
            Way::Renegotiated => {
                self.talk().await?;
                self.renegotiate().await?;
                self.act(Action::HangUp).await?;
            }
            Way::TakenRenegotiated => {
                self.take().await?;
                self.renegotiate().await?;
                self.handle.hang_up().await.map_err(text)?;
            }
            Way::DroppedRinging => {
                self.dial(ONLY_RINGS).await?;
                self.call_is("ringing").await?;
                self.drop_stream().await?;
                if self.multi {
                    self.act(Action::HangUp).await.ok();
                }
            }
            Way::DroppedTalking => {
                self.talk().await?;
                let adopted = self.adopted().await?;
                self.drop_stream().await?;
                self.core_says("registration", |event| matches!(event, SimEvent::Registered { .. })).await?;
                if !self.multi {
                    let taken_up = |status: &Value| counted(status, "calls-adopted") > adopted;
                    self.until("call taken up again", LONG, taken_up).await?;
                }
                self.act(Action::HangUp).await?;
            }
            Way::NoMedia => {
                self.dial(NO_MEDIA).await?;
                self.call_is("connecting").await?;
            }
        }
        let idle = |status: &Value| status["call"] == "idle" && status["session"] == "registered";
        self.until("idle and registered", LONG, idle).await
    }

    async fn talk(&mut self) -> Result<(), String> {
        self.dial(ANSWERS).await?;
        self.heard().await
    }

    async fn take(&mut self) -> Result<(), String> {
        self.ring_box(ANSWERS).await?;
        self.call_is("incoming").await?;
        self.act(Action::Answer).await?;
        self.heard().await
    }

    /// Both can talk, and the far end hears.
    async fn heard(&mut self) -> Result<(), String> {
        self.call_is("in-call").await?;
        self.core_says("first audio", |event| matches!(event, SimEvent::FirstAudio { .. })).await
    }

    async fn renegotiate(&mut self) -> Result<(), String> {
        for change in [Change::Hold, Change::Resume, Change::Codec(Codec::Pcmu)] {
            let begin = Instant::now();
            // The core settles the exchange before with the far end.
            while let Err(why) = self.handle.renegotiate(change).await {
                if why != ActError::Busy || begin.elapsed() > LONG {
                    return Err(format!("{change:?}: {why}"));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.core_says("Answer", |event| matches!(event, SimEvent::AnswerReceived { .. })).await?;
        }
        Ok(())
    }

    async fn drop_stream(&self) -> Result<(), String> {
        self.handle.close_streams(tonic::Status::unavailable("the soak drops it")).await.map_err(text)
    }

    async fn adopted(&self) -> Result<u64, String> {
        Ok(counted(&self.status().await?, "calls-adopted"))
    }

    /// The Bye of the call before may still be on its way to the core.
    async fn ring_box(&self, from: &str) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            match self.handle.call_box(from).await {
                Ok(_) => return Ok(()),
                Err(ActError::Busy) if begin.elapsed() < LONG => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(why) => return Err(why.to_string()),
            }
        }
    }

    /// The peer connection for the next call may still be in the making.
    async fn dial(&self, number: &str) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let action = Action::Call { to: vec![number.to_owned()], ring: Ring::default() };
            match self.act(action).await {
                Ok(()) => return Ok(()),
                Err(why) if begin.elapsed() > LONG => return Err(why),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    async fn act(&self, action: Action) -> Result<(), String> {
        match self.ask(&Request::Do { action }).await? {
            Answer::Done => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    async fn status(&self) -> Result<Value, String> {
        match self.ask(&Request::Status).await? {
            Answer::Status { status } => Ok(status),
            other => Err(format!("{other:?}")),
        }
    }

    async fn ask(&self, request: &Request) -> Result<Answer, String> {
        let mut client = Client::send(&self.socket, request).await.map_err(text)?;
        client.next().await.map_err(text)?.ok_or_else(|| "no answer".to_owned())
    }

    async fn call_is(&self, state: &str) -> Result<(), String> {
        self.until(state, LONG, |status| status["call"] == state).await
    }

    async fn until(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let status = self.status().await;
            if status.as_ref().is_ok_and(&wanted) {
                return Ok(());
            }
            if begin.elapsed() > limit {
                return Err(format!("not {what} within {limit:?}: {status:?}\n{}", self.appliance.log()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn core_says(&mut self, what: &str, wanted: impl Fn(&SimEvent) -> bool) -> Result<(), String> {
        let found = async {
            loop {
                match self.seen.recv().await {
                    Ok(seen) if wanted(&seen.what) => return Ok(()),
                    Ok(_) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
        };
        tokio::time::timeout(LONG, found).await.map_err(|_| format!("the core saw no {what}"))?
    }
}

/// More than anything takes on a loaded machine, media that never comes included.
const LONG: Duration = Duration::from_secs(60);

fn counted(status: &Value, counter: &str) -> u64 {
    status["counters"][counter].as_u64().unwrap_or(0)
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
