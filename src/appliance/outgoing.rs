//! A call that this box makes: from the press to the answer.

use std::collections::VecDeque;
use std::time::Duration;

use super::call::{Call, EarlyMedia, Leg, Outgoing, Phone};
use super::command::{AudioCommand, MediaCommand, Refusal, Role};
use super::context::Context;
use super::dial;
use super::ending::Cause;
use super::event::Body;
use super::fault::Fault;
use super::feedback;
use super::id::{CallId, PhoneNumber};
use super::peers::Taken;
use super::timer::Timer;
use super::tone::Tone;

/// How long a press waits for a peer connection that is being prepared.
const PEER_WAIT: Duration = Duration::from_secs(2);
/// TRY_AGAIN: the least wait, and the random part on top.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const RETRY_SPREAD: Duration = Duration::from_secs(2);

/// Whom an Offer is for.
pub(super) struct Target {
    pub id: CallId,
    /// What the Offer says.
    pub msisdn: Option<PhoneNumber>,
    /// What people see.
    pub number: Option<PhoneNumber>,
}

impl Phone {
    /// Calls the first of `to`; the others follow if it rejects or does not answer.
    pub fn start_call(&mut self, cx: &mut Context, to: &[String]) -> Result<(), Refusal> {
        self.may_offer(cx)?;
        let mut rest = dial::numbers(to, &cx.settings);
        let number = rest.pop_front().ok_or(Refusal::UnknownContact)?;
        let target = Target { id: cx.new_call_id(), msisdn: Some(number.clone()), number: Some(number) };
        self.dial(cx, target, rest)
    }

    /// Whether an Offer may be sent now.
    pub fn may_offer(&self, cx: &Context) -> Result<(), Refusal> {
        match &self.call {
            Call::Idle | Call::Releasing(_) => {}
            Call::Preparing(_)
            | Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_) => return Err(Refusal::Busy),
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
    pub fn dial(&mut self, cx: &mut Context, to: Target, rest: VecDeque<PhoneNumber>) -> Result<(), Refusal> {
        if !self.peers.available() {
            return Err(Refusal::MediaNotReady);
        }
        // The tone comes first: the person at the box hears before the core does.
        feedback::tone_of_call(cx, Some(Tone::Progress));
        cx.timers.stop(&Timer::Releasing);
        let out = |peer, sdp| Outgoing {
            leg: Leg::new(to.id, peer, to.number),
            msisdn: to.msisdn,
            sdp,
            rest,
            media: EarlyMedia::Down,
        };
        match self.peers.take() {
            Taken::Prepared { peer, sdp } => self.offer(cx, out(peer, sdp)),
            Taken::Preparing(peer) => {
                cx.after(Timer::PeerWait, PEER_WAIT);
                let call = Call::Preparing(out(peer, String::new()));
                self.enter(cx, call, "calling; the peer connection is not ready yet");
            }
            Taken::Nothing => {
                feedback::tone_of_call(cx, None);
                return Err(Refusal::MediaNotReady);
            }
        }
        // Only now: the Offer goes before any other work.
        self.peers.prepare(cx);
        Ok(())
    }

    fn offer(&mut self, cx: &mut Context, out: Outgoing) {
        let to = out.leg.number.as_ref().map_or("a call elsewhere", PhoneNumber::as_str).to_owned();
        let id = out.leg.id.clone();
        cx.send(id.clone(), Body::Offer { sdp: out.sdp.clone(), msisdn: out.msisdn.clone() });
        let ring_timeout = cx.settings.call.ring_timeout;
        cx.after(Timer::RingTimeout, ring_timeout);
        self.enter(cx, Call::Outgoing(out), format!("calling {to}"));
        cx.step("offer-sent", &id, "Offer sent");
    }

    /// Media: the peer connection of a waiting call is ready.
    pub fn prepared(&mut self, cx: &mut Context, sdp: String) {
        match std::mem::replace(&mut self.call, Call::Idle) {
            Call::Preparing(out) => {
                cx.timers.stop(&Timer::PeerWait);
                cx.clear(Fault::MediaNotReady);
                self.offer(cx, Outgoing { sdp, ..out });
            }
            other @ (Call::Idle
            | Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_)
            | Call::Releasing(_)) => {
                self.call = other;
                cx.ignored("media-unexpected", "a peer connection in use was reported as prepared");
            }
        }
    }

