//! A call that outlives its signalling, on `Pipe`.
//!
//! The stream to the voice core may break in mid-call while the media goes on.
//! On the next stream the core's first word is `InCall` or `Idle`:
//!
//! | the core says | the box does |
//! |---|---|
//! | `InCall` of this call | offers it again with that id, as a take-over on a fresh peer connection; the old one goes on until the new one is up, then sound changes over and the old one closes |
//! | `InCall` of another call | the old media decides: the call ends when it falls silent |
//! | `Idle` | waits a moment for an `InCall`, then the call is over |
//! | nothing of the sort | goes on as if nothing had been |
//! | refuses the new Offer | the old media decides |
//!
//! With `MultiPipe` the core goes by ids alone, and nothing need be said.
//!
//! Inputs: the session's changes; messages; media of the fresh peer connection;
//! timer `Adoption`. Outputs: session `Send`; media `Start`, `Close`.

use std::time::Duration;

use super::call::{Audio, EarlyMedia, Leg, Origin, Part, State};
use super::cause::Cause;
use super::command::MediaCommand;
use super::context::Context;
use super::event::{Body, ErrorCode, MediaEvent};
use super::id::{CallId, CallRef, PeerId, PhoneNumber};
use super::peers::Taken;
use super::phone::Phone;
use super::settings::Mode;
use super::timer::Timer;

/// The core speaks at once on a new `Pipe`; longer means that it will not.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// After `Idle` an `InCall` may still come, from a core that finds the call again.
const GRACE: Duration = Duration::from_secs(5);
/// The peer connection that stands ready may be in the making: the addresses
/// have changed.
const PREPARING: Duration = Duration::from_secs(2);
/// From the Offer to its Answer; no telephone rings in between.
const ANSWER: Duration = Duration::from_secs(10);

/// What the core knows of a call, as far as this box can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signalling {
    /// All that it needs.
    Up,
    /// The stream is gone.
    Lost,
    /// A new stream is up, and the core has said nothing yet.
    Awaited,
    /// The core says that there is no call.
    Forgotten,
    /// The box has asked to go on with it.
    Asked(Adoption),
    /// The core will say nothing more of it: it lives as long as its media.
    Orphan(Known),
}

/// Whether the core may still have a call that it says nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Maybe,
    No,
}

/// The way back into a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Adoption {
    peer: PeerId,
    id: CallId,
    step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The Offer waits for its peer connection.
    Preparing,
    /// The Offer is sent.
    Offered { sdp: String, media: EarlyMedia },
    /// Answered; the new media is coming up.
    Starting,
}

impl Leg {
    /// The peer connection that messages of the core are about.
    pub fn signalled_peer(&self) -> PeerId {
        match &self.signalling {
            Signalling::Asked(Adoption { peer, step: Step::Offered { .. } | Step::Starting, .. }) => *peer,
            Signalling::Asked(Adoption { step: Step::Preparing, .. })
            | Signalling::Up
            | Signalling::Lost
            | Signalling::Awaited
            | Signalling::Forgotten
            | Signalling::Orphan(_) => self.peer,
        }
    }

    /// Whether a second peer connection is open for it.
    pub fn is_adopting(&self) -> bool {
        self.adoption().is_some()
    }

    fn adoption(&self) -> Option<&Adoption> {
        match &self.signalling {
            Signalling::Asked(adoption) => Some(adoption),
            Signalling::Up
            | Signalling::Lost
            | Signalling::Awaited
            | Signalling::Forgotten
            | Signalling::Orphan(_) => None,
        }
    }

    /// Whether an `InCall` is about this call. Ids and numbers may be missing,
    /// and on `Pipe` the core may have an id of its own. A box must not take
    /// over somebody's other call, so what is not said must not contradict.
    pub fn is(&self, id: &CallId, number: Option<&PhoneNumber>) -> bool {
        match (&self.number, number) {
            _ if !id.as_str().is_empty() && *id == self.id => true,
            (Some(ours), Some(theirs)) => ours == theirs,
            (Some(_), None) | (None, Some(_)) | (None, None) => id.as_str().is_empty(),
        }
    }
}

