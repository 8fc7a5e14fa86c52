//! One board file, read strictly and merged field by field.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::appliance::door::STRIKE_LIMIT;
use crate::appliance::indicator::LedFunction;
use crate::appliance::output::OutputFunction;

use super::audio::{self, AudioDevice, Way};
use super::board::{Backend, Bias, Board, BoardButton, BoardLed, BoardOutput, Line, LineId};
use super::diagnostic::{Diagnostic, Place, Problem, Report, quoted};
use super::document;
use super::section::Section;

/// Words for [`Backend`].
pub(super) const BACKENDS: [(&str, Backend); 3] =
    [("rppal", Backend::Rppal), ("gpiocdev", Backend::Gpiocdev), ("mock", Backend::Mock)];

const LED_FUNCTIONS: [(&str, LedFunction); 7] = [
    ("status", LedFunction::Status),
    ("online", LedFunction::Online),
    ("calling", LedFunction::Calling),
    ("ringing", LedFunction::Ringing),
    ("answered", LedFunction::Answered),
    ("busy-elsewhere", LedFunction::BusyElsewhere),
    ("fault", LedFunction::Fault),
];

/// One file, or several laid over each other, before it is known to be whole.
#[derive(Default)]
pub(super) struct Draft {
    /// The file's name for people.
    pub(super) file: String,
    /// The board below, and where it is named.
    pub(super) inherit: Option<(String, Place)>,
    description: Option<String>,
    chip: Option<String>,
    backend: Option<Backend>,
    capture: Option<AudioDevice>,
    playback: Option<AudioDevice>,
    buttons: BTreeMap<String, DraftLine>,
    leds: BTreeMap<String, DraftLine>,
    outputs: BTreeMap<String, DraftLine>,
}

