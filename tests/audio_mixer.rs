//! Who hears whom. A person at the door must hear tones over a call, nobody
//! may hear the microphone that should not, and nothing may click.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audio_support;

use std::f64::consts::TAU;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use audio_support::{engine, level_at, level_db, read_wav, settings, wait, wait_meters};
use callbox::appliance::command::Role;
use callbox::appliance::id::PeerId;
use callbox::appliance::tone::Tone;
use callbox::audio::{AudioEngine, Frame, Leg};

const LONG: Duration = Duration::from_secs(20);

/// A call whose far end sings.
#[derive(Default)]
struct Singer {
    hertz: f64,
    sung: u64,
    /// Frames of sound and of silence from the microphone.
    sound: Arc<AtomicU64>,
    silence: Arc<AtomicU64>,
    /// The thread on which the leg was dropped.
    dropped_on: Arc<Mutex<Option<String>>>,
}

impl Leg for Singer {
    fn near_end(&mut self, frame: &Frame, _now: Instant) {
        let count = if frame.iter().any(|&sample| sample != 0) { &self.sound } else { &self.silence };
        count.fetch_add(1, Relaxed);
    }

    fn far_end(&mut self, frame: &mut Frame, _now: Instant) {
        for sample in frame {
            *sample = ((self.sung as f64 * self.hertz / 48_000.0 * TAU).sin() * 8230.0) as i16;
            self.sung += 1;
        }
    }
}

impl Drop for Singer {
    fn drop(&mut self) {
        *self.dropped_on.lock().unwrap() = Some(thread::current().name().unwrap_or_default().to_owned());
    }
}

fn singer(hertz: f64) -> Box<Singer> {
    let mut singer = Singer::default();
    singer.hertz = hertz;
    Box::new(singer)
}

fn recording_engine(path: &Path) -> AudioEngine {
    let (engine, _faults) = engine(settings("synth:tone=1000", &format!("wav:{}", path.display())));
    wait_meters(&engine, LONG, "both run", |m| m.capture.periods > 5 && m.playback.periods > 5);
    engine
}

fn rest(engine: &AudioEngine, periods: u64) {
    let until = engine.meters().playback.periods + periods;
    wait_meters(engine, LONG, "time passes", |m| m.playback.periods >= until);
}

#[test]
fn a_tone_is_heard_over_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let engine = recording_engine(&path);
    engine.attach(PeerId(1), singer(300.0));
    engine.connect(&[(PeerId(1), Role::Talk)]);
    engine.tone(Some(Tone::Ringback));
    rest(&engine, 200);
    engine.stop();
    let heard = read_wav(&path);
    // 200 ms with both in them: 60 periods of one, 85 of the other.
    let both = heard
        .chunks_exact(9600)
        .any(|part| (level_at(part, 300.0) + 12.0).abs() < 0.3 && (level_at(part, 425.0) + 18.0).abs() < 0.3);
    assert!(both, "no 200 ms with call and tone in full");
    let call_alone =
        heard.chunks_exact(9600).any(|part| level_at(part, 425.0) < -50.0 && level_at(part, 300.0) > -12.3);
    assert!(call_alone, "the ringback's pause was not heard");
}

#[test]
fn only_the_connected_leg_gets_the_microphone() {
    let folder = tempfile::tempdir().unwrap();
    let engine = recording_engine(&folder.path().join("heard.wav"));
    let (one, two) = (Singer::default(), Singer::default());
    let sound = [one.sound.clone(), two.sound.clone()];
    let silence = [one.silence.clone(), two.silence.clone()];
    let dropped_on = one.dropped_on.clone();
    let heard = |who: usize| sound[who].load(Relaxed);
    engine.attach(PeerId(1), Box::new(one));
    engine.attach(PeerId(2), Box::new(two));
    rest(&engine, 20);
    assert_eq!((heard(0), heard(1)), (0, 0), "nobody is connected");

    engine.connect(&[(PeerId(1), Role::Talk)]);
    wait(LONG, "the first hears", || heard(0) > 20);
    assert_eq!(heard(1), 0);

    engine.mute(true);
    rest(&engine, 5);
    let before = (heard(0), silence[0].load(Relaxed));
    wait(LONG, "the first hears silence", || silence[0].load(Relaxed) > before.1 + 20);
    assert_eq!(heard(0), before.0, "muted, and still heard");
    engine.mute(false);
    wait(LONG, "the first hears again", || heard(0) > before.0 + 20);

    engine.connect(&[(PeerId(2), Role::Talk)]);
    wait(LONG, "the second hears", || heard(1) > 20);
    let before = heard(0);
    rest(&engine, 20);
    assert_eq!(heard(0), before, "no longer connected, and still heard");

    engine.detach(PeerId(1));
    wait(LONG, "the leg is dropped", || dropped_on.lock().unwrap().is_some());
    assert_eq!(dropped_on.lock().unwrap().as_deref(), Some("audio-tidy"), "dropped on a real-time thread");
    engine.stop();
}

