//! Who may use whom, as ARCHITECTURE.md has it. The pure core stays testable
//! in virtual time, and each library stays replaceable, only as long as nobody
//! takes a short cut; this test reads every source file and finds the short cut.
//!
//! It reads tokens, not text: comments and strings do not count, the inside of
//! macros does. What stands under `#[cfg(test)]` is free, but for `unsafe`.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "boundaries/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use source::{Mention, Source, from_root, module_of};

/// What each top-level module may use of the others. `*` is everything.
const LOCAL: [(&str, &[&str]); 22] = [
    ("appliance", &["appliance"]),
    ("config", &["appliance", "config"]),
    ("pipe", &["appliance", "config", "pipe"]),
    (
        "media",
        &[
            "appliance",
            "config",
            "media",
            "audio::Frame",
            "audio::Leg",
            "audio::FRAME_SAMPLES",
            "audio::SAMPLE_RATE",
        ],
    ),
    ("audio", &["appliance", "config", "audio", "realtime"]),
    ("gpio", &["appliance", "config", "gpio", "realtime"]),
    ("realtime", &["realtime"]),
    ("panel", &["appliance", "config", "handle", "panel"]),
    ("mqtt", &["appliance", "config", "handle", "mqtt"]),
    ("webhook", &["appliance", "config", "handle", "webhook"]),
    ("telemetry", &["appliance", "config", "handle", "telemetry"]),
    ("system", &["appliance", "config", "system"]),
    ("control", &["appliance", "config", "control", "handle"]),
    ("handle", &["appliance", "config", "gpio", "system", "handle"]),
    ("sim", &["appliance", "config", "pipe", "media", "audio", "gpio", "panel", "system", "control", "sim"]),
    ("driver", &["*"]),
    ("boot", &["*"]),
    ("settings", &["*"]),
    ("demo", &["*"]),
    ("cli", &["*"]),
    ("lib", &["*"]),
    ("main", &["*"]),
];

/// Modules that may use these crates only.
///
/// jiff in `appliance`: the rules of time zones are nobody's own code, and what
/// time it is there is a sum over a table. Its clock and its database are not
/// pure: see `IMPURE`; `config` finds the zone.
const ONLY_THESE_CRATES: [(&str, &[&str]); 2] = [
    ("appliance", &["jiff", "serde", "thiserror"]),
    ("config", &["jiff", "secrecy", "serde", "thiserror", "toml"]),
];

