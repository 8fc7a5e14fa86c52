//! What must hold of a board as a whole, and of a board with a back-end: no
//! line has two uses, none belongs to somebody else, and nothing that opens a
//! door can stay on for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::appliance::output::OutputFunction;

use super::board::{
    Backend, Bias, Board, BoardButton, BoardInput, BoardLed, BoardOutput, Drive, Edges, Header, Line, LineId,
};
use super::board_draft::{Draft, Reserved};
use super::board_line::{DraftLine, Kind};
use super::diagnostic::{Diagnostic, Place, Problem, quoted};

const DEBOUNCE: Duration = Duration::from_millis(30);

/// Makes a board of all that was said, or tells everything that is wrong.
pub(super) fn finish(draft: Draft, name: String) -> Result<Board, Vec<Diagnostic>> {
    let mut rules = Rules {
        chip: draft.chip,
        chips: draft.chips,
        header: draft.header,
        reserved: draft.reserved,
        users: BTreeMap::new(),
        found: Vec::new(),
        notes: Vec::new(),
    };
    let mut board = Board {
        name,
        description: draft.description.unwrap_or_default(),
        backend: draft.backend,
        header: draft.header,
        profile: draft.profile.unwrap_or_default(),
        capture: draft.capture,
        playback: draft.playback,
        buttons: BTreeMap::new(),
        inputs: BTreeMap::new(),
        leds: BTreeMap::new(),
        outputs: BTreeMap::new(),
        notes: Vec::new(),
    };
    for ((kind, name), draft) in draft.lines {
        let what = What { kind, name: &name, draft: &draft };
        let Some(line) = rules.line(&what) else { continue };
        match kind {
            Kind::Button => {
                board.buttons.insert(name.as_str().into(), rules.button(&what, line));
            }
            Kind::Input => {
                rules.own_name(&what, &board);
                if let Some(input) = rules.input(&what, line) {
                    board.inputs.insert(name.as_str().into(), input);
                }
            }
            Kind::Led => {
                if let Some(led) = rules.led(&what, line) {
                    board.leds.insert(name.as_str().into(), led);
                }
            }
            Kind::Output => {
                if let Some(output) = rules.output(&what, line) {
                    board.outputs.insert(name.as_str().into(), output);
                }
            }
        }
    }
    rules.found.sort();
    rules.notes.sort();
    board.notes = rules.notes;
    if rules.found.is_empty() { Ok(board) } else { Err(rules.found) }
}

/// What is wrong with a board that this back-end moves, and what is worth a look.
pub(super) fn for_backend(board: &Board, backend: Backend) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    let mut wrong = |place: &Place, what: String, cure: &str| {
        found.push(place.diagnose(Problem::new(what, cure)));
    };
    let registers = backend == Backend::Rppal;
    let leds = board.leds.iter().map(|(name, led)| (Kind::Led, name.as_str(), led.drive, &led.place));
    let outputs = board.outputs.iter().map(|(name, o)| (Kind::Output, name.as_str(), o.drive, &o.place));
    for (kind, name, drive, place) in leds.chain(outputs) {
        if registers && drive != Drive::PushPull {
            let what = format!("{kind} {} is not push-pull, and rppal can do nothing else", quoted(name));
            wrong(place, what, "use [board] backend = \"gpiocdev\", or leave drive out");
        }
    }
    for (name, led) in &board.leds {
        if backend == Backend::Gpiocdev && led.brightness < 100 && !led.pwm {
            let what = format!(
                "led {} has a brightness, and a line of gpiocdev is on or off",
                quoted(name.as_str())
            );
            wrong(
                &led.place,
                what,
                "leave brightness out, put the lamp on a channel of a PWM chip with pwm = true, or use [board] backend = \"rppal\" on a Raspberry Pi",
            );
        }
    }
    for (name, output) in &board.outputs {
        if output.function != OutputFunction::Strike || output.one_shot {
            continue;
        }
        let name = quoted(name.as_str());
        if registers {
            let what =
                format!("output {name} stays on when the process is killed: nobody takes a register back");
            let cure =
                "use [board] backend = \"gpiocdev\", or a relay that lets go by itself and one-shot = true";
            wrong(&output.place, what, cure);
        } else if backend == Backend::Gpiocdev && board.header == Some(Header::RaspberryPi) {
            let what = format!(
                "output {name} may stay on when the process is killed, until it is started again: kernels of \
                 Raspberry Pi OS leave a line as it was"
            );
            let cure = "put dtparam=strict_gpiod into config.txt, or use a relay that lets go by itself and one-shot = true";
            notes.push(output.place.diagnose(Problem::new(what, cure)));
        }
    }
    (found, notes)
}

