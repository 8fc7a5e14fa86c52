//! What the appliance tells the outside to do. Outputs by destination:
//! session, media, audio, lines, control, log.

use std::time::Duration;

use super::event::Message;
use super::id::{LedName, OutputName, PeerId, RequestId};
use super::indicator::Pattern;
use super::log::Record;
use super::memory::Memory;
use super::settings::KeepAlive;
use super::tone::Tone;

/// Anything the appliance can ask of a shell. Shells obey in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// To the session shell.
    Session(SessionCommand),
    /// To the media shell.
    Media {
        /// Which peer connection.
        peer: PeerId,
        /// What to do with it.
        command: MediaCommand,
    },
    /// To the audio shell.
    Audio(AudioCommand),
    /// To the lines.
    Line(LineCommand),
    /// The one answer to an [`super::event::Event::Control`].
    Reply {
        /// Which request.
        request: RequestId,
        /// Done, or why not.
        result: Result<(), Refusal>,
    },
    /// An entry for the event log.
    Log(Record),
    /// To be kept over a restart, in place of what was kept before.
    Remember(Memory),
    /// The process may end now.
    Exit,
}

/// What the session shell obeys.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionCommand {
    /// Open the stream. Answered by `Sent`, `Opened` and, at its end, one `Closed`.
    Connect {
        /// The core refused the last token: show another, even if that one looks valid.
        renew_token: bool,
    },
    /// Send a message on the open stream; dropped and counted if there is none.
    Send(Message),
    /// End the stream; answered by `Closed`.
    Close,
    /// From now on, on the open connection and on later ones. Until the first
    /// one the configured pace for an idle box holds.
    KeepAlive(KeepAlive),
}

/// What the media shell obeys, for one peer connection.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaCommand {
    /// Make a peer connection, gather ICE, report `Prepared`.
    Prepare,
    /// Read a remote offer for a new peer; report `Acceptable` or `Failed`.
    /// Nothing is sent to the network yet.
    Check {
        /// The remote offer.
        sdp: String,
    },
    /// Answer the offer of `Check`; report `Answer`.
    Answer,
    /// Apply the remote answer to the prepared offer; report `Connected`.
    Start {
        /// The remote answer.
        sdp: String,
    },
    /// Answer an offer in an established or half-established call without
    /// dropping audio; report `Answer`, or `Failed` only if the call is lost.
    Renegotiate {
        /// The remote offer.
        sdp: String,
    },
    /// Send DTMF digits (RFC 4733).
    Digits(String),
    /// Let go of everything; report `Closed`.
    Close,
}

/// What the audio shell obeys. It owns capture and playback for the life of the process.
#[derive(Clone, Debug, PartialEq)]
pub enum AudioCommand {
    /// Play a tone by itself or over the call until the next `Tone`; `None` is silence.
    Tone(Option<Tone>),
    /// Connects these peers' audio, in these roles, and nobody else's. With
    /// nobody in [`Role::Talk`] the capture device's samples go nowhere.
    Connect(Vec<(PeerId, Role)>),
    /// Send silence instead of the microphone.
    Mute(bool),
    /// Play an announcement from its begin in the place of any other to the
    /// same listener; `None` is none. It is laid over what the listener hears
    /// else, and lasts no longer than the listener's connection.
    Announce {
        /// What to say.
        clip: Option<Clip>,
        /// To whom.
        to: Listener,
    },
    /// Which way sound may flow in calls. Until the first one: [`Direction::Both`].
    Direction(Direction),
    /// The loudspeaker's volume, percent 0 to 100 of full. Until the first one: 100.
    Volume(u8),
    /// Play a quiet sweep and listen for it at the microphone. Answered by one
    /// [`super::event::SystemEvent::SelfTest`], unless broken off.
    SelfTest {
        /// 0 for the first; each further one is 6 dB louder.
        attempt: u8,
    },
    /// Break off the self-test at once; it is not answered then.
    StopSelfTest,
}

