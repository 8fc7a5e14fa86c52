//! The client secret: from a file that only its owner may read, or from a
//! systemd credential. Never from the configuration itself, never printed.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::diagnostic::Problem;

/// Longer than any secret; keeps a wrong path from being sent as one.
const LONGEST: usize = 4096;

/// Where the client secret comes from.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// A file that only its owner may read.
    File(PathBuf),
    /// A systemd credential of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// For tests and the demo.
    Given(SecretString),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::File(path) => write!(f, "secret file {}", path.display()),
            SecretSource::Credential(name) => write!(f, "systemd credential {name}"),
            SecretSource::Given(_) => f.write_str("given secret"),
        }
    }
}

/// Why a secret cannot be used. Prints the cure too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not there.
    Missing(PathBuf),
    /// Somebody other than its owner may read or write it.
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A folder, a device or the like.
    NotAFile(PathBuf),
    /// Nothing in it, or white space only.
    Empty(PathBuf),
    /// More than 4 KiB.
    TooLong(PathBuf),
    /// Bytes that are not UTF-8, or a control character inside.
    NotText(PathBuf),
    /// The system refused.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// Started without systemd, or by a unit without credentials.
    NoCredentials(String),
}

impl SecretError {
    /// What is wrong and the cure, apart.
    pub fn problem(&self) -> Problem {
        match self {
            SecretError::Missing(path) => {
                let path = path.display();
                let cure = format!("write the client secret into it and run chmod 600 {path}");
                Problem::new(format!("{path} does not exist"), cure)
            }
            SecretError::Exposed { path, mode } => {
                let path = path.display();
                let what = format!("{path} has mode {mode:04o}, so that others than its owner may use it");
                Problem::new(what, format!("run chmod 600 {path}"))
            }
            SecretError::NotAFile(path) => Problem::new(
                format!("{} is not a regular file", path.display()),
                "name the file that holds the client secret",
            ),
            SecretError::Empty(path) => {
                Problem::new(format!("{} is empty", path.display()), "write the client secret into it")
            }
            SecretError::TooLong(path) => Problem::new(
                format!("{} is longer than 4 KiB", path.display()),
                "name the file that holds nothing but the client secret",
            ),
            SecretError::NotText(path) => Problem::new(
                format!("{} is not one line of text", path.display()),
                "write nothing but the client secret into it",
            ),
            SecretError::Unreadable { path, reason } => {
                Problem::new(format!("{} cannot be read: {reason}", path.display()), "let this user read it")
            }
            SecretError::NoCredentials(name) => Problem::new(
                format!("there is no systemd credential {name}: CREDENTIALS_DIRECTORY is not set"),
                format!("add LoadCredential={name}:FILE to the unit, or use client-secret-file"),
            ),
        }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { what, cure } = self.problem();
        write!(f, "{what}; {cure}")
    }
}

/// Reads a secret. One line; the newline at its end is not part of it.
///
/// Read it anew at every use, so that a new secret needs no restart.
///
/// # Errors
/// [`SecretError`], which names the file and the cure and never the secret.
pub fn read(source: &SecretSource) -> Result<SecretString, SecretError> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    read_from(source, directory.as_deref())
}

/// [`read`] with another folder than `$CREDENTIALS_DIRECTORY`.
///
/// # Errors
/// As [`read`].
pub fn read_from(source: &SecretSource, credentials: Option<&Path>) -> Result<SecretString, SecretError> {
    match source {
        SecretSource::File(path) => read_file(path, 0o077),
        SecretSource::Credential(name) => match credentials {
            // systemd keeps the folder closed to others and may give the
            // service's group the right to read (systemd.exec(5), Credentials).
            Some(directory) => read_file(&directory.join(name), 0o037),
            None => Err(SecretError::NoCredentials(name.clone())),
        },
        SecretSource::Given(secret) => Ok(secret.clone()),
    }
}

fn read_file(path: &Path, forbidden_mode: u32) -> Result<SecretString, SecretError> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => SecretError::Missing(path.to_owned()),
        _ => SecretError::Unreadable { path: path.to_owned(), reason: error.to_string() },
    };
    // Before opening: opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(SecretError::NotAFile(path.to_owned()));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    // The mode of what was opened, whatever the name means by now.
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & forbidden_mode != 0 {
        return Err(SecretError::Exposed { path: path.to_owned(), mode });
    }
    // One buffer that never moves: a growing one would leave copies behind.
    let mut buffer = Zeroizing::new([0u8; LONGEST + 1]);
    let mut length = 0;
    loop {
        let Some(space) = buffer.get_mut(length..).filter(|space| !space.is_empty()) else {
            return Err(SecretError::TooLong(path.to_owned()));
        };
        match file.read(space) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    let text = buffer
        .get(..length)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .ok_or_else(|| SecretError::NotText(path.to_owned()))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(SecretError::Empty(path.to_owned()));
    }
    if text.chars().any(char::is_control) {
        return Err(SecretError::NotText(path.to_owned()));
    }
    Ok(SecretString::from(Box::<str>::from(text)))
}
