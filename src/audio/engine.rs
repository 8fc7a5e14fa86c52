//! The handle that the rest of the program holds.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rtrb::{Producer, PushError, RingBuffer};

use super::leg::Leg;
use super::meters::{Counters, Meters};
use super::settings::AudioSettings;
use crate::appliance::event::SystemEvent;
use crate::appliance::id::PeerId;
use crate::appliance::tone::Tone;

/// Orders that wait for the `audio-dsp` thread, which looks every 10 ms.
const ORDERS: usize = 64;

/// Starts the audio threads.
///
/// Never fails: a device that cannot be used is told to `faults` as
/// [`SystemEvent::FaultRaised`] with the cure in words, tried again with
/// growing pauses, and told as [`SystemEvent::FaultCleared`] when it is there.
/// `faults` is called from one thread of its own and may block.
pub fn start(settings: AudioSettings, faults: impl Fn(SystemEvent) + Send + 'static) -> AudioEngine {
    let counters = Arc::new(Counters::new());
    let (orders, _) = RingBuffer::new(ORDERS);
    let _ = (settings, faults);
    AudioEngine { orders: Mutex::new(orders), counters, threads: Vec::new() }
}

/// What the `audio-dsp` thread obeys, in order.
pub(super) enum Order {
    Tone(Option<Tone>),
    Attach(PeerId, Box<dyn Leg>),
    Connect(Option<PeerId>),
    Detach(PeerId),
    Mute(bool),
}

/// The audio shell: one owner of microphone and loudspeaker. Dropping it stops it, too.
pub struct AudioEngine {
    orders: Mutex<Producer<Order>>,
    counters: Arc<Counters>,
    threads: Vec<JoinHandle<()>>,
}

impl AudioEngine {
    /// Plays a tone, by itself or over the call, until the next `tone`; `None`
    /// is silence. [`Tone::Press`] always plays to its end, which is 50 ms.
    pub fn tone(&self, tone: Option<Tone>) {
        self.order(Order::Tone(tone));
    }

    /// Plugs a call's audio in. The engine keeps the leg until [`Self::detach`]
    /// and drops it on a thread where that may take time. A second leg for a
    /// peer takes the first one's place.
    pub fn attach(&self, peer: PeerId, leg: Box<dyn Leg>) {
        self.order(Order::Attach(peer, leg));
    }

    /// Gives microphone and loudspeaker to this peer's leg, or to nobody. The
    /// leg may be attached later.
    pub fn connect(&self, peer: Option<PeerId>) {
        self.order(Order::Connect(peer));
    }

    /// Takes a call's audio out.
    pub fn detach(&self, peer: PeerId) {
        self.order(Order::Detach(peer));
    }

    /// Sends silence instead of the microphone.
    pub fn mute(&self, muted: bool) {
        self.order(Order::Mute(muted));
    }

    /// What the audio threads have counted so far.
    pub fn meters(&self) -> Meters {
        self.counters.snapshot()
    }

    /// Ends all audio threads and closes the devices.
    pub fn stop(self) {}

    /// Waits for room, never drops: the reader looks every 10 ms and outlives this handle.
    fn order(&self, mut order: Order) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        while let Err(PushError::Full(back)) = orders.push(order) {
            if orders.is_abandoned() {
                return;
            }
            order = back;
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for AudioEngine {
    fn drop(&mut self) {
        self.counters.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("an audio thread had panicked");
            }
        }
    }
}
