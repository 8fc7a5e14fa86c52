//! Recorded human speech from Debian's asterisk-core-sounds packages (G.722,
//! 16 kHz), as 48 kHz mono WAV.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::cache;
use super::process::run;

const SOUNDS: &str = "/usr/share/asterisk/sounds";

/// About ten seconds of a woman speaking English.
pub fn english() -> PathBuf {
    prepared("english", "en_US_f_Allison", &["demo-abouttotry", "demo-echotest"], 10)
}

/// About ten seconds of a man speaking Italian.
pub fn italian() -> PathBuf {
    prepared("italian", "it_IT_m_Carlo", &["demo-congrats"], 10)
}

/// Three seconds of the woman, to be played again and again.
pub fn few_words() -> PathBuf {
    prepared("few-words", "en_US_f_Allison", &["demo-abouttotry"], 3)
}

/// Three seconds of the man.
pub fn poche_parole() -> PathBuf {
    prepared("poche-parole", "it_IT_m_Carlo", &["demo-congrats"], 3)
}

/// A steady tone of about -10 dBFS, for tests that only ask whether sound arrives.
pub fn tone(hertz: u32, seconds: u32) -> PathBuf {
    let wav = cache().join(format!("tone-{hertz}-{seconds}.wav"));
    once(&wav, |part| {
        let source = format!("aevalsrc=0.3*sin(2*PI*{hertz}*t):sample_rate=48000:duration={seconds}");
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-c:a", "pcm_s16le"]);
        run(command.arg(part))
    });
    wav
}

fn prepared(name: &str, voice: &str, files: &[&str], seconds: u32) -> PathBuf {
    let wav = cache().join(format!("speech-{name}.wav"));
    once(&wav, |part| {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y"]);
        for file in files {
            let source = format!("{SOUNDS}/{voice}/{file}.g722");
            assert!(Path::new(&source).exists(), "{source} is missing: run `make setup`");
            command.args(["-f", "g722", "-i", &source]);
        }
        let inputs: String = (0..files.len()).map(|n| format!("[{n}:a]")).collect();
        let filter = format!(
            "{inputs}concat=n={}:v=0:a=1,silenceremove=start_periods=1:start_threshold=-50dB",
            files.len()
        );
        command.args(["-filter_complex", &filter, "-t", &seconds.to_string()]);
        run(command.args(["-ar", "48000", "-ac", "1", "-c:a", "pcm_s16le"]).arg(part))
    });
    wav
}

/// Makes a file under another name first: an interrupted run leaves nothing
/// half done. Tests of one binary run at once and may want the same file.
fn once(wav: &Path, make: impl FnOnce(&Path) -> Result<String, String>) {
    static MAKING: Mutex<()> = Mutex::new(());
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if wav.exists() {
        return;
    }
    let part = wav.with_extension(format!("{}.part.wav", std::process::id()));
    make(&part).unwrap_or_else(|e| panic!("cannot prepare {}: {e}", wav.display()));
    std::fs::rename(&part, wav).unwrap();
}
