//! Bad networks, after the profiles of RingRTC's call simulator and RFC 8868: the
//! box and the core in namespaces of their own, and `weather.py` between. What is
//! lost, held up, cut and translated is all that passes, signalling too.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock::longest_gap;
use crate::row;
use crate::speech;
use crate::support::appliance::{Appliance, Config};
use crate::support::core::{Core, CoreOptions};
use crate::support::netns::{BOX, End, FAR, Network};
use crate::support::process::Process;
use crate::support::{root, wait_for};

/// The box's address after it has moved.
const OTHER: &str = "10.78.0.3";

/// A call in a network whose weather can change.
pub struct Call {
    pub appliance: Appliance,
    core: Core,
    pub weather: Weather,
    network: Network,
    folder: TempDir,
}

/// The carrier of packets.
pub struct Weather {
    _carrier: Process,
    control: UnixDatagram,
    path: PathBuf,
}

impl Weather {
    fn over(network: &Network, folder: &Path) -> Self {
        let path = folder.join("weather");
        let inside = network.inside_middle();
        let mut command = Command::new(&inside[0]);
        command.args(&inside[1..]).arg("python3").arg(root().join("tests/faults/weather.py")).arg(&path);
        let seed: u16 =
            std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
        println!("SEED={seed}");
        command.env("SEED", seed.to_string());
        let mut carrier = Process::start("weather", command, folder);
        wait_for(Duration::from_secs(10), "carrier of packets", || {
            carrier.assert_alive();
            carrier.lines().first().cloned().ok_or_else(|| carrier.log())
        });
        Self { _carrier: carrier, control: UnixDatagram::unbound().unwrap(), path }
    }

    /// From now on.
    pub fn change(&self, to: &Value) {
        self.control.send_to(to.to_string().as_bytes(), &self.path).unwrap();
    }
}

impl Call {
    /// Both talk, in fair weather.
    pub fn begin(mode: &'static str) -> Self {
        let network = Network::start_apart();
        let folder = TempDir::new().unwrap();
        let weather = Weather::over(&network, folder.path());
        let said = speech::ten_minutes();
        let [there, here] = ["far-end.wav", "box.wav"].map(|name| folder.path().join(name));
        let core = Core::start(&CoreOptions {
            script: format!("[default-phone]\nprompt = {said:?}\nrecord = {there:?}\n"),
            secure: false,
            address: FAR,
            inside: network.inside(End::Far),
            ..CoreOptions::default()
        });
        let config = Config {
            // By its address: what it says of itself is for its own machine.
            endpoint: format!("http://{FAR}:{}", core.endpoint().rsplit(':').next().unwrap()),
            mode,
            audio: (format!("wav:{}", said.display()), format!("wav:{}", here.display())),
            backoff: ("1s", "60s"),
            ..Config::bare()
        };
        let mut appliance = Appliance::start_inside(&config, &[], &network.inside(End::Near));
        appliance.wait_ready();
        appliance.must(&["press", "call", "--for", "100"]);
        appliance.wait_call("in-call");
        Self { appliance, core, weather, network, folder }
    }

