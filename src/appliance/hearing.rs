//! Who hears whom, and which tone belongs to the calls: both follow from the
//! set of calls, here and nowhere else.

use super::call::{Call, EarlyMedia, Origin, Part, Stage, State, Then};
use super::command::{AudioCommand, Direction, Role};
use super::context::Context;
use super::feedback;
use super::id::PeerId;
use super::phone::Phone;
use super::settings::TalkMode;
use super::tone::Tone;

/// What the audio shell was last told.
#[derive(Default)]
pub(super) struct Hearing {
    connected: Vec<(PeerId, Role)>,
    direction: Direction,
}

impl Hearing {
    pub fn connected(&self) -> &[(PeerId, Role)] {
        &self.connected
    }
}

impl Phone {
    /// The box is switched on.
    pub fn start_sound(&mut self, cx: &mut Context) {
        self.volume.start(cx);
        self.self_test.plan(cx);
        self.direct(cx);
    }

    /// The calls have changed: so may what is heard.
    pub fn sound(&mut self, cx: &mut Context) {
        self.connect(cx);
        feedback::tone_of_call(cx, self.tone());
    }

    /// Tells the audio shell whose audio to connect, if that has changed.
    pub fn connect(&mut self, cx: &mut Context) {
        let early = self.early().map(|call| call.reference);
        let wanted: Vec<_> = self
            .calls
            .live()
            .filter_map(|call| Some((call.leg.peer, role(call, early == Some(call.reference))?)))
            .collect();
        if wanted != self.hearing.connected {
            feedback::hush(cx);
            self.hearing.connected.clone_from(&wanted);
            cx.audio(AudioCommand::Connect(wanted));
        }
        if !self.calls_talk() {
            self.push_to_talk.call_over(cx);
        }
        self.direct(cx);
    }

    /// Whether the person at the box is heard when speaking.
    pub fn talk_allowed(&self) -> bool {
        let open = match self.hearing.direction {
            Direction::Both | Direction::Alternate | Direction::Talk => true,
            Direction::Listen => false,
        };
        open && !self.muted && self.calls_talk()
    }

    /// Tells the audio shell which way sound may flow, if that has changed.
    /// Without a call it is what the next one begins with, so that no
    /// microphone is open for a moment before it is shut.
    fn direct(&mut self, cx: &mut Context) {
        let wanted = match cx.settings.call.sound.talk {
            TalkMode::Both => Direction::Both,
            TalkMode::Alternate => Direction::Alternate,
            TalkMode::PushToTalk if self.push_to_talk.is_held() => Direction::Talk,
            TalkMode::PushToTalk => Direction::Listen,
        };
        if wanted != self.hearing.direction {
            self.hearing.direction = wanted;
            cx.audio(AudioCommand::Direction(wanted));
        }
    }

    /// Whether any call rings here, aloud or by call waiting.
    pub fn rings_aloud(&self) -> bool {
        self.calls.live().any(|call| rings_here(&call.state))
    }

    /// The call whose announcement before the answer is heard: of several that
    /// ring at once the first, since a choir tells nothing.
    fn early(&self) -> Option<&Call> {
        self.calls.live().find(|call| has_early_media(&call.state))
    }

    /// The tone of the call at the box.
    fn tone(&self) -> Option<Tone> {
        let call = self.calls.at_box().filter(|call| call.leg.origin != Origin::Check)?;
        match &call.state {
            // The far end's own ringback or announcement is heard instead.
            State::Outgoing { .. } | State::Ringing { .. } | State::Acknowledging { .. }
                if self.early().is_some_and(|call| call.leg.heard) =>
            {
                None
            }
            State::Preparing | State::Outgoing { .. } => Some(Tone::Progress),
            State::Ringing { .. } | State::Acknowledging { .. } => Some(Tone::Ringback),
            State::Connecting | State::Talking(Part::Present) => {
                self.calls.live().any(|call| rings_here(&call.state)).then_some(Tone::CallWaiting)
            }
            state @ State::Incoming(_) => rings_here(state).then_some(Tone::Ring),
            State::Talking(Part::Held) | State::Releasing => None,
        }
    }
}

fn rings_here(state: &State) -> bool {
    match state {
        State::Incoming(Stage::Ringing | Stage::Checking(Then::KeepRinging)) => true,
        State::Incoming(Stage::Checking(Then::Ring | Then::Answer) | Stage::Answering)
        | State::Preparing
        | State::Outgoing { .. }
        | State::Ringing { .. }
        | State::Acknowledging { .. }
        | State::Connecting
        | State::Talking(_)
        | State::Releasing => false,
    }
}

fn has_early_media(state: &State) -> bool {
    match state {
        State::Outgoing { media, .. } | State::Ringing { media } => *media == EarlyMedia::Up,
        State::Preparing
        | State::Acknowledging { .. }
        | State::Incoming(_)
        | State::Connecting
        | State::Talking(_)
        | State::Releasing => false,
    }
}

/// The microphone is shut until there is an answer, and where it takes that, its acknowledgement.
fn role(call: &Call, early: bool) -> Option<Role> {
    match call.state {
        State::Connecting | State::Talking(Part::Present) => match call.leg.origin {
            Origin::Dialled | Origin::TakenOver | Origin::Offered => Some(Role::Talk),
            // Nobody asked the person at the box whether it may listen.
            Origin::Check => Some(Role::Listen),
        },
        // Who or what is there shall neither be heard nor hear: only the announcement.
        State::Talking(Part::Held) | State::Acknowledging { .. } => Some(Role::Hold),
        State::Outgoing { .. } | State::Ringing { .. } => early.then_some(Role::Listen),
        State::Preparing | State::Incoming(_) | State::Releasing => None,
    }
}
