//! The `alsa-capture` and `alsa-playback` threads: one period a loop.
//!
//! No allocation, lock or log in the loops. A thread ends when its device
//! fails or the engine stops, and gives its queue back for the next one.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, Thread};
use std::time::Duration;

use rtrb::{Consumer, Producer};

use super::device::{Capture, DeviceError, Flow, Playback, Trouble};
use super::health::{Pulse, Storm};
use super::leg::Frame;
use super::level::Meter;
use super::meters::{Counters, DeviceCounters};
use super::mixer::SILENCE;

/// Peaks below this are silence: -50 dBFS.
const SOUND: u16 = 104;

/// Periods of silence after which sound is news: 200 ms.
const QUIET_PERIODS: u32 = 20;

/// What one direction's thread does, generic over an open device.
pub(super) trait Worker<D: ?Sized>: Send {
    /// Runs until the engine stops, or the device fails.
    fn run(&mut self, device: &mut D) -> Result<(), DeviceError>;
}

fn count(counters: &DeviceCounters, flow: Flow, level_db: f32, delay: Duration) {
    match flow {
        Flow::Smooth => {}
        Flow::Recovered => {
            counters.xruns.fetch_add(1, Relaxed);
        }
    }
    counters.level_db.store(level_db.to_bits(), Relaxed);
    counters.set_delay(delay);
    counters.periods.fetch_add(1, Relaxed);
}

fn stormy(device: &str) -> DeviceError {
    DeviceError {
        device: device.to_owned(),
        trouble: Trouble::Storm,
        reason: "one overrun or underrun after the other".to_owned(),
        cure: "it is opened again with a longer buffer; look at what else keeps the processor busy"
            .to_owned(),
    }
}

/// `alsa-capture`.
pub(super) struct CaptureWorker {
    pub device: String,
    pub counters: Arc<Counters>,
    pub captured: Producer<Frame>,
    pub dsp: Thread,
}

impl Worker<dyn Capture> for CaptureWorker {
    fn run(&mut self, device: &mut (dyn Capture + 'static)) -> Result<(), DeviceError> {
        let mut meter = Meter::default();
        let (mut pulse, mut storm) = (Pulse::default(), Storm::default());
        let mut frame = SILENCE;
        while !self.counters.stopping() {
            let flow = device.read(&mut frame)?;
            pulse.frame(&frame);
            self.counters.capture.stuck.store(pulse.stuck, Relaxed);
            self.counters.capture.offset.store(pulse.offset, Relaxed);
            if self.captured.push(frame).is_err() {
                self.counters.capture.lost_frames.fetch_add(1, Relaxed);
            }
            self.dsp.unpark();
            count(&self.counters.capture, flow, meter.frame(&frame), device.delay());
            if storm.period(flow == Flow::Smooth) {
                return Err(stormy(&self.device));
            }
        }
        Ok(())
    }
}

/// `alsa-playback`.
pub(super) struct PlaybackWorker {
    pub device: String,
    pub counters: Arc<Counters>,
    pub rendered: Consumer<Frame>,
    pub dsp: Thread,
}

impl PlaybackWorker {
    /// The next frame; a late one is waited for, but no longer than the card's buffer allows.
    fn next(&mut self) -> Option<Frame> {
        for _ in 0..5 {
            if let Ok(frame) = self.rendered.pop() {
                return Some(frame);
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.rendered.pop().ok()
    }
}

impl Worker<dyn Playback> for PlaybackWorker {
    fn run(&mut self, device: &mut (dyn Playback + 'static)) -> Result<(), DeviceError> {
        while self.rendered.pop().is_ok() {}
        self.dsp.unpark();
        let mut meter = Meter::default();
        let mut quiet = QUIET_PERIODS;
        let mut storm = Storm::default();
        while !self.counters.stopping() {
            device.ready()?;
            let frame = self.next().unwrap_or_else(|| {
                self.counters.playback.lost_frames.fetch_add(1, Relaxed);
                SILENCE
            });
            self.dsp.unpark();
            let flow = device.write(&frame)?;
            if frame.iter().all(|sample| sample.unsigned_abs() < SOUND) {
                quiet = quiet.saturating_add(1);
            } else {
                if quiet >= QUIET_PERIODS {
                    let at = self.counters.epoch.elapsed().as_nanos();
                    self.counters.last_sound.store(at.try_into().unwrap_or(u64::MAX), Relaxed);
                }
                quiet = 0;
            }
            count(&self.counters.playback, flow, meter.frame(&frame), device.delay());
            if storm.period(flow == Flow::Smooth) {
                return Err(stormy(&self.device));
            }
        }
        Ok(())
    }
}
