//! Updates of the image that the appliance runs in: what RAUC says of a bundle,
//! and having it installed. RAUC checks signatures and writes slots; it is
//! asked by its own command, which is there on the image alone.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use super::machine;
use crate::appliance::status::CallStatus;
use crate::appliance::update::{Bundle, Running};

/// Names board and version of the slot that runs.
const IMAGE: &str = "/etc/callbox-image";
/// More than any bundle has; what a server sends beyond this is not stored.
const LARGEST: u64 = 256 << 20;
/// A server that says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// An update could not be made.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// No image, so no slots.
    #[error("{IMAGE}: {0}: this is no callbox image; on other systems the package manager updates callbox")]
    NoImage(std::io::Error),
    /// RAUC is not there.
    #[error("rauc: {0}")]
    NoRauc(std::io::Error),
    /// RAUC does not trust the bundle, or could not write it.
    #[error("{0}")]
    Refused(String),
    /// RAUC answered something else.
    #[error("rauc answered what nobody understands: {0}")]
    Garbled(#[from] serde_json::Error),
    /// The bundle could not be fetched.
    #[error("{url}: {why}")]
    NotFetched {
        /// From where.
        url: String,
        /// Why not.
        why: String,
    },
}

/// Board, version and state of the slot that runs.
///
/// # Errors
/// [`UpdateError::NoImage`].
pub fn running(call: Option<CallStatus>) -> Result<Running, UpdateError> {
    let text = std::fs::read_to_string(IMAGE).map_err(UpdateError::NoImage)?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    let trying = machine::update(Path::new(machine::FOLDER)).is_some_and(|update| update.state == "trying");
    Ok(Running { compatible: value("COMPATIBLE"), version: value("VERSION"), call, trying })
}

/// What a bundle says of itself, once its signature was found to be good.
///
/// # Errors
/// [`UpdateError::Refused`] with RAUC's reason, such as a wrong key or a changed byte.
pub async fn inspect(file: &Path) -> Result<Bundle, UpdateError> {
    #[derive(Deserialize)]
    struct Info {
        compatible: String,
        version: String,
    }
    let output = rauc(&["info", "--output-format=json"], file).await?;
    let Info { compatible, version } = serde_json::from_slice(&output.stdout)?;
    Ok(Bundle { compatible, version })
}

/// Has it written to the slot that does not run, which is started from next.
///
/// # Errors
/// [`UpdateError::Refused`] with RAUC's reason; what runs stays as it is.
pub async fn install(file: &Path) -> Result<(), UpdateError> {
    rauc(&["install"], file).await.map(drop)
}

/// Fetches a bundle over HTTP. What arrives is judged by its signature, so
/// plain HTTP gives nothing away but that an update takes place.
///
/// # Errors
/// [`UpdateError::NotFetched`].
pub async fn fetch(url: &str, ca_file: Option<&Path>, into: &Path) -> Result<(), UpdateError> {
    fetched(url, ca_file, into).await.map_err(|why| UpdateError::NotFetched { url: url.to_owned(), why })
}

async fn fetched(url: &str, ca_file: Option<&Path>, into: &Path) -> Result<(), String> {
    let mut client = reqwest::Client::builder().connect_timeout(SILENCE).read_timeout(SILENCE);
    if let Some(file) = ca_file {
        let pem = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        client = client.tls_built_in_root_certs(false);
        for root in reqwest::Certificate::from_pem_bundle(&pem).map_err(in_full)? {
            client = client.add_root_certificate(root);
        }
    }
    let response = client.build().map_err(in_full)?.get(url).send().await.map_err(in_full)?;
    let mut response = response.error_for_status().map_err(in_full)?;
    let too_large = || format!("more than {} MiB are no update", LARGEST >> 20);
    if response.content_length().is_some_and(|length| length > LARGEST) {
        return Err(too_large());
    }
    let no_room = |error: std::io::Error| format!("{}: {error}", into.display());
    let mut file = BufWriter::new(File::create(into).map_err(no_room)?);
    let mut length = 0;
    while let Some(chunk) = response.chunk().await.map_err(in_full)? {
        length += chunk.len() as u64;
        if length > LARGEST {
            return Err(too_large());
        }
        file.write_all(&chunk).map_err(no_room)?;
    }
    file.flush().map_err(no_room)
}

/// An error with what it came from.
fn in_full(error: reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

async fn rauc(arguments: &[&str], file: &Path) -> Result<Output, UpdateError> {
    let output =
        Command::new("rauc").args(arguments).arg(file).output().await.map_err(UpdateError::NoRauc)?;
    if output.status.success() { Ok(output) } else { Err(UpdateError::Refused(reason(&output.stderr))) }
}

/// RAUC's last words that tell why.
fn reason(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let telling = ["error", "fail", "denied", "refused"];
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.iter().rfind(|line| telling.iter().any(|word| line.to_lowercase().contains(word)));
    last.or(lines.last()).map_or_else(|| "rauc failed without a word".to_owned(), |line| (*line).to_owned())
}

/// Where a bundle is fetched to: the data partition of the image.
pub fn store() -> PathBuf {
    PathBuf::from("/data/update/fetched.raucb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_tells_why_is_the_reason() {
        let said =
            b"rauc-Message: x\nsignature verification failed: Verify error: self-signed certificate\n\nbye\n";
        assert_eq!(reason(said), "signature verification failed: Verify error: self-signed certificate");
        assert_eq!(reason(b"one\ntwo\n"), "two");
        assert_eq!(reason(b""), "rauc failed without a word");
    }
}
