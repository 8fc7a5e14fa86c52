//! `[[button]]`, `[[input]]`, `[[led]]` and `[[output]]`: one line each, read
//! strictly and merged field by field.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::appliance::indicator::LedFunction;
use crate::appliance::input::InputFunction;
use crate::appliance::output::OutputFunction;

use super::board::{Bias, Drive, Edges, LineId};
use super::diagnostic::{Place, Problem, quoted};
use super::section::Section;

const MS: fn(u64) -> Duration = Duration::from_millis;

const BIASES: [(&str, Bias); 4] = [
    ("as-is", Bias::AsIs),
    ("disabled", Bias::Disabled),
    ("pull-up", Bias::PullUp),
    ("pull-down", Bias::PullDown),
];

const EDGES: [(&str, Edges); 2] = [("both", Edges::Both), ("press", Edges::Press)];

const DRIVES: [(&str, Drive); 3] =
    [("push-pull", Drive::PushPull), ("open-drain", Drive::OpenDrain), ("open-source", Drive::OpenSource)];

const LED_FUNCTIONS: [(&str, LedFunction); 15] = [
    ("status", LedFunction::Status),
    ("power", LedFunction::Power),
    ("online", LedFunction::Online),
    ("calling", LedFunction::Calling),
    ("ringing", LedFunction::Ringing),
    ("answered", LedFunction::Answered),
    ("talk-allowed", LedFunction::TalkAllowed),
    ("microphone", LedFunction::Microphone),
    ("door", LedFunction::Door),
    ("busy-elsewhere", LedFunction::BusyElsewhere),
    ("fault", LedFunction::Fault),
    ("alarm-sent", LedFunction::AlarmSent),
    ("connection-made", LedFunction::ConnectionMade),
    ("call-placed", LedFunction::CallPlaced),
    ("call-received", LedFunction::CallReceived),
];

const INPUT_FUNCTIONS: [(&str, InputFunction); 4] = [
    ("exit", InputFunction::Exit),
    ("tamper", InputFunction::Tamper),
    ("door-contact", InputFunction::DoorContact),
    ("hook", InputFunction::Hook),
];

const OUTPUT_FUNCTIONS: [(&str, OutputFunction); 6] = [
    ("strike", OutputFunction::Strike),
    ("light", OutputFunction::Light),
    ("bell", OutputFunction::Bell),
    ("amplifier", OutputFunction::Amplifier),
    ("strobe", OutputFunction::Strobe),
    ("sounder", OutputFunction::Sounder),
];

/// Keys whose place is worth more than the place of their section.
const PLACED: [&str; 9] =
    ["chip", "offset", "line-name", "bias", "drive", "initial", "brightness", "glitch-filter", "active-low"];

/// What hangs on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Button,
    Input,
    Led,
    Output,
}

impl Kind {
    /// The word in double brackets.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Button => "button",
            Kind::Input => "input",
            Kind::Led => "led",
            Kind::Output => "output",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The keys of one line; those that its kind does not have are `None`.
pub(super) struct DraftLine {
    pub(super) place: Place,
    at: BTreeMap<&'static str, Place>,
    pub(super) chip: Option<String>,
    pub(super) id: Option<LineId>,
    pub(super) active_low: Option<bool>,
    pub(super) bias: Option<Bias>,
    pub(super) edge: Option<Edges>,
    pub(super) debounce: Option<Duration>,
    pub(super) glitch_filter: Option<Duration>,
    pub(super) initial: Option<bool>,
    pub(super) brightness: Option<u8>,
    pub(super) pwm: Option<bool>,
    pub(super) drive: Option<Drive>,
    pub(super) led: Option<LedFunction>,
    pub(super) input: Option<InputFunction>,
    pub(super) output: Option<OutputFunction>,
    pub(super) max_on: Option<Duration>,
    pub(super) one_shot: Option<bool>,
}

impl DraftLine {
    fn read(section: &mut Section<'_>, kind: Kind) -> Self {
        let place = |key: &&'static str| Some((*key, section.report.place(section.value_at(key)?)));
        let mut line = DraftLine {
            place: section.place(),
            at: PLACED.iter().filter_map(place).collect(),
            chip: section.parsed("chip", chip).map(|chip| chip.value),
            id: line_id(section),
            active_low: section.boolean("active-low"),
            bias: None,
            edge: None,
            debounce: None,
            glitch_filter: None,
            initial: None,
            brightness: None,
            pwm: None,
            drive: None,
            led: None,
            input: None,
            output: None,
            max_on: None,
            one_shot: None,
        };
        match kind {
            Kind::Button => {
                line.read_contact(section);
                line.edge = section.choice("edge", &EDGES);
            }
            Kind::Input => {
                line.read_contact(section);
                line.input = section.choice("function", &INPUT_FUNCTIONS);
            }
            Kind::Led => {
                line.led = section.choice("function", &LED_FUNCTIONS);
                line.drive = section.choice("drive", &DRIVES);
                line.initial = section.boolean("initial");
                line.pwm = section.boolean("pwm");
                line.brightness = section.integer("brightness", 1..=100).and_then(|b| u8::try_from(b).ok());
            }
            Kind::Output => {
                line.output = section.choice("function", &OUTPUT_FUNCTIONS);
                line.drive = section.choice("drive", &DRIVES);
                line.initial = section.boolean("initial");
                line.max_on = section.duration("max-on", MS(100)..=Duration::from_secs(86_400));
                line.one_shot = section.boolean("one-shot");
            }
        }
        line
    }

