//! Wrong codes lock codes out, for longer each time. How many there were is
//! kept over a restart, so pulling the plug is no way round.
//!
//! Inputs: right and wrong codes; timers `DoorLocked`, `DoorForget`.
//! Outputs: `Remember`; log; the timers.

use std::time::{Duration, Instant};

use crate::appliance::context::Context;
use crate::appliance::log::Kind;
use crate::appliance::timer::Timer;

/// A lock-out never lasts longer, so that a tenant can wait for its end.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(super) struct LockOut {
    until: Option<Instant>,
}

/// When codes count again, if they do not now.
pub(super) fn until(cx: &Context) -> Option<Instant> {
    cx.door.lock.until.filter(|until| cx.now < *until)
}

pub(super) fn right_code(cx: &mut Context) {
    cx.timers.stop(&Timer::DoorForget);
    cx.remember(|memory| memory.wrong_codes = 0);
}

pub(super) fn wrong_code(cx: &mut Context) {
    cx.remember(|memory| memory.wrong_codes = memory.wrong_codes.saturating_add(1));
    cx.counters.count("door-wrong-codes");
    cx.log(Kind::Door { event: "wrong-code" }, "a wrong code was dialled");
    follow(cx);
}

/// After a restart: a lock-out that may not have been over begins again.
pub(super) fn remembered(cx: &mut Context) {
    follow(cx);
}

/// `Timer::DoorLocked`.
pub(super) fn over(cx: &mut Context) {
    cx.door.lock.until = None;
    cx.log(Kind::Door { event: "lock-out-over" }, "codes count again");
}

/// `Timer::DoorForget`.
pub(super) fn forget(cx: &mut Context) {
    cx.remember(|memory| memory.wrong_codes = 0);
}

/// Locks codes out at every few wrong ones.
fn follow(cx: &mut Context) {
    let (wrong, allowed) = (cx.memory.wrong_codes, cx.settings.door.wrong_codes.max(1));
    if wrong == 0 {
        return;
    }
    let mut forget_after = cx.settings.door.forget_after;
    if wrong.is_multiple_of(allowed) {
        let time = lock_time(cx.settings.door.lock_time, wrong / allowed);
        cx.door.lock.until = cx.now.checked_add(time);
        cx.after(Timer::DoorLocked, time);
        forget_after = forget_after.saturating_add(time);
        cx.counters.count("door-lock-outs");
        let text = format!("{wrong} wrong codes: codes open no door for {} s", time.as_secs());
        cx.log(Kind::Door { event: "locked-out" }, text);
    }
    cx.after(Timer::DoorForget, forget_after);
}

/// Twice as long each time.
fn lock_time(first: Duration, time: u32) -> Duration {
    let doubled = 2u32.checked_pow(time.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(doubled).min(LONGEST.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_out_doubles_up_to_an_hour() {
        let times: Vec<u64> =
            [1, 2, 3, 6, 7, 40, u32::MAX].map(|n| lock_time(Duration::from_secs(60), n).as_secs()).into();
        assert_eq!(times, [60, 120, 240, 1920, 3600, 3600, 3600]);
    }
}
