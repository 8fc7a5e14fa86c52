//! Lines of a Raspberry Pi's own chip through its registers. The registers
//! know nothing of active-low, and nobody takes an output back from a process
//! that is killed: it keeps its level. gpiocdev has neither weakness.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rppal::gpio::{Error, Event, Gpio, InputPin, Level, OutputPin, Pin, Trigger};

use super::chips;
use super::wired::{Contact, Driven, Driver, Edge, Input, Output};
use crate::config::board::{Bias, Edges, Line, LineId};

/// Labels of the chip behind the header: up to the 3 and the Zero 2, the 4, the 5.
const OWN_CHIPS: [&str; 3] = ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"];

/// rppal asks the kernel for edges on a thread of its own, and a refusal shows
/// only in that thread's end. It comes at once, or not at all.
const REFUSAL: Duration = Duration::from_millis(20);

/// Fast enough that nobody sees a lamp flicker, slow enough for the thread that
/// makes it: no pin but two has pulses of its own on a Raspberry Pi.
const PWM_HERTZ: f64 = 200.0;

/// The driver for `backend = "rppal"`.
#[derive(Clone, Copy, Debug)]
pub struct Pi;

impl Driver for Pi {
    fn input(&self, line: &Line, contact: Contact) -> Result<Box<dyn Input>, String> {
        let pin = take(line)?;
        let pin = match contact.bias {
            Bias::PullUp => pin.into_input_pullup(),
            Bias::PullDown => pin.into_input_pulldown(),
            Bias::Disabled => pin.into_input(),
            Bias::AsIs => {
                tracing::warn!(%line, "rppal cannot leave a resistor as it is: the line has none now");
                pin.into_input()
            }
        };
        PiInput::watch(pin, line, contact).map(|input| -> Box<dyn Input> { Box::new(input) })
    }

    fn output(&self, line: &Line, driven: Driven, on: bool) -> Result<Box<dyn Output>, String> {
        let pin = take(line)?;
        // The level before the direction: an output never begins at the wrong level.
        let pin = match level(on, line.active_low) {
            Level::High => pin.into_output_high(),
            Level::Low => pin.into_output_low(),
        };
        let mut output = PiOutput { pin, line: line.clone(), brightness: driven.brightness };
        if driven.brightness < 100 {
            output.set(on)?;
        }
        Ok(Box::new(output))
    }
}

/// The BCM number of a line.
fn number(line: &Line) -> Result<u8, String> {
    if !OWN_CHIPS.contains(&line.chip.as_str()) {
        return Err(format!(
            "rppal knows the Raspberry Pi's own chip only ({}), not {:?}: use [board] backend = \"gpiocdev\"",
            OWN_CHIPS.join(", "),
            line.chip
        ));
    }
    let number = match &line.id {
        LineId::Offset(offset) => u8::try_from(*offset).ok(),
        LineId::Name(name) => name.strip_prefix("GPIO").and_then(|digits| digits.parse().ok()),
    };
    number.ok_or_else(|| {
        format!(
            "rppal knows lines by BCM number or as GPIO17, not {line}: use [board] backend = \"gpiocdev\""
        )
    })
}

fn take(line: &Line) -> Result<Pin, String> {
    let number = number(line)?;
    Gpio::new().and_then(|gpio| gpio.get(number)).map_err(|error| reason(line, &error))
}

/// For people: what failed and the cure.
fn reason(line: &Line, error: &Error) -> String {
    match error {
        Error::UnknownModel => format!(
            "this is no Raspberry Pi that rppal knows: use [board] backend = \"gpiocdev\", which \
             works with any GPIO chip of Linux; this machine has {} (`callbox devices` tells more)",
            chips::listing(&chips::of_this_machine())
        ),
        Error::PermissionDenied(path) => {
            format!("{line}: callbox may not open {path}: add its user to the group gpio")
        }
        Error::PinUsed(_) | Error::PinNotAvailable(_) | Error::Io(_) | Error::ThreadPanic => {
            format!("{line}: {error}")
        }
    }
}

/// Active as a level of the wire.
fn level(active: bool, active_low: bool) -> Level {
    if active == active_low { Level::Low } else { Level::High }
}

/// The wire's edge as an edge of the button.
fn edge(event: &Event, active_low: bool) -> Option<Edge> {
    let high = match event.trigger {
        Trigger::RisingEdge => true,
        Trigger::FallingEdge => false,
        Trigger::Both | Trigger::Disabled => return None,
    };
    Some(Edge { active: high != active_low, at: event.timestamp })
}

struct PiInput {
    pin: InputPin,
    events: Receiver<Event>,
    line: Line,
}

