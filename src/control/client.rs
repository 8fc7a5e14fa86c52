//! The command line's end of the control socket.

use std::io;
use std::path::PathBuf;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::protocol::{Answer, Request};

/// The appliance could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at any of the places.
    #[error("no callbox answers ({0}): start one with `callbox run`, or name its socket with --socket PATH")]
    NotRunning(String),
    /// The connection broke.
    #[error("control socket: {0}")]
    Io(#[from] io::Error),
    /// The answer is not of this protocol.
    #[error("control socket: an answer that makes no sense: {0}")]
    Garbled(#[from] serde_json::Error),
}

/// A request under way and its answers.
pub struct Client {
    answers: BufReader<UnixStream>,
}

impl Client {
    /// Sends a request to the first appliance that answers at one of these places.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] if there is none, else [`ClientError::Io`].
    pub async fn send(places: &[PathBuf], request: &Request) -> Result<Self, ClientError> {
        let mut refusals = Vec::new();
        for path in places {
            match UnixStream::connect(path).await {
                Ok(mut stream) => {
                    let mut line = serde_json::to_vec(request)?;
                    line.push(b'\n');
                    stream.write_all(&line).await?;
                    return Ok(Self { answers: BufReader::new(stream) });
                }
                Err(error) => refusals.push(format!("{}: {error}", path.display())),
            }
        }
        Err(ClientError::NotRunning(refusals.join("; ")))
    }

    /// The next answer; `None` when the appliance has ended the connection.
    ///
    /// # Errors
    /// [`ClientError`] when the connection breaks or the answer is not JSON.
    pub async fn next(&mut self) -> Result<Option<Answer>, ClientError> {
        let mut line = String::new();
        if self.answers.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }
}
