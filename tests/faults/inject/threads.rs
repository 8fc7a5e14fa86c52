//! One thread hangs, held by ptrace while all others run on: the service
//! manager must hear no more beats, so that it ends the box and starts it again.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::scene::Scene;
use crate::support::process::Process;
use crate::support::wait_for;
use crate::within;

/// PATIENCE of src/system/pulse.rs, two looks, and a second for a loaded machine. The
/// unit's `WatchdogSec` comes on top.
const STARVED: Duration = Duration::from_secs(14);

/// Beats come every second.
const QUIET: Duration = Duration::from_secs(3);

/// Holds a thread until it is dropped.
const HOLD: &str = "import ctypes, os, sys, time\n\
                    libc = ctypes.CDLL('libc.so.6', use_errno=True)\n\
                    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]\n\
                    thread = int(sys.argv[1])\n\
                    if libc.ptrace(16, thread, None, None) != 0:\n\
                    \tsys.exit('ptrace: errno %d; run as root' % ctypes.get_errno())\n\
                    os.waitpid(thread, 0x40000000)\n\
                    print('held', flush=True)\n\
                    time.sleep(600)\n";

fn thread_of(process: u32, name: &str) -> u32 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().map(Result::unwrap);
    let mut named = tasks.filter(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
    });
    let task = named.next().unwrap_or_else(|| panic!("no thread {name}"));
    task.file_name().to_str().unwrap().parse().unwrap()
}

fn beats_within(manager: &UnixDatagram, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    let mut bytes = [0; 4096];
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        manager.set_read_timeout(Some(left)).unwrap();
        let Ok(length) = manager.recv(&mut bytes) else { return false };
        if String::from_utf8_lossy(&bytes[..length]).lines().any(|line| line == "WATCHDOG=1") {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_hangs_starves_the_watchdog() {
    let folder = TempDir::new().unwrap();
    let address = folder.path().join("notify");
    let manager = UnixDatagram::bind(&address).unwrap();
    let environment =
        [("NOTIFY_SOCKET", address.display().to_string()), ("WATCHDOG_USEC", "15000000".to_owned())];
    let mut scene = Scene::start("[default-phone]\n", &environment, |_| {}).await;
    for name in ["alsa-capture", "alsa-playback", "audio-dsp"] {
        assert!(beats_within(&manager, QUIET), "no beat before");
        let mut command = Command::new("python3");
        command.args(["-c", HOLD, &thread_of(scene.appliance.id(), name).to_string()]);
        let mut holder = Process::start("holder", command, folder.path());
        wait_for(Duration::from_secs(5), "hold of the thread", || {
            holder.assert_alive();
            if holder.lines().is_empty() { Err("not held".to_owned()) } else { Ok(()) }
        });
        let held = Instant::now();
        let mut last = held;
        while beats_within(&manager, QUIET) {
            last = Instant::now();
            assert!(held.elapsed() < STARVED + QUIET, "{name} hangs, and the watchdog is fed");
        }
        drop(holder);
        within(&format!("thread `{name}` hangs: the watchdog gets no more beats"), STARVED, last - held);
        assert!(beats_within(&manager, Duration::from_secs(10)), "{name} goes on, and no beat comes");
    }
    scene.appliance.takes_a_call();
}
