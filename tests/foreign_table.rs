//! A table of tests is worth nothing if a test in it is gone: ARCHITECTURE.md
//! names for every behaviour of the contract the tests that show it on `Pipe`
//! and on `MultiPipe`. Each must be in `foreign_behaviours.rs`, and each that
//! is there must be in the table.

#![allow(clippy::expect_used)]

use std::collections::BTreeSet;

const HEADING: &str = "## Behaviours and their tests";

/// Names of the scenes of one mode, as `foreign_behaviours.rs` lists them.
fn listed(source: &str, mode: &str) -> BTreeSet<String> {
    let begin = source.find("scenes! {").expect("a list of scenes");
    let mut lines = source[begin..].lines().map(str::trim);
    lines.by_ref().find(|line| line.starts_with(&format!("{mode} "))).expect("scenes of this mode");
    lines.take_while(|line| *line != "}").map(ToOwned::to_owned).collect()
}

/// What a cell names in back-quotes.
fn named(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// Behaviour, tests on `Pipe`, tests on `MultiPipe`.
type Row = (String, BTreeSet<String>, BTreeSet<String>);

/// Rows of the table under the heading.
fn rows(text: &str) -> Result<Vec<Row>, String> {
    let (_, section) = text.split_once(HEADING).ok_or(format!("there is no heading {HEADING:?}"))?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let table = section.lines().filter(|line| line.starts_with('|'));
    table
        .skip(2)
        .map(|line| match line.trim_matches('|').split('|').collect::<Vec<_>>()[..] {
            [behaviour, pipe, multi] => Ok((behaviour.trim().to_owned(), named(pipe), named(multi))),
            _ => Err(format!("not three cells: {line}")),
        })
        .collect()
}

/// What is wrong with the table, if anything.
fn faults(architecture: &str, source: &str) -> Vec<String> {
    let rows = match rows(architecture) {
        Ok(rows) => rows,
        Err(why) => return vec![why],
    };
    let mut faults = Vec::new();
    if rows.len() < 10 {
        faults.push(format!("the contract has ten behaviours, the table {}", rows.len()));
    }
    let mut check = |mode: &str, cells: Vec<(&str, &BTreeSet<String>)>| {
        let listed = listed(source, mode);
        let shown: BTreeSet<String> = cells.iter().flat_map(|(_, names)| (*names).clone()).collect();
        let empty = cells.iter().filter(|(_, names)| names.is_empty());
        faults.extend(empty.map(|(behaviour, _)| format!("{mode}: nothing shows {behaviour:?}")));
        faults.extend(shown.difference(&listed).map(|name| format!("{mode}: there is no test {name}")));
        faults.extend(listed.difference(&shown).map(|name| format!("{mode}: {name} is not in the table")));
    };
    check("pipe", rows.iter().map(|(behaviour, pipe, _)| (behaviour.as_str(), pipe)).collect());
    check("multi_pipe", rows.iter().map(|(behaviour, _, multi)| (behaviour.as_str(), multi)).collect());
    faults
}

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).expect(name)
}

#[test]
fn every_behaviour_is_shown_by_tests_that_exist() {
    let faults = faults(&read("ARCHITECTURE.md"), &read("tests/foreign_behaviours.rs"));
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn a_table_that_is_wrong_is_found_out() {
    // That a listed scene is also written the compiler sees to.
    let source = "scenes! {\n pipe Pipe {\n a\n b\n }\n multi_pipe MultiPipe {\n a\n }\n}\n";
    let table = |rows: &str| format!("{HEADING}\n\n| behaviour | Pipe | MultiPipe |\n|---|---|---|\n{rows}");
    let nine = "| one | `a` | `a` |\n".repeat(9);
    let last = "| ten | `b` | `a` |\n";
    assert_eq!(faults(&table(&format!("{nine}{last}")), source), Vec::<String>::new());
    for wrong in [
        String::new(),
        table(""),
        table(&nine),
        table(&format!("{nine}| ten | `a` | `a` |\n")),
        table(&format!("{nine}| ten | `b`, `c` | `a` |\n")),
        table(&format!("{nine}| ten | `b` | |\n")),
        table(&format!("{nine}| ten | `b` |\n")),
    ] {
        assert_ne!(faults(&wrong, source), Vec::<String>::new(), "{wrong}");
    }
}
