//! `callbox devices`: what this machine has to offer.

use std::io::Write;

use super::{DONE, FAILED};
use crate::audio::{self, DeviceInfo};
#[cfg(feature = "gpiocdev")]
use crate::gpio::cdev;
use crate::gpio::chips;

/// Lists GPIO chips, sound devices and network addresses.
pub fn devices() -> u8 {
    let sound: Vec<String> = audio::devices().iter().map(sound_device).collect();
    let addresses = if_addrs::get_if_addrs().unwrap_or_default();
    let addresses: Vec<String> =
        addresses.iter().map(|address| format!("{} {}", address.name, address.ip())).collect();
    let text = [
        section("GPIO chips", &gpio_chips(), "none: use [board] backend = \"mock\""),
        chips::when_killed().iter().map(|told| format!("  {told}\n")).collect(),
        section(
            "Sound devices ([audio] capture and playback)",
            &sound,
            "none: use \"wav:FILE\" or \"synth:silence\" to try without",
        ),
        section("Network addresses", &addresses, "none"),
    ]
    .concat();
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => DONE,
        // Nobody reads any more, as in `callbox devices | head -1`.
        Err(_) => FAILED,
    }
}

fn section(heading: &str, entries: &[String], if_empty: &str) -> String {
    let mut text = format!("{heading}\n");
    if entries.is_empty() {
        text += &format!("  {if_empty}\n");
    }
    for entry in entries {
        text += &format!("  {entry}\n");
    }
    text
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

/// Chips with their labels and numbers of lines, and lines with their names and users.
#[cfg(feature = "gpiocdev")]
fn gpio_chips() -> Vec<String> {
    let mut shown = Vec::new();
    for chip in cdev::chips() {
        shown.push(chip.to_string());
        shown.extend(cdev::lines_of(&chip).into_iter().map(|line| format!("  line {line}")));
    }
    shown
}

/// Chips as sysfs names them, without opening any.
#[cfg(not(feature = "gpiocdev"))]
fn gpio_chips() -> Vec<String> {
    chips::of_this_machine().iter().map(ToString::to_string).collect()
}