    /// `Timer::PeerWait`.
    pub fn waited_for_peer(&mut self, cx: &mut Context) {
        match &self.call {
            Call::Preparing(_) => {
                cx.counters.count("media-prepare-slow");
                self.end(cx, Cause::PeerNotReady);
            }
            Call::Idle
            | Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_)
            | Call::Releasing(_) => {}
        }
    }

    /// Message Ringing for our call. False: it does not fit the state.
    pub fn far_end_rings(&mut self, cx: &mut Context) -> bool {
        match std::mem::replace(&mut self.call, Call::Idle) {
            Call::Outgoing(out) => {
                feedback::tone_of_call(cx, Some(Tone::Ringback));
                let id = out.leg.id.clone();
                self.enter(cx, Call::Ringing(out), "the far end rings");
                cx.step("ringing", &id, "Ringing received");
                true
            }
            other @ (Call::Idle
            | Call::Preparing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_)
            | Call::Releasing(_)) => {
                self.call = other;
                false
            }
        }
    }

    /// Message Answer for our call. False: it does not fit the state.
    pub fn far_end_answers(&mut self, cx: &mut Context, sdp: String) -> bool {
        match std::mem::replace(&mut self.call, Call::Idle) {
            Call::Outgoing(out) | Call::Ringing(out) => {
                let peer = out.leg.peer;
                let id = out.leg.id.clone();
                cx.media(peer, MediaCommand::Start { sdp });
                // Now, so that sound flows the moment media is up.
                cx.audio(AudioCommand::Connect(vec![(peer, Role::Talk)]));
                cx.timers.stop(&Timer::RingTimeout);
                feedback::tone_of_call(cx, None);
                cx.step("answer", &id, "Answer received");
                self.answered(cx, out.leg, out.media);
                true
            }
            other @ (Call::Idle
            | Call::Preparing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_)
            | Call::Releasing(_)) => {
                self.call = other;
                false
            }
        }
    }

    /// TRY_AGAIN for our Offer. False: it does not fit the state.
    pub fn try_again(&mut self, cx: &mut Context) -> bool {
        match &self.call {
            Call::Outgoing(_) => {
                let wait = RETRY_AFTER + cx.random_up_to(RETRY_SPREAD);
                cx.after(Timer::OfferRetry, wait);
                true
            }
            Call::Idle
            | Call::Preparing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_)
            | Call::Releasing(_) => false,
        }
    }

    /// `Timer::OfferRetry`: the same Offer under the same id, unless the core
    /// has taken the first after all; `RingTimeout` goes on.
    pub fn offer_again(&mut self, cx: &mut Context) {
        match &self.call {
            Call::Outgoing(out) => {
                let id = out.leg.id.clone();
                cx.send(id.clone(), Body::Offer { sdp: out.sdp.clone(), msisdn: out.msisdn.clone() });
                cx.step("offer-sent", &id, "Offer sent again, as the core asked");
            }
            Call::Idle
            | Call::Preparing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Talking(_)
            | Call::Releasing(_) => {}
        }
    }

    /// RATE_LIMIT_HIT: no new Offer for a while; one that is not answered is
    /// given up, unless the core speaks of a call before it.
    pub fn rate_limit_hit(&mut self, cx: &mut Context, id: &CallId) {
        let pause = cx.settings.backoff.rate_limit;
        cx.after(Timer::OfferPause, pause);
        cx.raise(Fault::RateLimited, format!("the voice core asked to wait; no new call for {pause:?}"));
        match &self.call {
            Call::Outgoing(_) | Call::Preparing(_) if !self.is_former(cx, id) => {
                self.end(cx, Cause::RateLimited);
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
    }

    /// `Timer::OfferPause`.
    pub fn offers_allowed(&mut self, cx: &mut Context) {
        if cx.registered() {
            cx.clear(Fault::RateLimited);
        }
    }

    /// The number tried last did not answer or rejected: the next one. False: there is none.
    pub fn next_number(&mut self, cx: &mut Context, why: Cause) -> bool {
        let (Call::Outgoing(out) | Call::Ringing(out)) = &mut self.call else { return false };
        let Some(number) = out.rest.pop_front() else { return false };
        let rest = std::mem::take(&mut out.rest);
        if cx.timers.is_set(&Timer::OfferPause) || !self.peers.available() {
            return false;
        }
        self.let_go(cx, why);
        let target = Target { id: cx.new_call_id(), msisdn: Some(number.clone()), number: Some(number) };
        // `available` was asked above, so this cannot be refused.
        self.dial(cx, target, rest).is_ok()
    }
}
