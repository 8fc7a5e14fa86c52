//! Sound through the real alsa-lib. A mock would agree with whatever we
//! believe of periods, pacing and recovery; alsa-lib and a sound server that
//! comes and goes do not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audio_support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use audio_support::{
    all_cleared, engine, level_at, level_db, loud_part, raised, settings, sine, wait, wait_meters, with_cable,
};
use callbox::appliance::command::Role;
use callbox::appliance::fault::Fault;
use callbox::appliance::id::PeerId;
use callbox::appliance::tone::Tone;
use callbox::audio::alsa::AlsaPlayback;
use callbox::audio::device::{Flow, Playback};
use callbox::audio::{Buffering, Frame, Leg, Trouble};

const LONG: Duration = Duration::from_secs(20);

/// Keeps what the microphone hears.
struct Recorder(Arc<Mutex<Vec<i16>>>);

impl Leg for Recorder {
    fn near_end(&mut self, frame: &Frame, _now: Instant) {
        self.0.lock().unwrap().extend_from_slice(frame);
    }

    fn far_end(&mut self, frame: &mut Frame, _now: Instant) {
        frame.fill(0);
    }
}

#[test]
fn a_tone_comes_out_at_its_frequency_and_level() {
    with_cable("a_tone_comes_out_at_its_frequency_and_level", |mut cable| {
        cable.up();
        let (engine, faults) = engine(settings("dut_mic", "dut_spk"));
        engine.tone(Some(Tone::Ringback));
        let heard = cable.listen(6);
        let tone = loud_part(&heard, -40.0);
        assert!((level_at(tone, 425.0) + 18.0).abs() < 0.5, "{} dBFS at 425 Hz", level_at(tone, 425.0));
        assert!((level_db(tone) + 18.0).abs() < 0.5, "{} dBFS in all", level_db(tone));
        assert!((40_000..=48_500).contains(&(tone.len() + 4 * 480)), "on for {} samples", tone.len());
        assert!(faults.try_recv().is_err());
        engine.stop();
    });
}

#[test]
fn what_is_spoken_reaches_the_connected_leg() {
    with_cable("what_is_spoken_reaches_the_connected_leg", |mut cable| {
        cable.up();
        let (engine, _faults) = engine(settings("dut_mic", "dut_spk"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        engine.attach(PeerId(1), Box::new(Recorder(heard.clone())));
        engine.connect(&[(PeerId(1), Role::Talk)]);
        let mut speaker = cable.speak(&sine(440.0, -12.0, 48_000 * 3));
        assert!(speaker.wait().unwrap().success());
        engine.stop();
        let heard = heard.lock().unwrap();
        let tone = loud_part(&heard, -30.0);
        assert!(tone.len() > 48_000, "only {} samples without a gap", tone.len());
        assert!(
            (level_at(&tone[..48_000], 440.0) + 12.0).abs() < 0.5,
            "{} dBFS",
            level_at(&tone[..48_000], 440.0)
        );
    });
}

#[test]
fn five_seconds_take_five_seconds() {
    with_cable("five_seconds_take_five_seconds", |mut cable| {
        cable.up();
        let (engine, _faults) = engine(settings("dut_mic", "dut_spk"));
        wait_meters(&engine, LONG, "both run", |m| m.capture.periods > 20 && m.playback.periods > 20);
        let (before, began) = (engine.meters(), Instant::now());
        std::thread::sleep(Duration::from_secs(5));
        let (after, took) = (engine.meters(), began.elapsed().as_secs_f64());
        for (name, before, after) in
            [("capture", &before.capture, &after.capture), ("playback", &before.playback, &after.playback)]
        {
            let sound = (after.periods - before.periods) as f64 / 100.0;
            assert!((sound / took - 1.0).abs() < 0.05, "{name}: {sound} s of sound in {took} s");
        }
        engine.stop();
    });
}

#[test]
fn an_underrun_is_recovered_and_told() {
    with_cable("an_underrun_is_recovered_and_told", |mut cable| {
        cable.up();
        let mut speaker = AlsaPlayback::open("dut_spk_strict", Buffering::default()).unwrap();
        let silence = [0; 480];
        for _ in 0..20 {
            speaker.write(&silence).unwrap();
        }
        std::thread::sleep(Duration::from_millis(500));
        let flows: Vec<Flow> = (0..20).map(|_| speaker.write(&silence).unwrap()).collect();
        assert!(flows.contains(&Flow::Recovered), "no underrun was told: {flows:?}");
        assert_eq!(flows.last(), Some(&Flow::Smooth));
    });
}

#[test]
fn the_engine_counts_underruns_and_plays_on() {
    with_cable("the_engine_counts_underruns_and_plays_on", |mut cable| {
        cable.up();
        let (engine, faults) = engine(settings("synth:silence", "dut_spk_strict"));
        wait_meters(&engine, LONG, "it runs", |m| m.playback.periods > 20);
        let before = engine.meters().playback.xruns;
        // A sound server that catches up fast enough leaves no underrun behind.
        wait(LONG, "an underrun is counted", || {
            cable.freeze(Duration::from_millis(700));
            std::thread::sleep(Duration::from_millis(300));
            engine.meters().playback.xruns > before
        });
        engine.tone(Some(Tone::Ringback));
        let heard = cable.listen(6);
        assert!((level_at(loud_part(&heard, -40.0), 425.0) + 18.0).abs() < 0.5);
        // A machine that itself stands still in a freeze makes it one that a device is opened anew for.
        let playback = engine.meters().playback;
        let frozen = playback.troubles(Trouble::Frozen);
        println!("frozen {frozen} times, troubles {:?}", playback.troubles);
        assert!(playback.opened <= 1 + frozen, "opened anew for an underrun: {:?}", playback.troubles);
        assert!(frozen > 0 || faults.try_recv().is_err());
        engine.stop();
    });
}

#[test]
fn a_device_that_vanishes_is_a_fault_until_it_is_back() {
    with_cable("a_device_that_vanishes_is_a_fault_until_it_is_back", |mut cable| {
        cable.up();
        let (engine, faults) = engine(settings("dut_mic", "dut_spk"));
        wait_meters(&engine, LONG, "both run", |m| m.capture.periods > 20 && m.playback.periods > 20);
        cable.down();
        let mut broken = [raised(&faults, LONG), raised(&faults, LONG)];
        broken.sort();
        assert_eq!(broken.map(|(fault, _)| fault), [Fault::CaptureDevice, Fault::PlaybackDevice]);
        let beats = engine.meters().dsp_heartbeat;
        wait(LONG, "the mixer goes on", || engine.meters().dsp_heartbeat > beats + 20);

        cable.up();
        all_cleared(&faults, &[Fault::CaptureDevice, Fault::PlaybackDevice], LONG);
        engine.tone(Some(Tone::Ringback));
        let heard = cable.listen(6);
        assert!((level_at(loud_part(&heard, -40.0), 425.0) + 18.0).abs() < 0.5);
        let opened = engine.meters();
        assert!(opened.capture.opened >= 2 && opened.playback.opened >= 2, "{opened:?}");
        engine.stop();
    });
}
