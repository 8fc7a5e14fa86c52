//! The box's own sounds from files. People record them with a telephone, name
//! an MP3 "ring.wav" or copy half a file; a box on a wall must then play what
//! it has built in, say what is wrong, and neither stop, roar nor crackle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audio_support;

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use audio_support::{engine, level_at, level_db, raised, read_wav, settings, wait, wait_meters};
use callbox::appliance::command::{Clip, Listener, Role};
use callbox::appliance::fault::Fault;
use callbox::appliance::id::PeerId;
use callbox::appliance::tone::Tone;
use callbox::audio::sound_file::{LONGEST_SOUND, Unplayable, read};
use callbox::audio::{AudioEngine, AudioSettings, Frame, Leg};
use hound::{SampleFormat, WavSpec, WavWriter};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const LONG: Duration = Duration::from_secs(20);

fn spec(sample_rate: u32, channels: u16, bits_per_sample: u16) -> WavSpec {
    let sample_format = if bits_per_sample == 32 { SampleFormat::Float } else { SampleFormat::Int };
    WavSpec { channels, sample_rate, bits_per_sample, sample_format }
}

/// A sine at full scale, which begins and ends at its crest: a click if nobody takes care.
fn crest(path: &Path, spec: WavSpec, hertz: f64, ms: u32) {
    let mut file = WavWriter::create(path, spec).unwrap();
    for n in 0..spec.sample_rate * ms / 1000 {
        let value = (TAU * f64::from(n) * hertz / f64::from(spec.sample_rate)).cos();
        for _ in 0..spec.channels {
            match spec.sample_format {
                SampleFormat::Float => file.write_sample(value as f32).unwrap(),
                SampleFormat::Int => {
                    let full = f64::from((1_u32 << (spec.bits_per_sample - 1)) - 1);
                    file.write_sample((value * full) as i32).unwrap();
                }
            }
        }
    }
    file.finalize().unwrap();
}

/// The largest part of a sound that a sine of `hertz` cannot have: the second
/// difference, less what the sine at `peak` has of it. In dB of full scale.
fn click_db(sound: &[i16], hertz: f64, peak: f64) -> f64 {
    let smooth = (TAU * hertz / 48_000.0).powi(2) * peak;
    let bend = |w: &[i16]| (f64::from(w[2]) - 2.0 * f64::from(w[1]) + f64::from(w[0])).abs() / 32_768.0;
    let most = sound.windows(3).map(bend).fold(0.0, f64::max);
    20.0 * (most - smooth).max(1e-6).log10()
}

#[test]
fn every_kind_of_wav_file_is_read_or_refused_with_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound.wav");
    for (rate, channels, bits) in [
        (8_000, 1, 8),
        (44_100, 2, 24),
        (48_000, 6, 16),
        (192_000, 2, 16),
        (192_000, 6, 24),
        (16_000, 1, 32),
        (11_025, 8, 8),
    ] {
        crest(&path, spec(rate, channels, bits), 400.0, 500);
        let sound =
            read(&path, LONGEST_SOUND).unwrap_or_else(|error| panic!("{rate} {channels} {bits}: {error}"));
        assert!(sound.len().abs_diff(24_000) < 50, "{rate} {channels} {bits}: {} samples", sound.len());
        let middle: Vec<i16> = sound[4800..19_200].iter().map(|s| (s * 32_000.0) as i16).collect();
        assert!((level_at(&middle, 400.0) + 0.2).abs() < 0.3, "{rate} {channels} {bits}");
    }

    // A header of 44 bytes.
    crest(&path, spec(16_000, 1, 16), 400.0, 500);
    let whole = std::fs::read(&path).unwrap();
    let bad = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = read(&path, LONGEST_SOUND).err().unwrap_or_else(|| panic!("{name} was read"));
        assert!(error.to_string().contains(name) && !error.why.cure().is_empty(), "{error}");
        error.why
    };
    assert_eq!(bad("half.wav", &whole[..whole.len() / 2]), Unplayable::Truncated);
    assert!(matches!(bad("stub.wav", &whole[..30]), Unplayable::NotWav(_)));
    assert!(matches!(bad("nothing.wav", b""), Unplayable::NotWav(_)));
    assert!(matches!(
        bad("song.wav", b"ID3\x03\x00\x00\x00\x00\x0f\x76TIT2 an MP3 in disguise, and more of it"),
        Unplayable::NotWav(_)
    ));
    let mut mp3 = whole.clone();
    mp3[20] = 0x55;
    assert!(matches!(bad("mp3-in-wav.wav", &mp3), Unplayable::Unsupported(_) | Unplayable::NotWav(_)));
    let mut endless = whole.clone();
    endless[40..44].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
    assert!(matches!(bad("streamed.wav", &endless), Unplayable::TooLong(..) | Unplayable::NotWav(_)));

    crest(&path, spec(48_000, 1, 16), 400.0, 0);
    assert_eq!(read(&path, LONGEST_SOUND).unwrap_err().why, Unplayable::Empty);
    crest(&path, spec(8_000, 1, 8), 400.0, 61_000);
    assert_eq!(read(&path, LONGEST_SOUND).unwrap_err().why, Unplayable::TooLong(61, 60));
    let mut file = WavWriter::create(&path, spec(48_000, 1, 32)).unwrap();
    file.write_sample(f32::NAN).unwrap();
    file.finalize().unwrap();
    assert_eq!(read(&path, LONGEST_SOUND).unwrap_err().why, Unplayable::NotNumbers);
    for no_file in [folder.path().join("missing.wav"), folder.path().to_owned(), PathBuf::from("/dev/zero")] {
        let why = read(&no_file, LONGEST_SOUND).unwrap_err().why;
        assert!(matches!(why, Unplayable::Unreadable(_)), "{no_file:?}: {why}");
    }
}

