//! The reference of all keys, `docs/configuration.md`. What a key takes comes
//! from the parser itself, which notes each question it asks; what a key is for
//! stands in the chapters beside this file. Tests hold the two together, try
//! every default and every example, and see that the document is up to date.

mod call;
mod place;
mod site;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::BoardLoader;
use super::diagnostic::{Asked, Report};

/// One table of the configuration.
struct Chapter {
    /// As the parser calls it.
    title: &'static str,
    /// As the document calls it; empty for the same.
    heading: &'static str,
    about: &'static str,
    keys: &'static [Key],
}

/// Name, default, example, and what it is for. A default in round brackets
/// says in words what holds without the key.
type Key = (&'static str, &'static str, &'static str, &'static str);

/// Tables that take the same keys as another.
const ALIKE: [(&str, &str); 4] = [
    ("hold in [[button]]", ACTION),
    ("double-press in [[button]]", ACTION),
    ("off in [hook]", ACTION),
    ("on in [hook]", ACTION),
];
const ACTION: &str = "press in [[button]]";

/// A configuration in which the parser asks for everything; most of it is wrong.
const EVERYTHING: &str = r#"
terminal = {}
core = {}
auth = {}
board = { file = "mock-doorstation" }
audio = {}
selftest = { window = {} }
tones = {}
announcements = {}
media = {}
contacts = { NAME = {} }
button = [
    { press = { action = "call", to = [] } },
    { press = { action = "dtmf" } },
    { press = { action = "mute" } },
    { press = { action = "volume", change = "up" } },
    { press = { action = "volume", change = { percent = 1 } } },
    { press = { action = "open-door" } },
]
incoming = { do-not-disturb = [{}] }
call = {}
check-call = {}
backoff = {}
door = {}
hook = {}
state = {}
panel = {}
mqtt = {}
webhook = [{}]
telemetry = {}
control = {}
log = {}
"#;

/// The document, Markdown.
pub fn markdown() -> String {
    let asked = asked();
    let mut text = HEAD.to_owned();
    for chapter in chapters() {
        let heading = if chapter.heading.is_empty() { chapter.title } else { chapter.heading };
        text.push_str(&format!("\n## {heading}\n\n{}\n", chapter.about));
        if !chapter.keys.is_empty() {
            text.push_str("\n| key | takes | default | example | |\n|---|---|---|---|---|\n");
        }
        for (name, default, example, about) in chapter.keys {
            let takes = asked.iter().find(|key| key.section == chapter.title && key.key == *name);
            let takes = takes.map_or("text", |key| key.takes.as_str());
            let default = code(default);
            text.push_str(&format!("| `{name}` | {takes} | {default} | {} | {about} |\n", code(example)));
        }
    }
    text
}

const HEAD: &str = "\
# Configuration

Every key of `callbox.toml`, made by `callbox reference` from the program itself. Examples for each use, with the
same keys as comments, are in [board/examples](../board/examples); board files are in [board/README.md](../board/README.md).

The file is TOML. An unknown key is an error, and `callbox check` names every mistake with its line and what would be
right. Durations are a whole number and a unit, `ms`, `s`, `min` or `h`; a range tells the least and the greatest.
Relative paths count from the folder of the file. Secrets are never in the file itself: keys that end in `-file` name
a file of mode 600 that holds one, keys that end in `-credential` a credential of systemd.
";

fn chapters() -> impl Iterator<Item = &'static Chapter> {
    place::CHAPTERS.iter().chain(call::CHAPTERS).chain(site::CHAPTERS)
}

/// All keys that there are, each once, by the table in which it stands.
fn asked() -> Vec<Asked> {
    let report = Report::new("callbox.toml", EVERYTHING);
    super::read_text(EVERYTHING, Path::new(""), &report, &BoardLoader::new(Vec::new()));
    let mut asked = report.into_asked();
    for key in &mut asked {
        if let Some((_, same)) = ALIKE.iter().find(|(title, _)| *title == key.section) {
            key.section = (*same).to_owned();
        }
    }
    asked.sort();
    asked.dedup();
    asked
}

/// Values as they are written; words in round brackets as they are.
fn code(text: &str) -> String {
    match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        Some(words) => words.to_owned(),
        None if text.is_empty() => String::new(),
        None => format!("`{text}`"),
    }
}
