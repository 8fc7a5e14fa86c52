//! `callbox check`: reads configuration and board, opens nothing.

use std::path::Path;

use super::{DONE, USAGE};
use crate::config::Config;

/// Says that all is well, or every mistake as `FILE:LINE:COLUMN: what; cure`.
pub fn check(path: &Path) -> u8 {
    let checked = Config::load(path).and_then(|config| match config.check_files() {
        found if found.is_empty() => Ok(config),
        found => Err(found),
    });
    match checked {
        Ok(config) => {
            println!(
                "{}: all is well: {} button(s), {} lamp(s), {} contact(s), core {}",
                path.display(),
                config.appliance.buttons.len(),
                config.appliance.leds.len(),
                config.appliance.contacts.len(),
                config.core.endpoint,
            );
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
