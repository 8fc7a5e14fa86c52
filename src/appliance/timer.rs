//! Every timer of the appliance: one enum, one table.

use std::collections::BTreeMap;
use std::time::Instant;

use super::id::{ButtonName, CallRef, InputName, OutputName};

/// What a deadline is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// Connect to the voice core again.
    Reconnect,
    /// The stream neither opened nor failed in time.
    Connecting,
    /// The request was sent and not refused for this long: registered.
    Registration,
    /// Healthy for long enough that back-off starts afresh.
    Healthy,
    /// The core has long taken keep-alive as it is: a faster one may be tried.
    KeepAliveFaster,
    /// The prepared peer connection is old: make a fresh one.
    PeerRefresh,
    /// No peer connection could be made: try again.
    PeerRetry,
    /// A call waited for long enough for its peer connection.
    PeerWait(CallRef),
    /// The voice core said TRY_AGAIN: send the Offer again.
    OfferRetry(CallRef),
    /// The voice core said RATE_LIMIT_HIT: no new Offer until then.
    OfferPause,
    /// The far end, or the box, rang for long enough.
    RingTimeout(CallRef),
    /// Media did not come up after the answer.
    MediaTimeout(CallRef),
    /// Whoever answered has not accepted the call in time.
    Acknowledge(CallRef),
    /// Media is interrupted for too long.
    MediaLost(CallRef),
    /// The far end sent no audio for too long.
    NoMedia(CallRef),
    /// The longest time of a call will soon be over.
    CallEnding(CallRef),
    /// The longest time of a call is over.
    CallTooLong(CallRef),
    /// A check call is up and nothing was heard yet.
    CheckSilent(CallRef),
    /// The core has not said which call there is: tell it of those that are over.
    LateBye,
    /// Make a check call.
    CheckCall,
    /// No check call has been good for too long.
    CheckOverdue,
    /// The core says nothing of a call that outlived its stream.
    Adoption(CallRef),
    /// A shell did not say that a call's media is closed.
    Releasing(CallRef),
    /// A press has been kept for as long as anybody waits.
    KeptPress,
    /// The tone at a call's end has been heard.
    ToneEnd,
    /// Lamps have shown long enough that something was refused or failed.
    Notice,
    /// Do-not-disturb may begin or end now.
    DoNotDisturb,
    /// The next step of the sound's self-test.
    SelfTest,
    /// Talk was asked for from elsewhere and not ended for longer than anybody talks.
    TalkTooLong,
    /// Shutting down: do not wait for the shells any longer.
    Exit,
    /// A button's bounces are over.
    Debounce(ButtonName),
    /// A button is held for a long press.
    Hold(ButtonName),
    /// A second press would have made a double press.
    DoublePress(ButtonName),
    /// A button is held for longer than anybody would.
    Stuck(ButtonName),
    /// A button that chattered has been quiet.
    Calm(ButtonName),
    /// An input's bounces are over.
    InputSettled(InputName),
    /// An input is active for longer than anybody would hold it.
    InputStuck(InputName),
    /// An input that chattered has been quiet.
    InputCalm(InputName),
    /// No digit followed in time: what was dialled so far is void.
    DoorEntry(CallRef),
    /// Codes count again.
    DoorLocked,
    /// The wrong codes are long ago.
    DoorForget,
    /// The door stands open for too long.
    DoorHeld,
    /// A strike's pulse is over.
    StrikeOff(OutputName),
    /// An output has been on for as long as it may.
    OutputLimit(OutputName),
    /// The loudspeaker has been silent long enough for its amplifier to go off.
    AmplifierOff,
}