/// The keys of `[[button]]`, `[[led]]` and `[[output]]`.
struct DraftLine {
    place: Place,
    chip: Option<String>,
    id: Option<LineId>,
    active_low: Option<bool>,
    bias: Option<Bias>,
    debounce: Option<Duration>,
    initial: Option<bool>,
    led: Option<LedFunction>,
    output: Option<OutputFunction>,
    max_on: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Button,
    Led,
    Output,
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
        self.inherit = root.text("inherit").map(|name| (name.value.to_owned(), root.report.place(name.at)));
        self.description = root.text("description").map(|text| text.value.to_owned());
        self.chip = root.parsed("chip", chip).map(|chip| chip.value);
        self.backend = root.choice("backend", &BACKENDS);
        if let Some(mut section) = root.section("audio") {
            let device = |way| move |text: &str| audio::device(text, way, folder);
            self.capture = section.parsed("capture", device(Way::Capture)).map(|device| device.value);
            self.playback = section.parsed("playback", device(Way::Playback)).map(|device| device.value);
            section.finish();
        }
        self.buttons = read_lines(root.sections("button"), Kind::Button);
        self.leds = read_lines(root.sections("led"), Kind::Led);
        self.outputs = read_lines(root.sections("output"), Kind::Output);
    }

    /// What `over` says wins, field by field.
    pub(super) fn lay_over(&mut self, over: Draft) {
        self.description = over.description.or(self.description.take());
        self.chip = over.chip.or(self.chip.take());
        self.backend = over.backend.or(self.backend);
        self.capture = over.capture.or(self.capture.take());
        self.playback = over.playback.or(self.playback.take());
        for (ours, theirs) in [
            (&mut self.buttons, over.buttons),
            (&mut self.leds, over.leds),
            (&mut self.outputs, over.outputs),
        ] {
            for (name, line) in theirs {
                let merged = match ours.remove(&name) {
                    Some(under) => line.over(under),
                    None => line,
                };
                ours.insert(name, merged);
            }
        }
    }

    /// Checks that nothing is missing and no line has two uses.
    pub(super) fn finish(self, name: String) -> Result<Board, Vec<Diagnostic>> {
        let mut found = Vec::new();
        let mut lines: BTreeMap<(String, LineId), String> = BTreeMap::new();
        let chip = self.chip;
        let mut line = |kind: &str, name: &str, draft: &DraftLine| {
            let missing = |key: &str, example: &str| {
                let what = format!("{kind} {} has no {key}", quoted(name));
                draft.place.diagnose(Problem::new(what, format!("add {key} = {example}")))
            };
            let Some(chip) = draft.chip.clone().or_else(|| chip.clone()) else {
                found.push(missing("chip", "\"pinctrl-bcm2711\", or whatever label gpiodetect prints"));
                return None;
            };
            let Some(id) = draft.id.clone() else {
                found.push(missing("offset", "17, or whichever line it hangs on"));
                return None;
            };
            let line = Line { chip, id, active_low: draft.active_low.unwrap_or(false) };
            let user = format!("{kind} {}", quoted(name));
            if let Some(first) = lines.insert((line.chip.clone(), line.id.clone()), user.clone()) {
                let what = format!("{user} is on {line}, and so is {first}");
                found.push(draft.place.diagnose(Problem::new(what, "give each its own line")));
            }
            Some(line)
        };
        let mut board = Board {
            name,
            description: self.description.unwrap_or_default(),
            backend: self.backend,
            capture: self.capture,
            playback: self.playback,
            buttons: BTreeMap::new(),
            leds: BTreeMap::new(),
            outputs: BTreeMap::new(),
        };
        let mut functionless = Vec::new();
        for (name, draft) in self.buttons {
            if let Some(line) = line("button", &name, &draft) {
                let button = BoardButton {
                    line,
                    bias: draft.bias.unwrap_or(Bias::AsIs),
                    debounce: draft.debounce.unwrap_or(Duration::from_millis(30)),
                    place: draft.place,
                };
                board.buttons.insert(name.as_str().into(), button);
            }
        }
        for (name, draft) in self.leds {
            if let Some(line) = line("led", &name, &draft) {
                let Some(function) = draft.led else {
                    functionless.push((draft.place, "led", name, "\"status\""));
                    continue;
                };
                let initial = draft.initial.unwrap_or(false);
                board
                    .leds
                    .insert(name.as_str().into(), BoardLed { line, function, initial, place: draft.place });
            }
        }
        for (name, draft) in self.outputs {
            if let Some(line) = line("output", &name, &draft) {
                let Some(function) = draft.output else {
                    functionless.push((draft.place, "output", name, "\"strike\""));
                    continue;
                };
                let max_on = match function {
                    OutputFunction::Strike => Some(draft.max_on.unwrap_or(STRIKE_LIMIT)),
                    OutputFunction::Light
                    | OutputFunction::Bell
                    | OutputFunction::Amplifier
                    | OutputFunction::Strobe
                    | OutputFunction::Sounder => draft.max_on,
                };
                let output = BoardOutput { line, function, max_on, place: draft.place };
                board.outputs.insert(name.as_str().into(), output);
            }
        }
        for (place, kind, name, example) in functionless {
            let what = format!("{kind} {} has no function", quoted(&name));
            found.push(place.diagnose(Problem::new(what, format!("add function = {example}"))));
        }
        found.sort();
        if found.is_empty() { Ok(board) } else { Err(found) }
    }
}

