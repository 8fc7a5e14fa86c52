//! Who is let in: certificate, password, sessions, and the brake on guessing.

pub mod certificate;
pub mod password;
pub mod sessions;
pub mod throttle;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::file::replace;

/// Makes a folder that only its owner may open.
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file that only its owner may read; whole or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    replace(path, &path.with_extension("new"), 0o600, text.as_bytes())
}
