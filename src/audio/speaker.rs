//! The last step before the loudspeaker, on the `audio-dsp` thread: the volume,
//! and the self-test's sweep, which no volume changes.

use rtrb::{Consumer, Producer};

use super::leg::Frame;
use super::probe::Probe;
use super::volume::Volume;

/// What the last step obeys.
pub(super) enum SpeakerOrder {
    /// Percent of full loudness.
    Volume(u8),
    /// Begin a sweep.
    Probe(Box<Probe>),
    /// Break it off.
    StopProbe,
}

/// Orders that wait for the thread, which looks every 10 ms.
pub(super) const ORDERS: usize = 32;

/// Volume and sweep.
pub(super) struct Speaker {
    pub orders: Consumer<SpeakerOrder>,
    /// Sweeps that are over, to be looked at and dropped elsewhere.
    pub over: Producer<Box<Probe>>,
    pub volume: Volume,
    pub probe: Option<Box<Probe>>,
}

impl Speaker {
    /// Obeys what has come.
    pub fn turn(&mut self) {
        while let Ok(order) = self.orders.pop() {
            match order {
                SpeakerOrder::Volume(percent) => self.volume.set(percent),
                SpeakerOrder::Probe(probe) => {
                    self.drop_probe();
                    self.probe = Some(probe);
                }
                SpeakerOrder::StopProbe => self.drop_probe(),
            }
        }
    }

    /// A frame of the microphone, as it comes from the card.
    pub fn hear(&mut self, frame: &Frame) {
        self.volume.hear(frame);
        if self.probe.as_mut().is_some_and(|probe| probe.hear(frame)) {
            self.drop_probe();
        }
    }

    /// A frame on its way to the loudspeaker.
    pub fn play(&mut self, frame: &mut Frame) {
        self.volume.play(frame);
        if let Some(probe) = &mut self.probe {
            probe.play(frame);
        }
    }

    /// The queue has room for more sweeps than can begin before it is emptied.
    fn drop_probe(&mut self) {
        if let Some(probe) = self.probe.take() {
            drop(self.over.push(probe));
        }
    }
}
