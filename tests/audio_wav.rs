//! WAV files in the place of a card: the demo and most tests of calls stand
//! on them, so what they play must be what the file says, at the file's pace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audio_support;

use std::fs::File;
use std::io::BufWriter;
use std::time::{Duration, Instant};

use audio_support::{engine, level_at, level_db, loud_part, raised, read_wav, settings, wait, wait_meters};
use callbox::appliance::fault::Fault;
use callbox::appliance::tone::Tone;
use callbox::audio::device::open_capture;
use callbox::audio::{Buffering, DeviceName, FRAME_SAMPLES};
use hound::{SampleFormat, WavSpec, WavWriter};

const LONG: Duration = Duration::from_secs(20);

/// A WAV file of one second with a 1 kHz tone at -12 dBFS in every channel.
fn tone_file(file: &mut WavWriter<BufWriter<File>>, spec: WavSpec) {
    for n in 0..spec.sample_rate {
        let phase = f64::from(n) * 1000.0 / f64::from(spec.sample_rate) * std::f64::consts::TAU;
        let value = phase.sin() * 10_f64.powf(-12.0 / 20.0);
        for _ in 0..spec.channels {
            match spec.sample_format {
                SampleFormat::Float => file.write_sample(value as f32).unwrap(),
                SampleFormat::Int => {
                    let full = f64::from((1_u32 << (spec.bits_per_sample - 1)) - 1);
                    file.write_sample((value * full).round() as i32).unwrap();
                }
            }
        }
    }
}

#[test]
fn every_kind_of_file_sounds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for (sample_rate, channels, bits_per_sample, sample_format) in [
        (48_000, 1, 16, SampleFormat::Int),
        (8_000, 1, 16, SampleFormat::Int),
        (16_000, 2, 8, SampleFormat::Int),
        (44_100, 2, 24, SampleFormat::Int),
        (96_000, 6, 32, SampleFormat::Int),
        (22_050, 1, 32, SampleFormat::Float),
    ] {
        let spec = WavSpec { channels, sample_rate, bits_per_sample, sample_format };
        let path = folder.path().join("tone.wav");
        let mut file = WavWriter::create(&path, spec).unwrap();
        tone_file(&mut file, spec);
        file.finalize().unwrap();
        let mut device = open_capture(&DeviceName::Wav(path), Buffering::default()).unwrap();
        let mut heard = Vec::new();
        let mut frame = [0; FRAME_SAMPLES];
        for _ in 0..30 {
            device.read(&mut frame).unwrap();
            heard.extend_from_slice(&frame);
        }
        // Without the first 50 ms, where a resampler meets the file's edge.
        let heard = &heard[2400..];
        let tone = level_at(heard, 1000.0);
        assert!((tone + 12.0).abs() < 0.1, "{spec:?}: {tone} dBFS at 1 kHz");
        // What is left beside the tone: images of the resampling, rounding.
        let fitted = audio_support::sine_like(heard, 1000.0);
        let rest: Vec<i16> =
            heard.iter().zip(fitted).map(|(&s, f)| (f64::from(s) - f).round() as i16).collect();
        let limit = if bits_per_sample == 8 { -40.0 } else { -75.0 };
        assert!(level_db(&rest) < limit, "{spec:?}: {} dBFS beside the tone", level_db(&rest));
    }
}

#[test]
fn a_file_plays_at_its_own_pace_and_over_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short.wav");
    let samples: Vec<i16> = (0..4800).map(|n| n as i16).collect();
    audio_support::write_wav(&path, &samples);
    let mut device = open_capture(&DeviceName::Wav(path), Buffering::default()).unwrap();
    let (mut heard, began) = (Vec::new(), Instant::now());
    let mut frame = [0; FRAME_SAMPLES];
    for _ in 0..100 {
        device.read(&mut frame).unwrap();
        heard.extend_from_slice(&frame);
    }
    let took = began.elapsed().as_secs_f64();
    assert!((0.98..1.5).contains(&took), "1 s took {took} s");
    assert_eq!(heard, samples.repeat(10));
}

#[test]
fn the_recording_is_a_valid_file_at_all_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let (engine, _faults) = engine(settings("synth:silence", &format!("wav:{}", path.display())));
    engine.tone(Some(Tone::Congestion));
    wait(LONG, "a recording", || path.metadata().is_ok_and(|file| file.len() > 0));
    for least in [0, 48_000, 96_000] {
        wait(LONG, "the recording grows", || {
            // Never an error, not even while it is being written.
            hound::WavReader::open(&path).unwrap().duration() >= least
        });
    }
    wait_meters(&engine, LONG, "2.5 s", |m| m.playback.periods >= 250);
    let before = engine.meters().playback.periods;
    engine.stop();
    let heard = read_wav(&path);
    assert!(heard.len() as u64 >= before * 480, "{} samples after {before} periods", heard.len());
    let tone = loud_part(&heard, -40.0);
    assert!((level_at(tone, 425.0) + 18.0).abs() < 0.5);
}

#[test]
fn files_that_cannot_be_used_are_faults_with_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.wav");
    std::fs::write(&text, "no sound").unwrap();
    let nowhere = folder.path().join("no/folder/heard.wav");
    let (engine, faults) =
        engine(settings(&format!("wav:{}", text.display()), &format!("wav:{}", nowhere.display())));
    let mut told = [raised(&faults, LONG), raised(&faults, LONG)];
    told.sort();
    let [(first, reading), (second, writing)] = told;
    assert_eq!((first, second), (Fault::CaptureDevice, Fault::PlaybackDevice));
    assert!(
        reading.contains("text.wav") && reading.contains("make one with ffmpeg") && !reading.contains("ALSA"),
        "{reading}"
    );
    assert!(writing.contains("heard.wav") && writing.contains("folder"), "{writing}");
    engine.stop();
}
