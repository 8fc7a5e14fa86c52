//! `GET /api/stream`: the box as it is now and as it changes, as server-sent
//! events (HTML Living Standard, section 9.2).
//!
//! Nothing is queued for a slow reader but the event log: when it takes the
//! next event it gets what holds then, and one that takes nothing for a while
//! is dropped by `server.rs`.
//!
//! | event | data | when |
//! |---|---|---|
//! | `status` | all of `callbox status --json` | at every change |
//! | `meters` | `audio` and `uptime_s` of it | four times a second |
//! | `log` | entries of the event log | the last ones first, then new ones |

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::answer::Refused;
use super::guard::Visitor;
use super::site::Site;
use crate::appliance::status::Status;
use crate::handle::{AudioStatus, Entry};

/// Between two events of the meters.
const METERS: Duration = Duration::from_millis(250);

/// Entries of the past that a page gets at first.
const PAST: usize = 300;

/// New entries at once.
const AT_ONCE: usize = 64;

/// One reader.
struct Reader {
    site: Arc<Site>,
    status: watch::Receiver<Status>,
    entries: broadcast::Receiver<Arc<Entry>>,
    past: Vec<Arc<Entry>>,
    meters: Interval,
    first: VecDeque<First>,
    visitor: Visitor,
    _place: OwnedSemaphorePermit,
}

/// What every reader gets before it waits.
enum First {
    Status,
    Log,
}

/// What there is to tell.
enum News {
    Status,
    Meters,
    Log(Vec<Arc<Entry>>),
    /// Entries were missed; their numbers show it.
    Nothing,
    Ended,
}

#[derive(Serialize)]
struct Meters {
    audio: AudioStatus,
    uptime_s: u64,
}

pub async fn stream(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let Ok(place) = Arc::clone(&site.followers).try_acquire_owned() else {
        let why = "too many pages follow this box";
        return Err(Refused::later(StatusCode::SERVICE_UNAVAILABLE, why, 5));
    };
    let (mut past, entries) = site.handle.log().follow();
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    if let Some(seen) = seen.and_then(|id| last_seen(id, &site.run)) {
        past.retain(|entry| entry.seq > seen);
    }
    past.drain(..past.len().saturating_sub(PAST));
    let mut meters = interval(METERS);
    meters.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let status = site.handle.watch();
    let first = VecDeque::from([First::Status, First::Log]);
    let reader = Reader { site, status, entries, past, meters, first, visitor, _place: place };
    Ok(Sse::new(events(reader)).into_response())
}

/// The number of the last entry that a page of this very run has seen.
fn last_seen(id: &str, run: &str) -> Option<u64> {
    let (its_run, seq) = id.split_once('-')?;
    (its_run == run).then(|| seq.parse().ok())?
}

fn events(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(reader, async |mut reader| {
        loop {
            let event = match reader.news().await {
                News::Ended => return None,
                News::Nothing => continue,
                News::Status => {
                    reader.status.mark_unchanged();
                    Event::default().event("status").json_data(reader.site.handle.snapshot())
                }
                News::Meters => {
                    let now = reader.site.handle.snapshot();
                    Event::default()
                        .event("meters")
                        .json_data(Meters { audio: now.audio, uptime_s: now.uptime_s })
                }
                News::Log(entries) => {
                    let last = entries.last().map_or(0, |entry| entry.seq);
                    let entries: Vec<&Entry> = entries.iter().map(Arc::as_ref).collect();
                    Event::default().event("log").id(format!("{}-{last}", reader.site.run)).json_data(entries)
                }
            };
            match event {
                Ok(event) => return Some((Ok(event), reader)),
                Err(error) => tracing::error!(%error, "panel stream"),
            }
        }
    })
}

impl Reader {
    async fn news(&mut self) -> News {
        match self.first.pop_front() {
            Some(First::Status) => return News::Status,
            Some(First::Log) => return News::Log(std::mem::take(&mut self.past)),
            None => {}
        }
        tokio::select! {
            biased;
            changed = self.status.changed() => match changed {
                Ok(()) => News::Status,
                Err(_) => News::Ended,
            },
            entry = self.entries.recv() => match entry {
                Ok(entry) => {
                    let more = std::iter::from_fn(|| self.entries.try_recv().ok());
                    News::Log(std::iter::once(entry).chain(more.take(AT_ONCE)).collect())
                }
                Err(RecvError::Lagged(_)) => News::Nothing,
                Err(RecvError::Closed) => News::Ended,
            },
            _ = self.meters.tick() => {
                // Who logs out, or was logged in for too long, follows no more.
                if self.site.lets_in(&self.visitor) { News::Meters } else { News::Ended }
            }
        }
    }
}
