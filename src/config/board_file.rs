//! Board files: found by name, read strictly, inherited field by field.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::appliance::indicator::LedFunction;

use super::audio::{self, AudioDevice, Way};
use super::board::{Backend, Bias, Board, BoardButton, BoardLed, BoardOutput, Line, LineId, OutputFunction};
use super::diagnostic::{Diagnostic, Place, Problem, Report, quoted};
use super::document;
use super::section::Section;
use super::value;

/// Boards that work with no file at all.
const BUILT_IN: [(&str, &str); 5] = [
    ("desktop-mock", include_str!("../../board/desktop-mock.toml")),
    ("rpi", include_str!("../../board/rpi.toml")),
    ("rpi4-doorstation", include_str!("../../board/rpi4-doorstation.toml")),
    ("rpi4-headless", include_str!("../../board/rpi4-headless.toml")),
    ("rpi4-pushbox", include_str!("../../board/rpi4-pushbox.toml")),
];

/// More than anybody can follow by eye.
const DEEPEST: usize = 8;

/// Without a limit a stalled process leaves the door open.
const STRIKE_LIMIT: Duration = Duration::from_secs(10);

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

/// Finds boards by name.
#[derive(Clone, Debug, Default)]
pub struct BoardLoader {
    folders: Vec<PathBuf>,
}

impl BoardLoader {
    /// Looks in these folders, the first first, then among the built-in boards.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// As the appliance looks: `board/` beside the configuration, then
    /// `/etc/callbox/board`, `/usr/share/callbox/board`, then the built-in ones.
    pub fn beside(config: &Path) -> Self {
        let beside = config.parent().unwrap_or(Path::new("")).join("board");
        Self::new(vec![beside, "/etc/callbox/board".into(), "/usr/share/callbox/board".into()])
    }

    /// Loads a board by its name, or by a path, which holds a `/` or ends in `.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with the file and those it inherits from.
    pub fn load(&self, name_or_path: &str) -> Result<Board, Vec<Diagnostic>> {
        let origin = Place::start_of(name_or_path);
        self.load_from(name_or_path, &origin, Path::new(""))
    }

    /// [`BoardLoader::load`]; a board that is not found is reported at `origin`,
    /// a relative path counts from `base`.
    pub(super) fn load_from(
        &self,
        name_or_path: &str,
        origin: &Place,
        base: &Path,
    ) -> Result<Board, Vec<Diagnostic>> {
        let mut layers = Vec::new();
        self.collect(name_or_path, origin, base, &mut layers)?;
        let name = layers.first().map(|(name, _)| name.clone()).unwrap_or_default();
        let mut merged = Draft::default();
        for (_, layer) in layers.into_iter().rev() {
            merged.lay_over(layer);
        }
        merged.finish(name)
    }

    /// The names of all boards that [`BoardLoader::load`] would find.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        for entry in self.folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
            if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".toml")) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        names.dedup();
        names
    }

    fn collect(
        &self,
        name_or_path: &str,
        origin: &Place,
        base: &Path,
        layers: &mut Vec<(String, Draft)>,
    ) -> Result<(), Vec<Diagnostic>> {
        let (file, text) = self.find(name_or_path, origin, base).map_err(|found| vec![found])?;
        let chain: Vec<&str> = layers.iter().map(|(_, draft)| draft.file.as_str()).collect();
        if chain.contains(&file.as_str()) {
            let what = format!("{} inherits itself by way of {}", quoted(name_or_path), chain.join(", "));
            return Err(vec![
                origin.diagnose(Problem::new(what, "inherit from a board that does not lead back here")),
            ]);
        }
        if chain.len() >= DEEPEST {
            let what = format!("boards inherit more than {DEEPEST} deep");
            return Err(vec![origin.diagnose(Problem::new(what, "inherit from a simpler board"))]);
        }
        let folder = Path::new(&file).parent().unwrap_or(Path::new("")).to_owned();
        let draft = Draft::read(&file, &text, &folder)?;
        let parent = draft.inherit.clone();
        let name = Path::new(&file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        layers.push((name.unwrap_or_default(), draft));
        match parent {
            Some((parent, place)) => self.collect(&parent, &place, &folder, layers),
            None => Ok(()),
        }
    }

    /// A file's name for people, and its text.
    fn find(&self, name_or_path: &str, origin: &Place, base: &Path) -> Result<(String, String), Diagnostic> {
        let cure = "name one of the boards, or the path of a board file";
        if name_or_path.contains('/') || name_or_path.ends_with(".toml") {
            let path = base.join(name_or_path);
            if path.is_file() {
                return Ok((path.display().to_string(), document::read(&path, cure)?));
            }
            let what = format!("there is no board file {}", quoted(&path.display().to_string()));
            return Err(origin.diagnose(Problem::new(what, cure)));
        }
        for folder in &self.folders {
            let path = folder.join(format!("{name_or_path}.toml"));
            if path.is_file() {
                return Ok((path.display().to_string(), document::read(&path, cure)?));
            }
        }
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            return Ok((format!("built-in/{name}.toml"), (*text).to_owned()));
        }
        let names = self.names();
        let cure = match value::nearest(name_or_path, names.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean {}?", quoted(nearest)),
            None => format!("write one of {}, or the path of a board file", names.join(", ")),
        };
        Err(origin.diagnose(Problem::new(format!("there is no board {}", quoted(name_or_path)), cure)))
    }
}

/// One file, or several laid over each other, before it is known to be whole.
#[derive(Default)]
struct Draft {
    file: String,
    inherit: Option<(String, Place)>,
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
    fn read(file: &str, text: &str, folder: &Path) -> Result<Self, Vec<Diagnostic>> {
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
    fn lay_over(&mut self, over: Draft) {
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

    fn finish(self, name: String) -> Result<Board, Vec<Diagnostic>> {
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
                    OutputFunction::Light | OutputFunction::Bell | OutputFunction::Amplifier => draft.max_on,
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
