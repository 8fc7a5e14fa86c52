//! The `audio-dsp` thread: queues in, mixer, queues out.
//!
//! Woken by the cards' threads. Where one of them is missing, the machine's
//! clock takes its place, so that the other direction and the call go on.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer};

use super::PERIOD;
use super::leg::Frame;
use super::meters::Counters;
use super::mixer::{Mixer, Order, SILENCE};
use super::processing::Processing;
use super::speaker::Speaker;
use crate::realtime;

/// Frames rendered ahead of the playback thread, which has the card's buffer behind it.
const RENDER_AHEAD: usize = 1;

/// Frames from the microphone that may wait; older ones are dropped.
const MOST_WAITING: usize = 4;

/// A card that gives or takes nothing for so long is replaced by the clock, until it is back.
const PATIENCE: Duration = Duration::from_millis(50);

/// The dsp thread's ends of all queues.
pub(super) struct Dsp {
    pub counters: Arc<Counters>,
    pub mixer: Mixer,
    pub speaker: Speaker,
    pub processing: Processing,
    pub orders: Consumer<Order>,
    pub captured: Consumer<Frame>,
    pub rendered: Producer<Frame>,
}

impl Dsp {
    pub fn run(mut self) {
        if realtime::promote(realtime::DSP) {
            self.counters.realtime_threads.fetch_add(1, Relaxed);
        }
        let mut near_due = Instant::now() + PERIOD;
        let mut far_due = near_due;
        while !self.counters.stopping() {
            self.counters.dsp_heartbeat.fetch_add(1, Relaxed);
            while let Ok(order) = self.orders.pop() {
                self.mixer.obey(order);
            }
            self.speaker.turn();
            self.near_end(&mut near_due);
            self.far_end(&mut far_due);
            self.counters.leg_panics.store(self.mixer.panics, Relaxed);
            self.counters.ambient_boost_db.store(self.speaker.volume.boost_db().to_bits(), Relaxed);
            let due = near_due.min(far_due).min(Instant::now() + PERIOD);
            thread::park_timeout(due.saturating_duration_since(Instant::now()));
        }
    }

    fn near_end(&mut self, due: &mut Instant) {
        let counters = &self.counters.capture;
        let waiting = self.captured.slots();
        for _ in MOST_WAITING..waiting {
            if self.captured.pop().is_ok() {
                counters.lost_frames.fetch_add(1, Relaxed);
                self.processing.skip();
            }
        }
        let now = Instant::now();
        while let Ok(mut frame) = self.captured.pop() {
            self.speaker.hear(&frame);
            if self.mixer.is_listened_to() {
                self.processing.capture(&mut frame, self.mixer.direction());
            } else {
                self.processing.skip();
            }
            self.mixer.near_end(&mut frame, now);
            if self.mixer.is_live() && self.processing.is_open() {
                self.counters.microphone_heard(now);
            }
            self.processing.publish(&self.counters.duplex);
            *due = now + PATIENCE;
        }
        counters.queued_frames.store(self.captured.slots() as u32, Relaxed);
        while *due <= now {
            *due = next(*due, now);
            if self.mixer.near_end(&mut SILENCE.clone(), now) {
                self.counters.silence_sent.fetch_add(1, Relaxed);
            }
        }
    }

    fn far_end(&mut self, due: &mut Instant) {
        let mut frame = SILENCE;
        let now = Instant::now();
        let capacity = self.rendered.buffer().capacity();
        if self.counters.playback.running.load(Relaxed) {
            while capacity - self.rendered.slots() < RENDER_AHEAD {
                self.mixer.far_end(&mut frame, self.processing.loudspeaker(), now);
                self.speaker.play(&mut frame);
                self.processing.render(&frame, self.counters.playback.lost_frames.load(Relaxed));
                *due = now + PATIENCE;
                if self.rendered.push(frame).is_err() {
                    break;
                }
            }
        }
        // No loudspeaker, or one that stalls as sound servers do when they
        // wake up: nobody hears it, but a call's jitter buffer must not fill up.
        while *due <= now {
            *due = next(*due, now);
            self.mixer.far_end(&mut frame, false, now);
            self.processing.render(&SILENCE, self.counters.playback.lost_frames.load(Relaxed));
        }
        self.counters.playback.queued_frames.store((capacity - self.rendered.slots()) as u32, Relaxed);
    }
}

/// The next tick of the clock; after a long delay the ticks begin anew.
fn next(due: Instant, now: Instant) -> Instant {
    if now > due + PATIENCE { now + PERIOD } else { due + PERIOD }
}
