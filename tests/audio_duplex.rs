//! The microphone's sound on its way to the far end. Who calls the box must
//! not hear himself come back, two people must be heard at once where that is
//! possible and one at a time where it is not, and the lamp that says "somebody
//! hears you" must tell the truth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audio_support;

use std::f64::consts::TAU;
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use audio_support::{engine, level_at, level_db, read_wav, settings, wait, wait_meters, with_cable};
use callbox::appliance::command::{Direction, Role};
use callbox::appliance::event::SystemEvent;
use callbox::appliance::id::PeerId;
use callbox::appliance::tone::Tone;
use callbox::audio::{AudioEngine, AudioSettings, Frame, Leg, ProcessingMode};

const LONG: Duration = Duration::from_secs(20);
const SECOND: usize = 48_000;
const PEER: PeerId = PeerId(1);

/// A far end that says what it is given, and keeps what it hears.
#[derive(Clone)]
struct FarEnd {
    /// What it has to say, and how much of that is said.
    words: Arc<Vec<i16>>,
    said: Arc<Mutex<usize>>,
    heard: Arc<Mutex<Vec<i16>>>,
}

impl FarEnd {
    fn new(words: Vec<i16>) -> Self {
        let heard = Arc::new(Mutex::new(Vec::with_capacity(60 * SECOND)));
        Self { words: Arc::new(words), said: Arc::default(), heard }
    }

    fn connect(&self, engine: &AudioEngine) {
        engine.attach(PEER, Box::new(self.clone()));
        engine.connect(&[(PEER, Role::Talk)]);
    }

    fn heard(&self) -> Vec<i16> {
        self.heard.lock().unwrap().clone()
    }

    /// What it hears in the next so many seconds.
    fn listen(&self, seconds: usize) -> Vec<i16> {
        let from = self.heard.lock().unwrap().len();
        wait(LONG + Duration::from_secs(seconds as u64), "the far end hears", || {
            self.heard.lock().unwrap().len() >= from + seconds * SECOND
        });
        self.heard()[from..from + seconds * SECOND].to_vec()
    }
}

impl Leg for FarEnd {
    fn near_end(&mut self, frame: &Frame, _now: Instant) {
        self.heard.lock().unwrap().extend_from_slice(frame);
    }

    fn far_end(&mut self, frame: &mut Frame, _now: Instant) {
        let mut said = self.said.lock().unwrap();
        for sample in frame {
            *sample = self.words.get(*said).copied().unwrap_or_default();
            *said += 1;
        }
    }
}