/// What the box has to say. The sound is the configuration's or built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clip {
    /// Where the box is; said once.
    Location,
    /// Where the box is and which digit accepts the call; said again and again.
    Acknowledge,
    /// The box cannot call now; said once.
    Offline,
}

/// Who hears an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Listener {
    /// The person at the box.
    Box,
    /// The far end of a call, in any role.
    FarEnd(PeerId),
}

/// Which way sound may flow in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both at once, echo cancelled.
    #[default]
    Both,
    /// Whoever speaks, never both: for hopeless acoustics.
    Alternate,
    /// Only from the box (push-to-talk held).
    Talk,
    /// Only to the box (push-to-talk let go).
    Listen,
}

/// What a connected peer hears, and who hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Hears the microphone, is heard at the loudspeaker; several in this role
    /// also hear each other (a conference, mix-minus).
    Talk,
    /// Is heard at the loudspeaker, hears silence (early media, check calls).
    Listen,
    /// Hears silence, is not heard; packets flow on.
    Hold,
}

/// What the lines obey.
#[derive(Clone, Debug, PartialEq)]
pub enum LineCommand {
    /// Show a pattern on a lamp until the next one.
    Led {
        /// Which lamp.
        led: LedName,
        /// What to show.
        pattern: Pattern,
    },
    /// Switch an output on, at most for `longest`, or off.
    Output {
        /// Which output.
        output: OutputName,
        /// On or off.
        on: bool,
        /// The back-end's own limit should the process stall; `None` for none.
        longest: Option<Duration>,
    },
}

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing to answer, hang up or transfer.
    #[error("there is no call")]
    NoCall,
    /// Nothing to go to or to join.
    #[error("there is no second call: none waits and none is held")]
    NoSecondCall,
    /// A call is up already.
    #[error("a call is up already: hang up first")]
    Busy,
    /// The session to the voice core is not registered.
    #[error("not registered with the voice core: see `callbox status`")]
    Offline,
    /// The voice core asked for fewer calls.
    #[error("the voice core asked to wait before the next call: try again later")]
    RateLimited,
    /// Neither a contact's name nor an E.164 number.
    #[error("unknown contact: use a name from [contacts] or a number such as +4722222222")]
    UnknownContact,
    /// No peer connection could be made ready.
    #[error("media is not ready: see `callbox status`")]
    MediaNotReady,
    /// Not a DTMF digit: 0 to 9, *, #, A to D.
    #[error("not a DTMF digit: use 0 to 9, *, #, A to D")]
    NotADigit,
    /// The associated number is in no call that could be taken over.
    #[error("the number is in no call elsewhere that could be taken over")]
    NothingToTakeOver,
    /// Calling all at once, which `Pipe` cannot.
    #[error("several calls at once need mode = \"multi-pipe\" in [terminal]")]
    OneAtATime,
    /// Talking by a button where both may talk at once.
    #[error("push-to-talk is off: set direction = \"push-to-talk\" in [audio]")]
    NotPushToTalk,
    /// No output of the board is a door strike, or none of that name.
    #[error("there is no such door: no output of that name is a strike")]
    NoDoor,
    /// The configuration does not let anybody ask for this.
    #[error("not permitted: [door] of the configuration says who may")]
    NotPermitted,
    /// The box was opened or torn off its wall.
    #[error("the tamper alarm bars the door: see `callbox reset-tamper`")]
    Tampered,
    /// The case still is open.
    #[error("the tamper contact is still active: close the case first")]
    TamperContact,
    /// The strike may not open again yet.
    #[error("the door was open a moment ago: try again in a moment")]
    DoorResting,
    /// Too many openings by command.
    #[error("the door was opened too often by command: wait a minute")]
    TooManyOpenings,
    /// The appliance is shutting down.
    #[error("shutting down")]
    ShuttingDown,
}
