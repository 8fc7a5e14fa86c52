//! A call that this box makes: from the press to the answer.

use std::time::Duration;

use super::call::{EarlyMedia, Leg, Origin, State};
use super::cause::Cause;
use super::command::{MediaCommand, Refusal};
use super::context::Context;
use super::event::Body;
use super::fault::Fault;
use super::feedback;
use super::id::{CallId, CallRef, PhoneNumber};
use super::peers::Taken;
use super::phone::Phone;
use super::timer::Timer;
use super::tone::Tone;

/// How long a press waits for a peer connection that is being prepared.
const PEER_WAIT: Duration = Duration::from_secs(2);
/// TRY_AGAIN: the least wait, and the random part on top.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
const RETRY_SPREAD: Duration = Duration::from_secs(2);

/// Whom an Offer is for.
pub(super) struct Target {
    pub id: CallId,
    /// What people see.
    pub number: Option<PhoneNumber>,
    pub origin: Origin,
}

impl Phone {
    /// Whether an Offer may be sent now.
    pub fn may_offer(&self, cx: &Context) -> Result<(), Refusal> {
        if self.calls.present().is_some() {
            return Err(Refusal::Busy);
        }
        if !cx.registered() {
            return Err(Refusal::Offline);
        }
        if cx.timers.is_set(&Timer::OfferPause) {
            return Err(Refusal::RateLimited);
        }
        Ok(())
    }

    /// Sends the Offer, or waits for the peer connection that will make it.
    pub fn dial(&mut self, cx: &mut Context, to: Target) -> Result<(), Refusal> {
        let (peer, sdp) = match self.peers.take() {
            Taken::Prepared { peer, sdp } => (peer, Some(sdp)),
            Taken::Preparing(peer) => (peer, None),
            Taken::Nothing => return Err(Refusal::MediaNotReady),
        };
        // The tone comes first: the person at the box hears before the core does.
        if to.origin != Origin::Check {
            feedback::tone_of_call(cx, Some(Tone::Progress));
        }
        let call = self.begin(cx, Leg::new(to.id, peer, to.number, to.origin), State::Preparing);
        match sdp {
            Some(sdp) => self.offer(cx, call, sdp),
            None => {
                cx.after(Timer::PeerWait(call), PEER_WAIT);
                self.enter(cx, call, State::Preparing, "calling; the peer connection is not ready yet");
            }
        }
        // Only now: the Offer goes before any other work.
        self.peers.prepare(cx);
        Ok(())
    }

    fn offer(&mut self, cx: &mut Context, call: CallRef, sdp: String) {
        let Some(leg) = self.calls.get(call).map(|call| &call.leg) else { return };
        let to = leg.number.as_ref().map_or("a call elsewhere", PhoneNumber::as_str).to_owned();
        let id = leg.id.clone();
        cx.send(id.clone(), Body::Offer { sdp: sdp.clone(), msisdn: leg.callee() });
        let ring_time = cx.settings.call.ring_time(leg.number.as_ref());
        cx.after(Timer::RingTimeout(call), ring_time);
        let state = State::Outgoing { sdp, media: EarlyMedia::Down };
        self.enter(cx, call, state, format!("calling {to}"));
        cx.step("offer-sent", &id, "Offer sent");
    }

    /// Media: the peer connection of a waiting call is ready.
    pub fn prepared(&mut self, cx: &mut Context, call: CallRef, sdp: String) {
        match self.calls.get(call).map(|call| &call.state) {
            Some(State::Preparing) => {
                cx.timers.stop(&Timer::PeerWait(call));
                cx.clear(Fault::MediaNotReady);
                self.offer(cx, call, sdp);
            }
            Some(
                State::Outgoing { .. }
                | State::Ringing { .. }
                | State::Acknowledging { .. }
                | State::Incoming(_)
                | State::Connecting
                | State::Talking(_)
                | State::Releasing,
            )
            | None => cx.ignored("media-unexpected", "a peer connection in use was reported as prepared"),
        }
    }