#[test]
fn nothing_clicks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let engine = recording_engine(&path);
    for round in 0..8 {
        let (one, two) = (PeerId(2 * round), PeerId(2 * round + 1));
        engine.attach(one, singer(300.0));
        engine.attach(two, singer(310.0));
        engine.connect(&[(one, Role::Talk)]);
        rest(&engine, 5);
        engine.tone(Some(Tone::Press));
        engine.tone(Some(Tone::Busy));
        rest(&engine, 9);
        engine.connect(&[(two, Role::Talk)]);
        rest(&engine, 4);
        engine.tone(Some(Tone::Error));
        rest(&engine, 3);
        engine.tone(None);
        rest(&engine, 2);
        engine.detach(two);
        engine.connect(&[]);
        engine.detach(one);
        rest(&engine, 3);
    }
    let lost = engine.meters().playback.lost_frames as usize;
    engine.stop();
    let heard = read_wav(&path);
    assert!(heard.iter().any(|sample| sample.unsigned_abs() > 8000), "the call was heard");
    // The steepest of a 310 Hz sine at -12 dBFS (334 a sample), a 1 kHz blip at
    // -18 dBFS (540), their ramps (34 and 29) and a second tone's end (230).
    let clicks =
        heard.windows(2).filter(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs() > 1200).count();
    // On a loaded machine a frame may be missing, which has two edges.
    assert!(clicks <= 2 * lost, "{clicks} clicks with {lost} frames lost");
}

#[test]
fn a_press_is_heard_to_its_end_and_then_the_next_tone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let engine = recording_engine(&path);
    engine.tone(Some(Tone::Press));
    engine.tone(Some(Tone::Congestion));
    rest(&engine, 40);
    engine.stop();
    let heard = read_wav(&path);
    let first = heard.iter().position(|&sample| sample != 0).unwrap();
    let blip = &heard[first + 240..first + 240 + 1920];
    assert!((level_at(blip, 1000.0) + 18.0).abs() < 0.5, "{} dBFS", level_at(blip, 1000.0));
    let next = &heard[first + 3360..first + 3360 + 4800];
    assert!((level_at(next, 425.0) + 18.0).abs() < 0.5, "{} dBFS", level_at(next, 425.0));
    assert!(level_db(next) < -17.0);
}

/// A call whose decoder is broken.
struct Broken;

impl Leg for Broken {
    fn near_end(&mut self, _frame: &Frame, _now: Instant) {}

    fn far_end(&mut self, _frame: &mut Frame, _now: Instant) {
        panic!("this panic is part of the test");
    }
}

#[test]
fn a_leg_that_panics_is_taken_out_and_the_next_call_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let engine = recording_engine(&path);
    engine.attach(PeerId(1), Box::new(Broken));
    engine.connect(&[(PeerId(1), Role::Talk)]);
    wait_meters(&engine, LONG, "the panic is counted", |m| m.leg_panics == 1);
    engine.attach(PeerId(2), singer(300.0));
    engine.connect(&[(PeerId(2), Role::Talk)]);
    rest(&engine, 30);
    wait_meters(&engine, LONG, "the next call is heard", |m| m.playback.level_db > -14.0);
    assert_eq!(engine.meters().leg_panics, 1);
    engine.stop();
}

#[test]
fn levels_and_the_moment_of_the_first_sound_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let engine = recording_engine(&folder.path().join("heard.wav"));
    wait_meters(&engine, LONG, "the microphone's level", |m| (m.capture.level_db + 18.0).abs() < 0.2);
    let meters = engine.meters();
    assert_eq!((meters.last_sound, meters.playback.level_db), (None, -120.0));

    for _ in 0..2 {
        rest(&engine, 30);
        let before = Instant::now();
        engine.tone(Some(Tone::Ringback));
        wait_meters(&engine, LONG, "the tone's level", |m| (m.playback.level_db + 18.0).abs() < 0.2);
        let first = engine.meters().last_sound.unwrap();
        assert!(first >= before && first < Instant::now());
        engine.tone(None);
        wait_meters(&engine, LONG, "silence", |m| m.playback.level_db < -60.0);
        assert_eq!(engine.meters().last_sound, Some(first), "silence is no sound");
    }
    engine.stop();
}