/// One line of a draft.
struct What<'a> {
    kind: Kind,
    name: &'a str,
    draft: &'a DraftLine,
}

impl What<'_> {
    /// For people, such as `led "status"`.
    fn user(&self) -> String {
        format!("{} {}", self.kind, quoted(self.name))
    }
}

struct Rules {
    chip: Option<String>,
    chips: Vec<String>,
    header: Option<Header>,
    reserved: BTreeMap<String, Reserved>,
    /// Who has each line: two names of one line count as one.
    users: BTreeMap<(String, LineId), String>,
    found: Vec<Diagnostic>,
    notes: Vec<Diagnostic>,
}

impl Rules {
    fn wrong(&mut self, place: &Place, what: String, cure: impl Into<String>) {
        self.found.push(place.diagnose(Problem::new(what, cure)));
    }

    fn note(&mut self, place: &Place, what: String, cure: impl Into<String>) {
        self.notes.push(place.diagnose(Problem::new(what, cure)));
    }

    /// Where it hangs, if that is said and free.
    fn line(&mut self, what: &What<'_>) -> Option<Line> {
        let draft = what.draft;
        let own = self.chip.clone();
        let Some(chip) = draft.chip.clone().or_else(|| own.clone()) else {
            self.missing(what, "chip", "\"pinctrl-bcm2711\", or whatever label gpiodetect prints");
            return None;
        };
        let Some(id) = draft.id.clone() else {
            self.missing(what, "offset", "17, or whichever line it hangs on");
            return None;
        };
        let pwm = draft.pwm == Some(true);
        if !pwm && !self.chips.is_empty() && !self.chips.contains(&chip) {
            let problem =
                format!("{} is on chip {}, which this board does not have", what.user(), quoted(&chip));
            let cure = format!(
                "its chips are {}: correct chip, or add an expander's label to chips",
                self.chips.join(", ")
            );
            self.wrong(draft.place_of(&["chip"]), problem, cure);
        }
        let line = Line { chip, id, active_low: draft.active_low.unwrap_or(false) };
        let on_header = self.header.filter(|_| own.as_ref() == Some(&line.chip));
        let offset = match &line.id {
            LineId::Offset(offset) => Some(*offset),
            LineId::Name(name) => on_header.and_then(|header| header.offset_of(name)),
        };
        let place = draft.place_of(&["offset", "line-name"]);
        if let (Some(header), Some(offset)) = (on_header, offset) {
            if header.pin_of(offset).is_none() {
                let problem =
                    format!("{} is on line {offset}, which is on no pin of the header", what.user());
                self.wrong(place, problem, "choose one from 4 to 27");
            }
            self.check_reserved(what, offset, place);
        }
        let key = (line.chip.clone(), offset.map_or_else(|| line.id.clone(), LineId::Offset));
        if let Some(first) = self.users.insert(key, what.user()) {
            let problem = format!("{} is on {line}, and so is {first}", what.user());
            self.wrong(&draft.place, problem, "give each its own line");
        }
        Some(line)
    }

