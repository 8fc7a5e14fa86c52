//! Two paced sound cables without a sound card: PulseAudio null sinks under
//! libasound. alsa-lib's own `null` and `file` devices are not paced.
//!
//! The box plays into `dut_spk` and records from `dut_mic`; the test plays
//! into the microphone's cable and records from the loudspeaker's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, run};
use super::wait_for;

/// ALSA name of the box's loudspeaker.
pub const SPEAKER: &str = "dut_spk";
/// ALSA name of the box's microphone.
pub const MICROPHONE: &str = "dut_mic";

/// A private PulseAudio with two null sinks.
pub struct Cable {
    server: Option<Process>,
    folder: TempDir,
}

impl Cable {
    /// Starts the server and waits until it answers.
    pub fn start() -> Self {
        let mut cable = Self::unplugged();
        cable.plug();
        cable
    }

    /// The ALSA names exist, but nothing is behind them yet: a sound card that is missing.
    pub fn unplugged() -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let dir = folder.path().display();
        let pcm = |name: &str, device: &str| {
            format!("pcm.{name} {{ type pulse\n  server \"unix:{dir}/native\"\n  device \"{device}\" }}\n")
        };
        let text = [
            "</usr/share/alsa/alsa.conf>\n".to_owned(),
            pcm(SPEAKER, "spk_cable"),
            pcm(MICROPHONE, "mic_cable.monitor"),
            pcm("test_inject", "mic_cable"),
            pcm("test_listen", "spk_cable.monitor"),
        ];
        fs::write(folder.path().join("asound.conf"), text.concat()).unwrap();
        Self { server: None, folder }
    }

    /// Puts the sound card in.
    pub fn plug(&mut self) {
        let dir = self.folder.path();
        let sink = |name: &str| {
            format!("load-module module-null-sink sink_name={name} rate=48000 channels=1 format=s16le\n")
        };
        let script = format!(
            "{}{}load-module module-native-protocol-unix auth-anonymous=1 socket={}/native\n",
            sink("spk_cable"),
            sink("mic_cable"),
            dir.display()
        );
        fs::write(dir.join("cables.pa"), script).unwrap();
        let mut command = Command::new("pulseaudio");
        command
            .args(["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes"])
            .args(["--realtime=no", "--high-priority=no", "-F"])
            .arg(dir.join("cables.pa"))
            .env("XDG_RUNTIME_DIR", dir)
            .env("PULSE_RUNTIME_PATH", dir)
            .env("HOME", dir);
        let mut server = Process::start("pulseaudio", command, dir);
        wait_for(Duration::from_secs(20), "PulseAudio", || {
            server.assert_alive();
            run(self.client("pactl").arg("info"))
        });
        self.server = Some(server);
    }

    /// Takes the sound card out.
    pub fn unplug(&mut self) {
        self.server = None;
        let _ = fs::remove_file(self.folder.path().join("native"));
    }

    /// Environment that gives a program this cable's ALSA names.
    pub fn environment(&self) -> [(&'static str, PathBuf); 1] {
        [("ALSA_CONFIG_PATH", self.folder.path().join("asound.conf"))]
    }

    /// Starts playing a WAV file into the box's microphone.
    pub fn speak(&self, wav: &Path) -> Process {
        let mut command = self.client("paplay");
        command.args(["--device=mic_cable", "--latency-msec=50"]).arg(wav);
        Process::start("paplay", command, self.folder.path())
    }

    /// Starts recording the box's loudspeaker; `finish` ends it.
    pub fn listen(&self) -> Recording {
        let wav = self.folder.path().join("heard.wav");
        let _ = fs::remove_file(&wav);
        let mut command = self.client("parecord");
        command
            .args(["--device=spk_cable.monitor", "--rate=48000", "--channels=1", "--format=s16le"])
            .args(["--latency-msec=50", "--file-format=wav"])
            .arg(&wav);
        let process = Process::start("parecord", command, self.folder.path());
        wait_for(Duration::from_secs(10), "recording of the loudspeaker", || match fs::metadata(&wav) {
            Ok(file) if file.len() > 4800 => Ok(()),
            Ok(file) => Err(format!("only {} bytes", file.len())),
            Err(e) => Err(e.to_string()),
        });
        Recording { process, wav }
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let dir = self.folder.path();
        command.env("PULSE_SERVER", format!("unix:{}/native", dir.display()));
        command.env("XDG_RUNTIME_DIR", dir).env("HOME", dir);
        command
    }
}

/// What comes out of the box's loudspeaker.
pub struct Recording {
    process: Process,
    wav: PathBuf,
}

impl Recording {
    /// Ends the recording; the file stays until the cable is dropped.
    pub fn finish(mut self) -> PathBuf {
        self.process.stop();
        self.wav.clone()
    }
}
