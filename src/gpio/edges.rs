//! Buttons and other inputs on real lines: a thread for each waits for its
//! edges, so that a line that chatters or is lost holds up no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

use super::chatter::{Chatter, Verdict};
use super::health::LineHealth;
use super::quiet::Quiet;
use super::wired::{Backoff, Contact, Driver, Edge, Input};
use super::{LineError, Stamped, kernel_time};
use crate::appliance::event::LineEvent;
use crate::appliance::id::{ButtonName, InputName};
use crate::appliance::input::InputFunction;
use crate::config::Board;
use crate::config::board::{Edges, Line};

/// How soon a thread notices that it should end.
const LOOK_UP: Duration = Duration::from_millis(250);

/// How often a line that chatters is looked at.
const CHATTER_LOOK: Duration = Duration::from_millis(50);

/// The threads; told to end when this is dropped.
pub(super) struct EdgeThreads {
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
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
        let buttons = board.buttons.iter().map(|(name, button)| {
            let contact = Contact { bias: button.bias, edge: button.edge, filter: button.glitch_filter };
            (Who::Button(name.clone()), &button.line, contact)
        });
        let inputs = board.inputs.iter().map(|(name, input)| {
            let contact = Contact { bias: input.bias, edge: Edges::Both, filter: input.glitch_filter };
            (Who::Input(name.clone(), input.function), &input.line, contact)
        });
        let mut threads = Vec::new();
        for (who, line, contact) in buttons.chain(inputs) {
            let name = who.to_string();
            let watch = Watch {
                told: who.at_first(),
                who,
                line: line.clone(),
                contact,
                driver: Arc::clone(driver),
                end: Arc::clone(&end),
                edges: edges.clone(),
                health: health.clone(),
                lost: None,
                backoff: Backoff::default(),
            };
            match thread::Builder::new().name("gpio-edge".to_owned()).spawn(move || watch.run()) {
                Ok(thread) => threads.push(thread),
                Err(error) => tracing::error!(line = name, %error, "no thread for an input"),
            }
        }
        Self { end, threads }
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

/// Whose line it is.
enum Who {
    Button(ButtonName),
    Input(InputName, InputFunction),
}

impl Who {
    /// What counts as told before anything was: a button is let go, and the
    /// level of any other input is news.
    fn at_first(&self) -> Option<bool> {
        match self {
            Who::Button(_) => Some(false),
            Who::Input(..) => None,
        }
    }

    /// What to tell when the line cannot be seen. A button counts as let go:
    /// nobody may be heard for ever because the wire of push-to-talk broke.
    /// What a contact of case or door said last stays, and the fault says the rest.
    fn unseen(&self) -> Option<bool> {
        match self {
            Who::Button(_) | Who::Input(_, InputFunction::Exit | InputFunction::Hook) => Some(false),
            Who::Input(_, InputFunction::Tamper | InputFunction::DoorContact) => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Who::Button(name) => name.as_str(),
            Who::Input(name, _) => name.as_str(),
        }
    }

    fn event(&self, active: bool) -> LineEvent {
        match self {
            Who::Button(name) if active => LineEvent::Pressed(name.clone()),
            Who::Button(name) => LineEvent::Released(name.clone()),
            Who::Input(name, _) => LineEvent::Input { input: name.clone(), active },
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Who::Button(name) => write!(f, "button {name}"),
            Who::Input(name, _) => write!(f, "input {name}"),
        }
    }
}

/// Why a watch ends: it was told to, or nobody listens any more.
struct Ended;

/// One line.
struct Watch {
    who: Who,
    line: Line,
    contact: Contact,
    driver: Arc<dyn Driver>,
    end: Arc<AtomicBool>,
    edges: mpsc::Sender<Stamped>,
    health: mpsc::Sender<LineHealth>,
    /// What was last told.
    told: Option<bool>,
    /// Why the line cannot be used, as last told.
    lost: Option<String>,
    backoff: Backoff,
}

impl Watch {
    fn run(mut self) {
        while !self.end.load(Ordering::Relaxed) {
            if self.once().is_err() {
                return;
            }
            thread::park_timeout(self.backoff.wait());
        }
    }

    /// Takes the line and follows it until it is lost.
    fn once(&mut self) -> Result<(), Ended> {
        let reason = match self.driver.input(&self.line, self.contact) {
            Ok(input) => self.follow(input)?,
            Err(reason) => reason,
        };
        self.lose(reason)
    }

