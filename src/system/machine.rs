//! What the image that the appliance runs in says of itself: which slot runs,
//! how an update went, and what is wrong with the machine around. Its scripts
//! leave that in a folder; elsewhere there is none, and nothing is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::appliance::event::SystemEvent;
use crate::appliance::fault::Fault;

/// Where the image's scripts leave it.
pub const FOLDER: &str = "/run/callbox-image";

/// How often to look: nothing there is urgent.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Longer than anything that is said there.
const LONGEST: usize = 2000;

/// The slot that runs, for `callbox status --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateStatus {
    /// A or B.
    pub slot: String,
    /// The version of the image in it.
    pub version: String,
    /// `new` (just installed from the factory), `trying`, `good`, `bad`, or
    /// `rolled-back`: the slot that runs is the old one again.
    pub state: String,
    /// More of it, for people.
    pub detail: String,
}

/// What it says of the slot that runs; `None` if nothing is said.
pub fn update(folder: &Path) -> Option<UpdateStatus> {
    serde_json::from_slice(&fs::read(folder.join("update.json")).ok()?).ok()
}

fn trouble(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("trouble")).ok()?;
    let text: String = text.trim().chars().take(LONGEST).map(|c| if c == '\n' { ';' } else { c }).collect();
    Some(text).filter(|text| !text.is_empty())
}

/// Looks there from time to time until the receiver is gone.
pub async fn watch(
    folder: PathBuf,
    system: mpsc::Sender<SystemEvent>,
    slot: watch::Sender<Option<UpdateStatus>>,
) {
    let mut said = None;
    loop {
        slot.send_if_modified(|known| {
            let now = update(&folder);
            let changed = *known != now;
            *known = now;
            changed
        });
        let now = trouble(&folder);
        if now != said {
            let news = match &now {
                Some(detail) => {
                    SystemEvent::FaultRaised { fault: Fault::MachineTrouble, detail: detail.clone() }
                }
                None => SystemEvent::FaultCleared(Fault::MachineTrouble),
            };
            if system.send(news).await.is_err() {
                return;
            }
            said = now;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = system.closed() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_the_image_says_is_a_fault_as_long_as_it_says_so_and_the_slot_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (system, mut events) = mpsc::channel(4);
        let (told, slot) = watch::channel(None);
        fs::write(folder.path().join("trouble"), "the card is full\nand old\n").unwrap();
        fs::write(
            folder.path().join("update.json"),
            r#"{"slot":"B","version":"1.2","state":"good","detail":""}"#,
        )
        .unwrap();
        tokio::spawn(watch(folder.path().to_owned(), system, told));
        let raised = SystemEvent::FaultRaised {
            fault: Fault::MachineTrouble,
            detail: "the card is full;and old".to_owned(),
        };
        assert_eq!(events.recv().await, Some(raised));
        assert_eq!(slot.borrow().as_ref().map(|slot| slot.slot.clone()).as_deref(), Some("B"));
        fs::remove_file(folder.path().join("trouble")).unwrap();
        fs::write(folder.path().join("update.json"), "half a").unwrap();
        assert_eq!(events.recv().await, Some(SystemEvent::FaultCleared(Fault::MachineTrouble)));
        assert_eq!(*slot.borrow(), None);
    }

    #[test]
    fn elsewhere_nothing_is_said() {
        let nowhere = Path::new("/nowhere/at/all");
        assert_eq!((update(nowhere), trouble(nowhere)), (None, None));
    }
}
