//! A name is not an address: it has several of them, the first may be dead,
//! and they change while the box hangs on its wall.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use support::appliance::{Appliance, Config};
use support::core::{Core, CoreOptions};
use support::process::Process;
use support::proxy::Proxy;
use tempfile::TempDir;

fn core() -> (Core, SocketAddr) {
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::default() });
    let port = core.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    (core, SocketAddr::from(([127, 0, 0, 1], port)))
}

/// A hosts file of one process: libnss-wrapper stands between it and libc.
fn write_hosts(hosts: &Path, addresses: &[&str], age: u64) {
    let lines: String = addresses.iter().map(|address| format!("{address} voice-core.test\n")).collect();
    fs::write(hosts, lines).unwrap();
    // The wrapper looks at whole seconds only to tell whether the file has changed.
    let later = SystemTime::now() + Duration::from_secs(age);
    fs::File::open(hosts).unwrap().set_modified(later).unwrap();
}

fn appliance(hosts: &Path, port: u16) -> Appliance {
    let config = Config {
        endpoint: format!("http://voice-core.test:{port}"),
        audio: ("synth:silence".to_owned(), "synth:silence".to_owned()),
        ..Config::bare()
    };
    let environment =
        [("LD_PRELOAD", "libnss_wrapper.so".to_owned()), ("NSS_WRAPPER_HOSTS", hosts.display().to_string())];
    Appliance::start_with_environment(&config, &environment)
}

/// Takes every connection into its queue until that is full, and none after
/// that: the kernel drops what comes, as a host without power would.
fn black_hole(address: &str, port: u16, folder: &Path) -> (Process, Vec<TcpStream>) {
    let program = "import socket, sys, time\n\
                   s = socket.socket()\n\
                   s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n\
                   s.bind((sys.argv[1], int(sys.argv[2])))\n\
                   s.listen(0)\n\
                   print('listening', flush=True)\n\
                   time.sleep(600)";
    let mut command = std::process::Command::new("python3");
    command.args(["-c", program, address, &port.to_string()]);
    let process = Process::start("black-hole", command, folder);
    support::wait_for(Duration::from_secs(10), "black hole", || {
        process.lines().first().cloned().ok_or_else(|| process.log())
    });
    let target = SocketAddr::new(address.parse().unwrap(), port);
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&target, Duration::from_secs(2)) {
        queued.push(stream);
        assert!(queued.len() < 10, "the hole takes everything");
    }
    (process, queued)
}

#[test]
fn an_address_that_is_dead_does_not_hide_the_one_that_is_not() {
    // In either order, and with one that refuses.
    for addresses in [["127.0.0.2", "127.0.0.3", "127.0.0.1"], ["127.0.0.3", "127.0.0.1", "127.0.0.2"]] {
        let (_core, address) = core();
        let folder = TempDir::new().unwrap();
        let hosts = folder.path().join("hosts");
        let _hole = black_hole("127.0.0.2", address.port(), folder.path());
        write_hosts(&hosts, &addresses, 0);
        let begin = Instant::now();
        let mut appliance = appliance(&hosts, address.port());
        appliance.wait_status(15, "registered box", |status| status["session"] == "registered");
        println!("{addresses:?}: registered after {:?}", begin.elapsed());
        let offline = appliance.events().iter().any(|event| event["state"] == "offline");
        assert!(!offline, "{addresses:?}: took more than one attempt");
    }
}

#[test]
fn a_core_that_moves_to_another_address_is_found_there() {
    let (mut core, address) = core();
    let folder = TempDir::new().unwrap();
    let hosts = folder.path().join("hosts");
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    // The last move is to the other family.
    let moves = ["127.0.0.11", "127.0.0.12", "::1"];
    let port = support::port_for_later(&moves);
    let proxies = moves.map(|ip| Proxy::start_at(SocketAddr::new(ip.parse().unwrap(), port), Some(address)));
    write_hosts(&hosts, &moves[..1], 0);
    let mut appliance = appliance(&hosts, port);
    appliance.wait_ready();
    for at in 1..moves.len() {
        write_hosts(&hosts, &moves[at..=at], 10 * at as u64);
        let skip = core.events().len();
        // Nobody is at the old address any more.
        proxies[at - 1].point_at(nobody);
        core.wait_event(skip, "registered", |_| true);
        appliance.wait_ready();
    }
}
