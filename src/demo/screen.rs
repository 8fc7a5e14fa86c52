//! The demo's terminal: lines that stay, and one status line below them.

use std::io::{IsTerminal, Write};

use crate::appliance::indicator::Pattern;
use crate::handle::Snapshot;

/// dB at the left end of a level bar.
const QUIET_DB: f32 = -60.0;

/// Cells of a level bar.
const CELLS: usize = 20;

/// Prints to standard output; the status line only to a terminal.
pub struct Screen {
    terminal: bool,
    status: String,
}

impl Screen {
    /// A screen on standard output.
    pub fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), status: String::new() }
    }

    /// A line that stays.
    pub fn line(&mut self, text: &str) {
        if self.terminal {
            print!("\r\x1b[K{text}\n{}", self.status);
            flush();
        } else {
            println!("{text}");
        }
    }

    /// The status line: state, lamps, level bars.
    pub fn status(&mut self, snapshot: &Snapshot) {
        if !self.terminal {
            return;
        }
        let call = serde_json::to_value(snapshot.appliance.call).unwrap_or_default();
        let lamps: Vec<String> = snapshot
            .appliance
            .leds
            .iter()
            .map(|(name, pattern)| format!("{} {name}", if *pattern == Pattern::Off { '○' } else { '●' }))
            .collect();
        self.status = format!(
            "[{:<10}] mic {} speaker {} {}",
            call.as_str().unwrap_or(""),
            bar(snapshot.audio.capture_level_db),
            bar(snapshot.audio.playback_level_db),
            lamps.join(" "),
        );
        print!("\r\x1b[K{}", self.status);
        flush();
    }
}

fn flush() {
    // A terminal that has gone away is noticed by the next read of the keyboard.
    let _ = std::io::stdout().flush();
}

fn bar(db: f32) -> String {
    let share = ((db - QUIET_DB) / -QUIET_DB).clamp(0.0, 1.0);
    let full = (share * CELLS as f32).round() as usize;
    format!("{}{}", "▮".repeat(full), "▯".repeat(CELLS - full))
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn a_bar_is_empty_in_silence_and_full_at_full_scale() {
        assert_eq!(bar(f32::NEG_INFINITY).chars().filter(|cell| *cell == '▮').count(), 0);
        assert_eq!(bar(-30.0).chars().filter(|cell| *cell == '▮').count(), 10);
        assert_eq!(bar(0.0).chars().filter(|cell| *cell == '▮').count(), 20);
    }
}
