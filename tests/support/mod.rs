//! What the end-to-end tests share: paced sound cables, recorded speech and
//! its score, the box as a process, the simulated voice core, a browser.
//!
//! Every part kills what it started when it is dropped, works in a fresh
//! folder of its own, and names the command that installs it when it is missing.

// Every test binary uses its own share of these.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod appliance;
pub mod cable;
pub mod chromium;
pub mod core;
pub mod future_core;
pub mod netns;
pub mod panel;
pub mod process;
pub mod proxy;
pub mod score;
pub mod speech;

use std::net::{IpAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Tests that carry sound hold this: two at once would disturb each other's timing.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks `probe` until it has an answer, or panics after `limit` with what was
/// awaited and the last reason why not.
pub fn wait_for<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(why) if begin.elapsed() > limit => panic!("no {what} within {limit:?}: {why}"),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A port that is free at each of these addresses now and will be later: from
/// below those that Linux gives to whoever asks for any
/// (`net.ipv4.ip_local_port_range` begins at 32,768), so that no test running
/// beside this one is given it in between. It is asked for by connecting: had it
/// been listened at, a process that another test starts just then would keep
/// that socket from the fork to the exec.
pub fn port_for_later(addresses: &[&str]) -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (first, many) = (20_000, 12_000);
    for _ in 0..many {
        let at = std::process::id().wrapping_mul(61).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(first + at % many).unwrap();
        let free = |ip: &&str| TcpStream::connect((ip.parse::<IpAddr>().unwrap(), port)).is_err();
        if addresses.iter().all(free) {
            return port;
        }
    }
    panic!("no port from {first} on is free at {addresses:?}");
}

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where prepared files are kept between runs.
pub fn cache() -> PathBuf {
    let folder = root().join(".cache/tests");
    std::fs::create_dir_all(&folder).expect("a folder for prepared files");
    folder
}
