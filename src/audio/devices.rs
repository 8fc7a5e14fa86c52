//! Which ALSA devices this machine has.

use alsa::device_name::HintIter;
use alsa::{Direction, card};

/// One name that can be written into the configuration.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeviceInfo {
    /// The ALSA PCM name.
    pub name: String,
    /// ALSA's own words on it, on one line; may be empty.
    pub description: String,
    /// Whether it can be a microphone.
    pub capture: bool,
    /// Whether it can be a loudspeaker.
    pub playback: bool,
}

/// Every PCM that alsa-lib's configuration names, then the cards as
/// `plughw:` names if that left them out. Empty where there is neither.
pub fn devices() -> Vec<DeviceInfo> {
    let hints = HintIter::new(None, c"pcm").map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let mut found: Vec<DeviceInfo> = hints
        .into_iter()
        .filter_map(|hint| {
            Some(DeviceInfo {
                name: hint.name?,
                description: hint.desc.unwrap_or_default().replace('\n', ", "),
                capture: hint.direction != Some(Direction::Playback),
                playback: hint.direction != Some(Direction::Capture),
            })
        })
        .filter(|device| device.name != "null")
        .collect();
    for card in card::Iter::new().flatten() {
        let name = format!("plughw:{}", card.get_index());
        let mark = card.get_name().unwrap_or_default();
        if !found.iter().any(|device| device.description.contains(&mark)) {
            found.push(DeviceInfo { name, description: mark, capture: true, playback: true });
        }
    }
    found
}

/// The names that fit one direction, for a fault's text.
pub(super) fn names(capture: bool) -> String {
    let names: Vec<String> = devices()
        .into_iter()
        .filter(|device| if capture { device.capture } else { device.playback })
        .map(|device| device.name)
        .collect();
    if names.is_empty() {
        "this machine has no ALSA device: plug one in, or load its driver".to_owned()
    } else {
        format!("ALSA devices here: {}", names.join(", "))
    }
}
