//! `callbox devices`: what this machine has to offer.

use std::path::Path;

use super::DONE;
use crate::audio::{self, DeviceInfo};

/// Lists GPIO chips, sound devices and network addresses.
pub fn devices() -> u8 {
    println!("GPIO chips");
    let chips = gpio_chips(Path::new("/sys/bus/gpio/devices"));
    list(&chips, "none: use [board] backend = \"mock\"");
    println!("Sound devices ([audio] capture and playback)");
    let devices: Vec<String> = audio::devices().iter().map(sound_device).collect();
    list(&devices, "none: use \"wav:FILE\" or \"synth:silence\" to try without");
    println!("Network addresses");
    let addresses = if_addrs::get_if_addrs().unwrap_or_default();
    let shown: Vec<String> =
        addresses.iter().map(|address| format!("{} {}", address.name, address.ip())).collect();
    list(&shown, "none");
    DONE
}

fn list(entries: &[String], if_empty: &str) {
    if entries.is_empty() {
        println!("  {if_empty}");
    }
    for entry in entries {
        println!("  {entry}");
    }
}

fn sound_device(device: &DeviceInfo) -> String {
    let ways = match (device.capture, device.playback) {
        (true, true) => "both ways",
        (true, false) => "capture",
        (false, true) => "playback",
        (false, false) => "neither way",
    };
    format!("{:<32} {ways:<10} {}", device.name, device.description)
}

/// Chips with their labels and numbers of lines, as sysfs tells without opening any.
fn gpio_chips(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut chips: Vec<String> = entries
        .flatten()
        .map(|entry| {
            let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            let name = entry.file_name().to_string_lossy().into_owned();
            format!("{name} {}", read("label").trim()).trim_end().to_owned()
        })
        .collect();
    chips.sort();
    chips
}
