//! Ten minutes of speech without a repetition, and how well it was understood.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::process::run;
use crate::support::{cache, root};

/// Debian's asterisk-core-sounds-en-g722: 16 kHz, one woman's voice.
const SOUNDS: &str = "/usr/share/asterisk/sounds/en_US_f_Allison";

/// As long as a WAV file for the box's microphone may be.
const SECONDS: u32 = 590;

/// What `understood.py` found.
#[derive(Debug)]
pub struct Understood {
    /// Diener et al., Interspeech 2023: 1 to 5.
    pub plcmos: f64,
    /// ITU-T P.862.2: 1 to 4.6.
    pub pesq: f64,
    /// Taal et al. 2011: 0 to 1.
    pub stoi: f64,
}

impl fmt::Display for Understood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PLCMOS {:.2}, PESQ-WB {:.2}, STOI {:.2}", self.plcmos, self.pesq, self.stoi)
    }
}

/// The speech, 48 kHz mono.
pub fn ten_minutes() -> PathBuf {
    let wav = cache().join("speech-ten-minutes.wav");
    if wav.exists() {
        return wav;
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(SOUNDS)
        .unwrap_or_else(|e| panic!("{SOUNDS}: {e}: run `make setup`"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|end| end == "g722") && path.metadata().unwrap().len() > 12_000
        })
        .collect();
    files.sort();
    // G.722 has no header: one file after the other is one file.
    let joined = cache().join("speech-ten-minutes.g722");
    let mut all = Vec::new();
    for file in files {
        all.extend(std::fs::read(file).unwrap());
    }
    std::fs::write(&joined, all).unwrap();
    let part = cache().join("speech-ten-minutes.part.wav");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "g722", "-i"]).arg(&joined);
    command.args(["-af", "loudnorm=I=-26", "-t", &SECONDS.to_string(), "-ar", "48000", "-ac", "1"]);
    run(command.args(["-c:a", "pcm_s16le"]).arg(&part)).unwrap_or_else(|e| panic!("{e}"));
    std::fs::rename(&part, &wav).unwrap();
    wav
}

/// How well a recording of it can be understood.
pub fn understood(heard: &Path) -> Understood {
    let python = root().join(".cache/venv-faults/bin/python");
    let mut command = Command::new(&python);
    command.env("OMP_NUM_THREADS", "1").env("OPENBLAS_NUM_THREADS", "1");
    command.arg(root().join("tests/faults/understood.py")).arg(ten_minutes()).arg(heard);
    let text = run(&mut command).unwrap_or_else(|e| panic!("{e}: `make test-faults` installs what it needs"));
    let found: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let figure = |name: &str| found[name].as_f64().unwrap();
    Understood { plcmos: figure("plcmos"), pesq: figure("pesq"), stoi: figure("stoi") }
}
