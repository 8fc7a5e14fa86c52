use std::collections::BTreeSet;
use std::path::Path;

use super::super::Config;
use super::*;

/// What a key needs beside it: lines of its own table, and whole tables.
const NEEDS: [(&str, &str, &str, &str); 14] = [
    ("[incoming]", "do-not-disturb", "", "[terminal]\ntime-zone = \"UTC\"\n"),
    ("[call]", "acknowledge-timeout", "acknowledge = \"1\"\n", ""),
    ("[call]", "warn-before", "longest = \"5min\"\n", ""),
    ("[check-call]", "at", "", "[terminal]\ntime-zone = \"UTC\"\n"),
    ("[selftest]", "window", "", "[terminal]\ntime-zone = \"UTC\"\n"),
    ("[audio]", "capture-volume", "capture-mixer = \"Mic\"\n", ""),
    ("[panel]", "tls-cert-file", "tls-key-file = \"/k\"\n", ""),
    ("[panel]", "tls-key-file", "tls-cert-file = \"/c\"\n", ""),
    ("[mqtt]", "user", "password-file = \"/p\"\n", ""),
    ("[mqtt]", "password-file", "user = \"u\"\n", ""),
    ("[mqtt]", "password-credential", "user = \"u\"\n", ""),
    ("[audio]", "echo-canceller", "processing = \"full-duplex\"\n", ""),
    ("[audio]", "noise-suppression", "processing = \"full-duplex\"\n", ""),
    ("[audio]", "gain-control", "processing = \"full-duplex\"\n", ""),
];

/// What a table must have, but for the key at hand.
const MUST: [(&str, &[&str]); 9] = [
    ("[auth]", &["client-id = \"a\"", "client-secret-file = \"/s\""]),
    ("[board]", &["file = \"mock-doorstation\""]),
    ("[[button]]", &["name = \"call\""]),
    ("[check-call]", &["to = \"home\""]),
    ("[mqtt]", &["broker = \"mqtts://b.example\"", "name = \"a\""]),
    ("[telemetry]", &["otlp = \"http://127.0.0.1:4318\""]),
    ("[[webhook]]", &["url = \"https://hooks.example\""]),
    ("window of a day", &["from = \"22:00\"", "to = \"06:00\""]),
    ("NAME in [contacts]", &["number = \"+4722222222\""]),
];

/// A configuration whose last table is this one, with these lines of its own.
fn text(title: &str, key: &str, line: &str) -> String {
    let needs = NEEDS.iter().find(|(at, name, ..)| *at == title && *name == key);
    let (own, tables) = needs.map_or(("", ""), |(_, _, own, tables)| (*own, *tables));
    let must = |title: &str| -> String {
        let lines = MUST.iter().find(|(at, _)| *at == title).map_or(&[][..], |(_, lines)| lines);
        let others = lines.iter().filter(|line| !line.starts_with(&format!("{key} =")));
        let others = others.filter(|line| key != "client-secret-credential" || !line.contains("secret-file"));
        others.map(|line| format!("{line}\n")).collect()
    };
    let mut base = format!("{tables}[contacts]\nhome = \"+4711111111\"\n");
    for table in ["[auth]", "[board]"] {
        if table != title {
            base.push_str(&format!("{table}\n{}", must(table)));
        }
    }
    let inner = |fields: String| fields.trim_end().replace('\n', ", ");
    match title {
        "NAME in [contacts]" => {
            format!(
                "[auth]\nmethod = \"none\"\n[board]\nfile = \"mock-doorstation\"\n[contacts]\nguest = {{ {} }}\n",
                inner(must(title) + line)
            )
        }
        "[contacts]" => base,
        "do-not-disturb in [incoming]" | "window in [selftest]" => {
            let window = format!("{{ {} }}", inner(must("window of a day") + line));
            let base = base.replacen("[contacts]", "[terminal]\ntime-zone = \"UTC\"\n[contacts]", 1);
            match title {
                "window in [selftest]" => format!("{base}[selftest]\nwindow = {window}\n"),
                _ => format!("{base}[incoming]\ndo-not-disturb = [{window}]\n"),
            }
        }
        "change in press in [[button]]" => {
            format!(
                "{base}[[button]]\nname = \"call\"\npress = {{ action = \"volume\", change = {{ {line} }} }}\n"
            )
        }
        ACTION => {
            let action = match key {
                "action" => "to = [\"home\"]",
                "to" => "action = \"call\"",
                "ring" => "action = \"call\"\nto = [\"home\"]",
                "digits" => "action = \"dtmf\"",
                "on" => "action = \"mute\"",
                "change" => "action = \"volume\"",
                "output" => "action = \"open-door\"",
                other => panic!("what is {other} of an action?"),
            };
            format!(
                "{base}[[button]]\nname = \"call\"\npress = {{ {} }}\n",
                inner(format!("{action}\n{line}"))
            )
        }
        _ => format!("{base}{title}\n{}{own}{line}", must(title)),
    }
}

fn parse(text: &str) -> Config {
    Config::parse(text, "callbox.toml", &BoardLoader::new(Vec::new()))
        .unwrap_or_else(|found| panic!("{found:#?} in\n{text}"))
}

/// Every key once, with its chapter.
fn keys() -> impl Iterator<Item = (&'static Chapter, &'static Key)> {
    chapters().flat_map(|chapter| chapter.keys.iter().map(move |key| (chapter, key)))
}

#[test]
fn every_key_that_there_is_is_told_of_and_no_other() {
    let told: BTreeSet<(String, &str)> =
        keys().map(|(chapter, (name, ..))| (chapter.title.to_owned(), *name)).collect();
    let asked: BTreeSet<(String, &str)> = asked().into_iter().map(|key| (key.section, key.key)).collect();
    // Tables are chapters of their own.
    let asked: BTreeSet<_> = asked.into_iter().filter(|(section, _)| !section.is_empty()).collect();
    assert_eq!(asked.difference(&told).collect::<Vec<_>>(), Vec::<&(String, &str)>::new(), "not told of");
    assert_eq!(told.difference(&asked).collect::<Vec<_>>(), Vec::<&(String, &str)>::new(), "not there");
}

#[test]
fn every_default_is_what_holds_without_the_key() {
    let mut tried = 0;
    for (chapter, (name, default, ..)) in keys().filter(|(_, (_, default, ..))| !default.starts_with('(')) {
        let without = parse(&text(chapter.title, name, ""));
        let with = parse(&text(chapter.title, name, &format!("{name} = {default}\n")));
        assert_eq!(format!("{without:?}"), format!("{with:?}"), "{name} in {}", chapter.title);
        tried += 1;
    }
    assert!(tried > 50, "{tried} defaults");
}

#[test]
fn every_example_is_taken() {
    for (chapter, (name, _, example, _)) in keys() {
        assert!(!example.is_empty(), "{name} in {}", chapter.title);
        parse(&text(chapter.title, name, &format!("{name} = {example}\n")));
    }
}

#[test]
fn the_document_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, markdown()).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == markdown(), "run `callbox reference > docs/configuration.md`");
    assert!(markdown().lines().all(|line| !line.contains("| text | (none: must be given) | `` |")));
}
