//! The machine's clock jumps in mid-call, by an hour, a day or to 1970, as it
//! does when a board without a battery gets its time, or somebody sets it
//! wrong. Nothing of a call may depend on the time of day.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::row;
use crate::scene::{RECORDED, Scene};
use crate::support::process::run;

/// As libfaketime reads them.
const JUMPS: [(&str, &str); 5] = [
    ("an hour ahead", "+3600"),
    ("an hour back", "-3600"),
    ("a day ahead", "+86400"),
    ("ten years ahead", "+315360000"),
    ("to 1970", "@1970-01-01 00:00:10"),
];

/// Nobody hears of it.
const GAP: Duration = Duration::from_millis(60);

fn faketime() -> String {
    let found = fs::read_dir("/usr/lib").unwrap().filter_map(|entry| {
        let library = entry.ok()?.path().join("faketime/libfaketimeMT.so.1");
        library.exists().then(|| library.display().to_string())
    });
    found.last().expect("libfaketime is missing: run `make setup`")
}

/// Sets the machine's clock to the time that it has: the kernel tells everybody who asked to be told.
fn clock_is_set() {
    let program = "import time; time.clock_settime_ns(time.CLOCK_REALTIME, time.time_ns())";
    run(Command::new("python3").args(["-c", program])).unwrap_or_else(|error| {
        panic!("the clock cannot be set here: run as root with CAP_SYS_TIME: {error}")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_jumps_in_mid_call() {
    let folder = TempDir::new().unwrap();
    let time = folder.path().join("time");
    fs::write(&time, "+0").unwrap();
    let heard = folder.path().join("far-end.wav");
    let environment = [
        ("LD_PRELOAD", faketime()),
        ("FAKETIME_TIMESTAMP_FILE", time.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let script = format!("[default-phone]\ntone = 1000.0\nrecord = {heard:?}\n");
    let mut scene = Scene::start(&script, &environment, |_| {}).await;
    scene.talk().await;
    std::thread::sleep(Duration::from_secs(2));
    for (_, jump) in JUMPS {
        fs::write(&time, jump).unwrap();
        clock_is_set();
        std::thread::sleep(Duration::from_secs(3));
        let status = scene.appliance.status().unwrap();
        assert_eq!(
            (&status["call"], &status["session"]),
            (&"in-call".into(), &"registered".into()),
            "{jump}: {status}"
        );
    }
    fs::write(&time, "+0").unwrap();
    clock_is_set();
    std::thread::sleep(Duration::from_secs(2));
    scene.appliance.must(&["hangup"]);
    scene.appliance.wait_call("idle");
    std::thread::sleep(RECORDED);
    let gap = longest_gap(&heard);
    let lost = scene.appliance.events().iter().filter(|event| event["state"] == "offline").count();
    let jumps = JUMPS.map(|(name, _)| name).join(", ");
    row(
        &format!("the clock jumps in a call: {jumps}, and back"),
        &format!("call and session stay, no gap over {} ms", GAP.as_millis()),
        format_args!("{lost} sessions lost, longest gap {} ms", gap.as_millis()),
    );
    assert!(lost == 0 && gap <= GAP, "{lost} {gap:?}");
    scene.appliance.takes_a_call();
}

/// The longest silence between the first sound and the last, in steps of 10 ms.
pub fn longest_gap(wav: &Path) -> Duration {
    let mut reader = hound::WavReader::open(wav).unwrap();
    let samples: Vec<i16> = reader.samples::<i16>().map_while(Result::ok).collect();
    let loud: Vec<bool> =
        samples.chunks_exact(480).map(|frame| frame.iter().any(|s| s.unsigned_abs() > 300)).collect();
    let first = loud.iter().position(|loud| *loud).expect("no sound at all");
    let last = loud.iter().rposition(|loud| *loud).unwrap();
    let gap = loud[first..=last].split(|loud| *loud).map(<[bool]>::len).max().unwrap_or(0);
    Duration::from_millis(10 * gap as u64)
}
