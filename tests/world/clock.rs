//! The machine's clock, which is wrong at the start, is set and jumps; and
//! keep-alive, which finds a dead connection in time and obeys a core that
//! finds it too often.

use std::time::Duration;

use callbox::appliance::event::{Clock, Event, SystemEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::settings::KeepAlive;
use callbox::appliance::status::{CallStatus, Status};

use super::rule::Rule;
use super::{Happening, World};

/// A dead connection is found within this time, in a call and without.
const FOUND: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(20));
/// No core finds this too often (gRPC proposal A8, and some time for the way).
const SLOWEST: Duration = Duration::from_secs(330);
/// How long the box keeps to a pace that it had to learn.
const LEARNT: Duration = Duration::from_secs(86_400);

/// A day in 2027.
pub const TODAY: Duration = Duration::from_secs(1_800_000_000);

pub struct Time {
    /// Whether the machine knows the date.
    pub known: bool,
    pub pace: KeepAlive,
    /// Not faster than this, since the core said so.
    floor: Option<(Duration, Duration)>,
}

impl Time {
    pub fn new() -> Self {
        Self { known: false, pace: KeepAlive::default(), floor: None }
    }
}

impl World<'_> {
    /// Boxes without a battery start in 1970 and learn the time later.
    pub fn start_clock(&mut self) {
        if self.chance.percent(30) {
            let seconds = Duration::from_secs(self.chance.below(100));
            self.set_clock(Clock { unix: seconds, known: false });
            let wait = self.chance.ms(500, 900_000);
            self.after(wait, Happening::Clock(Clock { unix: TODAY, known: true }));
        } else {
            self.set_clock(Clock { unix: TODAY, known: true });
        }
    }

    pub fn set_clock(&mut self, clock: Clock) {
        self.count("clocks set");
        self.time.known = clock.known;
        self.watch_clock_set();
        let before = self.device.status().calls;
        self.tell("== clock", || format!("{clock:?}"));
        self.event(Event::System(SystemEvent::Clock(clock)));
        let after = self.device.status().calls;
        if before != after {
            self.break_rule(Rule::ClockHarmless, format!("{before:?} became {after:?}"));
        }
    }

    /// The core has ended the stream for too many PINGs.
    pub fn too_many_pings(&mut self) {
        self.time.floor = Some(((self.time.pace.every * 2).min(SLOWEST), self.now));
    }

    pub fn check_time(&mut self, status: &Status) {
        let said = status.faults.iter().any(|fault| fault.fault == Fault::ClockNotSet);
        if said == self.time.known {
            self.break_rule(Rule::ClockSaid, format!("the date is known: {}, told: {said}", self.time.known));
        }
        let KeepAlive { every, timeout } = self.time.pace;
        match self.time.floor {
            None => {
                let within = if status.call == CallStatus::Idle { FOUND.1 } else { FOUND.0 };
                if every + timeout > within {
                    let detail = format!("every {every:?}, within {timeout:?}, in {:?}", status.call);
                    self.break_rule(Rule::PingsInTime, detail);
                }
            }
            Some((floor, since)) => {
                if every < floor && self.now - since < LEARNT {
                    self.break_rule(Rule::PingsSlower, format!("every {every:?}, not {floor:?}"));
                }
            }
        }
    }
}
