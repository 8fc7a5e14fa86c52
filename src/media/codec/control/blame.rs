//! Whether loss without a queue is for what the box itself sends.
//!
//! A link that throws away what is above its rate instead of queueing it looks
//! like a radio link that loses at random, but for one thing: on the first, less
//! is lost when less is sent. So the box sends less once and looks; where that did
//! not help it takes its bits back, and answers with forward error correction.

/// Percent, the mean of the latest reports and the least of each, from which it is tried; and the
/// mean under which another time is another story.
const HOPELESS: f32 = 30.0;
const EACH: f32 = 20.0;
const OVER: f32 = 10.0;

/// So many reports tell how much is lost now.
const LATEST: usize = 4;

/// Reports that are looked at after less was sent: one of them may tell of before.
const LOOKS: u8 = 6;

/// The loss that is left, as a share of what it was, from which sending less was in vain.
const IN_VAIN: f32 = 0.7;

/// What is to be done about loss without a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing now.
    Innocent,
    /// Send less, and look.
    Suspect,
    /// Send no more than now: it is being looked at.
    Watched,
    /// Sending less was in vain.
    Acquitted,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Unknown,
    Tried { before: f32, sum: f32, reports: u8 },
    NotOurs,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Blame {
    /// Loss in percent, the oldest first.
    latest: [f32; LATEST],
    state: State,
}

impl Blame {
    pub(super) fn new() -> Self {
        Self { latest: [0.0; LATEST], state: State::Unknown }
    }

    /// A report told of a queue: what is lost is ours.
    pub(super) fn queue(&mut self) {
        *self = Self::new();
    }

    /// A report told of so much loss, and of no queue.
    pub(super) fn loss(&mut self, percent: f32) -> Verdict {
        self.latest.rotate_left(1);
        self.latest[LATEST - 1] = percent;
        let mean = self.latest.iter().sum::<f32>() / LATEST as f32;
        match self.state {
            State::Unknown => {
                if mean < HOPELESS || self.latest.iter().any(|one| *one < EACH) {
                    return Verdict::Innocent;
                }
                self.state = State::Tried { before: mean, sum: 0.0, reports: 0 };
                Verdict::Suspect
            }
            State::Tried { before, sum, reports } => {
                let (sum, reports) = (sum + percent, reports + 1);
                self.state = State::Tried { before, sum, reports };
                if reports < LOOKS {
                    return Verdict::Watched;
                }
                let in_vain = sum / f32::from(LOOKS) > before * IN_VAIN;
                self.state = if in_vain { State::NotOurs } else { State::Unknown };
                if in_vain { Verdict::Acquitted } else { Verdict::Watched }
            }
            State::NotOurs => {
                if mean < OVER {
                    self.state = State::Unknown;
                }
                Verdict::Innocent
            }
        }
    }
}
