//! Headers whose pins are the same on many boards.

/// A pin header that boards have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The 40 pins of every Raspberry Pi since the 1 B+ (Raspberry Pi
    /// documentation, "GPIO and the 40-pin header").
    RaspberryPi,
}

/// What a pin of a header carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The line with this offset, on a Raspberry Pi its BCM number.
    Line(u32),
    /// 3.3 V.
    Power3V3,
    /// 5 V.
    Power5V,
    /// 0 V.
    Ground,
}

use Pin::{Ground, Line, Power3V3, Power5V};

#[rustfmt::skip]
const RASPBERRY_PI: [Pin; 40] = [
    Power3V3, Power5V, Line(2), Power5V, Line(3), Ground, Line(4), Line(14), Ground, Line(15),
    Line(17), Line(18), Line(27), Ground, Line(22), Line(23), Power3V3, Line(24), Line(10), Ground,
    Line(9), Line(25), Line(11), Line(8), Ground, Line(7), Line(0), Line(1), Line(5), Ground,
    Line(6), Line(12), Line(13), Ground, Line(19), Line(16), Line(26), Line(20), Ground, Line(21),
];

impl Header {
    /// The pins in their order; the first has the number 1.
    pub fn pins(self) -> &'static [Pin] {
        match self {
            Header::RaspberryPi => &RASPBERRY_PI,
        }
    }

    /// The number of the pin that carries this line, from 1.
    pub fn pin_of(self, offset: u32) -> Option<usize> {
        self.pins().iter().position(|pin| *pin == Line(offset)).map(|at| at + 1)
    }

    /// The offset of a line that is known by its name: `GPIO17` is 17.
    pub fn offset_of(self, name: &str) -> Option<u32> {
        match self {
            Header::RaspberryPi => name.strip_prefix("GPIO").and_then(|digits| digits.parse().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raspberry_pi_has_every_line_from_0_to_27_once() {
        for offset in 0..28 {
            assert!(Header::RaspberryPi.pin_of(offset).is_some(), "{offset}");
        }
        assert_eq!(Header::RaspberryPi.pin_of(28), None);
        let lines = RASPBERRY_PI.iter().filter(|pin| matches!(pin, Line(_))).count();
        assert_eq!((lines, RASPBERRY_PI.iter().filter(|pin| **pin == Ground).count()), (28, 8));
        assert_eq!(Header::RaspberryPi.pin_of(17), Some(11));
        assert_eq!(Header::RaspberryPi.pin_of(26), Some(37));
    }

    #[test]
    fn names_of_lines_are_their_numbers() {
        assert_eq!(Header::RaspberryPi.offset_of("GPIO17"), Some(17));
        assert_eq!(Header::RaspberryPi.offset_of("RELAY"), None);
    }
}
