//! The front of the box as its board file has it, for the page to draw.

use axum::Json;
use serde::Serialize;

use crate::appliance::action::Action;
use crate::appliance::id::ButtonName;
use crate::appliance::indicator::LedFunction;
use crate::appliance::output::OutputFunction;
use crate::config::{Backend, Config};

/// What is on the box.
#[derive(Clone, Serialize)]
pub struct Front {
    name: String,
    description: String,
    backend: &'static str,
    buttons: Vec<Button>,
    lamps: Vec<Lamp>,
    outputs: Vec<Output>,
    /// The page's buttons press.
    pressable: bool,
}

#[derive(Clone, Serialize)]
struct Button {
    name: String,
    /// What each gesture does.
    press: Option<Action>,
    hold: Option<Action>,
    double_press: Option<Action>,
}

#[derive(Clone, Serialize)]
struct Lamp {
    name: String,
    function: LedFunction,
}

#[derive(Clone, Serialize)]
struct Output {
    name: String,
    function: OutputFunction,
}

impl Front {
    pub fn new(config: &Config, pressable: bool) -> Self {
        let buttons = config.board.buttons.keys().map(|name| {
            let does = config.appliance.buttons.get(name).cloned().unwrap_or_default();
            let (press, hold, double_press) = (does.press, does.hold, does.double_press);
            Button { name: name.to_string(), press, hold, double_press }
        });
        let lamps = config.board.leds.iter();
        let outputs = config.board.outputs.iter();
        Self {
            name: config.board.name.clone(),
            description: config.board.description.clone(),
            backend: match config.backend {
                Backend::Rppal => "rppal",
                Backend::Gpiocdev => "gpiocdev",
                Backend::Mock => "mock",
            },
            buttons: buttons.collect(),
            lamps: lamps.map(|(name, led)| Lamp { name: name.to_string(), function: led.function }).collect(),
            outputs: outputs
                .map(|(name, output)| Output { name: name.to_string(), function: output.function })
                .collect(),
            pressable,
        }
    }

    /// What the gestures of a button do; `None` if there is no such button.
    pub fn gestures(&self, name: &ButtonName) -> Option<[Option<&Action>; 3]> {
        let button = self.buttons.iter().find(|button| button.name == name.as_str())?;
        Some([button.press.as_ref(), button.hold.as_ref(), button.double_press.as_ref()])
    }

    /// `GET /api/board`.
    pub fn show(&self) -> Json<Self> {
        Json(self.clone())
    }
}
