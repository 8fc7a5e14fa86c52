//! A fleet is watched by machines. What they read must be Prometheus' own
//! format with the figures that the example alerts and the dashboard ask for,
//! and `/healthz` must be good only while the box could take a call.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::core::{Core, CoreOptions};
use support::panel::PanelBox;
use support::{root, wait_for};

const SCRIPT: &str = "[[phone]]\nnumber = \"+4700000001\"\nring-after = \"100ms\"\nanswer-after = \"400ms\"\nmedia = \"echo\"\n\
                      [[send]]\nafter = \"50ms\"\nringing = true\n";

/// Prometheus' parser at work.
fn monitoring(what: &str, files: &[PathBuf]) -> Value {
    let tool = root().join("tests/support/monitoring.py");
    let mut command = Command::new(root().join(".cache/venv/bin/python"));
    let output =
        support::process::run(command.arg(tool).arg(what).args(files)).unwrap_or_else(|e| panic!("{e}"));
    serde_json::from_str(&output).unwrap()
}

/// The figures of this moment, also kept in a file of this name.
fn figures(site: &PanelBox, name: &str) -> Vec<Value> {
    let reply = site.get("/metrics");
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4");
    let file = site.appliance.folder().join(name);
    fs::write(&file, &reply.text).unwrap();
    monitoring("samples", &[file]).as_array().unwrap().clone()
}

