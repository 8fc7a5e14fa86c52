//! One board file, read strictly, and several laid over each other.

use std::collections::BTreeMap;
use std::path::Path;

use crate::appliance::indicator::LampProfile;

use super::audio::{self, AudioDevice, Way};
use super::board::{Backend, Header};
use super::board_line::{self, DraftLine, Kind, read_lines};
use super::diagnostic::{Diagnostic, Place, Report};
use super::document;
use super::section::Section;

/// Words for [`Backend`].
pub(super) const BACKENDS: [(&str, Backend); 3] =
    [("rppal", Backend::Rppal), ("gpiocdev", Backend::Gpiocdev), ("mock", Backend::Mock)];

/// Words for [`LampProfile`].
pub(super) const PROFILES: [(&str, LampProfile); 3] = [
    ("usual", LampProfile::Usual),
    ("en81-28", LampProfile::En8128),
    ("gai-tronics", LampProfile::GaiTronics),
];

/// One file, or several laid over each other, before it is known to be whole.
#[derive(Default)]
pub(super) struct Draft {
    /// The file's name for people.
    pub(super) file: String,
    /// The boards and parts below, the lowest first, and where they are named.
    pub(super) inherit: Vec<(String, Place)>,
    pub(super) description: Option<String>,
    pub(super) chip: Option<String>,
    /// Labels of all chips there are; empty if that is not known.
    pub(super) chips: Vec<String>,
    pub(super) backend: Option<Backend>,
    pub(super) header: Option<Header>,
    pub(super) profile: Option<LampProfile>,
    pub(super) capture: Option<AudioDevice>,
    pub(super) playback: Option<AudioDevice>,
    pub(super) reserved: BTreeMap<String, Reserved>,
    pub(super) lines: BTreeMap<(Kind, String), DraftLine>,
}

/// Lines of the board's own chip that somebody else may use.
#[derive(Clone)]
pub(super) struct Reserved {
    pub(super) lines: Vec<u32>,
    /// Whatever is switched off, these are never to be had.
    pub(super) always: bool,
}

impl Draft {
    pub(super) fn read(file: &str, text: &str, folder: &Path) -> Result<Self, Vec<Diagnostic>> {
        let report = Report::new(file, text);
        let mut draft = Draft { file: file.to_owned(), ..Draft::default() };
        if let Some(table) = document::parse(text, &report) {
            let mut root = Section::new(&report, table.get_ref(), 0, String::new());
            draft.fill(&mut root, folder);
            root.finish();
        }
        let found = report.into_found();
        if found.is_empty() { Ok(draft) } else { Err(found) }
    }

    fn fill(&mut self, root: &mut Section<'_>, folder: &Path) {
        let below = root.one_or_more_texts("inherit");
        self.inherit = below.iter().map(|name| (name.value.to_owned(), root.report.place(name.at))).collect();
        self.description = root.text("description").map(|text| text.value.to_owned());
        self.chip = root.parsed("chip", board_line::chip).map(|chip| chip.value);
        let chips = root.texts("chips").unwrap_or_default();
        self.chips = chips.iter().map(|chip| chip.value.to_owned()).collect();
        self.backend = root.choice("backend", &BACKENDS);
        self.header = root.choice("header", &[("raspberry-pi", Header::RaspberryPi)]);
        self.profile = root.choice("profile", &PROFILES);
        if let Some(mut section) = root.section("audio") {
            let device = |way| move |text: &str| audio::device(text, way, folder);
            self.capture = section.parsed("capture", device(Way::Capture)).map(|device| device.value);
            self.playback = section.parsed("playback", device(Way::Playback)).map(|device| device.value);
            section.finish();
        }
        self.reserved = root.sections("reserved").into_iter().filter_map(read_reserved).collect();
        for kind in [Kind::Button, Kind::Input, Kind::Led, Kind::Output] {
            let lines = read_lines(root.sections(kind.word()), kind);
            self.lines.extend(lines.into_iter().map(|(name, line)| ((kind, name), line)));
        }
    }

    /// What `over` says wins, field by field.
    pub(super) fn lay_over(&mut self, over: Draft) {
        self.file = over.file;
        self.description = over.description.or(self.description.take());
        self.chip = over.chip.or(self.chip.take());
        self.chips.extend(over.chips);
        self.backend = over.backend.or(self.backend);
        self.header = over.header.or(self.header);
        self.profile = over.profile.or(self.profile);
        self.capture = over.capture.or(self.capture.take());
        self.playback = over.playback.or(self.playback.take());
        self.reserved.extend(over.reserved);
        for (name, line) in over.lines {
            let merged = match self.lines.remove(&name) {
                Some(under) => line.over(under),
                None => line,
            };
            self.lines.insert(name, merged);
        }
    }
}

fn read_reserved(mut section: Section<'_>) -> Option<(String, Reserved)> {
    let name = section.required_text("for", "\"who else may use these lines\"");
    if !section.has("lines") {
        section.missing("lines", "[2, 3]");
    }
    let lines = section.integers("lines", 0..=65_535);
    let always = section.boolean("always").unwrap_or(false);
    section.finish();
    Some((name?.value.to_owned(), Reserved { lines: lines?, always }))
}
