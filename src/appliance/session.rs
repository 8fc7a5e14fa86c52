//! The session to the voice core: connect, registered or not, when to try again.
//!
//! Inputs: session `Sent`, `Opened`, `Message`, `Unknown`, `Closed`; timers
//! `Registration`, `Connecting`, `Reconnect`, `Healthy`; system `AddressesChanged`, `Clock`.
//! Outputs: session `Connect`, `Close`; faults of the session; log; the
//! [`Change`] that the call must know of.

use std::time::{Duration, Instant};

use super::command::SessionCommand;
use super::context::Context;
use super::event::{Clock, CloseReason, Closed, Message, SessionEvent};
use super::fault::Fault;
use super::keep_alive;
use super::log::Kind;
use super::status::SessionStatus;
use super::timer::Timer;

/// A request that is on its way this long and not refused is accepted: some
/// servers send no header before their first message.
const REGISTRATION: Duration = Duration::from_secs(1);
/// The same while the credentials are in doubt: a slow refusal must not pass
/// for an acceptance.
const REGISTRATION_IN_DOUBT: Duration = Duration::from_secs(10);
const CONNECTING: Duration = Duration::from_secs(20);
/// Refused credentials are not tried more often than this.
const TOKEN_PAUSE: Duration = Duration::from_secs(60);
/// A token that carried a stream for so long was a good one.
const TOKEN_PROVEN: Duration = Duration::from_secs(2);
/// Without the time a connection is tried this seldom. Certificates are judged
/// then as ever, so a clock in 1970 costs one refusal; but where it is this
/// program's date of birth that is wrong, the box is not lost for good.
const TIMELESS_PAUSE: Duration = Duration::from_secs(600);
/// However often somebody presses, an attempt is begun for it no more often.
const HURRY_PAUSE: Duration = Duration::from_secs(3);
const NO_TIME: &str = "the clock is not set, and without the time no certificate can be judged; \
                       let the machine reach a time server (NTP)";

#[derive(Debug, Default)]
pub(super) struct Session {
    state: State,
    /// Failures in a row; decides how long the next wait may be.
    attempt: u32,
    token: Token,
    /// When a new token was last asked for.
    renewed: Option<Instant>,
    /// The last attempt got no token.
    tokenless: bool,
    /// When the core last gave a first sign of life on a stream.
    answered: Option<Instant>,
    detail: String,
    /// When somebody at the box last cut a wait short, since the last registration.
    hurried: Option<Instant>,
    /// The network or the clock changed under the attempt that is under way.
    outdated: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No stream; `Reconnect` ends the wait.
    #[default]
    Waiting,
    /// Asked for a stream.
    Connecting,
    /// The request is on its way; `Registration` or a sign of life accepts it.
    Sent,
    /// The voice core knows this terminal.
    Registered,
    /// `Close` was sent because nothing moved; `Closed` is awaited.
    Closing,
    /// Shutting down, `Closed` is awaited.
    Ending,
    /// Shut down.
    Ended,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Token {
    /// Not refused since the last registration.
    #[default]
    Fine,
    /// Refused by the core: the next connect asks for a new one.
    Refused,
}

/// What the call must know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Registered,
    Lost,
}

impl Session {
    pub fn status(&self) -> SessionStatus {
        match self.state {
            State::Waiting | State::Closing | State::Ending | State::Ended => SessionStatus::Offline,
            State::Connecting | State::Sent => SessionStatus::Connecting,
            State::Registered => SessionStatus::Registered,
        }
    }

    /// Why the session is not registered.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether an attempt was begun, or one is being given up.
    pub fn is_under_way(&self) -> bool {
        matches!(self.state, State::Connecting | State::Sent | State::Closing)
    }

    /// Whether the session is shut down and its shell has said so.
    pub fn ended(&self) -> bool {
        self.state == State::Ended
    }
}

/// Switched on. Where certificates are to be judged, the first word of the
/// clock is awaited, which comes at once.
pub(super) fn start(cx: &mut Context) {
    if lacks_time(cx) {
        await_time(cx);
    } else {
        connect(cx);
    }
}