impl Timer {
    /// The call that the timer belongs to, if it is one's.
    pub fn call(&self) -> Option<CallRef> {
        match self {
            Timer::PeerWait(call)
            | Timer::OfferRetry(call)
            | Timer::RingTimeout(call)
            | Timer::MediaTimeout(call)
            | Timer::Acknowledge(call)
            | Timer::MediaLost(call)
            | Timer::NoMedia(call)
            | Timer::CallEnding(call)
            | Timer::CallTooLong(call)
            | Timer::CheckSilent(call)
            | Timer::Adoption(call)
            | Timer::DoorEntry(call)
            | Timer::Releasing(call) => Some(*call),
            Timer::Reconnect
            | Timer::Connecting
            | Timer::Registration
            | Timer::Healthy
            | Timer::PeerRefresh
            | Timer::PeerRetry
            | Timer::OfferPause
            | Timer::KeptPress
            | Timer::ToneEnd
            | Timer::Notice
            | Timer::LateBye
            | Timer::CheckCall
            | Timer::CheckOverdue
            | Timer::DoNotDisturb
            | Timer::SelfTest
            | Timer::TalkTooLong
            | Timer::Exit
            | Timer::Debounce(_)
            | Timer::Hold(_)
            | Timer::DoublePress(_)
            | Timer::KeepAliveFaster
            | Timer::Stuck(_)
            | Timer::Calm(_)
            | Timer::InputSettled(_)
            | Timer::InputStuck(_)
            | Timer::InputCalm(_)
            | Timer::DoorLocked
            | Timer::DoorForget
            | Timer::DoorHeld
            | Timer::StrikeOff(_)
            | Timer::OutputLimit(_)
            | Timer::AmplifierOff => None,
        }
    }
}

/// The table of deadlines: one a timer.
#[derive(Clone, Debug, Default)]
pub struct Timers {
    deadlines: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Sets or moves a deadline.
    pub fn set(&mut self, timer: Timer, at: Instant) {
        self.deadlines.insert(timer, at);
    }

    /// Forgets a deadline; nothing happens if there is none.
    pub fn stop(&mut self, timer: &Timer) {
        self.deadlines.remove(timer);
    }

    /// Whether a deadline is set.
    pub fn is_set(&self, timer: &Timer) -> bool {
        self.deadlines.contains_key(timer)
    }

    /// When a deadline is, if it is set.
    pub fn at(&self, timer: &Timer) -> Option<Instant> {
        self.deadlines.get(timer).copied()
    }

    /// Forgets every deadline of a call.
    pub fn stop_call(&mut self, call: CallRef) {
        self.deadlines.retain(|timer, _| timer.call() != Some(call));
    }

    /// Forgets every deadline.
    pub fn clear(&mut self) {
        self.deadlines.clear();
    }

    /// The next deadline; of equal ones the first in the enum's order.
    pub fn next(&self) -> Option<(Instant, Timer)> {
        self.deadlines.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*at, timer.clone()))
    }

    /// Takes a timer that is due, the earliest first.
    pub fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = self.next()?;
        if at > now {
            return None;
        }
        self.deadlines.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timers_come_due_in_the_order_of_their_deadlines_and_once() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.set(Timer::Reconnect, start + Duration::from_secs(3));
        timers.set(Timer::ToneEnd, start + Duration::from_secs(1));
        timers.set(Timer::RingTimeout(CallRef(1)), start + Duration::from_secs(9));
        timers.set(Timer::RingTimeout(CallRef(1)), start + Duration::from_secs(2));
        timers.set(Timer::RingTimeout(CallRef(2)), start + Duration::from_secs(2));
        timers.set(Timer::MediaTimeout(CallRef(2)), start + Duration::from_secs(2));
        timers.stop_call(CallRef(2));
        timers.set(Timer::Healthy, start + Duration::from_secs(2));
        timers.stop(&Timer::Healthy);
        assert_eq!(timers.next(), Some((start + Duration::from_secs(1), Timer::ToneEnd)));
        assert_eq!(timers.take_due(start), None);
        let late = start + Duration::from_secs(5);
        let due: Vec<Timer> = std::iter::from_fn(|| timers.take_due(late)).collect();
        assert_eq!(due, [Timer::ToneEnd, Timer::RingTimeout(CallRef(1)), Timer::Reconnect]);
        assert_eq!(timers.next(), None);
        timers.set(Timer::Exit, late);
        assert_eq!(timers.at(&Timer::Exit), Some(late));
        timers.clear();
        assert_eq!((timers.next(), timers.at(&Timer::Exit)), (None, None));
    }
}
