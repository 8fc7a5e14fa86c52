//! `callbox provision`: takes a set-up apart into a folder that can be /etc/callbox.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use secrecy::ExposeSecret;

use super::{DONE, FAILED, USAGE};
use crate::config::{BoardLoader, Setup};

/// Says every mistake as `callbox check` does, or writes the files. When it
/// returns with success they are on the disk.
pub fn provision(file: &Path, into: &Path) -> u8 {
    let setup = match Setup::load(file, &BoardLoader::beside(file)) {
        Ok(setup) => setup,
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                eprintln!("{diagnostic}");
            }
            return USAGE;
        }
    };
    match write(&setup, into) {
        Ok(()) => DONE,
        Err(error) => {
            eprintln!("callbox: {}: {error}", into.display());
            FAILED
        }
    }
}

fn write(setup: &Setup, into: &Path) -> io::Result<()> {
    fs::create_dir_all(into)?;
    // May hold door codes: for root and the service's group.
    put(&into.join("callbox.toml"), 0o640, setup.configuration.expose_secret())?;
    if let Some(secret) = &setup.client_secret {
        put(&into.join("client-secret"), 0o600, secret.expose_secret())?;
    }
    if let Some(name) = &setup.host_name {
        put(&into.join("host-name"), 0o644, name)?;
    }
    if let Some(wifi) = &setup.wifi {
        put(&into.join("wpa_supplicant.conf"), 0o600, wifi.wpa_supplicant().expose_secret())?;
    }
    if !setup.ssh_keys.is_empty() {
        fs::create_dir_all(into.join("ssh"))?;
        put(&into.join("ssh/authorized_keys"), 0o600, &setup.ssh_keys.join("\n"))?;
    }
    if let Some(fleet) = &setup.fleet {
        put(&into.join("fleet.conf"), 0o600, fleet.client().expose_secret())?;
        if let Some(ca) = fleet.ca() {
            put(&into.join("fleet-ca.pem"), 0o644, ca)?;
        }
    }
    fs::File::open(into)?.sync_all()
}

fn put(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        file.write_all(b"\n")?;
    }
    file.sync_all()
}
