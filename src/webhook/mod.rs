//! Webhooks: what happens to the box, told to servers by HTTPS POST.
//!
//! The body is an entry of the event log, as `callbox events --json` prints it.
//! Headers and signature are those of the Standard Webhooks specification
//! (standardwebhooks.com, version 1.0.0), see [`signature`]. A server has the
//! event once it answers with 2xx. Until then the same id comes again, each
//! attempt with a time stamp and a signature of its own, and events keep their order.
//!
//! Each hook is a task that follows the event log, so nothing of the box
//! waits for a server; what waits for a server is bounded.

mod delivery;
mod signature;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use secrecy::SecretString;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::config::SecretSource;
use crate::config::webhook::HookEvent;
use crate::handle::{Entry, Handle, WebhookMeter};
use delivery::{Failure, News, Server};

/// Events that wait for one server.
const QUEUE: usize = 256;

/// Pauses between attempts: a random time up to the base doubled each time
/// ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015), and never less than the least.
const LEAST_PAUSE: Duration = Duration::from_millis(250);
const BASE_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long the last events may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What one hook needs to know.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Where to. A secret: the path of such an address often is a password.
    pub url: SecretString,
    /// Scheme, host and port, for people.
    pub server: String,
    /// What to tell; empty for everything.
    pub events: Vec<HookEvent>,
    /// What signs; `None` for no signature.
    pub secret: Option<SecretSource>,
    /// The authorities to trust, PEM; `None` for the public roots.
    pub ca_file: Option<PathBuf>,
    /// For one attempt as a whole.
    pub timeout: Duration,
    /// An event that is not taken within this time is dropped.
    pub give_up_after: Duration,
}

/// All hooks at work.
pub struct Webhooks(JoinSet<()>);

/// Sets the hooks going. Each keeps the meter of its place in [`Handle::webhooks`].
pub fn spawn(hooks: Vec<WebhookSettings>, handle: &Handle) -> Webhooks {
    // Numbers of the event log begin anew at every start; ids must not.
    let run: u64 = rand::rng().random();
    let mut tasks = JoinSet::new();
    for (settings, meter) in hooks.into_iter().zip(handle.webhooks()) {
        let hook = Hook { settings, meter: Arc::clone(meter), run };
        tasks.spawn(hook.work(handle.clone()));
    }
    Webhooks(tasks)
}

impl Webhooks {
    /// Waits a moment for what was told last, once the appliance has ended.
    pub async fn ended(mut self) {
        let all = async { while self.0.join_next().await.is_some() {} };
        if timeout(LAST_WORDS, all).await.is_err() {
            tracing::warn!("webhooks: the last events did not go out in time");
        }
    }
}

/// One hook.
struct Hook {
    settings: WebhookSettings,
    meter: Arc<WebhookMeter>,
    run: u64,
}

/// An entry that waits for its turn.
struct Waiting {
    entry: Arc<Entry>,
    since: Instant,
}

