//! A disk that is full or read-only, and a log that nobody takes: an SD card at
//! its end does all three. The box says so, calls as before, and keeps what is
//! to be kept as soon as there is room.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::scene::{Scene, takes_a_call};
use crate::support::appliance::{Config, has_fault};
use crate::support::process::run;
use crate::{row, within};

/// Three wrong codes are something to remember.
const DOOR: &str = "[door]\ncodes = [\"12*\"]\nwrong-codes = 9\n";

/// Known as soon as something is to be kept; tried again every 10 s.
const TOLD: Duration = Duration::from_secs(2);
const KEPT: Duration = Duration::from_secs(13);

/// A small file system of its own, gone with this.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        must("mount", &["-t", "tmpfs", "-o", "size=64k", "none", &path(folder.path())]);
        Self(folder)
    }

    fn fill(&self) {
        // As much as goes in.
        let _ = fs::write(self.0.path().join("full"), vec![0_u8; 200_000]);
    }

    fn make_room(&self) {
        fs::remove_file(self.0.path().join("full")).unwrap();
    }

    fn remount(&self, how: &str) {
        must("mount", &["-o", &format!("remount,{how}"), &path(self.0.path())]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").args(["--lazy", &path(self.0.path())]));
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn must(program: &str, arguments: &[&str]) {
    run(Command::new(program).args(arguments)).unwrap_or_else(|e| panic!("{e}; run as root"));
}

fn with_state(disk: &Disk) -> impl FnOnce(&mut Config) {
    let more = format!("{DOOR}[state]\ndir = {:?}\n", path(&disk.0.path().join("state")));
    move |config| config.more = more
}

fn spoil(disk: &Disk, how: &str) {
    match how {
        "full" => disk.fill(),
        _ => disk.remount("ro"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_nothing_in_mid_call() {
    for how in ["full", "read-only"] {
        let disk = Disk::new();
        let mut scene = Scene::start("[default-phone]\n", &[], with_state(&disk)).await;
        spoil(&disk, how);
        let spoilt = Instant::now();
        scene.talk().await;
        scene.handle().digits("999").await.unwrap();
        scene.appliance.wait_status(20, "wrong code", |status| status["counters"]["door-wrong-codes"] == 1);
        scene.appliance.wait_fault("state-not-kept");
        println!("disk {how}: told after {:?}", spoilt.elapsed());
        scene.appliance.must(&["hangup"]);
        scene.appliance.wait_status(10, "idle", |status| status["call"] == "idle");
        // The next call, with the disk as it is.
        scene.talk().await;
        scene.appliance.must(&["hangup"]);
        scene.appliance.wait_call("idle");
        match how {
            "full" => disk.make_room(),
            _ => disk.remount("rw"),
        }
        let well = Instant::now();
        scene.appliance.wait_status(30, "no fault", |status| !has_fault(status, "state-not-kept"));
        within(
            &format!("disk {how} in a call: calls go on; once it is well all is kept"),
            KEPT,
            well.elapsed(),
        );
        let text = fs::read_to_string(disk.0.path().join("state/memory.json")).unwrap();
        assert!(text.contains("\"wrong-codes\":1"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_disk_that_takes_nothing() {
    for how in ["full", "read-only"] {
        let disk = Disk::new();
        spoil(&disk, how);
        let begin = Instant::now();
        let core = crate::scene::core("[default-phone]\n").await;
        let folder = TempDir::new().unwrap();
        let mut config = crate::scene::config(&core, &folder);
        with_state(&disk)(&mut config);
        let mut appliance = crate::support::appliance::Appliance::start_with_environment(&config, &[]);
        appliance.wait_status(20, "registered", |status| status["session"] == "registered");
        let registered = begin.elapsed();
        let status = appliance.wait_fault("state-not-kept");
        let detail = status["faults"][0]["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("make room"), "{detail}");
        within(
            &format!("start on a disk that is {how}: registered, with the fault and its cure"),
            3 * TOLD,
            registered,
        );
        appliance.must(&["press", "call", "--for", "100"]);
        appliance.wait_call("in-call");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_takes() {
    // Everything that is written there fails, as on a full disk or after the journal has died.
    let sh = ["sh".to_owned(), "-c".to_owned(), "exec \"$0\" \"$@\" 2>/dev/full".to_owned()];
    let core = crate::scene::core("[default-phone]\n").await;
    let folder = TempDir::new().unwrap();
    let config = crate::scene::config(&core, &folder);
    let mut appliance = crate::support::appliance::Appliance::start_inside(&config, &[], &sh);
    appliance.wait_ready();
    for _ in 0..3 {
        takes_a_call(&mut appliance);
    }
    row("the log is written to a full disk", "calls as before", "3 calls of 3");
}
