//! The appliance's end of the control socket.
//!
//! A client gets one request in, and a bounded time to make it. Whoever may
//! open the socket may use the box: its file mode (owner and group) is the guard.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;

use super::protocol::{Answer, LONGEST_LINE, Request};
use crate::handle::{Entry, Handle};

/// Clients served at once; the next one waits.
const CLIENTS: usize = 32;

/// Clients among them that may follow the event log.
const FOLLOWERS: usize = CLIENTS / 2;

/// Time for a client to send its request, and to take each answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The control socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another appliance answers there.
    #[error("another callbox runs already: it answers at {}", .0.display())]
    InUse(PathBuf),
    /// None of the places may be written to.
    #[error("no control socket: {0}; give one with --socket PATH or CALLBOX_SOCKET")]
    Nowhere(String),
}

/// The socket, removed when dropped.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Makes the socket at the first of these places that it may.
    ///
    /// # Errors
    /// [`SocketError`] if another appliance answers at one of them, or none can be used.
    pub async fn bind(places: &[PathBuf]) -> Result<Self, SocketError> {
        let mut refusals = Vec::new();
        for path in places {
            if UnixStream::connect(path).await.is_ok() {
                return Err(SocketError::InUse(path.clone()));
            }
            match bind_at(path) {
                Ok(listener) => return Ok(Self { listener, path: path.clone() }),
                Err(error) => refusals.push(format!("{}: {error}", path.display())),
            }
        }
        Err(SocketError::Nowhere(refusals.join("; ")))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves clients until the future is dropped.
    pub async fn serve(self, handle: Handle) {
        let places = Arc::new(Semaphore::new(CLIENTS));
        let followers = Arc::new(Semaphore::new(FOLLOWERS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (handle, followers) = (handle.clone(), Arc::clone(&followers));
                    tokio::spawn(async move {
                        if let Err(error) = serve_one(stream, &handle, &followers).await {
                            tracing::debug!(%error, "control client left early");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "control socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn bind_at(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::symlink_metadata(path) {
        // Nobody answers there: what is left of a process that was killed.
        Ok(left) if left.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// A door for the fuzz targets in `tests/fuzz`: one client, served as any other.
///
/// # Errors
/// That the client left early or was too slow.
#[cfg(feature = "fuzzing")]
pub async fn serve_client(stream: UnixStream, handle: &Handle) -> io::Result<()> {
    serve_one(stream, handle, &Semaphore::new(1)).await
}

async fn serve_one(stream: UnixStream, handle: &Handle, followers: &Semaphore) -> io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    match in_time(read_request(&mut read)).await? {
        Ok(Request::Status) => {
            let status = to_json(&handle.snapshot())?;
            say(&mut write, &Answer::Status { status }).await
        }
        Ok(Request::Do { action }) => {
            let answer = done_or_refused(handle.act(action).await);
            say(&mut write, &answer).await
        }
        Ok(Request::Press { button, for_ms }) => {
            let answer = done_or_refused(press(handle, &button, for_ms).await);
            say(&mut write, &answer).await
        }
        Ok(Request::Release { button }) => {
            let answer = done_or_refused(release(handle, &button).await);
            say(&mut write, &answer).await
        }
        Ok(Request::Events { follow: false }) => {
            let (kept, _) = handle.log().follow();
            say_all(&mut write, &kept).await?;
            say(&mut write, &Answer::Done).await
        }
        Ok(Request::Events { follow: true }) => match followers.try_acquire() {
            Ok(_place) => follow(&mut read, &mut write, handle).await,
            Err(_) => {
                let why = format!("{FOLLOWERS} clients follow the events already");
                say(&mut write, &Answer::Refused { why }).await
            }
        },
        Err(why) => say(&mut write, &Answer::Refused { why }).await,
    }
}

fn done_or_refused<E: std::fmt::Display>(result: Result<(), E>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Refused { why: error.to_string() },
    }
}

async fn read_request(read: &mut OwnedReadHalf) -> io::Result<Result<Request, String>> {
    // Bytes: what is no UTF-8 is answered, too.
    let mut line = Vec::new();
    let limit = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    BufReader::new(read.take(limit)).read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line).map_err(|error| format!("not a request: {error}")))
}

/// Entries as they come, until the client leaves or the appliance ends.
async fn follow(read: &mut OwnedReadHalf, write: &mut OwnedWriteHalf, handle: &Handle) -> io::Result<()> {
    let (kept, mut coming) = handle.log().follow();
    say_all(write, &kept).await?;
    let mut more = [0; 1];
    loop {
        tokio::select! {
            entry = coming.recv() => match entry {
                Ok(entry) => say_all(write, &[entry]).await?,
                // The gap shows in the running numbers.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return say(write, &Answer::Done).await,
            },
            // The next entry may be hours away: a client that has left is
            // noticed by the end of what it says.
            said = read.read(&mut more) => if said? == 0 {
                return Ok(());
            },
        }
    }
}

async fn say_all(write: &mut OwnedWriteHalf, entries: &[Arc<Entry>]) -> io::Result<()> {
    for entry in entries {
        say(write, &Answer::Event { event: to_json(entry.as_ref())? }).await?;
    }
    Ok(())
}

#[cfg(feature = "mock-gpio")]
async fn press(handle: &Handle, button: &str, for_ms: Option<u64>) -> Result<(), String> {
    let buttons = handle.buttons().ok_or_else(no_mock)?.clone();
    buttons.press(button).await.map_err(|error| error.to_string())?;
    if let Some(ms) = for_ms {
        // Let go by itself, whether or not the client still waits.
        let button = button.to_owned();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            if let Err(error) = buttons.release(&button).await {
                tracing::debug!(%error, "button not let go");
            }
        });
    }
    Ok(())
}

#[cfg(feature = "mock-gpio")]
async fn release(handle: &Handle, button: &str) -> Result<(), String> {
    handle.buttons().ok_or_else(no_mock)?.release(button).await.map_err(|error| error.to_string())
}

#[cfg(not(feature = "mock-gpio"))]
async fn press(_handle: &Handle, _button: &str, _for_ms: Option<u64>) -> Result<(), String> {
    Err(no_mock())
}

#[cfg(not(feature = "mock-gpio"))]
async fn release(_handle: &Handle, _button: &str) -> Result<(), String> {
    Err(no_mock())
}

fn no_mock() -> String {
    "only the mock board's buttons can be pressed so: set [board] backend = \"mock\"".to_owned()
}

fn to_json(value: &impl Serialize) -> io::Result<serde_json::Value> {
    serde_json::to_value(value).map_err(io::Error::from)
}

async fn say(write: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    in_time(write.write_all(&line)).await
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
