//! Lamp patterns: what a lamp shows for what state.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::status::{CallStatus, SessionStatus};

/// What a lamp shows. All lamps blink in step: phase zero is a common instant,
/// and every blinking pattern is lit at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Dark.
    Off,
    /// Lit.
    On,
    /// 1 s lit, 1 s dark.
    Slow,
    /// 200 ms lit, 200 ms dark.
    Fast,
    /// 50 ms lit every 3 s: alive, nothing to do.
    Heartbeat,
    /// Two short flashes every 2 s: a fault.
    DoubleFlash,
}

impl Pattern {
    /// Whether the lamp is lit this long after phase zero.
    pub fn lit_at(self, since_phase_zero: Duration) -> bool {
        let ms = since_phase_zero.as_millis();
        match self {
            Pattern::Off => false,
            Pattern::On => true,
            Pattern::Slow => ms % 2000 < 1000,
            Pattern::Fast => ms % 400 < 200,
            Pattern::Heartbeat => ms % 3000 < 50,
            Pattern::DoubleFlash => matches!(ms % 2000, 0..100 | 200..300),
        }
    }
}

/// What a lamp is for; the board file gives each lamp one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LedFunction {
    /// Session, call and faults in one lamp, for boxes with only one.
    Status,
    /// Lit while registered.
    Online,
    /// A call is being made, or one rings here, also beside another; lit for a
    /// moment by a press of any button.
    Calling,
    /// The far end rings.
    Ringing,
    /// Both can talk.
    Answered,
    /// The associated number is in a call elsewhere.
    BusyElsewhere,
    /// A fault is present.
    Fault,
    /// Lit while the person at the box may talk.
    TalkAllowed,
}

/// All that decides what the lamps show.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub session: SessionStatus,
    pub call: CallStatus,
    /// A call rings here, be it the call at the box or beside it.
    pub rings: bool,
    pub busy_elsewhere: bool,
    /// The person at the box may talk now.
    pub talk_allowed: bool,
    /// A fault is present.
    pub fault: bool,
    /// Something was refused or failed a moment ago.
    pub trouble: bool,
    /// A button was pressed a moment ago.
    pub felt: bool,
}

/// What a lamp of this function shows.
pub(super) fn pattern(function: LedFunction, view: &View) -> Pattern {
    match function {
        LedFunction::Status => status(view),
        LedFunction::Online => lit_if(registered(view)),
        LedFunction::Calling if view.trouble => Pattern::DoubleFlash,
        LedFunction::Calling if view.rings => Pattern::Fast,
        LedFunction::Calling => match view.call {
            CallStatus::Outgoing | CallStatus::Ringing => Pattern::Slow,
            CallStatus::Incoming => Pattern::Fast,
            CallStatus::Idle | CallStatus::Connecting | CallStatus::InCall | CallStatus::Releasing => {
                lit_if(view.felt)
            }
        },
        LedFunction::Ringing => match view.call {
            CallStatus::Ringing => Pattern::Slow,
            CallStatus::Idle
            | CallStatus::Outgoing
            | CallStatus::Incoming
            | CallStatus::Connecting
            | CallStatus::InCall
            | CallStatus::Releasing => Pattern::Off,
        },
        LedFunction::Answered => match view.call {
            CallStatus::InCall => Pattern::On,
            CallStatus::Connecting => Pattern::Fast,
            CallStatus::Idle
            | CallStatus::Outgoing
            | CallStatus::Ringing
            | CallStatus::Incoming
            | CallStatus::Releasing => Pattern::Off,
        },
        LedFunction::BusyElsewhere => lit_if(view.busy_elsewhere),
        LedFunction::Fault if view.fault || view.trouble => Pattern::DoubleFlash,
        LedFunction::Fault => Pattern::Off,
        LedFunction::TalkAllowed => lit_if(view.talk_allowed),
    }
}

