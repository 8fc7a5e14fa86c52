//! Buttons on real lines: a thread for each waits for its edges, so that a
//! line that chatters or is lost holds up no other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

use super::LineError;
use super::health::LineHealth;
use super::wired::{Backoff, Driver, Edge, Input};
use crate::appliance::event::LineEvent;
use crate::appliance::id::ButtonName;
use crate::config::board::BoardButton;

/// How soon a thread notices that it should end.
const LOOK_UP: Duration = Duration::from_millis(250);

/// The threads; told to end when this is dropped.
pub(super) struct EdgeThreads {
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    beats: Vec<Arc<AtomicU64>>,
}

impl EdgeThreads {
    /// Watches these buttons. Those that cannot be used are told to `health`
    /// and tried again.
    pub(super) fn start(
        driver: &Arc<dyn Driver>,
        buttons: &BTreeMap<ButtonName, BoardButton>,
        edges: &mpsc::Sender<LineEvent>,
        health: &mpsc::Sender<LineHealth>,
    ) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let mut beats = Vec::new();
        for (name, button) in buttons {
            let watch = Watch {
                name: name.clone(),
                button: button.clone(),
                driver: Arc::clone(driver),
                end: Arc::clone(&end),
                edges: edges.clone(),
                health: health.clone(),
                down: false,
                lost: None,
                backoff: Backoff::default(),
                beat: Arc::default(),
            };
            let beat = Arc::clone(&watch.beat);
            match thread::Builder::new().name("gpio-edge".to_owned()).spawn(move || watch.run()) {
                Ok(thread) => {
                    threads.push(thread);
                    beats.push(beat);
                }
                Err(error) => tracing::error!(button = name.as_str(), %error, "no thread for a button"),
            }
        }
        Self { end, threads, beats }
    }

    /// A number for each thread that moves while it does.
    pub(super) fn beats(&self) -> Vec<Arc<AtomicU64>> {
        self.beats.clone()
    }
}

impl Drop for EdgeThreads {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in &self.threads {
            thread.thread().unpark();
        }
    }
}

/// Why a watch ends: it was told to, or nobody listens any more.
struct Ended;

/// One button.
struct Watch {
    name: ButtonName,
    button: BoardButton,
    driver: Arc<dyn Driver>,
    end: Arc<AtomicBool>,
    edges: mpsc::Sender<LineEvent>,
    health: mpsc::Sender<LineHealth>,
    /// What was last told.
    down: bool,
    /// Why the line cannot be used, as last told.
    lost: Option<String>,
    backoff: Backoff,
    beat: Arc<AtomicU64>,
}

impl Watch {
    fn run(mut self) {
        while !self.end.load(Ordering::Relaxed) {
            self.beat.fetch_add(1, Ordering::Relaxed);
            if self.once().is_err() {
                return;
            }
            thread::park_timeout(self.backoff.wait());
        }
    }

    /// Takes the line and follows it until it is lost.
    fn once(&mut self) -> Result<(), Ended> {
        let reason = match self.driver.input(&self.button.line, self.button.bias) {
            Ok(input) => self.follow(input)?,
            Err(reason) => reason,
        };
        // A button that cannot be seen counts as let go: nobody may be heard
        // for ever because the wire of push-to-talk broke.
        self.tell(false)?;
        if self.lost.as_ref() != Some(&reason) {
            self.lost = Some(reason.clone());
            self.report(LineHealth::Lost(LineError { name: self.full_name(), reason }))?;
        }
        Ok(())
    }

    /// Passes edges on; returns why the line was lost.
    fn follow(&mut self, mut input: Box<dyn Input>) -> Result<String, Ended> {
        let mut seen: Vec<Edge> = Vec::new();
        match input.level() {
            Ok(active) => self.tell(active)?,
            Err(reason) => return Ok(reason),
        }
        if self.lost.take().is_some() {
            self.report(LineHealth::Back(self.full_name()))?;
        }
        while !self.end.load(Ordering::Relaxed) {
            self.beat.fetch_add(1, Ordering::Relaxed);
            if let Err(reason) = input.wait(LOOK_UP, &mut seen) {
                return Ok(reason);
            }
            self.backoff = Backoff::default();
            for edge in seen.drain(..) {
                tracing::trace!(button = self.name.as_str(), active = edge.active, at = ?edge.at, "edge");
                self.tell(edge.active)?;
            }
        }
        Err(Ended)
    }

    /// Tells only changes: the level at the start and an edge on its way may say the same.
    fn tell(&mut self, down: bool) -> Result<(), Ended> {
        if self.down == down {
            return Ok(());
        }
        self.down = down;
        let name = self.name.clone();
        let event = if down { LineEvent::Pressed(name) } else { LineEvent::Released(name) };
        // Waits for room like all who talk to the driver; its end closes the channel.
        self.edges.blocking_send(event).map_err(|_| Ended)
    }

    fn report(&self, news: LineHealth) -> Result<(), Ended> {
        self.health.blocking_send(news).map_err(|_| Ended)
    }

