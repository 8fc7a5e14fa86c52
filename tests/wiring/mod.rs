//! Draws a board's wiring as SVG: the header with its pins in the middle, what
//! hangs on them to both sides. Inks follow the reader's dark or light theme.

mod symbol;

use std::fmt::Write;

use callbox::appliance::input::InputFunction;
use callbox::config::Board;
use callbox::config::board::{
    Bias, BoardButton, BoardInput, BoardLed, BoardOutput, Drive, Header, Line, LineId,
};
use callbox::config::header::Pin;
use symbol::Symbol;

const WIDTH: i32 = 940;
const TOP: i32 = 92;
const ROW: i32 = 27;
const CARD: i32 = 58;
const GAP: i32 = 10;
const CARD_WIDTH: i32 = 340;

const STYLE: &str = "<style>\
text{font-family:system-ui,'Segoe UI','Helvetica Neue',Arial,sans-serif;fill:#1f2937}\
.t{font-size:19px;font-weight:600}.n{font-size:14px;font-weight:600}.s{font-size:11.5px;fill:#57606a}\
.p{font-size:10px;font-weight:600}.c{text-anchor:middle}.e{text-anchor:end}\
.card{fill:#8b949e14;stroke:#8b949e66}.ink{stroke:#57606a;stroke-width:2;fill:none;stroke-linecap:round;stroke-linejoin:round}\
.dot{fill:#57606a}.pcb{fill:#1a7f4b}.w{stroke-width:3;fill:none;stroke-linecap:round}\
.button{stroke:#3b82f6}.input{stroke:#0d9488}.led{stroke:#d97706}.output{stroke:#dc2626}\
.kb{fill:#3b82f6}.ki{fill:#0d9488}.kl{fill:#d97706}.ko{fill:#dc2626}\
.line{fill:#e5b93c}.free{fill:#d4c9a8}.v5{fill:#dc2626}.v3{fill:#f08c3a}.gnd{fill:#30363d}.lit{fill:#ffffff}.dark{fill:#1f2937}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9aa4af}.ink{stroke:#9aa4af}.dot{fill:#9aa4af}.dark{fill:#1f2937}.lit{fill:#ffffff}}\
</style>";

/// What hangs on one line.
struct Thing<'a> {
    kind: &'static str,
    name: &'a str,
    line: &'a Line,
    symbol: Symbol,
    /// What it is for, and what is set.
    words: [String; 2],
}

/// The picture of a board under this heading.
pub fn draw(board: &Board, heading: &str) -> String {
    let things = things(board);
    match board.header {
        Some(header) => on_header(header, &things, heading),
        None => on_terminals(&things, heading),
    }
}

fn things(board: &Board) -> Vec<Thing<'_>> {
    let buttons = board.buttons.iter().map(|(name, button)| of_button(name.as_str(), button));
    let inputs = board.inputs.iter().map(|(name, input)| of_input(name.as_str(), input));
    let leds = board.leds.iter().map(|(name, led)| of_led(name.as_str(), led));
    let outputs = board.outputs.iter().map(|(name, output)| of_output(name.as_str(), output));
    buttons.chain(inputs).chain(leds).chain(outputs).collect()
}

fn of_button<'a>(name: &'a str, button: &'a BoardButton) -> Thing<'a> {
    let mut set = format!("{}, debounce {:?}", resistor(button.bias), button.debounce);
    if !button.glitch_filter.is_zero() {
        write!(set, ", glitches up to {:?}", button.glitch_filter).unwrap();
    }
    let words = [format!("push button, pressed = {}", level(button.line.active_low)), set];
    Thing {
        kind: "button",
        name,
        line: &button.line,
        symbol: Symbol::button(button.bias, button.line.active_low),
        words,
    }
}

fn of_input<'a>(name: &'a str, input: &'a BoardInput) -> Thing<'a> {
    let function = word(&format!("{:?}", input.function));
    let words = [
        format!("{function}, active = {}", level(input.line.active_low)),
        format!("{}, debounce {:?}", resistor(input.bias), input.debounce),
    ];
    let symbol = match input.function {
        InputFunction::Exit => Symbol::button(input.bias, input.line.active_low),
        InputFunction::Tamper | InputFunction::DoorContact | InputFunction::Hook => {
            Symbol::contact(input.bias, input.line.active_low)
        }
    };
    Thing { kind: "input", name, line: &input.line, symbol, words }
}