    fn read_contact(&mut self, section: &mut Section<'_>) {
        self.bias = section.choice("bias", &BIASES);
        self.debounce = section.duration("debounce", Duration::ZERO..=Duration::from_secs(1));
        self.glitch_filter = section.duration("glitch-filter", Duration::ZERO..=MS(100));
    }

    /// What `self` says wins, field by field.
    pub(super) fn over(self, under: DraftLine) -> DraftLine {
        let mut at = under.at;
        at.extend(self.at);
        DraftLine {
            place: self.place,
            at,
            chip: self.chip.or(under.chip),
            id: self.id.or(under.id),
            active_low: self.active_low.or(under.active_low),
            bias: self.bias.or(under.bias),
            edge: self.edge.or(under.edge),
            debounce: self.debounce.or(under.debounce),
            glitch_filter: self.glitch_filter.or(under.glitch_filter),
            initial: self.initial.or(under.initial),
            brightness: self.brightness.or(under.brightness),
            pwm: self.pwm.or(under.pwm),
            drive: self.drive.or(under.drive),
            led: self.led.or(under.led),
            input: self.input.or(under.input),
            output: self.output.or(under.output),
            max_on: self.max_on.or(under.max_on),
            one_shot: self.one_shot.or(under.one_shot),
        }
    }

    /// Where one of these keys is said, else where the section begins.
    pub(super) fn place_of(&self, keys: &[&'static str]) -> &Place {
        keys.iter().find_map(|key| self.at.get(key)).unwrap_or(&self.place)
    }
}

/// All lines of one kind in a file, by their names.
pub(super) fn read_lines(sections: Vec<Section<'_>>, kind: Kind) -> BTreeMap<String, DraftLine> {
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

/// A chip's label.
pub(super) fn chip(text: &str) -> Result<String, Problem> {
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let cure = "write the chip's label as gpiodetect prints it, such as \"pinctrl-bcm2711\"";
        Err(Problem::new(format!("{} is no chip's label", quoted(text)), cure))
    } else {
        Ok(text.to_owned())
    }
}

/// Names of buttons, inputs, lamps and outputs: they are typed on command lines.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 32
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(serde::Deserialize)]
    struct Row<T> {
        function: T,
    }

    /// As the enum itself reads the word, for status and logs.
    fn elsewhere<T: DeserializeOwned>(word: &str) -> T {
        toml::from_str::<Row<T>>(&format!("function = \"{word}\"")).unwrap().function
    }

    #[test]
    fn functions_have_the_words_that_they_have_elsewhere() {
        for (word, function) in LED_FUNCTIONS {
            assert_eq!(elsewhere::<LedFunction>(word), function);
        }
        for (word, function) in INPUT_FUNCTIONS {
            assert_eq!(elsewhere::<InputFunction>(word), function);
        }
        for (word, function) in OUTPUT_FUNCTIONS {
            assert_eq!(elsewhere::<OutputFunction>(word), function);
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
