//! What is wrong with one device: of what its keeper told and its counters
//! show, one fault in words. Its time is told, and it touches nothing.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::PERIOD;
use super::alsa;
use super::care::Way;
use super::device::{DeviceError, Trouble};
use super::meters::DeviceCounters;

/// A call into the driver that does not return for so long hangs. Drivers that
/// behave give up earlier, by themselves.
const HANGS: Duration = Duration::from_secs(4);

/// The pace is judged over so long, twice in a row.
const WINDOW: Duration = Duration::from_secs(10);

/// No crystal is off by so much; 44.1 kHz for 48 kHz is 8 %.
const OFF: f64 = 0.05;

/// After a storm a device must run for so long without another gap.
const CALM: Duration = Duration::from_secs(5);

/// One device's state of health.
pub(super) struct Desk {
    way: Way,
    down: Option<DeviceError>,
    /// Periods, and since when there were no more.
    progress: (u64, Instant),
    /// Gaps, and since when there were no more.
    gaps: (u64, Instant),
    window: Window,
    off_windows: u32,
    /// It has delivered since it was down.
    up: bool,
    hung: bool,
    shown: Option<(Trouble, String)>,
}

#[derive(Clone, Copy)]
struct Window {
    began: Instant,
    periods: u64,
    xruns: u64,
    opened: u64,
}

impl Desk {
    pub fn new(way: Way, now: Instant) -> Self {
        Self {
            way,
            down: None,
            progress: (0, now),
            gaps: (0, now),
            window: Window { began: now, periods: 0, xruns: 0, opened: 0 },
            off_windows: 0,
            up: false,
            hung: false,
            shown: None,
        }
    }

    pub fn way(&self) -> Way {
        self.way
    }

    /// The keeper could not open it, or it failed.
    pub fn down(&mut self, error: DeviceError) {
        self.up = false;
        self.down = Some(error);
    }

    /// It delivers.
    pub fn up(&mut self) {
        self.up = true;
    }

    /// News, if there is any: a fault's words, or `Some(None)` for its end.
    pub fn look(&mut self, side: &DeviceCounters, now: Instant) -> Option<Option<String>> {
        let found = self.find(side, now);
        let same = match (&found, &self.shown) {
            (Some((trouble, reason)), Some((shown, before))) => trouble == shown && reason == before,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            return None;
        }
        let is_news_of = |trouble| self.shown.as_ref().is_none_or(|(shown, _)| *shown != trouble);
        let detail = found.as_ref().map(|(trouble, text)| {
            if *trouble == Trouble::Missing && is_news_of(*trouble) {
                format!("{text}. {}", alsa::names(self.way == Way::Capture))
            } else {
                text.clone()
            }
        });
        self.shown = found;
        Some(detail)
    }

    fn find(&mut self, side: &DeviceCounters, now: Instant) -> Option<(Trouble, String)> {
        self.progress = since(self.progress, side.periods.load(Relaxed), now);
        self.gaps = since(self.gaps, side.xruns.load(Relaxed), now);
        let in_driver = side.running.load(Relaxed) || side.opening.load(Relaxed);
        if !in_driver {
            self.progress.1 = now;
        }
        let calm = now.saturating_duration_since(self.gaps.1) >= CALM;
        if self.up && self.down.as_ref().is_some_and(|down| down.trouble != Trouble::Storm || calm) {
            self.down = None;
        }
        let hung = now.saturating_duration_since(self.progress.1) >= HANGS;
        if hung && !self.hung {
            side.count_trouble(Trouble::Frozen);
        }
        self.hung = hung;
        let wrong = self.wrong_rate(side, now);
        if hung {
            let what = "no sound moves, and its driver does not return; \
                        unplug the device and plug it in again, or restart the sound server";
            return Some((Trouble::Frozen, what.to_owned()));
        }
        match &self.down {
            Some(error) => Some((error.trouble, error.to_string())),
            None => wrong.map(|text| (Trouble::WrongRate, text)),
        }
    }

