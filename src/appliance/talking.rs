//! A call from its answer on, and renegotiation whenever it comes.

use super::call::{Call, EarlyMedia, Leg, Moving, Phone, Stage};
use super::command::{MediaCommand, Refusal};
use super::context::Context;
use super::dial;
use super::ending::Cause;
use super::event::Body;
use super::status::CallStatus;
use super::timer::Timer;

impl Phone {
    /// Either side answered; the call's audio is connected.
    pub fn answered(&mut self, cx: &mut Context, leg: Leg, media: EarlyMedia) {
        match media {
            EarlyMedia::Down => {
                let media_timeout = cx.settings.call.media_timeout;
                cx.after(Timer::MediaTimeout, media_timeout);
                self.enter(cx, Call::Connecting(leg), "answered; media is coming up");
            }
            EarlyMedia::Up => self.enter(cx, Call::Talking(leg), "answered; media was up already"),
        }
    }

    /// Media: ICE and DTLS are up.
    pub fn connected(&mut self, cx: &mut Context, codec: &str) {
        match std::mem::replace(&mut self.call, Call::Idle) {
            Call::Connecting(leg) => {
                cx.timers.stop(&Timer::MediaTimeout);
                cx.step("ice", &leg.id, format!("media is up, codec {codec}"));
                self.enter(cx, Call::Talking(leg), "in call");
            }
            Call::Talking(leg) => {
                if cx.timers.is_set(&Timer::MediaLost) {
                    cx.timers.stop(&Timer::MediaLost);
                    cx.step("ice", &leg.id, format!("media is back, codec {codec}"));
                }
                self.call = Call::Talking(leg);
            }
            Call::Outgoing(mut out) => {
                out.media = EarlyMedia::Up;
                cx.step("ice", &out.leg.id, format!("early media is up, codec {codec}"));
                self.call = Call::Outgoing(out);
            }
            Call::Ringing(mut out) => {
                out.media = EarlyMedia::Up;
                cx.step("ice", &out.leg.id, format!("early media is up, codec {codec}"));
                self.call = Call::Ringing(out);
            }
            other @ (Call::Idle | Call::Preparing(_) | Call::Incoming(_) | Call::Releasing(_)) => {
                self.call = other;
                cx.ignored("media-unexpected", "media is up before anybody answered");
            }
        }
    }

    /// Media: the first packet of audio.
    pub fn first_audio(&mut self, cx: &mut Context) {
        if let Some(leg) = self.call.leg() {
            cx.step("first-audio", &leg.id, "first audio from the far end");
        }
    }

    /// Media: ICE lost its peer; it may come back.
    pub fn interrupted(&mut self, cx: &mut Context) {
        match &mut self.call {
            Call::Talking(leg) => {
                if !cx.timers.is_set(&Timer::MediaLost) {
                    let media_lost_after = cx.settings.call.media_lost_after;
                    cx.after(Timer::MediaLost, media_lost_after);
                }
                cx.counters.count("media-interrupted");
                cx.step("interrupted", &leg.id, "media is interrupted");
            }
            Call::Outgoing(out) | Call::Ringing(out) => out.media = EarlyMedia::Down,
            // Here `MediaTimeout` runs.
            Call::Connecting(_) => cx.counters.count("media-interrupted"),
            Call::Idle | Call::Preparing(_) | Call::Incoming(_) | Call::Releasing(_) => {
                cx.ignored("media-unexpected", "media is interrupted before it was up");
            }
        }
    }

    /// Media: a DTMF digit. It may be part of a code, so it is never logged.
    pub fn digit(&mut self, cx: &mut Context) {
        cx.counters.count("digits-received");
        if let Some(leg) = self.call.leg() {
            cx.step("digit", &leg.id, "a DTMF digit from the far end");
        }
    }

    /// An Offer of the core in our call: media answers it without dropping audio.
    pub fn renegotiate(&mut self, cx: &mut Context, sdp: String) {
        if let Some(leg) = self.call.leg_mut() {
            if leg.answers_owed > 0 {
                cx.counters.count("renegotiation-unanswered");
            }
            leg.answers_owed = leg.answers_owed.saturating_add(1);
            let peer = leg.peer;
            cx.step("renegotiation", &leg.id, "the core renegotiates");
            cx.media(peer, MediaCommand::Renegotiate { sdp });
        }
    }

    /// Media answered an Offer in our call.
    pub fn renegotiated(&mut self, cx: &mut Context, sdp: String) {
        let owed = self.call.leg_mut().filter(|leg| leg.answers_owed > 0);
        let Some(leg) = owed else {
            cx.ignored("media-unexpected", "media answered an Offer that nobody made");
            return;
        };
        leg.answers_owed -= 1;
        let id = leg.id.clone();
        if cx.registered() {
            cx.send(id, Body::Answer { sdp });
        } else {
            cx.ignored("answer-undeliverable", "the session is gone: an Answer could not be sent");
        }
    }

    /// Action: move the call to the mobile phone.
    pub fn move_to_phone(&mut self, cx: &mut Context) -> Result<(), Refusal> {
        match &mut self.call {
            Call::Connecting(leg) | Call::Talking(leg) => {
                if !cx.registered() {
                    return Err(Refusal::Offline);
                }
                leg.moving = Moving::Asked;
                let id = leg.id.clone();
                cx.send(id.clone(), Body::ToPhone);
                cx.step("to-phone", &id, "asked to move the call to the mobile phone");
                Ok(())
            }
            Call::Idle
            | Call::Preparing(_)
            | Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Releasing(_) => Err(Refusal::NoCall),
        }
    }

    /// Action: DTMF digits.
    pub fn dtmf(&mut self, cx: &mut Context, digits: &str) -> Result<(), Refusal> {
        if !dial::are_digits(digits) {
            return Err(Refusal::NotADigit);
        }
        match &self.call {
            Call::Talking(leg) => {
                cx.media(leg.peer, MediaCommand::Digits(digits.to_owned()));
                Ok(())
            }
            Call::Idle
            | Call::Preparing(_)
            | Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Incoming(_)
            | Call::Connecting(_)
            | Call::Releasing(_) => Err(Refusal::NoCall),
        }
    }

    /// `Timer::MediaTimeout`: of an answered call, or of one that rings here.
    pub fn media_too_slow(&mut self, cx: &mut Context) {
        match &self.call {
            Call::Connecting(_) => {
                cx.counters.count("media-timeout");
                self.end(cx, Cause::MediaTimeout);
            }
            Call::Incoming(incoming) => match incoming.stage {
                Stage::Checking(_) | Stage::Answering => {
                    cx.counters.count("media-timeout");
                    self.end(cx, Cause::MediaTimeout);
                }
                Stage::Ringing => {}
            },
            Call::Idle
            | Call::Preparing(_)
            | Call::Outgoing(_)
            | Call::Ringing(_)
            | Call::Talking(_)
            | Call::Releasing(_) => {}
        }
    }

    /// `Timer::MediaLost`.
    pub fn media_lost(&mut self, cx: &mut Context) {
        if self.call.status() == CallStatus::InCall {
            cx.counters.count("media-lost");
            self.end(cx, Cause::MediaLost);
        }
    }
}