    /// Stays in the call for this long; the last status.
    fn stays_up(&self, time: Duration) -> Value {
        let begin = Instant::now();
        loop {
            let status = self.appliance.status().unwrap();
            assert_eq!(status["call"], "in-call", "after {:?}: {status}", begin.elapsed());
            if begin.elapsed() >= time {
                return status;
            }
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// Ends it; what each end understood of the other.
    fn understood(&mut self) -> [speech::Understood; 2] {
        self.appliance.must(&["hangup"]);
        self.appliance.wait_status(20, "idle", |status| status["call"] == "idle");
        // What it plays last is on the disk.
        thread::sleep(Duration::from_secs(1));
        self.heard().map(|wav| speech::understood(&wav))
    }

    /// What the far end and the box have recorded.
    fn heard(&self) -> [PathBuf; 2] {
        ["far-end.wav", "box.wav"].map(|name| self.folder.path().join(name))
    }

    fn sessions_lost(&self) -> usize {
        self.appliance.events().iter().filter(|event| event["state"] == "offline").count()
    }
}

/// Ten minutes with `FAULTS_LONG=1`, else two.
fn long() -> Duration {
    Duration::from_secs(if std::env::var_os("FAULTS_LONG").is_some() { 600 } else { 120 })
}

/// A call in this weather; both must understand each other at least so well.
fn call_in(name: &str, weather: &Value, time: Duration, least_plcmos: f64, least_stoi: f64) {
    let mut call = Call::begin("multi-pipe");
    call.weather.change(weather);
    let status = call.stays_up(time);
    let figures = &status["audio"]["call"];
    println!("{name}: {figures}");
    let lost = call.sessions_lost();
    // The hang-up is not what is tested.
    call.weather.change(&json!({"loss": 0, "delay": 0, "jitter": 0, "rate": 0}));
    let [there, here] = call.understood();
    row(
        name,
        &format!(
            "call up for {} min; PLCMOS {least_plcmos}, STOI {least_stoi} each way",
            time.as_secs() / 60
        ),
        format_args!(
            "up; far end {there}; box {here}; {} kbit/s in packets of {} ms; {lost} sessions lost meanwhile",
            figures["bitrate"].as_u64().unwrap_or(0) / 1000,
            figures["packet_ms"],
        ),
    );
    for understood in [there, here] {
        assert!(understood.plcmos >= least_plcmos && understood.stoi >= least_stoi, "{name}: {understood}");
    }
}

#[test]
fn five_percent_loss_and_a_hundred_milliseconds() {
    let weather = json!({"loss": 0.05, "delay": 100, "jitter": 25});
    call_in("network 100 ± 25 ms, 5 % loss", &weather, Duration::from_secs(60), 3.5, 0.85);
}

#[test]
fn bursts_and_a_quarter_of_a_second() {
    let weather = json!({"loss": 0.05, "burst": 4, "delay": 250, "jitter": 100});
    call_in("network 250 ± 100 ms, 5 % loss in bursts of 4", &weather, Duration::from_secs(60), 3.0, 0.8);
}

#[test]
fn thirty_percent_random_loss() {
    call_in("network 30 % random loss", &json!({"loss": 0.3}), long(), 2.5, 0.7);
}

#[test]
fn from_three_hundred_to_twenty_five_kilobits() {
    let mut call = Call::begin("multi-pipe");
    for rate in [300, 100, 50, 25] {
        call.weather.change(&json!({"rate": rate}));
        let status = call.stays_up(Duration::from_secs(45));
        let figures = &status["audio"]["call"];
        println!("{rate} kbit/s: {figures}");
        let (bits, length) = (figures["bitrate"].as_u64().unwrap(), figures["packet_ms"].as_u64().unwrap());
        // RTP, SRTP's tag, UDP and IP: 12, 10, 8 and 20 octets a packet (RFC 3550, 3711).
        let wire = (bits as f64 + 50.0 * 8.0 * 1000.0 / length as f64) / 1000.0;
        row(
            &format!("network of {rate} kbit/s each way"),
            "call up, codec within it",
            format_args!(
                "up; codec {} kbit/s in packets of {length} ms, {wire:.1} on the wire; {} ‰ lost at the far end",
                bits / 1000,
                figures["far_end_lost_permille"]
            ),
        );
        assert!(wire <= f64::from(rate), "{wire} kbit/s into {rate}");
    }
    let lost = call.sessions_lost();
    let [there, here] = call.understood();
    row(
        "network of 300, 100, 50 and 25 kbit/s in one call",
        "PLCMOS 2.5, STOI 0.7 each way",
        format_args!("far end {there}; box {here}; {lost} sessions lost meanwhile"),
    );
    for understood in [there, here] {
        assert!(understood.plcmos >= 2.5 && understood.stoi >= 0.7, "{understood}");
    }
}

/// From now until both have heard the other again, by their recordings: the longest
/// silence that there was in either, and how the call is.
fn gap_after(call: &mut Call, what: impl FnOnce(&Call), settle: Duration) -> [Duration; 2] {
    thread::sleep(Duration::from_secs(3));
    what(call);
    call.stays_up(settle);
    call.appliance.wait_status(40, "registered", |status| status["session"] == "registered");
    call.appliance.must(&["hangup"]);
    call.appliance.wait_status(20, "idle", |status| status["call"] == "idle");
    thread::sleep(Duration::from_secs(1));
    call.heard().map(|wav| longest_gap(&wav))
}

/// Speech has pauses of its own.
const PAUSE: Duration = Duration::from_millis(1500);

#[test]
fn a_nat_that_forgets_its_ports() {
    let mut call = Call::begin("multi-pipe");
    let skip = call.core.events().len();
    let begun = Instant::now();
    let mut rebound = begun;
    let gaps = gap_after(
        &mut call,
        |call| {
            rebound = Instant::now();
            call.weather.change(&json!({"rebind": true}));
        },
        Duration::from_secs(25),
    );
    let back = call.core.events_after(skip).into_iter().find(|(_, event)| event["event"] == "registered");
    let back = back.expect("a new registration").0 - rebound;
    row(
        "NAT gives out other ports in a call",
        "session back in 10 s; sound back in 5 s",
        format_args!(
            "session {:.1} s; longest silence, pauses of speech included: far end {:.1} s, box {:.1} s",
            back.as_secs_f64(),
            gaps[0].as_secs_f64(),
            gaps[1].as_secs_f64()
        ),
    );
    assert!(back <= Duration::from_secs(10), "{back:?}");
    assert!(gaps.iter().all(|gap| *gap <= Duration::from_secs(5) + PAUSE), "{gaps:?}");
}

#[test]
fn the_boxs_address_changes_in_a_call() {
    for mode in ["pipe", "multi-pipe"] {
        let mut call = Call::begin(mode);
        let gaps = gap_after(&mut call, |call| call.network.readdress(BOX, OTHER), Duration::from_secs(25));
        row(
            &format!("the box gets another address in a call ({mode})"),
            "call up, sound back in 5 s",
            format_args!(
                "longest silence, pauses of speech included: far end {:.1} s, box {:.1} s",
                gaps[0].as_secs_f64(),
                gaps[1].as_secs_f64()
            ),
        );
        assert!(gaps.iter().all(|gap| *gap <= Duration::from_secs(5) + PAUSE), "{mode}: {gaps:?}");
    }
}