    /// Passes edges on; returns why the line was lost.
    fn follow(&mut self, mut input: Box<dyn Input>) -> Result<String, Ended> {
        let level = match input.level() {
            Ok(level) => level,
            Err(reason) => return Ok(reason),
        };
        self.tell(level, kernel_time::now())?;
        self.found()?;
        let mut quiet = self.filter(input.as_ref(), level);
        let mut chatter = Chatter::default();
        let mut seen: Vec<Edge> = Vec::new();
        while !self.end.load(Ordering::Relaxed) {
            // Taken before the wait: edges up to here are in by its end.
            let now = kernel_time::now();
            let due = quiet.as_ref().and_then(Quiet::due).map(|due| due.saturating_sub(now));
            if let Err(reason) = input.wait(due.map_or(LOOK_UP, |due| due.min(LOOK_UP)), &mut seen) {
                return Ok(reason);
            }
            self.backoff = Backoff::default();
            match chatter.judge(seen.len(), kernel_time::now()) {
                Verdict::Sound => self.pass_on(&mut seen, &mut quiet, now)?,
                Verdict::Begins => {
                    self.lose(
                        "chatters: more than 1000 edges in a second; see to its wire and contact".to_owned(),
                    )?;
                }
                Verdict::Chatters => {}
                Verdict::Rests(unheard) => {
                    tracing::warn!(line = %self.who, unheard, "rests again");
                    let level = match input.level() {
                        Ok(level) => level,
                        Err(reason) => return Ok(reason),
                    };
                    quiet = self.filter(input.as_ref(), level);
                    self.tell(level, kernel_time::now())?;
                    self.found()?;
                }
            }
            if self.lost.is_some() {
                seen.clear();
                thread::park_timeout(CHATTER_LOOK);
            }
        }
        Err(Ended)
    }

    /// The filter that the board asks for, unless the kernel has it.
    fn filter(&self, input: &dyn Input, level: bool) -> Option<Quiet> {
        let own = !self.contact.filter.is_zero() && !input.filters();
        own.then(|| Quiet::new(self.contact.filter, level))
    }

    fn pass_on(
        &mut self,
        seen: &mut Vec<Edge>,
        quiet: &mut Option<Quiet>,
        now: Duration,
    ) -> Result<(), Ended> {
        for edge in seen.drain(..) {
            tracing::trace!(button = self.who.name(), active = edge.active, at = ?edge.at, "edge");
            let sure = match quiet {
                Some(quiet) => quiet.edge(edge),
                None => Some(edge),
            };
            self.tell_edge(sure)?;
        }
        let sure = quiet.as_mut().and_then(|quiet| quiet.look(now));
        self.tell_edge(sure)
    }

    fn tell_edge(&mut self, edge: Option<Edge>) -> Result<(), Ended> {
        let Some(edge) = edge else { return Ok(()) };
        self.tell(edge.active, edge.at)?;
        match self.contact.edge {
            Edges::Both => Ok(()),
            Edges::Press => self.tell(false, edge.at),
        }
    }

    /// Tells only changes: the level at the start and an edge on its way may say the same.
    fn tell(&mut self, active: bool, at: Duration) -> Result<(), Ended> {
        if self.told == Some(active) {
            return Ok(());
        }
        self.told = Some(active);
        let stamped = Stamped { event: self.who.event(active), at: kernel_time::instant(at) };
        // Waits for room like all who talk to the driver; its end closes the channel.
        self.edges.blocking_send(stamped).map_err(|_| Ended)
    }

    fn lose(&mut self, reason: String) -> Result<(), Ended> {
        if let Some(level) = self.who.unseen()
            && self.told == Some(!level)
        {
            self.tell(level, kernel_time::now())?;
        }
        if self.lost.as_ref() != Some(&reason) {
            self.lost = Some(reason.clone());
            self.report(LineHealth::Lost(LineError { name: self.who.to_string(), reason }))?;
        }
        Ok(())
    }

    fn found(&mut self) -> Result<(), Ended> {
        match self.lost.take() {
            Some(_) => self.report(LineHealth::Back(self.who.to_string())),
            None => Ok(()),
        }
    }

    fn report(&self, news: LineHealth) -> Result<(), Ended> {
        self.health.blocking_send(news).map_err(|_| Ended)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc as std_mpsc;
    use std::time::Instant;

    use super::*;
    use crate::gpio::wired::{Driven, Output};
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

        fn filters(&self) -> bool {
            false
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

    fn lost(reason: &str) -> LineHealth {
        LineHealth::Lost(LineError { name: "button call".into(), reason: reason.into() })
    }

    #[test]
    fn a_button_that_is_in_at_the_start_is_pressed_once() {
        let (finger, wire) = std_mpsc::channel();
        finger.send(true).unwrap();
        finger.send(false).unwrap();
        let mut bench = bench(vec![(true, wire)]);
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
        let mut bench = bench_of(line, vec![(false, wire)]);
        for _ in 0..3 {
            hand.send(true).unwrap();
            assert_eq!((bench.next(), bench.next()), (Some(pressed()), Some(released())));
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
                assert!(told <= 1002, "a broken wire floods the box");
                drop(stamped);
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
                prop_assert_eq!(bench.next(), Some(event));
            }
            prop_assert!(bench.edges.try_recv().is_err());
        }
    }
}
