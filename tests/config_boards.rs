//! A board file says which wire opens the door. Inheriting must change what
//! the file says and nothing else, and two things on one wire must be found
//! before the current is on.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "config_boards/mistakes.rs"]
mod mistakes;

use std::fs;
use std::path::Path;
use std::time::Duration;

use callbox::appliance::indicator::{LampProfile, LedFunction};
use callbox::appliance::input::InputFunction;
use callbox::config::board::{Bias, Drive, Edges, LineId, OutputFunction};
use callbox::config::{Board, BoardLoader, Config};
use proptest::prelude::*;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> (TempDir, BoardLoader) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
    }
    let loader = BoardLoader::new(vec![folder.path().to_owned()]);
    (folder, loader)
}

fn mistakes(result: Result<Board, Vec<callbox::config::Diagnostic>>, folder: &Path) -> Vec<String> {
    let prefix = format!("{}/", folder.display());
    result.unwrap_err().iter().map(|found| found.to_string().replace(&prefix, "")).collect()
}

const BASE: &str = r#"chip = "gpio-a"
description = "base"
[[button]]
name = "call"
offset = 5
bias = "pull-up"
active-low = true
debounce = "40ms"
[[led]]
name = "status"
function = "status"
offset = 6
[[output]]
name = "door"
function = "strike"
line-name = "RELAY"
max-on = "10s"
"#;

#[test]
fn a_child_changes_the_fields_it_names_and_no_other() {
    let child = "inherit = \"base\"\nchip = \"gpio-b\"\n[[button]]\nname = \"call\"\ndebounce = \"5ms\"\n[[led]]\nname = \"busy\"\nfunction = \"answered\"\noffset = 7\n";
    let (_keep, boards) = folder(&[("base", BASE), ("child", child)]);
    let board = boards.load("child").unwrap();
    assert_eq!((board.name.as_str(), board.description.as_str()), ("child", "base"));
    let call = &board.buttons[&"call".into()];
    assert_eq!(call.debounce, Duration::from_millis(5));
    assert_eq!(call.bias, Bias::PullUp);
    assert!(call.line.active_low);
    assert_eq!((call.line.chip.as_str(), &call.line.id), ("gpio-b", &LineId::Offset(5)));
    assert_eq!(board.leds.len(), 2);
    assert_eq!(board.leds[&"busy".into()].function, LedFunction::Answered);
    let door = &board.outputs[&"door".into()];
    assert_eq!(door.function, OutputFunction::Strike);
    assert_eq!(door.line.id, LineId::Name("RELAY".to_owned()));
    assert_eq!(door.max_on, Some(Duration::from_secs(10)));
}

#[test]
fn a_board_beside_the_configuration_goes_before_a_built_in_one() {
    let here = tempfile::tempdir().unwrap();
    fs::create_dir(here.path().join("board")).unwrap();
    fs::write(here.path().join("board/desktop-mock.toml"), BASE).unwrap();
    let config = here.path().join("callbox.toml");
    fs::write(&config, "[auth]\nmethod = \"none\"\n[board]\nfile = \"desktop-mock\"\nbackend = \"mock\"\n")
        .unwrap();
    let loaded = Config::load(&config).unwrap();
    assert_eq!(loaded.board.description, "base");
    assert_eq!(loaded.appliance.buttons[&"call".into()].debounce, Duration::from_millis(40));
    // By path, which counts from the configuration's folder.
    fs::write(here.path().join("other.toml"), BASE.replace("base", "other")).unwrap();
    fs::write(&config, "[auth]\nmethod = \"none\"\n[board]\nfile = \"other.toml\"\nbackend = \"mock\"\n")
        .unwrap();
    assert_eq!(Config::load(&config).unwrap().board.description, "other");
}

#[test]
fn boards_that_inherit_in_a_ring_are_refused() {
    let (here, boards) =
        folder(&[("a", "inherit = \"b\"\n"), ("b", "\ninherit = \"a\"\n"), ("self", "inherit = \"self\"\n")]);
    let found = mistakes(boards.load("a"), here.path());
    assert_eq!(
        found,
        [
            "b.toml:2:11: \"a\" inherits itself by way of a.toml, b.toml; inherit from a board that does not lead back here"
        ]
    );
    assert!(
        mistakes(boards.load("self"), here.path())[0].starts_with("self.toml:1:11: \"self\" inherits itself")
    );
}

