//! Circuit symbols, 110 wide, from the wire at the left to ground or supply at
//! the right; mirrored for things left of the header.

use std::fmt::Write;

use callbox::config::board::Bias;

/// What hangs on a line.
#[derive(Clone, Copy)]
pub enum Symbol {
    /// Makes contact while it is pushed.
    Button { to_supply: bool },
    /// A contact, closed or open at rest.
    Contact { to_supply: bool, closed: bool },
    /// A lamp with its resistor.
    Led { to_supply: bool },
    /// The input of a relay board.
    Relay,
}

impl Symbol {
    /// A button opposite to its resistor.
    pub fn button(bias: Bias, active_low: bool) -> Self {
        Symbol::Button { to_supply: other_end_is_supply(bias, active_low) }
    }

    /// A contact opposite to its resistor: one that is active when the resistor wins is closed at rest.
    pub fn contact(bias: Bias, active_low: bool) -> Self {
        let to_supply = other_end_is_supply(bias, active_low);
        Symbol::Contact { to_supply, closed: to_supply == active_low }
    }

    /// Draws it beside `x`, around `y`.
    pub fn draw(self, body: &mut String, x: i32, y: i32, mirrored: bool) {
        let side = if mirrored { -1 } else { 1 };
        let (ink, end) = match self {
            Symbol::Button { to_supply } => ("M0 0H26M62 0H88M26 -9H62M44 -9V-19M36 -19H52", Some(to_supply)),
            Symbol::Contact { to_supply, closed: true } => ("M0 0H26M62 0H88M26 -3L64 -3", Some(to_supply)),
            Symbol::Contact { to_supply, closed: false } => ("M0 0H26M62 0H88M26 0L58 -15", Some(to_supply)),
            Symbol::Led { to_supply: false } => (
                "M0 0H12M12 -5H36V5H12ZM36 0H48M48 -9V9L66 0ZM66 -9V9M66 0H88M60 -13L67 -20M66 -11L73 -18",
                Some(false),
            ),
            Symbol::Led { to_supply: true } => (
                "M0 0H12M12 -5H36V5H12ZM36 0H48M66 -9V9L48 0ZM48 -9V9M66 0H88M60 -13L67 -20M66 -11L73 -18",
                Some(true),
            ),
            Symbol::Relay => ("M0 0H20M20 -19H98V19H20Z", None),
        };
        writeln!(body, r#"<g transform="translate({x},{y}) scale({side},1)"><path class="ink" d="{ink}"/>"#)
            .unwrap();
        if matches!(self, Symbol::Button { .. } | Symbol::Contact { .. }) {
            body.push_str(r#"<circle class="dot" cx="26" r="3.5"/><circle class="dot" cx="62" r="3.5"/>"#);
        }
        if end == Some(false) {
            body.push_str(r#"<path class="ink" d="M88 0V7M78 7H98M82 12H94M86 17H90"/>"#);
        }
        body.push_str("</g>\n");
        let (text, at) = match end {
            Some(true) => ("3.3 V", 102),
            Some(false) => return,
            None => ("relay IN", 59),
        };
        writeln!(body, r#"<text class="p c" x="{}" y="{}">{text}</text>"#, x + side * at, y + 4).unwrap();
    }
}

/// Whether closing the contact pulls the line to the supply, not to ground.
fn other_end_is_supply(bias: Bias, active_low: bool) -> bool {
    match bias {
        Bias::PullUp => false,
        Bias::PullDown => true,
        Bias::AsIs | Bias::Disabled => !active_low,
    }
}