fn of_led<'a>(name: &'a str, led: &'a BoardLed) -> Thing<'a> {
    let mut set = format!("lit = {}, {}", level(led.line.active_low), drive(led.drive));
    if led.brightness < 100 {
        write!(set, ", {} %", led.brightness).unwrap();
    }
    let words = [format!("lamp: {}", word(&format!("{:?}", led.function))), set];
    Thing {
        kind: "led",
        name,
        line: &led.line,
        symbol: Symbol::Led { to_supply: led.line.active_low },
        words,
    }
}

fn of_output<'a>(name: &'a str, output: &'a BoardOutput) -> Thing<'a> {
    let longest = output.max_on.map_or(String::new(), |longest| format!(", at most {longest:?}"));
    let words = [
        format!("{}, on = {}", word(&format!("{:?}", output.function)), level(output.line.active_low)),
        format!("{}{longest}{}", drive(output.drive), if output.one_shot { ", one-shot" } else { "" }),
    ];
    Thing { kind: "output", name, line: &output.line, symbol: Symbol::Relay, words }
}

/// `TalkAllowed` as board files write it.
fn word(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.extend(letter.to_lowercase());
    }
    word
}

fn level(active_low: bool) -> &'static str {
    if active_low { "low" } else { "high" }
}

fn resistor(bias: Bias) -> &'static str {
    match bias {
        Bias::AsIs => "resistor as it is",
        Bias::Disabled => "no resistor",
        Bias::PullUp => "pull-up",
        Bias::PullDown => "pull-down",
    }
}

fn drive(drive: Drive) -> &'static str {
    match drive {
        Drive::PushPull => "push-pull",
        Drive::OpenDrain => "open drain",
        Drive::OpenSource => "open source",
    }
}

