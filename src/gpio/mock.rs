//! The desktop board: buttons pressed by `callbox press`, the panel or a
//! test; lamps and outputs that live in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{LineError, Lines};
use crate::appliance::event::LineEvent;
use crate::appliance::id::{ButtonName, LedName, OutputName};

/// Pause between the edges that [`MockButtons::press`] makes of a button that
/// is already down: longer than any debounce a board asks for.
const BETWEEN_PRESSES: Duration = Duration::from_millis(120);

/// The levels of the lines, readable while the appliance runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Which lamps are lit.
    pub leds: BTreeMap<LedName, bool>,
    /// Which outputs are on.
    pub outputs: BTreeMap<OutputName, bool>,
}

/// The output side of the mock board.
#[derive(Clone, Default)]
pub struct MockLines {
    levels: Arc<Mutex<Levels>>,
}

impl MockLines {
    /// What the lines show now.
    pub fn levels(&self) -> Levels {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Lines for MockLines {
    fn set_led(&mut self, led: &LedName, lit: bool) -> Result<(), LineError> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).leds.insert(led.clone(), lit);
        Ok(())
    }

    fn set_output(&mut self, output: &OutputName, on: bool) -> Result<(), LineError> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).outputs.insert(output.clone(), on);
        Ok(())
    }
}

/// The fingers on the mock board's buttons.
#[derive(Clone)]
pub struct MockButtons {
    names: Arc<BTreeSet<ButtonName>>,
    down: Arc<Mutex<BTreeSet<ButtonName>>>,
    edges: mpsc::Sender<LineEvent>,
}

/// Why a button of the mock board could not be moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MockError {
    /// The board has no such button.
    #[error("no button {name:?} on this board: it has {has}")]
    NoSuchButton {
        /// The name asked for.
        name: String,
        /// The names there are.
        has: String,
    },
    /// The appliance has ended.
    #[error("the appliance has ended")]
    Ended,
}

impl MockButtons {
    /// Buttons of these names, whose edges go to `edges`.
    pub fn new(names: impl IntoIterator<Item = ButtonName>, edges: mpsc::Sender<LineEvent>) -> Self {
        Self { names: Arc::new(names.into_iter().collect()), down: Arc::default(), edges }
    }

    /// Pushes a button in; it stays in until [`MockButtons::release`]. One
    /// that is in already is let go first, so that every call is a press.
    ///
    /// # Errors
    /// [`MockError`] for an unknown button or when the appliance has ended.
    pub async fn press(&self, name: &str) -> Result<(), MockError> {
        let button = self.known(name)?;
        if !self.mark(&button, true) {
            self.send(LineEvent::Released(button.clone())).await?;
            tokio::time::sleep(BETWEEN_PRESSES).await;
        }
        self.send(LineEvent::Pressed(button)).await
    }

    /// Lets a button go; nothing happens if it is not in.
    ///
    /// # Errors
    /// [`MockError`] for an unknown button or when the appliance has ended.
    pub async fn release(&self, name: &str) -> Result<(), MockError> {
        let button = self.known(name)?;
        if self.mark(&button, false) {
            self.send(LineEvent::Released(button)).await?;
        }
        Ok(())
    }

    /// The buttons' names.
    pub fn names(&self) -> impl Iterator<Item = &ButtonName> {
        self.names.iter()
    }

    /// Remembers whether a button is in; true if that is new.
    fn mark(&self, button: &ButtonName, pressed: bool) -> bool {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if pressed { down.insert(button.clone()) } else { down.remove(button) }
    }

    fn known(&self, name: &str) -> Result<ButtonName, MockError> {
        let button = ButtonName::from(name);
        if self.names.contains(&button) {
            return Ok(button);
        }
        let has = self.names.iter().map(ButtonName::as_str).collect::<Vec<_>>().join(", ");
        Err(MockError::NoSuchButton { name: name.to_owned(), has })
    }

    async fn send(&self, edge: LineEvent) -> Result<(), MockError> {
        self.edges.send(edge).await.map_err(|_| MockError::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_press_is_an_edge_also_of_a_button_that_is_down() {
        let (edges, mut seen) = mpsc::channel(8);
        let buttons = MockButtons::new([ButtonName::from("call")], edges);
        buttons.press("call").await.unwrap();
        buttons.press("call").await.unwrap();
        buttons.release("call").await.unwrap();
        buttons.release("call").await.unwrap();
        drop(buttons);
        let mut edges = Vec::new();
        while let Some(edge) = seen.recv().await {
            edges.push(edge);
        }
        let call = ButtonName::from("call");
        assert_eq!(
            edges,
            [
                LineEvent::Pressed(call.clone()),
                LineEvent::Released(call.clone()),
                LineEvent::Pressed(call.clone()),
                LineEvent::Released(call),
            ]
        );
    }

    #[tokio::test]
    async fn an_unknown_button_is_refused_with_the_names_there_are() {
        let (edges, _seen) = mpsc::channel(8);
        let buttons = MockButtons::new([ButtonName::from("call"), ButtonName::from("exit")], edges);
        let error = buttons.press("cal").await.unwrap_err();
        assert_eq!(error.to_string(), "no button \"cal\" on this board: it has call, exit");
    }
}
