//! A lamp on a channel of the kernel's pulse-width modulation, for brightness
//! without a thread of our own. (PWM in sysfs:
//! <https://docs.kernel.org/driver-api/pwm.html>)

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::wired::Output;
use crate::config::board::{Line, LineId};

/// Where the kernel shows its channels.
const CLASS: &str = "/sys/class/pwm";

/// 200 Hz, in nanoseconds: nobody sees it flicker.
const PERIOD_NS: u64 = 5_000_000;

/// A channel that was taken.
#[derive(Debug)]
struct Channel {
    folder: PathBuf,
    /// Percent of the time while it is lit.
    brightness: u8,
    active_low: bool,
    name: String,
}

/// Takes a channel: the line's chip such as `pwmchip0`, and its offset.
///
/// # Errors
/// For people: what is missing and what would cure it.
pub(super) fn output(line: &Line, brightness: u8, on: bool) -> Result<Box<dyn Output>, String> {
    take(Path::new(CLASS), line, brightness, on).map(|channel| -> Box<dyn Output> { Box::new(channel) })
}

fn take(class: &Path, line: &Line, brightness: u8, on: bool) -> Result<Channel, String> {
    let LineId::Offset(number) = line.id else {
        return Err(format!("{line}: channels have numbers: write offset, not line-name, in the board file"));
    };
    let chip = class.join(&line.chip);
    if !chip.is_dir() {
        let cure =
            "correct `chip` in the board file, or switch it on (on a Raspberry Pi: dtoverlay=pwm-2chan)";
        return Err(format!("no PWM chip {:?} in {}: {cure}", line.chip, class.display()));
    }
    let folder = chip.join(format!("pwm{number}"));
    let channel = Channel { folder, brightness, active_low: line.active_low, name: line.to_string() };
    if !channel.folder.is_dir() {
        write(&chip.join("export"), &number.to_string()).map_err(|error| channel.refused(&error))?;
    }
    channel.write("period", PERIOD_NS)?;
    channel.write("duty_cycle", channel.high_ns(on))?;
    channel.write("enable", 1)?;
    Ok(channel)
}

impl Channel {
    /// How long of a period the wire is high.
    fn high_ns(&self, on: bool) -> u64 {
        let lit = if on { PERIOD_NS * u64::from(self.brightness) / 100 } else { 0 };
        if self.active_low { PERIOD_NS - lit } else { lit }
    }

    fn write(&self, file: &str, value: u64) -> Result<(), String> {
        write(&self.folder.join(file), &value.to_string()).map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("{}: callbox may not write to {}", self.name, self.folder.display())
            }
            _ => format!("{}: {error}", self.name),
        }
    }
}

impl Output for Channel {
    fn set(&mut self, on: bool) -> Result<(), String> {
        self.write("duty_cycle", self.high_ns(on))
    }
}

/// Into a file that is there: sysfs makes none.
fn write(path: &Path, text: &str) -> io::Result<()> {
    use io::Write;
    fs::OpenOptions::new().write(true).truncate(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder like the kernel's, with channel 1 of one chip exported.
    fn class() -> tempfile::TempDir {
        let class = tempfile::tempdir().unwrap();
        let channel = class.path().join("pwmchip0/pwm1");
        fs::create_dir_all(&channel).unwrap();
        fs::write(class.path().join("pwmchip0/export"), "").unwrap();
        for file in ["period", "duty_cycle", "enable"] {
            fs::write(channel.join(file), "").unwrap();
        }
        class
    }

    fn line(chip: &str, offset: u32, active_low: bool) -> Line {
        Line { chip: chip.into(), id: LineId::Offset(offset), active_low }
    }

    fn said(class: &tempfile::TempDir, file: &str) -> String {
        fs::read_to_string(class.path().join("pwmchip0/pwm1").join(file)).unwrap()
    }

    #[test]
    fn a_lamp_is_lit_for_its_share_of_the_time_whichever_level_lights_it() {
        for (active_low, dark, lit) in [(false, "0", "1500000"), (true, "5000000", "3500000")] {
            let class = class();
            let mut lamp = take(class.path(), &line("pwmchip0", 1, active_low), 30, false).unwrap();
            assert_eq!([said(&class, "period"), said(&class, "enable")], ["5000000", "1"]);
            assert_eq!(said(&class, "duty_cycle"), dark);
            lamp.set(true).unwrap();
            assert_eq!(said(&class, "duty_cycle"), lit);
            lamp.set(false).unwrap();
            assert_eq!(said(&class, "duty_cycle"), dark);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let class = class();
        let why = take(class.path(), &line("pwmchip7", 1, false), 30, true).unwrap_err();
        assert!(why.starts_with("no PWM chip \"pwmchip7\"") && why.contains("dtoverlay"), "{why}");
        // Channel 0 is asked for, and this kernel does not show it.
        let why = take(class.path(), &line("pwmchip0", 0, false), 30, true).unwrap_err();
        assert!(why.starts_with("pwmchip0 line 0: "), "{why}");
        assert_eq!(fs::read_to_string(class.path().join("pwmchip0/export")).unwrap(), "0");
        let named = Line { id: LineId::Name("LAMP".into()), ..line("pwmchip0", 0, false) };
        assert!(take(class.path(), &named, 30, true).unwrap_err().contains("write offset"));
    }
}
