//! A correct configuration, and what is said of one with a mistake in it.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use callbox::config::{BoardLoader, Config};

/// A correct configuration of nine lines to plant mistakes into.
pub const GOOD: &str = r#"[auth]
method = "none"
[board]
file = "desktop-mock"
[contacts]
home = "+4722222222"
[[button]]
name = "call"
press = { action = "call", to = ["home"] }
"#;

pub fn diagnose_as(text: &str) -> Vec<String> {
    match Config::parse(text, "callbox.toml", &BoardLoader::new(Vec::new())) {
        Ok(_) => Vec::new(),
        Err(found) => {
            assert!(!found.is_empty(), "refused without a reason");
            found.iter().map(ToString::to_string).collect()
        }
    }
}

/// Expects exactly one diagnostic: its position and what its cure must hold.
#[track_caller]
pub fn expect_one(text: &str, position: &str, what: &str, cure: &str) {
    let found = diagnose_as(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    let (place, rest) = found[0].split_once(": ").unwrap();
    assert_eq!(place, format!("callbox.toml:{position}"), "{found:#?}");
    let (said, cured) = rest.split_once("; ").unwrap();
    assert!(said.contains(what), "{found:#?}");
    assert!(cured.contains(cure), "{found:#?}");
}

/// `GOOD` with more lines; they begin at line 10.
pub fn with(more: &str) -> String {
    format!("{GOOD}{more}")
}