impl Phone {
    /// The stream is gone; calls that are answered go on.
    pub fn signalling_lost(&mut self, cx: &mut Context) {
        for call in self.pipe_calls(cx) {
            let starting =
                self.leg(call).and_then(Leg::adoption).map(|adoption| adoption.step == Step::Starting);
            // What is answered needs the core no more.
            if starting != Some(true) {
                self.enter_signalling(cx, call, Signalling::Lost);
            }
        }
    }

    /// A new stream is up.
    pub fn signalling_back(&mut self, cx: &mut Context) {
        for call in self.pipe_calls(cx) {
            if self.leg(call).is_some_and(|leg| leg.signalling != Signalling::Up) {
                self.enter_signalling(cx, call, Signalling::Awaited);
                cx.after(Timer::Adoption(call), FIRST_WORD);
            }
        }
    }

    /// `InCall` on `Pipe`. True: it was about our call.
    pub fn adopt(&mut self, cx: &mut Context, id: &CallId, number: Option<&PhoneNumber>) -> bool {
        let Some(call) = self.apart(cx) else { return false };
        let Some(leg) = self.leg(call) else { return false };
        let ours = leg.is(id, number);
        match &leg.signalling {
            Signalling::Awaited | Signalling::Forgotten if ours => {}
            Signalling::Awaited | Signalling::Forgotten => {
                self.orphan(cx, call, Known::No, "the core speaks of another call");
                return false;
            }
            Signalling::Asked(_) => return ours,
            Signalling::Up | Signalling::Lost | Signalling::Orphan(_) => return false,
        }
        let id = if id.as_str().is_empty() { leg.id.clone() } else { id.clone() };
        match self.peers.take() {
            Taken::Prepared { peer, sdp } => {
                self.enter_signalling(
                    cx,
                    call,
                    Signalling::Asked(Adoption { peer, id, step: Step::Preparing }),
                );
                self.offer_again_to_core(cx, call, sdp);
            }
            Taken::Preparing(peer) => {
                self.enter_signalling(
                    cx,
                    call,
                    Signalling::Asked(Adoption { peer, id, step: Step::Preparing }),
                );
                cx.after(Timer::Adoption(call), PREPARING);
            }
            Taken::Nothing => self.orphan(cx, call, Known::Maybe, "no peer connection was ready"),
        }
        self.peers.prepare(cx);
        true
    }

    /// `Idle` on `Pipe`.
    pub fn core_is_idle(&mut self, cx: &mut Context) {
        let Some(call) = self.apart(cx) else { return };
        match self.leg(call).map(|leg| &leg.signalling) {
            Some(Signalling::Awaited | Signalling::Orphan(_)) => {
                self.enter_signalling(cx, call, Signalling::Forgotten);
                cx.after(Timer::Adoption(call), GRACE);
            }
            // What was asked is answered by itself.
            Some(Signalling::Up | Signalling::Lost | Signalling::Forgotten | Signalling::Asked(_)) | None => {
            }
        }
    }

    /// An Offer on `Pipe`: of a core that knows our call, or of one that has
    /// said that it does not, and then for a new call.
    pub fn core_offers(&mut self, cx: &mut Context) {
        let Some(call) = self.apart(cx) else { return };
        match self.leg(call).map(|leg| &leg.signalling) {
            Some(Signalling::Awaited) => self.enter_signalling(cx, call, Signalling::Up),
            Some(Signalling::Forgotten | Signalling::Orphan(_)) => self.end(cx, call, Cause::UnknownToCore),
            Some(Signalling::Up | Signalling::Lost | Signalling::Asked(_)) | None => {}
        }
    }

