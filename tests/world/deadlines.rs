//! What is due when: every state has a timer that leaves it, and no timer is
//! left over from a state that is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use callbox::appliance::id::CallId;
use callbox::appliance::settings::Mode;
use callbox::appliance::status::{CallEntry, CallStatus, SessionStatus, Status};
use callbox::appliance::timer::Timer;

use super::World;
use super::rule::Rule;

/// More deadlines in one minute than any hour needs.
const MOST: u32 = 300;
/// An attempt to connect ends in half that time. Where its token is refused at
/// its very end, the next one is made at once.
const CONNECTING: Duration = Duration::from_secs(40);
/// A stream that does not end (20 s), the pause after refused credentials
/// (60 s) and the longest jitter (60 s).
const OFFLINE: Duration = Duration::from_secs(140);

/// Without the time it makes little sense to connect more often.
const TIMELESS: Duration = Duration::from_secs(700);

#[derive(Default)]
pub struct Deadlines {
    minute: u64,
    count: u32,
    /// The state that must be left, and since when it lasts.
    calls: BTreeMap<Dwelling, Duration>,
    session: Option<(SessionStatus, Duration)>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Dwelling {
    call: CallId,
    state: &'static str,
    longest: Option<Duration>,
}

impl World<'_> {
    /// Before a deadline is handed over.
    pub fn watch_timer_due(&mut self) {
        let Some((timer, status)) = self.device.timer().zip(self.watch.status.as_ref()) else { return };
        if !self.fits(&timer, status) {
            let detail = format!("{timer:?} in {:?}, {:?}", status.call, status.session);
            self.break_rule(Rule::TimerFits, detail);
        }
    }

    fn fits(&self, timer: &Timer, status: &Status) -> bool {
        use CallStatus::{Connecting, InCall, Incoming, Outgoing, Releasing, Ringing};
        let session = status.session;
        let any = |states: &[CallStatus]| status.calls.iter().any(|call| states.contains(&call.state));
        let down = |name: &str| self.lines.iter().any(|(button, down)| *button == name && *down);
        match timer {
            Timer::Reconnect => session == SessionStatus::Offline,
            Timer::Connecting | Timer::KeptPress => session != SessionStatus::Registered,
            Timer::Registration => session == SessionStatus::Connecting,
            Timer::Healthy => session == SessionStatus::Registered,
            Timer::PeerWait(_) => any(&[Outgoing]),
            Timer::OfferRetry(_) => {
                any(&[Outgoing, Ringing]) || status.calls.iter().any(|call| call.adopting)
            }
            Timer::RingTimeout(_) => any(&[Outgoing, Ringing, Incoming]),
            Timer::MediaTimeout(_) => {
                any(&[Incoming, Connecting]) || self.accepts_within.is_some() && any(&[Ringing])
            }
            Timer::Acknowledge(_) => any(&[Ringing]),
            Timer::MediaLost(_) | Timer::NoMedia(_) | Timer::CallEnding(_) | Timer::CheckSilent(_) => {
                any(&[InCall])
            }
            Timer::CallTooLong(_) => any(&[Outgoing, Ringing, Connecting, InCall]),
            Timer::TalkTooLong => any(&[Connecting, InCall]),
            Timer::Adoption(_) => {
                any(&[Connecting, InCall]) || self.accepts_within.is_some() && any(&[Ringing])
            }
            Timer::Releasing(_) => any(&[Releasing]),
            Timer::Hold(name) | Timer::Stuck(name) => down(name.as_str()),
            Timer::Exit => false,
            Timer::PeerRefresh
            | Timer::PeerRetry
            | Timer::OfferPause
            | Timer::ToneEnd
            | Timer::Notice
            | Timer::LateBye
            | Timer::CheckCall
            | Timer::CheckOverdue
            | Timer::SelfTest
            | Timer::DoNotDisturb
            | Timer::KeepAliveFaster
            | Timer::Debounce(_)
            | Timer::Calm(_)
            | Timer::InputSettled(_)
            | Timer::InputStuck(_)
            | Timer::InputCalm(_)
            | Timer::DoorEntry(_)
            | Timer::DoorLocked
            | Timer::DoorForget
            | Timer::DoorHeld
            | Timer::StrikeOff(_)
            | Timer::OutputLimit(_)
            | Timer::AmplifierOff
            | Timer::DoublePress(_) => true,
        }
    }

