//! Keeps one device open: opens it, gives it a real-time thread, and tries
//! again when it fails. Runs as an ordinary thread, since opening may take long.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use super::care::{Note, Way};
use super::device::{DeviceError, Trouble};
use super::meters::{Counters, DeviceCounters, FLOOR_DB};
use super::realtime;
use super::worker::Worker;

/// The first pause after a failure; it doubles up to the longest, which is
/// what a card that was plugged in again waits for at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A device that worked for so many periods has earned a quick retry.
const PROVEN: u64 = 25;

/// How soon a device is seen to work. Its end is told at once.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How soon a real-time thread that panicked is noticed.
const LOOK_SELDOM: Duration = Duration::from_secs(1);

/// Opens a device; told the trouble that ended the last one.
pub(super) type Open<D> = Box<dyn FnMut(Option<Trouble>) -> Result<Box<D>, DeviceError> + Send>;

/// One direction of sound.
pub(super) struct Keeper<D: ?Sized> {
    /// The real-time thread's name.
    pub name: &'static str,
    pub way: Way,
    pub notes: SyncSender<Note>,
    pub open: Open<D>,
    pub counters: Arc<Counters>,
}

impl<D: Send + ?Sized> Keeper<D> {
    /// Runs until the engine stops.
    pub fn run(mut self, mut worker: impl Worker<D>) {
        let mut pause = FIRST_PAUSE;
        let mut down = None;
        while !self.counters.stopping() {
            let before = self.side().periods.load(Relaxed);
            self.side().keeper_heartbeat.fetch_add(1, Relaxed);
            self.side().opening.store(true, Relaxed);
            let opened = (self.open)(down);
            self.side().opening.store(false, Relaxed);
            let end = match opened {
                Ok(device) => self.serve(&mut worker, device, &mut down),
                Err(error) => Err(error),
            };
            let Err(error) = end else { return };
            if self.side().periods.load(Relaxed) - before >= PROVEN {
                pause = FIRST_PAUSE;
            }
            self.side().count_trouble(error.trouble);
            down = Some(error.trouble);
            self.note(Note::Down(self.way, error));
            self.rest(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The whole life of one opened device.
    fn serve(
        &self,
        worker: &mut impl Worker<D>,
        mut device: Box<D>,
        down: &mut Option<Trouble>,
    ) -> Result<(), DeviceError> {
        let counters = &*self.counters;
        let side = self.side();
        let keeper = thread::current();
        let before = side.periods.load(Relaxed);
        side.opened.fetch_add(1, Relaxed);
        side.running.store(true, Relaxed);
        let end = thread::scope(|scope| {
            let work = move || {
                let realtime = u32::from(realtime::promote(realtime::DEVICE));
                counters.realtime_threads.fetch_add(realtime, Relaxed);
                let end = worker.run(device.as_mut());
                counters.realtime_threads.fetch_sub(realtime, Relaxed);
                side.running.store(false, Relaxed);
                keeper.unpark();
                end
            };
            let thread = thread::Builder::new().name(self.name.to_owned()).spawn_scoped(scope, work);
            let thread = thread.map_err(|error| self.failed(format!("no thread for it: {error}")))?;
            // Also of one that was never down: whoever sets its volume waits for it.
            let mut told = false;
            while side.running.load(Relaxed) && !thread.is_finished() {
                side.keeper_heartbeat.fetch_add(1, Relaxed);
                if !told && side.periods.load(Relaxed) != before {
                    (told, *down) = (true, None);
                    self.note(Note::Up(self.way));
                }
                thread::park_timeout(if told { LOOK_SELDOM } else { LOOK_EVERY });
            }
            thread.join().unwrap_or_else(|_| Err(self.failed("its thread panicked".to_owned())))
        });
        side.running.store(false, Relaxed);
        side.level_db.store(FLOOR_DB.to_bits(), Relaxed);
        side.stuck.store(0, Relaxed);
        side.offset.store(0, Relaxed);
        end
    }

    fn side(&self) -> &DeviceCounters {
        self.way.of(&self.counters)
    }

    fn failed(&self, reason: String) -> DeviceError {
        let cure = "it is started again; see the log".to_owned();
        DeviceError { device: self.name.to_owned(), trouble: Trouble::Failed, reason, cure }
    }

    /// Never waits: a reader that hangs in a card's mixer must not keep a device from being opened.
    fn note(&self, note: Note) {
        if self.notes.try_send(note).is_err() && !self.counters.stopping() {
            tracing::error!("the thread audio-care hangs: news of {} is lost", self.name);
        }
    }

    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.counters.stopping() && Instant::now() < until {
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
}
