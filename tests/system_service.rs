//! As a service the box is watched: systemd must hear that it serves, how it
//! is and that it ends, or it starts a healthy box again and leaves a hung one
//! alone. What the unit allows and how often it reboots is checked here, too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::appliance::{Appliance, Config};

/// The unit must not be more exposed than this, in tenths.
const EXPOSURE: &str = "--threshold=15";

/// What a service manager hears, one `NAME=value` a line.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(at: &Path) -> Self {
        let socket = UnixDatagram::bind(at).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        Self(socket)
    }

    /// Every line of the next message.
    fn next(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).expect("the box says something");
        String::from_utf8_lossy(&bytes[..length]).lines().map(str::to_owned).collect()
    }

    /// Hears until a line begins so.
    fn hear(&self, start: &str) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if let Some(line) = self.next().into_iter().find(|line| line.starts_with(start)) {
                return line;
            }
        }
        panic!("the box never said {start}");
    }
}

#[test]
fn the_manager_hears_ready_then_beats_and_news_and_then_the_end() {
    let folder = tempfile::TempDir::new().unwrap();
    let address = folder.path().join("notify");
    let manager = Manager::listen(&address);
    let config = Config {
        endpoint: "http://127.0.0.1:9".to_owned(),
        audio: ("synth:silence".to_owned(), "synth:silence".to_owned()),
        ..Config::bare()
    };
    let environment =
        [("NOTIFY_SOCKET", address.display().to_string()), ("WATCHDOG_USEC", "2000000".to_owned())];
    let mut appliance = Appliance::start_with_environment(&config, &environment);

    let first = manager.next();
    assert!(first.contains(&"READY=1".to_owned()), "{first:?}");
    assert!(first.iter().any(|line| line.starts_with("STATUS=session ")), "{first:?}");
    let begin = Instant::now();
    for _ in 0..4 {
        manager.hear("WATCHDOG=1");
    }
    assert!(begin.elapsed() < Duration::from_secs(6), "four beats took {:?}", begin.elapsed());
    // Port 9 refuses: that is news.
    let told = manager.hear("STATUS=session offline");
    assert!(told.contains("core-unreachable") || told.contains('('), "{told}");
    appliance.assert_alive();
    terminate(appliance.id());
    manager.hear("STOPPING=1");
}

fn terminate(id: u32) {
    assert!(Command::new("kill").args(["-TERM", &id.to_string()]).status().unwrap().success());
}

#[test]
fn the_unit_is_hardened_and_its_neighbours_are_well_formed() {
    let analyse = |arguments: &[&str]| {
        Command::new("systemd-analyze")
            .args(arguments)
            .output()
            .expect("systemd-analyze; `make setup` installs it")
    };
    let scored = analyse(&["security", "--offline=true", EXPOSURE, "image/callbox.service"]);
    assert!(scored.status.success(), "{}", String::from_utf8_lossy(&scored.stdout));
    let units = [
        "callbox.service",
        "callbox-ladder.service",
        "callbox-ladder-reset.service",
        "callbox-ladder-reset.timer",
    ];
    for unit in units {
        let read = analyse(&["verify", &format!("image/{unit}")]);
        let complaints = String::from_utf8_lossy(&read.stderr).into_owned();
        // What is installed by the package is not here, and nor is its man page.
        let ours: Vec<&str> = complaints
            .lines()
            .filter(|line| {
                // Before systemd 254 there was no such key, and no need of it.
                line.contains("callbox")
                    && !["not executable", "Command 'man", "'RestartMode'"].iter().any(|of| line.contains(of))
            })
            .collect();
        assert_eq!(ours, Vec::<&str>::new(), "{unit}");
    }
}

/// Runs image/ladder as systemd would, with a systemctl that notes what it was asked.
fn ladder(folder: &Path, main_status: u32) -> Vec<String> {
    let asked = folder.join("asked");
    let _ = fs::remove_file(&asked);
    // Files of the repository: one written here could still be open in a child that
    // another test's thread starts at that moment, and could not be run ("text file busy").
    let instead = support::root().join("tests/support/instead");
    let path = format!("{}:{}", instead.display(), std::env::var("PATH").unwrap());
    let done = Command::new("image/ladder")
        .arg("callbox.service")
        .env("PATH", path)
        .env("STATE_DIRECTORY", folder)
        .env("MAIN_STATUS", main_status.to_string())
        .env("ASKED", &asked)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::read_to_string(&asked).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn a_box_that_fails_for_good_reboots_three_times_and_then_stays_up_and_tries_on() {
    let folder = tempfile::TempDir::new().unwrap();
    for reboot in 1..=3 {
        assert_eq!(ladder(folder.path(), 1), ["reboot"], "reboot {reboot}");
    }
    for _ in 0..2 {
        assert_eq!(
            ladder(folder.path(), 1),
            ["reset-failed callbox.service", "--no-block start callbox.service"]
        );
    }
    // A good hour later the reset unit has removed the count.
    fs::remove_file(folder.path().join("reboots")).unwrap();
    assert_eq!(ladder(folder.path(), 1), ["reboot"]);
}

#[test]
fn no_reboot_cures_a_wrong_configuration_and_a_spoilt_count_counts_as_none() {
    let folder = tempfile::TempDir::new().unwrap();
    assert_eq!(ladder(folder.path(), 2), Vec::<String>::new());
    fs::write(folder.path().join("reboots"), "\0\0").unwrap();
    assert_eq!(ladder(folder.path(), 1), ["reboot"]);
    assert_eq!(fs::read_to_string(folder.path().join("reboots")).unwrap().trim(), "1");
}