impl DraftLine {
    fn read(section: &mut Section<'_>, kind: Kind) -> Self {
        let mut line = DraftLine {
            place: section.place(),
            chip: section.parsed("chip", chip).map(|chip| chip.value),
            id: line_id(section),
            active_low: section.boolean("active-low"),
            bias: None,
            debounce: None,
            initial: None,
            led: None,
            output: None,
            max_on: None,
        };
        match kind {
            Kind::Button => {
                let biases = [
                    ("as-is", Bias::AsIs),
                    ("disabled", Bias::Disabled),
                    ("pull-up", Bias::PullUp),
                    ("pull-down", Bias::PullDown),
                ];
                line.bias = section.choice("bias", &biases);
                line.debounce = section.duration("debounce", Duration::ZERO..=Duration::from_secs(1));
            }
            Kind::Led => {
                line.led = section.choice("function", &LED_FUNCTIONS);
                line.initial = section.boolean("initial");
            }
            Kind::Output => {
                let functions = [
                    ("strike", OutputFunction::Strike),
                    ("light", OutputFunction::Light),
                    ("bell", OutputFunction::Bell),
                    ("amplifier", OutputFunction::Amplifier),
                    ("strobe", OutputFunction::Strobe),
                    ("sounder", OutputFunction::Sounder),
                ];
                line.output = section.choice("function", &functions);
                line.max_on =
                    section.duration("max-on", Duration::from_millis(100)..=Duration::from_secs(86_400));
            }
        }
        line
    }

    fn over(self, under: DraftLine) -> DraftLine {
        DraftLine {
            place: self.place,
            chip: self.chip.or(under.chip),
            id: self.id.or(under.id),
            active_low: self.active_low.or(under.active_low),
            bias: self.bias.or(under.bias),
            debounce: self.debounce.or(under.debounce),
            initial: self.initial.or(under.initial),
            led: self.led.or(under.led),
            output: self.output.or(under.output),
            max_on: self.max_on.or(under.max_on),
        }
    }
}

fn read_lines(sections: Vec<Section<'_>>, kind: Kind) -> BTreeMap<String, DraftLine> {
    let mut lines = BTreeMap::new();
    for mut section in sections {
        let name = section.required_text("name", "\"a name of your choice\"");
        let line = DraftLine::read(&mut section, kind);
        if let Some(name) = name {
            let first: Option<&DraftLine> = lines.get(name.value);
            if !is_name(name.value) {
                let what = format!("{} is no name", quoted(name.value));
                section.note(name.at, Problem::new(what, "write small letters, digits and hyphens"));
            } else if let Some(first) = first {
                let what =
                    format!("there is a second {} (the first is at {})", quoted(name.value), first.place);
                section.note(name.at, Problem::new(what, "give each its own name"));
            } else {
                lines.insert(name.value.to_owned(), line);
            }
        }
        section.finish();
    }
    lines
}

fn line_id(section: &mut Section<'_>) -> Option<LineId> {
    let offset = section.integer("offset", 0..=65_535).map(LineId::Offset);
    let name = section.parsed("line-name", |text| {
        if text.trim().is_empty() {
            Err(Problem::new(
                "line-name is empty",
                "write the kernel's name for the line, as gpioinfo prints it",
            ))
        } else {
            Ok(LineId::Name(text.to_owned()))
        }
    });
    if let (Some(_), Some(name)) = (&offset, &name) {
        section.note(name.at, Problem::new("the line has an offset and a name", "keep offset or line-name"));
    }
    offset.or(name.map(|name| name.value))
}

fn chip(text: &str) -> Result<String, Problem> {
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let cure = "write the chip's label as gpiodetect prints it, such as \"pinctrl-bcm2711\"";
        Err(Problem::new(format!("{} is no chip's label", quoted(text)), cure))
    } else {
        Ok(text.to_owned())
    }
}

/// Names of buttons, lamps and outputs: they are typed on command lines.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 32
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lamp_functions_have_the_words_that_they_have_elsewhere() {
        #[derive(serde::Deserialize)]
        struct Lamp {
            function: LedFunction,
        }
        for (word, function) in LED_FUNCTIONS {
            let lamp: Lamp = toml::from_str(&format!("function = \"{word}\"")).unwrap();
            assert_eq!(lamp.function, function);
        }
    }

    #[test]
    fn names_are_what_a_shell_takes_without_quotes() {
        for (text, valid) in
            [("call", true), ("flat-2", true), ("", false), ("a b", false), ("Call", false), ("ø", false)]
        {
            assert_eq!(is_name(text), valid, "{text:?}");
        }
    }
}
