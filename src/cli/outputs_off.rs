//! `callbox outputs-off`: the safe state, for systemd's `ExecStopPost=`. A
//! process that was killed cannot switch anything off, and not every kernel does.

use std::path::Path;

#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
use super::FAILED;
use super::{DONE, USAGE};
use crate::config::{Backend, Config};
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
use crate::gpio::wired;
use crate::settings;

/// Switches every output of the board off and lets go of it.
pub fn outputs_off(config: &Path) -> u8 {
    let config = match Config::load(config) {
        Ok(config) => config,
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                eprintln!("{diagnostic}");
            }
            return USAGE;
        }
    };
    match config.backend {
        // Its lines died with the process.
        Backend::Mock => DONE,
        #[cfg(any(feature = "gpiocdev", feature = "rppal"))]
        backend @ (Backend::Gpiocdev | Backend::Rppal) => match settings::driver(backend) {
            Ok(driver) => {
                let failed = wired::outputs_off(driver.as_ref(), &config.board);
                failed.iter().for_each(|error| eprintln!("callbox: {error}"));
                if failed.is_empty() { DONE } else { FAILED }
            }
            Err(error) => {
                eprintln!("callbox: {error}");
                USAGE
            }
        },
        #[cfg(not(any(feature = "gpiocdev", feature = "rppal")))]
        backend @ (Backend::Gpiocdev | Backend::Rppal) => {
            eprintln!("callbox: {}", settings::not_built_in(backend));
            USAGE
        }
    }
}