/// Recorded speech (Debian's asterisk-core-sounds), so many seconds of it at -26 dBFS.
fn speech(voice: &str, prompt: &str, seconds: usize) -> Vec<i16> {
    let file = format!("/usr/share/asterisk/sounds/{voice}/{prompt}.g722");
    let raw = Command::new("ffmpeg")
        .args(["-v", "error", "-stream_loop", "9", "-f", "g722", "-i", &file])
        .args(["-t", &seconds.to_string(), "-f", "s16le", "-ar", "48000", "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(raw.status.success(), "{file} cannot be read: run `make setup`");
    let samples: Vec<i16> = raw.stdout.as_chunks::<2>().0.iter().map(|s| i16::from_le_bytes(*s)).collect();
    let gain = 10_f64.powf((-26.0 - level_db(&samples)) / 20.0);
    samples.iter().map(|&sample| (f64::from(sample) * gain) as i16).collect()
}

fn tone(hertz: f64, seconds: usize) -> Vec<i16> {
    (0..seconds * SECOND).map(|n| ((n as f64 * hertz / 48_000.0 * TAU).sin() * 8230.0) as i16).collect()
}

/// Levels of every 10 ms.
fn levels(samples: &[i16]) -> Vec<f64> {
    samples.chunks_exact(480).map(level_db).collect()
}

/// How much of what was heard is the part that was spoken: their correlation
/// coefficient at the best delay up to 600 ms, at 8 kHz.
fn likeness(spoken: &[i16], heard: &[i16]) -> f64 {
    let thin = |samples: &[i16]| -> Vec<f64> {
        samples.chunks_exact(6).map(|six| six.iter().map(|&s| f64::from(s)).sum::<f64>()).collect()
    };
    let (spoken, heard) = (thin(spoken), thin(heard));
    let best = |delay: usize| {
        let (mut both, mut one, mut other) = (0.0, 1.0, 1.0);
        for (a, b) in spoken.iter().zip(&heard[delay..]) {
            both += a * b;
            one += a * a;
            other += b * b;
        }
        both / (one * other).sqrt()
    };
    (0..heard.len().saturating_sub(spoken.len()).min(4800)).map(best).fold(0.0, f64::max)
}

/// Measures so many seconds of what the far end hears in which the sound
/// server has kept its pace for as long as two seconds: an xrun moves the echo.
fn undisturbed(
    engine: &AudioEngine,
    end: &FarEnd,
    seconds: usize,
    most: usize,
    measure: impl Fn(&[i16]) -> f64,
) -> Vec<f64> {
    let xruns = || engine.meters().capture.xruns + engine.meters().playback.xruns;
    let (mut found, mut calm, mut before) = (Vec::new(), 0, xruns());
    for _ in 0..most {
        let heard = end.listen(1);
        let now = xruns();
        calm = if now == before { calm + 1 } else { 0 };
        before = now;
        if calm >= 2 {
            found.push(measure(&heard));
        }
        if found.len() == seconds {
            break;
        }
    }
    assert_eq!(found.len(), seconds, "the sound server stalled all the time: this machine is too loaded");
    found
}

/// The median of what is loud: in the 10 ms that are among the louder half.
fn loudness(samples: &[i16]) -> f64 {
    let mut levels = levels(samples);
    levels.sort_by(f64::total_cmp);
    levels[levels.len() * 3 / 4]
}

#[test]
fn the_far_end_hears_who_stands_here_and_not_itself() {
    with_cable("the_far_end_hears_who_stands_here_and_not_itself", |mut cable| {
        cable.in_a_room();
        cable.up();
        let far = speech("en_US_f_Allison", "demo-instruct", 40);
        let near = speech("it_IT_m_Carlo", "demo-congrats", 6);

        // As it is without anything: the room is there.
        let without = AudioSettings { processing: ProcessingMode::Off, ..settings("dut_mic", "dut_spk") };
        let (engine_off, _faults) = engine(without);
        wait_meters(&engine_off, LONG, "both run", |m| m.capture.periods > 50 && m.playback.periods > 50);
        let end = FarEnd::new(far.clone());
        end.connect(&engine_off);
        end.listen(2);
        let echo = loudness(&end.listen(3));
        engine_off.stop();
        assert!(echo > -35.0, "the room is too quiet: {echo} dBFS");

        let (engine, _faults) = engine(settings("dut_mic", "dut_spk"));
        wait_meters(&engine, LONG, "both run", |m| m.capture.periods > 50 && m.playback.periods > 50);
        let end = FarEnd::new(far);
        end.connect(&engine);
        end.listen(3);
        let left = undisturbed(&engine, &end, 4, 16, loudness);
        println!("echo of {echo:.1} dBFS, {left:.1?} are left; {:?}", engine.meters().duplex);
        let quiet = left.iter().filter(|left| echo - **left >= 25.0).count();
        assert!(quiet >= 3, "of {echo:.1} dBFS of echo {left:.1?} were left");
        let duplex = engine.meters().duplex;
        assert!(duplex.cancelled_db.unwrap() > 20.0, "{duplex:?}");
        assert!((40.0..400.0).contains(&duplex.delay_ms.unwrap()), "{duplex:?}");
        assert!(duplex.microphone_gate && duplex.loudspeaker_gate && !duplex.fallen_back, "{duplex:?}");

        // Both at once.
        let mut speaker = cable.speak(&near);
        let heard = end.listen(7);
        speaker.wait().unwrap();
        let pieces: Vec<f64> =
            (1..5).map(|at| likeness(&near[at * SECOND..(at + 1) * SECOND], &heard[at * SECOND..])).collect();
        println!("of the near end in double talk: {pieces:.2?}");
        let good = pieces.iter().filter(|piece| **piece > 0.7).count();
        assert!(good >= 3, "of four seconds of near-end speech came through: {pieces:.2?}");

        // A second call begins as the first one ended. A stall in between moves the echo: then once more.
        let first = (0..3).find_map(|_| {
            engine.detach(PEER);
            let stalls = engine.meters().playback.xruns;
            thread::sleep(Duration::from_millis(500));
            let again = FarEnd::new(speech("en_US_f_Allison", "demo-instruct", 10));
            again.connect(&engine);
            let first = loudness(&again.listen(2));
            (engine.meters().playback.xruns == stalls).then_some(first)
        });
        let first = first.expect("the sound server stalled in each of three calls");
        assert!(echo - first >= 20.0, "a second call began with {first:.1} of {echo:.1} dBFS");
        engine.stop();
    });
}

/// The next change that is told.
fn told(events: &Receiver<SystemEvent>) -> bool {
    loop {
        match events.recv_timeout(LONG).expect("the microphone's change is told") {
            SystemEvent::Microphone(live) => return live,
            other => assert!(matches!(other, SystemEvent::FaultRaised { .. }), "{other:?}"),
        }
    }
}

fn nothing_told(events: &Receiver<SystemEvent>) {
    let event = events.recv_timeout(Duration::from_millis(300));
    assert!(!matches!(event, Ok(SystemEvent::Microphone(_))), "{event:?}");
}

#[test]
fn the_microphone_is_live_exactly_while_somebody_hears_it() {
    let (engine, events) = engine(settings("synth:tone=1000", "synth:silence"));
    wait_meters(&engine, LONG, "both run", |m| m.capture.periods > 5 && m.playback.periods > 5);
    let end = FarEnd::new(Vec::new());
    engine.attach(PEER, Box::new(end.clone()));
    for role in [Role::Listen, Role::Hold] {
        engine.connect(&[(PEER, role)]);
        nothing_told(&events);
    }
    engine.connect(&[(PEER, Role::Talk)]);
    assert!(told(&events));
    type Change = fn(&AudioEngine, bool);
    let changes: [(Change, &str); 3] = [
        (|engine, on| engine.mute(!on), "mute"),
        (|engine, on| engine.direction(if on { Direction::Talk } else { Direction::Listen }), "direction"),
        (|engine, on| engine.connect(&[(PEER, if on { Role::Talk } else { Role::Hold })]), "hold"),
    ];
    for (change, what) in changes {
        for on in [false, true] {
            let before = Instant::now();
            change(&engine, on);
            assert_eq!(told(&events), on, "{what}");
            // 100 ms on a quiet machine.
            assert!(
                before.elapsed() < Duration::from_millis(500),
                "{what} was told after {:?}",
                before.elapsed()
            );
            assert_eq!(engine.meters().microphone_live, on);
            let heard = end.listen(1);
            let sounds = heard[SECOND / 4..].iter().any(|&sample| sample != 0);
            assert_eq!(sounds, on, "{what}: what is told is not what is heard");
        }
    }
    engine.detach(PEER);
    assert!(!told(&events), "nobody is there any more");
    engine.connect(&[]);
    end.connect(&engine);
    assert!(told(&events));
    engine.stop();
    assert!(!told(&events), "the end of the engine is the end of the sound");
}

#[test]
fn a_microphone_that_is_not_there_is_never_live() {
    let (engine, events) = engine(settings("wav:/nowhere/microphone.wav", "synth:silence"));
    let end = FarEnd::new(Vec::new());
    end.connect(&engine);
    wait_meters(&engine, LONG, "silence goes out", |m| m.silence_sent > 50);
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, SystemEvent::Microphone(_)), "silence is no sound: {event:?}");
    }
    engine.stop();
}

