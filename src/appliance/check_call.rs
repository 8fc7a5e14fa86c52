//! Calls that the box makes by itself, to show that it still can.
//!
//! EN 81-28 asks of lifts for one at least every three days. A check call is
//! good when it was answered, media came up and audio was heard; then the box
//! hangs up. It makes no sound of a call here, the far end hears silence, and
//! whatever a person wants goes before it at once.
//!
//! Inputs: timers `CheckCall`, `CheckSilent`, `CheckOverdue`; a check call's
//! media and end; system `Clock`.
//! Outputs: a call; the fault `CheckCallOverdue`; status.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::call::{Origin, State};
use super::cause::Cause;
use super::command::Refusal;
use super::context::Context;
use super::fault::Fault;
use super::id::{CallId, CallRef, PhoneNumber};
use super::outgoing::Target;
use super::phone::Phone;
use super::settings::Mode;
use super::status::CallStatus;
use super::timer::Timer;
use super::wall_clock::Zone;

/// A fleet that came back from the same power cut does not call all at once.
const SPREAD_MOST: Duration = Duration::from_secs(3600);
/// A person is on the line: look again after this.
const BUSY: Duration = Duration::from_secs(60);
/// The wait after a failure, doubled at each up to the interval itself.
const RETRY: Duration = Duration::from_secs(300);
/// From working media to the first audio.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

/// When to make check calls, and to whom.
#[derive(Clone, Debug)]
pub struct CheckCallSettings {
    /// Who answers: a machine that speaks or plays something.
    pub to: PhoneNumber,
    /// From one good call to the next, at most, 1 min to 31 days.
    pub every: Duration,
    /// Not before this time of day (since midnight), as long as the time is known.
    pub at: Option<(Zone, Duration)>,
    /// Without a good one for so many intervals there is a fault.
    pub overdue_after: u32,
}

/// How the last check call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckResult {
    /// Answered, and audio was heard.
    Good,
    /// A person, or a call for this box, came in between.
    Interrupted,
    /// There was no session to the voice core, or it was lost.
    Offline,
    /// Rejected, or hung up before audio was heard.
    Rejected,
    /// Nobody answered.
    NoAnswer,
    /// Media did not come up or broke down.
    NoMedia,
    /// Media was up and nothing was heard.
    NoAudio,
    /// The voice core or this box could not make the call.
    Failed,
}

/// What status tells of check calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckCallStatus {
    /// Seconds since the last good one; none since the start if there was none.
    pub last_good_s: Option<u64>,
    /// How the last one went.
    pub last_result: Option<CheckResult>,
    /// When the last good one was.
    #[serde(skip)]
    pub last_good: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct CheckCall {
    running: Option<Running>,
    last_good: Option<Instant>,
    last_result: Option<CheckResult>,
    /// In a row, without interruptions.
    failures: u32,
    /// When the next one is, if it goes by the time of day.
    planned: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    call: CallRef,
    /// Audio may come before the call is answered.
    heard: bool,
}

impl CheckCall {
    pub fn status(&self) -> CheckCallStatus {
        CheckCallStatus { last_good_s: None, last_result: self.last_result, last_good: self.last_good }
    }

    /// The box is switched on.
    pub fn start(&mut self, cx: &mut Context) {
        self.watch(cx);
        self.plan(cx);
    }

    /// System `Clock`: the time of day may be another. What is planned by it
    /// stays planned, however often the clock is set.
    pub fn clock_set(&mut self, cx: &mut Context) {
        let Some(settings) = cx.settings.call.check.as_ref().filter(|settings| settings.at.is_some()) else {
            return;
        };
        let (Some(unix), every) = (cx.clock.unix(cx.now), settings.every) else { return };
        if !cx.timers.is_set(&Timer::CheckCall) || self.failures > 0 {
            return;
        }
        match self.planned.map(|at| at.saturating_sub(unix)) {
            Some(wait) if wait <= every => cx.after(Timer::CheckCall, wait),
            Some(_) | None => self.plan(cx),
        }
    }

    /// `Timer::CheckOverdue`.
    pub fn overdue(&self, cx: &mut Context) {
        let Some(settings) = &cx.settings.call.check else { return };
        let hours = settings.every.as_secs_f64() * f64::from(settings.overdue_after) / 3600.0;
        let detail = format!(
            "no check call to {} has succeeded for {hours:.1} h; see check_call in `callbox status`",
            settings.to
        );
        cx.raise(Fault::CheckCallOverdue, detail);
    }

    fn watch(&self, cx: &mut Context) {
        if let Some(settings) = &cx.settings.call.check {
            let wait = settings.every.saturating_mul(settings.overdue_after);
            cx.after(Timer::CheckOverdue, wait);
        }
    }

    /// The next one, some time before the interval is over, or soon after the start.
    fn plan(&mut self, cx: &mut Context) {
        let Some(settings) = cx.settings.call.check.clone() else { return };
        let spread = (settings.every / 10).min(SPREAD_MOST);
        let since = |at: Instant| cx.now.saturating_duration_since(at);
        let left = self.last_good.map(|at| settings.every.saturating_sub(since(at)));
        let latest = left.map_or(Duration::ZERO, |left| left.saturating_sub(spread));
        let unix = cx.clock.unix(cx.now);
        let of_day = settings.at.zip(unix).and_then(|((zone, time), unix)| {
            let mut wait = zone.until(unix, time)?;
            // The last of these times that is not too late.
            while let Some(next) = zone.until(unix.checked_add(wait)?, time).map(|more| wait + more)
                && next <= latest
            {
                wait = next;
            }
            Some(wait)
        });
        let wait = of_day.unwrap_or(latest).saturating_add(cx.random_up_to(spread));
        self.planned = of_day.and(unix).and_then(|unix| unix.checked_add(wait));
        cx.after(Timer::CheckCall, wait);
    }

