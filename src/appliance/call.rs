//! The call: at most one, its state with its data, and who may change it.
//!
//! Inputs: messages of the session (see `message.rs`); media events of the
//! call's peer connection; actions of buttons and of people on the control
//! socket; the session's changes; timers `PeerWait`, `OfferRetry`,
//! `OfferPause`, `RingTimeout`, `MediaTimeout`, `MediaLost`, `Releasing`.
//! Outputs: session `Send`; media `Check`, `Answer`, `Start`, `Renegotiate`,
//! `Digits`, `Close`; audio `Tone`, `Connect`, `Mute`; log.
//!
//! ```text
//! Idle -> Preparing -> Outgoing -> Ringing -> Connecting -> Talking -> Releasing -> Idle
//! Idle -> Incoming (Checking -> Ringing -> Answering) -> Connecting -> ...
//! ```
//!
//! `outgoing.rs`, `incoming.rs`, `talking.rs` and `ending.rs` hold the steps.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::action::Action;
use super::command::{AudioCommand, Refusal};
use super::context::Context;
use super::elsewhere::Elsewhere;
use super::ending::UnsentBye;
use super::event::{MediaError, MediaErrorKind, MediaEvent};
use super::id::{CallId, PeerId, PhoneNumber};
use super::peers::Peers;
use super::settings::Mode;
use super::status::CallStatus;
use super::timer::Timer;

/// More than one: a hunt may let go of two calls before the core hears of either.
const FORMER: usize = 2;

/// A message that crosses our Bye is here within this time. No longer, since
/// on `Pipe` a core may use one id for all calls.
const CROSSING: Duration = Duration::from_secs(3);

/// Everything of calls.
pub(super) struct Phone {
    pub call: Call,
    pub peers: Peers,
    pub elsewhere: Elsewhere,
    /// The last calls that were let go of and when, the newest last.
    former: VecDeque<(CallId, Instant)>,
    pub unsent_bye: Option<UnsentBye>,
    pub muted: bool,
}

/// The call's state.
pub(super) enum Call {
    Idle,
    /// Called, but the Offer waits for its peer connection.
    Preparing(Outgoing),
    /// The Offer is sent.
    Outgoing(Outgoing),
    /// The far end rings.
    Ringing(Outgoing),
    /// A call for this box, not answered yet.
    Incoming(Incoming),
    /// Answered; media is coming up.
    Connecting(Leg),
    /// Both can talk.
    Talking(Leg),
    /// Over; media is closing.
    Releasing(Leg),
}

/// What every call has.
pub(super) struct Leg {
    pub id: CallId,
    pub peer: PeerId,
    /// The other party, where known.
    pub number: Option<PhoneNumber>,
    /// Offers of the core that media has not answered yet.
    pub answers_owed: u32,
    /// Whether it is being moved to the mobile phone.
    pub moving: Moving,
}

/// Moving a call to the mobile phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moving {
    No,
    /// ToPhone is sent; InCall tells that it is done.
    Asked,
}

/// A call that this box makes.
pub(super) struct Outgoing {
    pub leg: Leg,
    /// The callee as the Offer tells; none when taking a call over.
    pub msisdn: Option<PhoneNumber>,
    /// Our Offer, to send again after TRY_AGAIN; empty while preparing.
    pub sdp: String,
    /// Whom to try next.
    pub rest: VecDeque<PhoneNumber>,
    pub media: EarlyMedia,
}

/// Media before the answer: a core may renegotiate early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EarlyMedia {
    Down,
    Up,
}

/// A call that rings here.
pub(super) struct Incoming {
    pub leg: Leg,
    pub stage: Stage,
}

/// How far a call for this box has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Media reads the Offer.
    Checking(Then),
    /// It rings.
    Ringing,
    /// Answered by a person; media makes the Answer.
    Answering,
}

