//! How often the connection to the voice core is tried with a PING.
//!
//! Inputs: whether a call is up; the session's end with `TooManyPings`; timer
//! `KeepAliveFaster`. Outputs: session `KeepAlive`.
//!
//! A core that finds PINGs too often says so only by ending the connection
//! (gRPC proposal A8). What it took offence at is doubled and remembered: the
//! pace of a call, too, is then no faster. Once a day half of it is tried.

use std::time::Duration;

use super::command::SessionCommand;
use super::context::Context;
use super::settings::KeepAlive;
use super::timer::Timer;

/// In a call a dead connection is found within 4.5 s: a hang-up must not get lost.
const IN_CALL: KeepAlive = KeepAlive { every: Duration::from_millis(1500), timeout: Duration::from_secs(3) };
/// gRPC's servers take one PING in 5 min unless told otherwise (proposal A8);
/// the rest is for the way there.
const SLOWEST: Duration = Duration::from_secs(330);
/// How long a learned pace holds before a faster one is tried.
const FASTER_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What is known of the core's patience.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// What the session shell was last told; at first it knows the idle pace.
    told: Option<KeepAlive>,
    /// Faster than this was too often.
    floor: Duration,
}

/// Tells the session shell the pace for a box with or without a call, if that
/// is news.
pub(super) fn follow(cx: &mut Context, in_call: bool) {
    let idle = cx.settings.session.idle;
    let wanted = if in_call {
        KeepAlive { every: idle.every.min(IN_CALL.every), timeout: idle.timeout.min(IN_CALL.timeout) }
    } else {
        idle
    };
    let wanted = KeepAlive { every: wanted.every.max(cx.pace.floor), ..wanted };
    if cx.pace.told.replace(wanted).unwrap_or(idle) != wanted {
        cx.tell_session(SessionCommand::KeepAlive(wanted));
    }
}

/// The core ended the connection for too many PINGs.
pub(super) fn too_often(cx: &mut Context) {
    let refused = cx.pace.told.unwrap_or(cx.settings.session.idle).every;
    let slowest = SLOWEST.max(cx.settings.session.idle.every);
    cx.pace.floor = refused.saturating_mul(2).min(slowest);
    cx.after(Timer::KeepAliveFaster, FASTER_AFTER);
}

/// `Timer::KeepAliveFaster`.
pub(super) fn faster(cx: &mut Context) {
    cx.pace.floor /= 2;
    if cx.pace.floor > IN_CALL.every {
        cx.after(Timer::KeepAliveFaster, FASTER_AFTER);
    } else {
        cx.pace.floor = Duration::ZERO;
    }
}