    /// After a deadline was handed over.
    pub fn watch_timer(&mut self) {
        let minute = self.now.as_secs() / 60;
        let deadlines = &mut self.watch.deadlines;
        if deadlines.minute != minute {
            (deadlines.minute, deadlines.count) = (minute, 0);
        }
        deadlines.count += 1;
        if deadlines.count > MOST {
            self.break_rule(Rule::TimerStorm, format!("{MOST} in one minute"));
        }
        if self.device.deadline().is_some_and(|at| at <= self.start + self.now) {
            self.break_rule(Rule::TimerGone, format!("{:?}", self.device.timer()));
        }
    }

    pub fn check_deadlines(&mut self, status: &Status) {
        self.check_dwelling(status);
        self.check_session_dwelling(status);
        if self.device.deadline().is_none() {
            self.break_rule(Rule::TimerNext, format!("{:?}", status.call));
        }
    }

    /// Every state is left in time: by its timer, or because its media lives.
    fn check_dwelling(&mut self, status: &Status) {
        let before = std::mem::take(&mut self.watch.deadlines.calls);
        for call in &status.calls {
            let (state, longest) = self.dwelling(call);
            let longest = longest.map(Duration::from_secs);
            let now = Dwelling { call: call.call_id.clone(), state, longest };
            let since = before.get(&now).copied().unwrap_or(self.now);
            if longest.is_some_and(|longest| self.now - since > longest) {
                self.break_rule(Rule::StateLeft, format!("{state} since {since:?}"));
            }
            self.watch.deadlines.calls.insert(now, since);
        }
    }

    /// The state as the far end knows it, and how many seconds it may last.
    fn dwelling(&self, call: &CallEntry) -> (&'static str, Option<u64>) {
        match call.state {
            CallStatus::Idle => ("idle", Some(0)),
            // 2 s for the peer connection, 45 s of ringing.
            // Where the callee must accept the call, also 10 s for media and the time for that.
            CallStatus::Outgoing | CallStatus::Ringing => {
                let accepts = self.accepts_within.map_or(0, |within| 10 + within.as_secs());
                ("outgoing", Some(48 + accepts))
            }
            // 45 s of ringing, 10 s for media to read and to answer, again for each new Offer.
            CallStatus::Incoming => ("incoming", Some(90)),
            CallStatus::Connecting => ("connecting", Some(10)),
            CallStatus::Releasing => ("releasing", Some(2)),
            CallStatus::InCall if self.media_is_up(&call.call_id) => {
                ("talking", self.longest.map(|longest| longest.as_secs()))
            }
            CallStatus::InCall => ("interrupted", Some(30)),
        }
    }

    fn media_is_up(&self, call: &CallId) -> bool {
        let peer = match self.core.mode {
            Mode::Pipe => self.watch.connected.first().map(|(peer, _)| peer),
            Mode::MultiPipe => self.watch.peer_of.get(call),
        };
        let peer = peer.and_then(|peer| self.media.peers.get(peer));
        peer.is_some_and(|peer| peer.up && peer.down_since.is_none())
    }

    /// What was right to wait for may have come.
    pub fn watch_clock_set(&mut self) {
        self.watch.deadlines.session = None;
    }

    fn check_session_dwelling(&mut self, status: &Status) {
        let longest = match status.session {
            SessionStatus::Registered => None,
            SessionStatus::Connecting => Some(CONNECTING),
            SessionStatus::Offline if self.needs_time && !self.time.known => Some(TIMELESS),
            SessionStatus::Offline => Some(OFFLINE),
        };
        match self.watch.deadlines.session {
            Some((before, since)) if before == status.session => {
                if longest.is_some_and(|longest| self.now - since > longest) {
                    let detail = format!("{before:?} since {since:?}: {}", status.session_detail);
                    self.break_rule(Rule::SessionMoves, detail);
                }
            }
            Some(_) | None => self.watch.deadlines.session = Some((status.session, self.now)),
        }
    }
}
