//! What is due when: every state has a timer that leaves it, and no timer is
//! left over from a state that is gone.

use std::time::Duration;

use callbox::appliance::status::{CallStatus, SessionStatus, Status};
use callbox::appliance::timer::Timer;

use super::World;
use super::rule::Rule;

/// More deadlines in one minute than any hour needs.
const MOST: u32 = 300;
/// An attempt to connect ends by then.
const CONNECTING: Duration = Duration::from_secs(20);
/// A stream that does not end (20 s), the pause after refused credentials
/// (60 s) and the longest jitter (60 s).
const OFFLINE: Duration = Duration::from_secs(140);

#[derive(Default)]
pub struct Deadlines {
    minute: u64,
    count: u32,
    /// The state that must be left, and since when it lasts.
    call: Option<(Dwelling, Duration)>,
    session: Option<(SessionStatus, Duration)>,
}

#[derive(Clone, PartialEq, Eq)]
struct Dwelling {
    state: &'static str,
    call: Option<String>,
}

impl World<'_> {
    /// Before a deadline is handed over.
    pub fn watch_timer_due(&mut self) {
        let Some(timer) = self.device.timer() else { return };
        let status = self.device.status();
        if !self.fits(&timer, &status) {
            let detail = format!("{timer:?} in {:?}, {:?}", status.call, status.session);
            self.break_rule(Rule::TimerFits, detail);
        }
    }

    fn fits(&self, timer: &Timer, status: &Status) -> bool {
        use CallStatus::{Connecting, InCall, Incoming, Outgoing, Releasing, Ringing};
        let (call, session) = (status.call, status.session);
        let down = |name: &str| self.lines.iter().any(|(button, down)| *button == name && *down);
        match timer {
            Timer::Reconnect => session == SessionStatus::Offline,
            Timer::Connecting => session != SessionStatus::Registered,
            Timer::Registration => session == SessionStatus::Connecting,
            Timer::Healthy => session == SessionStatus::Registered,
            Timer::PeerWait => call == Outgoing,
            Timer::OfferRetry => matches!(call, Outgoing | Ringing | Connecting | InCall),
            Timer::RingTimeout => matches!(call, Outgoing | Ringing | Incoming),
            Timer::MediaTimeout => matches!(call, Incoming | Connecting),
            Timer::MediaLost => call == InCall,
            Timer::Releasing => call == Releasing,
            Timer::Hold(name) | Timer::Stuck(name) => down(name.as_str()),
            Timer::Exit => false,
            Timer::PeerRefresh
            | Timer::PeerRetry
            | Timer::OfferPause
            | Timer::ToneEnd
            | Timer::Notice
            | Timer::Debounce(_)
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
        let interrupted = self
            .watch
            .talking
            .and_then(|peer| self.media.peers.get(&peer))
            .map(|peer| if peer.up { peer.down_since } else { Some(self.now) });
        let (state, longest) = match status.call {
            CallStatus::Idle => ("idle", None),
            // 2 s for the peer connection, 45 s of ringing.
            CallStatus::Outgoing | CallStatus::Ringing => ("outgoing", Some(48)),
            // 45 s of ringing, 10 s for media to read and to answer, again for each new Offer.
            CallStatus::Incoming => ("incoming", Some(90)),
            CallStatus::Connecting => ("connecting", Some(10)),
            CallStatus::Releasing => ("releasing", Some(2)),
            CallStatus::InCall => match interrupted {
                Some(None) => ("talking", None),
                Some(Some(_)) | None => ("interrupted", Some(30)),
            },
        };
        let call = status.call_id.as_ref().map(|id| id.0.clone());
        let now = Dwelling { state, call };
        match &self.watch.deadlines.call {
            Some((before, since)) if *before == now => {
                if longest.is_some_and(|longest| self.now - *since > Duration::from_secs(longest)) {
                    let detail = format!("{state} since {since:?}");
                    self.break_rule(Rule::StateLeft, detail);
                }
            }
            Some(_) | None => self.watch.deadlines.call = Some((now, self.now)),
        }
    }

    fn check_session_dwelling(&mut self, status: &Status) {
        let longest = match status.session {
            SessionStatus::Registered => None,
            SessionStatus::Connecting => Some(CONNECTING),
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
