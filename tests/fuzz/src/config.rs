//! A configuration's text: refused with a place and a cure, or good for a box.

use std::time::Instant;

use callbox::appliance::Appliance;
use callbox::config::{BoardLoader, Config, Hidden};

use super::terminal::folder;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let file = folder().join("callbox.toml").display().to_string();
    match Config::parse(&text, &file, &BoardLoader::new(vec![folder().join("board")])) {
        Ok(config) => {
            let mut appliance = Appliance::new(config.appliance, Box::new(|| 7), Instant::now());
            while appliance.poll_command().is_some() {}
        }
        Err(found) => {
            assert!(!found.is_empty(), "refused without a reason");
            for diagnostic in found {
                let lines = text.lines().count() + 1;
                let here = diagnostic.place.file == file;
                assert!(!here || (1..=lines).contains(&diagnostic.place.line), "{diagnostic}");
                assert!(diagnostic.place.column >= 1 && !diagnostic.cure.is_empty(), "{diagnostic}");
            }
        }
    }
    // Who may see the text but no secret gives back what it was.
    let hidden = Hidden::new(&text);
    if !hidden.text.is_empty() {
        assert_eq!(hidden.reveal(&hidden.text), text, "hidden as {:?}", hidden.text);
    }
}