/// What follows when media can take the Offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Begin to ring.
    Ring,
    /// It rings already: the core replaced its Offer.
    KeepRinging,
    /// Answer at once.
    Answer,
}

/// Who asks for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A person at the box.
    Button,
    /// A person elsewhere.
    Control,
}

impl Leg {
    pub fn new(id: CallId, peer: PeerId, number: Option<PhoneNumber>) -> Self {
        Self { id, peer, number, answers_owed: 0, moving: Moving::No }
    }
}

impl Call {
    pub fn status(&self) -> CallStatus {
        match self {
            Call::Idle => CallStatus::Idle,
            Call::Preparing(_) | Call::Outgoing(_) => CallStatus::Outgoing,
            Call::Ringing(_) => CallStatus::Ringing,
            Call::Incoming(_) => CallStatus::Incoming,
            Call::Connecting(_) => CallStatus::Connecting,
            Call::Talking(_) => CallStatus::InCall,
            Call::Releasing(_) => CallStatus::Releasing,
        }
    }

    /// The call that lives; none when idle or releasing.
    pub fn leg(&self) -> Option<&Leg> {
        match self {
            Call::Idle | Call::Releasing(_) => None,
            Call::Preparing(out) | Call::Outgoing(out) | Call::Ringing(out) => Some(&out.leg),
            Call::Incoming(incoming) => Some(&incoming.leg),
            Call::Connecting(leg) | Call::Talking(leg) => Some(leg),
        }
    }

    pub fn leg_mut(&mut self) -> Option<&mut Leg> {
        match self {
            Call::Idle | Call::Releasing(_) => None,
            Call::Preparing(out) | Call::Outgoing(out) | Call::Ringing(out) => Some(&mut out.leg),
            Call::Incoming(incoming) => Some(&mut incoming.leg),
            Call::Connecting(leg) | Call::Talking(leg) => Some(leg),
        }
    }
}

impl Phone {
    pub fn new() -> Self {
        Self {
            call: Call::Idle,
            peers: Peers::new(),
            elsewhere: Elsewhere::default(),
            former: VecDeque::with_capacity(FORMER),
            unsent_bye: None,
            muted: false,
        }
    }

    /// Enters a state of a live call and logs it.
    pub fn enter(&mut self, cx: &mut Context, call: Call, text: impl Into<String>) {
        self.call = call;
        if let Some(leg) = self.call.leg() {
            cx.call_state(self.call.status(), &leg.id, text);
        }
    }

    /// Whether a message is about the call that lives. `Pipe` knows one call
    /// only and its ids are not to be trusted, but one of a call just let go
    /// of is of a message that crossed our Bye.
    pub fn is_ours(&self, cx: &Context, id: &CallId) -> bool {
        match (cx.settings.mode, self.call.leg()) {
            (Mode::Pipe | Mode::MultiPipe, None) => false,
            (Mode::Pipe, Some(_)) => !self.is_former(cx, id),
            (Mode::MultiPipe, Some(leg)) => leg.id == *id,
        }
    }

    /// Whether this is the id of a call just before the one that lives. The same id
    /// may come again: a call moved to the phone and taken back keeps its own.
    pub fn is_former(&self, cx: &Context, id: &CallId) -> bool {
        let crossing = |at: &Instant| cx.now.saturating_duration_since(*at) < CROSSING;
        self.call.leg().is_none_or(|leg| leg.id != *id)
            && self.former.iter().any(|(former, at)| former == id && crossing(at))
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
        match action {
            Action::Call { to } => match (&self.call, by) {
                (Call::Idle | Call::Releasing(_), By::Button | By::Control) => self.start_call(cx, to),
                (Call::Incoming(Incoming { stage: Stage::Checking(_) | Stage::Ringing, .. }), By::Button) => {
                    self.answer(cx)
                }
                (
                    Call::Preparing(_)
                    | Call::Outgoing(_)
                    | Call::Ringing(_)
                    | Call::Incoming(_)
                    | Call::Connecting(_)
                    | Call::Talking(_),
                    By::Button | By::Control,
                ) => Err(Refusal::Busy),
            },
            Action::Answer => self.answer(cx),
            Action::HangUp => self.hang_up(cx),
            Action::ToPhone => self.move_to_phone(cx),
            Action::TakeOver => self.take_over(cx),
            Action::Dtmf { digits } => self.dtmf(cx, digits),
            Action::Mute { on } => {
                self.mute(cx, on.unwrap_or(!self.muted));
                Ok(())
            }
        }
    }

