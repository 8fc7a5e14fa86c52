//! Lamp patterns: what a lamp shows for what state.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::status::{CallStatus, SessionStatus};

/// What a lamp shows. All lamps blink in step: phase zero is a common instant,
/// and every blinking pattern but [`Pattern::Alternate`] is lit at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Dark.
    Off,
    /// Lit.
    On,
    /// 1 s lit, 1 s dark.
    Slow,
    /// 1 s dark, 1 s lit: lit while a lamp with [`Pattern::Slow`] is dark.
    Alternate,
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
            Pattern::Alternate => ms % 2000 >= 1000,
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
    /// Lit while the appliance runs.
    Power,
    /// Lit while registered.
    Online,
    /// A call is being made, or one rings here, also beside another; lit for a
    /// moment by a press of any button.
    Calling,
    /// The far end rings.
    Ringing,
    /// Both can talk.
    Answered,
    /// Whoever stands at the box may speak now and is heard.
    TalkAllowed,
    /// The sound of the microphone goes out to somebody. Driven by what the
    /// audio shell really does, by nothing else, so it cannot lie.
    Microphone,
    /// The door may be opened, or is open; flashes when it is open for too long.
    Door,
    /// The associated number is in a call elsewhere.
    BusyElsewhere,
    /// A fault is present.
    Fault,
    /// The yellow pictogram of EN 81-28:2018 (lifts, remote alarm): lit from the
    /// alarm until its call is over. With [`LedFunction::ConnectionMade`]: the
    /// two flash alternately while the box could not call for help.
    AlarmSent,
    /// The green pictogram of EN 81-28:2018: lit while both can talk.
    ConnectionMade,
    /// Lit from the press until the call is over.
    CallPlaced,
    /// Lit once somebody has answered, until the call is over: for who cannot hear it.
    CallReceived,
}

/// Which lamps a kind of box has by tradition or standard. A board names its
/// lamps `calling` and `answered`; the profile says what these two mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LampProfile {
    /// Blinking says what happens: slow for a call that is made, fast for one that rings.
    #[default]
    Usual,
    /// Lifts: "alarm sent" and "connection made" as in EN 81-28:2018.
    #[serde(rename = "en81-28")]
    En8128,
    /// Emergency telephones as of GAI-Tronics: "call placed" and "call received", both steady.
    GaiTronics,
}

impl LampProfile {
    /// What a lamp of this function shows with this profile.
    pub fn of(self, function: LedFunction) -> LedFunction {
        match (self, function) {
            (LampProfile::En8128, LedFunction::Calling) => LedFunction::AlarmSent,
            (LampProfile::En8128, LedFunction::Answered) => LedFunction::ConnectionMade,
            (LampProfile::GaiTronics, LedFunction::Calling) => LedFunction::CallPlaced,
            (LampProfile::GaiTronics, LedFunction::Answered) => LedFunction::CallReceived,
            (LampProfile::Usual | LampProfile::En8128 | LampProfile::GaiTronics, function) => function,
        }
    }
}

/// All that decides what the lamps show.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub session: SessionStatus,
    pub call: CallStatus,
    /// A call rings here, be it the call at the box or beside it.
    pub rings: bool,
    pub busy_elsewhere: bool,
    /// A fault is present.
    pub fault: bool,
    /// Something was refused or failed a moment ago.
    pub trouble: bool,
    /// A button was pressed a moment ago.
    pub felt: bool,
    /// The microphone's sound goes out.
    pub microphone: bool,
    /// Whoever stands at the box may speak.
    pub talk_allowed: bool,
    /// The door may be opened, or is open.
    pub door_open: bool,
    /// The door is open for too long, or was forced.
    pub door_alarm: bool,
}

/// What a lamp of this function shows.
pub(super) fn pattern(function: LedFunction, view: &View) -> Pattern {
    match function {
        LedFunction::Status => status(view),
        LedFunction::Power => Pattern::On,
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
        LedFunction::TalkAllowed => lit_if(view.talk_allowed),
        LedFunction::Microphone => lit_if(view.microphone),
        LedFunction::Door if view.door_alarm => Pattern::DoubleFlash,
        LedFunction::Door => lit_if(view.door_open),
        LedFunction::BusyElsewhere => lit_if(view.busy_elsewhere),
        LedFunction::Fault if view.fault || view.trouble => Pattern::DoubleFlash,
        LedFunction::Fault => Pattern::Off,
        LedFunction::AlarmSent if view.trouble => Pattern::DoubleFlash,
        LedFunction::AlarmSent => sent(view, Pattern::Slow),
        LedFunction::ConnectionMade => made(view, Pattern::Alternate),
        LedFunction::CallPlaced if view.trouble => Pattern::DoubleFlash,
        LedFunction::CallPlaced => sent(view, Pattern::Off),
        LedFunction::CallReceived => made(view, Pattern::Off),
    }
}

