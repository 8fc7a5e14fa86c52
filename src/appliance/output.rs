//! Switched outputs: which is on when, and for how long at most.
//!
//! The strike follows the door (`door/`); the others follow the calls. What is
//! wanted is compared with what the lines were last told, so nobody can forget
//! to switch an output off.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::command::{Command, LineCommand};
use super::context::Context;
use super::door;
use super::id::OutputName;
use super::status::CallStatus;
use super::timer::Timer;

/// How long an amplifier stays on after the last sound, so that it does not
/// click between two tones.
const AMPLIFIER_TAIL: Duration = Duration::from_secs(3);

/// What an output switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputFunction {
    /// A door strike: on for a moment when the door is opened.
    Strike,
    /// A light at the door: on in a call, while it rings, and while the strike is.
    Light,
    /// A bell: on while a call rings here.
    Bell,
    /// The loudspeaker amplifier: on before anything can be heard, and a little longer.
    Amplifier,
    /// A flashing lamp: on while a call rings, here or there, and in talk.
    Strobe,
    /// A siren: on while a call rings here, and in the door's alarm.
    Sounder,
}

/// One output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputSettings {
    /// What it switches.
    pub function: OutputFunction,
    /// Never on for longer than this at a time; a strike has a limit of its
    /// own where none is set ([`door::STRIKE_LIMIT`]).
    pub max_on: Option<Duration>,
}

/// What the outputs follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene {
    pub call: CallStatus,
    /// A call rings here aloud, be it the call at the box or beside it.
    pub rings: bool,
    /// Any call is up, or about to be, or a tone plays.
    pub sound: bool,
}

/// An output that is on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Lit {
    since: Instant,
    until: Option<Instant>,
}

/// Whether there is anything to hear.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Sound {
    #[default]
    None,
    Playing,
    /// Until `Timer::AmplifierOff`.
    JustOver,
}

#[derive(Default)]
pub(super) struct Outputs {
    /// What the lines were last told.
    shown: BTreeMap<OutputName, Option<Lit>>,
    /// When an output was wanted that is on, or that was on for as long as it may.
    wanted: BTreeMap<OutputName, Instant>,
    sound: Sound,
}

impl Outputs {
    /// Whether each is on, as far as the lines were told.
    pub fn status(&self) -> BTreeMap<OutputName, bool> {
        self.shown.iter().map(|(name, lit)| (name.clone(), lit.is_some())).collect()
    }

    /// Brings the outputs to what the scene wants; without one, off.
    pub fn follow(&mut self, cx: &mut Context, scene: Option<&Scene>) -> Vec<Command> {
        let settings = std::sync::Arc::clone(&cx.settings);
        let mut commands = Vec::new();
        let sounding = scene.is_some_and(|scene| self.is_sounding(cx, scene.sound));
        for (name, output) in &settings.outputs {
            let lit = scene.and_then(|scene| match output.function {
                OutputFunction::Strike => {
                    door::released(cx, name).map(|(since, until)| Lit { since, until: Some(until) })
                }
                OutputFunction::Light => {
                    let released = settings.outputs.keys().any(|strike| door::released(cx, strike).is_some());
                    self.limited(cx, name, output, in_call(scene) || scene.rings || released)
                }
                OutputFunction::Bell => self.limited(cx, name, output, scene.rings),
                OutputFunction::Amplifier => self.limited(cx, name, output, sounding),
                OutputFunction::Strobe => self.limited(cx, name, output, in_call(scene) || scene.rings),
                OutputFunction::Sounder => {
                    self.limited(cx, name, output, scene.rings || door::is_alarming(cx))
                }
            });
            self.show(cx.now, name, lit, &mut commands);
        }
        commands
    }

    /// The box's last word to every output, whatever was said before.
    pub fn all_off(&mut self, cx: &mut Context) {
        let settings = std::sync::Arc::clone(&cx.settings);
        for output in settings.outputs.keys() {
            self.shown.insert(output.clone(), None);
            cx.emit(Command::Line(LineCommand::Output { output: output.clone(), on: false, longest: None }));
        }
    }

    /// Off where it has been wanted for longer than it may be on.
    fn limited(
        &mut self,
        cx: &mut Context,
        name: &OutputName,
        output: &OutputSettings,
        wanted: bool,
    ) -> Option<Lit> {
        let timer = Timer::OutputLimit(name.clone());
        if !wanted {
            self.wanted.remove(name);
            cx.timers.stop(&timer);
            return None;
        }
        let since = *self.wanted.entry(name.clone()).or_insert(cx.now);
        let until = output.max_on.and_then(|max_on| since.checked_add(max_on));
        let over = until.is_some_and(|until| until <= cx.now);
        if let Some(until) = until.filter(|_| !over) {
            cx.timers.set(timer, until);
        }
        (!over).then_some(Lit { since, until })
    }

    fn is_sounding(&mut self, cx: &mut Context, sound: bool) -> bool {
        match (self.sound, sound) {
            (_, true) => {
                cx.timers.stop(&Timer::AmplifierOff);
                self.sound = Sound::Playing;
            }
            (Sound::Playing, false) => {
                cx.after(Timer::AmplifierOff, AMPLIFIER_TAIL);
                self.sound = Sound::JustOver;
            }
            (Sound::JustOver, false) if !cx.timers.is_set(&Timer::AmplifierOff) => self.sound = Sound::None,
            (Sound::JustOver | Sound::None, false) => {}
        }
        self.sound != Sound::None
    }

    fn show(&mut self, now: Instant, name: &OutputName, lit: Option<Lit>, commands: &mut Vec<Command>) {
        let before = self.shown.insert(name.clone(), lit);
        if before == Some(lit) {
            return;
        }
        let mut tell = |on, longest| {
            let output = name.clone();
            commands.push(Command::Line(LineCommand::Output { output, on, longest }));
        };
        // A time that begins anew is a time of its own, also for the back-end's limit.
        let anew = before.flatten().is_some_and(|before| lit.is_some_and(|lit| lit.since != before.since));
        if lit.is_none() || anew {
            tell(false, None);
        }
        if let Some(Lit { until, .. }) = lit {
            tell(true, until.map(|until| until.saturating_duration_since(now)));
        }
    }
}

fn in_call(scene: &Scene) -> bool {
    match scene.call {
        CallStatus::Outgoing
        | CallStatus::Ringing
        | CallStatus::Incoming
        | CallStatus::Connecting
        | CallStatus::InCall => true,
        CallStatus::Idle | CallStatus::Releasing => false,
    }
}
