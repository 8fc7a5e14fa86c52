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
        let mut before = Value::Null;
        loop {
            let status = self.appliance.status().unwrap();
            assert_eq!(status["call"], "in-call", "after {:?}: {status}", begin.elapsed());
            let figures = &status["audio"]["call"];
            let codec = json!([figures["bitrate"], figures["packet_ms"], figures["expected_loss_percent"]]);
            if codec != before {
                let (lost, way) = (&figures["far_end_lost_permille"], &figures["round_trip_us"]);
                println!("{:.0?}: codec {codec}, {lost} ‰ lost, round trip {way} us", begin.elapsed());
                before = codec;
            }
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
        // The far end's recording is whole once it has heard of the end, which a session that was lost must tell.
        let there = &self.heard()[0];
        wait_for(Duration::from_secs(90), "the far end's recording", || {
            let samples = hound::WavReader::open(there).map_err(|e| e.to_string())?.duration();
            if samples > 0 { Ok(()) } else { Err("no sample yet".to_owned()) }
        });
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

type Fault = fn(&Call);

/// Where a call's media has lost its way nothing brings it back but the core: it must name the call to the
/// new stream (`Pipe`), which this simulated one does only after the old stream has ended for it as well.
/// So the call ends; it must not stay without sound, and the next one must be well.
#[test]
fn a_call_that_has_lost_its_way_ends_and_the_next_is_well() {
    let faults: [(&str, Fault); 2] = [
        ("the box gets another address in a call", |call| call.network.readdress(BOX, OTHER)),
        ("NAT gives out other ports in a call", |call| call.weather.change(&json!({"rebind": true}))),
    ];
    for mode in ["pipe", "multi-pipe"] {
        for (name, fault) in &faults {
            let mut call = Call::begin(mode);
            thread::sleep(Duration::from_secs(3));
            let skip = call.core.events().len();
            let begun = Instant::now();
            fault(&call);
            call.appliance.wait_status(90, "end of the call", |status| status["call"] == "idle");
            let over = begun.elapsed();
            call.appliance.wait_ready();
            let again =
                call.core.events_after(skip).into_iter().find(|(_, event)| event["event"] == "registered");
            let again = again.expect("a new registration").0 - begun;
            call.appliance.must(&["press", "call", "--for", "100"]);
            call.appliance.wait_call("in-call");
            call.stays_up(Duration::from_secs(5));
            row(
                &format!("{name} ({mode})"),
                "session back in 10 s, the call over in 65 s, the next one is well",
                format_args!(
                    "session back after {:.1} s, the call over after {:.1} s, the next one is well",
                    again.as_secs_f64(),
                    over.as_secs_f64()
                ),
            );
            assert!(again <= Duration::from_secs(10), "{name}, {mode}: {again:?}");
            assert!(over <= Duration::from_secs(65), "{name}, {mode}: {over:?}");
        }
    }
}