/// Steady from a press to the end of its call; `broken` while no call could be made.
fn sent(view: &View, broken: Pattern) -> Pattern {
    match view.call {
        CallStatus::Outgoing | CallStatus::Ringing | CallStatus::Connecting | CallStatus::InCall => {
            Pattern::On
        }
        CallStatus::Incoming => Pattern::Off,
        CallStatus::Idle | CallStatus::Releasing if view.felt => Pattern::On,
        CallStatus::Idle | CallStatus::Releasing if view.fault => broken,
        CallStatus::Idle | CallStatus::Releasing => Pattern::Off,
    }
}

/// Steady while both can talk; `broken` while no call could be made.
fn made(view: &View, broken: Pattern) -> Pattern {
    match view.call {
        CallStatus::InCall => Pattern::On,
        CallStatus::Idle | CallStatus::Releasing if view.fault && !view.felt && !view.trouble => broken,
        CallStatus::Idle
        | CallStatus::Releasing
        | CallStatus::Outgoing
        | CallStatus::Ringing
        | CallStatus::Incoming
        | CallStatus::Connecting => Pattern::Off,
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

    const QUIET: View = View {
        session: SessionStatus::Registered,
        call: CallStatus::Idle,
        rings: false,
        busy_elsewhere: false,
        fault: false,
        trouble: false,
        felt: false,
        microphone: false,
        talk_allowed: false,
        door_open: false,
        door_alarm: false,
    };

    const CALLS: [CallStatus; 7] = [
        CallStatus::Idle,
        CallStatus::Outgoing,
        CallStatus::Ringing,
        CallStatus::Incoming,
        CallStatus::Connecting,
        CallStatus::InCall,
        CallStatus::Releasing,
    ];

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
    fn of_two_lamps_that_alternate_exactly_one_is_lit() {
        for ms in 0..6000 {
            let at = Duration::from_millis(ms);
            assert_ne!(Pattern::Slow.lit_at(at), Pattern::Alternate.lit_at(at), "{ms} ms");
        }
    }

    #[test]
    fn one_lamp_shows_trouble_then_the_call_then_faults_and_the_session() {
        let mut view = View { call: CallStatus::InCall, ..QUIET };
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
        let mut view = View { session: SessionStatus::Offline, fault: true, felt: true, ..QUIET };
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

    #[test]
    fn the_microphone_lamp_follows_the_microphone_and_nothing_else() {
        for call in CALLS {
            for (talk_allowed, fault) in [(false, false), (true, false), (false, true), (true, true)] {
                let view = View { call, talk_allowed, fault, trouble: fault, felt: fault, ..QUIET };
                assert_eq!(pattern(LedFunction::Microphone, &view), Pattern::Off, "{view:?}");
                let live = View { microphone: true, ..view };
                assert_eq!(pattern(LedFunction::Microphone, &live), Pattern::On, "{live:?}");
                assert_eq!(pattern(LedFunction::TalkAllowed, &view) == Pattern::On, talk_allowed);
                assert_eq!(pattern(LedFunction::Power, &view), Pattern::On);
            }
        }
    }

    #[test]
    fn the_door_lamp_shows_open_and_too_long_open() {
        let mut view = QUIET;
        assert_eq!(pattern(LedFunction::Door, &view), Pattern::Off);
        view.door_open = true;
        assert_eq!(pattern(LedFunction::Door, &view), Pattern::On);
        view.door_alarm = true;
        assert_eq!(pattern(LedFunction::Door, &view), Pattern::DoubleFlash);
    }

    #[test]
    fn in_a_lift_yellow_is_the_alarm_and_green_the_voice_and_both_alternate_when_help_is_out_of_reach() {
        let lamps = |view: &View| {
            [LedFunction::Calling, LedFunction::Answered]
                .map(|function| pattern(LampProfile::En8128.of(function), view))
        };
        let of_call = CALLS.map(|call| lamps(&View { call, ..QUIET }));
        let (off, on) = (Pattern::Off, Pattern::On);
        assert_eq!(of_call, [[off, off], [on, off], [on, off], [off, off], [on, off], [on, on], [off, off]]);
        let broken = View { fault: true, ..QUIET };
        assert_eq!(lamps(&broken), [Pattern::Slow, Pattern::Alternate]);
        assert_eq!(lamps(&View { felt: true, ..broken }), [on, off], "a press is seen");
        assert_eq!(lamps(&View { trouble: true, ..broken }), [Pattern::DoubleFlash, off]);
        assert_eq!(lamps(&View { call: CallStatus::InCall, ..broken }), [on, on]);
    }

    #[test]
    fn on_an_emergency_telephone_both_lamps_are_steady() {
        let lamps = |view: &View| {
            [LedFunction::Calling, LedFunction::Answered]
                .map(|function| pattern(LampProfile::GaiTronics.of(function), view))
        };
        for call in CALLS {
            for fault in [false, true] {
                let shown = lamps(&View { call, fault, ..QUIET });
                assert!(
                    shown.iter().all(|pattern| matches!(pattern, Pattern::On | Pattern::Off)),
                    "{shown:?}"
                );
                assert_eq!(shown[1] == Pattern::On, call == CallStatus::InCall);
            }
        }
        assert_eq!(LampProfile::GaiTronics.of(LedFunction::Fault), LedFunction::Fault);
        assert_eq!(LampProfile::Usual.of(LedFunction::Calling), LedFunction::Calling);
    }
}