/// The value of the one sample of this name whose labels hold these.
#[track_caller]
fn value(samples: &[Value], name: &str, labels: &[(&str, &str)]) -> f64 {
    let found: Vec<&Value> = samples
        .iter()
        .filter(|sample| {
            sample["name"] == name && labels.iter().all(|(label, value)| sample["labels"][label] == *value)
        })
        .collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0]["value"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_call_is_seen_in_the_figures_and_in_the_history() {
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::script(SCRIPT) });
    // Nobody is there: the events wait.
    let hook = "[[webhook]]\nurl = \"http://127.0.0.1:9/\"\nevents = [\"button\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let state = format!("[state]\ndir = {:?}\n", folder.path().display().to_string());
    let mut site = PanelBox::start(Some(&core), &format!("{hook}{state}"));
    site.appliance.wait_ready();
    assert_eq!(site.get("/healthz").text, "{\"ready\":true,\"reasons\":[]}");
    site.appliance.must(&["press", "call", "--for", "100"]);
    site.appliance.wait_call("in-call");
    // Two looks at the sound of the call.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(site.get("/healthz").status, 200, "a call is the best sign of health");
    let during = figures(&site, "during");
    for (name, labels, expected) in [
        ("callbox_in_call", vec![], 1.0),
        ("callbox_calls", vec![], 1.0),
        ("callbox_ready", vec![], 1.0),
        ("callbox_session_state", vec![("state", "registered")], 1.0),
        ("callbox_session_state", vec![("state", "offline")], 0.0),
        ("callbox_lamp", vec![("lamp", "answered"), ("pattern", "on")], 1.0),
        ("callbox_output_on", vec![("output", "strike")], 0.0),
        ("callbox_button_presses_total", vec![("button", "call"), ("gesture", "press")], 1.0),
        ("callbox_press_to_first_audio_seconds_count", vec![], 1.0),
        ("callbox_build_info", vec![("board", "desktop-mock")], 1.0),
        ("callbox_webhook_waiting", vec![("hook", "1"), ("server", "http://127.0.0.1:9")], 1.0),
        ("callbox_webhook_dropped_total", vec![("hook", "1")], 0.0),
        ("callbox_call_mos_at_end_count", vec![], 0.0),
    ] {
        assert_eq!(value(&during, name, &labels), expected, "{name}");
    }
    let first_audio = value(&during, "callbox_press_to_first_audio_seconds_sum", &[]);
    assert!((0.4..10.0).contains(&first_audio), "{first_audio} s");
    assert!(value(&during, "callbox_press_to_offer_seconds_sum", &[]) < first_audio);
    assert!(value(&during, "callbox_audio_level_dbfs", &[("device", "capture")]) > -60.0);
    assert!(value(&during, "callbox_audio_playout_delay_seconds", &[]) > 0.0);

    let mos = value(&during, "callbox_call_mos", &[("codec", "opus")]);
    assert!((3.5..4.5).contains(&mos), "{mos} in a call within one machine");
    assert!(value(&during, "callbox_call_lost_ratio", &[]) < 0.05);
    assert!(value(&during, "callbox_call_target_delay_seconds", &[]) > 0.0);
    assert!(value(&during, "callbox_call_bitrate_bits", &[]) > 1000.0);

    site.appliance.must(&["hangup"]);
    site.appliance.wait_call("idle");
    let after = wait_for(Duration::from_secs(5), "call in the history", || {
        let calls = site.get("/api/calls").json();
        if calls[0]["result"].is_string() { Ok(calls) } else { Err(calls.to_string()) }
    });
    let call = &after[0];
    assert_eq!(after.as_array().unwrap().len(), 1, "{after}");
    let told = [&call["direction"], &call["peer"], &call["result"]];
    assert_eq!(told, ["outgoing", "+4700000001", "hung up here"], "{call}");
    assert!(call["answered"] == true && call["talked_ms"].as_f64() > Some(2000.0), "{call}");
    assert!(call["press_to_first_audio_ms"].as_f64() > call["press_to_offer_ms"].as_f64(), "{call}");
    assert!(call["quality"]["playout_delay_ms"].as_f64() > Some(0.0), "{call}");
    let steps: Vec<&str> =
        call["steps"].as_array().unwrap().iter().filter_map(|step| step["text"].as_str()).collect();
    for step in ["Offer sent", "Ringing received", "Answer received", "first audio from the far end"] {
        assert!(steps.contains(&step), "{steps:?}");
    }
    let over = figures(&site, "over");
    let labels = [("direction", "outgoing"), ("answered", "yes"), ("result", "hung-up-here")];
    assert_eq!(value(&over, "callbox_calls_total", &labels), 1.0);
    assert_eq!(value(&over, "callbox_call_talk_seconds_count", &[]), 1.0);
    assert_eq!(value(&over, "callbox_in_call", &[]), 0.0);
    assert_eq!(value(&over, "callbox_call_mos_at_end_count", &[]), 1.0);
    assert!(value(&over, "callbox_call_packets_total", &[("fate", "received")]) > 100.0);
    assert!(value(&over, "callbox_call_frames_total", &[("origin", "played")]) > 100.0);
    assert!(!over.iter().any(|sample| sample["name"] == "callbox_call_mos"), "no call talks");

    // Without its core the box could take no call.
    drop(core);
    let reasons = wait_for(Duration::from_secs(20), "bad health", || {
        let reply = site.get("/healthz");
        if reply.status == 503 { Ok(reply.json()) } else { Err(reply.text) }
    });
    assert!(reasons["reasons"][0].as_str().unwrap().starts_with("session-"), "{reasons}");
    wait_for(Duration::from_secs(20), "fault", || {
        let text = site.get("/metrics").text;
        if text.contains("callbox_fault{") { Ok(()) } else { Err("none".to_owned()) }
    });
    let alone = figures(&site, "alone");
    assert_eq!(value(&alone, "callbox_ready", &[]), 0.0);
    assert_eq!(value(&alone, "callbox_fault", &[("fault", "core-unreachable")]), 1.0);
    assert_eq!(value(&alone, "callbox_odd_total", &[("what", "ringing-unexpected")]), 1.0);

    // What the examples for Prometheus and Grafana ask for is there.
    let examples = root().join("image/monitoring");
    let kept = ["during", "over", "alone"].map(|name| site.appliance.folder().join(name));
    let files = [&[examples.join("alerts.yml"), examples.join("dashboard.json")], kept.as_slice()].concat();
    assert!(monitoring("judge", &files).as_u64() > Some(20));

    // Another run of the box still knows of the call, and others may not read of it.
    drop(site);
    let next = PanelBox::start(None, &state);
    let kept = &next.get("/api/calls").json()[0];
    for part in ["call_id", "direction", "peer", "time", "result"] {
        assert_eq!(kept[part], call[part], "{part}");
    }
    assert_eq!(kept["steps"].as_array().unwrap().len(), steps.len());
    assert!((kept["talked_ms"].as_f64().unwrap() - call["talked_ms"].as_f64().unwrap()).abs() < 0.01);
    let mode = fs::metadata(folder.path().join("panel/calls.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn a_call_that_nobody_answers_counts_as_such() {
    let script = "[[phone]]\nnumber = \"+4700000001\"\nring-after = \"50ms\"\nreject-after = \"200ms\"\n";
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::script(script) });
    let mut site = PanelBox::start(Some(&core), "");
    site.appliance.wait_ready();
    site.appliance.must(&["press", "call", "--for", "100"]);
    let labels = [("direction", "outgoing"), ("answered", "no"), ("result", "the-far-end-hung-up")];
    wait_for(Duration::from_secs(10), "call that is over", || {
        let text = site.get("/metrics").text;
        if text.contains("callbox_calls_total{") { Ok(()) } else { Err("none".to_owned()) }
    });
    let samples = figures(&site, "over");
    assert_eq!(value(&samples, "callbox_calls_total", &labels), 1.0);
    assert_eq!(value(&samples, "callbox_press_to_first_audio_seconds_count", &[]), 0.0);
    assert_eq!(site.get("/api/calls").json()[0]["quality"], Value::Null);
}

#[test]
fn a_microphone_that_is_gone_is_no_health() {
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::default() });
    let mut deaf = support::panel::config(Some(&core), "[panel]\nlisten = \"127.0.0.1:0\"\n");
    deaf.audio.0 = "hw:CARD=nothing".to_owned();
    let site = PanelBox::with(deaf);
    wait_for(Duration::from_secs(20), "reason", || {
        let health = site.get("/healthz");
        let only = health.json()["reasons"] == serde_json::json!(["capture-device"]);
        if health.status == 503 && only { Ok(()) } else { Err(health.text) }
    });
    assert_eq!(value(&figures(&site, "deaf"), "callbox_fault", &[("fault", "capture-device")]), 1.0);
}
