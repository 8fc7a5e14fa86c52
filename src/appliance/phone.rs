//! Everything of calls: who may ask for what, which call a message is about,
//! and the one place where a call changes its state.
//!
//! Inputs: messages of the session (see `message.rs`); media events of the
//! calls' peer connections; actions of buttons and of people on the control
//! socket; the session's changes; the timers that name a call, `OfferPause`.
//! Outputs: session `Send`; media `Check`, `Answer`, `Start`, `Renegotiate`,
//! `Digits`, `Close`; audio `Tone`, `Connect`, `Mute`, `Announce`; log.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::action::{Action, Ring};
use super::call::{Leg, Stage, State};
use super::calls::Calls;
use super::cause::Cause;
use super::check_call::CheckCall;
use super::command::{AudioCommand, Refusal};
use super::context::Context;
use super::door;
use super::elsewhere::Elsewhere;
use super::event::{MediaError, MediaErrorKind, MediaEvent};
use super::hearing::Hearing;
use super::hunt::Hunt;
use super::id::{CallId, CallRef, PeerId};
use super::late_bye::LateByes;
use super::peers::{Peers, record};
use super::push_to_talk::{PushToTalk, Talker};
use super::self_test::SelfTest;
use super::settings::Mode;
use super::status::CallStatus;
use super::timer::Timer;
use super::volume::Volume;

/// A hunt may let go of as many calls as it makes before the core hears of any.
const FORMER: usize = Ring::AT_ONCE;

/// A message that crosses our Bye is here within this time. No longer, since
/// on `Pipe` a core may use one id for all calls.
const CROSSING: Duration = Duration::from_secs(3);

/// Everything of calls.
pub(super) struct Phone {
    pub calls: Calls,
    pub peers: Peers,
    pub elsewhere: Elsewhere,
    /// The hunt that is under way, while calls of it are.
    pub hunt: Option<Hunt>,
    /// The last calls that were let go of and when, the newest last.
    former: VecDeque<(CallId, Instant)>,
    pub late_byes: LateByes,
    /// Of an earlier process: see `left_over.rs`.
    pub left_over: Vec<CallId>,
    pub hearing: Hearing,
    pub check: CheckCall,
    pub muted: bool,
    pub push_to_talk: PushToTalk,
    pub volume: Volume,
    pub self_test: SelfTest,
}

/// Who asks for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A person at the box.
    Button,
    /// A person elsewhere.
    Control,
}

impl Phone {
    pub fn new() -> Self {
        Self {
            calls: Calls::default(),
            peers: Peers::new(),
            elsewhere: Elsewhere::default(),
            hunt: None,
            former: VecDeque::with_capacity(FORMER),
            late_byes: LateByes::default(),
            left_over: Vec::new(),
            hearing: Hearing::default(),
            check: CheckCall::default(),
            muted: false,
            push_to_talk: PushToTalk::default(),
            volume: Volume::default(),
            self_test: SelfTest::default(),
        }
    }

    /// Takes up a call, quietly; `enter` tells of it.
    pub fn begin(&mut self, cx: &mut Context, leg: Leg, state: State) -> CallRef {
        for released in self.calls.forget_released() {
            cx.timers.stop_call(released.reference);
        }
        self.forget_late_byes(cx);
        self.forget_left_over(cx);
        self.self_test.give_way(cx);
        self.calls.begin(leg, state)
    }

