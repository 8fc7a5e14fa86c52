//! Buttons and other inputs on real lines: a thread for each waits for its
//! edges, so that a line that chatters or is lost holds up no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;

use super::Stamped;
use super::health::LineHealth;
use super::watch::{Surroundings, Watch, Who};
use super::wired::{Contact, Driver};
use crate::config::Board;
use crate::config::board::Edges;

/// The threads; told to end when this is dropped.
pub(super) struct EdgeThreads {
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    beats: Vec<Arc<AtomicU64>>,
}

impl EdgeThreads {
    /// Watches the buttons and inputs of a board. Those that cannot be used
    /// are told to `health` and tried again.
    pub(super) fn start(
        driver: &Arc<dyn Driver>,
        board: &Board,
        edges: &mpsc::Sender<Stamped>,
        health: &mpsc::Sender<LineHealth>,
    ) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let around = Surroundings {
            driver: Arc::clone(driver),
            end: Arc::clone(&end),
            edges: edges.clone(),
            health: health.clone(),
        };
        let buttons = board.buttons.iter().map(|(name, button)| {
            let contact = Contact { bias: button.bias, edge: button.edge };
            (Who::Button(name.clone()), &button.line, contact, (button.glitch_filter, button.debounce))
        });
        let inputs = board.inputs.iter().map(|(name, input)| {
            let contact = Contact { bias: input.bias, edge: Edges::Both };
            let who = Who::Input(name.clone(), input.function);
            (who, &input.line, contact, (input.glitch_filter, input.debounce))
        });
        let mut threads = Vec::new();
        let mut beats = Vec::new();
        for (who, line, contact, (glitch, debounce)) in buttons.chain(inputs) {
            let name = who.to_string();
            let spans = who.spans(contact.edge, glitch, debounce);
            let watch = Watch::new(who, line.clone(), contact, spans, around.clone());
            let beat = watch.beat();
            match thread::Builder::new().name("gpio-edge".to_owned()).spawn(move || watch.run()) {
                Ok(thread) => {
                    threads.push(thread);
                    beats.push(beat);
                }
                Err(error) => tracing::error!(line = name, %error, "no thread for an input"),
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc as std_mpsc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::appliance::event::LineEvent;
    use crate::config::board::Line;
    use crate::gpio::wired::{Driven, Edge, Input, Output};
    use crate::gpio::{LineError, kernel_time};
    use proptest::prelude::*;

    type Wired = std_mpsc::Receiver<bool>;

    /// Each way in is an input to be had: its level at first, then its edges,
    /// and lost when its sender is dropped. With none left there is no chip.
    struct Machine(Mutex<Vec<(bool, Wired)>>);

    impl Driver for Machine {
        fn input(&self, _line: &Line, _contact: Contact) -> Result<Box<dyn Input>, String> {
            let mut inputs = self.0.lock().unwrap();
            if inputs.is_empty() {
                return Err("no chip".to_owned());
            }
            let (level, edges) = inputs.remove(0);
            Ok(Box::new(Wire { level, edges }))
        }

        fn output(&self, _line: &Line, _driven: Driven, _on: bool) -> Result<Box<dyn Output>, String> {
            Err("no outputs here".to_owned())
        }
    }

    struct Wire {
        level: bool,
        edges: Wired,
    }

    impl Input for Wire {
        fn level(&mut self) -> Result<bool, String> {
            Ok(self.level)
        }

        fn wait(&mut self, limit: Duration, edges: &mut Vec<Edge>) -> Result<(), String> {
            match self.edges.recv_timeout(limit) {
                Ok(active) => {
                    let more = std::iter::once(active).chain(self.edges.try_iter());
                    edges.extend(more.map(|active| Edge { active, at: kernel_time::now() }));
                }
                Err(std_mpsc::RecvTimeoutError::Timeout) => {}
                Err(std_mpsc::RecvTimeoutError::Disconnected) => return Err("chip gone".to_owned()),
            }
            Ok(())
        }
    }

    struct Bench {
        threads: EdgeThreads,
        edges: mpsc::Receiver<Stamped>,
        health: mpsc::Receiver<LineHealth>,
        machine: Arc<Machine>,
    }

    impl Bench {
        fn next(&mut self) -> Option<LineEvent> {
            self.edges.blocking_recv().map(|stamped| stamped.event)
        }
    }

    fn bench(inputs: Vec<(bool, Wired)>) -> Bench {
        bench_of("[[button]]\nname = \"call\"\noffset = 1\n", inputs)
    }

    fn bench_of(line: &str, inputs: Vec<(bool, Wired)>) -> Bench {
        let text = format!("description = \"b\"\nchip = \"c\"\n{line}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.toml"), text).unwrap();
        let board = crate::config::BoardLoader::new(vec![folder.path().to_owned()]).load("b").unwrap();
        let (send_edges, edges) = mpsc::channel(64);
        let (send_health, health) = mpsc::channel(64);
        let machine = Arc::new(Machine(Mutex::new(inputs)));
        let driver: Arc<dyn Driver> = machine.clone();
        let threads = EdgeThreads::start(&driver, &board, &send_edges, &send_health);
        Bench { threads, edges, health, machine }
    }

    fn pressed() -> LineEvent {
        LineEvent::Pressed("call".into())
    }

    fn released() -> LineEvent {
        LineEvent::Released("call".into())
    }

    fn bounced() -> LineEvent {
        LineEvent::ButtonBounced("call".into())
    }

    fn lost(reason: &str) -> LineHealth {
        LineHealth::Lost(LineError { name: "button call".into(), reason: reason.into() })
    }

    #[test]
    fn a_button_that_is_in_at_the_start_is_pressed_once() {
        let (finger, wire) = std_mpsc::channel();
        let mut bench = bench(vec![(true, wire)]);
        finger.send(true).unwrap();
        finger.send(false).unwrap();
        assert_eq!(bench.next(), Some(pressed()));
        assert_eq!(bench.next(), Some(released()));
    }

    #[test]
    fn a_lost_line_lets_go_is_reported_once_and_is_back_by_itself() {
        let (finger, wire) = std_mpsc::channel();
        let mut bench = bench(vec![(true, wire)]);
        assert_eq!(bench.next(), Some(pressed()));
        drop(finger);
        assert_eq!(bench.next(), Some(released()));
        assert_eq!(bench.health.blocking_recv(), Some(lost("chip gone")));
        assert_eq!(bench.health.blocking_recv(), Some(lost("no chip")));
        let (finger, wire) = std_mpsc::channel();
        bench.machine.0.lock().unwrap().push((false, wire));
        assert_eq!(bench.health.blocking_recv(), Some(LineHealth::Back("button call".into())));
        finger.send(true).unwrap();
        assert_eq!(bench.next(), Some(pressed()));
    }

    fn input(name: &str, active: bool) -> LineEvent {
        LineEvent::Input { input: name.into(), active }
    }

    #[test]
    fn an_input_tells_its_level_at_the_start_and_each_change() {
        for level in [false, true] {
            let (hand, wire) = std_mpsc::channel();
            let line = "[[input]]\nname = \"exit\"\nfunction = \"exit\"\noffset = 1\n";
            let mut bench = bench_of(line, vec![(level, wire)]);
            assert_eq!(bench.next(), Some(input("exit", level)));
            hand.send(!level).unwrap();
            assert_eq!(bench.next(), Some(input("exit", !level)));
        }
    }

    #[test]
    fn a_contact_of_the_case_is_told_when_it_has_lasted_and_a_spark_is_a_bounce() {
        let (hand, wire) = std_mpsc::channel();
        let line = "[[input]]\nname = \"i\"\nfunction = \"tamper\"\noffset = 1\ndebounce = \"50ms\"\n";
        let mut bench = bench_of(line, vec![(false, wire)]);
        assert_eq!(bench.next(), Some(input("i", false)));
        for edge in [true, false, true] {
            hand.send(edge).unwrap();
        }
        let begin = Instant::now();
        for _ in 0..3 {
            assert_eq!(bench.next(), Some(LineEvent::InputBounced("i".into())));
        }
        let told = bench.edges.blocking_recv().unwrap();
        assert_eq!(told.event, input("i", true));
        assert!(begin.elapsed() >= Duration::from_millis(45), "told before it had lasted");
        assert!(told.at < begin + Duration::from_millis(45), "it counts from its beginning");
    }

    #[test]
    fn an_exit_button_that_is_lost_is_let_go_and_a_contact_keeps_what_it_said() {
        for (function, lets_go) in
            [("exit", true), ("hook", true), ("tamper", false), ("door-contact", false)]
        {
            let (hand, wire) = std_mpsc::channel();
            let line = format!("[[input]]\nname = \"i\"\nfunction = {function:?}\noffset = 1\n");
            let mut bench = bench_of(&line, vec![(true, wire)]);
            assert_eq!(bench.next(), Some(input("i", true)));
            drop(hand);
            let gone = LineHealth::Lost(LineError { name: "input i".into(), reason: "chip gone".into() });
            assert_eq!(bench.health.blocking_recv(), Some(gone), "{function}");
            let told = bench.edges.try_recv().ok().map(|stamped| stamped.event);
            assert_eq!(told, lets_go.then(|| input("i", false)), "{function}");
        }
    }

    #[test]
    fn a_contact_that_only_pulses_is_let_go_at_once() {
        let (hand, wire) = std_mpsc::channel();
        let line = "[[button]]\nname = \"call\"\nedge = \"press\"\noffset = 1\n";
        // Also of one that is found active: it may be so all day.
        let mut bench = bench_of(line, vec![(true, wire)]);
        for _ in 0..3 {
            hand.send(true).unwrap();
            assert_eq!((bench.next(), bench.next()), (Some(pressed()), Some(released())));
            hand.send(true).unwrap();
            assert_eq!(bench.next(), Some(bounced()), "a pulse so soon after is its bounce");
            thread::sleep(Duration::from_millis(40));
        }
    }

    #[test]
    fn where_the_board_asks_for_it_a_glitch_is_no_press() {
        let (hand, wire) = std_mpsc::channel();
        let line = "[[button]]\nname = \"call\"\nglitch-filter = \"50ms\"\noffset = 1\n";
        let mut bench = bench_of(line, vec![(false, wire)]);
        for _ in 0..5 {
            hand.send(true).unwrap();
            hand.send(false).unwrap();
        }
        thread::sleep(Duration::from_millis(200));
        assert!(bench.edges.try_recv().is_err(), "a glitch was a press");
        let begin = Instant::now();
        hand.send(true).unwrap();
        let press = bench.edges.blocking_recv().unwrap();
        assert_eq!(press.event, pressed());
        assert!(begin.elapsed() >= Duration::from_millis(50), "told before it had lasted");
        assert!(press.at < begin + Duration::from_millis(45), "a press counts from its beginning");
    }

    #[test]
    fn a_line_that_chatters_is_let_go_reported_and_followed_again_when_it_rests() {
        let (wire_end, wire) = std_mpsc::channel();
        let mut bench = bench(vec![(false, wire)]);
        for edge in 0..20_001 {
            wire_end.send(edge % 2 == 0).unwrap();
        }
        let mut told = 0;
        let reason = loop {
            while let Ok(stamped) = bench.edges.try_recv() {
                told += 1;
                assert!(told <= 1002, "a broken wire floods the box with {stamped:?}");
            }
            match bench.health.try_recv() {
                Ok(LineHealth::Lost(error)) => break error.to_string(),
                Ok(LineHealth::Back(name)) => panic!("{name} was never lost"),
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        };
        assert!(reason.starts_with("button call: chatters"), "{reason}");
        // Whatever it does meanwhile, it counts as let go; at rest it is what it is: pressed.
        assert_eq!(bench.health.blocking_recv(), Some(LineHealth::Back("button call".into())));
        let mut last = None;
        while let Ok(stamped) = bench.edges.try_recv() {
            last = Some(stamped.event);
        }
        assert_ne!(last, Some(pressed()), "it was never pressed at rest");
        wire_end.send(true).unwrap();
        assert_eq!(bench.next(), Some(pressed()));
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
        /// Whatever a line without a debounce does, presses and releases alternate and end where the line is.
        #[test]
        fn told_edges_alternate_and_end_at_the_level(start: bool, levels in prop::collection::vec(any::<bool>(), 0..30)) {
            let (finger, wire) = std_mpsc::channel();
            for level in &levels {
                finger.send(*level).unwrap();
            }
            let line = "[[button]]\nname = \"call\"\noffset = 1\ndebounce = \"0ms\"\n";
            let mut bench = bench_of(line, vec![(start, wire)]);
            let mut expected = vec![start];
            expected.extend(&levels);
            expected.insert(0, false);
            expected.dedup();
            for level in &expected[1..] {
                let event = if *level { pressed() } else { released() };
                prop_assert_eq!(bench.next(), Some(event));
            }
            prop_assert!(bench.edges.try_recv().is_err());
        }
    }
}
