//! `callbox selftest --loop OUT IN`: a wire from one line of the board to
//! another. The appliance must not run meanwhile: it has the lines.

use std::path::Path;
use std::time::Duration;

use super::{DONE, FAILED, USAGE, out};
use crate::config::board::{Bias, Line};
use crate::config::{Board, Config};
#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
use crate::gpio::jumper::{self, JumperReport};
use crate::settings;

/// Tests the wire from the output or lamp `from` to the button or input `to`.
pub fn selftest(config: &Path, from: &str, to: &str, json: bool) -> u8 {
    let config = match Config::load(config) {
        Ok(config) => config,
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                eprintln!("{diagnostic}");
            }
            return USAGE;
        }
    };
    let ends = outgoing(&config.board, from).and_then(|out| Ok((out, incoming(&config.board, to)?)));
    let (out, (input, bias)) = match ends {
        Ok(ends) => ends,
        Err(why) => {
            eprintln!("callbox: {why}");
            return USAGE;
        }
    };
    let result = test(&config, out, input, bias);
    let (ok, detail) = match &result {
        Ok(detail) => (true, detail),
        Err(why) => (false, why),
    };
    let name = format!("loop {from} {to}");
    let _ = if json {
        out::line(serde_json::json!({ "parts": [{ "part": name, "ok": ok, "detail": detail }] }))
    } else {
        out::line(format!("{name} {} {detail}", if ok { "ok" } else { "FAILED" }))
    };
    if ok { DONE } else { FAILED }
}

#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
fn test(config: &Config, out: &Line, input: &Line, bias: Bias) -> Result<String, String> {
    let driver = settings::driver(config.backend).map_err(|error| error.to_string())?;
    jumper::test(driver.as_ref(), out, input, bias).map(|report| in_words(&report))
}

#[cfg(not(any(feature = "gpiocdev", feature = "rppal")))]
fn test(config: &Config, _out: &Line, _input: &Line, _bias: Bias) -> Result<String, String> {
    Err(settings::not_built_in(config.backend).to_string())
}

#[cfg(any(feature = "gpiocdev", feature = "rppal"))]
fn in_words(report: &JumperReport) -> String {
    let us = |time: Duration| time.as_micros();
    format!(
        "{} edges, all seen; made to stamped: median {} us, worst {} us; stamped to here: median {} us, worst {} us",
        report.edges,
        us(report.to_edge.median),
        us(report.to_edge.worst),
        us(report.to_program.median),
        us(report.to_program.worst),
    )
}

fn outgoing<'a>(board: &'a Board, name: &str) -> Result<&'a Line, String> {
    let output = board.outputs.get(&name.into()).map(|output| &output.line);
    output.or_else(|| board.leds.get(&name.into()).map(|led| &led.line)).ok_or_else(|| {
        let outputs = board.outputs.keys().map(|name| name.as_str());
        let names: Vec<&str> = outputs.chain(board.leds.keys().map(|name| name.as_str())).collect();
        format!("the board {} has no output or lamp {name:?}: it has {}", board.name, names.join(", "))
    })
}

fn incoming<'a>(board: &'a Board, name: &str) -> Result<(&'a Line, Bias), String> {
    let button = board.buttons.get(&name.into()).map(|button| (&button.line, button.bias));
    button.or_else(|| board.inputs.get(&name.into()).map(|input| (&input.line, input.bias))).ok_or_else(
        || {
            let buttons = board.buttons.keys().map(|name| name.as_str());
            let names: Vec<&str> = buttons.chain(board.inputs.keys().map(|name| name.as_str())).collect();
            format!("the board {} has no button or input {name:?}: it has {}", board.name, names.join(", "))
        },
    )
}
