//! A connection to the panel, from its first byte to its last.
//!
//! In the bytes `{csrf}` and `{revision}` stand for what a browser would have
//! been told, so that what needs them is reached, too.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use callbox::appliance::action::Action;
use callbox::config::{BoardLoader, Config};
use callbox::handle::{Ask, detached};
use callbox::panel::PanelSettings;
use callbox::panel::fuzzing::Front;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::terminal::{config, folder, text};

/// A box: `MultiPipe`, rings.
const WHICH: u8 = 1;

/// Longer than any timeout of the panel, in virtual time.
const PATIENCE: Duration = Duration::from_secs(120);

struct Panel {
    front: Front,
    asks: mpsc::Receiver<Ask>,
    csrf: String,
    file: PathBuf,
    original: String,
    _edges: mpsc::Receiver<callbox::gpio::Stamped>,
}

thread_local! {
    static PANEL: RefCell<Option<Panel>> = const { RefCell::new(None) };
}

/// Time stands still but for who waits: no timeout costs any.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    })
}

pub fn run(data: &[u8]) {
    PANEL.with_borrow_mut(|panel| panel.get_or_insert_with(Panel::new).attack(data));
}

impl Panel {
    fn new() -> Self {
        let file = folder().join("callbox.toml");
        let original = text(WHICH);
        fs::write(&file, &original).unwrap();
        let (handle, asks, edges) = detached(&config(WHICH));
        let settings = PanelSettings {
            listen: ([127, 0, 0, 1], 1).into(),
            state_dir: folder().to_owned(),
            config_file: Some(file.clone()),
            call_file: None,
            restart: Some(Arc::new(|| {})),
        };
        let front = Front::new(&config(WHICH), settings, handle).unwrap();
        let mut panel = Self { front, asks, csrf: String::new(), file, original, _edges: edges };
        panel.csrf = panel.told("/api/session", "\"csrf\":\"");
        panel
    }

    fn attack(&mut self, data: &[u8]) {
        let revision = self.told("/api/config", "\"revision\":\"");
        let data = replace(data, b"{csrf}", self.csrf.as_bytes());
        let data = replace(&data, b"{revision}", revision.as_bytes());
        let answer = self.exchange(&data, true);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1."),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
        self.check_file();
    }

    /// Whatever was sent, the file is as it was or good, and opens no other doors.
    fn check_file(&mut self) {
        let now = fs::read_to_string(&self.file).expect("the configuration is gone");
        if now == self.original {
            return;
        }
        let name = self.file.display().to_string();
        let boards = BoardLoader::beside(&self.file);
        let changed = Config::parse(&now, &name, &boards).expect("a configuration that is none");
        let original = config(WHICH);
        assert!(changed.panel.same_access(&original.panel), "the panel gave itself permissions");
        assert!(changed.appliance.door.codes == original.appliance.door.codes, "other codes open the door");
        fs::write(&self.file, &self.original).unwrap();
    }

    /// A word of an answer's JSON.
    fn told(&mut self, path: &str, key: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        // A client that shuts down at once may be taken for one that has left.
        let answer = String::from_utf8(self.exchange(request.as_bytes(), false)).unwrap();
        let word = answer.split_once(key).and_then(|(_, rest)| rest.split('"').next());
        word.expect("the panel shows its configuration").to_owned()
    }

    /// Sends all, and says that this is all; what comes back.
    fn exchange(&mut self, data: &[u8], shut_down: bool) -> Vec<u8> {
        let (front, asks) = (&self.front, &mut self.asks);
        runtime().block_on(async {
            let (mut near, far) = tokio::io::duplex(64 * 1024);
            let client = async {
                let _ = near.write_all(data).await;
                if shut_down {
                    let _ = near.shutdown().await;
                }
                let mut said = Vec::new();
                near.read_to_end(&mut said).await.unwrap_or_default();
                said
            };
            let appliance = async {
                while let Some(Ask { action, reply }) = asks.recv().await {
                    let door = matches!(action, Action::OpenDoor { .. } | Action::ResetTamper);
                    assert!(!door, "{action:?} without permission");
                    let _ = reply.send(Ok(()));
                }
            };
            tokio::select! {
                ended = tokio::time::timeout(PATIENCE, async { tokio::join!(front.exchange(far), client) }) => {
                    // A page that follows is let go of.
                    ended.map(|(_, said)| said).unwrap_or_default()
                }
                () = appliance => unreachable!("the handle is here"),
            }
        })
    }
}

fn replace(data: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        out.extend(&rest[..at]);
        out.extend(by);
        rest = &rest[at + what.len()..];
    }
    out.extend(rest);
    out
}