    fn full_name(&self) -> String {
        format!("button {}", self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc as std_mpsc;
    use std::time::Instant;

    use super::*;
    use crate::config::board::{Bias, Line};
    use crate::gpio::wired::Output;
    use proptest::prelude::*;

    type Edges = std_mpsc::Receiver<bool>;

    /// Each way in is an input to be had: its level at first, then its edges,
    /// and lost when its sender is dropped. With none left there is no chip.
    struct Machine(Mutex<Vec<(bool, Edges)>>);

    impl Driver for Machine {
        fn input(&self, _line: &Line, _bias: Bias) -> Result<Box<dyn Input>, String> {
            let mut inputs = self.0.lock().unwrap();
            if inputs.is_empty() {
                return Err("no chip".to_owned());
            }
            let (level, edges) = inputs.remove(0);
            Ok(Box::new(Wire { level, edges }))
        }

        fn output(&self, _line: &Line, _on: bool) -> Result<Box<dyn Output>, String> {
            Err("no outputs here".to_owned())
        }
    }

    struct Wire {
        level: bool,
        edges: Edges,
    }

    impl Input for Wire {
        fn level(&mut self) -> Result<bool, String> {
            Ok(self.level)
        }

        fn wait(&mut self, limit: Duration, edges: &mut Vec<Edge>) -> Result<(), String> {
            match self.edges.recv_timeout(limit) {
                Ok(active) => edges.push(Edge { active, at: Duration::ZERO }),
                Err(std_mpsc::RecvTimeoutError::Timeout) => {}
                Err(std_mpsc::RecvTimeoutError::Disconnected) => return Err("chip gone".to_owned()),
            }
            Ok(())
        }
    }

    struct Bench {
        threads: EdgeThreads,
        edges: mpsc::Receiver<LineEvent>,
        health: mpsc::Receiver<LineHealth>,
        machine: Arc<Machine>,
    }

    fn bench(inputs: Vec<(bool, Edges)>) -> Bench {
        let text = "description = \"b\"\nchip = \"c\"\n[[button]]\nname = \"call\"\noffset = 1\n";
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.toml"), text).unwrap();
        let board = crate::config::BoardLoader::new(vec![folder.path().to_owned()]).load("b").unwrap();
        let (send_edges, edges) = mpsc::channel(64);
        let (send_health, health) = mpsc::channel(64);
        let machine = Arc::new(Machine(Mutex::new(inputs)));
        let driver: Arc<dyn Driver> = machine.clone();
        let threads = EdgeThreads::start(&driver, &board.buttons, &send_edges, &send_health);
        Bench { threads, edges, health, machine }
    }

    fn pressed() -> LineEvent {
        LineEvent::Pressed("call".into())
    }

    fn released() -> LineEvent {
        LineEvent::Released("call".into())
    }

    fn lost(reason: &str) -> LineHealth {
        LineHealth::Lost(LineError { name: "button call".into(), reason: reason.into() })
    }

    #[test]
    fn a_button_that_is_in_at_the_start_is_pressed_once() {
        let (finger, wire) = std_mpsc::channel();
        finger.send(true).unwrap();
        finger.send(false).unwrap();
        let mut bench = bench(vec![(true, wire)]);
        assert_eq!(bench.edges.blocking_recv(), Some(pressed()));
        assert_eq!(bench.edges.blocking_recv(), Some(released()));
    }

    #[test]
    fn a_lost_line_lets_go_is_reported_once_and_is_back_by_itself() {
        let (finger, wire) = std_mpsc::channel();
        let mut bench = bench(vec![(true, wire)]);
        assert_eq!(bench.edges.blocking_recv(), Some(pressed()));
        drop(finger);
        assert_eq!(bench.edges.blocking_recv(), Some(released()));
        assert_eq!(bench.health.blocking_recv(), Some(lost("chip gone")));
        assert_eq!(bench.health.blocking_recv(), Some(lost("no chip")));
        let (finger, wire) = std_mpsc::channel();
        bench.machine.0.lock().unwrap().push((false, wire));
        assert_eq!(bench.health.blocking_recv(), Some(LineHealth::Back("button call".into())));
        finger.send(true).unwrap();
        assert_eq!(bench.edges.blocking_recv(), Some(pressed()));
    }

    #[test]
    fn threads_end_when_told_whether_the_line_is_there_or_not() {
        let (_finger, wire) = std_mpsc::channel();
        for inputs in [vec![(false, wire)], vec![]] {
            let mut bench = bench(inputs);
            let threads = std::mem::take(&mut bench.threads.threads);
            // Parked or waiting: both must notice.
            thread::sleep(Duration::from_millis(50));
            drop(bench.threads);
            let begin = Instant::now();
            for thread in threads {
                thread.join().unwrap();
            }
            assert!(begin.elapsed() < Duration::from_secs(3), "took {:?}", begin.elapsed());
        }
    }

    #[test]
    fn a_thread_ends_when_nobody_listens_even_with_the_channel_full() {
        let (finger, wire) = std_mpsc::channel();
        let mut bench = bench(vec![(false, wire)]);
        for i in 0..200 {
            finger.send(i % 2 == 0).unwrap();
        }
        let threads = std::mem::take(&mut bench.threads.threads);
        drop(bench.edges);
        for thread in threads {
            thread.join().unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Whatever the line does, presses and releases alternate and end where the line is.
        #[test]
        fn told_edges_alternate_and_end_at_the_level(start: bool, levels in prop::collection::vec(any::<bool>(), 0..30)) {
            let (finger, wire) = std_mpsc::channel();
            for level in &levels {
                finger.send(*level).unwrap();
            }
            let mut bench = bench(vec![(start, wire)]);
            let mut expected = vec![start];
            expected.extend(&levels);
            expected.insert(0, false);
            expected.dedup();
            for level in &expected[1..] {
                let event = if *level { pressed() } else { released() };
                prop_assert_eq!(bench.edges.blocking_recv(), Some(event));
            }
            prop_assert!(bench.edges.try_recv().is_err());
        }
    }
}
