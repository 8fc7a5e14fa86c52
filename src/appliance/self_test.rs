//! Self-tests of the sound: whether the microphone hears the loudspeaker.
//!
//! The audio shell plays a quiet sweep and looks for it at the microphone. A
//! box does so on a schedule and when somebody asks, never in a call, and any
//! call breaks it off at once. Only when two more attempts, each louder, find
//! nothing either there is a fault: a lorry that passes must not call a technician.
//!
//! Inputs: action `SelfTest`; timer `SelfTest`; system `SelfTest`; calls that begin.
//! Outputs: audio `SelfTest`, `StopSelfTest`; the fault `LoudspeakerDead`; status; log.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::command::{AudioCommand, Refusal};
use super::context::Context;
use super::do_not_disturb::Window;
use super::fault::Fault;
use super::log::Kind;
use super::phone::Phone;
use super::timer::Timer;
use super::wall_clock::Zone;

/// Attempts after the first.
const RETRIES: u8 = 2;
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// The sweep and what the shell makes of it take 2 s; then it is lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
/// A call is up: look again after this.
const BUSY: Duration = Duration::from_secs(60);
/// Boxes that came back from the same power cut do not all sweep at once.
const SPREAD_MOST: Duration = Duration::from_secs(600);

/// When to test the sound.
#[derive(Clone, Debug, Default)]
pub struct SelfTestSettings {
    /// From one test to the next, 1 min to 31 days; `None`: only when asked.
    pub every: Option<Duration>,
    /// Only in this window of the day, as long as the time is known.
    pub window: Option<(Zone, Window)>,
}

/// What the audio shell found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTestReport {
    /// The sweep came back.
    Heard(Measured),
    /// It did not.
    Unheard {
        /// Level at the microphone before the sweep, dBFS.
        noise_db: i16,
    },
    /// Microphone or loudspeaker does not run, or is none.
    NoDevice,
}

/// The path from loudspeaker to microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// From the sample that is handed to the loudspeaker's queue to the same
    /// sample out of the microphone's: what an echo canceller has to bridge.
    pub delay: Duration,
    /// Level of the sweep at the microphone, dBFS.
    pub level_db: i16,
    /// Level at the microphone before the sweep, dBFS.
    pub noise_db: i16,
}

/// How a self-test went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelfTestResult {
    /// The microphone heard the loudspeaker.
    Passed,
    /// It did not, in three attempts.
    Failed,
    /// Microphone or loudspeaker does not run, or is none.
    NoDevice,
    /// A call came in between.
    Interrupted,
}

/// What status tells of self-tests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SelfTestStatus {
    /// One is under way.
    pub running: bool,
    /// How the last one went; none if there was none.
    pub result: Option<SelfTestResult>,
    /// Delay from loudspeaker to microphone, ms, when one last passed.
    pub delay_ms: Option<u32>,
    /// Level of the sweep at the microphone, dBFS, when one last passed.
    pub level_db: Option<i16>,
    /// Level at the microphone before the sweep, dBFS.
    pub noise_db: Option<i16>,
    /// Seconds since the last one ended.
    pub age_s: Option<u64>,
    /// When the last one ended.
    #[serde(skip)]
    pub at: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct SelfTest {
    phase: Phase,
    shown: SelfTestStatus,
}

/// What `Timer::SelfTest` waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// The next test, if there is a schedule.
    #[default]
    Idle,
    /// The shell's answer.
    Sweeping { attempt: u8 },
    /// The next attempt.
    Pausing { attempt: u8 },
}

impl SelfTest {
    pub fn status(&self) -> SelfTestStatus {
        SelfTestStatus { running: self.phase != Phase::Idle, ..self.shown.clone() }
    }

    /// The box is switched on, or a test is over.
    pub fn plan(&mut self, cx: &mut Context) {
        let Some(every) = cx.settings.call.sound.self_test.every else {
            cx.timers.stop(&Timer::SelfTest);
            return;
        };
        let early = cx.random_up_to((every / 10).min(SPREAD_MOST));
        cx.after(Timer::SelfTest, every.saturating_sub(early));
    }