    /// The call for which an Offer of this kind waits for the core's word.
    pub fn asked(&self, call: Option<CallRef>) -> Option<CallRef> {
        let adoption = call.and_then(|call| self.leg(call)).and_then(Leg::adoption)?;
        match adoption.step {
            Step::Offered { .. } => call,
            Step::Preparing | Step::Starting => None,
        }
    }

    /// Answer to the Offer of a call that `asked` has named.
    pub fn adoption_answered(&mut self, cx: &mut Context, call: CallRef, sdp: String) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let Signalling::Asked(adoption) = &mut found.leg.signalling else { return };
        let before = std::mem::replace(&mut adoption.step, Step::Starting);
        cx.step("answer", &adoption.id, "the core goes on with the call");
        cx.media(adoption.peer, MediaCommand::Start { sdp });
        cx.timers.stop(&Timer::OfferRetry(call));
        match before {
            Step::Offered { media: EarlyMedia::Up, .. } => self.change_over(cx, call),
            Step::Offered { media: EarlyMedia::Down, .. } | Step::Preparing | Step::Starting => {
                let media_timeout = cx.settings.call.media_timeout;
                cx.after(Timer::Adoption(call), media_timeout);
            }
        }
    }

    /// The core refuses the Offer of a call that `asked` has named.
    pub fn adoption_refused(&mut self, cx: &mut Context, call: CallRef) {
        cx.counters.count("adoption-refused");
        self.orphan(cx, call, Known::No, "the core does not go on with the call");
    }

    /// An Error for the Offer of a call that `asked` has named.
    pub fn adoption_error(&mut self, cx: &mut Context, call: CallRef, code: ErrorCode) {
        match code {
            ErrorCode::NotInCall | ErrorCode::InvalidCallId => self.adoption_refused(cx, call),
            ErrorCode::TryAgain => cx.after(Timer::OfferRetry(call), super::outgoing::RETRY_AFTER),
            ErrorCode::RateLimitHit => self.orphan(cx, call, Known::Maybe, "the core asks for fewer calls"),
            ErrorCode::Unknown(_) => {}
        }
    }

    /// `Timer::OfferRetry` of a call that `asked` has named.
    pub fn adoption_again(&self, cx: &mut Context, call: CallRef) {
        let Some(adoption) = self.leg(call).and_then(Leg::adoption) else { return };
        if let Step::Offered { sdp, .. } = &adoption.step {
            cx.send(adoption.id.clone(), Body::Offer { sdp: sdp.clone(), msisdn: None });
            cx.step("offer-sent", &adoption.id, "Offer sent again, as the core asked");
        }
    }

    /// `Timer::Adoption`.
    pub fn adoption_timeout(&mut self, cx: &mut Context, call: CallRef) {
        match self.leg(call).map(|leg| &leg.signalling) {
            Some(Signalling::Awaited) => self.enter_signalling(cx, call, Signalling::Up),
            Some(Signalling::Forgotten) => self.end(cx, call, Cause::UnknownToCore),
            Some(Signalling::Asked(_)) => self.orphan(cx, call, Known::Maybe, "the way back took too long"),
            Some(Signalling::Up | Signalling::Lost | Signalling::Orphan(_)) | None => {}
        }
    }

    /// The call that asks to be adopted with this peer connection.
    pub fn adopting_with(&self, peer: PeerId) -> Option<CallRef> {
        let with = |leg: &Leg| leg.adoption().is_some_and(|adoption| adoption.peer == peer);
        self.calls.live().find(|call| with(&call.leg)).map(|call| call.reference)
    }

    /// Whether the core speaks of other media than this, the call's own.
    pub fn is_leaving(&self, call: CallRef, peer: PeerId) -> bool {
        self.leg(call).is_some_and(|leg| leg.signalled_peer() != peer)
    }

    /// News of the fresh peer connection.
    pub fn adoption_media(&mut self, cx: &mut Context, call: CallRef, peer: PeerId, event: MediaEvent) {
        match event {
            MediaEvent::Prepared { sdp } => self.offer_again_to_core(cx, call, sdp),
            MediaEvent::Answer { sdp } => self.renegotiated(cx, call, sdp),
            MediaEvent::Connected { .. } => self.adoption_up(cx, call, EarlyMedia::Up),
            MediaEvent::Interrupted => self.adoption_up(cx, call, EarlyMedia::Down),
            MediaEvent::FirstAudio => self.first_audio(cx, call),
            MediaEvent::Digit(digit) => self.digit(cx, call, digit),
            MediaEvent::Failed(error) => self.orphan(cx, call, Known::Maybe, &error.detail),
            MediaEvent::Closed => {
                self.orphan(cx, call, Known::Maybe, "the peer connection closed by itself");
                self.peers.handle(cx, peer, MediaEvent::Closed);
            }
            // Told before the change-over they mean nothing yet.
            MediaEvent::Acceptable
            | MediaEvent::Quiet
            | MediaEvent::AudioBack
            | MediaEvent::Statistics(_) => {
                cx.counters.count("media-unexpected");
            }
        }
    }

    /// The old media is gone. If a way back is under way the call goes on with
    /// it, as any take-over does. False: there is none.
    pub fn fall_back(&mut self, cx: &mut Context, call: CallRef) -> bool {
        let registered = cx.registered();
        let Some(found) = self.calls.get_mut(call) else { return false };
        // Nobody has accepted it: there is nobody to follow.
        if matches!(found.state, State::Acknowledging { .. }) {
            return false;
        }
        let Signalling::Asked(adoption) = found.leg.signalling.clone() else { return false };
        found.leg.signalling = if registered { Signalling::Up } else { Signalling::Lost };
        found.leg.origin = Origin::TakenOver;
        // Of the media that is gone, where it had not come up yet.
        cx.timers.stop(&Timer::MediaTimeout(call));
        let state = match adoption.step {
            Step::Preparing => {
                cx.after(Timer::PeerWait(call), PREPARING);
                State::Preparing
            }
            Step::Offered { sdp, media } => {
                cx.after(Timer::RingTimeout(call), ANSWER);
                State::Outgoing { sdp, media }
            }
            Step::Starting => {
                let media_timeout = cx.settings.call.media_timeout;
                cx.after(Timer::MediaTimeout(call), media_timeout);
                State::Connecting
            }
        };
        let (old, old_id) = self.move_to(cx, call, adoption.peer, adoption.id);
        self.enter(cx, call, state, "the old media is gone; the new is coming up");
        self.peers.close(cx, old, Some(old_id));
        true
    }

    /// Lets go of the way back, if one is under way.
    pub fn drop_adoption(&mut self, cx: &mut Context, leg: &Leg) {
        if let Some(adoption) = leg.adoption() {
            self.peers.close(cx, adoption.peer, Some(leg.id.clone()));
        }
    }

    fn offer_again_to_core(&mut self, cx: &mut Context, call: CallRef, sdp: String) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let Signalling::Asked(adoption) = &mut found.leg.signalling else { return };
        if adoption.step != Step::Preparing {
            cx.ignored("media-unexpected", "a peer connection in use was reported as prepared");
            return;
        }
        adoption.step = Step::Offered { sdp: sdp.clone(), media: EarlyMedia::Down };
        if std::mem::take(&mut found.leg.answers_owed) > 0 {
            cx.counters.count("renegotiation-unanswered");
        }
        cx.send(adoption.id.clone(), Body::Offer { sdp, msisdn: None });
        cx.after(Timer::Adoption(call), ANSWER);
        cx.step("offer-sent", &adoption.id, "Offer sent, to go on with the call");
    }

    fn adoption_up(&mut self, cx: &mut Context, call: CallRef, up: EarlyMedia) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let Signalling::Asked(adoption) = &mut found.leg.signalling else { return };
        match (&mut adoption.step, up) {
            (Step::Offered { media, .. }, up) => *media = up,
            (Step::Starting, EarlyMedia::Up) => self.change_over(cx, call),
            (Step::Starting, EarlyMedia::Down) | (Step::Preparing, _) => {
                cx.counters.count("media-unexpected")
            }
        }
    }

    /// The new media is up: sound first, then the old media closes.
    fn change_over(&mut self, cx: &mut Context, call: CallRef) {
        let registered = cx.registered();
        let Some(found) = self.calls.get_mut(call) else { return };
        let Signalling::Asked(adoption) = found.leg.signalling.clone() else { return };
        found.leg.signalling = if registered { Signalling::Up } else { Signalling::Lost };
        let connecting = found.state == State::Connecting;
        let acknowledging = match &mut found.state {
            State::Acknowledging { media } => {
                *media = EarlyMedia::Up;
                true
            }
            State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Talking(_)
            | State::Releasing => false,
        };
        let (old, old_id) = self.move_to(cx, call, adoption.peer, adoption.id);
        cx.counters.count("calls-adopted");
        if connecting {
            cx.timers.stop(&Timer::MediaTimeout(call));
            self.enter(cx, call, State::Talking(Part::Present), "in call");
        }
        self.connect(cx);
        if acknowledging {
            cx.timers.stop(&Timer::MediaTimeout(call));
            self.ask_callee(cx, call);
        }
        self.peers.close(cx, old, Some(old_id));
    }

    /// The call goes on with another peer connection; the one it leaves, and the id that it had with it.
    fn move_to(&mut self, cx: &mut Context, call: CallRef, peer: PeerId, id: CallId) -> (PeerId, CallId) {
        let Some(found) = self.calls.get_mut(call) else { return (peer, id) };
        let old = std::mem::replace(&mut found.leg.peer, peer);
        let old_id = std::mem::replace(&mut found.leg.id, id.clone());
        found.leg.audio = Audio::Flows;
        for timer in [Timer::Adoption(call), Timer::MediaLost(call), Timer::NoMedia(call)] {
            cx.timers.stop(&timer);
        }
        self.keep_calls(cx);
        cx.step("adopted", &id, "the call goes on with new media");
        if old_id != id && !old_id.as_str().is_empty() {
            // Whatever is still said of it means the leg that is gone.
            self.remember(cx, &old_id);
        }
        (old, old_id)
    }

    /// From now on the media that there is decides.
    fn orphan(&mut self, cx: &mut Context, call: CallRef, known: Known, why: &str) {
        self.enter_signalling(cx, call, Signalling::Orphan(known));
        let Some(found) = self.calls.get(call) else { return };
        cx.step("orphan", &found.leg.id, format!("the call lasts as long as its sound: {why}"));
        if found.leg.audio == Audio::Quiet {
            self.end(cx, call, Cause::NoMedia);
        }
    }

    fn enter_signalling(&mut self, cx: &mut Context, call: CallRef, signalling: Signalling) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let before = std::mem::replace(&mut found.leg.signalling, signalling);
        let id = found.leg.id.clone();
        cx.timers.stop(&Timer::Adoption(call));
        if let Signalling::Asked(adoption) = before {
            cx.timers.stop(&Timer::OfferRetry(call));
            self.peers.close(cx, adoption.peer, Some(id));
        }
    }

    /// The one call of `Pipe`, if the core has lost sight of it.
    fn apart(&self, cx: &Context) -> Option<CallRef> {
        let apart = |call: &CallRef| self.leg(*call).is_some_and(|leg| leg.signalling != Signalling::Up);
        self.pipe_calls(cx).into_iter().find(apart)
    }

    fn pipe_calls(&self, cx: &Context) -> Vec<CallRef> {
        match cx.settings.mode {
            Mode::Pipe => self.calls.which(|call| !call.state.is_unanswered()),
            Mode::MultiPipe => Vec::new(),
        }
    }

    fn leg(&self, call: CallRef) -> Option<&Leg> {
        self.calls.get(call).map(|call| &call.leg)
    }
}