impl Hook {
    async fn work(self, handle: Handle) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::join!(self.follow(handle, queue), self.deliver(waiting));
    }

    /// Takes from the event log until the appliance ends; never waits for the server.
    async fn follow(&self, handle: Handle, queue: mpsc::Sender<Waiting>) {
        let (past, mut coming) = handle.log().follow();
        past.into_iter().for_each(|entry| self.take(&queue, entry));
        let mut status = handle.watch();
        loop {
            tokio::select! {
                biased;
                entry = coming.recv() => match entry {
                    Ok(entry) => self.take(&queue, entry),
                    Err(RecvError::Lagged(missed)) => self.meter.note(|status| status.dropped += missed),
                    Err(RecvError::Closed) => return,
                },
                changed = status.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    fn take(&self, queue: &mpsc::Sender<Waiting>, entry: Arc<Entry>) {
        let events = &self.settings.events;
        if !events.is_empty() && !events.contains(&HookEvent::of(&entry.record.kind)) {
            return;
        }
        let room = queue.try_send(Waiting { entry, since: Instant::now() }).is_ok();
        self.meter.note(|status| if room { status.waiting += 1 } else { status.dropped += 1 });
    }

    /// One event after the other, so that the server hears them in their order.
    async fn deliver(&self, mut queue: mpsc::Receiver<Waiting>) {
        let mut server = Server::new(&self.settings);
        let mut failures = 0;
        while let Some(Waiting { entry, since }) = queue.recv().await {
            let told = match News::new(self.run, &entry) {
                Ok(news) => self.tell(&mut server, &news, since, &mut failures).await,
                Err(error) => {
                    tracing::error!(%error, "an event cannot be told");
                    false
                }
            };
            self.meter.note(|status| {
                status.waiting = status.waiting.saturating_sub(1);
                if told { status.delivered += 1 } else { status.dropped += 1 }
            });
        }
    }

    /// True once the server has it; false once it is too old or refused for good.
    async fn tell(&self, server: &mut Server<'_>, news: &News, since: Instant, failures: &mut u32) -> bool {
        let until = since + self.settings.give_up_after;
        while Instant::now() < until {
            let Failure { why, for_good, retry_after } = match server.attempt(news).await {
                Ok(()) => {
                    *failures = 0;
                    self.trouble(None);
                    return true;
                }
                Err(failure) => failure,
            };
            self.trouble(Some(why));
            if for_good {
                return false;
            }
            let wait = retry_after.unwrap_or_else(|| pause(*failures));
            *failures = failures.saturating_add(1);
            sleep_until(until.min(Instant::now() + wait)).await;
        }
        false
    }

    /// Notes how the last attempt went. The same words again and again help nobody.
    fn trouble(&self, why: Option<String>) {
        let server = &self.settings.server;
        let before = self.meter.status().trouble;
        match &why {
            Some(why) if before.as_ref() != Some(why) => tracing::warn!(%server, "webhook: {why}"),
            None if before.is_some() => tracing::info!(%server, "webhook: events are taken again"),
            Some(_) | None => {}
        }
        self.meter.note(|status| {
            status.failed_attempts += u64::from(why.is_some());
            status.trouble = why;
        });
    }
}

fn pause(failures: u32) -> Duration {
    let longest = BASE_PAUSE.saturating_mul(1 << failures.min(6)).min(LONGEST_PAUSE);
    rand::rng().random_range(Duration::ZERO..=longest).max(LEAST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appliance::log::{Kind, Record};

    #[test]
    fn what_waits_for_a_server_is_bounded_and_the_rest_is_counted() {
        let settings = WebhookSettings {
            url: "https://hooks.example".into(),
            server: String::new(),
            events: vec![HookEvent::Refused],
            secret: None,
            ca_file: None,
            timeout: Duration::from_secs(1),
            give_up_after: Duration::from_secs(10),
        };
        let hook = Hook { settings, meter: Arc::new(WebhookMeter::new(String::new())), run: 0 };
        let (queue, _waiting) = mpsc::channel(QUEUE);
        let entry = |kind| {
            let record = Record { kind, text: String::new() };
            Arc::new(Entry { seq: 1, t_us: 0, time: String::new(), record })
        };
        for _ in 0..QUEUE + 3 {
            hook.take(&queue, entry(Kind::Refused));
            hook.take(&queue, entry(Kind::Session { state: "offline" }));
        }
        let status = hook.meter.status();
        assert_eq!((status.waiting, status.dropped), (QUEUE as u64, 3));
    }

    #[test]
    fn pauses_grow_and_stay_within_a_minute() {
        for failures in 0..100 {
            assert!((LEAST_PAUSE..=LONGEST_PAUSE).contains(&pause(failures)), "{failures}");
        }
        let mean = |failures| (0..500).map(|_| pause(failures).as_secs_f64()).sum::<f64>() / 500.0;
        assert!(mean(6) > 5.0 * mean(1));
    }
}
