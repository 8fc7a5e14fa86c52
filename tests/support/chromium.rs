//! Headless Chromium with a WAV file for a microphone.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::process::Process;

/// A running browser with one page.
pub struct Chromium {
    _process: Process,
    _profile: TempDir,
}

impl Chromium {
    /// Opens `url`; the page's microphone hears `wav`, again and again.
    pub fn open(url: &str, wav: &Path) -> Self {
        let profile = TempDir::new().expect("a folder");
        let mut command = Command::new("chromium");
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"])
            .args(["--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage"])
            .args(["--disable-features=WebRtcHideLocalIpsWithMdns"])
            .arg(format!("--use-file-for-fake-audio-capture={}", wav.display()))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .env("HOME", profile.path());
        let process = Process::start("chromium", command, profile.path());
        Self { _process: process, _profile: profile }
    }
}
