//! A peer connection on which both descriptions are known.

use std::time::Duration;

use tokio::time::Instant;

use super::Codec;
use super::codec::limits::Wishes;
use super::connection::{Connection, Happened, Report};
use super::sdp::{Direction, Remote, local_direction};
use crate::appliance::event::{MediaError, MediaErrorKind};

/// How long DTLS may take once ICE has a path: three flights lost in a row
/// (1, 2 and 4 s, RFC 6347 section 4.2.4.1), and less than the appliance waits.
const HANDSHAKE: Duration = Duration::from_secs(8);

/// A connection, and what was negotiated on it.
pub(super) struct Line {
    pub(super) connection: Box<Connection>,
    pub(super) codec: Codec,
    pub(super) direction: Direction,
    /// The far end takes and sends telephone events.
    pub(super) events: bool,
    pub(super) wishes: Wishes,
    /// Of the far end's certificate.
    pub(super) fingerprint: String,
    pub(super) connected: bool,
    /// Since when ICE has a path, if it has one.
    path: Option<Instant>,
}

impl Line {
    pub(super) fn new(connection: Box<Connection>, remote: &Remote) -> Self {
        Self {
            connection,
            codec: remote.codec,
            direction: local_direction(remote),
            events: remote.types.telephone_event.is_some(),
            wishes: remote.wishes,
            fingerprint: remote.fingerprint.clone(),
            connected: false,
            path: None,
        }
    }

    /// Answers a later offer of the same far end.
    pub(super) async fn answer(&mut self, remote: &Remote) -> Result<String, MediaError> {
        let sdp = self.connection.answer(remote).await?;
        (self.codec, self.direction) = (remote.codec, local_direction(remote));
        self.events = remote.types.telephone_event.is_some();
        self.wishes = remote.wishes;
        Ok(sdp)
    }

    /// Whether the near end's sound is wanted there now.
    pub(super) fn sends(&self) -> bool {
        self.connected && self.direction.sends()
    }

    /// Whether the far end should be sending now.
    pub(super) fn receives(&self) -> bool {
        self.connected && self.direction.mirrored().sends()
    }

    pub(super) fn note_path(&mut self, path: bool) {
        self.path = path.then(|| self.path.unwrap_or_else(Instant::now));
    }

    /// When a handshake that has begun will have failed: the library reports
    /// no failure of DTLS, it just stays silent.
    pub(super) fn overdue(&self) -> Option<Instant> {
        self.path.filter(|_| !self.connected).map(|path| path + HANDSHAKE)
    }

    pub(super) fn why_failed(&self) -> MediaError {
        let (kind, detail) = if self.path.is_some() {
            (MediaErrorKind::DtlsFailed, "the far end's media does not prove to be who signalling says")
        } else {
            (MediaErrorKind::IceFailed, "no network path to the far end's media")
        };
        MediaError { kind, detail: detail.to_owned() }
    }
}

/// Which of a call's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Current,
    Next,
}

/// The lines of a call that is up or coming up.
pub(super) struct Lines {
    /// Carries the sound, or will be the first to.
    pub(super) current: Line,
    /// Takes the sound over once it is connected: the far end has moved, and
    /// until the new way is open the old one is better than silence.
    pub(super) next: Option<Line>,
    /// Our own offer, which the far end has answered with an offer of its own
    /// (glare, early media). It may still answer it.
    pub(super) offered: Option<Box<Connection>>,
}

impl Lines {
    pub(super) fn new(current: Line, offered: Option<Box<Connection>>) -> Self {
        Self { current, next: None, offered }
    }

    /// What happens next, and on which line.
    pub(super) async fn happens(&mut self) -> (Which, Happened) {
        let next = async {
            match &mut self.next {
                Some(line) => line.connection.next().await,
                None => std::future::pending().await,
            }
        };
        let (which, happened) = tokio::select! {
            happened = self.current.connection.next() => (Which::Current, happened),
            happened = next => (Which::Next, happened),
        };
        if let (Happened::Report(Report::Path(path)), Some(line)) = (&happened, self.line(which)) {
            line.note_path(*path);
        }
        (which, happened)
    }

    fn line(&mut self, which: Which) -> Option<&mut Line> {
        match which {
            Which::Current => Some(&mut self.current),
            Which::Next => self.next.as_mut(),
        }
    }

    /// The line whose handshake fails first, and when.
    pub(super) fn overdue(&self) -> Option<(Instant, Which)> {
        let current = self.current.overdue().map(|at| (at, Which::Current));
        let next = self.next.as_ref().and_then(Line::overdue).map(|at| (at, Which::Next));
        [current, next].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Replaces the line that is to take over.
    pub(super) fn set_next(&mut self, next: Option<Line>) {
        if let Some(line) = std::mem::replace(&mut self.next, next) {
            line.connection.close_later();
        }
    }

    /// The next line becomes the current one. False: there is none.
    pub(super) fn switch(&mut self) -> bool {
        let Some(next) = self.next.take() else { return false };
        let mut old = std::mem::replace(&mut self.current, next);
        old.connection.go_silent();
        self.current.connection.go_live();
        old.connection.close_later();
        true
    }

    pub(super) async fn close(self) {
        for line in [self.next, Some(self.current)].into_iter().flatten() {
            line.connection.close().await;
        }
        if let Some(connection) = self.offered {
            connection.close().await;
        }
    }
}
