//! A virtual cable of PulseAudio null sinks under the real alsa-lib, and a
//! little signal analysis.
//!
//! alsa-lib finds its configuration by environment variable. Setting one in a
//! running process is unsafe, so a test that needs a cable runs itself again
//! in a child process with the variables set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::f64::consts::TAU;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use callbox::appliance::event::SystemEvent;
use callbox::appliance::fault::Fault;
use callbox::audio::{AudioEngine, AudioSettings, Meters, start};

const FOLDER: &str = "CALLBOX_TEST_CABLE";

const MODULES: &str = "\
load-module module-null-sink sink_name=spk_cable rate=48000 channels=1 format=s16le
load-module module-null-sink sink_name=mic_cable rate=48000 channels=1 format=s16le
load-module module-native-protocol-unix auth-anonymous=1 socket=FOLDER/native
";

const PCMS: &str = "\
</usr/share/alsa/alsa.conf>
pcm.dut_spk {
  type pulse server \"unix:FOLDER/native\" device \"spk_cable\"
  hint { show on description \"The cable's loudspeaker\" }
}
pcm.dut_spk_strict { type pulse server \"unix:FOLDER/native\" device \"spk_cable\" handle_underrun 1 }
pcm.dut_mic {
  type pulse server \"unix:FOLDER/native\" device \"mic_cable.monitor\"
  hint { show on description \"The cable's microphone\" }
}
ctl.dut_spk { type pulse server \"unix:FOLDER/native\" device \"spk_cable\" }
pcm.test_inject { type pulse server \"unix:FOLDER/native\" device \"mic_cable\" }
pcm.test_listen { type pulse server \"unix:FOLDER/native\" device \"spk_cable.monitor\" }
";

const FAULTY_PCMS: &str = "\
</usr/share/alsa/alsa.conf>
pcm_type.faulty { lib \"FOLDER/faulty.so\" }
pcm.mic { type faulty script \"FOLDER/mic\" }
pcm.spk { type faulty script \"FOLDER/spk\" }
";

/// Runs `body` in a process of its own whose alsa-lib knows the cable's PCMs.
/// The cable itself is not yet up. `test` is the calling test's own name.
pub fn with_cable(test: &str, body: impl FnOnce(Cable)) {
    in_process(test, PCMS, |_| {}, |folder| body(Cable { folder, server: None }));
}

/// Runs `body` in a process of its own whose alsa-lib knows a card that
/// misbehaves when told to, as `mic` and `spk`.
pub fn with_faulty_card(test: &str, body: impl FnOnce(FaultyCard)) {
    let build = |folder: &Path| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faulty_card.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-DPIC", "-o"]);
        compiler.arg(folder.join("faulty.so")).arg(source).arg("-lasound");
        assert!(compiler.status().expect("a C compiler is installed").success());
    };
    in_process(test, FAULTY_PCMS, build, |folder| {
        let card = FaultyCard { folder };
        card.microphone("well");
        card.loudspeaker("well");
        body(card);
    });
}

/// A card that misbehaves: see `tests/support/faulty_card.c`.
pub struct FaultyCard {
    folder: PathBuf,
}

impl FaultyCard {
    /// What the microphone does from now on.
    pub fn microphone(&self, word: &str) {
        self.tell("mic", word);
    }

    /// What the loudspeaker does from now on.
    pub fn loudspeaker(&self, word: &str) {
        self.tell("spk", word);
    }

    /// The card never reads half a word.
    pub fn tell(&self, pcm: &str, word: &str) {
        let fresh = self.folder.join(format!("{pcm}.new"));
        fs::write(&fresh, word).unwrap();
        fs::rename(fresh, self.folder.join(pcm)).unwrap();
    }
}

fn in_process(test: &str, pcms: &str, prepare: impl FnOnce(&Path), body: impl FnOnce(PathBuf)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return body(folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    let fill = |text: &str| text.replace("FOLDER", folder.path().to_str().unwrap());
    fs::write(folder.path().join("cables.pa"), fill(MODULES)).unwrap();
    fs::write(folder.path().join("asound.conf"), fill(pcms)).unwrap();
    prepare(folder.path());
    let end = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .env("ALSA_CONFIG_PATH", folder.path().join("asound.conf"))
        .env("HOME", folder.path())
        .env("XDG_RUNTIME_DIR", folder.path())
        .env("PULSE_RUNTIME_PATH", folder.path())
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(end.success(), "{test} failed in its own process");
}

/// Two null sinks, `spk_cable` and `mic_cable`.
pub struct Cable {
    pub folder: PathBuf,
    server: Option<Child>,
}

impl Cable {
    /// Starts the sound server and waits until it answers.
    pub fn up(&mut self) {
        let log = fs::File::create(self.folder.join("pulseaudio.log")).unwrap();
        let child = Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes"])
            .args(["--realtime=no", "--high-priority=no", "-F"])
            .arg(self.folder.join("cables.pa"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("pulseaudio is installed");
        self.server = Some(child);
        let socket = self.folder.join("native");
        wait(Duration::from_secs(20), "pulseaudio listens", || socket.exists());
    }

    /// From the next start on the loudspeaker is heard at the microphone, by
    /// two ways of different length: a room, or the worst of handsets.
    pub fn in_a_room(&self) {
        let file = self.folder.join("cables.pa");
        let mut modules = fs::read_to_string(&file).unwrap();
        for latency in [40, 57] {
            modules += "load-module module-loopback source=spk_cable.monitor sink=mic_cable adjust_time=0 ";
            modules += &format!("source_dont_move=true sink_dont_move=true latency_msec={latency}\n");
        }
        fs::write(file, modules).unwrap();
    }

    /// Kills the sound server, as if the card were unplugged.
    pub fn down(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
            let _ = fs::remove_file(self.folder.join("native"));
        }
    }

    /// Stops the sound server for a while, as a machine under load would.
    pub fn freeze(&self, time: Duration) {
        let server = self.server.as_ref().unwrap().id().to_string();
        let signal =
            |name: &str| assert!(Command::new("kill").args([name, &server]).status().unwrap().success());
        signal("-STOP");
        std::thread::sleep(time);
        signal("-CONT");
    }

    /// What the sound server says of the loudspeaker's volume, in percent.
    pub fn volume(&self) -> u32 {
        let mut pactl = Command::new("pactl");
        pactl.env("PULSE_SERVER", format!("unix:{}/native", self.folder.display()));
        let said = pactl.args(["get-sink-volume", "spk_cable"]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let percent = said.split_whitespace().find_map(|word| word.strip_suffix('%'));
        percent.unwrap_or_else(|| panic!("{said}")).parse().unwrap()
    }

    /// What is heard at the loudspeaker's end, recorded by arecord.
    pub fn listen(&self, seconds: u32) -> Vec<i16> {
        let file = self.folder.join("heard.wav");
        let end = Command::new("arecord")
            .args(["-q", "-D", "test_listen", "-t", "wav", "-f", "S16_LE", "-r", "48000", "-c", "1", "-d"])
            .arg(seconds.to_string())
            .arg(&file)
            .status()
            .unwrap();
        assert!(end.success());
        read_wav(&file)
    }

    /// Speaks into the microphone's end with aplay.
    pub fn speak(&self, samples: &[i16]) -> Child {
        let file = self.folder.join("spoken.wav");
        write_wav(&file, samples);
        Command::new("aplay").args(["-q", "-D", "test_inject"]).arg(&file).spawn().unwrap()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.down();
    }
}

/// An engine and the faults it tells.
pub fn engine(settings: AudioSettings) -> (AudioEngine, Receiver<SystemEvent>) {
    let (report, faults) = mpsc::channel();
    let engine = start(settings, move |event| {
        let _ = report.send(event);
    });
    (engine, faults)
}

/// Settings with these devices.
pub fn settings(capture: &str, playback: &str) -> AudioSettings {
    AudioSettings {
        capture: capture.parse().unwrap(),
        playback: playback.parse().unwrap(),
        ..AudioSettings::default()
    }
}

/// The next fault raised, with its words. That somebody hears the microphone now is no fault.
pub fn raised(faults: &Receiver<SystemEvent>, within: Duration) -> (Fault, String) {
    loop {
        match faults.recv_timeout(within) {
            Ok(SystemEvent::FaultRaised { fault, detail }) => return (fault, detail),
            Ok(SystemEvent::Microphone(_)) => {}
            other => panic!("expected a fault, got {other:?}"),
        }
    }
}

/// Waits until all of these faults are cleared; others may be raised before.
pub fn all_cleared(faults: &Receiver<SystemEvent>, wanted: &[Fault], within: Duration) {
    let mut open = wanted.to_vec();
    let end = Instant::now() + within;
    while !open.is_empty() {
        let event = faults.recv_timeout(end.saturating_duration_since(Instant::now()));
        let event = event.unwrap_or_else(|_| panic!("{open:?} not cleared within {within:?}"));
        open.retain(|&fault| event != SystemEvent::FaultCleared(fault));
    }
}

/// Waits until something is so.
pub fn wait(within: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + within;
    while !done() {
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the meters say so.
pub fn wait_meters(
    engine: &AudioEngine,
    within: Duration,
    what: &str,
    mut done: impl FnMut(&Meters) -> bool,
) {
    wait(within, what, || done(&engine.meters()));
}

pub fn read_wav(path: &Path) -> Vec<i16> {
    hound::WavReader::open(path).unwrap().into_samples::<i16>().map(Result::unwrap).collect()
}

pub fn write_wav(path: &Path, samples: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    samples.iter().for_each(|&sample| file.write_sample(sample).unwrap());
    file.finalize().unwrap();
}

/// A sine of `hertz` at `db` dBFS.
pub fn sine(hertz: f64, db: f64, samples: usize) -> Vec<i16> {
    let peak = 32_767.0 * 10_f64.powf(db / 20.0);
    (0..samples).map(|n| ((n as f64 * hertz / 48_000.0 * TAU).sin() * peak).round() as i16).collect()
}

/// RMS in dBFS, a full-scale sine being 0.
pub fn level_db(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64;
    10.0 * (energy / (32_767.0_f64.powi(2) / 2.0)).max(1e-12).log10()
}

/// The level in dBFS of what is in the samples at one frequency: a least-squares
/// fit of sine and cosine, near enough orthogonal over many periods.
pub fn level_at(samples: &[i16], hertz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let (sin, cos) = (n as f64 * hertz / 48_000.0 * TAU).sin_cos();
        re += f64::from(sample) * cos;
        im += f64::from(sample) * sin;
    }
    let peak = 2.0 * re.hypot(im) / samples.len() as f64;
    20.0 * (peak / 32_767.0).max(1e-6).log10()
}

/// The longest stretch in which every 10 ms is louder than `db`, without its first and last 20 ms.
pub fn loud_part(samples: &[i16], db: f64) -> &[i16] {
    let loud: Vec<bool> = samples.chunks(480).map(|chunk| level_db(chunk) > db).collect();
    let (mut best, mut from) = (0..0, None);
    for at in 0..=loud.len() {
        match (loud.get(at).copied().unwrap_or(false), from) {
            (true, None) => from = Some(at),
            (false, Some(start)) => {
                if at - start > best.len() {
                    best = start..at;
                }
                from = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    assert!(best.len() > 4, "nothing louder than {db} dBFS");
    &samples[(best.start + 2) * 480..(best.end - 2) * 480]
}

/// The sine of one frequency that fits the samples best.
pub fn sine_like(samples: &[i16], hertz: f64) -> Vec<f64> {
    let angle = |n: usize| (n as f64 * hertz / 48_000.0 * TAU).sin_cos();
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let (sin, cos) = angle(n);
        re += f64::from(sample) * cos;
        im += f64::from(sample) * sin;
    }
    let scale = 2.0 / samples.len() as f64;
    (0..samples.len()).map(angle).map(|(sin, cos)| scale * (re * cos + im * sin)).collect()
}
