//! Who hears whom: calls' legs in their roles, tones and mute. No clock and no threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use rtrb::Producer;

use super::bus::{Crossing, Sum};
use super::leg::{FRAME_SAMPLES, Frame, Leg};
use super::level::Gain;
use super::player::Player;
use super::sounds::{Sounding, Sounds};
use super::tones::Tones;
use crate::appliance::command::{Clip, Direction, Listener, Role};
use crate::appliance::id::PeerId;
use crate::appliance::tone::Tone;

/// Legs that can be attached at once, leaving ones included.
pub(super) const MOST_LEGS: usize = 32;

/// Legs that can be connected at once: more calls than a person can follow.
pub(super) const MOST_CONNECTED: usize = 8;

/// What the `audio-dsp` thread obeys, in order.
pub(super) enum Order {
    Tone(Option<Tone>),
    Attach(PeerId, Box<dyn Leg>),
    Connect(Roles),
    Detach(PeerId),
    Mute(bool),
    Announce(Option<Clip>, Listener),
    Direction(Direction),
}

/// Who is connected, without anything that would have to be freed on a real-time thread.
#[derive(Clone, Copy, Default)]
pub(super) struct Roles([Option<(PeerId, Role)>; MOST_CONNECTED]);

impl Roles {
    /// The first of these.
    pub fn of(legs: &[(PeerId, Role)]) -> Self {
        let mut roles = Self::default();
        for (role, leg) in roles.0.iter_mut().zip(legs) {
            *role = Some(*leg);
        }
        roles
    }

    fn of_peer(&self, peer: PeerId) -> Option<Role> {
        self.0.iter().flatten().find(|(known, _)| *known == peer).map(|(_, role)| *role)
    }

    fn forget(&mut self, peer: PeerId) {
        for role in &mut self.0 {
            *role = role.filter(|(known, _)| *known != peer);
        }
    }
}

struct Slot {
    peer: PeerId,
    leg: Box<dyn Leg>,
    /// `None`: not connected, perhaps still fading out.
    role: Option<Role>,
    /// How much of it is heard here.
    far: Gain,
    /// How much it hears.
    near: Gain,
    /// How much of it the others hear who talk, and its sound on the way to them.
    said: Gain,
    crossing: Crossing,
    /// Detached while it was heard: goes once it has faded out.
    leaving: bool,
    /// What it is told by the box itself.
    announcement: Player,
}

impl Slot {
    fn talks(&self) -> bool {
        self.role == Some(Role::Talk)
    }

    fn is_heard(&self) -> bool {
        matches!(self.role, Some(Role::Talk | Role::Listen))
    }
}

/// The mixer. Legs that leave go to `bin`, to be dropped elsewhere.
pub(super) struct Mixer {
    slots: Vec<Slot>,
    bin: Producer<Box<dyn Leg>>,
    roles: Roles,
    muted: bool,
    direction: Direction,
    microphone: Gain,
    /// Of all far ends together; tones pass beside it.
    loudspeaker: Gain,
    /// What the microphone and all who talk say, and each slot's own part of it.
    round: Sum,
    own: Box<[Option<Frame>; MOST_LEGS]>,
    tones: Tones,
    sounds: Arc<Sounds>,
    /// What the person at the box is told.
    announcement: Player,
    /// Legs that panicked.
    pub panics: u64,
}

impl Mixer {
    pub fn new(sounds: Arc<Sounds>, bin: Producer<Box<dyn Leg>>) -> Self {
        Self {
            slots: Vec::with_capacity(MOST_LEGS),
            bin,
            roles: Roles::default(),
            muted: false,
            direction: Direction::default(),
            microphone: Gain::default(),
            loudspeaker: Gain::default(),
            round: Sum::EMPTY,
            own: Box::new([None; MOST_LEGS]),
            tones: Tones::new(Arc::clone(&sounds)),
            sounds,
            announcement: Player::default(),
            panics: 0,
        }
    }

    pub fn obey(&mut self, order: Order) {
        match order {
            Order::Tone(tone) => self.tones.play(tone),
            Order::Mute(muted) => self.muted = muted,
            Order::Announce(clip, listener) => self.announce(clip, listener),
            Order::Direction(direction) => self.direction = direction,
            Order::Attach(peer, leg) => self.attach(peer, leg),
            Order::Connect(roles) => {
                self.roles = roles;
                for slot in &mut self.slots {
                    let role = if slot.leaving { None } else { roles.of_peer(slot.peer) };
                    if slot.role.is_none() && role.is_some() {
                        (slot.near, slot.said) = (Gain::default(), Gain::default());
                        slot.crossing = Crossing::default();
                    }
                    if role.is_none() {
                        slot.announcement.stop();
                    }
                    slot.role = role;
                }
            }
            Order::Detach(peer) => {
                self.roles.forget(peer);
                match self.slots.iter_mut().find(|slot| slot.peer == peer) {
                    Some(slot) if !slot.far.is_closed() => (slot.role, slot.leaving) = (None, true),
                    Some(_) => self.remove(peer),
                    None => {}
                }
            }
        }
    }

