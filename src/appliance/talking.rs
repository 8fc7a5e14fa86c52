//! A call from its answer on, and renegotiation whenever it comes.

use super::call::{EarlyMedia, Moving, Part, Stage, State};
use super::cause::Cause;
use super::command::{MediaCommand, Refusal};
use super::context::Context;
use super::dial;
use super::door;
use super::event::Body;
use super::id::CallRef;
use super::phone::Phone;
use super::timer::Timer;

impl Phone {
    /// Either side answered.
    pub fn answered(&mut self, cx: &mut Context, call: CallRef, media: EarlyMedia) {
        match media {
            EarlyMedia::Down => {
                let media_timeout = cx.settings.call.media_timeout;
                cx.after(Timer::MediaTimeout(call), media_timeout);
                self.enter(cx, call, State::Connecting, "answered; media is coming up");
            }
            EarlyMedia::Up => {
                self.enter(cx, call, State::Talking(Part::Present), "answered; media was up already");
            }
        }
    }

    /// Media: ICE and DTLS are up.
    pub fn connected(&mut self, cx: &mut Context, call: CallRef, codec: &str) {
        let Some(found) = self.calls.get_mut(call) else { return };
        match &mut found.state {
            State::Connecting => {
                cx.timers.stop(&Timer::MediaTimeout(call));
                cx.step("ice", &found.leg.id, format!("media is up, codec {codec}"));
                self.enter(cx, call, State::Talking(Part::Present), "in call");
            }
            State::Talking(_) => {
                if cx.timers.is_set(&Timer::MediaLost(call)) {
                    cx.timers.stop(&Timer::MediaLost(call));
                    cx.step("ice", &found.leg.id, format!("media is back, codec {codec}"));
                }
            }
            State::Acknowledging { media } => {
                let before = std::mem::replace(media, EarlyMedia::Up);
                cx.timers.stop(&Timer::MediaTimeout(call));
                cx.step("ice", &found.leg.id, format!("media is up, codec {codec}"));
                match before {
                    EarlyMedia::Down => self.ask_callee(cx, call),
                    EarlyMedia::Up => {}
                }
            }
            State::Outgoing { media, .. } | State::Ringing { media } => {
                *media = EarlyMedia::Up;
                cx.step("ice", &found.leg.id, format!("early media is up, codec {codec}"));
                self.sound(cx);
            }
            State::Preparing | State::Incoming(_) | State::Releasing => {
                cx.ignored("media-unexpected", "media is up before anybody answered");
            }
        }
    }

    /// Media: the first packet of audio.
    pub fn first_audio(&mut self, cx: &mut Context, call: CallRef) {
        if let Some(found) = self.calls.get_mut(call) {
            found.leg.heard = true;
            cx.step("first-audio", &found.leg.id, "first audio from the far end");
            self.sound(cx);
        }
        self.check_progress(cx, call, true);
    }

    /// Media: ICE lost its peer; it may come back.
    pub fn interrupted(&mut self, cx: &mut Context, call: CallRef) {
        let Some(found) = self.calls.get_mut(call) else { return };
        match &mut found.state {
            State::Talking(_) => {
                if !cx.timers.is_set(&Timer::MediaLost(call)) {
                    let media_lost_after = cx.settings.call.media_lost_after;
                    cx.after(Timer::MediaLost(call), media_lost_after);
                }
                cx.counters.count("media-interrupted");
                cx.step("interrupted", &found.leg.id, "media is interrupted");
            }
            State::Outgoing { media, .. } | State::Ringing { media } => {
                *media = EarlyMedia::Down;
                self.sound(cx);
            }
            // `Acknowledge` runs, or `MediaTimeout`.
            State::Acknowledging { media } => {
                *media = EarlyMedia::Down;
                cx.counters.count("media-interrupted");
            }
            // Here `MediaTimeout` runs.
            State::Connecting => cx.counters.count("media-interrupted"),
            State::Preparing | State::Incoming(_) | State::Releasing => {
                cx.ignored("media-unexpected", "media is interrupted before it was up");
            }
        }
    }

