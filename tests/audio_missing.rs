//! A box whose sound card is gone must say so, with the cure, and go on: the
//! door can still be opened and the call still be made, and the card may come back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audio_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use audio_support::{all_cleared, engine, raised, settings, sine, wait, wait_meters, with_cable, write_wav};
use callbox::appliance::command::Role;
use callbox::appliance::fault::Fault;
use callbox::appliance::id::PeerId;
use callbox::audio::{Frame, Leg, devices};

const LONG: Duration = Duration::from_secs(20);

/// Counts what a call would send and take.
#[derive(Clone, Default)]
struct Counting {
    sent: Arc<AtomicU64>,
    sound: Arc<AtomicU64>,
    taken: Arc<AtomicU64>,
}

impl Leg for Counting {
    fn near_end(&mut self, frame: &Frame, _now: Instant) {
        self.sent.fetch_add(1, Relaxed);
        self.sound.fetch_add(u64::from(frame.iter().any(|&s| s.unsigned_abs() > 100)), Relaxed);
    }

    fn far_end(&mut self, frame: &mut Frame, _now: Instant) {
        self.taken.fetch_add(1, Relaxed);
        frame.fill(0);
    }
}

#[test]
fn a_name_that_is_not_there_is_told_with_those_that_are() {
    with_cable("a_name_that_is_not_there_is_told_with_those_that_are", |mut cable| {
        cable.up();
        let (engine, faults) = engine(settings("hw:CARD=NoSuchCard", "no_such_pcm"));
        let listed = devices();
        for name in ["dut_mic", "dut_spk"] {
            assert!(listed.iter().any(|device| device.name == name), "{name} is not in {listed:?}");
        }
        for _ in 0..2 {
            let (fault, detail) = raised(&faults, LONG);
            let wrong = if fault == Fault::CaptureDevice { "hw:CARD=NoSuchCard: " } else { "no_such_pcm: " };
            assert!(detail.starts_with(wrong), "{fault:?}: {detail}");
            assert!(detail.contains("name one that is there"), "{detail}");
            assert!(detail.contains("dut_mic") && detail.contains("dut_spk"), "{detail}");
        }
        engine.stop();
    });
}

#[test]
fn a_call_goes_on_in_silence_until_the_microphone_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("microphone.wav");
    let (engine, faults) = engine(settings(&format!("wav:{}", path.display()), "synth:silence"));
    assert_eq!(raised(&faults, LONG).0, Fault::CaptureDevice);
    let call = Counting::default();
    engine.attach(PeerId(7), Box::new(call.clone()));
    engine.connect(&[(PeerId(7), Role::Talk)]);
    let began = Instant::now();
    wait(LONG, "half a second of silence is sent", || call.sent.load(Relaxed) >= 50);
    assert!(began.elapsed() > Duration::from_millis(400), "silence is not paced: {:?}", began.elapsed());
    assert_eq!(call.sound.load(Relaxed), 0);
    wait(LONG, "the loudspeaker still works", || call.taken.load(Relaxed) >= 50);
    assert!(!engine.meters().capture.running);

    write_wav(&path, &sine(440.0, -12.0, 48_000));
    all_cleared(&faults, &[Fault::CaptureDevice], LONG);
    wait(LONG, "the microphone is heard", || call.sound.load(Relaxed) >= 50);
    engine.stop();
}

#[test]
fn with_no_loudspeaker_the_microphone_still_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later/loudspeaker.wav");
    let (engine, faults) = engine(settings("synth:tone=440", &format!("wav:{}", path.display())));
    assert_eq!(raised(&faults, LONG).0, Fault::PlaybackDevice);
    let call = Counting::default();
    engine.attach(PeerId(7), Box::new(call.clone()));
    engine.connect(&[(PeerId(7), Role::Talk)]);
    wait(LONG, "the microphone is heard", || call.sound.load(Relaxed) >= 50);
    wait(LONG, "the call's jitter buffer is emptied all the same", || call.taken.load(Relaxed) >= 50);

    std::fs::create_dir(folder.path().join("later")).unwrap();
    all_cleared(&faults, &[Fault::PlaybackDevice], LONG);
    wait_meters(&engine, LONG, "the loudspeaker plays", |m| m.playback.running && m.playback.periods > 10);
    engine.stop();
}

#[test]
fn it_stops_even_while_the_sound_server_hangs() {
    with_cable("it_stops_even_while_the_sound_server_hangs", |mut cable| {
        cable.up();
        std::thread::scope(|scope| {
            scope.spawn(|| cable.freeze(Duration::from_secs(8)));
            std::thread::sleep(Duration::from_millis(300));
            let (engine, _faults) = engine(settings("dut_mic", "dut_spk"));
            wait_meters(&engine, LONG, "the mixer runs", |m| m.dsp_heartbeat > 50);
            let meters = engine.meters();
            assert!(
                !meters.capture.running && !meters.playback.running,
                "the server did not hang: {meters:?}"
            );
            let began = Instant::now();
            engine.stop();
            assert!(began.elapsed() < Duration::from_secs(6), "stopping took {:?}", began.elapsed());
        });
    });
}
