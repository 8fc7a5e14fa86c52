//! From a file's bytes to its TOML table, with syntax errors that name a cure.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::diagnostic::{Diagnostic, Place, Problem, Report};

/// Far more than any configuration needs; keeps a wrong path (a disk image)
/// from filling the memory.
const LARGEST: u64 = 1 << 20;

/// Reads a whole text file.
pub(super) fn read(path: &Path, cure: &str) -> Result<String, Diagnostic> {
    let file = path.display().to_string();
    let refused =
        |what: String, cure: &str| Place::start_of(&file).diagnose(Problem::new(what, cure.to_owned()));
    let mut bytes = Vec::new();
    std::fs::metadata(path)
        .and_then(|about| {
            if about.is_file() { File::open(path) } else { Err(std::io::ErrorKind::InvalidInput.into()) }
        })
        .and_then(|opened| opened.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => refused("there is no such file".to_owned(), cure),
            std::io::ErrorKind::PermissionDenied => {
                refused("this user may not read the file".to_owned(), "change the file's owner or mode")
            }
            std::io::ErrorKind::InvalidInput => refused("this is not a regular file".to_owned(), cure),
            _ => refused(format!("the file cannot be read: {error}"), cure),
        })?;
    if bytes.len() as u64 > LARGEST {
        return Err(refused("the file is larger than 1 MiB".to_owned(), cure));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default());
        Report::new(&file, &text).place(valid).diagnose(not_utf8())
    })
}

fn not_utf8() -> Problem {
    Problem::new("a byte here is not UTF-8", "save the file as UTF-8")
}

/// Parses a text. The table is whole only if no error was noted.
pub(super) fn parse<'a>(text: &'a str, report: &Report<'_>) -> Option<Spanned<DeTable<'a>>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut whole = true;
    for error in &errors {
        // A double key leaves the first one in place: all else can still be checked.
        let double = error.message() == "duplicate key";
        whole &= double;
        let (what, expected) = match error.message().split_once(", expected ") {
            Some((what, expected)) => (what, Some(expected)),
            None => (error.message(), None),
        };
        // An unquoted word is taken for whatever begins with its first letter.
        let unquoted = ["string values must be quoted", "invalid float", "invalid boolean"].contains(&what);
        let problem = match expected {
            _ if double => Problem::new(what, "keep one of the two"),
            _ if unquoted => Problem::new(
                "this is neither a quoted text nor a number, true or false",
                "put a text in double quotes, \"like this\"",
            ),
            Some("nothing") => Problem::new(what, "remove what stands here"),
            Some(expected) => Problem::new(what, format!("write {expected}")),
            None => Problem::new(what, "write KEY = VALUE, texts in double quotes"),
        };
        let at = error.span().map_or(text.len(), |span| span.start);
        report.note(at, problem);
    }
    whole.then_some(table)
}