    fn announce(&mut self, clip: Option<Clip>, listener: Listener) {
        let player = match listener {
            Listener::Box => Some(&mut self.announcement),
            Listener::FarEnd(peer) => {
                self.slots.iter_mut().find(|slot| slot.peer == peer).map(|slot| &mut slot.announcement)
            }
        };
        match (player, clip) {
            (Some(player), Some(clip)) => player.start(&self.sounds, Sounding::Clip(clip)),
            (Some(player), None) => player.stop(),
            (None, _) => {}
        }
    }

    fn attach(&mut self, peer: PeerId, leg: Box<dyn Leg>) {
        self.remove(peer);
        if self.slots.len() == MOST_LEGS {
            discard(&mut self.bin, leg);
            return;
        }
        let (far, near, said) = (Gain::default(), Gain::default(), Gain::default());
        let (role, crossing) = (self.roles.of_peer(peer), Crossing::default());
        let announcement = Player::default();
        self.slots.push(Slot { peer, leg, role, far, near, said, crossing, leaving: false, announcement });
    }

    /// Whether one who is connected hears the microphone, or did until now: only then is it worth processing.
    pub fn is_listened_to(&self) -> bool {
        self.slots.iter().any(|slot| slot.role.is_some() && (slot.talks() || !slot.near.is_closed()))
    }

    /// Whether the microphone's sound goes out, be it on its way to silence.
    pub fn is_live(&self) -> bool {
        self.is_listened_to() && !self.microphone.is_closed()
    }

    /// Which way sound may flow.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Gives the microphone's frame, and what the others say, to those who
    /// talk, and silence to all others connected. Says whether anybody took it.
    pub fn near_end(&mut self, microphone: &mut Frame, now: Instant) -> bool {
        if self.slots.iter().all(|slot| slot.role.is_none()) {
            self.microphone = Gain::default();
            return false;
        }
        let may_speak = match self.direction {
            Direction::Both | Direction::Alternate | Direction::Talk => !self.muted,
            Direction::Listen => false,
        };
        self.microphone.apply(microphone, may_speak);
        self.round.clear();
        self.round.add(microphone);
        for (slot, own) in self.slots.iter_mut().zip(self.own.iter_mut()) {
            *own = slot.crossing.pop().filter(|_| slot.talks() || !slot.said.is_closed());
            if let Some(own) = own {
                slot.said.apply(own, slot.talks());
                self.round.add(own);
            }
        }
        // From the last one on: one that panics is taken out and the last one put in its place.
        for index in (0..self.slots.len()).rev() {
            let slot = &mut self.slots[index];
            if slot.role.is_none() {
                continue;
            }
            let mut frame = self.round.without(self.own[index].as_ref());
            slot.near.apply(&mut frame, slot.talks());
            if let Some(said) = slot.announcement.frame(&self.sounds) {
                frame = laid_over(&frame, &said);
            }
            self.with_leg(index, |leg| leg.near_end(&frame, now));
        }
        true
    }

    /// Fills a frame for the loudspeaker; the far ends' part only while their way is `open`.
    pub fn far_end(&mut self, frame: &mut Frame, open: bool, now: Instant) {
        let mut heard = Sum::EMPTY;
        for index in (0..self.slots.len()).rev() {
            let slot = &self.slots[index];
            if slot.role.is_none() && slot.far.is_closed() {
                continue;
            }
            let mut sound = SILENCE;
            if !self.with_leg(index, |leg| leg.far_end(&mut sound, now)) {
                continue;
            }
            let slot = &mut self.slots[index];
            slot.crossing.push(&sound);
            if slot.is_heard() || !slot.far.is_closed() {
                slot.far.apply(&mut sound, slot.is_heard());
                heard.add(&sound);
            }
            if slot.leaving && slot.far.is_closed() {
                self.remove_at(index);
            }
        }
        *frame = heard.frame();
        let may_be_heard = match self.direction {
            Direction::Both | Direction::Alternate | Direction::Listen => open,
            Direction::Talk => false,
        };
        self.loudspeaker.apply(frame, may_be_heard);
        if let Some(said) = self.announcement.frame(&self.sounds) {
            *frame = laid_over(frame, &said);
        }
        self.tones.mix(frame);
    }

    /// Calls a leg. One that panics is taken out: its call is lost, the box is not.
    fn with_leg(&mut self, index: usize, call: impl FnOnce(&mut dyn Leg)) -> bool {
        let slot = &mut self.slots[index];
        let calm = catch_unwind(AssertUnwindSafe(|| call(slot.leg.as_mut()))).is_ok();
        if !calm {
            self.panics += 1;
            self.remove_at(index);
        }
        calm
    }

    fn remove(&mut self, peer: PeerId) {
        if let Some(index) = self.slots.iter().position(|slot| slot.peer == peer) {
            self.remove_at(index);
        }
    }

    fn remove_at(&mut self, index: usize) {
        discard(&mut self.bin, self.slots.swap_remove(index).leg);
    }
}

/// The bin is larger than all slots, so only a supervisor that hangs lets a leg be dropped here.
fn discard(bin: &mut Producer<Box<dyn Leg>>, leg: Box<dyn Leg>) {
    drop(bin.push(leg));
}

fn laid_over(frame: &Frame, said: &Frame) -> Frame {
    let mut sum = Sum::EMPTY;
    sum.add(frame);
    sum.add(said);
    sum.frame()
}

/// Silence.
pub(super) const SILENCE: Frame = [0; FRAME_SAMPLES];
