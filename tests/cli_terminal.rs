//! A person on ssh watches the box in a terminal of 80 by 24. What matters must
//! be on that one screen, it must move, and the terminal must be as it was when
//! the person leaves, or the next command is typed blind. The terminal is a real
//! one (a pty), and what is on it is read by an emulator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use support::appliance::{Appliance, Config};
use support::core::{Core, CoreOptions};
use support::process::{Process, run};
use support::wait_for;

/// A terminal with `callbox status --watch` in it.
struct Terminal {
    keyboard: File,
    /// The program's end.
    line: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
    child: Child,
}

impl Terminal {
    fn watch(appliance: &Appliance) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let line = ioctl_tiocgptpeer(&keyboard, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        size(&line, 80, 24);
        let end = || Stdio::from(line.try_clone().unwrap());
        // A session of its own: the kernel tells it of a new size.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait", env!("CARGO_BIN_EXE_callbox"), "status", "--watch", "--socket"])
            .arg(appliance.socket())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(24), cells(80), 0)));
        let keyboard = File::from(keyboard);
        let (mut output, drawn) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                drawn.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { keyboard, line, screen, child }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn wait(&self, what: &str) -> String {
        wait_for(Duration::from_secs(20), what, || {
            let text = self.text();
            if text.contains(what) { Ok(text) } else { Err(format!("on the screen is\n{text}")) }
        })
    }

    fn press(&mut self, key: u8) {
        self.keyboard.write_all(&[key]).unwrap();
    }

    fn raw(&self) -> bool {
        !tcgetattr(&self.line).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    /// Waits for the end; its exit code.
    fn ended(&mut self) -> Option<i32> {
        wait_for(Duration::from_secs(10), "end", || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status.code()),
            None => Err("it runs".to_owned()),
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cells(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

fn size(line: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(line, size).unwrap();
}

fn silent(core: Option<&Core>) -> Appliance {
    let bare = || Config { endpoint: "http://127.0.0.1:9".to_owned(), ..Config::bare() };
    let config = core.map_or_else(bare, Config::for_core);
    let audio = ("synth:tone=440".to_owned(), "synth:silence".to_owned());
    let mut appliance = Appliance::start_with_environment(&Config { audio, ..config }, &[]);
    appliance.wait_status(20, "box that answers", |_| true);
    appliance
}

#[test]
fn a_call_is_watched_on_80_by_24_and_the_terminal_is_given_back() {
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::default() });
    let mut appliance = silent(Some(&core));
    appliance.wait_ready();
    let mut terminal = Terminal::watch(&appliance);
    terminal.wait("session  registered");
    assert!(terminal.raw() && terminal.screen.lock().unwrap().screen().alternate_screen());
    assert!(terminal.screen.lock().unwrap().screen().hide_cursor());
    terminal.wait("buttons  none was pressed yet");
    appliance.must(&["press", "call", "--for", "100"]);
    terminal.wait("call     in-call +4700000001 for");
    terminal.wait("first audio from the far end");
    terminal.wait("buttons  call: press");
    let text = terminal.wait("MOS");
    for part in [
        "ms Offer sent",
        "mic [",
        "jitter",
        "delay",
        "lamps    ",
        "answered=on",
        "outputs  ",
        "volume   100 %",
    ] {
        assert!(text.contains(part), "no {part:?} on\n{text}");
    }
    // Smaller and larger, while it runs.
    for (columns, rows) in [(40, 10), (120, 40)] {
        terminal.screen.lock().unwrap().screen_mut().set_size(cells(rows), cells(columns));
        size(&terminal.line, columns, rows);
        wait_for(Duration::from_secs(5), "drawing", || {
            let text = terminal.text();
            let first = text.lines().next().unwrap_or_default();
            if first.len() == usize::from(columns) && first.ends_with("q ends") { Ok(()) } else { Err(text) }
        });
    }
    appliance.must(&["hangup"]);
    terminal.wait("call     idle");

    terminal.press(b'q');
    assert_eq!(terminal.ended(), Some(0));
    let screen = terminal.screen.lock().unwrap();
    assert!(!terminal.raw() && !screen.screen().alternate_screen() && !screen.screen().hide_cursor());
    assert_eq!(screen.screen().contents().trim(), "", "something is left on the first screen");
}

#[test]
fn a_box_that_goes_is_told_and_ctrl_c_leaves() {
    let appliance = silent(None);
    let mut terminal = Terminal::watch(&appliance);
    terminal.wait("FAULT");
    terminal.wait("core-unreachable");
    drop(appliance);
    terminal.wait("GONE     no callbox answers");
    terminal.press(0x03);
    assert_eq!(terminal.ended(), Some(0));
    assert!(!terminal.raw());
}

#[test]
fn without_a_terminal_there_is_a_line_a_change() {
    let appliance = silent(None);
    let watch = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbox"));
        command.args(["status", "--watch", "--socket"]).arg(appliance.socket()).args(arguments);
        Process::start("watch", command, appliance.folder())
    };
    let (lines, objects) = (watch(&[]), watch(&["--json"]));
    let last = |process: &Process, what: &str| {
        wait_for(Duration::from_secs(15), what, || match process.lines().pop() {
            Some(line) if line.contains(what) => Ok(line),
            last => Err(format!("{last:?}")),
        })
    };
    last(&lines, "faults core-unreachable");
    appliance.must(&["mute"]);
    let line = last(&lines, ", muted");
    assert!(
        line.starts_with("20") && line.contains("  volume 100 %, muted") && !line.contains('\u{1b}'),
        "{line}"
    );
    last(&objects, "\"muted\":true");
    for line in objects.lines() {
        let status: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(status["session"].is_string(), "{line}");
    }
    // Levels and the time go on and are no changes.
    let told: Vec<String> = lines.lines().iter().map(|line| line[20..].to_owned()).collect();
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{told:#?}");
    assert!(
        run(Command::new(env!("CARGO_BIN_EXE_callbox")).args(["status", "--watch", "--socket", "/none"]))
            .is_err()
    );
}

#[test]
fn shells_and_man_read_what_is_made_for_them() {
    let callbox =
        |arguments: &[&str]| run(Command::new(env!("CARGO_BIN_EXE_callbox")).args(arguments)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("callbox.bash");
    std::fs::write(&script, callbox(&["completions", "bash"])).unwrap();
    // Completes as bash itself asks for it.
    let ask = format!(
        "source {}; COMP_WORDS=(callbox stat); COMP_CWORD=1; _callbox callbox stat callbox; echo \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    assert_eq!(run(Command::new("bash").args(["--norc", "-c", &ask])).unwrap().trim(), "status");
    assert!(callbox(&["completions", "zsh"]).starts_with("#compdef callbox"));
    assert!(callbox(&["completions", "fish"]).contains("complete -c callbox"));
    let page = callbox(&["man"]);
    assert!(page.contains(".SH COMMANDS") && page.contains("\\-\\-watch"), "{page}");
    assert!(callbox(&["reference"]).contains("| `endpoint` |"));
}