/// Found by the fuzz target `sound`: every sample is a number, and the resampler's sums of them are none.
#[test]
fn samples_far_beyond_full_scale_are_cut_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loud.wav");
    let mut file = WavWriter::create(&path, spec(44_100, 1, 32)).unwrap();
    for n in 0..4_410 {
        file.write_sample(if n / 20 % 2 == 0 { f32::MAX } else { f32::MIN }).unwrap();
    }
    file.finalize().unwrap();
    let sound = read(&path, LONGEST_SOUND).unwrap();
    assert!(sound.len() > 4_000, "{} samples", sound.len());
    // A square wave has overshoots where its edges are made smooth.
    let peak = sound.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!((0.9..1.5).contains(&peak), "{peak}");
    assert!(sound.iter().all(|sample| sample.is_finite()));
}

#[test]
fn no_damaged_header_makes_the_program_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.wav");
    let seed: u64 = std::env::var("CALLBOX_SEED").map_or(20_261_122, |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut played = 0;
    for round in 0..1000 {
        if round % 250 == 0 {
            let kinds = [(8_000, 1, 8), (44_100, 2, 24), (48_000, 6, 16), (48_000, 1, 32)];
            let (rate, channels, bits) = kinds[round / 250];
            crest(&path, spec(rate, channels, bits), 400.0, 20);
        }
        let good = std::fs::read(&path).unwrap();
        let mut bytes = good.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..bytes.len().min(80));
            bytes[at] = *[0, 1, 0x7f, 0x80, 0xff, random.random()].get(random.random_range(0..6)).unwrap();
        }
        let damaged = folder.path().join("one.wav");
        std::fs::write(&damaged, &bytes).unwrap();
        if let Ok(sound) = read(&damaged, LONGEST_SOUND) {
            assert!(sound.iter().all(|s| s.is_finite()), "round {round}");
            played += 1;
        }
    }
    assert!(
        (100..2900).contains(&played),
        "{played} of 3000 could be played: the test damages the wrong bytes"
    );
}

fn with_files(tones: &[(Tone, &Path)], clips: &[(Clip, &Path)], heard: &Path) -> AudioSettings {
    let owned = |path: &Path| path.to_owned();
    AudioSettings {
        tone_files: tones.iter().map(|(tone, path)| (*tone, owned(path))).collect(),
        clip_files: clips.iter().map(|(clip, path)| (*clip, owned(path))).collect::<BTreeMap<_, _>>(),
        ..settings("synth:tone=1000", &format!("wav:{}", heard.display()))
    }
}

/// The names of this process's threads.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    tasks.flatten().filter_map(name).map(|name| name.trim().to_owned()).collect()
}

