//! The image's own scripts keep state, too: how far an update came, which slot
//! is good, the last good configuration, a new set-up, the budget of reboots.
//! Each is killed after each single call that writes it, with all that it
//! started; then the old or the new is there, and the same script comes to its end.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::halt::Halting;
use crate::row;
use crate::support::process::run;
use crate::support::root;

const SETUP: &str = "[setup]\nclient-secret = \"s3cret\"\n[core]\nendpoint = \"http://127.0.0.1:9\"\nallow-plaintext = true\n\
                     [auth]\nmethod = \"none\"\n[board]\nfile = \"rpi4-doorstation\"\n";

/// Stands in for what only the image has: each says yes.
const YES: [&str; 6] = ["mount", "umount", "mountpoint", "chown", "systemctl", "fw_setenv"];

/// A copy of the scripts whose files are all below one folder, with busybox's tools as in the
/// image; its own shell would not let others stand in for them.
struct Image(TempDir);

impl Image {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let dir = folder.path().to_owned();
        for sub in [
            "bin",
            "scripts",
            "data/update",
            "data/config/1",
            "etc/callbox",
            "run",
            "dev/callbox",
            "boot/firmware",
            "ladder",
            "trace.d",
        ] {
            fs::create_dir_all(dir.join(sub)).unwrap();
        }
        run(Command::new("busybox").args(["--install", "-s"]).arg(dir.join("bin"))).unwrap();
        let image = Self(folder);
        for name in YES {
            image.program(name, "exit 0");
        }
        image.program("fw_printenv", "echo 3");
        let callbox = env!("CARGO_BIN_EXE_callbox");
        // Whatever the machine is: it has registered, and all is well.
        image.program(
            "callbox",
            &format!("case $1 in provision) exec {callbox} \"$@\";; status) echo '\"session\": \"registered\"';; selftest) echo 'core ok';; esac"),
        );
        let sources = fs::read_dir(root().join("image/root/usr/lib/callbox")).unwrap();
        for source in sources.map(|entry| entry.unwrap().path()).chain([root().join("image/ladder")]) {
            let mut text = fs::read_to_string(&source).unwrap();
            for (from, to) in [
                ("/usr/bin/callbox", "callbox"),
                ("/usr/lib/callbox", "@/scripts"),
                ("/etc/callbox", "@/etc/callbox"),
                ("/run/callbox-image", "@/run/callbox-image"),
                ("/dev/callbox", "@/dev/callbox"),
                ("/boot/firmware", "@/boot/firmware"),
                ("/data", "@/data"),
                ("/proc/cmdline", "@/cmdline"),
            ] {
                text = text.replace(from, to);
            }
            let text = text.replace('@', &dir.display().to_string());
            image.file(&format!("scripts/{}", source.file_name().unwrap().display()), &text, 0o755);
        }
        image.file(
            "etc/callbox-image",
            "BOARD=virt\nCOMPATIBLE=callbox-virt-arm64\nVERSION=1\nBUILD=b2\n",
            0o644,
        );
        image.file("cmdline", "quiet rauc.slot=A\n", 0o644);
        image.file("etc/callbox/callbox.toml", "old", 0o644);
        image.file("data/config/1/callbox.toml", "old", 0o644);
        symlink("1", dir.join("data/config/current")).unwrap();
        image.file("manifest.raucm", "[update]\ncompatible=callbox-virt-arm64\nversion=2\n", 0o644);
        fs::write(dir.join("dev/callbox/disk"), vec![0; 4 << 20]).unwrap();
        image
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.dir().join(name), text).unwrap();
        fs::set_permissions(self.dir().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        // Not into busybox, which the link leads to.
        let _ = fs::remove_file(self.dir().join("bin").join(name));
        self.file(&format!("bin/{name}"), &format!("#!{}/bin/sh\n{text}\n", self.dir().display()), 0o755);
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dir().join(name)).ok()
    }

    fn command(&self, script: &[&str]) -> Vec<String> {
        let dir = self.dir().display();
        let mut command: Vec<String> = [
            "env",
            "-i",
            &format!("PATH={dir}/bin"),
            &format!("RAUC_BUNDLE_MOUNT_POINT={dir}"),
            &format!("STATE_DIRECTORY={dir}/ladder"),
            "/bin/sh",
            &format!("{dir}/scripts/{}", script[0]),
        ]
        .map(str::to_owned)
        .to_vec();
        command.extend(script[1..].iter().map(|&word| word.to_owned()));
        command
    }

    fn run(&self, script: &[&str]) -> String {
        let command = self.command(script);
        run(Command::new(&command[0]).args(&command[1..])).unwrap()
    }

    /// What `keep` has outside of every file system.
    fn kept(&self) -> String {
        let into = self.dir().join("loaded");
        // cpio writes over no file that is there.
        let _ = fs::remove_dir_all(&into);
        fs::create_dir_all(&into).unwrap();
        self.run(&["keep", "load", &into.display().to_string()]);
        self.read("loaded/callbox.toml").unwrap()
    }
}

struct Case {
    script: &'static [&'static str],
    /// What it may write.
    files: &'static [&'static str],
    before: fn(&Image),
    /// Old or new.
    judge: fn(&Image),
    /// New, once it has run to its end.
    end: fn(&Image),
}

