//! What we ship must load: people copy an example and change three lines. A
//! board file with a typo, or an example that fell behind the code, would
//! first be noticed on a ladder at somebody's door.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use callbox::appliance::input::InputFunction;
use callbox::config::board::{Header, OutputFunction};
use callbox::config::{Board, BoardLoader, Config};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    files
}

/// Only the boards that the binary carries, as on a fresh machine.
fn load(text: &str, name: &str) -> Config {
    match Config::parse(text, name, &BoardLoader::new(Vec::new())) {
        Ok(config) => config,
        Err(found) => panic!("{}", found.iter().map(|d| format!("{d}\n")).collect::<String>()),
    }
}

fn examples() -> Vec<(String, String)> {
    let files = toml_files(&folder("board/examples"));
    assert!(files.len() >= 3, "the examples are gone");
    files.iter().map(|file| (file.display().to_string(), std::fs::read_to_string(file).unwrap())).collect()
}

/// The setting in a line such as `#mode = "pipe"`; prose has a space after the #.
fn commented_setting(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with([' ', '#']))
}

#[test]
fn every_example_loads_as_shipped() {
    for (name, text) in examples() {
        let config = load(&text, &name);
        assert!(!config.appliance.contacts.is_empty(), "{name}");
        assert!(
            config.appliance.buttons.values().any(|button| button.press.is_some() || button.hold.is_some()),
            "{name}: no button does anything"
        );
        assert!(!config.appliance.leds.is_empty(), "{name}: no lamp");
    }
}

#[test]
fn every_example_means_the_same_without_its_comments() {
    for (name, text) in examples() {
        let bare: String =
            text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        assert!(!bare.contains('#'), "{name}: a comment is left");
        // Where things stand differs; what they mean must not.
        let meaning = |config: &Config| {
            format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                config.appliance,
                config.core,
                config.board,
                config.audio,
                config.media,
                config.state,
                config.panel,
                config.log
            )
        };
        assert_eq!(meaning(&load(&text, &name)), meaning(&load(&bare, &name)), "{name}");
    }
}

#[test]
fn every_setting_that_an_example_mentions_is_one() {
    for (name, text) in examples() {
        let settings = text.lines().filter_map(commented_setting).count();
        assert!(settings >= 3, "{name}: only {settings} commented settings were found");
        let all: String =
            text.lines().map(|line| format!("{}\n", commented_setting(line).unwrap_or(line))).collect();
        load(&all, &name);
    }
}

#[test]
fn the_door_example_shows_the_defaults_it_says_it_shows() {
    let (name, text) = examples().into_iter().find(|(name, _)| name.ends_with("door-intercom.toml")).unwrap();
    let shipped = load(&text, &name);
    // Files and codes have no default; they show how to write one.
    let exempt = [
        "ca-file",
        "codes",
        "listen",
        "tls-",
        "socket",
        "time-zone",
        "do-not-disturb",
        "mixer",
        "capture-mixer",
        "capture-volume",
        "window",
        "output",
        "dir",
        "acknowledge",
        // Sounds.
        "ring =",
        "ringback",
        "progress",
        "busy",
        "congestion",
        "error",
        "call-waiting",
        "call-ending",
        "location",
        "offline",
    ];
    let all: String = text
        .lines()
        .map(|line| match commented_setting(line) {
            Some(setting) if !exempt.iter().any(|key| setting.starts_with(key)) => format!("{setting}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    let explicit = load(&all, &name);
    assert_eq!(format!("{shipped:?}"), format!("{explicit:?}"));
}

#[test]
fn every_board_is_built_in_and_loads() {
    let boards = BoardLoader::new(Vec::new());
    let files: BTreeSet<String> = toml_files(&folder("board"))
        .iter()
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(files, boards.names().into_iter().collect(), "board/ and the built-in list differ");
    for name in &files {
        let board = boards.load(name).unwrap_or_else(|found| panic!("{name}: {found:?}"));
        assert_eq!(&board.name, name);
        assert!(!board.buttons.is_empty(), "{name} has no button");
        assert!(!board.leds.is_empty(), "{name} has no lamp");
        assert!(!board.description.is_empty(), "{name} has no description");
        assert!(board.backend.is_some(), "{name} has no backend");
    }
}

/// Machines, and what a box on one may be for.
const MACHINES: [&str; 6] = ["rpi3", "rpi4", "rpi5", "rpizero2w", "generic", "mock"];
const USES: [&str; 3] = ["doorstation", "pushbox", "headless"];

/// `callbox check` reads a configuration as `load` does, for every use on every machine.
#[test]
fn every_machine_has_a_board_for_every_use_that_differs_in_nothing_else() {
    for usage in USES {
        let mut meanings = BTreeSet::new();
        for machine in MACHINES {
            let name = format!("{machine}-{usage}");
            let text = format!("[auth]\nmethod = \"none\"\n[board]\nfile = \"{name}\"\n");
            let config = load(&text, "callbox.toml");
            let outputs: Vec<_> =
                config.board.outputs.iter().map(|(name, o)| (name, o.function, o.max_on)).collect();
            let inputs: Vec<_> =
                config.board.inputs.iter().map(|(name, input)| (name, input.function)).collect();
            let buttons: Vec<_> = config.board.buttons.keys().collect();
            assert_eq!(config.appliance.inputs.len(), inputs.len(), "{name}");
            meanings.insert(format!("{buttons:?} {inputs:?} {:?} {outputs:?}", config.appliance.leds));
        }
        assert_eq!(meanings.len(), 1, "{usage} is not the same everywhere: {meanings:#?}");
    }
}

#[test]
fn a_door_station_has_what_a_door_needs_and_a_headless_box_opens_none() {
    let boards = BoardLoader::new(Vec::new());
    for machine in MACHINES {
        let door = boards.load(&format!("{machine}-doorstation")).unwrap();
        let strike = &door.outputs[&"strike".into()];
        assert_eq!(strike.function, OutputFunction::Strike, "{machine}");
        assert!(strike.max_on.is_some_and(|limit| limit <= Duration::from_secs(10)), "{machine}");
        let functions = |board: &Board| -> BTreeSet<InputFunction> {
            board.inputs.values().map(|input| input.function).collect()
        };
        assert_eq!(functions(&door), [InputFunction::Exit].into(), "{machine}");
        // Contacts are parts: a box without them must not take an open line for an open case.
        let folder = tempfile::tempdir().unwrap();
        let text = format!("inherit = [\"{machine}-doorstation\", \"tamper\", \"door-contact\"]\n");
        std::fs::write(folder.path().join("watched.toml"), text).unwrap();
        let watched = BoardLoader::new(vec![folder.path().to_owned()]).load("watched").unwrap();
        let all = [InputFunction::Exit, InputFunction::Tamper, InputFunction::DoorContact];
        assert_eq!(functions(&watched), all.into(), "{machine}");
        let headless = boards.load(&format!("{machine}-headless")).unwrap();
        assert!(headless.outputs.is_empty(), "{machine}");
    }
}

#[test]
fn raspberry_pi_boards_keep_off_the_pins_that_others_own() {
    let boards = BoardLoader::new(Vec::new());
    let names = boards.names();
    let pis: Vec<_> = names.iter().filter(|name| name.starts_with("rpi")).collect();
    assert_eq!(pis.len(), 16);
    for name in pis {
        let board = boards.load(name).unwrap();
        assert_eq!(board.header, Some(Header::RaspberryPi), "{name}: nothing is checked without a header");
        assert!(board.notes.is_empty(), "{name}: {:?}", board.notes);
    }
}
