//! The session to the voice core: one gRPC stream, prost to appliance types,
//! and the token that opens it.

mod brake;
mod connect;
mod convert;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod http2;
mod link;
pub mod proto;
mod session;
mod tls;
mod token;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::appliance::command::SessionCommand;
use crate::appliance::event::SessionEvent;
use crate::appliance::settings::{KeepAlive, Mode};

/// The largest message either way, in bytes. SDP with all its candidates is
/// a few KiB; more than this is no call but an attempt to fill the memory.
pub const MESSAGE_LIMIT: usize = 64 * 1024;

/// Runs the session shell until `commands` or `events` is let go of at the
/// other end. It connects when told and never by itself: when to try again is
/// the appliance's decision.
///
/// Every `Connect` is answered by exactly one `Closed`. A `Connect` while a
/// session is open ends that one first, as `Close` does. On `Close`, messages sent before it
/// still leave, for at most a second.
pub fn spawn(
    settings: PipeSettings,
    commands: mpsc::Receiver<SessionCommand>,
    events: mpsc::Sender<SessionEvent>,
) -> JoinHandle<()> {
    tokio::spawn(session::run(settings, commands, events))
}

/// What the session shell must know; made by `config`.
#[derive(Clone, Debug)]
pub struct PipeSettings {
    /// `https://HOST:PORT` or `http://HOST:PORT`.
    pub endpoint: String,
    /// Roots to trust instead of the public ones, PEM.
    pub ca_file: Option<PathBuf>,
    /// `Pipe` or `MultiPipe`.
    pub mode: Mode,
    /// How to get a token.
    pub auth: AuthSettings,
    /// The pace of the PINGs until a `KeepAlive` command changes it.
    pub keep_alive: KeepAlive,
    /// For name, TCP, TLS and the stream's request. Default 10 s.
    pub connect_timeout: Duration,
}

/// How to get a token.
#[derive(Clone, Debug)]
pub enum AuthSettings {
    /// No token (sandbox).
    None,
    /// OAuth 2.0 client credentials (RFC 6749 section 4.4), HTTP Basic.
    ClientCredentials {
        /// The token endpoint.
        token_url: String,
        /// The client id.
        client_id: String,
        /// Where the secret comes from; read at every token request, so that a
        /// new secret needs no restart.
        secret: SecretSource,
        /// The scope asked for; empty for none.
        scope: String,
        /// Roots to trust instead of the public ones for the token endpoint, PEM.
        ca_file: Option<PathBuf>,
    },
}

/// Reads the client secret, or says for people why it cannot be read.
type ReadSecret = dyn Fn() -> Result<SecretString, String> + Send + Sync;

/// Where the client secret comes from. It is read anew at every token request.
#[derive(Clone)]
pub struct SecretSource(Arc<ReadSecret>);

impl SecretSource {
    /// A source that asks `read` each time. The text of its error is shown to people.
    pub fn new(read: impl Fn() -> Result<SecretString, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// A source that always gives this secret: for tests and the demo.
    pub fn given(secret: SecretString) -> Self {
        Self::new(move || Ok(secret.clone()))
    }

    /// Reads the secret now.
    ///
    /// # Errors
    /// What the source says, for people.
    pub fn read(&self) -> Result<SecretString, String> {
        (self.0)()
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSource(..)")
    }
}
