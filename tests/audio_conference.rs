//! Several calls at once. Who talks must hear all others who talk and never
//! itself, who is on hold must neither hear nor be heard, and three loud
//! voices together must not wrap around.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audio_support;

use std::f64::consts::TAU;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use audio_support::{engine, level_at, level_db, read_wav, settings, wait, wait_meters};
use callbox::appliance::command::Role;
use callbox::appliance::id::PeerId;
use callbox::audio::{AudioEngine, Frame, Leg};

const LONG: Duration = Duration::from_secs(20);

/// The microphone's tone, and its level in dBFS.
const MICROPHONE: f64 = 1_000.0;
const LEVEL: f64 = -18.0;

#[derive(Default)]
struct Log {
    /// What the far end was sent.
    heard: Mutex<Vec<i16>>,
    /// Frames fetched from it.
    fetched: AtomicU64,
}

/// A call whose far end sings, at [`LEVEL`] or as loud as can be.
struct Singer {
    hertz: f64,
    peak: f64,
    sung: u64,
    log: Arc<Log>,
}

impl Leg for Singer {
    fn near_end(&mut self, frame: &Frame, _now: Instant) {
        self.log.heard.lock().unwrap().extend_from_slice(frame);
    }

    fn far_end(&mut self, frame: &mut Frame, _now: Instant) {
        for sample in frame {
            *sample = ((self.sung as f64 * self.hertz / 48_000.0 * TAU).sin() * self.peak) as i16;
            self.sung += 1;
        }
        self.log.fetched.fetch_add(1, Relaxed);
    }
}

/// Frequencies of the far ends.
const SINGERS: [f64; 3] = [300.0, 500.0, 700.0];

struct Room {
    engine: AudioEngine,
    logs: Vec<Arc<Log>>,
}

impl Room {
    fn new(loudspeaker: &Path, peak: f64) -> Self {
        let playback = format!("wav:{}", loudspeaker.display());
        let (engine, _faults) = engine(settings(&format!("synth:tone={MICROPHONE}"), &playback));
        wait_meters(&engine, LONG, "both run", |m| m.capture.periods > 5 && m.playback.periods > 5);
        let logs: Vec<Arc<Log>> = SINGERS.iter().map(|_| Arc::default()).collect();
        for (n, hertz) in SINGERS.into_iter().enumerate() {
            let leg = Singer { hertz, peak, sung: 0, log: logs[n].clone() };
            engine.attach(PeerId(n as u64), Box::new(leg));
        }
        Self { engine, logs }
    }

    fn connect(&self, roles: &[Role]) {
        let legs: Vec<(PeerId, Role)> =
            roles.iter().enumerate().map(|(n, role)| (PeerId(n as u64), *role)).collect();
        self.engine.connect(&legs);
        self.rest(10);
    }

    fn rest(&self, periods: u64) {
        let until = self.engine.meters().playback.periods + periods;
        wait_meters(&self.engine, LONG, "time passes", |m| m.playback.periods >= until);
    }

    /// What a far end hears from now on: 100 ms in which nothing was late, if there are such soon.
    fn hears(&self, who: usize, all: impl Fn(&[i16]) -> bool) -> bool {
        self.logs[who].heard.lock().unwrap().clear();
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
            if self.logs[who].heard.lock().unwrap().chunks_exact(4_800).any(&all) {
                return true;
            }
        }
        false
    }
}

/// Whether of all tones exactly these are in the sound, in full.
fn exactly(sound: &[i16], tones: &[f64]) -> bool {
    SINGERS.into_iter().chain([MICROPHONE]).all(|hertz| {
        let level = level_at(sound, hertz);
        if tones.contains(&hertz) { (level - LEVEL).abs() < 0.5 } else { level < -60.0 }
    })
}

/// The peak of a sine at [`LEVEL`].
fn usual() -> f64 {
    32_767.0 * 10_f64.powf(LEVEL / 20.0)
}

