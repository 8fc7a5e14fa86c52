//! The device's password: made at the first start, shown once, kept as a hash. It is
//! kept after it was shown: a box that loses its power between the two makes another,
//! and never has one that nobody knows.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{make_folder, write_private};

/// Letters and digits that nobody takes for another (Crockford's base 32, in small letters).
const LETTERS: &[u8] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Five groups of four: 100 bits.
const GROUPS: usize = 5;
const GROUP: usize = 4;

/// The file with the hash, in the PHC string format.
const FILE: &str = "password.hash";

/// There is no password to check against.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It can neither be read nor made.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// The file holds something else.
    #[error("{0} holds no password hash: remove it, and the next start makes a new password")]
    Garbled(PathBuf),
    /// The hash could not be made.
    #[error("cannot hash: {0}")]
    Hash(argon2::password_hash::Error),
}

/// A password's hash (Argon2id, RFC 9106).
#[derive(Clone)]
pub struct Hash(String);

impl Hash {
    /// Whether this is the password. Takes tens of milliseconds and 19 MiB, on purpose.
    pub fn matches(&self, password: &str) -> bool {
        // Hand-typed: case and white space around do not count.
        let typed = password.trim().to_lowercase();
        PasswordHash::new(&self.0)
            .is_ok_and(|hash| Argon2::default().verify_password(typed.as_bytes(), &hash).is_ok())
    }
}

/// The hash, and the password itself if it was made just now; it is to be shown, then kept.
///
/// # Errors
/// [`PasswordError`].
pub fn load_or_make(folder: &Path) -> Result<(Hash, Option<String>), PasswordError> {
    let file = folder.join(FILE);
    match fs::read_to_string(&file) {
        Ok(text) => {
            let text = text.trim().to_owned();
            PasswordHash::new(&text).map_err(|_| PasswordError::Garbled(file.clone()))?;
            Ok((Hash(text), None))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let password = random();
            let salt = SaltString::generate(&mut OsRng);
            let hash = Argon2::default()
                .hash_password(password.as_bytes(), &salt)
                .map_err(PasswordError::Hash)?
                .to_string();
            Ok((Hash(hash), Some(password)))
        }
        Err(error) => Err(PasswordError::File(file, error)),
    }
}

/// Keeps the hash of a password that was shown.
///
/// # Errors
/// [`PasswordError::File`]; then the next start makes another password.
pub fn keep(folder: &Path, hash: &Hash) -> Result<(), PasswordError> {
    let file = folder.join(FILE);
    let written = make_folder(folder).and_then(|()| write_private(&file, &format!("{}\n", hash.0)));
    written.map_err(|error| PasswordError::File(file, error))
}

fn random() -> String {
    let mut random = StdRng::from_os_rng();
    let mut letter = || char::from(LETTERS[random.random_range(0..LETTERS.len())]);
    let groups: Vec<String> = (0..GROUPS).map(|_| (0..GROUP).map(|_| letter()).collect()).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_made_once_shown_once_and_kept_as_a_hash() {
        let folder = tempfile::tempdir().unwrap();
        let (hash, shown) = load_or_make(&folder.path().join("panel")).unwrap();
        let password = shown.unwrap();
        assert!(load_or_make(&folder.path().join("panel")).unwrap().1.is_some(), "nothing is kept by itself");
        keep(&folder.path().join("panel"), &hash).unwrap();
        assert_eq!(password.len(), GROUPS * GROUP + GROUPS - 1, "{password}");
        assert!(hash.matches(&password) && hash.matches(&format!(" {}\n", password.to_uppercase())));
        assert!(!hash.matches("") && !hash.matches(&password[1..]));
        let (again, none) = load_or_make(&folder.path().join("panel")).unwrap();
        assert!(none.is_none() && again.matches(&password));
        let file = folder.path().join("panel").join(FILE);
        assert!(!fs::read_to_string(&file).unwrap().contains(&password));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&file, "123456").unwrap();
        assert!(matches!(load_or_make(&folder.path().join("panel")), Err(PasswordError::Garbled(_))));
    }
}