/// An engine that is up, its files read.
fn playing(settings: AudioSettings) -> AudioEngine {
    let (engine, _faults) = engine(settings);
    wait_meters(&engine, LONG, "both run", |m| m.capture.periods > 20 && m.playback.periods > 20);
    wait(LONG, "the files are read", || !threads().contains(&"audio-sounds".to_owned()));
    engine
}

fn rest(engine: &AudioEngine, periods: u64) {
    let until = engine.meters().playback.periods + periods;
    wait_meters(engine, LONG, "time passes", |m| m.playback.periods >= until);
}

#[test]
fn a_loud_file_rings_again_and_again_as_loud_as_the_ringer_and_without_a_click() {
    let folder = tempfile::tempdir().unwrap();
    let (file, heard) = (folder.path().join("ring.wav"), folder.path().join("heard.wav"));
    // 6 channels at 192 kHz, at full scale; it begins and ends with a step.
    crest(&file, spec(192_000, 6, 24), 500.0, 300);
    let engine = playing(with_files(&[(Tone::Ring, &file)], &[], &heard));
    engine.tone(Some(Tone::Ring));
    rest(&engine, 100);
    // Cut off in the middle, begun anew, and another in its place.
    engine.tone(None);
    rest(&engine, 5);
    engine.tone(Some(Tone::Ring));
    rest(&engine, 7);
    engine.tone(Some(Tone::Ring));
    rest(&engine, 7);
    engine.tone(None);
    rest(&engine, 20);
    engine.stop();
    let heard = read_wav(&heard);
    let begin = heard.iter().position(|s| s.unsigned_abs() > 1000).expect("nothing rang");
    // The ringer's level is that of a sine at -9 dBFS.
    let level = level_at(&heard[begin + 2400..begin + 12_000], 500.0);
    assert!((level + 9.0).abs() < 0.5, "{level} dBFS");
    let again = level_at(&heard[begin + 3 * 14_400 / 2 + 2400..begin + 3 * 14_400 / 2 + 7200], 500.0);
    assert!(again > -10.0, "it rang once only: {again}");
    let peak = 10_f64.powf(-9.0 / 20.0);
    assert!(click_db(&heard, 500.0, peak) < -30.0, "a click of {} dBFS", click_db(&heard, 500.0, peak));
    assert!(heard[heard.len() - 2400..].iter().all(|s| *s == 0), "it goes on");
}

#[test]
fn a_file_that_cannot_be_played_is_a_fault_and_the_built_in_tone_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let (bad, heard) = (folder.path().join("ring.wav"), folder.path().join("heard.wav"));
    std::fs::write(&bad, "RIFF of nothing").unwrap();
    let missing = folder.path().join("gone.wav");
    let settings = with_files(&[(Tone::Busy, &bad)], &[(Clip::Offline, &missing)], &heard);
    let (engine, faults) = engine(settings);
    let (fault, detail) = raised(&faults, LONG);
    assert_eq!(fault, Fault::SoundFile, "{detail}");
    for words in ["ring.wav", "gone.wav", "no WAV file", "cannot be read", "built-in"] {
        assert!(detail.contains(words), "{words}: {detail}");
    }
    wait_meters(&engine, LONG, "it plays", |m| m.playback.periods > 5);
    engine.tone(Some(Tone::Busy));
    rest(&engine, 60);
    engine.tone(None);
    engine.announce(Some(Clip::Offline), Listener::Box);
    rest(&engine, 120);
    engine.stop();
    let heard = read_wav(&heard);
    let has = |hertz: f64, level: f64| {
        heard.chunks_exact(4800).any(|part| (level_at(part, hertz) - level).abs() < 0.7)
    };
    assert!(has(425.0, -18.0), "no busy tone");
    for note in [950.0, 1400.0, 1800.0] {
        assert!(has(note, -9.0), "no {note} Hz of the special information tone");
    }
}

/// A call whose far end listens.
#[derive(Default)]
struct Listening {
    heard: Arc<Mutex<Vec<i16>>>,
}

impl Leg for Listening {
    fn near_end(&mut self, frame: &Frame, _now: Instant) {
        self.heard.lock().unwrap().extend_from_slice(frame);
    }

    fn far_end(&mut self, frame: &mut Frame, _now: Instant) {
        frame.fill(0);
    }
}

