//! Carries out the moves of a plan.

use std::time::Duration;

use callbox::appliance::event::{Clock, CloseReason, Event, SystemEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::id::CallId;

use super::chance::Chance;
use super::clock::TODAY;
use super::exam::Exam;
use super::plan::{Trouble, WELL, What};
use super::{Happening, World};

impl World<'_> {
    pub fn make_move(&mut self, index: usize) {
        let what = self.plan.moves[index].what.clone();
        self.chance = Chance::new(self.plan.seed, 100 + self.plan.moves[index].part);
        self.tell("== world", || format!("{what:?}"));
        match what {
            What::Press { button, held, bounces } => self.press(button, held, bounces),
            What::Wedged { button, lasts } => {
                self.count("wedged buttons");
                self.press(button, lasts, 0);
            }
            What::Chatter { button, edges, within } => self.chatter(button, edges, within),
            What::Ask(action) => self.ask(action),
            What::IncomingCall { from } => self.person_calls(from),
            What::CallElsewhere { lasts } => {
                if self.core.elsewhere.is_none() {
                    let id = CallId(format!("elsewhere-{index}"));
                    self.call_elsewhere(id, lasts);
                }
            }
            What::Restart { down } => self.core_goes_down(down),
            What::TokenExpires => self.token_dies(),
            What::Trouble { trouble, lasts } => self.trouble(trouble, lasts),
            What::Whim(whim) => {
                if self.whims.len() < 3 {
                    self.whims.push(whim);
                }
            }
            What::Stray(stray) => self.stray(stray),
            What::AddressesChanged => self.event(Event::System(SystemEvent::AddressesChanged)),
            What::Clock(clock) => self.set_clock(clock),
            What::TooManyPings => {
                let wait = self.chance.ms(0, 200);
                self.close_if_open(CloseReason::TooManyPings, wait);
            }
            What::Microphone { broken: true } => {
                let detail = "the microphone is gone".to_owned();
                let fault = Fault::CaptureDevice;
                self.event(Event::System(SystemEvent::FaultRaised { fault, detail }));
            }
            What::Microphone { broken: false } => {
                self.event(Event::System(SystemEvent::FaultCleared(Fault::CaptureDevice)));
            }
            What::Heal => self.heal(),
        }
    }

    fn chatter(&mut self, button: &'static str, edges: u64, within: Duration) {
        self.count("chatters");
        let most = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let mut times: Vec<Duration> = (0..edges).map(|_| self.chance.ms(0, most)).collect();
        times.sort_unstable();
        for (index, wait) in times.into_iter().enumerate() {
            self.after(wait, Happening::Line(button, index % 2 == 0));
        }
    }

    fn trouble(&mut self, trouble: Trouble, lasts: Duration) {
        let until = self.now + lasts;
        let end = self.troubles.entry(trouble).or_default();
        *end = until.max(*end);
        self.count("troubles");
        match trouble {
            Trouble::Partition => {
                self.cut(lasts);
                self.media_cut(lasts);
            }
            Trouble::HalfOpen => self.cut(lasts),
            Trouble::CoreDown => self.core_goes_down(lasts),
            Trouble::TokensRefused if self.chance.percent(50) => self.token_dies(),
            Trouble::StreamsLimited if self.chance.percent(50) => {
                self.close_if_open(CloseReason::RateLimited, Duration::from_millis(20));
            }
            Trouble::SecretRevoked if self.chance.percent(50) => self.token_dies(),
            Trouble::NoName
            | Trouble::BadCertificate
            | Trouble::TokensRefused
            | Trouble::Forbidden
            | Trouble::StreamsLimited
            | Trouble::TokenServerDown
            | Trouble::SecretRevoked
            | Trouble::SecretUnreadable
            | Trouble::MediaSick => {}
        }
    }

    fn core_goes_down(&mut self, down: Duration) {
        let until = self.now + down;
        let end = self.troubles.entry(Trouble::CoreDown).or_default();
        *end = until.max(*end);
        self.restart();
        let reason = self.chance.pick(&[CloseReason::EndedByCore, CloseReason::Lost]);
        let wait = self.chance.ms(0, 200);
        self.close_if_open(reason, wait);
    }

    fn heal(&mut self) {
        self.troubles.clear();
        self.whims.clear();
        self.calm_until = self.now + WELL;
        self.hands_off();
        self.set_clock(Clock { unix: TODAY, known: true });
        self.schedule_exam(Exam::HangUp);
    }
}