const CASES: [Case; 6] = [
    Case {
        script: &["update-allowed"],
        files: &["data/update", "data/update/pending", "data/update/pending.new"],
        before: |_| {},
        judge: |image| {
            assert!(image.read("data/update/pending").is_none_or(|text| text == "installing B 2 \n"))
        },
        end: |image| assert_eq!(image.read("data/update/pending").unwrap(), "installing B 2 \n"),
    },
    Case {
        script: &["update-installed"],
        files: &["data/update", "data/update/pending", "data/update/pending.new"],
        before: |image| image.file("data/update/pending", "installing B 2 core,\n", 0o644),
        judge: |image| {
            let text = image.read("data/update/pending").unwrap();
            assert!(["installing B 2 core,\n", "installed B 2 core,\n"].contains(&text.as_str()), "{text:?}");
        },
        end: |image| assert_eq!(image.read("data/update/pending").unwrap(), "installed B 2 core,\n"),
    },
    Case {
        script: &["health"],
        files: &[
            "data/update",
            "data/update/pending",
            "data/update/good-A",
            "data/update/good-A.new",
            "data/update/checked",
            "data/update/checked.new",
            "dev/callbox/disk",
        ],
        before: |image| {
            image.file("data/update/pending", "installed A 2 \n", 0o644);
            image.file("data/update/good-A", "b1\n", 0o644);
        },
        judge: |image| {
            let good = image.read("data/update/good-A").unwrap();
            assert!(["b1\n", "b2\n"].contains(&good.as_str()), "{good:?}");
            // A trial is over only for a slot that is good.
            assert!(good == "b2\n" || image.read("data/update/pending").is_some());
        },
        end: |image| {
            assert_eq!(
                (image.read("data/update/good-A").as_deref(), image.read("data/update/pending")),
                (Some("b2\n"), None)
            );
            assert_eq!(
                (image.read("data/update/checked").unwrap().len(), image.kept().as_str()),
                (65, "old")
            );
        },
    },
    Case {
        script: &["keep", "save", "@/etc/callbox"],
        files: &["dev/callbox/disk"],
        before: |image| {
            image.run(&["keep", "save", &image.dir().join("etc/callbox").display().to_string()]);
            assert_eq!(image.kept(), "old");
            image.file("etc/callbox/callbox.toml", "new", 0o644);
        },
        judge: |image| assert!(["old", "new"].contains(&image.kept().as_str())),
        end: |image| assert_eq!(image.kept(), "new"),
    },
    Case {
        script: &["provision"],
        files: &[
            "boot/firmware/callbox-setup.toml",
            "data/config",
            "data/config/1",
            "data/config/2",
            "data/config/2/callbox.toml",
            "data/config/2/client-secret",
            "data/config/next",
            "data/config/current",
        ],
        before: |image| image.file("boot/firmware/callbox-setup.toml", SETUP, 0o644),
        judge: |image| {
            let used = image.read("data/config/current/callbox.toml").unwrap();
            assert!(used == "old" || used.contains("127.0.0.1:9"), "{used}");
            if used == "old" {
                assert_eq!(
                    image.read("boot/firmware/callbox-setup.toml").as_deref(),
                    Some(SETUP),
                    "the set-up is gone"
                );
            } else {
                assert_eq!(image.read("data/config/current/client-secret").as_deref(), Some("s3cret\n"));
            }
        },
        end: |image| {
            assert!(image.read("data/config/current/callbox.toml").unwrap().contains("127.0.0.1:9"));
            assert_eq!(image.read("boot/firmware/callbox-setup.toml"), None, "the secret is still there");
        },
    },
    Case {
        script: &["ladder", "callbox.service"],
        files: &["ladder", "ladder/reboots", "ladder/reboots.new"],
        before: |image| image.file("ladder/reboots", "1\n", 0o644),
        judge: |image| assert!(["1\n", "2\n"].contains(&image.read("ladder/reboots").unwrap().as_str())),
        end: |image| assert!(["2\n", "3\n"].contains(&image.read("ladder/reboots").unwrap().as_str())),
    },
];

/// Kills it after the n-th call; whether there was one.
fn killed(case: &Case, image: &Image, script: &[&str], n: usize) -> bool {
    let paths: Vec<PathBuf> = case.files.iter().map(|file| image.dir().join(file)).collect();
    let mut halting = Halting::start(&image.dir().join("trace.d"), &paths, &image.command(script));
    let calls = halting.kill_after(n, |_| false);
    let whole = calls.len() == n;
    if whole {
        println!("{}: killed after {}", script[0], calls[n - 1]);
    }
    whole
}

#[test]
fn the_image_scripts_are_killed_at_each_write() {
    let mut all = 0;
    for case in &CASES {
        let mut n = 0;
        loop {
            let image = Image::new();
            let own = image.dir().display().to_string();
            let script: Vec<String> = case.script.iter().map(|word| word.replace('@', &own)).collect();
            let script: Vec<&str> = script.iter().map(String::as_str).collect();
            (case.before)(&image);
            n += 1;
            if !killed(case, &image, &script, n) {
                (case.end)(&image);
                break;
            }
            (case.judge)(&image);
            image.run(&script);
            (case.end)(&image);
        }
        assert!(n > 4, "{}: nothing was written", case.script[0]);
        all += n - 1;
    }
    row(
        "the image's scripts killed at each call that writes (update, good slot, last good configuration, set-up, reboots)",
        "old or new, whole, and the next run comes to its end",
        format_args!("held at all {all}"),
    );
}
