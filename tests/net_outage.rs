//! A door's network goes away and comes back: a cable that is pulled, a switch
//! that restarts. With real sockets and the kernel's own news of its links, a
//! box must be registered again at once, and a call must live through the gap.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use support::appliance::{Appliance, Config};
use support::core::{Core, CoreOptions};
use support::netns::{End, FAR, Network};
use support::one_at_a_time;
use support::process::Process;
use tempfile::TempDir;

fn core(network: &Network, script: &str) -> Core {
    Core::start(&CoreOptions {
        script: script.to_owned(),
        secure: false,
        address: FAR,
        inside: network.inside(End::Far),
        ..CoreOptions::default()
    })
}

fn config(endpoint: &str) -> Config {
    Config {
        endpoint: endpoint.to_owned(),
        audio: ("synth:tone=440".to_owned(), "synth:silence".to_owned()),
        backoff: ("1s", "60s"),
        ..Config::bare()
    }
}

fn port(core: &Core) -> &str {
    core.endpoint().rsplit(':').next().unwrap()
}

/// When the core first saw a registration after its first `skip` events.
fn registered_after(core: &Core, skip: usize) -> Option<Instant> {
    let events = core.events_after(skip);
    events.into_iter().find(|(_, event)| event["event"] == "registered").map(|(at, _)| at)
}

fn comes_back_after(end: End, outage: Duration) {
    let _alone = one_at_a_time();
    let network = Network::start();
    let core = core(&network, "");
    let endpoint = format!("http://{FAR}:{}", port(&core));
    let mut appliance = Appliance::start_inside(&config(&endpoint), &[], &network.inside(End::Near));
    appliance.wait_ready();

    let pulled = Instant::now();
    network.pull(end);
    appliance.wait_fault("core-unreachable");
    println!("{end:?}: the outage was noticed after {:?}", pulled.elapsed());
    assert!(pulled.elapsed() < Duration::from_secs(21), "half-open for {:?}", pulled.elapsed());
    thread::sleep(outage.saturating_sub(pulled.elapsed()));
    let skip = core.events().len();
    let plugged = Instant::now();
    network.plug(end);
    appliance.wait_ready();
    let registered = registered_after(&core, skip).expect("registered, says the box");
    let took = registered - plugged;
    println!("{end:?}: registered {took:?} after link-up");
    assert!(took <= Duration::from_secs(3), "registered only {took:?} after link-up");
}

#[test]
fn a_box_whose_interface_was_off_for_a_minute_is_registered_within_three_seconds() {
    comes_back_after(End::Near, Duration::from_secs(60));
}

#[test]
fn a_box_whose_switch_was_off_for_a_minute_is_registered_within_three_seconds() {
    comes_back_after(End::Far, Duration::from_secs(60));
}

/// Hands signalling on, and keeps the core's side open when the box's side is
/// gone: a core whose calls outlive their signalling.
const RELAY: &str = r#"
import socket, sys, threading
listener = socket.create_server((sys.argv[1], 0))
print(listener.getsockname()[1], flush=True)
kept = []
def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
while True:
    box, _ = listener.accept()
    core = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    for s in (box, core):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    kept.append((box, core))
    threading.Thread(target=copy, args=(box, core), daemon=True).start()
    threading.Thread(target=copy, args=(core, box), daemon=True).start()
"#;

/// Starts the relay; its port.
fn relay(network: &Network, core: &Core, folder: &Path) -> (Process, u16) {
    let inside = network.inside(End::Far);
    let mut command = Command::new(&inside[0]);
    command.args(&inside[1..]).args(["python3", "-c", RELAY, FAR, port(core)]);
    let process = Process::start("relay", command, folder);
    let port = support::wait_for(Duration::from_secs(10), "port of the relay", || {
        process.lines().first().ok_or_else(|| process.log())?.parse().map_err(|_| "no number".to_owned())
    });
    (process, port)
}