#[test]
fn boards_that_inherit_too_deep_are_refused() {
    let texts: Vec<(String, String)> =
        (0..12).map(|n| (format!("b{n}"), format!("inherit = \"b{}\"\n", n + 1))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let (here, boards) = folder(&files);
    assert_eq!(
        mistakes(boards.load("b0"), here.path()),
        ["b7.toml:1:11: boards inherit more than 8 deep; inherit from a simpler board"]
    );
}

#[test]
fn two_things_on_one_line_name_both() {
    let text = BASE.replace("offset = 6", "offset = 5");
    let (here, boards) = folder(&[("twice", &text)]);
    let found = mistakes(boards.load("twice"), here.path());
    assert_eq!(
        found,
        [
            "twice.toml:9:1: led \"status\" is on gpio-a line 5, and so is button \"call\"; give each its own line"
        ]
    );
    // Another chip's line 5 is another line.
    let (_keep, boards) =
        folder(&[("once", &text.replace("offset = 5\n[[out", "offset = 5\nchip = \"gpio-b\"\n[[out"))]);
    assert!(boards.load("once").is_ok());
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    let (here, boards) = folder(&[
        ("no-chip", "[[led]]\nname = \"x\"\nfunction = \"fault\"\noffset = 1\n"),
        ("no-line", "chip = \"c\"\n[[button]]\nname = \"x\"\n"),
        ("no-function", "chip = \"c\"\n[[output]]\nname = \"x\"\noffset = 1\n"),
        ("both", "chip = \"c\"\n[[button]]\nname = \"x\"\noffset = 1\nline-name = \"y\"\n"),
        (
            "twin",
            "chip = \"c\"\n[[button]]\nname = \"x\"\noffset = 1\n[[button]]\nname = \"x\"\noffset = 2\n",
        ),
        ("words", "chip = \"c\"\n[[led]]\nname = \"X y\"\nfunction = \"sttus\"\nofset = 1\n"),
        ("orphan", "inherit = \"rpi6\"\n"),
    ]);
    let found = |name| mistakes(boards.load(name), here.path());
    assert!(found("no-chip")[0].starts_with("no-chip.toml:1:1: led \"x\" has no chip; add chip = "));
    assert!(found("no-line")[0].starts_with("no-line.toml:2:1: button \"x\" has no offset; add offset = "));
    assert_eq!(
        found("no-function"),
        ["no-function.toml:2:1: output \"x\" has no function; add function = \"strike\""]
    );
    assert_eq!(
        found("both"),
        ["both.toml:5:13: the line has an offset and a name; keep offset or line-name"]
    );
    assert!(
        found("twin")[0]
            .starts_with("twin.toml:6:8: there is a second \"x\" (the first is at twin.toml:2:1)")
    );
    let words = found("words");
    assert_eq!(words.len(), 3, "{words:#?}");
    assert!(words[0].starts_with("words.toml:3:8: \"X y\" is no name; write small letters"));
    assert!(words[1].starts_with("words.toml:4:12: function cannot be \"sttus\"; write one of \"status\""));
    assert!(words[2].ends_with("unknown key \"ofset\" in [[led]]; did you mean offset?"));
    assert_eq!(found("orphan"), ["orphan.toml:1:11: there is no board \"rpi6\"; did you mean \"rpi\"?"]);
}

/// What `inherit` may name besides boards is no board by itself.
#[test]
fn parts_are_found_by_those_who_inherit_only() {
    let (here, boards) = folder(&[("mine", "inherit = [\"rpi5\", \"doorstation\"]\n")]);
    let board = boards.load("mine").unwrap();
    assert_eq!(board.outputs[&"strike".into()].line.chip, "pinctrl-rp1");
    assert!(!boards.names().contains(&"doorstation".to_owned()));
    let found = mistakes(boards.load("doorstation"), here.path());
    assert!(found[0].starts_with("doorstation:1:1: there is no board \"doorstation\""), "{found:?}");
    // A folder of one's own may hold parts too, and they go before the built-in ones.
    fs::create_dir(here.path().join("parts")).unwrap();
    fs::write(
        here.path().join("parts/doorstation.toml"),
        "[[led]]\nname = \"x\"\nfunction = \"door\"\noffset = 4\n",
    )
    .unwrap();
    let board = boards.load("mine").unwrap();
    assert!(board.outputs.is_empty() && board.leds.contains_key(&"x".into()));
}

/// Of several, the later wins, and the file itself over all.
#[test]
fn of_several_boards_the_later_wins() {
    let (_keep, boards) = folder(&[
        ("low", BASE),
        ("high", "[[button]]\nname = \"call\"\noffset = 8\ndebounce = \"8ms\"\n"),
        ("both", "inherit = [\"low\", \"high\"]\n[[button]]\nname = \"call\"\ndebounce = \"9ms\"\n"),
    ]);
    let call = &boards.load("both").unwrap().buttons[&"call".into()];
    assert_eq!(
        (&call.line.id, call.debounce, call.bias),
        (&LineId::Offset(8), Duration::from_millis(9), Bias::PullUp)
    );
}

#[test]
fn everything_that_can_be_said_of_a_line_is_heard() {
    let text = r#"
chip = "c"
profile = "en81-28"
[[button]]
name = "bell-wire"
offset = 1
edge = "press"
bias = "pull-down"
debounce = "1s"
glitch-filter = "100ms"
[[input]]
name = "handset"
function = "hook"
offset = 2
bias = "disabled"
active-low = true
debounce = "7ms"
glitch-filter = "3ms"
[[led]]
name = "green"
function = "answered"
offset = 3
initial = true
drive = "open-drain"
brightness = 30
[[output]]
name = "lock"
function = "strike"
offset = 4
drive = "open-source"
max-on = "4s"
one-shot = true
"#;
    let (_keep, boards) = folder(&[("all", text)]);
    let board = boards.load("all").unwrap();
    assert_eq!(board.profile, LampProfile::En8128);
    let button = &board.buttons[&"bell-wire".into()];
    assert_eq!((button.edge, button.bias), (Edges::Press, Bias::PullDown));
    assert_eq!((button.debounce, button.glitch_filter), (Duration::from_secs(1), Duration::from_millis(100)));
    let input = &board.inputs[&"handset".into()];
    assert_eq!((input.function, input.bias), (InputFunction::Hook, Bias::Disabled));
    assert!(input.line.active_low);
    assert_eq!((input.debounce, input.glitch_filter), (Duration::from_millis(7), Duration::from_millis(3)));
    let led = &board.leds[&"green".into()];
    assert_eq!((led.initial, led.drive, led.brightness, led.pwm), (true, Drive::OpenDrain, 30, false));
    let output = &board.outputs[&"lock".into()];
    assert_eq!((output.drive, output.one_shot), (Drive::OpenSource, true));
    assert_eq!(output.max_on, Some(Duration::from_secs(4)));
    // The profile says what the lamp means, and callbox.toml has the last word.
    let base = "[auth]\nmethod = \"none\"\n[board]\nfile = \"all\"\nbackend = \"mock\"\n";
    for (more, function) in [
        ("", LedFunction::ConnectionMade),
        ("profile = \"usual\"\n", LedFunction::Answered),
        ("profile = \"gai-tronics\"\n", LedFunction::CallReceived),
    ] {
        let config = Config::parse(&format!("{base}{more}"), "callbox.toml", &boards).unwrap();
        assert_eq!(config.appliance.leds[&"green".into()], function, "{more}");
    }
}

#[test]
fn a_board_that_is_not_there_is_reported_where_it_is_named() {
    let text = "[auth]\nmethod = \"none\"\n[board]\nfile = \"rpi4-doorstaton\"\n";
    let found = Config::parse(text, "callbox.toml", &BoardLoader::default()).unwrap_err();
    assert_eq!(
        found[0].to_string(),
        "callbox.toml:4:8: there is no board \"rpi4-doorstaton\"; did you mean \"rpi4-doorstation\"?"
    );
}

#[test]
fn a_mistake_in_a_board_names_the_boards_file() {
    let (here, boards) = folder(&[("bad", "chip = 5\n")]);
    let text = "[auth]\nmethod = \"none\"\n[board]\nfile = \"bad\"\nbackend = \"mock\"\n";
    let found = Config::parse(text, "callbox.toml", &boards).unwrap_err();
    assert_eq!(
        found[0].to_string(),
        format!(
            "{}/bad.toml:1:8: chip is a whole number; write text in double quotes",
            here.path().display()
        )
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_in_a_board_never_panic(flips in prop::collection::vec((0usize..4000, any::<u8>()), 1..6), cut in 0usize..4000) {
        let mut bytes = include_bytes!("../board/parts/doorstation.toml").to_vec();
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(cut);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("broken.toml"), &bytes).unwrap();
        let boards = BoardLoader::new(vec![folder.path().to_owned()]);
        if let Err(found) = boards.load("broken") {
            prop_assert!(!found.is_empty());
        }
    }
}
