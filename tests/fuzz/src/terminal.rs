//! The configured box that several targets attack, and a folder in memory.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use callbox::config::{BoardLoader, Config};
use tempfile::TempDir;

/// A door station with everything that a stranger might misuse switched on.
const CONFIG: &str = r##"
[terminal]
mode = "MODE"
time-zone = "Europe/Oslo"
[core]
endpoint = "http://127.0.0.1:1"
[auth]
method = "none"
[board]
file = "BOARD"
[contacts]
family = { number = "+4722222222", ring-time = "20s" }
neighbour = "+4733333333"
[[button]]
name = "call"
press = { action = "call", to = ["family", "neighbour"] }
hold = { action = "hang-up" }
double-press = { action = "open-door" }
[incoming]
deny = ["+4744444444"]
answer = "ANSWER"
while-busy = "BUSY"
[call]
acknowledge = "1"
[door]
codes = ["4711#", "*9"]
allow-command = true
[panel]
allow-config = true
allow-test = true
"##;

/// A door station with exit button, tamper and door contact, and no hardware.
const BOARD: &str =
    "inherit = [\"mock\", \"doorstation\", \"tamper\", \"door-contact\"]\ndescription = \"fuzzed\"\n";

/// A folder of this process that costs no disk.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let memory = Path::new("/dev/shm");
            let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
            let folder = tempfile::Builder::new().prefix("callbox-fuzz-").tempdir_in(place).unwrap();
            std::fs::create_dir(folder.path().join("board")).unwrap();
            std::fs::write(folder.path().join("board/fuzzed.toml"), BOARD).unwrap();
            folder
        })
        .path()
}

/// The configuration's text for one of twelve boxes.
pub fn text(which: u8) -> String {
    let mode = ["pipe", "multi-pipe"][usize::from(which % 2)];
    let answer = ["ring", "auto"][usize::from(which / 2 % 2)];
    // Only `MultiPipe` has several calls.
    let busy = if mode == "pipe" { "busy" } else { ["busy", "queue", "swap"][usize::from(which / 4 % 3)] };
    CONFIG.replace("MODE", mode).replace("ANSWER", answer).replace("BUSY", busy).replace("BOARD", "fuzzed")
}

/// One of twelve boxes.
pub fn config(which: u8) -> Arc<Config> {
    static ALL: [OnceLock<Arc<Config>>; 12] = [const { OnceLock::new() }; 12];
    let which = which % 12;
    let made = ALL[usize::from(which)].get_or_init(|| {
        let boards = BoardLoader::new(vec![folder().join("board")]);
        let config = Config::parse(&text(which), "fuzzed.toml", &boards);
        Arc::new(config.unwrap_or_else(|found| panic!("{found:?}")))
    });
    Arc::clone(made)
}
