//! Runs the scenes of `scenes.py` through callbox's own processing:
//!
//!     duplex SCENES OUT (own | aec3 | lessons)
//!
//! writes OUT/NAME/sNN.wav, and prints what a frame costs. Gain control and
//! limiter are off, as a score must not depend on level. `lessons` writes OUT/lNNNN.f32 for `teach.py` instead.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use callbox::audio::duplex::{Canceller, Duplex, DuplexSettings, FRAME, Lessons, TalkMode};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [scenes, out, name] = words.as_slice() else {
        println!("no scenes given: see benches/audio/run.sh");
        return;
    };
    if name == "lessons" {
        return lessons(Path::new(scenes), Path::new(out));
    }
    let canceller = match name.as_str() {
        "own" => Canceller::Own,
        "aec3" => Canceller::Aec3,
        other => unreachable!("no canceller {other}"),
    };
    let settings = DuplexSettings {
        canceller,
        gain_control: false,
        limiter: false,
        mode: TalkMode::Full,
        ..DuplexSettings::default()
    };
    let folder = Path::new(out).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let files = sounds(Path::new(scenes));
    let (mut spent, mut slowest, mut frames) = (Duration::ZERO, Duration::ZERO, 0);
    for file in &files {
        let mut wav = hound::WavReader::open(file).unwrap();
        let samples: Vec<f32> = wav.samples::<i16>().map(|s| f32::from(s.unwrap()) / 32768.0).collect();
        let spec = hound::WavSpec { channels: 1, ..wav.spec() };
        let mut to = hound::WavWriter::create(folder.join(file.file_name().unwrap()), spec).unwrap();
        let mut duplex = Duplex::new(settings);
        let (mut far, mut mic) = ([0.0; FRAME], [0.0; FRAME]);
        for both in samples.chunks_exact(2 * FRAME) {
            for (n, pair) in both.as_chunks::<2>().0.iter().enumerate() {
                (far[n], mic[n]) = (pair[0], pair[1]);
            }
            let begin = Instant::now();
            duplex.render(&far);
            duplex.process(&mut mic, false);
            let took = begin.elapsed();
            spent += took;
            slowest = slowest.max(took);
            frames += 1;
            for sample in mic {
                to.write_sample((sample * 32767.0).clamp(-32768.0, 32767.0) as i16).unwrap();
            }
            if std::env::var_os("DUPLEX_LOG").is_some() {
                println!("{} {:?}", file.display(), duplex.state());
            }
        }
        to.finalize().unwrap();
    }
    println!(
        "{name}: {:.0} us a frame, slowest {:.0}",
        spent.as_secs_f64() * 1e6 / f64::from(frames),
        slowest.as_secs_f64() * 1e6
    );
}

fn sounds(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "wav"));
    files.sort();
    files
}

/// Three channels in, values of four bytes out.
fn lessons(scenes: &Path, out: &Path) {
    std::fs::create_dir_all(out).unwrap();
    for file in sounds(scenes) {
        let to = out.join(file.with_extension("f32").file_name().unwrap());
        if to.exists() {
            continue;
        }
        let mut wav = hound::WavReader::open(&file).unwrap();
        let samples: Vec<f32> = wav.samples::<i16>().map(|s| f32::from(s.unwrap()) / 32768.0).collect();
        let (mut lessons, mut values) = (Lessons::new(), Vec::new());
        let mut channels = [[0.0; FRAME]; 3];
        for all in samples.chunks_exact(3 * FRAME) {
            for (n, three) in all.as_chunks::<3>().0.iter().enumerate() {
                channels.iter_mut().zip(three).for_each(|(channel, sample)| channel[n] = *sample);
            }
            let [far, microphone, without] = &channels;
            lessons.run(far, microphone, without, &mut values);
        }
        std::fs::write(to, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    }
    println!("{} values a frame", Lessons::VALUES);
}