    /// Whether the person at the box hears the tones of a call being made.
    pub fn is_calling(&self) -> bool {
        match self.call {
            Call::Preparing(_) | Call::Outgoing(_) | Call::Ringing(_) => true,
            Call::Idle | Call::Incoming(_) | Call::Connecting(_) | Call::Talking(_) | Call::Releasing(_) => {
                false
            }
        }
    }

    pub fn mute(&mut self, cx: &mut Context, on: bool) {
        self.muted = on;
        cx.audio(AudioCommand::Mute(on));
    }

    /// News of a peer connection.
    pub fn media(&mut self, cx: &mut Context, peer: PeerId, event: MediaEvent) {
        if self.call.leg().is_none_or(|leg| leg.peer != peer) {
            let known = self.peers.handle(cx, peer, event.clone());
            match &self.call {
                Call::Releasing(leg) if leg.peer == peer && event == MediaEvent::Closed => {
                    self.released(cx);
                }
                Call::Idle
                | Call::Preparing(_)
                | Call::Outgoing(_)
                | Call::Ringing(_)
                | Call::Incoming(_)
                | Call::Connecting(_)
                | Call::Talking(_)
                | Call::Releasing(_) => {}
            }
            if !known {
                cx.ignored("media-unknown-peer", "news of a peer connection that nobody knows");
            }
            return;
        }
        match event {
            MediaEvent::Prepared { sdp } => self.prepared(cx, sdp),
            MediaEvent::Acceptable => self.acceptable(cx),
            MediaEvent::Answer { sdp } => self.media_answer(cx, sdp),
            MediaEvent::Connected { codec } => self.connected(cx, &codec),
            MediaEvent::FirstAudio => self.first_audio(cx),
            MediaEvent::Interrupted => self.interrupted(cx),
            MediaEvent::Digit(_) => self.digit(cx),
            MediaEvent::Failed(error) => self.media_failed(cx, error),
            MediaEvent::Closed => {
                let detail = "the peer connection closed by itself".to_owned();
                self.media_failed(cx, MediaError { kind: MediaErrorKind::Internal, detail });
                // The Close that this sent will find nobody.
                self.media(cx, peer, MediaEvent::Closed);
            }
        }
    }

    /// Timers of calls; false if `timer` is not one of them.
    pub fn timeout(&mut self, cx: &mut Context, timer: &Timer) {
        match timer {
            Timer::PeerRefresh => self.peers.renew(cx),
            Timer::PeerRetry => self.peers.retry(cx),
            Timer::PeerWait => self.waited_for_peer(cx),
            Timer::OfferRetry => self.offer_again(cx),
            Timer::OfferPause => self.offers_allowed(cx),
            Timer::RingTimeout => self.rang_too_long(cx),
            Timer::MediaTimeout => self.media_too_slow(cx),
            Timer::MediaLost => self.media_lost(cx),
            Timer::Releasing => {
                cx.counters.count("media-close-timeout");
                self.released(cx);
            }
            Timer::Reconnect
            | Timer::Connecting
            | Timer::Registration
            | Timer::Healthy
            | Timer::ToneEnd
            | Timer::Notice
            | Timer::DoNotDisturb
            | Timer::Exit
            | Timer::Debounce(_)
            | Timer::Hold(_)
            | Timer::DoublePress(_)
            | Timer::Stuck(_) => {}
        }
    }
}