#[test]
fn all_who_talk_hear_each_other_and_nobody_hears_himself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let room = Room::new(&path, usual());
    room.connect(&[Role::Talk; 3]);
    for (who, own) in SINGERS.into_iter().enumerate() {
        let others: Vec<f64> =
            SINGERS.into_iter().filter(|hertz| *hertz != own).chain([MICROPHONE]).collect();
        assert!(room.hears(who, |sound| exactly(sound, &others)), "{who} does not hear {others:?}");
    }
    // Mute is for the microphone alone.
    room.engine.mute(true);
    room.rest(10);
    assert!(room.hears(0, |sound| exactly(sound, &SINGERS[1..])), "mute silenced the others");
    room.engine.stop();
    let heard = read_wav(&path);
    assert!(heard.chunks_exact(4_800).any(|sound| exactly(sound, &SINGERS)), "not all are heard here");
}

#[test]
fn roles_decide_who_hears_whom() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let room = Room::new(&path, usual());
    room.connect(&[Role::Talk, Role::Listen, Role::Hold]);
    let silent = |sound: &[i16]| sound.iter().all(|sample| *sample == 0);
    assert!(room.hears(0, |sound| exactly(sound, &[MICROPHONE])), "who talks hears who only listens");
    for who in [1, 2] {
        assert!(room.hears(who, silent), "{who} should be sent silence");
        let log = &room.logs[who];
        assert!(log.heard.lock().unwrap().iter().all(|sample| *sample == 0), "{who} heard something");
        // Its jitter buffer must not fill up.
        let fetched = log.fetched.load(Relaxed);
        wait(LONG, "its sound is fetched", || log.fetched.load(Relaxed) > fetched + 10);
    }
    // Hold and swap, and back.
    room.connect(&[Role::Hold, Role::Hold, Role::Talk]);
    assert!(room.hears(2, |sound| exactly(sound, &[MICROPHONE])));
    assert!(room.hears(0, silent));
    room.connect(&[Role::Talk, Role::Talk]);
    assert!(room.hears(0, |sound| exactly(sound, &[SINGERS[1], MICROPHONE])));
    room.rest(5);
    let sent = room.logs[2].heard.lock().unwrap().len();
    room.rest(20);
    assert_eq!(room.logs[2].heard.lock().unwrap().len(), sent, "no longer connected, and still sent to");
    room.engine.stop();
    let heard = read_wav(&path);
    for tones in [&SINGERS[..2], &SINGERS[2..]] {
        assert!(heard.chunks_exact(4_800).any(|sound| exactly(sound, tones)), "{tones:?} not heard alone");
    }
}

#[test]
fn three_loud_voices_do_not_wrap() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let room = Room::new(&path, 32_767.0);
    room.connect(&[Role::Talk; 3]);
    room.rest(60);
    let lost = room.engine.meters().playback.lost_frames as usize;
    let sent = room.logs[0].heard.lock().unwrap().clone();
    room.engine.stop();
    // Three sines of up to 700 Hz at full scale climb by 6400 a sample; a wrap is a step of 65536.
    let steps = |sound: &[i16]| {
        sound.windows(2).filter(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs() > 12_000).count()
    };
    let heard = read_wav(&path);
    assert!(level_db(&heard[heard.len() / 2..]) > -4.0, "{} dBFS is not loud", level_db(&heard));
    // A frame that came too late has two edges.
    assert!(steps(&heard) <= 2 * lost, "{} steps at the loudspeaker, {lost} frames lost", steps(&heard));
    // And one that one of two others has missed, here and there on a busy machine.
    assert!(steps(&sent) <= sent.len() / 4_800, "{} steps in what a far end hears", steps(&sent));
}

#[test]
fn of_too_many_the_first_eight_are_connected() {
    let (engine, _faults) = engine(settings("synth:tone=1000", "synth:silence"));
    let logs: Vec<Arc<Log>> = (0..10).map(|_| Arc::default()).collect();
    for (n, log) in logs.iter().enumerate() {
        let leg = Singer { hertz: 300.0, peak: usual(), sung: 0, log: log.clone() };
        engine.attach(PeerId(n as u64), Box::new(leg));
    }
    let all: Vec<(PeerId, Role)> = (0..10).map(|n| (PeerId(n), Role::Talk)).collect();
    engine.connect(&all);
    wait(LONG, "eight are connected", || logs[..8].iter().all(|log| log.fetched.load(Relaxed) > 20));
    assert!(logs[8..].iter().all(|log| log.fetched.load(Relaxed) == 0));
    engine.stop();
}
