//! Shows patterns on lamps, all blinking in step, and switches outputs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::health::LineHealth;
use super::{LineError, Lines};
use crate::appliance::command::LineCommand;
use crate::appliance::id::{LedName, OutputName};
use crate::appliance::indicator::Pattern;

/// The finest step of a pattern.
const TICK: Duration = Duration::from_millis(50);

/// How often every line is set although nothing changed: a chip that was
/// pulled out is noticed before somebody waits for the door.
const REFRESH: Duration = Duration::from_secs(1);

/// Obeys line commands until their channel closes; then lamps are dark and
/// outputs off. `beat` moves while it does. It is for a thread of its own: the
/// kernel may take its time with a line.
pub async fn run(
    lines: Box<dyn Lines>,
    mut commands: mpsc::Receiver<LineCommand>,
    health: mpsc::Sender<LineHealth>,
    beat: Arc<AtomicU64>,
) {
    let mut phase_zero = Instant::now();
    let mut tick = interval_at(phase_zero + TICK, TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut refresh = interval_at(phase_zero + REFRESH, REFRESH);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut shown = Shown::default();
    for command in lines.at_rest() {
        shown.obey(command);
    }
    let mut board = Board { lines, shown, health };
    board.apply(phase_zero, phase_zero);
    loop {
        let blinking =
            board.shown.leds.values().any(|lamp| !matches!(lamp.pattern, Pattern::On | Pattern::Off));
        let retry = !board.shown.lost.is_empty();
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => {
                    if matches!(command, LineCommand::Led { .. }) {
                        // All lamps start afresh together: a press must not meet
                        // the dark half of a pattern.
                        phase_zero = Instant::now();
                    }
                    board.shown.obey(command);
                }
                None => return,
            },
            _ = tick.tick(), if blinking || retry => {}
            _ = refresh.tick() => board.shown.forget(),
            () = sleep_until_off(board.shown.next_off()) => {}
        }
        board.apply(Instant::now(), phase_zero);
        beat.fetch_add(1, Relaxed);
    }
}

/// The lines and what they show. Dropped, by a good end, a panic or the end of
/// the runtime, it leaves lamps dark and outputs off.
struct Board {
    lines: Box<dyn Lines>,
    shown: Shown,
    health: mpsc::Sender<LineHealth>,
}

impl Board {
    fn apply(&mut self, now: Instant, phase_zero: Instant) {
        self.shown.apply(self.lines.as_mut(), now, phase_zero, &self.health);
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        for lamp in self.shown.leds.values_mut() {
            lamp.pattern = Pattern::Off;
        }
        for output in self.shown.outputs.values_mut() {
            (output.on, output.set) = (false, None);
        }
        let now = Instant::now();
        self.apply(now, now);
    }
}