/// The machine's clock as it starts, or was set.
pub(super) fn clock_set(cx: &mut Context, clock: Clock) {
    let lacked = lacks_time(cx);
    let first = cx.clock.set(clock, cx.now);
    if clock.known {
        cx.clear(Fault::ClockNotSet);
    } else {
        cx.raise(Fault::ClockNotSet, NO_TIME);
    }
    match cx.session.state {
        State::Waiting if lacks_time(cx) => {
            if !lacked {
                await_time(cx);
            }
        }
        // Nothing has gone wrong yet: this is the start.
        State::Waiting if first && lacked => connect(cx),
        // The certificate may be good today.
        State::Waiting => {
            try_soon(cx);
            // Whoever asked to wait did not ask for a wait as long as that for the time.
            cx.hasten(Timer::Reconnect, TOKEN_PAUSE);
        }
        State::Connecting | State::Sent | State::Closing => cx.session.outdated = true,
        State::Registered | State::Ending | State::Ended => {}
    }
}

fn lacks_time(cx: &Context) -> bool {
    cx.settings.session.needs_time && cx.clock.unix(cx.now).is_none()
}

fn await_time(cx: &mut Context) {
    cx.session.detail = format!("waiting for the time: {NO_TIME}");
    cx.after(Timer::Reconnect, TIMELESS_PAUSE);
}

/// Opens the stream.
fn connect(cx: &mut Context) {
    let renew_token = cx.session.token == Token::Refused;
    if renew_token || std::mem::take(&mut cx.session.tokenless) {
        cx.session.renewed = Some(cx.now);
    }
    cx.session.state = State::Connecting;
    cx.session.answered = None;
    cx.session.outdated = false;
    if cx.session.detail.is_empty() {
        cx.session.detail = "connecting for the first time".to_owned();
    }
    cx.timers.stop(&Timer::Reconnect);
    cx.after(Timer::Connecting, CONNECTING);
    cx.log(Kind::Session { state: "connecting" }, "connecting to the voice core");
    cx.tell_session(SessionCommand::Connect { renew_token });
}

/// Takes note of the shell's news. A message is handed back if it is to be obeyed.
pub(super) fn handle(cx: &mut Context, event: SessionEvent) -> (Option<Change>, Option<Message>) {
    match event {
        SessionEvent::Sent => (sent(cx), None),
        SessionEvent::Opened => (alive(cx), None),
        SessionEvent::Message(message) => {
            let change = alive(cx);
            if cx.registered() {
                (change, Some(message))
            } else {
                cx.ignored("message-without-session", "a message came on a stream that is being closed");
                (change, None)
            }
        }
        SessionEvent::Unknown => {
            let change = alive(cx);
            cx.ignored("message-unknown", "a message that the contract does not know was skipped");
            (change, None)
        }
        SessionEvent::Closed(closed) => (self::closed(cx, closed), None),
    }
}

/// `Timer::Registration`.
pub(super) fn registration_due(cx: &mut Context) -> Option<Change> {
    match cx.session.state {
        State::Sent => Some(registered(cx)),
        State::Waiting
        | State::Connecting
        | State::Registered
        | State::Closing
        | State::Ending
        | State::Ended => None,
    }
}

/// `Timer::Connecting`.
pub(super) fn connecting_too_long(cx: &mut Context) {
    match cx.session.state {
        State::Connecting | State::Sent => {
            cx.session.state = State::Closing;
            cx.timers.stop(&Timer::Registration);
            cx.after(Timer::Connecting, CONNECTING);
            cx.counters.count("connect-timeout");
            cx.tell_session(SessionCommand::Close);
        }
        // The shell owes a Closed and does not give it: go on without.
        State::Closing => wait(cx, CloseReason::Unreachable, "the session part does not answer".to_owned()),
        State::Waiting | State::Registered | State::Ending | State::Ended => {}
    }
}

/// `Timer::Reconnect`.
pub(super) fn reconnect(cx: &mut Context) {
    match cx.session.state {
        State::Waiting => connect(cx),
        State::Connecting
        | State::Sent
        | State::Registered
        | State::Closing
        | State::Ending
        | State::Ended => {}
    }
}

/// `Timer::Healthy`.
pub(super) fn healthy(cx: &mut Context) {
    cx.session.attempt = 0;
}

/// The network changed, perhaps for the better: waiting for a core that could
/// not be reached is cut short.
pub(super) fn addresses_changed(cx: &mut Context) {
    match cx.session.state {
        State::Waiting if !lacks_time(cx) => try_soon(cx),
        // It may fail yet by what was before, such as a route that was not there.
        State::Connecting | State::Sent | State::Closing => cx.session.outdated = true,
        State::Waiting | State::Registered | State::Ending | State::Ended => {}
    }
}

