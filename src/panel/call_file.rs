//! Calls that are over, in a file: the history survives a restart.
//!
//! A line of JSON a call is added at its end, so a card is written to once a
//! call and a plug that is pulled costs the last line at most. A file that has
//! grown to twice what is kept is written anew.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::calls::{Call, KEPT};
use super::file::replace;

/// Twice the calls that are kept, each with all its steps, is less.
const LARGEST: u64 = 4 << 20;

/// Calls that wait for a slow card.
const QUEUE: usize = 16;

/// The calls of earlier runs, the oldest first; a line that cannot be read is left out.
pub fn load(path: &Path) -> VecDeque<Call> {
    let text = match tail(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return VecDeque::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the history of calls cannot be read");
            return VecDeque::new();
        }
    };
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(KEPT)..).unwrap_or_default();
    let calls: VecDeque<Call> = last.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if calls.len() < last.len() {
        let lost = last.len() - calls.len();
        tracing::warn!(path = %path.display(), lost, "calls of the history cannot be read");
    }
    if lines.len() > 2 * KEPT || calls.len() < last.len() {
        let all: String = calls.iter().filter_map(line).collect();
        if let Err(error) = replace(path, &path.with_extension("next"), 0o600, all.as_bytes()) {
            tracing::warn!(path = %path.display(), %error, "the history of calls cannot be written anew");
        }
    }
    calls
}

/// Where to send calls that are over. They are written one after the other;
/// ones for which a slow card has no time are left out.
pub fn keep(path: PathBuf) -> mpsc::Sender<Call> {
    let (over, mut calls) = mpsc::channel::<Call>(QUEUE);
    tokio::spawn(async move {
        let mut well = true;
        while let Some(call) = calls.recv().await {
            let path = path.clone();
            let written = tokio::task::spawn_blocking(move || add(&path, &call)).await;
            let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
            if let (Err(error), true) = (&written, well) {
                tracing::warn!(%error, "the history of calls will not survive a restart");
            }
            well = written.is_ok();
        }
    });
    over
}

fn add(path: &Path, call: &Call) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Whom people called is not for everybody's eyes.
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(line(call).unwrap_or_default().as_bytes())?;
    file.sync_data()
}

fn line(call: &Call) -> Option<String> {
    serde_json::to_string(call).ok().map(|text| text + "\n")
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LARGEST)))?;
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::calls::Direction;

    fn call(n: usize) -> Call {
        Call {
            call_id: n.to_string().as_str().into(),
            direction: Direction::Incoming,
            peer: Some("+4722222222".to_owned()),
            time: "2026-11-22T18:00:00Z".to_owned(),
            answered: true,
            result: Some("hung up here".to_owned()),
            lasted_ms: 1.5,
            talked_ms: 0.0,
            press_to_offer_ms: None,
            press_to_first_audio_ms: None,
            quality: None,
            steps: Vec::new(),
            origin_us: 0,
            began_us: 0,
            in_call_us: None,
            pressed: false,
        }
    }

    fn ids(calls: &VecDeque<Call>) -> Vec<&str> {
        calls.iter().map(|call| call.call_id.0.as_str()).collect()
    }

    #[test]
    fn the_last_calls_come_back_and_the_file_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("panel/calls.jsonl");
        assert_eq!(load(&path).len(), 0);
        for n in 0..2 * KEPT + 1 {
            add(&path, &call(n)).unwrap();
        }
        let calls = load(&path);
        assert_eq!((calls.len(), ids(&calls)[KEPT - 1]), (KEPT, (2 * KEPT).to_string().as_str()));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), KEPT, "it was not written anew");
        assert_eq!(ids(&load(&path)), ids(&calls));
    }

    #[test]
    fn a_line_that_was_cut_off_or_rotted_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.jsonl");
        add(&path, &call(1)).unwrap();
        let whole = line(&call(2)).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"\xff\xfe rot\n").unwrap();
        file.write_all(&whole.as_bytes()[..whole.len() / 2]).unwrap();
        assert_eq!(ids(&load(&path)), ["1"]);
        // What comes next does not go on in the broken line.
        add(&path, &call(3)).unwrap();
        assert_eq!(ids(&load(&path)), ["1", "3"]);
    }
}
