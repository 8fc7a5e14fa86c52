//! Which devices alsa-lib knows here, by names that can be written into the configuration.

use alsa::ctl::Ctl;
use alsa::device_name::HintIter;
use alsa::{Direction, Output, card};

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

/// Hints that are converters of alsa-plugins, or bridges that few have.
const NO_DEVICES: [&str; 9] =
    ["null", "lavrate", "samplerate", "speexrate", "speex", "upmix", "vdownmix", "jack", "oss"];

/// Every PCM that alsa-lib's configuration names, then the cards as
/// `plughw:` names if that left them out. Empty where there is neither.
pub fn devices() -> Vec<DeviceInfo> {
    // alsa-lib prints to stderr what it misses.
    let _chatter = Output::local_error_handler();
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
        .filter(|device| !NO_DEVICES.contains(&device.name.as_str()))
        .collect();
    for card in card::Iter::new().flatten() {
        let mark = card.get_name().unwrap_or_default();
        if !found.iter().any(|device| device.description.contains(&mark)) {
            let name = format!("plughw:{}", stable_name(card));
            found.push(DeviceInfo { name, description: mark, capture: true, playback: true });
        }
    }
    found
}

/// A card's number goes to whichever card is found first after the next boot; its id stays.
fn stable_name(card: card::Card) -> String {
    let id = Ctl::from_card(&card, false).and_then(|ctl| ctl.card_info()?.get_id().map(str::to_owned));
    id.map_or_else(|_| card.get_index().to_string(), |id| format!("CARD={id}"))
}

/// The names that fit one direction, for a fault's text.
pub(in crate::audio) fn names(capture: bool) -> String {
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