/// Somebody at the box wants a call: the next attempt is made now. Whether one
/// is under way, so that a registration may come of it.
pub(super) fn hurry(cx: &mut Context) -> bool {
    match cx.session.state {
        State::Connecting | State::Sent | State::Closing => true,
        State::Waiting if lacks_time(cx) || asked_to_wait(cx) => false,
        State::Waiting => {
            let lately = |at: Instant| cx.now.saturating_duration_since(at) < HURRY_PAUSE;
            if cx.session.hurried.is_some_and(lately) {
                return false;
            }
            cx.session.hurried = Some(cx.now);
            cx.hasten(Timer::Reconnect, Duration::ZERO);
            true
        }
        State::Registered | State::Ending | State::Ended => false,
    }
}

/// Whether the core or the token server wants to be left alone.
fn asked_to_wait(cx: &Context) -> bool {
    cx.faults.is_raised(Fault::CredentialsRefused) || cx.faults.is_raised(Fault::RateLimited)
}

/// Cuts a wait short, unless it was asked for.
fn try_soon(cx: &mut Context) {
    if !asked_to_wait(cx) {
        let base = cx.settings.backoff.base;
        let wait = cx.random_up_to(base);
        cx.hasten(Timer::Reconnect, wait);
    }
}

/// Ends the session for good.
pub(super) fn shut_down(cx: &mut Context) {
    match cx.session.state {
        State::Waiting => cx.session.state = State::Ended,
        State::Connecting | State::Sent | State::Registered | State::Closing => {
            cx.session.state = State::Ending;
            cx.tell_session(SessionCommand::Close);
        }
        State::Ending | State::Ended => {}
    }
    cx.session.detail = "shutting down".to_owned();
}

fn sent(cx: &mut Context) -> Option<Change> {
    match cx.session.state {
        State::Connecting => {
            cx.session.state = State::Sent;
            let in_doubt = cx.faults.is_raised(Fault::CredentialsRefused);
            cx.after(Timer::Registration, if in_doubt { REGISTRATION_IN_DOUBT } else { REGISTRATION });
        }
        State::Waiting | State::Sent | State::Registered | State::Closing | State::Ending | State::Ended => {
            cx.counters.count("session-unexpected")
        }
    }
    None
}

/// The core has shown that it accepted the stream.
fn alive(cx: &mut Context) -> Option<Change> {
    match cx.session.state {
        State::Connecting | State::Sent => {
            cx.session.answered = Some(cx.now);
            Some(registered(cx))
        }
        State::Registered => {
            cx.session.answered.get_or_insert(cx.now);
            None
        }
        State::Waiting | State::Closing | State::Ending | State::Ended => {
            cx.counters.count("session-unexpected");
            None
        }
    }
}

fn registered(cx: &mut Context) -> Change {
    cx.session.state = State::Registered;
    cx.session.token = Token::Fine;
    cx.session.outdated = false;
    cx.session.hurried = None;
    cx.session.detail.clear();
    cx.timers.stop(&Timer::Connecting);
    cx.timers.stop(&Timer::Registration);
    let healthy_after = cx.settings.backoff.healthy_after;
    cx.after(Timer::Healthy, healthy_after);
    cx.log(Kind::Session { state: "registered" }, "registered with the voice core");
    for fault in SESSION_FAULTS {
        over(cx, fault);
    }
    cx.clear(Fault::CredentialsRefused);
    Change::Registered
}

/// Faults that the next end of a session replaces. `CredentialsRefused` is not
/// among them: it stands, with its longer waits, until a registration.
const SESSION_FAULTS: [Fault; 6] = [
    Fault::CoreUnreachable,
    Fault::NameNotResolved,
    Fault::CertificateRefused,
    Fault::TokenUnavailable,
    Fault::SecretUnreadable,
    Fault::RateLimited,
];

/// Clears a fault of the session. While new Offers wait for RATE_LIMIT_HIT to
/// be over, that fault is not the session's.
fn over(cx: &mut Context, fault: Fault) {
    if fault != Fault::RateLimited || !cx.timers.is_set(&Timer::OfferPause) {
        cx.clear(fault);
    }
}

fn closed(cx: &mut Context, closed: Closed) -> Option<Change> {
    let Closed { reason, detail } = closed;
    match cx.session.state {
        State::Connecting | State::Sent => {
            renew_or_wait(cx, reason, detail);
            None
        }
        State::Registered => {
            renew_or_wait(cx, reason, detail);
            Some(Change::Lost)
        }
        State::Closing => {
            wait(cx, CloseReason::Unreachable, "no answer from the voice core in time".to_owned());
            None
        }
        State::Ending => {
            cx.session.state = State::Ended;
            None
        }
        State::Waiting | State::Ended => {
            cx.counters.count("session-unexpected");
            None
        }
    }
}

