//! What `[audio]` says of volume, direction and the card itself, and the two
//! actions that go with it.

use std::time::Duration;

use crate::appliance::action::VolumeChange;
use crate::appliance::settings::TalkMode;
use crate::appliance::volume::{Keep, VolumeSettings};

use super::diagnostic::{Problem, quoted};
use super::section::Section;

/// How the sound card is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardConfig {
    /// The card's own volume control for the loudspeaker; `None`: volume is software.
    pub mixer: Option<String>,
    /// The card's own control for the microphone and its level in percent; `None`: as it is.
    pub capture_mixer: Option<(String, u8)>,
    /// Whether the loudspeaker gets louder where it is noisy. Default false.
    pub ambient: bool,
    /// From one interrupt of the card to the next, 2 to 10 ms. Default 10 ms.
    pub period: Duration,
    /// What the loudspeaker's card holds, 20 to 500 ms: all of it is delay. Default 30 ms.
    pub buffer: Duration,
    /// A microphone without any sound for so long is dead, 1 s to 24 h; `None`: never. Default 60 s.
    pub dead_after: Option<Duration>,
}

impl Default for CardConfig {
    fn default() -> Self {
        Self {
            mixer: None,
            capture_mixer: None,
            ambient: false,
            period: MS(10),
            buffer: MS(30),
            dead_after: Some(Duration::from_secs(60)),
        }
    }
}

const MS: fn(u64) -> Duration = Duration::from_millis;
const DAY: Duration = Duration::from_secs(86_400);

/// The keys of `[audio]` that belong here.
pub(super) fn read(section: &mut Section<'_>) -> (CardConfig, TalkMode, VolumeSettings) {
    let words = [
        ("both", TalkMode::Both),
        ("alternate", TalkMode::Alternate),
        ("push-to-talk", TalkMode::PushToTalk),
    ];
    let talk = section.choice("direction", &words).unwrap_or_default();
    (read_card(section), talk, read_volume(section))
}

fn read_volume(section: &mut Section<'_>) -> VolumeSettings {
    let usual = VolumeSettings::default();
    VolumeSettings {
        level: percent(section, "volume", 0).unwrap_or(usual.level),
        step: section.integer("volume-step", 1..=50).map_or(usual.step, narrow),
        keep: section
            .choice("volume-keep", &[("call", Keep::Call), ("always", Keep::Always)])
            .unwrap_or_default(),
    }
}

fn read_card(section: &mut Section<'_>) -> CardConfig {
    let usual = CardConfig::default();
    let mixer = section.parsed("mixer", control).map(|name| name.value);
    let microphone = section.parsed("capture-mixer", control).map(|name| name.value);
    let level = percent(section, "capture-volume", 0);
    if let (Some(at), None) = (section.key_at("capture-volume"), &microphone) {
        let what = "capture-volume needs to know which control of the card it is for";
        section.note(at, Problem::new(what, "add capture-mixer = \"Mic\", or another that `amixer` prints"));
    }
    let period = section.duration("period", MS(2)..=MS(10)).unwrap_or(usual.period);
    let buffer = section.duration("buffer", MS(20)..=MS(500)).unwrap_or(usual.buffer);
    let dead_after = match section.duration("dead-after", Duration::ZERO..=DAY) {
        Some(after) if after.is_zero() => None,
        Some(after) => {
            if after < Duration::from_secs(1) {
                let at = section.value_at("dead-after").unwrap_or(section.at);
                let cure = "write a duration from \"1s\" to \"24h\", or \"0s\" for never";
                section.note(at, Problem::new("dead-after is too short", cure));
            }
            Some(after)
        }
        None => usual.dead_after,
    };
    CardConfig {
        mixer,
        capture_mixer: microphone.map(|name| (name, level.unwrap_or(100))),
        ambient: section.boolean("ambient").unwrap_or(usual.ambient),
        period,
        buffer,
        dead_after,
    }
}

fn control(text: &str) -> Result<String, Problem> {
    if text.is_empty() || text.len() > 43 || text.chars().any(char::is_control) {
        let what = format!("{} is no control of a sound card", quoted(text));
        return Err(Problem::new(what, "write a name that `amixer scontrols` prints, such as \"Master\""));
    }
    Ok(text.to_owned())
}

fn percent(section: &mut Section<'_>, key: &'static str, least: u32) -> Option<u8> {
    section.integer(key, least..=100).map(narrow)
}

/// Of a number that was checked to be small.
fn narrow(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// `change` of the action `volume`: a word, or a table with `percent`.
pub(super) fn read_change(section: &mut Section<'_>) -> Option<VolumeChange> {
    if let Some(mut table) = section.free_section("change") {
        // Known now, although it was read under a free name.
        section.has("change");
        if !table.has("percent") {
            table.missing("percent", "50");
        }
        let percent = percent(&mut table, "percent", 0);
        table.finish();
        return percent.map(VolumeChange::Percent);
    }
    if !section.has("change") {
        section.missing("change", "\"up\", \"down\" or { percent = 50 }");
    }
    section.choice("change", &[("up", VolumeChange::Up), ("down", VolumeChange::Down)])
}

/// A talk button works where talk is push-to-talk, and acts while it is held.
pub(super) fn check_talk(buttons: &[Section<'_>], talk: TalkMode) {
    for button in buttons {
        for key in ["press", "hold", "double-press"] {
            let Some(action) = button.free_section(key) else { continue };
            if action.free_text("action").is_none_or(|action| action.value != "talk") {
                continue;
            }
            match talk {
                TalkMode::PushToTalk => {}
                TalkMode::Both | TalkMode::Alternate => {
                    let what = "a talk button needs push-to-talk";
                    action.note(action.at, Problem::new(what, "add direction = \"push-to-talk\" to [audio]"));
                }
            }
            if key == "press"
                && let Some(at) = button.key_at("double-press")
            {
                let what = "a button that talks while it is held has no double press";
                button.note(at, Problem::new(what, "give the double press to another button"));
            }
        }
    }
}
