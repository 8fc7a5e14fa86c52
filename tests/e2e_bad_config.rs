//! A wrong configuration must say which file, line and column is wrong and
//! what would be right, end with 2 and start nothing: the person who reads it
//! stands at a door with a laptop, or never sees it at all behind a service.

// Helpers outside of test functions may panic too: that is how they fail a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use support::appliance::Config;
use support::core::restrict;

/// A good configuration for no core in particular.
fn good(folder: &Path) -> String {
    fs::write(folder.join("secret"), "nothing of worth").unwrap();
    restrict(&folder.join("secret"), 0o600);
    let config = Config {
        endpoint: "https://core.example:443".to_owned(),
        ca_file: None,
        token_url: Some("https://id.example/oauth2/token".to_owned()),
        ..Config::bare()
    };
    config.text(folder)
}

/// Exit code and standard error of `callbox COMMAND --config FILE`.
fn callbox(command: &str, file: &Path) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_callbox"))
        .args([command, "--config"])
        .arg(file)
        .args(["--socket", "/nonexistent/never-made.sock"])
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The line and column that a message `FILE:LINE:COLUMN: ...` names.
fn place(message: &str, file: &Path) -> Option<(usize, usize)> {
    let rest = message.lines().find_map(|line| line.strip_prefix(&format!("{}:", file.display())))?;
    let mut parts = rest.splitn(3, ':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[test]
fn a_good_configuration_passes_the_check() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("callbox.toml");
    fs::write(&file, good(folder.path())).unwrap();
    let (code, message) = callbox("check", &file);
    assert_eq!(code, 0, "{message}");
}

#[test]
fn ten_kinds_of_wrong_configuration_are_named_with_line_and_column() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("callbox.toml");
    let good = good(folder.path());
    // What is changed into what, and where the fault then is: in the line of this text.
    let wrongs = [
        ("not TOML", "mode = \"pipe\"", "mode = \"pipe", "mode = \"pipe"),
        ("an unknown key", "mode = \"pipe\"", "modus = \"pipe\"", "modus"),
        ("an unknown section", "[terminal]", "[terminus]", "[terminus]"),
        ("a word that is none of the choices", "mode = \"pipe\"", "mode = \"tube\"", "tube"),
        ("a number where text belongs", "mode = \"pipe\"", "mode = 7", "mode = 7"),
        ("a key that is given twice", "mode = \"pipe\"", "mode = \"pipe\"\nmode = \"pipe\"", "[core]"),
        (
            "an address without its scheme",
            "\"https://core.example:443\"",
            "\"core.example:443\"",
            "core.example",
        ),
        (
            "plaintext to another machine",
            "\"https://core.example:443\"",
            "\"http://core.example:80\"",
            "core.example",
        ),
        ("a number that is not E.164", "\"+4700000001\"", "\"4700000001\"", "4700000001"),
        ("a contact that is not there", "to = [\"front\"]", "to = [\"back\"]", "\"back\""),
        ("a button that the board has not", "name = \"call\"", "name = \"bell\"", "bell"),
        ("a board that is not there", "desktop-mock.toml", "no-such-board.toml", "no-such-board"),
        ("a secret in the open", "client-id = ", "client-secret = \"hunter2\"\nclient-id = ", "hunter2"),
    ];
    for (kind, from, to, at) in wrongs {
        assert!(good.contains(from), "{kind}: the configuration has no {from}");
        let text = good.replacen(from, to, 1);
        fs::write(&file, &text).unwrap();
        let wrong_line = text.lines().position(|line| line.contains(at)).unwrap() + 1;
        for command in ["check", "run"] {
            let (code, message) = callbox(command, &file);
            assert_eq!(code, 2, "{command} with {kind}: {message}");
            let (line, column) = place(&message, &file)
                .unwrap_or_else(|| panic!("{command} with {kind} names no place: {message}"));
            // A key given twice is noticed at the second one, a line before the next section.
            let distance = if kind == "a key that is given twice" { 1 } else { 0 };
            assert_eq!(line + distance, wrong_line, "{command} with {kind}: {message}");
            assert!(column >= 1 && message.len() > 40, "{command} with {kind}: {message}");
            assert!(!message.contains("hunter2"), "{command} with {kind} shows the secret: {message}");
        }
    }
}

#[test]
fn a_configuration_that_is_not_there_is_wrong_usage() {
    let (code, message) = callbox("run", Path::new("/nonexistent/callbox.toml"));
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("/nonexistent/callbox.toml"), "{message}");
}

#[test]
fn sounds_that_cannot_be_played_are_all_named_by_the_check() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("callbox.toml");
    fs::write(folder.path().join("song.wav"), "ID3, as an MP3 begins").unwrap();
    fs::write(folder.path().join("nothing.wav"), "").unwrap();
    let sounds = "[tones]\nring = \"wav:song.wav\"\nbusy = \"wav:nothing.wav\"\n\
                  [announcements]\nlocation = \"wav:missing.wav\"\n";
    let text = format!("{}\n{sounds}", good(folder.path()));
    fs::write(&file, &text).unwrap();
    let (code, message) = callbox("check", &file);
    assert_eq!(code, 2, "{message}");
    for (key, cure) in [
        ("ring = \"wav:song.wav\"", "ffmpeg -i FILE"),
        ("busy = \"wav:nothing.wav\"", "ffmpeg -i FILE"),
        ("location = \"wav:missing.wav\"", "name a WAV file"),
    ] {
        let line = text.lines().position(|line| line == key).unwrap() + 1;
        let column = key.find('"').unwrap() + 1;
        let place = format!("{}:{line}:{column}: ", file.display());
        let said = message.lines().find(|said| said.starts_with(&place));
        let said = said.unwrap_or_else(|| panic!("nothing at {place} in\n{message}"));
        let name = key.split(':').nth(1).unwrap().trim_end_matches('"');
        assert!(said.contains(name) && said.contains(cure), "{said}");
    }
}
