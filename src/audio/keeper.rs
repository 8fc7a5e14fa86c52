//! Keeps one device open: opens it, gives it a real-time thread, and tries
//! again when it fails. Runs as an ordinary thread, since opening may take long.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use super::device::DeviceError;
use super::meters::{Counters, DeviceCounters, FLOOR_DB};
use super::realtime;
use super::worker::Worker;
use crate::appliance::event::SystemEvent;
use crate::appliance::fault::Fault;

/// The first pause after a failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A device that worked for so long has earned a quick retry.
const PROVEN: Duration = Duration::from_secs(10);

/// How soon a device is seen to work. Its end is told at once.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How soon a real-time thread that panicked is noticed.
const LOOK_SELDOM: Duration = Duration::from_secs(1);

/// One direction of sound.
pub(super) struct Keeper<D: ?Sized> {
    /// The real-time thread's name.
    pub name: &'static str,
    pub fault: Fault,
    pub faults: SyncSender<SystemEvent>,
    pub open: Box<dyn Fn() -> Result<Box<D>, DeviceError> + Send>,
    pub counters: Arc<Counters>,
    /// This direction's part of `counters`.
    pub side: fn(&Counters) -> &DeviceCounters,
}

impl<D: Send + ?Sized> Keeper<D> {
    /// Runs until the engine stops.
    pub fn run(self, mut worker: impl Worker<D>) {
        let mut pause = FIRST_PAUSE;
        let mut raised = None;
        while !self.counters.stopping() {
            let opened = Instant::now();
            let end = match (self.open)() {
                Ok(device) => self.serve(&mut worker, device, &mut raised),
                Err(error) => Err(error.to_string()),
            };
            let Err(detail) = end else { return };
            if opened.elapsed() > PROVEN {
                pause = FIRST_PAUSE;
            }
            if raised.as_ref() != Some(&detail) {
                self.report(SystemEvent::FaultRaised { fault: self.fault, detail: detail.clone() });
                raised = Some(detail);
            }
            self.rest(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The whole life of one opened device.
    fn serve(
        &self,
        worker: &mut impl Worker<D>,
        mut device: Box<D>,
        raised: &mut Option<String>,
    ) -> Result<(), String> {
        let counters = &*self.counters;
        let side = (self.side)(counters);
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
            let thread = thread.map_err(|error| format!("no thread for {}: {error}", self.name))?;
            while side.running.load(Relaxed) && !thread.is_finished() {
                if raised.is_some() && side.periods.load(Relaxed) != before {
                    *raised = None;
                    self.report(SystemEvent::FaultCleared(self.fault));
                }
                thread::park_timeout(if raised.is_some() { LOOK_EVERY } else { LOOK_SELDOM });
            }
            match thread.join() {
                Ok(end) => end.map_err(|error| error.to_string()),
                Err(_) => Err(format!("the thread {} panicked; it is started again", self.name)),
            }
        });
        side.running.store(false, Relaxed);
        side.level_db.store(FLOOR_DB.to_bits(), Relaxed);
        end
    }

    /// Nobody reads any more only when the engine is gone.
    fn report(&self, event: SystemEvent) {
        drop(self.faults.send(event));
    }

    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.counters.stopping() && Instant::now() < until {
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
}