    fn check_reserved(&mut self, what: &What<'_>, offset: u32, place: &Place) {
        let owner = self.reserved.iter().find(|(_, reserved)| reserved.lines.contains(&offset));
        let Some((owner, always)) = owner.map(|(owner, reserved)| (owner.clone(), reserved.always)) else {
            return;
        };
        let user = what.user();
        if always {
            self.wrong(
                place,
                format!("{user} is on line {offset}, which belongs to {owner}"),
                "choose another line",
            );
        } else {
            let what = format!("{user} is on line {offset}, which {owner} uses where that is switched on");
            self.note(place, what, "switch that off, or choose another line");
        }
    }

    fn missing(&mut self, what: &What<'_>, key: &str, example: &str) {
        self.wrong(
            &what.draft.place,
            format!("{} has no {key}", what.user()),
            format!("add {key} = {example}"),
        );
    }

    /// Buttons and inputs are pressed by name.
    fn own_name(&mut self, what: &What<'_>, board: &Board) {
        if let Some(button) = board.buttons.get(&what.name.into()) {
            let problem = format!("{} has the name of a button (at {})", what.user(), button.place);
            self.wrong(&what.draft.place, problem, "give each its own name");
        }
    }

    fn button(&mut self, what: &What<'_>, line: Line) -> BoardButton {
        let draft = what.draft;
        let bias = draft.bias.unwrap_or(Bias::AsIs);
        let idle_is_active = match bias {
            Bias::PullUp => !line.active_low,
            Bias::PullDown => line.active_low,
            Bias::AsIs | Bias::Disabled => false,
        };
        if idle_is_active {
            let problem = format!("{} is pressed as long as nothing touches its wire", what.user());
            let cure = "turn active-low round, unless the button opens its contact when it is pressed";
            self.note(draft.place_of(&["bias", "active-low"]), problem, cure);
        }
        BoardButton {
            line,
            bias,
            edge: draft.edge.unwrap_or(Edges::Both),
            debounce: draft.debounce.unwrap_or(DEBOUNCE),
            glitch_filter: draft.glitch_filter.unwrap_or_default(),
            place: draft.place.clone(),
        }
    }

    fn input(&mut self, what: &What<'_>, line: Line) -> Option<BoardInput> {
        let draft = what.draft;
        let Some(function) = draft.input else {
            self.missing(what, "function", "\"exit\"");
            return None;
        };
        Some(BoardInput {
            line,
            function,
            bias: draft.bias.unwrap_or(Bias::AsIs),
            debounce: draft.debounce.unwrap_or(DEBOUNCE),
            glitch_filter: draft.glitch_filter.unwrap_or_default(),
            place: draft.place.clone(),
        })
    }

    fn led(&mut self, what: &What<'_>, line: Line) -> Option<BoardLed> {
        let draft = what.draft;
        let Some(function) = draft.led else {
            self.missing(what, "function", "\"status\"");
            return None;
        };
        Some(BoardLed {
            line,
            function,
            initial: draft.initial.unwrap_or(false),
            drive: draft.drive.unwrap_or(Drive::PushPull),
            brightness: draft.brightness.unwrap_or(100),
            pwm: draft.pwm.unwrap_or(false),
            place: draft.place.clone(),
        })
    }

    fn output(&mut self, what: &What<'_>, line: Line) -> Option<BoardOutput> {
        let draft = what.draft;
        let Some(function) = draft.output else {
            self.missing(what, "function", "\"strike\"");
            return None;
        };
        if draft.initial == Some(true) {
            let problem = format!("{} is on from the start", what.user());
            let cure = "remove initial: an output is off until the box switches it on";
            self.wrong(draft.place_of(&["initial"]), problem, cure);
        }
        if function == OutputFunction::Strike && draft.max_on.is_none() {
            let problem = format!("{} is a strike without max-on", what.user());
            let cure = "add max-on = \"10s\": whatever goes wrong, the door is shut after that";
            self.wrong(&draft.place, problem, cure);
        }
        Some(BoardOutput {
            line,
            function,
            max_on: draft.max_on,
            drive: draft.drive.unwrap_or(Drive::PushPull),
            one_shot: draft.one_shot.unwrap_or(false),
            place: draft.place.clone(),
        })
    }
}