fn on_header(header: Header, things: &[Thing<'_>], heading: &str) -> String {
    let pin_of = |thing: &Thing<'_>| match &thing.line.id {
        LineId::Offset(offset) => header.pin_of(*offset).unwrap(),
        LineId::Name(name) => header.pin_of(header.offset_of(name).unwrap()).unwrap(),
    };
    let (middle, rows) = (WIDTH / 2, i32::try_from(header.pins().len() / 2).unwrap());
    let mut body = String::new();
    let mut bottom = TOP + rows * ROW;
    for left in [true, false] {
        let mut side: Vec<_> = things.iter().filter(|thing| (pin_of(thing) % 2 == 1) == left).collect();
        side.sort_by_key(|thing| pin_of(thing));
        let wanted: Vec<i32> = side.iter().map(|thing| pin_y(pin_of(thing))).collect();
        for (thing, y) in side.iter().zip(spread(&wanted)) {
            let pin = pin_of(thing);
            let from = (if left { middle - 26 } else { middle + 26 }, pin_y(pin));
            let LineId::Offset(offset) = thing.line.id else { panic!("{} has no BCM number", thing.name) };
            card(&mut body, thing, left, y, from, &format!("GPIO{offset} · pin {pin}"));
            bottom = bottom.max(y + CARD);
        }
    }
    writeln!(
        body,
        r#"<rect class="pcb" x="{}" y="{}" width="60" height="{}" rx="7"/>"#,
        middle - 30,
        TOP - 8,
        rows * ROW + 8
    )
    .unwrap();
    for (at, pin) in header.pins().iter().enumerate() {
        let number = at + 1;
        let x = if number % 2 == 1 { middle - 14 } else { middle + 14 };
        let used = things.iter().any(|thing| pin_of(thing) == number);
        let (fill, ink) = match pin {
            Pin::Power3V3 => ("v3", "dark"),
            Pin::Power5V => ("v5", "lit"),
            Pin::Ground => ("gnd", "lit"),
            Pin::Line(_) => (if used { "line" } else { "free" }, "dark"),
        };
        let y = pin_y(number);
        writeln!(body, r#"<circle class="{fill}" cx="{x}" cy="{y}" r="10"/><text class="p c {ink}" x="{x}" y="{}">{number}</text>"#, y + 4).unwrap();
    }
    let note = "Pin 1 is the one at the corner of the board. Red: 5 V, orange: 3.3 V, black: ground, yellow: in use. No line may see more than 3.3 V.";
    page(heading, note, &body, bottom + 16)
}

fn on_terminals(things: &[Thing<'_>], heading: &str) -> String {
    let mut body = String::new();
    let (x, height) = (250, i32::try_from(things.len()).unwrap() * (CARD + GAP));
    writeln!(body, r#"<rect class="pcb" x="{}" y="{TOP}" width="190" height="{height}" rx="7"/>"#, x - 170)
        .unwrap();
    let mut y = TOP + GAP / 2;
    for thing in things {
        let terminal = match &thing.line.id {
            LineId::Offset(offset) => format!("line {offset}"),
            LineId::Name(name) => name.clone(),
        };
        let at = y + CARD / 2;
        writeln!(body, r#"<circle class="line" cx="{x}" cy="{at}" r="9"/><text class="n e lit" x="{}" y="{}">{terminal}</text>"#, x - 18, at + 5).unwrap();
        card(&mut body, thing, false, y, (x + 9, at), &thing.line.chip);
        y += CARD + GAP;
    }
    let note =
        "Lines by the names that the device tree gives them. What voltage they bear, the board's maker says.";
    page(heading, note, &body, TOP + height + 16)
}

fn page(heading: &str, note: &str, body: &str, height: i32) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{heading}\">\n{STYLE}\n\
         <text class=\"t\" x=\"20\" y=\"34\">{heading}</text>\n<text class=\"s\" x=\"20\" y=\"56\">{note}</text>\n{body}</svg>\n"
    )
}

/// The middle of a pin.
fn pin_y(number: usize) -> i32 {
    TOP + 10 + i32::try_from((number - 1) / 2).unwrap() * ROW
}

/// Upper edges of cards near the wanted middles, none over another.
fn spread(wanted: &[i32]) -> Vec<i32> {
    let mut edges: Vec<i32> = Vec::new();
    for middle in wanted {
        let least = edges.last().map_or(TOP - 8, |edge| edge + CARD + GAP);
        edges.push(least.max(middle - CARD / 2));
    }
    edges
}

fn card(body: &mut String, thing: &Thing<'_>, left: bool, y: i32, from: (i32, i32), place: &str) {
    let x = if left { 20 } else { WIDTH - 20 - CARD_WIDTH };
    let (kind, middle) = (thing.kind, y + CARD / 2);
    let inner = if left { x + CARD_WIDTH } else { x };
    let bend = (from.0 + inner) / 2;
    writeln!(
        body,
        r#"<path class="w {kind}" d="M{} {}C{bend} {} {bend} {middle} {inner} {middle}"/>"#,
        from.0, from.1, from.1
    )
    .unwrap();
    writeln!(body, r#"<rect class="card" x="{x}" y="{y}" width="{CARD_WIDTH}" height="{CARD}" rx="8"/>"#)
        .unwrap();
    thing.symbol.draw(body, inner, middle, left);
    let (text_x, end, stripe) =
        if left { (x + CARD_WIDTH - 128, " e", x) } else { (x + 128, "", x + CARD_WIDTH - 5) };
    let initial = kind.chars().next().unwrap();
    writeln!(
        body,
        r#"<rect class="k{initial}" x="{stripe}" y="{}" width="5" height="{}" rx="2"/>"#,
        y + 6,
        CARD - 12
    )
    .unwrap();
    let name = format!(r#"{}<tspan class="s" dx="9">{place}</tspan>"#, thing.name);
    for (class, dy, text) in [("n", 19, &name), ("s", 35, &thing.words[0]), ("s", 50, &thing.words[1])] {
        writeln!(body, r#"<text class="{class}{end}" x="{text_x}" y="{}">{text}</text>"#, y + dy).unwrap();
    }
}
