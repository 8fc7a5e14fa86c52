//! Standard output, which may be a pipe that its reader closes.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints a line; false when nobody reads any more, as with `| head -1`.
#[must_use]
pub fn line(text: impl Display) -> bool {
    writeln!(io::stdout().lock(), "{text}").is_ok()
}