    /// A live call enters a state. Every change of state but the last passes
    /// here, and that one in [`Phone::let_go`].
    pub fn enter(&mut self, cx: &mut Context, call: CallRef, state: State, text: impl Into<String>) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let before = std::mem::replace(&mut found.state, state);
        cx.call_state(found.state.status(), &found.leg.id, text);
        self.keep_calls(cx);
        self.sound(cx);
        self.watch_time(cx, call, &before);
        self.tell_place(cx, call, &before);
        self.check_progress(cx, call, false);
    }

    /// The live call that a message is about. `Pipe` knows one call only and
    /// its ids are not to be trusted, but one of a call just let go of is of a
    /// message that crossed our Bye. On `MultiPipe` the id says it, alone.
    pub fn about(&self, cx: &Context, id: &CallId) -> Option<CallRef> {
        let call = match cx.settings.mode {
            Mode::Pipe => self.calls.live().next().filter(|_| !self.is_former(cx, id)),
            Mode::MultiPipe => self.calls.live().find(|call| call.leg.id == *id),
        };
        call.map(|call| call.reference)
    }

    /// Whether this is the id of a call just before those that live. The same id
    /// may come again: a call moved to the phone and taken back keeps its own.
    pub fn is_former(&self, cx: &Context, id: &CallId) -> bool {
        let crossing = |at: &Instant| cx.now.saturating_duration_since(*at) < CROSSING;
        self.calls.live().all(|call| call.leg.id != *id)
            && self.former.iter().any(|(former, at)| former == id && crossing(at))
    }

    /// Whether this box has let go of a call of this id not many calls ago.
    pub fn was_let_go(&self, id: &CallId) -> bool {
        self.former.iter().any(|(former, _)| former == id)
    }

    /// Remembers a call that was let go of; `id` is not empty.
    pub fn remember(&mut self, cx: &Context, id: &CallId) {
        self.former.retain(|(former, _)| former != id);
        if self.former.len() == FORMER {
            self.former.pop_front();
        }
        self.former.push_back((id.clone(), cx.now));
    }

    /// Does what a person asks for.
    pub fn act(&mut self, cx: &mut Context, action: &Action, by: By) -> Result<(), Refusal> {
        self.check_gives_way(cx);
        match action {
            Action::Call { to, ring } => match (self.calls.present().map(|call| &call.state), by) {
                (None, By::Button | By::Control) => self.start_call(cx, to, *ring),
                (Some(State::Incoming(Stage::Checking(_) | Stage::Ringing)), By::Button) => self.answer(cx),
                (
                    Some(
                        State::Preparing
                        | State::Outgoing { .. }
                        | State::Ringing { .. }
                        | State::Acknowledging { .. }
                        | State::Incoming(_)
                        | State::Connecting
                        | State::Talking(_)
                        | State::Releasing,
                    ),
                    By::Button | By::Control,
                ) => Err(Refusal::Busy),
            },
            Action::Answer => self.answer(cx),
            Action::HangUp => self.hang_up(cx),
            Action::Swap => self.swap(cx),
            Action::Merge => self.merge(cx),
            Action::ToPhone => self.move_to_phone(cx),
            Action::TakeOver => self.take_over(cx),
            Action::Dtmf { digits } => self.dtmf(cx, digits),
            Action::Mute { on } => {
                self.mute(cx, on.unwrap_or(!self.muted));
                Ok(())
            }
            Action::Talk { on } => self.talk(cx, Talker::Control, *on),
            Action::Volume { change } => {
                self.volume.change(cx, *change);
                Ok(())
            }
            Action::SelfTest => self.ask_self_test(cx),
            Action::OpenDoor { output } => door::command(cx, output.as_ref()),
            // Who opened the box may not say from there that all is well.
            Action::ResetTamper => match by {
                By::Button => Err(Refusal::NotPermitted),
                By::Control => door::reset_tamper(cx),
            },
        }
    }

    /// The state of the call at the box.
    pub fn status(&self) -> CallStatus {
        self.calls.at_box().map_or(CallStatus::Idle, |call| call.state.status())
    }

    /// Whether the person at the box hears the tones of a call being made.
    pub fn is_calling(&self) -> bool {
        self.calls.present().is_some_and(|call| match call.state {
            State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. } => true,
            State::Incoming(_) | State::Connecting | State::Talking(_) | State::Releasing => false,
        })
    }

    pub fn mute(&mut self, cx: &mut Context, on: bool) {
        self.muted = on;
        cx.audio(AudioCommand::Mute(on));
    }

    /// News of a peer connection.
    pub fn media(&mut self, cx: &mut Context, peer: PeerId, event: MediaEvent) {
        let Some(call) = self.calls.of_peer(peer) else {
            if let Some(call) = self.adopting_with(peer) {
                self.adoption_media(cx, call, peer, event);
                return;
            }
            let closed = event == MediaEvent::Closed;
            let known = self.peers.handle(cx, peer, event);
            if closed {
                self.released(cx, |call| call.leg.peer == peer);
            }
            if !known {
                cx.ignored("media-unknown-peer", "news of a peer connection that nobody knows");
            }
            return;
        };
        match event {
            MediaEvent::Prepared { sdp } => self.prepared(cx, call, sdp),
            MediaEvent::Acceptable => self.acceptable(cx, call),
            // The core waits for the Answer of the new media, not of the old.
            MediaEvent::Answer { .. } if self.is_leaving(call, peer) => {
                cx.ignored("media-unexpected", "an Answer of media that the call is about to leave");
            }
            MediaEvent::Answer { sdp } => self.media_answer(cx, call, sdp),
            MediaEvent::Connected { codec } => self.connected(cx, call, &codec),
            MediaEvent::FirstAudio => self.first_audio(cx, call),
            MediaEvent::Interrupted => self.interrupted(cx, call),
            MediaEvent::Quiet => self.quiet(cx, call),
            MediaEvent::AudioBack => self.audio_back(cx, call),
            MediaEvent::Digit(digit) => self.digit(cx, call, digit),
            MediaEvent::Failed(error) => self.media_failed(cx, call, error),
            MediaEvent::Statistics(statistics) => {
                if let Some(found) = self.calls.get(call) {
                    record(cx, found.leg.id.clone(), statistics);
                }
            }
            MediaEvent::Closed => {
                let detail = "the peer connection closed by itself".to_owned();
                self.media_failed(cx, call, MediaError { kind: MediaErrorKind::Internal, detail });
                // The Close that this sent will find nobody.
                self.media(cx, peer, MediaEvent::Closed);
            }
        }
    }

    /// Timers of calls and of peer connections.
    pub fn timeout(&mut self, cx: &mut Context, timer: &Timer) {
        match timer {
            Timer::PeerRefresh => self.peers.renew(cx),
            Timer::PeerRetry => self.peers.retry(cx),
            Timer::PeerWait(call) => self.waited_for_peer(cx, *call),
            Timer::OfferRetry(call) => self.offer_again(cx, *call),
            Timer::OfferPause => self.offers_allowed(cx),
            Timer::RingTimeout(call) => self.fail(cx, *call, Cause::RingTimeout),
            Timer::MediaTimeout(call) => self.media_too_slow(cx, *call),
            Timer::Acknowledge(call) => self.not_acknowledged(cx, *call),
            Timer::MediaLost(call) => self.media_lost(cx, *call),
            Timer::NoMedia(call) => self.no_media(cx, *call),
            Timer::CallEnding(call) => self.call_ends_soon(cx, *call),
            Timer::CallTooLong(call) => self.call_too_long(cx, *call),
            Timer::Adoption(call) => self.adoption_timeout(cx, *call),
            Timer::LateBye => self.send_late_byes(cx),
            Timer::CheckCall => self.check_due(cx),
            Timer::CheckSilent(call) => self.check_silent(cx, *call),
            Timer::CheckOverdue => self.check.overdue(cx),
            Timer::SelfTest => self.self_test_step(cx),
            Timer::TalkTooLong => self.talked_too_long(cx),
            Timer::Releasing(call) => {
                cx.counters.count("media-close-timeout");
                self.released(cx, |released| released.reference == *call);
            }
            Timer::Reconnect
            | Timer::Connecting
            | Timer::Registration
            | Timer::Healthy
            | Timer::ToneEnd
            | Timer::KeptPress
            | Timer::Notice
            | Timer::DoNotDisturb
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
            | Timer::DoorEntry(_)
            | Timer::DoorLocked
            | Timer::DoorForget
            | Timer::DoorHeld
            | Timer::StrikeOff(_)
            | Timer::OutputLimit(_)
            | Timer::AmplifierOff => {}
        }
    }
}
