//! Whether forward error correction is paid on top of the speech, not from it.
//!
//! Opus writes the second copy of a frame into the bits that the first one has
//! (RFC 6716 section 2.1.7). Twice the bits lift PESQ-WB from 3.86 to 4.24 at 5 % loss and from 2.60
//! to 2.93 at 20 % (`benches/loss/run.sh`); a radio link that loses at random does
//! not mind. A link that does is told by its queue, or by losing more than
//! before: then the bits on top go first, and come again later each time.

use std::time::{Duration, Instant};

/// Loss in percent, smoothed, from which it is worth it and beyond which it has to be something else, and
/// under which it is worth nothing.
const FROM: f32 = 3.0;
const BEYOND: f32 = 28.0;
const UNDER: f32 = 1.0;

/// Reports that are looked at to see whether more is lost, and how many of them tell enough.
const LOOKS: u8 = 6;
const ENOUGH: u8 = 3;

/// More than so many times as much and so many percent besides: it is for the bits on top.
const WORSE: f32 = 2.0;
const BESIDES: f32 = 5.0;

/// For how long there is nothing on top after it did harm: at first, and at most.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST_PATIENCE: Duration = Duration::from_secs(160);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Off { until: Option<Instant> },
    On { before: f32, sum: f32, reports: u8 },
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Redundancy {
    /// Smoothed loss in percent as it was reported: up by half, down by a quarter a report.
    loss: f32,
    state: State,
    patience: Duration,
}

impl Redundancy {
    pub(super) fn new() -> Self {
        Self { loss: 0.0, state: State::Off { until: None }, patience: PATIENCE }
    }

    /// Too much is sent. Tells whether there was something on top.
    pub(super) fn refuse(&mut self, now: Instant) -> bool {
        let on = matches!(self.state, State::On { .. });
        if on {
            self.harmed(now);
        } else {
            self.state = State::Off { until: Some(now + self.patience) };
        }
        on
    }

    fn harmed(&mut self, now: Instant) {
        self.state = State::Off { until: Some(now + self.patience) };
        self.patience = (self.patience * 2).min(MOST_PATIENCE);
    }

    /// Takes a report of so much loss without a queue; `whole` if speech has all the bits that it
    /// should have. Tells whether as many again are sent from now on.
    pub(super) fn report(&mut self, percent: f32, whole: bool, now: Instant) -> bool {
        let share = if percent > self.loss { 0.5 } else { 0.25 };
        self.loss += share * (percent - self.loss);
        match &mut self.state {
            State::Off { until } => {
                if whole
                    && self.loss >= FROM
                    && self.loss.max(percent) < BEYOND
                    && until.is_none_or(|until| now >= until)
                {
                    self.state = State::On { before: self.loss.max(percent), sum: 0.0, reports: 0 };
                }
            }
            State::On { .. } if self.loss < UNDER => self.state = State::Off { until: None },
            State::On { before, sum, reports } if *reports < LOOKS => {
                (*sum, *reports) = (*sum + percent, *reports + 1);
                let worse = *sum / f32::from(*reports) > *before * WORSE + BESIDES;
                if worse && *reports >= ENOUGH {
                    self.harmed(now);
                }
            }
            State::On { .. } => {}
        }
        matches!(self.state, State::On { .. })
    }
}