    fn over(&mut self, cx: &mut Context, result: CheckResult) {
        self.running = None;
        self.last_result = Some(result);
        match result {
            CheckResult::Good => {
                self.last_good = Some(cx.now);
                self.failures = 0;
                cx.counters.count("check-calls-good");
                cx.clear(Fault::CheckCallOverdue);
                self.watch(cx);
                self.plan(cx);
            }
            CheckResult::Interrupted => {
                cx.counters.count("check-calls-interrupted");
                self.retry(cx);
            }
            CheckResult::Offline
            | CheckResult::Rejected
            | CheckResult::NoAnswer
            | CheckResult::NoMedia
            | CheckResult::NoAudio
            | CheckResult::Failed => {
                cx.counters.count("check-calls-failed");
                self.retry(cx);
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    fn retry(&mut self, cx: &mut Context) {
        self.planned = None;
        let Some(settings) = &cx.settings.call.check else { return };
        let wait = RETRY.saturating_mul(2_u32.saturating_pow(self.failures)).min(settings.every);
        // At least half of it: a core in trouble is not helped by haste.
        let jitter = cx.random_up_to(wait / 2);
        cx.after(Timer::CheckCall, wait / 2 + jitter);
    }
}

impl Phone {
    /// `Timer::CheckCall`.
    pub fn check_due(&mut self, cx: &mut Context) {
        let Some(to) = cx.settings.call.check.as_ref().map(|settings| settings.to.clone()) else { return };
        let target = Target { id: cx.new_call_id(), number: Some(to), origin: Origin::Check };
        let made = self.may_offer(cx).and_then(|()| self.dial(cx, target));
        match made {
            Ok(()) => {
                for call in self.calls.which(|call| call.leg.origin == Origin::Check) {
                    self.check.running = Some(Running { call, heard: false });
                }
            }
            Err(Refusal::Busy) => cx.after(Timer::CheckCall, BUSY),
            Err(Refusal::Offline) => self.check.over(cx, CheckResult::Offline),
            Err(_) => self.check.over(cx, CheckResult::Failed),
        }
    }

    /// `Timer::CheckSilent`.
    pub fn check_silent(&mut self, cx: &mut Context, call: CallRef) {
        self.end(cx, call, Cause::CheckSilent);
    }

    /// A call's media came up, or was heard for the first time.
    pub fn check_progress(&mut self, cx: &mut Context, call: CallRef, heard: bool) {
        let Some(running) = self.check.running.as_mut().filter(|running| running.call == call) else {
            return;
        };
        running.heard |= heard;
        let in_call = self.calls.get(call).is_some_and(|call| call.state.status() == CallStatus::InCall);
        if running.heard && in_call {
            self.end(cx, call, Cause::CheckDone);
        } else if in_call {
            cx.after(Timer::CheckSilent(call), HEARD_WITHIN);
        }
    }

    /// Somebody wants the box: the check call ends at once.
    pub fn check_gives_way(&mut self, cx: &mut Context) {
        if let Some(running) = self.check.running {
            self.end(cx, running.call, Cause::CheckGaveWay);
        }
    }

    /// An Offer of the core: if it is a call for this box it goes before a
    /// check call. On `Pipe` only one that the core has not heard of can be
    /// told from the call that the Offer is about.
    pub fn check_gives_way_to(&mut self, cx: &mut Context, offered: &CallId) {
        let check = self.check.running.and_then(|running| self.calls.get(running.call));
        let another = check.is_some_and(|check| match cx.settings.mode {
            Mode::Pipe => check.state == State::Preparing,
            Mode::MultiPipe => check.leg.id != *offered,
        });
        if another {
            self.check_gives_way(cx);
        }
    }

    /// A call is let go of, and why.
    pub fn check_over(&mut self, cx: &mut Context, call: CallRef, cause: Cause) {
        if self.check.running.is_none_or(|running| running.call != call) {
            return;
        }
        let result = match cause {
            Cause::CheckDone => CheckResult::Good,
            Cause::CheckGaveWay | Cause::HungUpHere => CheckResult::Interrupted,
            Cause::HungUpThere => CheckResult::Rejected,
            Cause::RingTimeout | Cause::NotAcknowledged => CheckResult::NoAnswer,
            Cause::CheckSilent | Cause::NoMedia => CheckResult::NoAudio,
            Cause::MediaTimeout | Cause::MediaLost | Cause::MediaFailed(_) => CheckResult::NoMedia,
            Cause::SessionLost => CheckResult::Offline,
            Cause::TooLong
            | Cause::PeerNotReady
            | Cause::AnsweredByAnother
            | Cause::RateLimited
            | Cause::UnknownToCore
            | Cause::MovedToPhone
            | Cause::NotAllowed
            | Cause::ShuttingDown => CheckResult::Failed,
        };
        self.check.over(cx, result);
    }
}
