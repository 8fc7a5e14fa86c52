//! The desktop board: buttons and inputs moved by `callbox press`, the panel
//! or a test; lamps and outputs that live in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{LineError, Lines, Stamped};
use crate::appliance::event::LineEvent;
use crate::appliance::id::{ButtonName, InputName, LedName, OutputName};

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

/// The fingers on the mock board's buttons and inputs.
#[derive(Clone)]
pub struct MockButtons {
    lines: Arc<BTreeMap<String, Kind>>,
    down: Arc<Mutex<BTreeSet<String>>>,
    edges: mpsc::Sender<Stamped>,
}

#[derive(Clone, Copy)]
enum Kind {
    Button,
    Input,
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
    /// Buttons and inputs of these names, whose edges go to `edges`: for each
    /// input its level at the start, inactive, is one.
    pub fn new(
        buttons: impl IntoIterator<Item = ButtonName>,
        inputs: impl IntoIterator<Item = InputName>,
        edges: mpsc::Sender<Stamped>,
    ) -> Self {
        let mut lines: BTreeMap<String, Kind> =
            buttons.into_iter().map(|name| (name.0, Kind::Button)).collect();
        for input in inputs {
            let event = LineEvent::Input { input: input.clone(), active: false };
            if edges.try_send(Stamped { event, at: Instant::now() }).is_err() {
                tracing::warn!(%input, "its first level was not told: the appliance is busy or has ended");
            }
            lines.insert(input.0, Kind::Input);
        }
        Self { lines: Arc::new(lines), down: Arc::default(), edges }
    }

    /// Pushes a button in or makes an input active; it stays so until
    /// [`MockButtons::release`]. One that is in already is let go first, so
    /// that every call is a press.
    ///
    /// # Errors
    /// [`MockError`] for an unknown name or when the appliance has ended.
    pub async fn press(&self, name: &str) -> Result<(), MockError> {
        let kind = self.known(name)?;
        if !self.mark(name, true) {
            self.send(kind, name, false).await?;
            tokio::time::sleep(BETWEEN_PRESSES).await;
        }
        self.send(kind, name, true).await
    }

    /// Lets a button go or makes an input inactive; nothing happens if it is so already.
    ///
    /// # Errors
    /// [`MockError`] for an unknown name or when the appliance has ended.
    pub async fn release(&self, name: &str) -> Result<(), MockError> {
        let kind = self.known(name)?;
        if self.mark(name, false) {
            self.send(kind, name, false).await?;
        }
        Ok(())
    }

    /// The names of buttons and inputs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.keys().map(String::as_str)
    }

    /// Remembers whether a line is active; true if that is new.
    fn mark(&self, name: &str, active: bool) -> bool {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if active { down.insert(name.to_owned()) } else { down.remove(name) }
    }

    fn known(&self, name: &str) -> Result<Kind, MockError> {
        self.lines.get(name).copied().ok_or_else(|| {
            let has = self.names().collect::<Vec<_>>().join(", ");
            MockError::NoSuchButton { name: name.to_owned(), has }
        })
    }

    async fn send(&self, kind: Kind, name: &str, active: bool) -> Result<(), MockError> {
        let event = match (kind, active) {
            (Kind::Button, true) => LineEvent::Pressed(name.into()),
            (Kind::Button, false) => LineEvent::Released(name.into()),
            (Kind::Input, active) => LineEvent::Input { input: name.into(), active },
        };
        self.edges.send(Stamped { event, at: Instant::now() }).await.map_err(|_| MockError::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_press_is_an_edge_also_of_a_button_that_is_down() {
        let (edges, mut seen) = mpsc::channel(8);
        let buttons = MockButtons::new([ButtonName::from("call")], [], edges);
        buttons.press("call").await.unwrap();
        buttons.press("call").await.unwrap();
        buttons.release("call").await.unwrap();
        buttons.release("call").await.unwrap();
        drop(buttons);
        let mut edges = Vec::new();
        while let Some(edge) = seen.recv().await {
            edges.push(edge.event);
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
    async fn an_input_begins_inactive_and_is_moved_like_a_button() {
        let (edges, mut seen) = mpsc::channel(8);
        let lines = MockButtons::new([], [InputName::from("tamper")], edges);
        lines.press("tamper").await.unwrap();
        lines.release("tamper").await.unwrap();
        drop(lines);
        for level in [false, true, false] {
            let event = LineEvent::Input { input: "tamper".into(), active: level };
            assert_eq!(seen.recv().await.map(|edge| edge.event), Some(event));
        }
        assert_eq!(seen.recv().await, None);
    }

    #[tokio::test]
    async fn an_unknown_button_is_refused_with_the_names_there_are() {
        let (edges, _seen) = mpsc::channel(8);
        let buttons = MockButtons::new([ButtonName::from("call")], [InputName::from("exit")], edges);
        let error = buttons.press("cal").await.unwrap_err();
        assert_eq!(error.to_string(), "no button \"cal\" on this board: it has call, exit");
    }
}