/// The samples of a WAV file (mono, 16 bit, 48 kHz) that may still be written to.
fn samples(wav: &Path) -> Vec<i16> {
    let bytes = std::fs::read(wav).unwrap();
    let data = bytes.windows(4).position(|four| four == b"data").expect("a data chunk") + 8;
    bytes[data..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// The longest silence between two sounds. A sound is 50 ms over -40 dBFS.
fn longest_gap(wav: &Path) -> Duration {
    const BLOCK: usize = 480;
    let samples = samples(wav);
    let loud = |block: &[i16]| {
        let energy: f64 = block.iter().map(|s| (f64::from(*s) / 32768.0).powi(2)).sum();
        (energy / block.len() as f64).sqrt() > 0.01
    };
    let loud: Vec<bool> = samples.chunks_exact(BLOCK).map(loud).collect();
    let sound: Vec<usize> =
        (0..loud.len().saturating_sub(5)).filter(|at| loud[*at..at + 5].iter().all(|l| *l)).collect();
    let gaps = sound.windows(2).map(|pair| pair[1] - pair[0]);
    Duration::from_millis(10 * gaps.max().expect("no sound at all") as u64)
}

fn a_call_lives_through_a_cut(end: End) {
    const CUT: Duration = Duration::from_secs(10);
    let _alone = one_at_a_time();
    let network = Network::start();
    let folder = TempDir::new().unwrap();
    let (there, here) = (folder.path().join("far-end.wav"), folder.path().join("box.wav"));
    let script = format!("[default-phone]\ntone = 1000.0\nrecord = {there:?}\n");
    let mut core = core(&network, &script);
    let (_relay, port) = relay(&network, &core, folder.path());
    let config = Config {
        // On `Pipe` the call's fate would be what the core says of it on the next
        // stream (`tests/e2e_adoption.rs`); this is about the media alone.
        mode: "multi-pipe",
        audio: ("synth:tone=440".to_owned(), format!("wav:{}", here.display())),
        ..config(&format!("http://{FAR}:{port}"))
    };
    let mut appliance = Appliance::start_inside(&config, &[], &network.inside(End::Near));
    appliance.wait_ready();
    appliance.must(&["press", "call", "--for", "100"]);
    appliance.wait_call("in-call");
    core.wait_event(0, "first-audio", |_| true);
    thread::sleep(Duration::from_secs(3));

    network.pull(end);
    let pulled = Instant::now();
    appliance.wait_status(20, "session found dead", |status| status["session"] != "registered");
    let found = pulled.elapsed();
    println!("{end:?}: the dead session was found after {found:?}");
    assert!(
        found <= Duration::from_millis(5500),
        "in a call a dead connection was found only after {found:?}"
    );
    thread::sleep(CUT.saturating_sub(pulled.elapsed()));
    network.plug(end);
    let cut = pulled.elapsed();
    appliance.wait_status(20, "registered box", |status| status["session"] == "registered");
    thread::sleep(Duration::from_secs(4));
    let status = appliance.status().unwrap();
    assert_eq!(status["call"], "in-call", "{status}");

    let late = Duration::from_secs(1);
    for (who, wav) in [("the far end", &there), ("the box", &here)] {
        let gap = longest_gap(wav);
        println!("{end:?}: {who} heard nothing for {gap:?}, the cut was {cut:?}");
        // What is made up at the beginning of the gap hides a little of it.
        assert!(gap + Duration::from_millis(500) > cut, "{who}: {gap:?} is less than the cut of {cut:?}");
        assert!(gap <= cut + late, "{who} heard nothing for {gap:?}, the cut was {cut:?}");
    }
}

#[test]
fn a_call_lives_through_ten_seconds_without_its_interface() {
    a_call_lives_through_a_cut(End::Near);
}

#[test]
fn a_call_lives_through_ten_seconds_without_a_switch() {
    a_call_lives_through_a_cut(End::Far);
}