/// One lamp for all: what went wrong just now, then the call, so that a press
/// is seen on a box with a standing fault, then a press that begins no call,
/// then faults and the session.
fn status(view: &View) -> Pattern {
    if view.trouble {
        return Pattern::DoubleFlash;
    }
    match view.call {
        CallStatus::Outgoing | CallStatus::Ringing => Pattern::Slow,
        CallStatus::Incoming | CallStatus::Connecting => Pattern::Fast,
        CallStatus::InCall => Pattern::On,
        CallStatus::Idle | CallStatus::Releasing if view.felt => Pattern::On,
        CallStatus::Idle | CallStatus::Releasing if view.fault || !registered(view) => Pattern::DoubleFlash,
        CallStatus::Idle | CallStatus::Releasing => Pattern::Heartbeat,
    }
}

fn registered(view: &View) -> bool {
    match view.session {
        SessionStatus::Registered => true,
        SessionStatus::Offline | SessionStatus::Connecting => false,
    }
}

fn lit_if(lit: bool) -> Pattern {
    if lit { Pattern::On } else { Pattern::Off }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds of light in the first six seconds, and how often it begins.
    fn light(pattern: Pattern) -> (usize, usize) {
        let lit: Vec<bool> = (0..6000).map(|ms| pattern.lit_at(Duration::from_millis(ms))).collect();
        let begins = (0..6000).filter(|&ms| lit[ms] && (ms == 0 || !lit[ms - 1])).count();
        (lit.iter().filter(|lit| **lit).count(), begins)
    }

    #[test]
    fn no_two_patterns_look_alike() {
        assert_eq!(light(Pattern::Off), (0, 0));
        assert_eq!(light(Pattern::On), (6000, 1));
        assert_eq!(light(Pattern::Slow), (3000, 3));
        assert_eq!(light(Pattern::Fast), (3000, 15));
        assert_eq!(light(Pattern::Heartbeat), (100, 2));
        assert_eq!(light(Pattern::DoubleFlash), (600, 6));
    }

    #[test]
    fn one_lamp_shows_trouble_then_the_call_then_faults_and_the_session() {
        let mut view = View {
            session: SessionStatus::Registered,
            call: CallStatus::InCall,
            rings: false,
            busy_elsewhere: false,
            talk_allowed: false,
            fault: false,
            trouble: false,
            felt: false,
        };
        let status = |view: &View| pattern(LedFunction::Status, view);
        assert_eq!(status(&view), Pattern::On);
        view = View { fault: true, session: SessionStatus::Offline, ..view };
        assert_eq!(status(&view), Pattern::On);
        view.call = CallStatus::Idle;
        assert_eq!(status(&view), Pattern::DoubleFlash);
        view.session = SessionStatus::Registered;
        assert_eq!(status(&view), Pattern::DoubleFlash);
        view.fault = false;
        assert_eq!(status(&view), Pattern::Heartbeat);
        view = View { trouble: true, call: CallStatus::Outgoing, ..view };
        assert_eq!(status(&view), Pattern::DoubleFlash);
    }

    #[test]
    fn a_press_is_seen_wherever_nothing_else_is() {
        let mut view = View {
            session: SessionStatus::Offline,
            call: CallStatus::Idle,
            rings: false,
            busy_elsewhere: false,
            talk_allowed: false,
            fault: true,
            trouble: false,
            felt: true,
        };
        let shown = |view: &View| (pattern(LedFunction::Calling, view), pattern(LedFunction::Status, view));
        assert_eq!(shown(&view), (Pattern::On, Pattern::On));
        view.call = CallStatus::InCall;
        assert_eq!(shown(&view), (Pattern::On, Pattern::On));
        view.rings = true;
        assert_eq!(shown(&view), (Pattern::Fast, Pattern::On));
        view = View { call: CallStatus::Ringing, rings: false, ..view };
        assert_eq!(shown(&view), (Pattern::Slow, Pattern::Slow));
        view = View { call: CallStatus::Idle, felt: false, ..view };
        assert_eq!(shown(&view), (Pattern::Off, Pattern::DoubleFlash));
        assert_eq!(pattern(LedFunction::Fault, &view), Pattern::DoubleFlash);
        view = View { fault: false, trouble: true, ..view };
        assert_eq!(pattern(LedFunction::Fault, &view), Pattern::DoubleFlash);
        view.trouble = false;
        assert_eq!(pattern(LedFunction::Fault, &view), Pattern::Off);
    }
}