fn listen(engine: &AudioEngine, peer: u64) -> impl Fn(&str, usize) -> Vec<i16> + use<> {
    let leg = Listening::default();
    let heard = leg.heard.clone();
    engine.attach(PeerId(peer), Box::new(leg));
    move |what, samples| {
        heard.lock().unwrap().clear();
        wait(LONG, what, || heard.lock().unwrap().len() >= samples);
        heard.lock().unwrap().clone()
    }
}

#[test]
fn a_callee_hears_the_place_and_then_the_question_until_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (place, asks) = (folder.path().join("place.wav"), folder.path().join("asks.wav"));
    crest(&place, spec(16_000, 1, 16), 600.0, 300);
    crest(&asks, spec(44_100, 2, 24), 800.0, 300);
    let clips: &[(Clip, &Path)] = &[(Clip::Location, &place), (Clip::Acknowledge, &asks)];
    let engine = playing(with_files(&[], clips, &folder.path().join("heard.wav")));
    let (first, second) = (listen(&engine, 1), listen(&engine, 2));
    engine.connect(&[(PeerId(1), Role::Hold), (PeerId(2), Role::Talk)]);
    rest(&engine, 10);
    let far = Listener::FarEnd(PeerId(1));
    engine.announce(Some(Clip::Acknowledge), far);
    // Once around: 300 ms, 300 ms and 1 s of silence.
    let heard = first("the announcement", 2 * 76_800);
    for hertz in [600.0, 800.0] {
        let parts = heard.chunks_exact(4800).filter(|part| level_at(part, hertz) > -18.0).count();
        assert!((2..=8).contains(&parts), "{hertz} Hz is heard for {parts} times 100 ms in two rounds");
    }
    let speech = heard.chunks_exact(4800).map(level_db).fold(f64::MIN, f64::max);
    assert!(
        (-18.0..-16.0).contains(&speech),
        "it is to be as loud as loud speech (a sine at -17 dBFS): {speech}"
    );
    assert!(heard.chunks_exact(4800).all(|part| level_at(part, 1000.0) < -45.0), "the microphone is heard");
    assert!(click_db(&heard, 800.0, 0.142) < -30.0, "a click of {} dBFS", click_db(&heard, 800.0, 0.142));
    let other = second("the call beside it", 9600);
    assert!(level_at(&other, 600.0) < -50.0 && level_at(&other, 800.0) < -50.0, "it is for one far end only");

    engine.announce(None, far);
    engine.connect(&[(PeerId(1), Role::Talk)]);
    rest(&engine, 10);
    let heard = first("the microphone", 96_000);
    assert!(
        heard.chunks_exact(4800).all(|part| level_at(part, 600.0) < -40.0 && level_at(part, 1000.0) > -19.0)
    );

    // Over a talk: once, with the microphone beneath it.
    engine.announce(Some(Clip::Location), far);
    let heard = first("the place over the talk", 96_000);
    let told = heard.chunks_exact(4800).filter(|part| level_at(part, 600.0) > -18.0).count();
    assert!((1..=4).contains(&told), "{told} times 100 ms");
    assert!(heard.chunks_exact(4800).all(|part| level_at(part, 1000.0) > -19.0), "the microphone was shut");
}

#[test]
fn without_files_a_callee_hears_three_notes_that_ask() {
    let folder = tempfile::tempdir().unwrap();
    let engine = playing(with_files(&[], &[], &folder.path().join("heard.wav")));
    let far = listen(&engine, 1);
    engine.connect(&[(PeerId(1), Role::Hold)]);
    rest(&engine, 5);
    engine.announce(Some(Clip::Acknowledge), Listener::FarEnd(PeerId(1)));
    let heard = far("the notes", 2 * 96_000);
    for note in [523.3, 659.3, 784.0] {
        let parts = heard.chunks_exact(2400).filter(|part| (level_at(part, note) + 18.0).abs() < 1.0).count();
        assert!(parts >= 2, "{note} Hz is heard {parts} times");
    }
    // A call that is over takes its announcement with it.
    engine.connect(&[]);
    rest(&engine, 5);
    engine.connect(&[(PeerId(1), Role::Hold)]);
    rest(&engine, 5);
    assert!(far("silence", 96_000).iter().all(|s| *s == 0));
}