    /// Whether its clock is far from the rate that it was set to.
    fn wrong_rate(&mut self, side: &DeviceCounters, now: Instant) -> Option<String> {
        let next = Window {
            began: now,
            periods: side.periods.load(Relaxed),
            xruns: side.xruns.load(Relaxed),
            opened: side.opened.load(Relaxed),
        };
        let took = now.saturating_duration_since(self.window.began);
        let whole = next.xruns == self.window.xruns && next.opened == self.window.opened;
        if !whole || !side.running.load(Relaxed) {
            (self.window, self.off_windows) = (next, 0);
        } else if took >= WINDOW {
            let pace =
                PERIOD.as_secs_f64() * (next.periods - self.window.periods) as f64 / took.as_secs_f64();
            self.window = next;
            if (pace - 1.0).abs() > OFF {
                self.off_windows += 1;
                if self.off_windows == 2 {
                    side.count_trouble(Trouble::WrongRate);
                }
            } else {
                self.off_windows = 0;
            }
        }
        let text = "its clock is more than 5 % off 48 kHz: speech is too high or too low; \
                    choose one of ALSA's plughw: names, or another sound card";
        (self.off_windows >= 2).then(|| text.to_owned())
    }
}

/// A count, and since when it has not changed.
fn since((before, at): (u64, Instant), count: u64, now: Instant) -> (u64, Instant) {
    if count == before { (before, at) } else { (count, now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: f64) -> Duration {
        Duration::from_secs_f64(n)
    }

    /// A desk, its counters and a time.
    struct Bench(Desk, DeviceCounters, Instant);

    impl Bench {
        fn new() -> Self {
            let now = Instant::now();
            let side = DeviceCounters::default();
            side.running.store(true, Relaxed);
            Self(Desk::new(Way::Playback, now), side, now)
        }

        /// Runs for so long at this pace; all news.
        fn run(&mut self, time: f64, pace: f64) -> Vec<Option<String>> {
            let looks = (time / 0.1).round() as u32;
            let mut due = 0.0;
            let mut news = Vec::new();
            for _ in 0..looks {
                due += 10.0 * pace;
                self.1.periods.fetch_add(due as u64, Relaxed);
                due -= due.floor();
                self.2 += secs(0.1);
                news.extend(self.0.look(&self.1, self.2));
            }
            news
        }
    }

    fn error(trouble: Trouble) -> DeviceError {
        DeviceError { device: "d".into(), trouble, reason: "why".into(), cure: "cure".into() }
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_once_and_one_that_drifts_never() {
        let mut bench = Bench::new();
        assert_eq!(bench.run(120.0, 1.001), []);
        let news = bench.run(60.0, 44.1 / 48.0);
        assert_eq!(news.len(), 1, "{news:?}");
        assert!(news[0].as_ref().is_some_and(|text| text.contains("off 48 kHz")), "{news:?}");
        assert_eq!(bench.run(60.0, 1.0), [None]);
        assert_eq!(bench.1.troubles[Trouble::WrongRate as usize].load(Relaxed), 1);
    }

    #[test]
    fn a_driver_that_hangs_is_told_and_when_it_goes_on() {
        let mut bench = Bench::new();
        bench.run(5.0, 1.0);
        let news = bench.run(9.0, 0.0);
        assert!(matches!(&news[..], [Some(text)] if text.contains("does not return")), "{news:?}");
        assert_eq!(bench.run(1.0, 1.0), [None]);
        assert_eq!(bench.1.troubles[Trouble::Frozen as usize].load(Relaxed), 1);
        // One that is closed and waits for its next attempt does not hang.
        bench.1.running.store(false, Relaxed);
        assert_eq!(bench.run(20.0, 0.0), []);
        bench.1.opening.store(true, Relaxed);
        assert_eq!(bench.run(5.0, 0.0).len(), 1, "to open it hangs");
    }

    #[test]
    fn the_same_trouble_again_is_no_news_and_its_end_is() {
        let mut bench = Bench::new();
        for _ in 0..5 {
            bench.0.down(error(Trouble::Busy));
            let expected: &[Option<String>] =
                if bench.0.shown.is_none() { &[Some("d: why; cure".into())] } else { &[] };
            assert_eq!(bench.run(0.1, 0.0), expected);
        }
        bench.0.down(error(Trouble::Failed));
        assert_eq!(bench.run(0.1, 0.0).len(), 1);
        bench.0.up();
        assert_eq!(bench.run(0.1, 1.0), [None]);
    }

    #[test]
    fn a_storm_is_over_only_after_a_calm() {
        let mut bench = Bench::new();
        bench.1.xruns.store(16, Relaxed);
        bench.0.down(error(Trouble::Storm));
        assert_eq!(bench.run(0.1, 0.0).len(), 1);
        bench.0.up();
        assert_eq!(bench.run(4.0, 1.0), []);
        bench.1.xruns.store(17, Relaxed);
        assert_eq!(bench.run(4.0, 1.0), []);
        assert_eq!(bench.run(2.0, 1.0), [None]);
    }
}
