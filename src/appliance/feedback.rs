//! What a person at the box hears: one tone at a time. A press is also seen.
//!
//! A call has a tone of its own while its state lasts (progress, ringback,
//! ring). A passing tone (the press, the call's end, a refusal) plays over it
//! until `Timer::ToneEnd`; then the call's tone goes on.
//!
//! Inputs: calls of the methods below; timers `ToneEnd`, `Notice`.
//! Outputs: audio `Tone`, `Announce`; the timers themselves (a set `Notice` is what the
//! lamps show as trouble).

use std::time::Duration;

use super::command::{AudioCommand, Clip, Listener};
use super::context::Context;
use super::timer::Timer;
use super::tone::Tone;

/// Longer than the blip of [`Tone::Press`], short enough that the call's own
/// tone seems not to stop.
const PRESS: Duration = Duration::from_millis(200);

/// Long enough for the three beeps of [`Tone::CallEnding`], not for them to come again.
const WARNING: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default)]
pub(super) struct Feedback {
    /// The tone of the call's state.
    of_call: Option<Tone>,
    /// The tone that plays over it until `Timer::ToneEnd`.
    passing: Option<Tone>,
    /// The box was told to say something. It may have come to its end.
    speaks: bool,
}

/// The tone that belongs to the call's state from now on.
pub(super) fn tone_of_call(cx: &mut Context, tone: Option<Tone>) {
    let before = std::mem::replace(&mut cx.feedback.of_call, tone);
    let passing = cx.timers.is_set(&Timer::ToneEnd);
    match tone {
        Some(_) if before != tone => {
            cx.timers.stop(&Timer::ToneEnd);
            hush(cx);
            cx.audio(AudioCommand::Tone(tone));
        }
        None if !passing && before.is_some() => cx.audio(AudioCommand::Tone(None)),
        Some(_) | None => {}
    }
}

/// The blip of a press that did something.
pub(super) fn press(cx: &mut Context) {
    passing(cx, Tone::Press, PRESS);
}

/// Whether a press is being answered: lamps show it as long as the blip lasts.
pub(super) fn is_felt(cx: &Context) -> bool {
    cx.feedback.passing == Some(Tone::Press) && cx.timers.is_set(&Timer::ToneEnd)
}

/// Whether a tone plays.
pub(super) fn is_sounding(cx: &Context) -> bool {
    cx.feedback.of_call.is_some() || cx.timers.is_set(&Timer::ToneEnd)
}

/// A tone that tells how something ended.
pub(super) fn end_tone(cx: &mut Context, tone: Tone) {
    let wait = cx.settings.call.end_tone;
    passing(cx, tone, wait);
}

/// A call cannot be made for want of a network: said in words where there are
/// some, else told by a tone.
pub(super) fn offline(cx: &mut Context) {
    if cx.settings.call.announce_offline {
        cx.feedback.speaks = true;
        cx.audio(AudioCommand::Announce { clip: Some(Clip::Offline), to: Listener::Box });
    } else {
        end_tone(cx, Tone::Error);
    }
}

/// What the box was saying gives way.
pub(super) fn hush(cx: &mut Context) {
    if std::mem::take(&mut cx.feedback.speaks) {
        cx.audio(AudioCommand::Announce { clip: None, to: Listener::Box });
    }
}

/// What a call in progress has to be told, laid over it.
pub(super) fn warning(cx: &mut Context, tone: Tone) {
    passing(cx, tone, WARNING);
}

/// Lamps show for a while that something was refused or failed.
pub(super) fn notice(cx: &mut Context) {
    let wait = cx.settings.call.end_tone;
    cx.after(Timer::Notice, wait);
}

/// `Timer::ToneEnd`: back to the call's tone, or silence.
pub(super) fn tone_ended(cx: &mut Context) {
    let tone = cx.feedback.of_call;
    cx.audio(AudioCommand::Tone(tone));
}

/// No tone at all, at once.
pub(super) fn silence(cx: &mut Context) {
    cx.feedback.of_call = None;
    hush(cx);
    cx.timers.stop(&Timer::ToneEnd);
    cx.audio(AudioCommand::Tone(None));
}

fn passing(cx: &mut Context, tone: Tone, wait: Duration) {
    cx.feedback.passing = Some(tone);
    cx.audio(AudioCommand::Tone(Some(tone)));
    cx.after(Timer::ToneEnd, wait);
}

#[cfg(test)]
mod tests {
    use super::super::command::Command;
    use super::*;

    fn tones(cx: &mut Context) -> Vec<Option<Tone>> {
        let tone = |command| match command {
            Command::Audio(AudioCommand::Tone(tone)) => Some(tone),
            _ => None,
        };
        cx.take_commands().into_iter().filter_map(tone).collect()
    }

    #[test]
    fn the_tone_of_a_call_is_told_once_and_ends_once() {
        let mut cx = Context::quiet();
        tone_of_call(&mut cx, None);
        assert_eq!(tones(&mut cx), []);
        tone_of_call(&mut cx, Some(Tone::Progress));
        tone_of_call(&mut cx, Some(Tone::Progress));
        tone_of_call(&mut cx, Some(Tone::Ringback));
        assert_eq!(tones(&mut cx), [Some(Tone::Progress), Some(Tone::Ringback)]);
        tone_of_call(&mut cx, None);
        tone_of_call(&mut cx, None);
        assert_eq!(tones(&mut cx), [None]);
    }

    #[test]
    fn a_passing_tone_gives_way_to_a_new_state_and_else_to_the_call_s_own() {
        let mut cx = Context::quiet();
        tone_of_call(&mut cx, Some(Tone::Ringback));
        press(&mut cx);
        assert!(is_felt(&cx));
        tone_of_call(&mut cx, Some(Tone::Ringback));
        tones(&mut cx);
        cx.timers.stop(&Timer::ToneEnd);
        tone_ended(&mut cx);
        assert_eq!((tones(&mut cx), is_felt(&cx)), (vec![Some(Tone::Ringback)], false));
        // The end of the call does not cut the tone that tells of it.
        end_tone(&mut cx, Tone::Busy);
        assert!(!is_felt(&cx));
        tone_of_call(&mut cx, None);
        assert_eq!(tones(&mut cx), [Some(Tone::Busy)]);
        tone_of_call(&mut cx, Some(Tone::Ring));
        assert_eq!(tones(&mut cx), [Some(Tone::Ring)]);
        assert!(!cx.timers.is_set(&Timer::ToneEnd));
        silence(&mut cx);
        assert_eq!(tones(&mut cx), [None]);
        tone_ended(&mut cx);
        assert_eq!(tones(&mut cx), [None]);
    }
}
