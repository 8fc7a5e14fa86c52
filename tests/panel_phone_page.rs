//! What a newcomer does with `callbox demo`, in a real browser: the drawn
//! button is pressed in one tab, the call answered in another, the door opened
//! with the keypad, the call handed over to a second phone. Sound counts only
//! as heard where the words of the one side arrive at the other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::process::{Process, run};
use support::score::score;
use support::{root, speech, wait_for};
use tempfile::TempDir;

/// The second phone's microphone hears this, Hz: whose sound it is must be plain.
const TONE: u32 = 1000;

/// STOI of words that came over one coding and a busy machine; the best is 1.
const UNDERSTOOD: f64 = 0.85;

/// Bytes of all files of the phone's page.
const HEAVIEST: u64 = 50 * 1000;

struct Demo {
    process: Process,
    folder: TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbox"));
        command
            .args([
                "demo",
                "--serve",
                "--no-sound-card",
                "--panel",
                "127.0.0.1:0",
                "--browser",
                "127.0.0.1:0",
            ])
            .arg("--speech")
            .arg(speech::few_words())
            .arg("--recording")
            .arg(folder.path().join("loudspeaker.wav"))
            .env("CALLBOX_SOCKET", folder.path().join("control.sock"));
        let process = Process::start("demo", command, folder.path());
        Self { process, folder }
    }

    /// The address that it prints behind this word.
    fn address(&mut self, what: &str) -> String {
        wait_for(Duration::from_secs(20), &format!("address of the {what}"), || {
            self.process.assert_alive();
            let lines = self.process.lines();
            let found = lines.iter().find_map(|line| line.strip_prefix(what)).map(str::trim);
            found.map(str::to_owned).ok_or_else(|| lines.join("\n"))
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The greatest share that one frequency has in the power of half a second of
/// this recording, silence aside. No speech comes near one.
fn purest(recording: &Path, hertz: u32) -> f64 {
    let mut reader = hound::WavReader::open(recording).unwrap();
    let rate = f64::from(reader.spec().sample_rate);
    let samples: Vec<f64> = reader.samples::<i16>().map(|s| f64::from(s.unwrap()) / 32_768.0).collect();
    let share = |part: &[f64]| {
        let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
        for (n, x) in part.iter().enumerate() {
            let phase = TAU * f64::from(hertz) * n as f64 / rate;
            (re, im, power) = (re + x * phase.cos(), im + x * phase.sin(), power + x * x);
        }
        let mean = power / part.len() as f64;
        // Softer than -30 dBFS is not what the phone says.
        if mean < 1e-3 { 0.0 } else { 2.0 * (re * re + im * im) / (power * part.len() as f64) }
    };
    samples.chunks_exact((rate / 2.0) as usize).map(share).fold(0.0, f64::max)
}

/// What a page recorded, as WAV.
fn wav(recorded: &Path) -> PathBuf {
    let wav = recorded.with_extension("wav");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-i"]).arg(recorded).args(["-ar", "48000", "-ac", "1"]);
    run(command.arg(&wav)).unwrap_or_else(|e| panic!("{e}"));
    wav
}

/// Pictures for the documents go to `CALLBOX_PICTURES`; `src/panel/pictures` keeps them.
fn pictures() -> PathBuf {
    let folder = std::env::var_os("CALLBOX_PICTURES")
        .map_or_else(|| support::cache().join("pictures"), |to| root().join(to));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_newcomer_presses_in_one_tab_and_answers_in_another() {
    let mut demo = Demo::start();
    let (panel, phone) = (demo.address("panel "), demo.address("phone "));
    let pictures = pictures();
    let output = run(Command::new("node")
        .arg(root().join("tests/support/page/demo.mjs"))
        .args([&panel, &phone])
        .args([&pictures, demo.folder.path()])
        .args([speech::poche_parole(), speech::tone(TONE, 10)]));
    let seen: Value = serde_json::from_str(&output.unwrap_or_else(|e| panic!("{e}"))).unwrap();
    println!("{seen}");
    demo.process.assert_alive();
    demo.process.stop();

    assert_eq!(seen["troubles"], Value::Array(vec![]), "{seen}");
    assert_eq!(seen["axe"], Value::Array(vec![]), "serious faults for people who cannot see, hear or point");
    assert!(seen["overflow"].as_array().unwrap().iter().all(|more| more.as_i64() <= Some(0)), "{seen}");
    let bytes = seen["bytes"].as_u64().unwrap();
    assert!((5_000..=HEAVIEST).contains(&bytes), "the page weighs {bytes} bytes");
    for picture in ["phone-ringing", "phone", "phone-dark", "door"] {
        assert!(pictures.join(format!("{picture}.png")).metadata().unwrap().len() > 10_000, "{picture}");
    }

    // Each side's words at the other side.
    let loudspeaker = demo.file("loudspeaker.wav");
    for (who, words, heard) in [
        ("the first phone", speech::few_words(), wav(&demo.file("first.webm"))),
        ("the box", speech::poche_parole(), loudspeaker.clone()),
        ("the second phone", speech::few_words(), wav(&demo.file("second.webm"))),
    ] {
        let score = score(&words, &heard);
        println!("{who} heard: {score:?}");
        assert!(score.stoi >= UNDERSTOOD, "{who} heard: {score:?}");
    }
    // Handed over, the box heard the second phone.
    let share = purest(&loudspeaker, TONE);
    println!("the second phone's tone at the box: {share:.3} of the sound of its purest half second");
    assert!(share > 0.9, "{share:.3}");

    assert_eq!(seen["caller"], "It wants +4711111111.");
    assert_eq!(seen["codec"], "opus");
    assert!(seen["verdict"] == "good" || seen["verdict"] == "fair", "{seen}");
    assert_eq!(seen["handed"], "Phone 1 hands you a call");
    assert_eq!(seen["moved"], "Last call: handed over to Kitchen.");
    assert_eq!(seen["call"], "in call with +4711111111");
    let refused = seen["refused"].as_str().unwrap();
    assert!(refused.contains("callbox.toml:3:8: ") && refused.contains("pipe"), "{refused}");
    assert_eq!(seen["changed"], true);
}
