//! `callbox status --watch`: the box as it is and as it changes, for a person on ssh.
//!
//! On a terminal it fills the screen until `q` or ctrl-c. Elsewhere it prints a
//! line a change, for `grep` and for log files.

mod feed;
mod scene;
mod terminal;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::{DONE, FAILED, out, remote};
use crate::system::signals;
use feed::News;
use scene::Scene;
use terminal::Screen;

/// The screen is drawn at most this often, and at least once in ten of these: ages grow.
const REDRAW: Duration = Duration::from_millis(100);

/// Ctrl-c and ctrl-d, which a raw terminal hands on as they are.
const END_KEYS: [u8; 4] = [b'q', b'Q', 0x03, 0x04];

/// Runs until somebody ends it. Exit code 1 if no appliance answers at first;
/// one that ends later is waited for.
pub async fn watch(socket: Option<PathBuf>, json: bool) -> u8 {
    let first = match remote::fetch_status(socket.clone()).await {
        Ok(first) => first,
        Err(why) => {
            eprintln!("callbox: {why}");
            return FAILED;
        }
    };
    let news = feed::start(socket);
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if json || !terminal { print_changes(first, news, json).await } else { show(first, news).await }
}

/// A line a change, until nobody reads any more.
async fn print_changes(first: Value, mut news: mpsc::Receiver<News>, json: bool) -> u8 {
    let mut shown = String::new();
    let mut next = Some(News::Status(first));
    let ended = signals::asked_to_end();
    tokio::pin!(ended);
    loop {
        let summary = match &next {
            Some(News::Status(status)) => scene::summary(status),
            Some(News::Gone(why)) => format!("gone: {why}"),
            Some(News::Event(_)) => shown.clone(),
            None => return DONE,
        };
        if summary != shown {
            let line = match &next {
                Some(News::Status(status)) if json => status.to_string(),
                Some(_) if json => String::new(),
                Some(_) | None => {
                    format!("{}  {summary}", humantime::format_rfc3339_seconds(SystemTime::now()))
                }
            };
            if !line.is_empty() && !out::line(line) {
                return DONE;
            }
            shown = summary;
        }
        tokio::select! {
            fresh = news.recv() => next = fresh,
            () = &mut ended => return DONE,
        }
    }
}

/// The whole screen, until a key ends it.
async fn show(first: Value, mut news: mpsc::Receiver<News>) -> u8 {
    let mut screen = match Screen::enter() {
        Ok(screen) => screen,
        Err(error) => {
            eprintln!("callbox: the terminal cannot be used: {error}");
            return FAILED;
        }
    };
    let mut scene = Scene::default();
    scene.take(News::Status(first));
    let mut keys = tokio::io::stdin();
    let mut key = [0; 16];
    let mut resized = signal(SignalKind::window_change()).ok();
    let mut hung_up = signal(SignalKind::hangup()).ok();
    let mut tick = interval(REDRAW);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut changed, mut idle) = (true, 0);
    let ended = signals::asked_to_end();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            fresh = news.recv() => match fresh {
                Some(fresh) => {
                    scene.take(fresh);
                    changed = true;
                }
                None => break,
            },
            read = keys.read(&mut key) => match read {
                Ok(0) | Err(_) => break,
                Ok(count) if key.iter().take(count).any(|key| END_KEYS.contains(key)) => break,
                Ok(_) => {}
            },
            () = arrival(&mut resized) => changed = true,
            () = arrival(&mut hung_up) => break,
            () = &mut ended => break,
            _ = tick.tick() => {
                idle += 1;
                if changed || idle >= 10 {
                    let (columns, rows) = screen.size();
                    if screen.draw(&scene.lines(columns, rows)).is_err() {
                        break;
                    }
                    (changed, idle) = (false, 0);
                }
            }
        }
    }
    DONE
}

/// The next signal; never, where signals cannot be had.
async fn arrival(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
