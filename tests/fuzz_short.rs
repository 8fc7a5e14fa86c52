//! Strangers choose the bytes that come in by the core's stream, a call's port,
//! the panel, the control socket, a configuration's text and a sound's file. None
//! may end the box, open a door or fill the memory. This is the short run: every
//! committed input, then seconds of blind mutations of them for each target. The
//! long one, led by coverage, is `make fuzz`.
//!
//! `FUZZ_SECONDS=30` gives each target more time, `FUZZ_SEED=n` draws the same
//! mutations again, `FUZZ_TARGET=sdp` runs one target alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "some of it is for the long run and the seeds only")]
#[path = "fuzz/src/lib.rs"]
mod fuzz;

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fuzz::{TARGETS, Target};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// For each target; a hundredth of what `make fuzz` gives in one turn.
const SECONDS: f64 = 1.5;

/// An input longer than this was never worth its time.
const LONGEST: usize = 16 * 1024;

#[test]
fn no_committed_input_and_no_mutation_of_one_breaks_a_promise() {
    let seconds = env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let seed = env::var("FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    let only = env::var("FUZZ_TARGET").ok();
    println!("FUZZ_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for (name, target) in
        TARGETS.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name))
    {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has no corpus");
        for (file, input) in &corpus {
            attempt(name, target, input, &file.display().to_string());
        }
        let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
        let words = words(name);
        let (begin, mut runs) = (Instant::now(), 0);
        while begin.elapsed() < Duration::from_secs_f64(seconds) {
            let input = mutated(&inputs, &words, &mut random);
            attempt(name, target, &input, &format!("mutation {runs} of FUZZ_SEED={seed}"));
            runs += 1;
        }
        println!("{name}: {} committed inputs, {runs} mutations", inputs.len());
        assert!(runs > 20, "{name} had only {runs} runs in {seconds} s");
    }
    fs::remove_dir_all(fuzz::terminal::folder()).unwrap();
}

#[test]
fn every_target_has_its_door_for_the_long_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/fuzz_targets");
    let mut files: Vec<String> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, TARGETS.map(|(name, _)| name));
}

/// Runs a target; one that breaks leaves its input behind.
fn attempt(name: &str, target: Target, input: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
        fs::write(&kept, input).unwrap();
        panic!("{name} breaks with {what}, kept as {}", kept.display());
    }
}

/// The committed inputs of a target.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

/// A target's dictionary, in libFuzzer's form: a word in quotes a line, with `\xNN`.
fn words(name: &str) -> Vec<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fuzz/dictionaries/{name}.dict"));
    let text = fs::read_to_string(file).unwrap_or_default();
    let quoted = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    quoted.map(unescaped).collect()
}

fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let hex = rest.strip_prefix("\\x").and_then(|hex| u8::from_str_radix(hex.get(..2)?, 16).ok());
        let taken = match (hex, rest.strip_prefix('\\').and_then(|escaped| escaped.chars().next())) {
            (Some(byte), _) => {
                bytes.push(byte);
                4
            }
            (None, Some(escaped)) => {
                bytes.extend(escaped.to_string().bytes());
                1 + escaped.len_utf8()
            }
            (None, None) => {
                bytes.extend(first.to_string().bytes());
                first.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    bytes
}

/// One of the inputs, changed in one to eight places.
fn mutated(inputs: &[Vec<u8>], words: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut input = inputs[random.random_range(0..inputs.len())].clone();
    for _ in 0..random.random_range(1..=8) {
        let at = random.random_range(0..=input.len());
        let piece = at..(at + random.random_range(0..64)).min(input.len());
        match random.random_range(0..7) {
            0 => input.insert(at, random.random()),
            1 => drop(input.drain(piece)),
            2 => drop(input.splice(at..at, input[piece].to_vec())),
            3 if !words.is_empty() => {
                let word = &words[random.random_range(0..words.len())];
                drop(input.splice(at..at, word.iter().copied()));
            }
            4 => {
                // From here on another one.
                let other = &inputs[random.random_range(0..inputs.len())];
                let from = random.random_range(0..=other.len());
                input.truncate(at);
                input.extend(&other[from..]);
            }
            5 => input[piece].fill(if random.random() { 0xff } else { 0 }),
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.random_range(0..8);
                }
            }
        }
        input.truncate(LONGEST);
    }
    input
}
