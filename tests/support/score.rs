//! How much of what was said was heard: STOI (Taal et al. 2011) after alignment.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::process::run;
use super::root;

/// What `score.py` found.
#[derive(Debug)]
pub struct Score {
    /// Short-time objective intelligibility, 0 to 1.
    pub stoi: f64,
    /// Where in the recording the speech begins, milliseconds.
    pub delay_ms: f64,
    /// Level of the recording over that of the reference, dB.
    pub gain_db: f64,
}

/// Finds `reference` in `recording` and compares them.
pub fn score(reference: &Path, recording: &Path) -> Score {
    let json = python(&["score"], &[reference, recording]);
    let number = |name: &str| json[name].as_f64().unwrap_or_else(|| panic!("no {name} in {json}"));
    Score { stoi: number("stoi"), delay_ms: number("delay_ms"), gain_db: number("gain_db") }
}

/// Level of one frequency in a recording, dB relative to full scale, and the
/// level of everything else; both over the loudest second.
pub fn tone_level(recording: &Path, hertz: u32) -> (f64, f64) {
    let json = python(&["tone", &hertz.to_string()], &[recording]);
    (json["tone_db"].as_f64().unwrap(), json["rest_db"].as_f64().unwrap())
}

fn python(arguments: &[&str], files: &[&Path]) -> Value {
    let python = root().join(".cache/venv/bin/python");
    assert!(python.exists(), "{} is missing: run `make setup`", python.display());
    let text =
        run(Command::new(python).arg(root().join("tests/support/score.py")).args(arguments).args(files))
            .unwrap_or_else(|e| panic!("{e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("score.py said {text:?}: {e}"))
}
