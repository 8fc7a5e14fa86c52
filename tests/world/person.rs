//! People: the one whom the box calls, the one who calls the box, and the one
//! who stands before it.

use std::time::Duration;

use callbox::appliance::event::{Body, CloseReason};
use callbox::appliance::id::CallId;
use callbox::appliance::settings::Mode;

use super::{Happening, World};

/// What a person, or the phone, does in a call at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    Rings,
    Answers,
    Rejects,
    HangsUp,
    /// Nobody's doing: the stream breaks, and the talk goes on.
    OutlivesStream,
    /// Somebody else calls meanwhile.
    IsInterrupted,
    /// An Offer of the core in the call: hold, resume, another codec.
    Reoffers,
    EndsElsewhere,
}

impl World<'_> {
    /// The far end gets a call of the box.
    pub fn person_is_called(&mut self, serial: u64) {
        let ring = self.chance.ms(50, 1500);
        if self.chance.percent(85) {
            self.after(ring, Happening::Person(serial, Does::Rings));
        }
        if self.odd(15) {
            let early = self.chance.ms(20, 3000);
            self.after(early, Happening::Person(serial, Does::Reoffers));
        }
        match self.chance.below(10) {
            0 | 1 => {
                let wait = ring + self.chance.ms(0, 20_000);
                self.after(wait, Happening::Person(serial, Does::Rejects));
            }
            // Nobody is at home; the box must give up by itself.
            2 if !self.calm() => {}
            _ => {
                let wait = ring + self.chance.ms(100, 30_000);
                self.after(wait, Happening::Person(serial, Does::Answers));
            }
        }
    }

    /// Both can talk now; what comes of it.
    pub fn person_talks(&mut self, serial: u64) {
        for _ in 0..self.chance.below(3) {
            let wait = self.chance.ms(0, 30_000);
            self.after(wait, Happening::Person(serial, Does::Reoffers));
        }
        if self.core.mode == Mode::MultiPipe && self.odd(40) {
            let wait = self.chance.ms(500, 20_000);
            self.after(wait, Happening::Person(serial, Does::IsInterrupted));
        }
        if self.odd(8) {
            let wait = self.chance.ms(500, 20_000);
            self.after(wait, Happening::Person(serial, Does::OutlivesStream));
        }
        let wait = self.chance.ms(500, 120_000);
        self.after(wait, Happening::Person(serial, Does::HangsUp));
    }

    /// The box rings: somebody may answer, with a finger as people have it.
    pub fn person_at_the_box(&mut self) {
        if self.chance.percent(60) {
            let wait = self.chance.ms(500, 20_000);
            let held = self.chance.ms(60, 500);
            let talks = self.core.calls.iter().any(|call| call.up);
            let button = if talks { "swap" } else { "call" };
            self.after(wait, Happening::Line(button, true));
            self.after(wait + held, Happening::Line(button, false));
            if talks && self.chance.percent(50) {
                let wait = wait + self.chance.ms(1000, 20_000);
                self.after(wait, Happening::Line("merge", true));
                self.after(wait + held, Happening::Line("merge", false));
            }
        }
    }

    /// A caller for the box.
    pub fn person_calls(&mut self, from: Option<&'static str>) {
        let most = match self.core.mode {
            Mode::Pipe => 1,
            Mode::MultiPipe => 6,
        };
        if self.core.stream.is_none() || self.core.calls.len() >= most {
            return;
        }
        self.count("calls to the box");
        let serial = self.core.next_serial();
        let id = CallId(format!("core-call-{serial}"));
        let call = super::core_model::CoreCall { serial, id: id.clone(), from_box: false, up: false };
        self.core.begin(call);
        self.offer_to_box(&id, serial, from);
        let patience = self.chance.ms(300, 70_000);
        self.after(patience, Happening::Person(serial, Does::Rejects));
    }

    pub fn person_does(&mut self, serial: u64, does: Does) {
        if does == Does::EndsElsewhere {
            if let Some((_, id)) = self.core.elsewhere.take_if(|(elsewhere, _)| *elsewhere == serial) {
                self.say(&id, Body::Idle);
            }
            return;
        }
        let Some(call) = self.core.call(serial).cloned() else { return };
        self.tell("far end", || format!("{does:?} in call {serial}"));
        match does {
            Does::Rings if !call.up => self.say(&call.id, Body::Ringing),
            Does::Answers if !call.up => {
                self.core.call(serial).into_iter().for_each(|call| call.up = true);
                let sdp = if self.odd(5) { "bad".to_owned() } else { "far end's answer".to_owned() };
                self.say(&call.id, Body::Answer { sdp });
                self.count("answered there");
                self.person_talks(serial);
            }
            Does::Rejects if !call.up => {
                self.core.end(serial);
                self.say(&call.id, Body::Bye);
            }
            Does::HangsUp => {
                self.core.end(serial);
                self.say(&call.id, Body::Bye);
            }
            Does::OutlivesStream => self.close_if_open(CloseReason::Lost, Duration::ZERO),
            Does::IsInterrupted => self.person_calls(Some(super::house::FAMILY)),
            Does::Reoffers => {
                self.count("renegotiations");
                self.offer_to_box(&call.id, serial, None);
            }
            Does::Rings | Does::Answers | Does::Rejects | Does::EndsElsewhere => {}
        }
    }

    /// A finger that lets every button go.
    pub fn hands_off(&mut self) {
        let held: Vec<_> = self.lines.iter().filter(|(_, down)| **down).map(|(button, _)| *button).collect();
        for button in held {
            self.line(button, false);
        }
    }

    pub fn clean_press(&mut self, button: &'static str) {
        self.press(button, Duration::from_millis(120), 0);
    }
}