    /// The audio shell's answer.
    pub fn answer(&mut self, cx: &mut Context, report: SelfTestReport) {
        let Phase::Sweeping { attempt } = self.phase else {
            cx.counters.count("self-test-answer-late");
            return;
        };
        match report {
            SelfTestReport::Heard(measured) => {
                self.shown.delay_ms = Some(measured.delay.as_millis().try_into().unwrap_or(u32::MAX));
                self.shown.level_db = Some(measured.level_db);
                self.shown.noise_db = Some(measured.noise_db);
                cx.clear(Fault::LoudspeakerDead);
                let text = format!(
                    "self-test passed: delay {} ms, {} dB over {} dB of noise",
                    measured.delay.as_millis(),
                    measured.level_db,
                    measured.noise_db
                );
                self.over(cx, SelfTestResult::Passed, text);
            }
            SelfTestReport::Unheard { noise_db } => {
                self.shown.noise_db = Some(noise_db);
                if attempt < RETRIES {
                    cx.counters.count("self-test-retries");
                    self.phase = Phase::Pausing { attempt: attempt + 1 };
                    cx.after(Timer::SelfTest, PAUSE);
                } else {
                    self.unheard(cx, noise_db);
                }
            }
            SelfTestReport::NoDevice => {
                let text = "self-test not made: microphone or loudspeaker does not run";
                self.over(cx, SelfTestResult::NoDevice, text);
            }
        }
    }

    /// A call begins: it has the sound at once.
    pub fn give_way(&mut self, cx: &mut Context) {
        match self.phase {
            Phase::Idle => return,
            Phase::Sweeping { .. } => cx.audio(AudioCommand::StopSelfTest),
            Phase::Pausing { .. } => {}
        }
        self.over(cx, SelfTestResult::Interrupted, "self-test broken off: a call begins");
        if cx.settings.call.sound.self_test.every.is_some() {
            cx.after(Timer::SelfTest, BUSY);
        }
    }

    fn unheard(&mut self, cx: &mut Context, noise_db: i16) {
        let detail = format!(
            "the microphone does not hear the loudspeaker (noise {noise_db} dB); \
             look at the loudspeaker, its amplifier and cable, then at the microphone"
        );
        cx.raise(Fault::LoudspeakerDead, detail);
        self.over(cx, SelfTestResult::Failed, "self-test failed: the sweep was not heard in three attempts");
    }

    fn sweep(&mut self, cx: &mut Context, attempt: u8) {
        self.phase = Phase::Sweeping { attempt };
        cx.audio(AudioCommand::SelfTest { attempt });
        cx.after(Timer::SelfTest, ANSWER_WITHIN);
    }

    fn over(&mut self, cx: &mut Context, result: SelfTestResult, text: impl Into<String>) {
        self.phase = Phase::Idle;
        self.shown.result = Some(result);
        self.shown.at = Some(cx.now);
        cx.counters.count(match result {
            SelfTestResult::Passed => "self-tests-passed",
            SelfTestResult::Failed => "self-tests-failed",
            SelfTestResult::NoDevice => "self-tests-without-device",
            SelfTestResult::Interrupted => "self-tests-interrupted",
        });
        cx.log(Kind::SelfTest { result }, text);
        self.plan(cx);
    }
}

impl Phone {
    /// Action: test the sound now.
    pub fn ask_self_test(&mut self, cx: &mut Context) -> Result<(), Refusal> {
        if self.calls.live().next().is_some() {
            return Err(Refusal::Busy);
        }
        if self.self_test.phase == Phase::Idle {
            self.self_test.sweep(cx, 0);
        }
        Ok(())
    }

    /// `Timer::SelfTest`.
    pub fn self_test_step(&mut self, cx: &mut Context) {
        match self.self_test.phase {
            Phase::Idle if self.calls.live().next().is_some() => cx.after(Timer::SelfTest, BUSY),
            Phase::Idle => match until_window(cx) {
                Some(wait) => cx.after(Timer::SelfTest, wait),
                None => self.self_test.sweep(cx, 0),
            },
            // The audio shell's threads hang, which is a fault of its own.
            Phase::Sweeping { .. } => {
                cx.audio(AudioCommand::StopSelfTest);
                self.self_test.over(
                    cx,
                    SelfTestResult::NoDevice,
                    "self-test not made: no answer of the sound",
                );
            }
            Phase::Pausing { attempt } => self.self_test.sweep(cx, attempt),
        }
    }
}

/// How long until the window opens, if it is known to be shut.
fn until_window(cx: &Context) -> Option<Duration> {
    let (zone, window) = cx.settings.call.sound.self_test.window.as_ref()?;
    let unix = cx.clock.unix(cx.now)?;
    let local = zone.local(unix)?;
    if window.holds(&local) { None } else { zone.until(unix, window.from) }
}
