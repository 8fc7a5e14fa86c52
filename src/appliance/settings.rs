//! What the configuration tells the appliance.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::acknowledge::Acknowledge;
use super::action::Action;
use super::check_call::CheckCallSettings;
use super::do_not_disturb::DoNotDisturb;
use super::door::settings::DoorSettings;
use super::id::{ButtonName, InputName, LedName, OutputName, PhoneNumber};
use super::indicator::LedFunction;
use super::input::{HookSettings, InputSettings};
use super::output::OutputSettings;
use super::self_test::SelfTestSettings;
use super::volume::VolumeSettings;

/// Settings of the appliance; plain data, checked by `config`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which rpc, and with it what `call_id` means.
    pub mode: Mode,
    /// Names for numbers.
    pub contacts: BTreeMap<String, PhoneNumber>,
    /// What buttons do.
    pub buttons: BTreeMap<ButtonName, ButtonSettings>,
    /// What lamps are for.
    pub leds: BTreeMap<LedName, LedFunction>,
    /// Inputs that are no buttons.
    pub inputs: BTreeMap<InputName, InputSettings>,
    /// What a handset does; without an input for its hook, nothing.
    pub hook: HookSettings,
    /// Switched outputs, all off at start.
    pub outputs: BTreeMap<OutputName, OutputSettings>,
    /// Who may open the door, and how.
    pub door: DoorSettings,
    /// Who may call in, and what happens then.
    pub incoming: IncomingSettings,
    /// Times and limits of calls.
    pub call: CallSettings,
    /// Reconnecting.
    pub backoff: BackoffSettings,
    /// What the session needs and how it is kept alive.
    pub session: SessionSettings,
}

/// Which rpc of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// `Pipe`: one call; `call_id` is never trusted.
    Pipe,
    /// `MultiPipe`: `call_id` is mandatory.
    MultiPipe,
}

/// What one button does.
#[derive(Clone, Debug)]
pub struct ButtonSettings {
    /// At the first edge of a press, at once, unless `double_press` is set:
    /// then when the time for a second press is over.
    pub press: Option<Action>,
    /// When held for `hold_after`. With this set, `press` acts at the edge all
    /// the same: a person at the door must never wait.
    pub hold: Option<Action>,
    /// At the second press within `double_within`.
    pub double_press: Option<Action>,
    /// Edges within this time after an accepted edge are bounces. Default 30 ms.
    pub debounce: Duration,
    /// Default 1 s.
    pub hold_after: Duration,
    /// Default 400 ms.
    pub double_within: Duration,
    /// A press longer than this is a fault. Default 60 s.
    pub stuck_after: Duration,
    /// A press so soon after the last one that acted is answered and does
    /// nothing. Default 0: every press acts.
    pub ignore_again: Duration,
}

impl Default for ButtonSettings {
    fn default() -> Self {
        Self {
            press: None,
            hold: None,
            double_press: None,
            debounce: Duration::from_millis(30),
            hold_after: Duration::from_secs(1),
            double_within: Duration::from_millis(400),
            stuck_after: Duration::from_secs(60),
            ignore_again: Duration::ZERO,
        }
    }
}

/// Who may call in.
#[derive(Clone, Debug, Default)]
pub struct IncomingSettings {
    /// Numbers that may call; `None` lets everybody.
    pub allow: Option<Vec<PhoneNumber>>,
    /// Numbers that may not call, whatever else is said.
    pub deny: Vec<PhoneNumber>,
    /// Callers who hide their number may not call. With `allow` they never may.
    pub deny_hidden: bool,
    /// Hours in which calls do not ring; `None` for none.
    pub do_not_disturb: Option<DoNotDisturb>,
    /// Numbers that ring in those hours too.
    pub priority: Vec<PhoneNumber>,
    /// What to do with a call that may come in.
    pub answer: AnswerPolicy,
    /// What to do with one that comes while another is up. With `Pipe` there is none.
    pub while_busy: WhileBusy,
}

/// What to do with a call that comes while another is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhileBusy {
    /// Reject it.
    #[default]
    Busy,
    /// It waits until the call that is up is over.
    Queue,
    /// It waits, and the person at the box may go to and fro.
    Swap,
}

/// What to do with a call that may come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerPolicy {
    /// Ring until somebody answers or the ring time is over.
    #[default]
    Ring,
    /// Answer at once.
    Auto,
    /// Reject.
    Reject,
}