impl PiInput {
    fn watch(mut pin: InputPin, line: &Line, contact: Contact) -> Result<Self, String> {
        let (send, events) = channel();
        let trigger = match (contact.edge, line.active_low) {
            (Edges::Both, _) => Trigger::Both,
            (Edges::Press, false) => Trigger::RisingEdge,
            (Edges::Press, true) => Trigger::FallingEdge,
        };
        pin.set_async_interrupt(trigger, None, move |event| {
            if send.send(event).is_err() {
                tracing::trace!("an edge after the end");
            }
        })
        .map_err(|error| reason(line, &error))?;
        let mut input = Self { pin, events, line: line.clone() };
        match input.events.recv_timeout(REFUSAL) {
            // The level, read next, says where this edge led.
            Ok(_) | Err(RecvTimeoutError::Timeout) => Ok(input),
            Err(RecvTimeoutError::Disconnected) => Err(input.lost()),
        }
    }

    /// Why rppal's thread ended.
    fn lost(&mut self) -> String {
        match self.pin.clear_async_interrupt() {
            Err(error) => reason(&self.line, &error),
            Ok(()) => format!("{}: no more edges", self.line),
        }
    }
}

impl Input for PiInput {
    fn level(&mut self) -> Result<bool, String> {
        Ok(self.pin.read() == level(true, self.line.active_low))
    }

    fn wait(&mut self, limit: Duration, edges: &mut Vec<Edge>) -> Result<(), String> {
        match self.events.recv_timeout(limit) {
            Ok(event) => edges.extend(edge(&event, self.line.active_low)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(self.lost()),
        }
        edges.extend(self.events.try_iter().filter_map(|event| edge(&event, self.line.active_low)));
        Ok(())
    }
}

struct PiOutput {
    pin: OutputPin,
    line: Line,
    brightness: u8,
}

impl Output for PiOutput {
    fn set(&mut self, on: bool) -> Result<(), String> {
        if on && self.brightness < 100 {
            let share = share_of_high(self.brightness, self.line.active_low);
            return self.pin.set_pwm_frequency(PWM_HERTZ, share).map_err(|error| reason(&self.line, &error));
        }
        self.pin.clear_pwm().map_err(|error| reason(&self.line, &error))?;
        self.pin.write(level(on, self.line.active_low));
        Ok(())
    }
}

/// The share of the time, 0 to 1, that the wire is high for a lamp this bright.
fn share_of_high(brightness: u8, active_low: bool) -> f64 {
    let lit = f64::from(brightness) / 100.0;
    if active_low { 1.0 - lit } else { lit }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(chip: &str, id: LineId) -> Line {
        Line { chip: chip.into(), id, active_low: true }
    }

    #[test]
    fn active_low_turns_levels_and_edges_round() {
        assert_eq!([level(true, false), level(false, false)], [Level::High, Level::Low]);
        assert_eq!([level(true, true), level(false, true)], [Level::Low, Level::High]);
        let at = Duration::from_millis(7);
        for (trigger, active_low, active) in [
            (Trigger::RisingEdge, false, true),
            (Trigger::FallingEdge, false, false),
            (Trigger::RisingEdge, true, false),
            (Trigger::FallingEdge, true, true),
        ] {
            let event = Event { timestamp: at, seqno: 1, trigger };
            assert_eq!(edge(&event, active_low), Some(Edge { active, at }), "{trigger} {active_low}");
        }
    }

    #[test]
    fn a_lamp_of_a_third_is_lit_a_third_of_the_time_whichever_level_lights_it() {
        assert!((share_of_high(30, false) - 0.3).abs() < 1e-9);
        assert!((share_of_high(30, true) - 0.7).abs() < 1e-9);
    }

    #[test]
    fn lines_are_known_by_number_and_by_the_name_that_has_it() {
        assert_eq!(number(&line("pinctrl-rp1", LineId::Offset(17))), Ok(17));
        assert_eq!(number(&line("pinctrl-bcm2711", LineId::Name("GPIO4".into()))), Ok(4));
        for id in [LineId::Offset(300), LineId::Name("RELAY".into()), LineId::Name("GPIO".into())] {
            let error = number(&line("pinctrl-bcm2711", id)).unwrap_err();
            assert!(error.contains("backend = \"gpiocdev\""), "{error}");
        }
    }

    #[test]
    fn a_chip_that_is_not_the_pis_own_is_refused_with_the_cure() {
        let error = number(&line("pcf8574", LineId::Offset(1))).unwrap_err();
        assert!(error.contains("\"pcf8574\"") && error.contains("backend = \"gpiocdev\""), "{error}");
    }

    #[test]
    fn another_machine_is_told_the_cure() {
        let error = reason(&line("pinctrl-rp1", LineId::Offset(1)), &Error::UnknownModel);
        assert!(error.contains("no Raspberry Pi") && error.contains("backend = \"gpiocdev\""), "{error}");
    }
}
