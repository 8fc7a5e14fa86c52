//! The desktop board: buttons and inputs moved by `callbox press`, the panel
//! or a test; lamps and outputs that live in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{LineError, Lines, Stamped};
use crate::appliance::event::LineEvent;
use crate::appliance::id::{LedName, OutputName};
use crate::config::Board;

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
    lines: Arc<BTreeMap<String, Line>>,
    state: Arc<Mutex<State>>,
    edges: mpsc::Sender<Stamped>,
}

#[derive(Clone, Copy)]
struct Line {
    kind: Kind,
    /// What is shorter is no edge to active.
    filter: Duration,
}

#[derive(Clone, Copy)]
enum Kind {
    Button,
    Input,
}

#[derive(Default)]
struct State {
    /// Which lines are active.
    active: BTreeSet<String>,
    /// Which of them are known to be.
    told: BTreeSet<String>,
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
    /// The buttons and inputs of a board, whose edges go to `edges`: for each
    /// input its level at the start, inactive, is one.
    pub fn new(board: &Board, edges: mpsc::Sender<Stamped>) -> Self {
        let buttons = board.buttons.iter().map(|(name, button)| {
            (name.0.clone(), Line { kind: Kind::Button, filter: button.glitch_filter })
        });
        let inputs = board
            .inputs
            .iter()
            .map(|(name, input)| (name.0.clone(), Line { kind: Kind::Input, filter: input.glitch_filter }));
        for input in board.inputs.keys() {
            let event = LineEvent::Input { input: input.clone(), active: false };
            if edges.try_send(Stamped { event, at: Instant::now() }).is_err() {
                tracing::warn!(%input, "its first level was not told: the appliance is busy or has ended");
            }
        }
        Self { lines: Arc::new(buttons.chain(inputs).collect()), state: Arc::default(), edges }
    }

    /// Pushes a button in or makes an input active; it stays so until
    /// [`MockButtons::release`]. One that is in already is let go first, so
    /// that every call is a press.
    ///
    /// # Errors
    /// [`MockError`] for an unknown name or when the appliance has ended.
    pub async fn press(&self, name: &str) -> Result<(), MockError> {
        let line = self.known(name)?;
        if !self.state().active.insert(name.to_owned()) {
            self.let_go(line, name).await?;
            tokio::time::sleep(BETWEEN_PRESSES).await;
        }
        if line.filter.is_zero() {
            return self.push_in(line, name).await;
        }
        let (lines, name) = (self.clone(), name.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(line.filter).await;
            let lasted = lines.state().active.contains(&name);
            if lasted && let Err(error) = lines.push_in(line, &name).await {
                tracing::debug!(%error, name, "a press was not told");
            }
        });
        Ok(())
    }

    /// Lets a button go or makes an input inactive; nothing happens if it is so already.
    ///
    /// # Errors
    /// [`MockError`] for an unknown name or when the appliance has ended.
    pub async fn release(&self, name: &str) -> Result<(), MockError> {
        let line = self.known(name)?;
        self.state().active.remove(name);
        self.let_go(line, name).await
    }

    /// The names of buttons and inputs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.keys().map(String::as_str)
    }

    async fn push_in(&self, line: Line, name: &str) -> Result<(), MockError> {
        let news = self.state().told.insert(name.to_owned());
        if news { self.send(line.kind, name, true).await } else { Ok(()) }
    }

    async fn let_go(&self, line: Line, name: &str) -> Result<(), MockError> {
        let news = self.state().told.remove(name);
        if news { self.send(line.kind, name, false).await } else { Ok(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, name: &str) -> Result<Line, MockError> {
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
    use crate::appliance::id::ButtonName;
    use crate::config::BoardLoader;

    /// A button `call`, one that filters glitches, and an input `exit`.
    fn board() -> (MockButtons, mpsc::Receiver<Stamped>) {
        let text = "chip = \"c\"\n[[button]]\nname = \"call\"\noffset = 1\n\
            [[button]]\nname = \"careful\"\noffset = 2\nglitch-filter = \"20ms\"\n\
            [[input]]\nname = \"exit\"\nfunction = \"exit\"\noffset = 3\n";
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.toml"), text).unwrap();
        let board = BoardLoader::new(vec![folder.path().to_owned()]).load("b").unwrap();
        let (edges, mut seen) = mpsc::channel(8);
        let lines = MockButtons::new(&board, edges);
        let first = LineEvent::Input { input: "exit".into(), active: false };
        assert_eq!(seen.try_recv().map(|edge| edge.event), Ok(first), "its level at the start");
        (lines, seen)
    }

    async fn all(lines: MockButtons, mut seen: mpsc::Receiver<Stamped>) -> Vec<LineEvent> {
        drop(lines);
        let mut events = Vec::new();
        while let Some(edge) = seen.recv().await {
            events.push(edge.event);
        }
        events
    }

    fn press_and_release(name: &str) -> [LineEvent; 2] {
        let name = ButtonName::from(name);
        [LineEvent::Pressed(name.clone()), LineEvent::Released(name)]
    }

    #[tokio::test(start_paused = true)]
    async fn every_press_is_an_edge_also_of_a_button_that_is_down() {
        let (buttons, seen) = board();
        buttons.press("call").await.unwrap();
        buttons.press("call").await.unwrap();
        buttons.release("call").await.unwrap();
        buttons.release("call").await.unwrap();
        let once = press_and_release("call");
        assert_eq!(all(buttons, seen).await, [once.clone(), once].concat());
    }

    #[tokio::test]
    async fn an_input_is_moved_like_a_button() {
        let (lines, seen) = board();
        lines.press("exit").await.unwrap();
        lines.release("exit").await.unwrap();
        let input = |active| LineEvent::Input { input: "exit".into(), active };
        assert_eq!(all(lines, seen).await, [input(true), input(false)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_glitch_is_no_press_where_the_board_asks_for_that() {
        let (buttons, seen) = board();
        for (ms, pause) in [(1, 100), (30, 100)] {
            buttons.press("careful").await.unwrap();
            tokio::time::sleep(Duration::from_millis(ms)).await;
            buttons.release("careful").await.unwrap();
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        assert_eq!(all(buttons, seen).await, press_and_release("careful"));
    }

    #[tokio::test]
    async fn an_unknown_button_is_refused_with_the_names_there_are() {
        let (buttons, _seen) = board();
        let error = buttons.press("cal").await.unwrap_err();
        assert_eq!(error.to_string(), "no button \"cal\" on this board: it has call, careful, exit");
    }
}
