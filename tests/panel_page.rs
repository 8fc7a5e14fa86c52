//! A newcomer believes a picture: the drawn box must press, light and tell
//! what happens, in a real browser, without a mouse, on a phone and in the
//! dark, and be there at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::core::{Core, CoreOptions};
use support::panel::PanelBox;
use support::root;

const SCRIPT: &str = "[[phone]]\nnumber = \"+4700000001\"\nring-after = \"200ms\"\nanswer-after = \"2500ms\"\nmedia = \"echo\"\n";

/// Bytes of all files of the page.
const HEAVIEST: u64 = 150 * 1000;

/// From the request to the first paint, on loopback, in a good one of five tries.
const FIRST_PAINT_MS: f64 = 300.0;

/// Pictures for the documents go to `CALLBOX_PICTURES`; `src/panel/pictures` keeps them.
fn pictures() -> PathBuf {
    let folder = std::env::var_os("CALLBOX_PICTURES")
        .map_or_else(|| support::cache().join("pictures"), |to| root().join(to));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_newcomer_presses_sees_talks_and_changes_the_configuration() {
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::script(SCRIPT) });
    let mut site = PanelBox::start(
        Some(&core),
        "allow-config = true\nallow-door = true\n[door]\ncodes = [\"1379\"]\nallow-command = true\npulse = \"1s\"\n",
    );
    site.appliance.wait_ready();
    let pictures = pictures();
    let output = support::process::run(
        Command::new("node")
            .arg(root().join("tests/support/page/newcomer.mjs"))
            .arg(site.url())
            .arg(&pictures),
    );
    let seen: Value = serde_json::from_str(&output.unwrap_or_else(|e| panic!("{e}"))).unwrap();
    println!("{seen}");
    assert_eq!(seen["troubles"], Value::Array(vec![]), "{seen}");
    assert_eq!(seen["axe"], Value::Array(vec![]), "serious faults for people who cannot see, hear or point");
    assert_eq!(seen["asks_for_password"], false);

    let bytes = seen["bytes"].as_u64().unwrap();
    assert!((10_000..=HEAVIEST).contains(&bytes), "the page weighs {bytes} bytes");
    let paints = seen["first_paint_ms"].as_array().unwrap().iter().filter_map(Value::as_f64);
    assert!(paints.reduce(f64::min).unwrap() <= FIRST_PAINT_MS, "{}", seen["first_paint_ms"]);
    for view in ["panel-light", "panel-dark", "panel-phone"] {
        assert!(seen[format!("{view}-overflow")].as_i64().unwrap() <= 0, "{view} is wider than its screen");
        assert!(pictures.join(format!("{view}.png")).metadata().unwrap().len() > 10_000);
    }

    let steps: Vec<&str> = seen["timeline"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let wanted = ["press", "offer-sent", "ringing", "answer", "in-call", "first-audio"];
    let mut from = 0;
    for step in wanted {
        let at = steps[from..].iter().position(|seen| *seen == step);
        from += at.unwrap_or_else(|| panic!("no {step} in its place in {steps:?}"));
    }
    assert_eq!(seen["state_in_call"], "in call with +4700000001");
    assert_eq!((&seen["filtered"][0], &seen["filtered"][1]), (&Value::from("button"), &Value::Null));
    assert_eq!(seen["export_link"], "/api/events.csv?kind=button");

    assert_eq!(seen["shows_secret"], false);
    let refused = seen["refused"].as_str().unwrap();
    let file = site.appliance.folder().join("callbox.toml");
    assert!(
        refused.starts_with(&file.display().to_string()) && refused.contains("\"soon\" is not a duration"),
        "{refused}"
    );
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("ring-timeout = \"33s\"") && text.contains("\"1379\""), "{text}");
    assert!(file.with_extension("toml.bak").is_file());
    site.appliance.assert_alive();
}
