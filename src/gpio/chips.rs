//! The GPIO chips of a machine, and how a board's words find one.

use std::fmt;
use std::path::{Path, PathBuf};

/// One GPIO chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipFacts {
    /// The kernel's name, such as `gpiochip0`; its number may change from start to start.
    pub name: String,
    /// The driver's name for it, such as `pinctrl-bcm2711`; empty where it is not told.
    pub label: String,
    /// How many lines it has, if it can be asked.
    pub lines: Option<u32>,
    /// Why it cannot be asked, if so.
    pub trouble: Option<String>,
    /// Its device.
    pub path: PathBuf,
}

impl fmt::Display for ChipFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if !self.label.is_empty() {
            write!(f, " [{}]", self.label)?;
        }
        if let Some(lines) = self.lines {
            write!(f, " {lines} lines")?;
        }
        match &self.trouble {
            Some(trouble) => write!(f, " (cannot be used: {trouble})"),
            None => Ok(()),
        }
    }
}

/// The chip that a board means: by its label, which outlives kernels, then by
/// its name.
///
/// # Errors
/// For people: what this machine has and what would cure it.
pub fn find<'a>(chips: &'a [ChipFacts], wanted: &str) -> Result<&'a ChipFacts, String> {
    let labelled: Vec<&ChipFacts> = chips.iter().filter(|chip| chip.label == wanted).collect();
    match labelled.as_slice() {
        [chip] => Ok(chip),
        [] => chips.iter().find(|chip| chip.name == wanted).ok_or_else(|| {
            format!(
                "no GPIO chip {wanted:?}; this machine has {}. Correct `chip` in the board file, or use \
                 [board] backend = \"mock\" where there are no lines",
                listing(chips)
            )
        }),
        several => {
            let names: Vec<&str> = several.iter().map(|chip| chip.name.as_str()).collect();
            Err(format!(
                "{} chips have the label {wanted:?}. Put the name of one of them into `chip` in the board file: {}",
                names.len(),
                names.join(", ")
            ))
        }
    }
}

/// The chips in a row, for people.
pub fn listing(chips: &[ChipFacts]) -> String {
    if chips.is_empty() {
        return "none".to_owned();
    }
    chips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The chips of this machine as sysfs names them, without opening any.
pub fn of_this_machine() -> Vec<ChipFacts> {
    in_sysfs(Path::new("/sys/bus/gpio/devices"))
}

fn in_sysfs(folder: &Path) -> Vec<ChipFacts> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut chips: Vec<ChipFacts> = entries
        .flatten()
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let label = std::fs::read_to_string(entry.path().join("label")).unwrap_or_default();
            let path = Path::new("/dev").join(&name);
            ChipFacts { name, label: label.trim().to_owned(), lines: None, trouble: None, path }
        })
        .collect();
    chips.sort_by(|a, b| a.name.cmp(&b.name));
    chips
}

/// Whether the pin controllers of this machine leave an output as it was when
/// its process is killed, for people. Only a Raspberry Pi's tell.
pub fn when_killed() -> Vec<String> {
    told_in(Path::new("/sys/module"))
}

/// Kernel module parameter `persist_gpio_outputs` (Linux 6.10, `pinctrl-bcm2835.c`).
fn told_in(modules: &Path) -> Vec<String> {
    let told = |module: &str| {
        let path = modules.join(module).join("parameters/persist_gpio_outputs");
        let kept = std::fs::read_to_string(path).ok()?.trim() == "Y";
        Some(if kept {
            format!(
                "{module} leaves outputs as they were when a process is killed: dtparam=strict_gpiod in config.txt ends that"
            )
        } else {
            format!("{module} takes outputs back when a process is killed")
        })
    };
    ["pinctrl_bcm2835", "pinctrl_rp1"].into_iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chip(name: &str, label: &str) -> ChipFacts {
        let path = Path::new("/dev").join(name);
        ChipFacts { name: name.into(), label: label.into(), lines: Some(8), trouble: None, path }
    }

    #[test]
    fn a_label_goes_before_a_name_and_the_number_does_not_matter() {
        let chips =
            [chip("gpiochip0", "gpiochip1"), chip("gpiochip1", "x"), chip("gpiochip4", "pinctrl-rp1")];
        assert_eq!(find(&chips, "pinctrl-rp1").unwrap().name, "gpiochip4");
        assert_eq!(find(&chips, "gpiochip4").unwrap().name, "gpiochip4");
        assert_eq!(find(&chips, "gpiochip1").unwrap().name, "gpiochip0");
    }

    #[test]
    fn a_missing_chip_is_answered_with_those_there_are() {
        let none = find(&[], "pinctrl-rp1").unwrap_err();
        assert!(none.contains("\"pinctrl-rp1\"") && none.contains("has none"), "{none}");
        let mut barred = chip("gpiochip1", "");
        (barred.lines, barred.trouble) = (None, Some("Permission denied".into()));
        let some = find(&[chip("gpiochip0", "a-label"), barred], "pinctrl-rp1").unwrap_err();
        assert!(some.contains("gpiochip0 [a-label] 8 lines"), "{some}");
        assert!(some.contains("gpiochip1 (cannot be used: Permission denied)"), "{some}");
    }

    #[test]
    fn sysfs_tells_names_and_labels_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for (name, label) in [("gpiochip4", "pinctrl-rp1\n"), ("gpiochip0", "")] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("label"), label).unwrap();
        }
        let chips = in_sysfs(folder.path());
        assert_eq!(listing(&chips), "gpiochip0, gpiochip4 [pinctrl-rp1]");
        assert_eq!(listing(&in_sysfs(&folder.path().join("none"))), "none");
    }

    #[test]
    fn what_the_kernel_does_with_outputs_of_the_dead_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(told_in(folder.path()), Vec::<String>::new());
        for (module, kept) in [("pinctrl_bcm2835", "N\n"), ("pinctrl_rp1", "Y\n")] {
            let parameters = folder.path().join(module).join("parameters");
            std::fs::create_dir_all(&parameters).unwrap();
            std::fs::write(parameters.join("persist_gpio_outputs"), kept).unwrap();
        }
        let told = told_in(folder.path());
        assert!(told[0].starts_with("pinctrl_bcm2835 takes outputs back"), "{told:?}");
        assert!(
            told[1].contains("pinctrl_rp1 leaves outputs") && told[1].contains("strict_gpiod"),
            "{told:?}"
        );
    }

    #[test]
    fn two_chips_with_one_label_are_not_guessed_between() {
        let chips = [chip("gpiochip2", "pcf8574"), chip("gpiochip3", "pcf8574")];
        let error = find(&chips, "pcf8574").unwrap_err();
        assert!(error.contains("gpiochip2, gpiochip3"), "{error}");
        assert_eq!(find(&chips, "gpiochip3").unwrap().name, "gpiochip3");
    }
}
