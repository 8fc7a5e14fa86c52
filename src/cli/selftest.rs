//! `callbox selftest`: what works and what does not: lines, sound, core, token, clock.
//!
//! Asks the running appliance, and lets it test its sound. Where none runs it
//! is set going for as long as the test takes, which is the same test: only a
//! box that really connects and really opens its devices knows that they work.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use serde_json::{Value, json};

use super::remote::{self, fetch_status};
use super::{DONE, FAILED, USAGE, out};
use crate::appliance::action::Action;
use crate::boot;
use crate::config::Config;
use crate::handle::Handle;

/// One part and whether it works.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Part {
    part: &'static str,
    ok: bool,
    detail: String,
}

/// 2025-01-01: a clock before this has not been set.
const CLOCK_NOT_BEFORE_S: u64 = 1_735_689_600;

/// Three sweeps of two seconds, and the pauses between them.
const SWEEPS: Duration = Duration::from_secs(14);

/// A box that was just switched on gets so long to connect and to open its devices.
const SETTLED: Duration = Duration::from_secs(10);

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The faults that concern each part.
const PARTS: [(&str, &[&str]); 4] = [
    ("lines", &["line-lost", "stuck-button"]),
    ("sound", &["capture-device", "playback-device", "microphone-dead", "loudspeaker-dead"]),
    (
        "core",
        &["core-unreachable", "name-not-resolved", "certificate-refused", "rate-limited", "media-not-ready"],
    ),
    ("token", &["credentials-refused", "token-unavailable", "secret-unreadable"]),
];

/// Prints a line a part; exit code 1 if any does not work.
pub async fn selftest(socket: Option<PathBuf>, config: &Path, json: bool) -> u8 {
    let tested = if remote::is_running(socket.clone()).await {
        ask_and_follow(socket).await
    } else {
        match boot_and_test(config).await {
            Ok(tested) => Ok(tested),
            Err(None) => return USAGE,
            Err(Some(why)) => Err(why),
        }
    };
    match tested {
        Ok(Tested { status, refused }) => print(&status, refused.as_deref(), json),
        Err(why) => {
            eprintln!("callbox: {why}");
            FAILED
        }
    }
}

/// The status after the test, and why the sound was not tested.
struct Tested {
    status: Value,
    refused: Option<String>,
}

