//! Shared by the session tests: a session shell with its channels, settings
//! for a simulated core, and a core that says raw bytes.
#![allow(dead_code, missing_docs)]

pub mod raw_core;

use std::path::PathBuf;
use std::time::Duration;

use callbox::appliance::command::SessionCommand;
use callbox::appliance::event::{Body, CloseReason, Closed, Message, SessionEvent};
use callbox::appliance::id::CallId;
use callbox::appliance::settings::{KeepAlive, Mode};
use callbox::pipe::{self, AuthSettings, PipeSettings, SecretSource};
use callbox::sim::server::Server;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Nothing on one machine takes this long, however loaded it is.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A session shell and the driver's end of its channels.
pub struct Session {
    pub commands: mpsc::Sender<SessionCommand>,
    pub events: mpsc::Receiver<SessionEvent>,
    pub task: tokio::task::JoinHandle<()>,
}

impl Session {
    pub fn start(settings: PipeSettings) -> Self {
        Self::with_room(settings, 64)
    }

    pub fn with_room(settings: PipeSettings, room: usize) -> Self {
        let (commands, obeyed) = mpsc::channel(room);
        let (reports, events) = mpsc::channel(room);
        let task = pipe::spawn(settings, obeyed, reports);
        Self { commands, events, task }
    }

    pub async fn tell(&self, command: SessionCommand) {
        timeout(PATIENCE, self.commands.send(command)).await.expect("command not taken").unwrap();
    }

    pub async fn connect(&self) {
        self.tell(SessionCommand::Connect { renew_token: false }).await;
    }

    pub async fn renew(&self) {
        self.tell(SessionCommand::Connect { renew_token: true }).await;
    }

    pub async fn send(&self, call_id: &str, body: Body) {
        self.tell(SessionCommand::Send(Message { call_id: CallId::from(call_id), body })).await;
    }

    pub async fn event(&mut self) -> SessionEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("no event").expect("shell is gone")
    }

    pub async fn expect(&mut self, expected: SessionEvent) {
        assert_eq!(self.event().await, expected);
    }

    /// The next event must be `Closed`.
    pub async fn closed(&mut self) -> Closed {
        match self.event().await {
            SessionEvent::Closed(closed) => closed,
            other => panic!("expected Closed, got {other:?}"),
        }
    }

    /// The next event that is not `Sent` must be `Closed` for this reason.
    pub async fn closed_for(&mut self, reason: CloseReason) -> String {
        let mut event = self.event().await;
        if event == SessionEvent::Sent {
            event = self.event().await;
        }
        match event {
            SessionEvent::Closed(closed) if closed.reason == reason => closed.detail,
            other => panic!("expected Closed for {reason:?}, got {other:?}"),
        }
    }

    /// Opens a session to a core that sends its headers at once.
    pub async fn open(&mut self) {
        self.connect().await;
        self.expect(SessionEvent::Sent).await;
        self.expect(SessionEvent::Opened).await;
    }
}

/// A file with the roots of a simulated core; gone when dropped.
pub struct Roots(TempDir);

impl Roots {
    pub fn new(pem: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
        Self(folder)
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }
}

/// Settings for an endpoint without TLS or token.
pub fn plain(endpoint: String) -> PipeSettings {
    PipeSettings {
        endpoint,
        ca_file: None,
        mode: Mode::Pipe,
        auth: AuthSettings::None,
        keep_alive: KeepAlive::default(),
        connect_timeout: Duration::from_secs(10),
    }
}

/// Settings for a simulated core: TLS and token as it asks.
pub fn for_core(server: &Server, roots: &Roots) -> PipeSettings {
    let policy = server.tokens().policy();
    PipeSettings {
        ca_file: Some(roots.path()),
        auth: AuthSettings::ClientCredentials {
            token_url: server.token_url(),
            client_id: policy.client_id.clone(),
            secret: SecretSource::given(policy.client_secret.as_str().into()),
            scope: policy.scope.clone(),
            ca_file: Some(roots.path()),
        },
        ..plain(server.endpoint())
    }
}
