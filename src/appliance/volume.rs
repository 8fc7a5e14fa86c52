//! The loudspeaker's volume, as people at the box set it.
//!
//! Inputs: action `Volume`; the end of the last call; what was kept over the restart.
//! Outputs: audio `Volume`; what is to be kept.

use super::action::VolumeChange;
use super::command::AudioCommand;
use super::context::Context;
use super::memory::KeptVolume;

/// Full volume, in percent.
const FULL: u8 = 100;

/// The volume and how it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeSettings {
    /// At the start, 0 to 100 percent of full. Default 100.
    pub level: u8,
    /// What `up` and `down` change it by, 1 to 50 percent of full. Default 10.
    pub step: u8,
    /// For how long a change holds. Default: the call.
    pub keep: Keep,
}

/// For how long a change of the volume holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// To the end of the call: the next person finds the box as it was set up.
    #[default]
    Call,
    /// Until the next change, over restarts.
    Always,
}

impl Default for VolumeSettings {
    fn default() -> Self {
        Self { level: FULL, step: 10, keep: Keep::Call }
    }
}

/// What the audio shell was last told.
#[derive(Debug)]
pub(super) struct Volume {
    percent: u8,
}

impl Default for Volume {
    fn default() -> Self {
        Self { percent: FULL }
    }
}

impl Volume {
    pub fn percent(&self) -> u8 {
        self.percent
    }

    /// The box is switched on.
    pub fn start(&mut self, cx: &mut Context) {
        let level = cx.settings.call.sound.volume.level;
        self.set(cx, level);
    }

    /// What was kept over the restart.
    pub fn remembered(&mut self, cx: &mut Context) {
        let settings = cx.settings.call.sound.volume;
        match (settings.keep, cx.memory.volume) {
            (Keep::Always, Some(kept)) if kept.configured == settings.level => self.set(cx, kept.percent),
            (Keep::Always | Keep::Call, _) => {}
        }
    }

    /// The last call is over.
    pub fn call_over(&mut self, cx: &mut Context) {
        match cx.settings.call.sound.volume.keep {
            Keep::Call => self.start(cx),
            Keep::Always => {}
        }
    }

    /// Action: change it.
    pub fn change(&mut self, cx: &mut Context, change: VolumeChange) {
        let step = cx.settings.call.sound.volume.step;
        let percent = match change {
            VolumeChange::Up => self.percent.saturating_add(step),
            // Who presses once too often must not think that the box is broken.
            VolumeChange::Down => self.percent.saturating_sub(step).max(step.min(self.percent)),
            VolumeChange::Percent(percent) => percent,
        };
        self.set(cx, percent);
        let settings = cx.settings.call.sound.volume;
        match settings.keep {
            Keep::Always => {
                let kept = KeptVolume { percent: self.percent, configured: settings.level };
                cx.remember(|memory| memory.volume = Some(kept));
            }
            Keep::Call => {}
        }
    }

    fn set(&mut self, cx: &mut Context, percent: u8) {
        let percent = percent.min(FULL);
        if percent != self.percent {
            self.percent = percent;
            cx.audio(AudioCommand::Volume(percent));
        }
    }
}
