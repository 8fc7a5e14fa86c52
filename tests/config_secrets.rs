//! The client secret opens the operator's account. It comes from a file that
//! only its owner may read, or from systemd; it is never printed.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use callbox::config::secret::{SecretError, SecretSource, read, read_from};
use callbox::config::{AuthConfig, BoardLoader, Config};
use secrecy::ExposeSecret;
use tempfile::TempDir;

const SECRET: &str = "correct horse+battery/staple";

fn file(folder: &TempDir, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
    let path = folder.path().join("client-secret");
    let _ = fs::remove_file(&path);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

fn read_path(path: &Path) -> Result<String, SecretError> {
    read(&SecretSource::File(path.to_owned())).map(|secret| secret.expose_secret().to_owned())
}

#[test]
fn a_private_file_is_read_without_its_newline() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o600, 0o400] {
        for end in ["", "\n", "\r\n"] {
            let path = file(&folder, format!("{SECRET}{end}"), mode);
            assert_eq!(read_path(&path).unwrap(), SECRET);
        }
    }
}

#[test]
fn a_file_that_others_may_use_is_refused_and_the_cure_named() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o644, 0o640, 0o604, 0o660, 0o620, 0o601] {
        let path = file(&folder, SECRET, mode);
        let error = read_path(&path).unwrap_err();
        assert_eq!(error, SecretError::Exposed { path: path.clone(), mode });
        let text = error.to_string();
        assert!(text.contains(&format!("chmod 600 {}", path.display())), "{text}");
        assert!(text.contains(&format!("{mode:04o}")), "{text}");
        assert!(!text.contains("horse"), "{text}");
    }
}

#[test]
fn what_cannot_be_a_secret_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for empty in ["", "\n", "   \n"] {
        let path = file(&folder, empty, 0o600);
        assert_eq!(read_path(&path), Err(SecretError::Empty(path)));
    }
    let path = file(&folder, "x".repeat(4096), 0o600);
    assert_eq!(read_path(&path).unwrap().len(), 4096);
    let path = file(&folder, "x".repeat(4097), 0o600);
    assert_eq!(read_path(&path), Err(SecretError::TooLong(path)));
    for content in [b"one\ntwo\n".as_slice(), b"\xff\xfe", b"nul\0"] {
        let path = file(&folder, content, 0o600);
        assert_eq!(read_path(&path), Err(SecretError::NotText(path)));
    }
    let path = folder.path().join("nowhere");
    assert_eq!(read_path(&path), Err(SecretError::Missing(path)));
    assert_eq!(read_path(folder.path()), Err(SecretError::NotAFile(folder.path().to_owned())));
}

#[test]
fn a_new_secret_is_used_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let source = SecretSource::File(file(&folder, "old", 0o600));
    assert_eq!(read(&source).unwrap().expose_secret(), "old");
    file(&folder, "new", 0o600);
    assert_eq!(read(&source).unwrap().expose_secret(), "new");
}

#[test]
fn a_systemd_credential_is_read_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let source = SecretSource::Credential("client-secret".to_owned());
    for mode in [0o400, 0o440, 0o600] {
        file(&folder, format!("{SECRET}\n"), mode);
        let secret = read_from(&source, Some(folder.path())).unwrap();
        assert_eq!(secret.expose_secret(), SECRET);
    }
    let path = file(&folder, SECRET, 0o444);
    let error = read_from(&source, Some(folder.path())).unwrap_err();
    assert_eq!(error, SecretError::Exposed { path, mode: 0o444 });
    let error = read_from(&source, None).unwrap_err();
    assert!(error.to_string().contains("LoadCredential=client-secret:"), "{error}");
}

fn config(secret_line: &str) -> Config {
    let text = format!(
        "[board]\nfile = \"desktop-mock\"\n[door]\ncodes = [\"90210\"]\n[auth]\nclient-id = \"x\"\n{secret_line}\n"
    );
    Config::parse(&text, "callbox.toml", &BoardLoader::new(Vec::new())).unwrap()
}

#[test]
fn nothing_secret_is_in_debug_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, SECRET, 0o600);
    let secret = read(&SecretSource::File(path.clone())).unwrap();
    assert!(!format!("{secret:?}").contains("horse"));
    let given = SecretSource::Given(SECRET.into());
    assert!(!format!("{given:?} {given}").contains("horse"));
    let printed = format!("{:?}", config(&format!("client-secret-file = \"{}\"", path.display())));
    assert!(!printed.contains("horse") && !printed.contains("90210"), "{printed}");
}

#[test]
fn checking_the_configuration_looks_at_the_secret_and_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, SECRET, 0o644);
    let config = config(&format!("client-secret-file = \"{}\"", path.display()));
    let found = config.check_files();
    assert_eq!(found.len(), 1, "{found:?}");
    let text = found[0].to_string();
    assert!(text.starts_with("callbox.toml:7:22: "), "{text}");
    assert!(text.ends_with(&format!("; run chmod 600 {}", path.display())), "{text}");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(config.check_files(), []);
    fs::remove_file(&path).unwrap();
    assert!(config.check_files()[0].to_string().contains("does not exist"));
}

#[test]
fn checking_the_configuration_looks_at_certificates() {
    let folder = tempfile::tempdir().unwrap();
    file(&folder, SECRET, 0o600);
    let text = "[board]\nfile = \"desktop-mock\"\n[auth]\nclient-id = \"x\"\nclient-secret-file = \"./client-secret\"\n[core]\nca-file = \"ca.pem\"\n";
    let name = folder.path().join("callbox.toml");
    let config = Config::parse(text, name.to_str().unwrap(), &BoardLoader::new(Vec::new())).unwrap();
    assert!(matches!(&config.auth, AuthConfig::ClientCredentials { client_id, .. } if client_id == "x"));
    let check = || config.check_files().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(
        check()[0].contains("callbox.toml:7:11: ") && check()[0].contains("cannot be read"),
        "{:?}",
        check()
    );
    fs::write(folder.path().join("ca.pem"), "not a certificate").unwrap();
    assert!(check()[0].contains("holds no PEM certificate"), "{:?}", check());
    fs::write(folder.path().join("ca.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    assert_eq!(check(), Vec::<String>::new());
}
