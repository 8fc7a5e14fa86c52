//! A threat model is worth what its evidence is worth. docs/security.md names a
//! test for each thing it says is done; a test that was renamed or removed would
//! leave a claim that nobody checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = "docs/security.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join(PAGE)).unwrap()
}

/// What stands in backticks and names a test: `file::test` or `src/path.rs::test`.
fn named(text: &str) -> BTreeSet<(String, String)> {
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|word| word.rsplit_once("::"))
        .filter(|(file, name)| is_name(name) && (is_name(file) || file.starts_with("src/")))
        .map(|(file, name)| (file.to_owned(), name.to_owned()))
        .collect()
}

/// Why this is no test, if it is none.
fn missing(file: &str, name: &str) -> Option<String> {
    let path = if file.starts_with("src/") { file.to_owned() } else { format!("tests/{file}.rs") };
    let Ok(text) = fs::read_to_string(root().join(&path)) else {
        return Some(format!("there is no {path} for {name}"));
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = |line: &&str| line.contains(&format!("fn {name}("));
    let Some(at) = lines.iter().position(begins) else {
        return Some(format!("{path} has no {name}"));
    };
    let attributes = lines[..at].iter().rev().take_while(|line| !line.is_empty() && !line.ends_with('}'));
    let is_test =
        attributes.clone().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    let is_ignored = attributes.clone().any(|line| line.starts_with("#[ignore"));
    (!is_test || is_ignored).then(|| format!("{name} in {path} is no test that runs"))
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let named = named(&page());
    assert!(named.len() > 50, "only {} tests are named", named.len());
    let missing: Vec<String> = named.iter().filter_map(|(file, name)| missing(file, name)).collect();
    assert!(missing.is_empty(), "{PAGE} names what is not there:\n{}", missing.join("\n"));
}

#[test]
fn every_claim_has_its_test() {
    let page = page();
    let (_, done) = page.split_once("\n## What is done").expect("what is done");
    let (done, _) = done.split_once("\n## ").expect("a section after it");
    let rows = done.lines().filter(|line| line.starts_with('|'));
    let rows = rows.filter(|line| !line.starts_with("| against") && !line.starts_with("|---"));
    let mut claims = 0;
    for row in rows {
        claims += 1;
        let evidence = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        assert!(!named(evidence).is_empty() || evidence == "`make lint`", "no test for: {row}");
    }
    assert!(claims > 30, "{claims} claims were read");
    let gaps = done.matches("**Not done:**").count();
    assert_eq!(gaps, done.matches("\n### ").count(), "each attacker has what is not done against him");
}

#[test]
fn a_test_that_is_not_there_is_found() {
    assert_eq!(missing("security_claims", "every_claim_has_its_test"), None);
    assert!(missing("security_claims", "no_such_test").is_some());
    assert!(missing("no_such_file", "x").is_some());
    assert!(missing("security_claims", "page").is_some(), "a helper is no test");
    let found = named("`a::b` and `src/c/d.rs::e`, but `F::g`, `h` and a::b are none");
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [("a", "b"), ("src/c/d.rs", "e")].map(|(file, name)| (file.to_owned(), name.to_owned()))
    );
}

#[test]
fn files_that_the_page_points_to_exist() {
    for page in [PAGE, "SECURITY.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let folder = root().join(page).parent().unwrap().to_owned();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("http")) {
            assert!(folder.join(link).exists(), "{page} points to {link}");
        }
    }
}

#[test]
fn the_shipped_binary_has_no_test_doors() {
    let script = fs::read_to_string(root().join("image/cross.sh")).unwrap();
    assert!(script.contains("--no-default-features --features device)"), "it is built with other features");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let features = manifest["features"].as_table().unwrap();
    let mut shipped = BTreeSet::new();
    let mut open = vec!["device"];
    while let Some(feature) = open.pop() {
        if shipped.insert(feature) {
            // What is no feature of this crate's is a dependency.
            let implied = features.get(feature).and_then(|implied| implied.as_array());
            open.extend(implied.into_iter().flatten().filter_map(|name| name.as_str()));
        }
    }
    assert!(shipped.contains("firmware"), "{shipped:?}");
    for door in ["fuzzing", "sim", "mock-gpio", "default"] {
        assert!(features.contains_key(door) && !shipped.contains(door), "{door} is shipped");
    }
}