    /// Media: a DTMF digit. It may be part of a code, so it is never logged.
    pub fn digit(&mut self, cx: &mut Context, call: CallRef, digit: char) {
        cx.counters.count("digits-received");
        if let Some(found) = self.calls.get(call) {
            cx.step("digit", &found.leg.id, "a DTMF digit from the far end");
        }
        if !self.acknowledged(cx, call, digit) && self.codes_count(cx, call) {
            door::digit(cx, call, digit);
        }
    }

    /// An Offer of the core in our call: media answers it without dropping audio.
    pub fn renegotiate(&mut self, cx: &mut Context, call: CallRef, sdp: String) {
        if let Some(found) = self.calls.get_mut(call) {
            let leg = &mut found.leg;
            if leg.answers_owed > 0 {
                cx.counters.count("renegotiation-unanswered");
            }
            leg.answers_owed = leg.answers_owed.saturating_add(1);
            cx.step("renegotiation", &leg.id, "the core renegotiates");
            cx.media(leg.signalled_peer(), MediaCommand::Renegotiate { sdp });
        }
    }

    /// Media answered an Offer in our call.
    pub fn renegotiated(&mut self, cx: &mut Context, call: CallRef, sdp: String) {
        let owed = self.calls.get_mut(call).map(|call| &mut call.leg).filter(|leg| leg.answers_owed > 0);
        let Some(leg) = owed else {
            cx.ignored("media-unexpected", "media answered an Offer that nobody made");
            return;
        };
        leg.answers_owed -= 1;
        if cx.registered() {
            cx.send(leg.id.clone(), Body::Answer { sdp });
        } else {
            cx.ignored("answer-undeliverable", "the session is gone: an Answer could not be sent");
        }
    }

    /// Action: move the call to the mobile phone.
    pub fn move_to_phone(&mut self, cx: &mut Context) -> Result<(), Refusal> {
        let call = self.calls.present().map(|call| call.reference).ok_or(Refusal::NoCall)?;
        let Some(found) = self.calls.get_mut(call) else { return Err(Refusal::NoCall) };
        match found.state {
            State::Connecting | State::Talking(_) => {
                if !cx.registered() {
                    return Err(Refusal::Offline);
                }
                found.leg.moving = Moving::Asked;
                let id = found.leg.id.clone();
                cx.send(id.clone(), Body::ToPhone);
                cx.step("to-phone", &id, "asked to move the call to the mobile phone");
                Ok(())
            }
            State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Releasing => Err(Refusal::NoCall),
        }
    }

    /// Action: DTMF digits.
    pub fn dtmf(&mut self, cx: &mut Context, digits: &str) -> Result<(), Refusal> {
        if !dial::are_digits(digits) {
            return Err(Refusal::NotADigit);
        }
        let call = self.calls.present().ok_or(Refusal::NoCall)?;
        match call.state {
            State::Talking(_) => {
                cx.media(call.leg.peer, MediaCommand::Digits(digits.to_owned()));
                Ok(())
            }
            State::Preparing
            | State::Outgoing { .. }
            | State::Ringing { .. }
            | State::Acknowledging { .. }
            | State::Incoming(_)
            | State::Connecting
            | State::Releasing => Err(Refusal::NoCall),
        }
    }

    /// `Timer::MediaTimeout`: of an answered call, or of one that rings here.
    pub fn media_too_slow(&mut self, cx: &mut Context, call: CallRef) {
        match self.calls.get(call).map(|call| &call.state) {
            Some(
                State::Connecting
                | State::Acknowledging { .. }
                | State::Incoming(Stage::Checking(_) | Stage::Answering),
            ) => {
                cx.counters.count("media-timeout");
                self.fail(cx, call, Cause::MediaTimeout);
            }
            Some(
                State::Incoming(Stage::Ringing)
                | State::Preparing
                | State::Outgoing { .. }
                | State::Ringing { .. }
                | State::Talking(_)
                | State::Releasing,
            )
            | None => {}
        }
    }

    /// `Timer::MediaLost`: the call was not left meanwhile, or the timer would be gone.
    pub fn media_lost(&mut self, cx: &mut Context, call: CallRef) {
        cx.counters.count("media-lost");
        if self.fall_back(cx, call) {
            return;
        }
        self.end(cx, call, Cause::MediaLost);
    }
}