#[test]
fn a_direction_lets_sound_pass_one_way_and_does_not_click() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    // Off, so that levels can be told to half a decibel.
    let settings = AudioSettings {
        processing: ProcessingMode::Off,
        ..settings("synth:tone=1000", &format!("wav:{}", path.display()))
    };
    let (engine, _faults) = engine(settings);
    wait_meters(&engine, LONG, "both run", |m| m.capture.periods > 5 && m.playback.periods > 5);
    let end = FarEnd::new(tone(300.0, 60));
    end.connect(&engine);
    end.listen(1);
    let mark = || engine.meters().playback.periods as usize * 480;
    let mut parts = Vec::new();
    for direction in [Direction::Listen, Direction::Talk, Direction::Both] {
        engine.direction(direction);
        thread::sleep(Duration::from_millis(200));
        // A tone of the box is heard whatever the direction.
        engine.tone(Some(Tone::Ringback));
        let from = mark();
        let heard = end.listen(1);
        parts.push((direction, heard, from, mark()));
        engine.tone(None);
    }
    let lost = engine.meters().playback.lost_frames as usize;
    engine.stop();
    let played = read_wav(&path);
    for (direction, heard, from, to) in parts {
        let (out, back) = (direction != Direction::Listen, direction != Direction::Talk);
        let level = level_at(&heard[SECOND / 10..SECOND / 10 * 9], 1000.0);
        assert!(
            if out { (level + 18.0).abs() < 0.5 } else { level < -90.0 },
            "{direction:?}: {level} dBFS go out"
        );
        let middle = &played[from + 9600..to - 9600];
        let level = level_at(&middle[..middle.len() / 4800 * 4800], 300.0);
        assert!(
            if back { (level + 12.0).abs() < 1.0 } else { level < -60.0 },
            "{direction:?}: {level} dBFS come in"
        );
        assert!(level_db(middle) > -30.0, "{direction:?}: the tone is missing");
    }
    let clicks =
        played.windows(2).filter(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs() > 1200).count();
    assert!(clicks <= 2 * lost, "{clicks} clicks with {lost} frames lost");
}

