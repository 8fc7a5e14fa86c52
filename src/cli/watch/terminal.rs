//! The terminal: raw, on its second screen, and as it was before at the end.

use std::io::{self, Write};

use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::scene::Line;

/// What is taken for the size where a terminal does not tell one.
const USUAL: (usize, usize) = (80, 24);

/// Control sequences of ECMA-48 and xterm ("XTerm Control Sequences"): second
/// screen and cursor off, and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// The terminal as long as it is drawn on; dropping it restores it.
pub(super) struct Screen {
    before: Termios,
    colour: bool,
}

impl Screen {
    /// Switches to raw input and the second screen.
    pub fn enter() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        let screen = Self { before, colour: std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()) };
        let mut stdout = io::stdout().lock();
        stdout.write_all(ENTER.as_bytes())?;
        stdout.flush()?;
        Ok(screen)
    }

    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            Ok(_) | Err(_) => USUAL,
        }
    }

    /// Draws over what is there, line by line, so that nothing flickers.
    pub fn draw(&mut self, lines: &[Line]) -> io::Result<()> {
        let mut text = String::from("\x1b[H");
        for (row, line) in lines.iter().enumerate() {
            text.push_str(if row == 0 { "" } else { "\r\n" });
            if line.alarm && self.colour {
                text.push_str(&format!("\x1b[1;31m{}\x1b[0m", line.text));
            } else {
                text.push_str(&line.text);
            }
            text.push_str("\x1b[K");
        }
        text.push_str("\x1b[J");
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut stdout = io::stdout().lock();
        // A terminal that is gone needs no restoring.
        let _ = stdout.write_all(LEAVE.as_bytes()).and_then(|()| stdout.flush());
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}