    /// `Timer::PeerWait`.
    pub fn waited_for_peer(&mut self, cx: &mut Context, call: CallRef) {
        cx.counters.count("media-prepare-slow");
        self.fail(cx, call, Cause::PeerNotReady);
    }

    /// Message Ringing for our call. False: it does not fit the state.
    pub fn far_end_rings(&mut self, cx: &mut Context, call: CallRef) -> bool {
        let Some(found) = self.calls.get(call) else { return false };
        match found.state {
            State::Outgoing { media, .. } => {
                let id = found.leg.id.clone();
                self.enter(cx, call, State::Ringing { media }, "the far end rings");
                cx.step("ringing", &id, "Ringing received");
                true
            }
            State::Preparing
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Talking(_)
            | State::Releasing => false,
        }
    }

    /// Message Answer for our call. False: it does not fit the state.
    pub fn far_end_answers(&mut self, cx: &mut Context, call: CallRef, sdp: String) -> bool {
        let Some(found) = self.calls.get(call) else { return false };
        match found.state {
            State::Outgoing { media, .. } | State::Ringing { media } => {
                cx.media(found.leg.peer, MediaCommand::Start { sdp });
                cx.timers.stop(&Timer::RingTimeout(call));
                cx.timers.stop(&Timer::OfferRetry(call));
                cx.step("answer", &found.leg.id, "Answer received");
                if found.leg.origin == Origin::TakenOver {
                    self.elsewhere.forget(&found.leg.id);
                }
                self.callee_answers(cx, call, media);
                true
            }
            State::Preparing
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Talking(_)
            | State::Releasing => false,
        }
    }

    /// TRY_AGAIN for our Offer. False: it does not fit the state.
    pub fn try_again(&mut self, cx: &mut Context, call: CallRef) -> bool {
        match self.calls.get(call).map(|call| &call.state) {
            Some(State::Outgoing { .. }) => {
                let wait = RETRY_AFTER + cx.random_up_to(RETRY_SPREAD);
                cx.after(Timer::OfferRetry(call), wait);
                true
            }
            Some(
                State::Preparing
                | State::Ringing { .. }
                | State::Acknowledging { .. }
                | State::Incoming(_)
                | State::Connecting
                | State::Talking(_)
                | State::Releasing,
            )
            | None => false,
        }
    }

    /// `Timer::OfferRetry`: the same Offer under the same id, unless the core
    /// has taken the first after all; `RingTimeout` goes on.
    pub fn offer_again(&mut self, cx: &mut Context, call: CallRef) {
        self.adoption_again(cx, call);
        let Some(found) = self.calls.get(call) else { return };
        match &found.state {
            State::Outgoing { sdp, .. } => {
                let id = found.leg.id.clone();
                cx.send(id.clone(), Body::Offer { sdp: sdp.clone(), msisdn: found.leg.callee() });
                cx.step("offer-sent", &id, "Offer sent again, as the core asked");
            }
            State::Preparing
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Talking(_)
            | State::Releasing => {}
        }
    }

    /// RATE_LIMIT_HIT: no new Offer for a while. What is not answered is given
    /// up, of several the one that the core names, unless it speaks of a call
    /// before; what could not be offered yet is given up too.
    pub fn rate_limit_hit(&mut self, cx: &mut Context, id: &CallId) {
        let pause = cx.settings.backoff.rate_limit;
        cx.after(Timer::OfferPause, pause);
        cx.raise(Fault::RateLimited, format!("the voice core asked to wait; no new call for {pause:?}"));
        if self.is_former(cx, id) {
            return;
        }
        let named = self.about(cx, id);
        let refused = self.calls.which(|call| match call.state {
            State::Preparing => true,
            State::Outgoing { .. } => named.is_none_or(|named| named == call.reference),
            State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Talking(_)
            | State::Releasing => false,
        });
        for call in refused {
            self.fail(cx, call, Cause::RateLimited);
        }
    }

    /// `Timer::OfferPause`.
    pub fn offers_allowed(&mut self, cx: &mut Context) {
        if cx.registered() {
            cx.clear(Fault::RateLimited);
        }
    }
}
