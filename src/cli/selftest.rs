//! `callbox selftest`: what works and what does not, by asking the running appliance.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;

use super::remote::fetch_status;
use super::{DONE, FAILED, out};

/// One part and whether it works.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Part {
    part: &'static str,
    ok: bool,
    detail: String,
}

/// 2025-01-01: a clock before this has not been set.
const CLOCK_NOT_BEFORE_S: u64 = 1_735_689_600;

/// The faults that concern each part.
const PARTS: [(&str, &[&str]); 4] = [
    ("lines", &["line-lost", "stuck-button"]),
    ("sound", &["capture-device", "playback-device"]),
    (
        "core",
        &["core-unreachable", "name-not-resolved", "certificate-refused", "rate-limited", "media-not-ready"],
    ),
    ("token", &["credentials-refused", "token-unavailable", "secret-unreadable"]),
];

/// Prints a line a part; exit code 1 if any does not work.
pub async fn selftest(socket: Option<PathBuf>, json: bool) -> u8 {
    let status = match fetch_status(socket).await {
        Ok(status) => status,
        Err(why) => {
            eprintln!("callbox: {why}");
            return FAILED;
        }
    };
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let parts = examine(&status, since_1970.as_secs());
    if json {
        let _ = out::line(serde_json::json!({ "parts": parts }));
    } else {
        for part in &parts {
            let _ = out::line(format!(
                "{:<6} {} {}",
                part.part,
                if part.ok { "ok" } else { "FAILED" },
                part.detail
            ));
        }
    }
    if parts.iter().all(|part| part.ok) { DONE } else { FAILED }
}

fn examine(status: &Value, clock_s: u64) -> Vec<Part> {
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
    let registered = status["session"] == "registered";
    for part in parts.iter_mut().filter(|part| part.part == "core" && part.ok && !registered) {
        part.ok = false;
        part.detail = status["session_detail"].as_str().unwrap_or("not registered").to_owned();
    }
    let set = clock_s >= CLOCK_NOT_BEFORE_S;
    let detail = if set { "" } else { "the clock is not set: certificates look not yet valid; check NTP" };
    parts.push(Part { part: "clock", ok: set, detail: detail.to_owned() });
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failed(status: &Value, clock_s: u64) -> Vec<&'static str> {
        examine(status, clock_s).into_iter().filter(|part| !part.ok).map(|part| part.part).collect()
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
    }
}