/// Times of a call.
#[derive(Clone, Debug)]
pub struct CallSettings {
    /// How long to let the far end ring, and how long to ring here. Default 45 s.
    pub ring_timeout: Duration,
    /// The same for numbers that differ.
    pub ring_times: BTreeMap<PhoneNumber, Duration>,
    /// How many times a hunt goes through its list. Default 1.
    pub hunt_cycles: u32,
    /// A call of this box counts as answered only when the callee sends a
    /// digit; `None`, the default, asks for none.
    pub acknowledge: Option<Acknowledge>,
    /// There is something to tell callees of where the box is.
    pub announce_location: bool,
    /// There is something to say to whoever calls while the box is offline.
    pub announce_offline: bool,
    /// From the answer to working media. Default 10 s.
    pub media_timeout: Duration,
    /// An interrupted call ends after this. Default 30 s.
    pub media_lost_after: Duration,
    /// From when both can talk; `None` for as long as they like, which is the
    /// default: no setting that nobody made may cut off a call for help.
    pub longest: Option<Duration>,
    /// The warning comes so long before `longest` is over; zero for none. Default 10 s.
    pub warn_before: Duration,
    /// A call whose far end sends no audio, although it should, ends after
    /// this; `None` for never. Default 60 s.
    pub no_media_timeout: Option<Duration>,
    /// Calls that the box makes by itself; `None` for none.
    pub check: Option<CheckCallSettings>,
    /// How long the tone at a call's end plays. Default 2 s.
    pub end_tone: Duration,
    /// How long a prepared peer connection stays fresh. Default 10 min.
    pub peer_lifetime: Duration,
    /// What people may do with the sound.
    pub sound: SoundSettings,
}

/// What people at the box may do with its sound.
#[derive(Clone, Debug, Default)]
pub struct SoundSettings {
    /// Who may talk when.
    pub talk: TalkMode,
    /// A muted microphone stays so when the call is over. Default: no.
    pub keep_mute: bool,
    /// The loudspeaker's volume.
    pub volume: VolumeSettings,
    /// Tests of loudspeaker and microphone.
    pub self_test: SelfTestSettings,
}

/// Who may talk when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TalkMode {
    /// Both at once.
    #[default]
    Both,
    /// Whoever speaks, never both.
    Alternate,
    /// The person at the box while the talk button is held, else the far end.
    PushToTalk,
}

impl Default for CallSettings {
    fn default() -> Self {
        Self {
            ring_timeout: Duration::from_secs(45),
            ring_times: BTreeMap::new(),
            hunt_cycles: 1,
            acknowledge: None,
            announce_location: false,
            announce_offline: false,
            media_timeout: Duration::from_secs(10),
            media_lost_after: Duration::from_secs(30),
            longest: None,
            warn_before: Duration::from_secs(10),
            no_media_timeout: Some(Duration::from_secs(60)),
            check: None,
            end_tone: Duration::from_secs(2),
            peer_lifetime: Duration::from_secs(600),
            sound: SoundSettings::default(),
        }
    }
}

impl CallSettings {
    /// How long to let this number ring.
    pub(super) fn ring_time(&self, number: Option<&PhoneNumber>) -> Duration {
        number.and_then(|number| self.ring_times.get(number)).copied().unwrap_or(self.ring_timeout)
    }
}

/// What the session needs and how it is kept alive.
#[derive(Clone, Debug, Default)]
pub struct SessionSettings {
    /// The voice core or the token server is reached with TLS: while the clock
    /// is not set no certificate can be judged. Default false.
    pub needs_time: bool,
    /// While no call is up.
    pub idle: KeepAlive,
}

/// How a connection that is dead on the other side is found: an HTTP/2 PING
/// (RFC 9113 section 6.7) that is not answered. It takes `every + timeout` at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// From an answer to the next PING. Default 10 s.
    pub every: Duration,
    /// How long an answer may take. Default 5 s.
    pub timeout: Duration,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self { every: Duration::from_secs(10), timeout: Duration::from_secs(5) }
    }
}

/// Back-off with full jitter: a random time between 0 and
/// `min(ceiling, base * 2^attempt)` (AWS Architecture Blog, 2015, "Exponential
/// Backoff And Jitter").
#[derive(Clone, Debug)]
pub struct BackoffSettings {
    /// Default 1 s.
    pub base: Duration,
    /// Default 60 s.
    pub ceiling: Duration,
    /// A session this old starts the next back-off afresh. Default 60 s.
    pub healthy_after: Duration,
    /// The least wait after RATE_LIMIT_HIT. Default 30 s.
    pub rate_limit: Duration,
}

impl Default for BackoffSettings {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            ceiling: Duration::from_secs(60),
            healthy_after: Duration::from_secs(60),
            rate_limit: Duration::from_secs(30),
        }
    }
}
