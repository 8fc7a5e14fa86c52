//! Who hears whom: calls' legs, tones and mute. No clock and no threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use rtrb::Producer;

use super::leg::{FRAME_SAMPLES, Frame, Leg};
use super::level::Gain;
use super::settings::AudioSettings;
use super::tones::Tones;
use crate::appliance::id::PeerId;
use crate::appliance::tone::Tone;

/// Legs that can be attached at once, leaving ones included.
pub(super) const MOST_LEGS: usize = 32;

/// What the `audio-dsp` thread obeys, in order.
pub(super) enum Order {
    Tone(Option<Tone>),
    Attach(PeerId, Box<dyn Leg>),
    Connect(Option<PeerId>),
    Detach(PeerId),
    Mute(bool),
}

struct Slot {
    peer: PeerId,
    leg: Box<dyn Leg>,
    /// Detached while it was heard: goes once it has faded out.
    leaving: bool,
}

/// The mixer. Legs that leave go to `bin`, to be dropped elsewhere.
pub(super) struct Mixer {
    slots: Vec<Slot>,
    bin: Producer<Box<dyn Leg>>,
    /// Who should have the microphone and be heard.
    wanted: Option<PeerId>,
    /// Who is heard, perhaps still fading out.
    heard: Option<PeerId>,
    muted: bool,
    far: Gain,
    near: Gain,
    tones: Tones,
    /// Legs that panicked.
    pub panics: u64,
}

impl Mixer {
    pub fn new(settings: &AudioSettings, bin: Producer<Box<dyn Leg>>) -> Self {
        Self {
            slots: Vec::with_capacity(MOST_LEGS),
            bin,
            wanted: None,
            heard: None,
            muted: false,
            far: Gain::default(),
            near: Gain::default(),
            tones: Tones::new(settings),
            panics: 0,
        }
    }

    pub fn obey(&mut self, order: Order) {
        match order {
            Order::Tone(tone) => self.tones.play(tone),
            Order::Mute(muted) => self.muted = muted,
            Order::Attach(peer, leg) => {
                self.remove(peer);
                if self.slots.len() < MOST_LEGS {
                    self.slots.push(Slot { peer, leg, leaving: false });
                } else {
                    discard(&mut self.bin, leg);
                }
            }
            Order::Connect(peer) => {
                if self.wanted != peer {
                    self.near = Gain::default();
                }
                self.wanted = peer;
            }
            Order::Detach(peer) => {
                if self.wanted == Some(peer) {
                    self.wanted = None;
                }
                if self.heard == Some(peer) && !self.far.is_closed() {
                    if let Some(slot) = self.slots.iter_mut().find(|slot| slot.peer == peer) {
                        slot.leaving = true;
                    }
                } else {
                    self.remove(peer);
                }
            }
        }
    }

    /// Gives the microphone's frame to whom it belongs. Says whether anybody took it.
    pub fn near_end(&mut self, frame: &mut Frame, now: Instant) -> bool {
        let Some(peer) = self.wanted else { return false };
        self.near.apply(frame, !self.muted);
        self.with_leg(peer, |leg| leg.near_end(frame, now))
    }

    /// Fills a frame for the loudspeaker.
    pub fn far_end(&mut self, frame: &mut Frame, now: Instant) {
        frame.fill(0);
        if self.far.is_closed() {
            self.heard = self.wanted;
        }
        if let Some(peer) = self.heard {
            if !self.with_leg(peer, |leg| leg.far_end(frame, now)) {
                frame.fill(0);
            }
            self.far.apply(frame, self.wanted == self.heard);
            if self.far.is_closed() && self.slots.iter().any(|slot| slot.peer == peer && slot.leaving) {
                self.remove(peer);
            }
        }
        self.tones.mix(frame);
    }

    /// Calls a leg. One that panics is taken out: its call is lost, the box is not.
    fn with_leg(&mut self, peer: PeerId, call: impl FnOnce(&mut dyn Leg)) -> bool {
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.peer == peer) else { return false };
        let calm = catch_unwind(AssertUnwindSafe(|| call(slot.leg.as_mut()))).is_ok();
        if !calm {
            self.panics += 1;
            self.remove(peer);
        }
        calm
    }

    fn remove(&mut self, peer: PeerId) {
        if let Some(index) = self.slots.iter().position(|slot| slot.peer == peer) {
            discard(&mut self.bin, self.slots.swap_remove(index).leg);
        }
    }
}

/// The bin is larger than all slots, so only a supervisor that hangs lets a leg be dropped here.
fn discard(bin: &mut Producer<Box<dyn Leg>>, leg: Box<dyn Leg>) {
    drop(bin.push(leg));
}

/// Silence.
pub(super) const SILENCE: Frame = [0; FRAME_SAMPLES];