/// Lets the running appliance test its sound, and waits for the end of that.
async fn ask_and_follow(socket: Option<PathBuf>) -> Result<Tested, String> {
    let refused = remote::do_action(socket.clone(), Action::SelfTest).await?;
    let until = Instant::now() + SWEEPS;
    loop {
        let status = fetch_status(socket.clone()).await?;
        if refused.is_some() || status["audio"]["selftest"]["running"] != true || Instant::now() > until {
            return Ok(Tested { status, refused });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Sets the appliance going for as long as it takes. `None`: the configuration is wrong, which was said.
async fn boot_and_test(config: &Path) -> Result<Tested, Option<String>> {
    if !config.exists() {
        let why = format!("no callbox runs, and there is no {} to test with", config.display());
        return Err(Some(format!(
            "{why}: start one with `callbox run`, or name a configuration with --config"
        )));
    }
    let config = Config::load(config).map_err(|diagnostics| {
        diagnostics.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
        None
    })?;
    let running = boot::start(&config, Instant::now()).map_err(|error| Some(error.to_string()))?;
    let handle = running.handle.clone();
    let snapshot = settle(&handle, SETTLED, |status| {
        let runs = |way: &str| status["audio"][way]["running"] == true;
        status["session"] == "registered" && runs("capture") && runs("playback")
    });
    snapshot.await?;
    let refused = handle.act(Action::SelfTest).await.err().map(|refusal| refusal.to_string());
    let status = settle(&handle, SWEEPS, |status| status["audio"]["selftest"]["running"] != true).await?;
    running.end().await.map_err(|died| Some(died.to_string()))?;
    Ok(Tested { status, refused })
}

/// The status as soon as something holds, or as it is when the time is over.
async fn settle(
    handle: &Handle,
    within: Duration,
    holds: impl Fn(&Value) -> bool,
) -> Result<Value, Option<String>> {
    let until = Instant::now() + within;
    loop {
        let status = serde_json::to_value(handle.snapshot()).map_err(|error| Some(error.to_string()))?;
        if holds(&status) || Instant::now() > until {
            return Ok(status);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn print(status: &Value, refused: Option<&str>, json: bool) -> u8 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let parts = examine(status, refused, since_1970.as_secs());
    if json {
        let _ = out::line(json!({ "parts": parts, "selftest": status["audio"]["selftest"] }));
    } else {
        for part in &parts {
            let word = if part.ok { "ok" } else { "FAILED" };
            let line = format!("{:<6} {word} {}", part.part, part.detail);
            let _ = out::line(line.trim_end());
        }
    }
    if parts.iter().all(|part| part.ok) { DONE } else { FAILED }
}

fn examine(status: &Value, refused: Option<&str>, clock_s: u64) -> Vec<Part> {
    let faults = status["faults"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut parts: Vec<Part> = PARTS
        .iter()
        .map(|(part, concerned)| {
            let details: Vec<&str> = faults
                .iter()
                .filter(|fault| concerned.iter().any(|name| fault["fault"] == *name))
                .filter_map(|fault| fault["detail"].as_str())
                .collect();
            Part { part, ok: details.is_empty(), detail: details.join("; ") }
        })
        .collect();
    for part in parts.iter_mut().filter(|part| part.ok) {
        match part.part {
            "sound" => part.detail = measured(&status["audio"]["selftest"], refused),
            "core" if status["session"] != "registered" => {
                part.ok = false;
                part.detail = status["session_detail"].as_str().unwrap_or("not registered").to_owned();
            }
            _ => {}
        }
    }
    let set = clock_s >= CLOCK_NOT_BEFORE_S;
    let detail = if set { "" } else { "the clock is not set: certificates look not yet valid; check NTP" };
    parts.push(Part { part: "clock", ok: set, detail: detail.to_owned() });
    parts
}

/// What the sweep found, or why there was none.
fn measured(selftest: &Value, refused: Option<&str>) -> String {
    if let Some(why) = refused {
        return format!("(devices run; loudspeaker and microphone were not tested: {why})");
    }
    match selftest["result"].as_str() {
        Some("passed") => format!(
            "delay {} ms, {} dB at the microphone over {} dB of noise",
            selftest["delay_ms"], selftest["level_db"], selftest["noise_db"]
        ),
        Some("interrupted") => "(broken off: a call began)".to_owned(),
        _ => "(no sweep: the devices are files, made up, or not running)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: &Value, clock_s: u64) -> Vec<&'static str> {
        examine(status, None, clock_s).into_iter().filter(|part| !part.ok).map(|part| part.part).collect()
    }

    #[test]
    fn each_fault_is_blamed_on_its_part() {
        let well = json!({ "session": "registered", "faults": [] });
        assert_eq!(failed(&well, CLOCK_NOT_BEFORE_S), Vec::<&str>::new());
        assert_eq!(failed(&well, 0), ["clock"]);
        let ill = json!({ "session": "offline", "session_detail": "waiting", "faults": [
            { "fault": "capture-device", "detail": "no microphone" },
            { "fault": "secret-unreadable", "detail": "mode 0644" },
        ]});
        assert_eq!(failed(&ill, CLOCK_NOT_BEFORE_S), ["sound", "core", "token"]);
        let deaf = json!({ "session": "registered", "faults": [
            { "fault": "loudspeaker-dead", "detail": "not heard" },
        ]});
        assert_eq!(failed(&deaf, CLOCK_NOT_BEFORE_S), ["sound"]);
    }

    #[test]
    fn what_was_measured_stands_beside_the_sound() {
        let selftest = json!({ "result": "passed", "delay_ms": 63, "level_db": -48, "noise_db": -71 });
        let status = json!({ "session": "registered", "faults": [], "audio": { "selftest": selftest } });
        let sound = |refused| examine(&status, refused, CLOCK_NOT_BEFORE_S).remove(1);
        assert_eq!(sound(None).detail, "delay 63 ms, -48 dB at the microphone over -71 dB of noise");
        let in_call = sound(Some("a call is up already"));
        assert!(in_call.ok && in_call.detail.contains("not tested: a call is up"), "{in_call:?}");
    }
}