fn renew_or_wait(cx: &mut Context, reason: CloseReason, detail: String) {
    if reason == CloseReason::TooManyPings {
        keep_alive::too_often(cx);
    }
    // A token may have been revoked or outlived: one new one is tried at once.
    // Not twice a minute, though, unless the core itself has shown that the
    // last one was good: some end a stream whenever its token's life is over.
    let since = |at: Instant| cx.now.saturating_duration_since(at);
    let recently = cx.session.renewed.is_some_and(|at| since(at) < TOKEN_PAUSE);
    let proven = cx.session.answered.is_some_and(|at| since(at) >= TOKEN_PROVEN);
    let first = cx.session.token == Token::Fine && (proven || !recently);
    match reason {
        CloseReason::Unauthenticated if first => {
            cx.session.token = Token::Refused;
            cx.session.detail = detail;
            stop_timers(cx);
            connect(cx);
        }
        CloseReason::Unauthenticated => {
            cx.session.token = Token::Refused;
            wait(cx, reason, detail);
        }
        // The token comes before the way to the core: a new one was had, and
        // nobody has refused it. Another would only burden the token server.
        CloseReason::NameNotResolved
        | CloseReason::Unreachable
        | CloseReason::CertificateRefused
        | CloseReason::PermissionDenied
        | CloseReason::RateLimited
        | CloseReason::TooManyPings
        | CloseReason::EndedByCore
        | CloseReason::Lost => {
            cx.session.token = Token::Fine;
            wait(cx, reason, detail);
        }
        // There is no token: the next attempt asks for one, and what it gets
        // is as new as can be.
        CloseReason::TokenRefused | CloseReason::TokenUnavailable => {
            cx.session.tokenless = true;
            wait(cx, reason, detail);
        }
        // The token server was not even asked: the next attempt may show the old token.
        CloseReason::SecretUnreadable | CloseReason::Requested => wait(cx, reason, detail),
    }
}

/// Goes offline and connects again after a while.
fn wait(cx: &mut Context, reason: CloseReason, detail: String) {
    cx.session.state = State::Waiting;
    cx.session.detail = detail.clone();
    stop_timers(cx);
    let fault = fault_of(reason);
    for other in SESSION_FAULTS {
        if other != fault {
            over(cx, other);
        }
    }
    cx.log(Kind::Session { state: "offline" }, detail.clone());
    cx.raise(fault, detail);
    let backoff = cx.settings.backoff.clone();
    let doubled = backoff.base.saturating_mul(2u32.saturating_pow(cx.session.attempt));
    cx.session.attempt = cx.session.attempt.saturating_add(1);
    let jitter = cx.random_up_to(doubled.min(backoff.ceiling));
    let least = if cx.faults.is_raised(Fault::CredentialsRefused) {
        TOKEN_PAUSE
    } else if lacks_time(cx) {
        cx.session.detail = format!("waiting for the time: {}", cx.session.detail);
        TIMELESS_PAUSE
    } else if reason == CloseReason::RateLimited {
        backoff.rate_limit
    } else {
        Duration::ZERO
    };
    cx.after(Timer::Reconnect, least.saturating_add(jitter));
    if std::mem::take(&mut cx.session.outdated) && !lacks_time(cx) {
        try_soon(cx);
    }
}

fn stop_timers(cx: &mut Context) {
    for timer in [Timer::Connecting, Timer::Registration, Timer::Healthy] {
        cx.timers.stop(&timer);
    }
}

fn fault_of(reason: CloseReason) -> Fault {
    match reason {
        CloseReason::NameNotResolved => Fault::NameNotResolved,
        CloseReason::Unreachable | CloseReason::EndedByCore | CloseReason::Lost | CloseReason::Requested => {
            Fault::CoreUnreachable
        }
        CloseReason::CertificateRefused => Fault::CertificateRefused,
        CloseReason::Unauthenticated | CloseReason::PermissionDenied | CloseReason::TokenRefused => {
            Fault::CredentialsRefused
        }
        CloseReason::TokenUnavailable => Fault::TokenUnavailable,
        CloseReason::SecretUnreadable => Fault::SecretUnreadable,
        CloseReason::RateLimited | CloseReason::TooManyPings => Fault::RateLimited,
    }
}
