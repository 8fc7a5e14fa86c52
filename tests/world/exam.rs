//! Once the world is well again the box must be so too, within a known time:
//! registered, and a press is an Offer. At the end it must switch off.

use std::time::Duration;

use callbox::appliance::action::Action;
use callbox::appliance::event::{CloseReason, Event, SystemEvent};
use callbox::appliance::status::{CallStatus, SessionStatus};

use super::rule::Rule;
use super::{Happening, World};

/// From wellness to registration: an attempt under way (20 s) and its end
/// (20 s), the longest wait (60 s pause and 60 s jitter), the attempt itself.
const REGISTERED_WITHIN: Duration = Duration::from_secs(170);

#[derive(Clone, Copy, Debug)]
pub enum Exam {
    HangUp,
    Press,
    Offered { before: u64 },
    HangUpAgain,
}

impl World<'_> {
    pub fn schedule_exam(&mut self, exam: Exam) {
        let wait = match exam {
            Exam::HangUp => REGISTERED_WITHIN,
            Exam::Press => Duration::from_secs(8),
            Exam::Offered { .. } => Duration::from_millis(700),
            Exam::HangUpAgain => Duration::from_secs(6),
        };
        self.after(wait, Happening::Exam(exam));
    }

    pub fn examine(&mut self, exam: Exam) {
        let status = self.device.status();
        match exam {
            Exam::HangUp => {
                if status.session != SessionStatus::Registered {
                    self.break_rule(
                        Rule::Registered,
                        format!(
                            "{:?} after {REGISTERED_WITHIN:?}: {}",
                            status.session, status.session_detail
                        ),
                    );
                }
                self.hands_off();
                self.core.calls.clear();
                self.hang_up_all();
                self.schedule_exam(Exam::Press);
            }
            Exam::Press => {
                if status.call != CallStatus::Idle {
                    let detail = format!("{:?} eight seconds after hanging up", status.call);
                    self.break_rule(Rule::HungUpIdle, detail);
                }
                self.count("exams");
                let before = self.watch.offers;
                self.clean_press("call");
                self.schedule_exam(Exam::Offered { before });
            }
            Exam::Offered { before } => {
                if self.watch.offers == before {
                    let detail = format!("no Offer left; faults {:?}", status.faults);
                    self.break_rule(Rule::PressOffers, detail);
                }
                self.schedule_exam(Exam::HangUpAgain);
            }
            Exam::HangUpAgain => self.hang_up_all(),
        }
    }

    /// Of several calls, the next comes to the box when one is over.
    fn hang_up_all(&mut self) {
        for _ in 0..self.device.status().calls.len().max(1) {
            self.ask(Action::HangUp);
        }
    }

    /// The end of every run: a shutdown leaves nothing on.
    pub fn switch_off(&mut self) {
        self.tell("== world", || "switches the box off".to_owned());
        self.device.event(Event::System(SystemEvent::Shutdown), self.start + self.now);
        self.close_if_open(CloseReason::Requested, Duration::ZERO);
        self.drain();
        let exits = self.now + Duration::from_millis(500);
        while let Some(at) = self.device.deadline().map(|at| at.saturating_duration_since(self.start)) {
            if at > exits {
                break;
            }
            self.now = at;
            self.device.timeout(self.start + at);
            self.drain();
        }
        if self.tally.0.get("exits") != Some(&1) {
            self.break_rule(Rule::Exits, format!("{:?}", self.tally.0.get("exits")));
        }
        self.watch_darkness();
    }
}
