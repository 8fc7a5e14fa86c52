//! The control socket is the operator's only hand on a box without a screen.
//! Whoever may open it may not be able to close it to others, by accident or
//! by leaving without a word, and nothing said to it may harm the box.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::appliance::{Appliance, Config};

/// A box that needs neither core nor sound card.
fn lone_box() -> Appliance {
    let config = Config {
        endpoint: "http://127.0.0.1:9".to_owned(),
        audio: ("synth:silence".to_owned(), "synth:silence".to_owned()),
        ..Config::bare()
    };
    let mut appliance = Appliance::start_with_environment(&config, &[]);
    appliance.wait_status(15, "answer on the control socket", |_| true);
    appliance
}

fn say(socket: &Path, bytes: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    // The other side may hang up before it has heard all.
    let _ = stream.write_all(bytes);
    stream
}

const FOLLOW: &[u8] = b"{\"request\":\"events\",\"follow\":true}\n";

#[test]
fn followers_that_left_without_a_word_take_no_place() {
    let mut appliance = lone_box();
    for _ in 0..100 {
        drop(say(&appliance.socket(), FOLLOW));
    }
    appliance.must(&["status"]);
    appliance.assert_alive();
}

#[test]
fn too_many_followers_are_told_so_and_the_box_can_still_be_asked() {
    let mut appliance = lone_box();
    let mut first_words: Vec<(UnixStream, String)> = (0..40)
        .map(|_| {
            let stream = say(&appliance.socket(), FOLLOW);
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            (stream, line)
        })
        .collect();
    let refused = first_words.iter().filter(|(_, line)| line.contains("\"refused\"")).count();
    assert!((1..40).contains(&refused), "{refused} of 40 followers were refused");
    appliance.must(&["status"]);
    // The places of those who leave are free again.
    first_words.clear();
    let answer = support::wait_for(Duration::from_secs(10), "place for a follower", || {
        let mut line = String::new();
        BufReader::new(say(&appliance.socket(), FOLLOW)).read_line(&mut line).map_err(|e| e.to_string())?;
        if line.contains("\"event\"") { Ok(line) } else { Err(line) }
    });
    assert!(answer.contains("t_us"), "{answer}");
    appliance.assert_alive();
}

#[test]
fn nonsense_is_refused_with_words() {
    let mut appliance = lone_box();
    let long = [b"{\"request\":\"".as_slice(), &[b'x'; 1 << 20], b"\"}\n"].concat();
    let nonsense: [&[u8]; 6] = [
        b"\n",
        b"status\n",
        b"{\"request\":\"press\"}\n",
        b"{\"request\":\"do\",\"action\":{\"action\":\"open-everything\"}}\n",
        b"\xff\xfe\n",
        &long,
    ];
    for bytes in nonsense {
        let mut answer = String::new();
        // An answer, or the end of the connection: but no silence.
        let read = say(&appliance.socket(), bytes).read_to_string(&mut answer);
        assert!(read.is_ok() || !answer.contains("\"done\""), "{read:?} {answer}");
        assert!(answer.is_empty() || answer.contains("\"refused\""), "{answer}");
        appliance.must(&["status"]);
    }
    appliance.assert_alive();
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let appliance = lone_box();
    appliance.must(&["press", "call", "--for", "50"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_callbox"))
        .args(["events", "--follow", "--json", "--socket"])
        .arg(appliance.socket())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    assert!(first.contains("\"seq\":1"), "{first}");
    drop(stdout);
    appliance.must(&["press", "call", "--for", "50"]);
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words}");
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("callbox.toml");
    let board = "[auth]\nmethod = \"none\"\n[board]\nfile = \"desktop-mock\"\n";
    fs::write(&precious, board).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_callbox"))
        .args(["run", "--config"])
        .arg(&precious)
        .arg("--socket")
        .arg(&precious)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), board);
}

#[test]
fn digits_that_are_none_are_wrong_usage() {
    let appliance = lone_box();
    let output = Command::new(env!("CARGO_BIN_EXE_callbox"))
        .args(["dtmf", "12x", "--socket"])
        .arg(appliance.socket())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
