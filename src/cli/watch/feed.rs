//! News of the appliance, asked for over its control socket.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cli::remote;
use crate::control::client::Client;
use crate::control::path::candidates;
use crate::control::protocol::{Answer, Request};

/// Levels move; four looks a second are enough for an eye.
const EVERY: Duration = Duration::from_millis(250);

/// An event changes the status; those that come together are looked at together.
const AFTER_EVENT: Duration = Duration::from_millis(20);

/// Between two attempts to find an appliance that has gone.
const AGAIN: Duration = Duration::from_secs(1);

const QUEUE: usize = 64;

/// What is new.
pub(super) enum News {
    /// `callbox status --json`.
    Status(Value),
    /// A line of `callbox events --json`.
    Event(Value),
    /// Nobody answers, and why.
    Gone(String),
}

/// Asks until nobody takes the news any more.
pub(super) fn start(socket: Option<PathBuf>) -> mpsc::Receiver<News> {
    let (news, taken) = mpsc::channel(QUEUE);
    let (happened, events) = mpsc::channel(1);
    tokio::spawn(follow(socket.clone(), news.clone(), happened));
    tokio::spawn(look(socket, news, events));
    taken
}

/// Looks at the status now and then, and after events at once.
async fn look(socket: Option<PathBuf>, news: mpsc::Sender<News>, mut events: mpsc::Receiver<()>) {
    loop {
        let fresh = match remote::fetch_status(socket.clone()).await {
            Ok(status) => News::Status(status),
            Err(why) => News::Gone(why),
        };
        if news.send(fresh).await.is_err() {
            return;
        }
        let due = Instant::now() + EVERY;
        tokio::select! {
            () = sleep_until(due) => {}
            Some(()) = events.recv() => sleep(AFTER_EVENT).await,
        }
    }
}

/// Follows the event log, and finds it again after a restart.
async fn follow(socket: Option<PathBuf>, news: mpsc::Sender<News>, happened: mpsc::Sender<()>) {
    loop {
        if let Ok(mut client) =
            Client::send(&candidates(socket.clone()), &Request::Events { follow: true }).await
        {
            while let Ok(Some(Answer::Event { event })) = client.next().await {
                if news.send(News::Event(event)).await.is_err() {
                    return;
                }
                // A look that is due already will do.
                let _ = happened.try_send(());
            }
        }
        if news.is_closed() {
            return;
        }
        sleep(AGAIN).await;
    }
}
