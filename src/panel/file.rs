//! Files that are replaced as a whole.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Writes `fresh`, forces it to the disk and gives it the name `path`: whenever
/// the plug is pulled, the old text or the new one is there (rename(2)). When
/// this returns it is the new one.
pub fn replace(path: &Path, fresh: &Path, mode: u32, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(fresh)?;
    // One that was left over has its own mode, and a new one what the umask leaves.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(fresh, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
