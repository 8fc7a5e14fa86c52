//! Whoever wires a box looks at the picture, not at the TOML. A picture that
//! fell behind its board file puts the strike where the lamp should be; so the
//! pictures are drawn from the board files, and this test holds them to it.
//!
//! `CALLBOX_DRAW=1 cargo test --no-default-features --test board_pictures`
//! draws them anew.
#![allow(clippy::unwrap_used, clippy::panic)]

mod wiring;

use std::fs;
use std::path::{Path, PathBuf};

use callbox::config::BoardLoader;

const USES: [(&str, &str); 3] = [
    ("doorstation", "door station with strike"),
    ("pushbox", "push-to-call box"),
    ("headless", "headless field device"),
];

const PIS: [&str; 4] = ["rpi3", "rpi4", "rpi5", "rpizero2w"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("board")
}

/// Every picture: its file's name and what is in it.
fn pictures() -> Vec<(String, String)> {
    let boards = BoardLoader::new(Vec::new());
    let mut pictures = Vec::new();
    for (usage, title) in USES {
        let drawn = PIS.map(|machine| {
            let board = boards.load(&format!("{machine}-{usage}")).unwrap();
            wiring::draw(&board, &format!("Raspberry Pi 3, 4, 5 and Zero 2 W: {title}"))
        });
        assert!(drawn.iter().all(|one| *one == drawn[0]), "one picture does not fit all models: {usage}");
        pictures.push((format!("raspberry-pi-{usage}.svg"), drawn[0].clone()));
        let generic = boards.load(&format!("generic-{usage}")).unwrap();
        pictures.push((
            format!("generic-{usage}.svg"),
            wiring::draw(&generic, &format!("Linux board with named lines: {title}")),
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    let watched = "inherit = [\"rpi4-doorstation\", \"tamper\", \"door-contact\"]\n";
    fs::write(folder.path().join("watched.toml"), watched).unwrap();
    let watched = BoardLoader::new(vec![folder.path().to_owned()]).load("watched").unwrap();
    let heading = "Raspberry Pi 3, 4, 5 and Zero 2 W: door station with tamper and door contact";
    pictures.push(("raspberry-pi-doorstation-contacts.svg".to_owned(), wiring::draw(&watched, heading)));
    pictures
}

#[test]
fn pictures_show_what_the_board_files_say() {
    for (name, drawn) in pictures() {
        let path = folder().join("wiring").join(&name);
        if std::env::var_os("CALLBOX_DRAW").is_some() {
            fs::write(&path, &drawn).unwrap();
        }
        let shown = fs::read_to_string(&path).unwrap_or_default();
        assert!(shown == drawn, "{name} is out of step: see the head of tests/board_pictures.rs");
    }
    // Each is in the text, and there is no other.
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut names: Vec<String> = pictures().into_iter().map(|(name, _)| name).collect();
    for name in &names {
        assert!(readme.contains(&format!("](wiring/{name})")), "{name} is in no text");
    }
    names.sort();
    let mut files: Vec<String> = fs::read_dir(folder().join("wiring"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(files, names);
}

/// The drawing itself: each line of the board is in its picture, with its pin.
#[test]
fn every_line_of_a_board_is_in_its_picture() {
    let board = BoardLoader::new(Vec::new()).load("rpi5-doorstation").unwrap();
    let drawn = wiring::draw(&board, "h");
    for (name, place) in [
        ("call", "GPIO17 · pin 11"),
        ("status", "GPIO27 · pin 13"),
        ("exit", "GPIO22 · pin 15"),
        ("strike", "GPIO26 · pin 37"),
    ] {
        let wire = format!("{name}<tspan class=\"s\" dx=\"9\">{place}<");
        assert!(drawn.contains(&wire), "{wire}");
    }
    let things = board.buttons.len() + board.inputs.len() + board.leds.len() + board.outputs.len();
    assert_eq!(drawn.matches("class=\"card\"").count(), things);
    assert_eq!(drawn.matches("class=\"line\"").count(), things, "pins in use");
    // Another line is another picture.
    let folder = tempfile::tempdir().unwrap();
    let moved = "inherit = \"rpi5-doorstation\"\n[[led]]\nname = \"door\"\noffset = 13\n";
    fs::write(folder.path().join("moved.toml"), moved).unwrap();
    let moved = BoardLoader::new(vec![folder.path().to_owned()]).load("moved").unwrap();
    assert!(wiring::draw(&moved, "h").contains("GPIO13 · pin 33"));
}
