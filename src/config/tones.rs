//! `[tones]` and `[announcements]`: what the box sounds like and what it says.

use std::collections::BTreeMap;
use std::path::Path;

use crate::appliance::command::Clip;
use crate::appliance::tone::Tone;

use super::core::NamedFile;
use super::diagnostic::{Problem, quoted};
use super::section::Section;

/// What the box sounds like and what it says.
#[derive(Clone, Debug, Default)]
pub struct SoundsConfig {
    /// Whose tones people here know.
    pub region: Region,
    /// WAV files in the place of built-in tones.
    pub tones: BTreeMap<Tone, NamedFile>,
    /// WAV files in the place of built-in announcements.
    pub clips: BTreeMap<Clip, NamedFile>,
}

/// A tone plan (ITU-T E.180 Supplement 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Region {
    /// Most of Europe.
    #[default]
    Eu,
    /// North America.
    Us,
    /// The United Kingdom.
    Uk,
}

/// Every tone but the blip of a press, which must not be late.
const TONES: [(&str, Tone); 8] = [
    ("progress", Tone::Progress),
    ("ringback", Tone::Ringback),
    ("ring", Tone::Ring),
    ("busy", Tone::Busy),
    ("congestion", Tone::Congestion),
    ("error", Tone::Error),
    ("call-waiting", Tone::CallWaiting),
    ("call-ending", Tone::CallEnding),
];

const CLIPS: [(&str, Clip); 3] =
    [("location", Clip::Location), ("acknowledge", Clip::Acknowledge), ("offline", Clip::Offline)];

impl SoundsConfig {
    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &NamedFile> {
        self.tones.values().chain(self.clips.values())
    }
}

pub(super) fn read(
    tones: Option<Section<'_>>,
    announcements: Option<Section<'_>>,
    base: &Path,
) -> SoundsConfig {
    let mut sounds = SoundsConfig::default();
    if let Some(mut section) = tones {
        let regions = [("eu", Region::Eu), ("us", Region::Us), ("uk", Region::Uk)];
        sounds.region = section.choice("region", &regions).unwrap_or_default();
        for (key, tone) in TONES {
            sounds.tones.extend(file(&mut section, key, base).map(|file| (tone, file)));
        }
        section.finish();
    }
    if let Some(mut section) = announcements {
        for (key, clip) in CLIPS {
            sounds.clips.extend(file(&mut section, key, base).map(|file| (clip, file)));
        }
        section.finish();
    }
    sounds
}

/// A WAV file, written as a device of `[audio]` is; a relative path counts from `base`.
fn file(section: &mut Section<'_>, key: &'static str, base: &Path) -> Option<NamedFile> {
    let path = section.parsed(key, |text| match text.strip_prefix("wav:") {
        Some(path) if !path.is_empty() && !path.contains('\0') => Ok(base.join(path)),
        Some(_) | None => {
            let cure = "write \"wav:FILE\", or leave the key out for the built-in sound";
            Err(Problem::new(format!("{} names no sound", quoted(text)), cure))
        }
    })?;
    Some(NamedFile { place: section.report.place(path.at), path: path.value })
}