#[test]
fn half_duplex_lets_one_speak_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (spoken, played) = (folder.path().join("spoken.wav"), folder.path().join("played.wav"));
    // Two seconds of each, in turn; both at once from the fourth second on.
    let voice = |prompt| speech("it_IT_m_Carlo", prompt, 12);
    let (mut near, mut far) = (voice("demo-congrats"), voice("demo-instruct"));
    near[..4 * SECOND].fill(0);
    far[2 * SECOND..4 * SECOND].fill(0);
    audio_support::write_wav(&spoken, &near);
    let settings = AudioSettings {
        processing: ProcessingMode::HalfDuplex,
        ..settings(&format!("wav:{}", spoken.display()), &format!("wav:{}", played.display()))
    };
    let (engine, _faults) = engine(settings);
    let end = FarEnd::new(far);
    end.connect(&engine);
    let mut both_open = 0;
    let mut shut = [0, 0];
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        let duplex = engine.meters().duplex;
        assert!(duplex.microphone_gate || duplex.loudspeaker_gate, "nobody may speak");
        both_open += usize::from(duplex.microphone_gate && duplex.loudspeaker_gate);
        shut[0] += usize::from(!duplex.microphone_gate);
        shut[1] += usize::from(!duplex.loudspeaker_gate);
        thread::sleep(Duration::from_millis(20));
    }
    engine.stop();
    assert!(shut[0] > 20 && both_open > 20, "the far end's turn: {shut:?}, both open {both_open} times");
    let heard = end.heard();
    let first = loudness(&heard[SECOND..2 * SECOND]);
    assert!(first < -60.0, "in the far end's turn it heard {first} dBFS");
}