async fn sleep_until_off(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

struct Lamp {
    pattern: Pattern,
    lit: Option<bool>,
}

struct Output {
    on: bool,
    off_at: Option<Instant>,
    set: Option<bool>,
}

#[derive(Default)]
struct Shown {
    leds: BTreeMap<LedName, Lamp>,
    outputs: BTreeMap<OutputName, Output>,
    lost: BTreeMap<String, LineError>,
}

impl Shown {
    fn next_off(&self) -> Option<Instant> {
        self.outputs.values().filter(|output| output.on).filter_map(|output| output.off_at).min()
    }

    fn obey(&mut self, command: LineCommand) {
        match command {
            LineCommand::Led { led, pattern } => {
                self.leds.entry(led).or_insert(Lamp { pattern, lit: None }).pattern = pattern;
            }
            LineCommand::Output { output, on, longest } => {
                let off_at = longest.filter(|_| on).map(|longest| Instant::now() + longest);
                self.outputs.insert(output, Output { on, off_at, set: None });
            }
        }
    }

    /// Everything is to be set once more.
    fn forget(&mut self) {
        self.leds.values_mut().for_each(|lamp| lamp.lit = None);
        self.outputs.values_mut().for_each(|output| output.set = None);
    }

    /// Brings the lines to what should be shown; only changes reach the back-end.
    fn apply(
        &mut self,
        lines: &mut dyn Lines,
        now: Instant,
        phase_zero: Instant,
        health: &mpsc::Sender<LineHealth>,
    ) {
        for (name, output) in &mut self.outputs {
            if output.off_at.is_some_and(|at| at <= now) {
                output.on = false;
            }
            if output.set != Some(output.on) {
                let result = lines.set_output(name, output.on);
                output.set = note(&mut self.lost, format!("output {}", name.as_str()), result, health)
                    .then_some(output.on);
            }
        }
        for (name, lamp) in &mut self.leds {
            let lit = lamp.pattern.lit_at(now - phase_zero);
            if lamp.lit != Some(lit) {
                let result = lines.set_led(name, lit);
                lamp.lit =
                    note(&mut self.lost, format!("lamp {}", name.as_str()), result, health).then_some(lit);
            }
        }
    }
}

/// Keeps account of lost lines; reports each loss, each new reason and each return.
fn note(
    lost: &mut BTreeMap<String, LineError>,
    name: String,
    result: Result<(), LineError>,
    health: &mpsc::Sender<LineHealth>,
) -> bool {
    match result {
        Ok(()) => {
            if lost.remove(&name).is_some() {
                report(health, LineHealth::Back(name));
            }
            true
        }
        Err(error) => {
            if lost.insert(name, error.clone()).as_ref() != Some(&error) {
                report(health, LineHealth::Lost(error));
            }
            false
        }
    }
}

/// A full channel means that the driver has this news already, or will ask for status.
fn report(health: &mpsc::Sender<LineHealth>, news: LineHealth) {
    if health.try_send(news).is_err() {
        tracing::debug!("line health not reported: the driver is busy or has ended");
    }
}

#[cfg(test)]
mod tests {
    use super::super::mock::MockLines;
    use super::*;

    async fn settle() {
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lamp_shows_its_pattern_at_once_and_blinks_from_then_on() {
        let lines = MockLines::default();
        let (send, commands) = mpsc::channel(8);
        let (health, _news) = mpsc::channel(8);
        tokio::spawn(run(Box::new(lines.clone()), commands, health, Arc::default()));
        let led = LedName::from("status");
        send.send(LineCommand::Led { led: led.clone(), pattern: Pattern::On }).await.unwrap();
        settle().await;
        assert_eq!(lines.levels().leds.get(&led), Some(&true));
        send.send(LineCommand::Led { led: led.clone(), pattern: Pattern::Fast }).await.unwrap();
        let mut changes = 0;
        let mut last = lines.levels();
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let levels = lines.levels();
            changes += u32::from(levels != last);
            last = levels;
        }
        assert!((9..=11).contains(&changes), "200 ms on, 200 ms off for 2 s changed {changes} times");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pattern_begins_with_light_whenever_it_is_asked_for() {
        let lines = MockLines::default();
        let (send, commands) = mpsc::channel(8);
        let (health, _news) = mpsc::channel(8);
        tokio::spawn(run(Box::new(lines.clone()), commands, health, Arc::default()));
        let led = LedName::from("calling");
        for wait_ms in [0, 250, 1300, 1999] {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            for pattern in [Pattern::Slow, Pattern::Fast, Pattern::DoubleFlash, Pattern::Heartbeat] {
                for shown in [Pattern::Off, pattern] {
                    send.send(LineCommand::Led { led: led.clone(), pattern: shown }).await.unwrap();
                    settle().await;
                }
                assert_eq!(lines.levels().leds.get(&led), Some(&true), "{pattern:?} after {wait_ms} ms");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_output_goes_off_by_itself_and_at_the_end() {
        let lines = MockLines::default();
        let (send, commands) = mpsc::channel(8);
        let (health, _news) = mpsc::channel(8);
        let task = tokio::spawn(run(Box::new(lines.clone()), commands, health, Arc::default()));
        let strike = OutputName::from("strike");
        let on = |longest| LineCommand::Output { output: strike.clone(), on: true, longest };
        send.send(on(Some(Duration::from_secs(5)))).await.unwrap();
        settle().await;
        assert_eq!(lines.levels().outputs.get(&strike), Some(&true));
        tokio::time::sleep(Duration::from_millis(5001)).await;
        assert_eq!(lines.levels().outputs.get(&strike), Some(&false));
        send.send(on(None)).await.unwrap();
        settle().await;
        assert_eq!(lines.levels().outputs.get(&strike), Some(&true));
        drop(send);
        task.await.unwrap();
        assert_eq!(lines.levels().outputs.get(&strike), Some(&false));
    }

    /// Panics when a lamp is lit.
    struct Rotten(MockLines);

    impl Lines for Rotten {
        fn set_led(&mut self, _led: &LedName, lit: bool) -> Result<(), LineError> {
            assert!(!lit, "a driver with a mistake");
            Ok(())
        }

        fn set_output(&mut self, output: &OutputName, on: bool) -> Result<(), LineError> {
            self.0.set_output(output, on)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn outputs_are_off_after_a_panic_and_after_a_task_that_is_taken_down() {
        for panics in [true, false] {
            let lines = MockLines::default();
            let (send, commands) = mpsc::channel(8);
            let (health, _news) = mpsc::channel(8);
            let task = tokio::spawn(run(Box::new(Rotten(lines.clone())), commands, health, Arc::default()));
            let strike = OutputName::from("strike");
            send.send(LineCommand::Output { output: strike.clone(), on: true, longest: None }).await.unwrap();
            settle().await;
            assert_eq!(lines.levels().outputs.get(&strike), Some(&true));
            if panics {
                send.send(LineCommand::Led { led: "status".into(), pattern: Pattern::On }).await.unwrap();
            } else {
                task.abort();
            }
            assert_eq!(task.await.unwrap_err().is_panic(), panics);
            assert_eq!(lines.levels().outputs.get(&strike), Some(&false), "panics: {panics}");
        }
    }

    struct Broken {
        works: std::sync::Arc<std::sync::atomic::AtomicBool>,
    }

    impl Lines for Broken {
        fn set_led(&mut self, led: &LedName, _lit: bool) -> Result<(), LineError> {
            let works = self.works.load(std::sync::atomic::Ordering::Relaxed);
            if works {
                Ok(())
            } else {
                Err(LineError { name: format!("lamp {}", led.0), reason: "gone".into() })
            }
        }

        fn set_output(&mut self, _output: &OutputName, _on: bool) -> Result<(), LineError> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_line_is_reported_once_and_tried_again() {
        let works = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (send, commands) = mpsc::channel(8);
        let (health, mut news) = mpsc::channel(8);
        tokio::spawn(run(Box::new(Broken { works: works.clone() }), commands, health, Arc::default()));
        send.send(LineCommand::Led { led: "status".into(), pattern: Pattern::On }).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(matches!(news.try_recv(), Ok(LineHealth::Lost(_))));
        assert!(news.try_recv().is_err(), "one loss was reported twice");
        works.store(true, std::sync::atomic::Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(news.try_recv(), Ok(LineHealth::Back("lamp status".into())));
    }

    /// An output that nobody switches, and can be pulled out.
    struct Idle {
        there: std::sync::Arc<std::sync::atomic::AtomicBool>,
        set: std::sync::Arc<std::sync::Mutex<Vec<bool>>>,
    }

    impl Lines for Idle {
        fn set_led(&mut self, _led: &LedName, _lit: bool) -> Result<(), LineError> {
            Ok(())
        }

        fn set_output(&mut self, output: &OutputName, on: bool) -> Result<(), LineError> {
            if !self.there.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(LineError { name: format!("output {}", output.as_str()), reason: "gone".into() });
            }
            self.set.lock().unwrap().push(on);
            Ok(())
        }

        fn at_rest(&self) -> Vec<LineCommand> {
            vec![LineCommand::Output { output: "strike".into(), on: false, longest: None }]
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_output_is_off_from_the_start_and_its_loss_is_noticed_before_it_is_used() {
        let there = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let set = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let (_send, commands) = mpsc::channel(8);
        let (health, mut news) = mpsc::channel(8);
        tokio::spawn(run(
            Box::new(Idle { there: there.clone(), set: set.clone() }),
            commands,
            health,
            Arc::default(),
        ));
        settle().await;
        assert_eq!(*set.lock().unwrap(), [false]);
        there.store(false, std::sync::atomic::Ordering::Relaxed);
        tokio::time::sleep(REFRESH * 2).await;
        assert!(matches!(news.try_recv(), Ok(LineHealth::Lost(_))));
        there.store(true, std::sync::atomic::Ordering::Relaxed);
        tokio::time::sleep(REFRESH).await;
        assert_eq!(news.try_recv(), Ok(LineHealth::Back("output strike".into())));
        assert!(set.lock().unwrap().iter().all(|on| !on), "switched by nobody");
    }
}