/// Crates that stay in these modules.
const HOME: [(&str, &[&str]); 28] = [
    ("sd_notify", &["system"]),
    ("sonora", &["audio"]),
    ("realfft", &["audio"]),
    ("h2", &["pipe"]),
    ("rustix", &["system", "gpio", "cli"]),
    ("rtnetlink", &["system"]),
    ("jiff", &["appliance", "config"]),
    ("prost", &["pipe", "sim", "telemetry"]),
    ("tonic", &["pipe", "sim", "telemetry"]),
    ("opentelemetry_proto", &["telemetry"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("tonic_prost", &["pipe", "sim"]),
    ("webrtc", &["media"]),
    ("oauth2", &["pipe"]),
    ("reqwest", &["pipe", "webhook", "telemetry", "system"]),
    ("hmac", &["webhook"]),
    ("axum", &["sim", "panel"]),
    ("argon2", &["panel"]),
    ("csv", &["panel"]),
    ("hyper", &["panel"]),
    ("prometheus", &["panel"]),
    ("rcgen", &["panel", "sim"]),
    ("rumqttc", &["mqtt"]),
    ("alsa", &["audio"]),
    ("opus", &["media"]),
    ("rppal", &["gpio"]),
    ("gpiocdev", &["gpio"]),
];

/// Drivers: each in one file, or in one folder of its name.
const ONE_FILE: [&str; 4] = ["alsa", "opus", "rppal", "gpiocdev"];

/// What the pure core must not touch: clocks, I/O, threads, and maps whose
/// order differs from run to run.
const IMPURE: [&str; 20] = [
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "TimeZone::get",
    "TimeZone::system",
    "TimeZone::try_system",
    "SystemTime",
    "UNIX_EPOCH",
    "elapsed",
    "HashMap",
    "HashSet",
    "RandomState",
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::process",
    "std::thread",
    "println",
    "eprintln",
];

/// Every broken rule in these files, one line each.
fn violations(files: &[(String, String)], crates: &BTreeSet<String>) -> Vec<String> {
    let sources: BTreeMap<&str, Source> =
        files.iter().map(|(file, text)| (file.as_str(), Source::read(text))).collect();
    let tests: BTreeSet<String> = sources
        .iter()
        .flat_map(|(file, source)| {
            let folder = module_of(file).join("/");
            source.test_modules.iter().map(move |name| match folder.as_str() {
                "lib" | "main" => name.clone(),
                folder => format!("{folder}/{name}"),
            })
        })
        .collect();
    let mut found = Vec::new();
    let mut unsafe_files = Vec::new();
    let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (file, source) in &sources {
        if source.has_unsafe {
            unsafe_files.push(*file);
        }
        let module = module_of(file);
        if tests.contains(&module.join("/")) {
            continue;
        }
        let top = module[0].as_str();
        let Some((_, allowed)) = LOCAL.iter().find(|(name, _)| *name == top) else {
            found.push(format!("{file}: no rule says what {top} may use"));
            continue;
        };
        let in_module = if matches!(top, "lib" | "main") { &[] } else { module.as_slice() };
        for Mention { path, may_be_foreign, line } in &source.mentions {
            let name = path.join("::");
            if let Some(local) = from_root(path, in_module) {
                let may = |rule: &&str| {
                    let rule: Vec<&str> = rule.split("::").collect();
                    rule == ["*"] || local.iter().zip(&rule).filter(|(a, b)| a == b).count() == rule.len()
                };
                let known = local
                    .first()
                    .is_some_and(|first| LOCAL.iter().any(|(name, _)| name == first) || first == "*");
                if known && !allowed.iter().any(may) {
                    found.push(format!("{file}:{line}: {top} must not use {name}"));
                }
            } else if *may_be_foreign && crates.contains(&path[0]) && !source.hidden.contains(&path[0]) {
                let foreign = path[0].as_str();
                let only = ONLY_THESE_CRATES.iter().find(|(module, _)| *module == top);
                let home = HOME.iter().find(|(name, _)| *name == foreign);
                if only.is_some_and(|(_, crates)| !crates.contains(&foreign))
                    || home.is_some_and(|(_, modules)| !modules.contains(&top))
                {
                    found.push(format!("{file}:{line}: {top} must not use the crate {foreign}"));
                }
                if let Some(driver) = ONE_FILE.iter().find(|name| **name == foreign) {
                    let folder = format!("/{driver}/");
                    let place = file.split_once(&folder).map_or(*file, |(before, _)| before);
                    users.entry(driver).or_default().insert(place);
                }
            }
            if top == "appliance" {
                let dotted = format!("::{name}::");
                if let Some(impure) = IMPURE.iter().find(|word| dotted.contains(&format!("::{word}::"))) {
                    found.push(format!("{file}:{line}: the pure core must not use {impure}"));
                }
            }
        }
    }
    for (driver, files) in users.iter().filter(|(_, files)| files.len() > 1) {
        found.push(format!("the crate {driver} belongs in one file, and is in {files:?}"));
    }
    if unsafe_files.len() > 1 {
        found.push(format!("unsafe belongs in one file at most, and is in {unsafe_files:?}"));
    }
    found
}

/// The crates of Cargo.toml, as the source names them.
fn crates() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let mut crates: BTreeSet<String> =
        manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect();
    assert!(crates.len() > 20, "the dependencies were not read");
    // Rules may be older than the dependency they speak of.
    crates.extend(HOME.iter().map(|(name, _)| (*name).to_owned()));
    crates
}

fn read_tree(folder: &Path, root: &Path, files: &mut Vec<(String, String)>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_tree(&path, root, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn nobody_takes_a_short_cut() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    read_tree(&root, &root, &mut files);
    assert!(files.len() > 20, "only {} files were read", files.len());
    let found = violations(&files, &crates());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Plants one file and expects exactly these violations.
#[track_caller]
fn plant(file: &str, text: &str, expected: &[&str]) {
    plant_all(&[(file, text)], expected);
}

#[track_caller]
fn plant_all(files: &[(&str, &str)], expected: &[&str]) {
    let files: Vec<_> = files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    assert_eq!(violations(&files, &crates()), expected);
}

#[test]
fn a_forbidden_module_is_found_in_every_way_of_naming_it() {
    for text in [
        "use crate::pipe::PipeSettings;",
        "use super::pipe::PipeSettings;",
        "use crate::{appliance::id::PeerId, pipe::PipeSettings};",
        "use crate::{pipe};",
        "fn f() { crate::pipe::open() }",
        "fn f() { tokio::select! { x = crate::pipe::open() => {} } }",
        "mod inner { use super::super::pipe::open; }",
        "use crate::*;",
    ] {
        let files = [("media/mod.rs".to_owned(), text.to_owned())];
        let found = violations(&files, &crates());
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with("media/mod.rs:1: media must not use "), "{found:?}");
    }
    plant(
        "media/peer.rs",
        "\nuse super::super::gpio::Lines;",
        &["media/peer.rs:2: media must not use super::super::gpio::Lines"],
    );
}

#[test]
fn every_module_is_kept_from_every_other_it_must_not_use() {
    for (module, allowed) in LOCAL {
        for (other, _) in LOCAL {
            let forbidden = !allowed.contains(&"*") && !allowed.contains(&other);
            let text = format!("use crate::{other}::Thing;");
            let found = violations(&[(format!("{module}/x.rs"), text)], &crates());
            assert_eq!(found.len(), usize::from(forbidden), "{module} -> {other}: {found:?}");
        }
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    plant(
        "media/rtp.rs",
        "use crate::audio::{FRAME_SAMPLES, Frame, Leg, SAMPLE_RATE}; use super::jitter::Buffer;",
        &[],
    );
    plant("config/mod.rs", "use crate::appliance::id::PeerId; use toml::Spanned; pub mod core;", &[]);
    plant("appliance/x.rs", "use super::id::PeerId; use std::time::Instant; use serde::Serialize;", &[]);
    plant(
        "appliance/x.rs",
        "// crate::pipe\n/// Instant::now()\nfn f() -> &'static str { \"crate::pipe tokio::spawn\" }",
        &[],
    );
    plant(
        "appliance/x.rs",
        "#[cfg(test)]\nmod tests { use std::time::Instant; fn f() { Instant::now(); } }",
        &[],
    );
    plant_all(
        &[
            ("appliance/mod.rs", "#[cfg(test)]\nmod laws;"),
            ("appliance/laws.rs", "fn f() { std::time::Instant::now(); }"),
        ],
        &[],
    );
    plant_all(
        &[("audio/mod.rs", "mod alsa;\nfn f() { alsa::open() }"), ("audio/alsa.rs", "use alsa::pcm::PCM;")],
        &[],
    );
    plant("main.rs", "fn main() { callbox::cli::run() }", &[]);
    plant("config/x.rs", "fn f(bytes: &str) -> u8 { bytes.bytes().next() }", &[]);
}

#[test]
fn more_of_audio_than_its_frames_is_not_for_media() {
    plant(
        "media/x.rs",
        "use crate::audio::Mixer;",
        &["media/x.rs:1: media must not use crate::audio::Mixer"],
    );
    plant("media/x.rs", "use crate::audio::*;", &["media/x.rs:1: media must not use crate::audio::*"]);
    plant("media/x.rs", "use crate::audio;", &["media/x.rs:1: media must not use crate::audio"]);
}

#[test]
fn clocks_and_disorder_in_the_pure_core_are_found() {
    for (text, what) in [
        ("fn f() { Instant::now(); }", "Instant::now"),
        ("fn f() { std::time::Instant::now(); }", "Instant::now"),
        ("use std::time::{Duration, SystemTime};", "SystemTime"),
        ("fn f(t: Instant) { t.elapsed(); }", "elapsed"),
        ("use std::collections::HashMap;", "HashMap"),
        ("use std::collections::{BTreeMap, HashSet};", "HashSet"),
        ("fn f() { jiff::Timestamp::now(); }", "Timestamp::now"),
        ("fn f() { jiff::tz::TimeZone::get(name) }", "TimeZone::get"),
        ("fn f() { std::thread::sleep(d) }", "std::thread"),
        ("use std::{fs, time::Duration};", "std::fs"),
        ("#[cfg(any(test, feature = \"x\"))]\nfn f() { println!() }", "println"),
        ("#[cfg(test)]\nuse std::fs;\nfn f() { std::env::var() }", "std::env"),
    ] {
        let found = violations(&[("appliance/x.rs".to_owned(), text.to_owned())], &crates());
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].ends_with(&format!("the pure core must not use {what}")), "{found:?}");
    }
}

#[test]
fn a_foreign_crate_out_of_its_module_is_found() {
    for (crate_name, homes) in HOME {
        for (module, _) in LOCAL {
            let text = format!("fn f() {{ {crate_name}::thing() }}");
            let found = violations(&[(format!("{module}/x.rs"), text)], &crates());
            assert_eq!(found.is_empty(), homes.contains(&module), "{crate_name} in {module}: {found:?}");
        }
    }
    plant("gpio/x.rs", "use {tokio::sync, webrtc::x};", &["gpio/x.rs:1: gpio must not use the crate webrtc"]);
    plant(
        "gpio/x.rs",
        "#[derive(prost::Message)] struct X;",
        &["gpio/x.rs:1: gpio must not use the crate prost"],
    );
    plant("gpio/x.rs", "fn f() { ::alsa::open() }", &["gpio/x.rs:1: gpio must not use the crate alsa"]);
    plant("gpio/x.rs", "extern crate opus;", &["gpio/x.rs:1: gpio must not use the crate opus"]);
    plant("gpio/x.rs", "use opus as o;", &["gpio/x.rs:1: gpio must not use the crate opus"]);
    plant(
        "appliance/x.rs",
        "use tokio::sync::mpsc;",
        &["appliance/x.rs:1: appliance must not use the crate tokio"],
    );
    plant("config/x.rs", "tracing::info!(\"\");", &["config/x.rs:1: config must not use the crate tracing"]);
}

#[test]
fn a_driver_in_two_files_is_found() {
    for driver in ONE_FILE {
        let (_, homes) = HOME.iter().find(|(name, _)| *name == driver).unwrap();
        let [a, b] = ["a", "b"].map(|file| (format!("{}/{file}.rs", homes[0]), format!("use {driver}::X;")));
        assert!(violations(std::slice::from_ref(&a), &crates()).is_empty());
        let own = ["mod", "names"].map(|file| (format!("{}/{driver}/{file}.rs", homes[0]), a.1.clone()));
        assert!(violations(&own, &crates()).is_empty());
        let found = violations(&[a, b], &crates());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("the crate {driver} belongs in one file")), "{found:?}");
    }
}

#[test]
fn unsafe_in_two_files_is_found_even_in_tests() {
    let one = ("audio/a.rs", "fn f() { unsafe { g() } }");
    plant_all(&[one, ("audio/b.rs", "#![deny(unsafe_code)] // unsafe\nconst X: &str = \"unsafe\";")], &[]);
    plant_all(
        &[one, ("pipe/b.rs", "#[cfg(test)] mod tests { unsafe fn g() {} }")],
        &["unsafe belongs in one file at most, and is in [\"audio/a.rs\", \"pipe/b.rs\"]"],
    );
}

#[test]
fn a_module_without_a_rule_is_found() {
    plant("extra/mod.rs", "", &["extra/mod.rs: no rule says what extra may use"]);
}
