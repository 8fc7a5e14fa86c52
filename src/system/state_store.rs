//! Keeps the appliance's memory over a restart, in one small file.
//!
//! A new one is written beside the old one, forced to the disk, and renamed
//! over it, so that whenever the plug is pulled the old or the new one is there
//! (rename(2)). A disk that is full or read-only is a fault, and the box goes on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::appliance::event::SystemEvent;
use crate::appliance::fault::Fault;
use crate::appliance::memory::Memory;

/// Where a package puts it, and systemd's `StateDirectory=callbox`.
const SYSTEM: &str = "/var/lib/callbox";

const FILE: &str = "memory.json";
/// A file that could not be read is kept under this name, for whoever looks into it.
const ASIDE: &str = "memory.json.unreadable";
/// The next one, until it is whole.
const NEXT: &str = "memory.json.next";

/// How long to wait before a failed write is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// The folder of the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateStore {
    dir: PathBuf,
}

/// What was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The memory.
    pub memory: Memory,
    /// Why it is not what was kept last, for people.
    pub trouble: Option<String>,
}

impl StateStore {
    /// In this folder, which need not be there yet.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// In the given folder, else systemd's `$STATE_DIRECTORY`, else
    /// `/var/lib/callbox` if that is or can be made, else the user's.
    pub fn usual(given: Option<PathBuf>) -> Self {
        let places = candidates(given, |name| std::env::var_os(name).map(PathBuf::from));
        let usable = places.iter().find(|dir| dir.is_dir() || fs::create_dir_all(dir).is_ok());
        Self { dir: usable.or(places.first()).cloned().unwrap_or_else(|| SYSTEM.into()) }
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What was kept last; blank where nothing ever was. From a file that cannot be read
    /// nobody knows whether the box was tampered with, so it says that it was.
    pub fn load(&self) -> Kept {
        let unreadable = |why: String| Kept {
            memory: Memory { tampered: true, ..Memory::default() },
            trouble: Some(format!("{}: {why}", self.dir.join(FILE).display())),
        };
        match fs::read(self.dir.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Kept { memory: Memory::default(), trouble: None }
            }
            Err(error) => unreadable(error.to_string()),
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(memory) => Kept { memory, trouble: None },
                Err(error) => {
                    // What cannot be moved is overwritten by the next memory.
                    let moved = fs::rename(self.dir.join(FILE), self.dir.join(ASIDE));
                    let kept_as = if moved.is_ok() { format!("; kept as {ASIDE}") } else { String::new() };
                    unreadable(format!("{error}{kept_as}"))
                }
            },
        }
    }

    /// Keeps a memory. When this returns it is on the disk.
    ///
    /// # Errors
    /// Whatever the disk says; then the old memory is still there.
    pub fn save(&self, memory: &Memory) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let next = self.dir.join(NEXT);
        let mut file = File::create(&next)?;
        file.write_all(&serde_json::to_vec(memory)?)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&next, self.dir.join(FILE))?;
        File::open(&self.dir)?.sync_all()
    }

    /// Keeps the memory there is and each new one until the sender is gone; the
    /// last one is on the disk then, if the disk takes it. That it takes none is
    /// known at the start, not when a tamper alarm is to be kept.
    pub async fn keep(self, mut memory: watch::Receiver<Memory>, system: mpsc::Sender<SystemEvent>) {
        memory.mark_changed();
        let mut failed = false;
        loop {
            let changed = if failed {
                tokio::time::timeout(AGAIN, memory.changed()).await.unwrap_or(Ok(()))
            } else {
                memory.changed().await
            };
            // A sender that is gone may have left a last one behind.
            let last = changed.is_err();
            if last && !failed {
                return;
            }
            let (store, new) = (self.clone(), memory.borrow_and_update().clone());
            let saved = tokio::task::spawn_blocking(move || store.save(&new)).await;
            let saved = saved.unwrap_or_else(|error| Err(io::Error::other(error)));
            let news = match &saved {
                Err(error) => {
                    let dir = self.dir.display();
                    let detail = format!(
                        "{dir}: {error}; a restart would forget a tamper alarm and a lock-out: make room, or set [state] dir"
                    );
                    Some(SystemEvent::FaultRaised { fault: Fault::StateNotKept, detail })
                }
                Ok(()) => failed.then_some(SystemEvent::FaultCleared(Fault::StateNotKept)),
            };
            failed = saved.is_err();
            if let Some(news) = news
                && system.send(news).await.is_err()
            {
                tracing::debug!("state not reported: the appliance has ended");
            }
            if last {
                return;
            }
        }
    }
}

fn candidates(given: Option<PathBuf>, variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    // Of several folders systemd separates with a colon (systemd.exec(5)), the first is ours.
    let systemd = variable("STATE_DIRECTORY").and_then(|dirs| {
        let first = dirs.to_string_lossy().split(':').next().map(PathBuf::from);
        first.filter(|dir| !dir.as_os_str().is_empty())
    });
    if let Some(dir) = given.or(systemd) {
        return vec![dir];
    }
    let user = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    std::iter::once(PathBuf::from(SYSTEM)).chain(user.map(|dir| dir.join("callbox"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_given_folder_goes_before_systemds_and_that_before_the_usual_ones() {
        let all = |name: &str| Some(PathBuf::from(format!("/{name}:/other")));
        assert_eq!(candidates(Some("/given".into()), all), [PathBuf::from("/given")]);
        assert_eq!(candidates(None, all), [PathBuf::from("/STATE_DIRECTORY")]);
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/h"));
        assert_eq!(candidates(None, home), [PathBuf::from(SYSTEM), "/h/.local/state/callbox".into()]);
        assert_eq!(candidates(None, |_| None), [PathBuf::from(SYSTEM)]);
    }
}
