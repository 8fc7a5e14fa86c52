//! `callbox check`: reads configuration and board, opens nothing.

use std::path::Path;

use super::{DONE, USAGE};
use crate::audio::sound_file::{self, LONGEST_SOUND};
use crate::config::{Config, Diagnostic, NamedFile, Problem};

/// Says that all is well, or every mistake as `FILE:LINE:COLUMN: what; cure`.
pub fn check(path: &Path) -> u8 {
    let checked = Config::load(path).and_then(|config| {
        let mut found = config.check_files();
        found.extend(sounds(&config));
        if found.is_empty() { Ok(config) } else { Err(found) }
    });
    match checked {
        Ok(config) => {
            println!(
                "{}: all is well: {} button(s), {} input(s), {} lamp(s), {} output(s), {} contact(s), core {}",
                path.display(),
                config.appliance.buttons.len(),
                config.board.inputs.len(),
                config.appliance.leds.len(),
                config.board.outputs.len(),
                config.appliance.contacts.len(),
                config.core.endpoint,
            );
            for note in &config.board.notes {
                println!("{}: note: {}; {}", note.place, note.what, note.cure);
            }
            DONE
        }
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                eprintln!("{diagnostic}");
            }
            USAGE
        }
    }
}

/// Reads every tone and announcement as the box will: the box itself runs on
/// without, and says what is missing.
fn sounds(config: &Config) -> Vec<Diagnostic> {
    let unplayable = |file: &NamedFile| {
        let error = sound_file::read(&file.path, LONGEST_SOUND).err()?;
        let what = format!("{}: {}", error.path.display(), error.why);
        Some(file.place.diagnose(Problem::new(what, error.why.cure())))
    };
    config.sounds.files().filter_map(unplayable).collect()
}
