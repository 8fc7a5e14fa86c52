//! The linear half at 16 kHz: delay and drift taken out, then the filter.

use super::BLOCK;
use super::delay::{Arrival, DelayEstimator};
use super::drift::DriftEstimator;
use super::kalman::{BINS, Kalman, PARTS};
use super::reference::{Reference, Step};
use super::shadow::Shadow;

/// The echo's first sound is placed so many samples behind the filter's beginning,
const AHEAD: f64 = 64.0;

/// and may be as far in as this before the filter is moved: 30 ms.
const ROOM: f64 = 480.0;

/// A delay that changed by less than this, 1.5 ms, is the same.
const NEARBY: f64 = 24.0;

/// An echo's old place is still one where the correlation is this share of the highest.
const STILL_THERE: f32 = 0.5;

/// Blocks of far-end speech that the filter fails at one place before an earlier one is tried: 1.5 s.
const PATIENCE: u32 = 150;

/// Estimates in a row, 40 ms apart, that must show a way ahead of the filter: one that was
/// left by a jump is still to be seen for a while.
const STEADY: u32 = 8;

/// Smoothing of what is called recent, a sample: 100 ms.
const RECENT: f32 = 1.0 / 1600.0;

/// Mean power above which the far end speaks: -50 dBFS.
const SPEECH: f32 = 1e-5;

/// All that is between reference and microphone.
pub(super) struct Linear {
    reference: Reference,
    delay: DelayEstimator,
    drift: DriftEstimator,
    kalman: Kalman,
    shadow: Shadow,
    history: Vec<f32>,
    block: [f32; BLOCK],
    /// Samples from rendering to the echo's first way, once known.
    found: Option<f64>,
    /// Where behind the reading point its loudest way was when the point was last set.
    place: Option<f64>,
    /// Blocks of far-end speech since the filter was moved.
    since: u32,
    /// Estimates in a row with a way ahead of the filter.
    ahead: u32,
    /// Mean power of the microphone and of what was left of it, of late.
    heard: f32,
    left: f32,
    speaking: bool,
    /// Mean power of what was rendered in the microphone's time.
    rendered: f32,
    ppm: f64,
    /// Microphone blocks went by unseen.
    stale: bool,
}

impl Linear {
    pub fn new() -> Self {
        Self {
            reference: Reference::new(),
            delay: DelayEstimator::new(),
            drift: DriftEstimator::new(),
            kalman: Kalman::new(),
            shadow: Shadow::new(),
            history: vec![0.0; (PARTS + 1) * BLOCK],
            block: [0.0; BLOCK],
            found: None,
            place: None,
            since: 0,
            ahead: 0,
            heard: 0.0,
            left: 0.0,
            speaking: false,
            rendered: 0.0,
            ppm: 0.0,
            stale: false,
        }
    }

    /// A block goes to the loudspeaker.
    pub fn render(&mut self, far: &[f32; BLOCK]) {
        self.reference.write(far);
    }

    /// A block was captured that nobody hears.
    pub fn skip(&mut self) {
        self.step();
        self.stale = true;
    }

    /// The echo in `mic`, as far as it is understood.
    pub fn run(&mut self, mic: &[f32; BLOCK], echo: &mut [f32; BLOCK]) {
        self.step();
        if std::mem::take(&mut self.stale) {
            self.delay.refill(&self.reference);
            self.drift.restart();
            self.reread();
            self.kalman.resume(&self.history);
        }
        let far = self.reference.plain(0);
        self.rendered = far.iter().map(|s| s * s).sum::<f32>() / BLOCK as f32;
        if let Some(arrival) = self.delay.run(&far, mic) {
            self.align(arrival);
        }
        self.reference.read(0, &mut self.block);
        self.kalman.run(&self.block, mic, echo);
        self.speaking = self.block.iter().map(|s| s * s).sum::<f32>() > SPEECH * BLOCK as f32;
        if self.speaking {
            self.since = self.since.saturating_add(1);
            self.weigh(mic, echo);
        }
        let teaches = self.speaking && self.kalman.teaches();
        if teaches && self.shadow.run(self.kalman.inputs(), mic, echo) {
            self.kalman.doubt(self.shadow.path());
        }
        if let Some(drift) = self.drift.run(self.speaking, self.kalman.path()) {
            self.reference.set_drift(drift);
            self.ppm = drift * 1e6;
        }
    }

    fn weigh(&mut self, mic: &[f32; BLOCK], echo: &[f32; BLOCK]) {
        for (mic, echo) in mic.iter().zip(echo) {
            self.heard += RECENT * (mic * mic - self.heard);
            self.left += RECENT * ((mic - echo) * (mic - echo) - self.left);
        }
    }

    /// The microphone's clock goes on by a block.
    fn step(&mut self) {
        match self.reference.advance() {
            Step::Even => {}
            Step::Slip(blocks) => {
                self.delay.slip(blocks, &self.reference);
                self.found = self.found.map(|found| found + (blocks * BLOCK as isize) as f64);
            }
            Step::Jump => self.stale = true,
        }
    }

    /// Moves the reference's reading point to where the echo is now, unless all is well as it is.
    fn align(&mut self, arrival: Arrival) {
        let known = self.found.replace(arrival.first).is_some();
        let lost = self.is_failing() && self.since > PATIENCE;
        let [first, earliest, place] =
            [arrival.first, arrival.earliest, arrival.strongest].map(|delay| delay - self.reference.delay());
        let begin = if lost { earliest } else { first };
        self.ahead = if begin < 0.0 { self.ahead + 1 } else { 0 };
        let early = begin < 0.0 && (self.ahead > STEADY || !known);
        let usual = *self.place.get_or_insert(place);
        let moved = if self.is_failing() && self.has_jumped(place, usual) {
            // Sound was lost or put in on its way, and the room is the same: the path moves along.
            self.reference.shift(place - usual);
            0
        } else if early || (self.is_failing() && earliest > ROOM) {
            // By whole partitions, so that what was learnt stays.
            let parts = ((begin - AHEAD) / BLOCK as f64).floor();
            let moved = self.reference.move_by(parts as isize);
            if moved == 0 {
                return;
            }
            moved
        } else {
            return;
        };
        self.place = Some(arrival.strongest - self.reference.delay());
        (self.heard, self.left, self.since, self.ahead) = (0.0, 0.0, 0, 0);
        self.reread();
        self.drift.restart();
        self.kalman.realign(moved, &self.history);
        self.shadow.realign(moved);
    }

    /// The echo came at its usual place, as the path shows, and comes there no more.
    fn has_jumped(&self, place: f64, usual: f64) -> bool {
        (place - usual).abs() > NEARBY
            && self.kalman.is_loud_at(usual.max(0.0) as usize / BLOCK)
            && self.delay.share(usual + self.reference.delay()) < STILL_THERE
    }

    /// Less than 6 dB of what is heard are understood.
    pub fn is_failing(&self) -> bool {
        self.left >= 0.25 * self.heard
    }

    /// What the filter would have read before the present block.
    fn reread(&mut self) {
        let length = self.history.len();
        for (n, block) in self.history.chunks_mut(BLOCK).enumerate() {
            self.reference.read(length - n * BLOCK, block);
        }
    }

    /// What of the error's power is expected to be echo not learnt yet.
    pub fn uncertain(&self) -> &[f32; BINS] {
        self.kalman.uncertain()
    }

    /// The far end is a tone now, from which nothing can be learnt.
    pub fn is_tone(&self) -> bool {
        self.kalman.inputs().is_tone()
    }

    /// The far end is heard now.
    pub fn speaking(&self) -> bool {
        self.speaking
    }

    /// Mean power of what was rendered when the microphone heard its last block.
    pub fn rendered(&self) -> f32 {
        self.rendered
    }

    /// Samples at 16 kHz from rendering to the echo, what waits for the microphone's clock included.
    pub fn delay(&self) -> Option<f64> {
        self.found.map(|found| found + self.ahead()).filter(|delay| *delay >= 0.0)
    }

    /// As many samples before the end of what was rendered the echo's first sound is, as far as known.
    pub fn reading(&self) -> f64 {
        self.found.unwrap_or(self.reference.delay()) + self.ahead()
    }

    fn ahead(&self) -> f64 {
        (self.reference.depth() * BLOCK) as f64
    }

    /// Blocks rendered that the microphone has not come to.
    pub fn depth(&self) -> usize {
        self.reference.depth()
    }

    /// Parts per million by which the echo's delay grows.
    pub fn ppm(&self) -> f64 {
        self.ppm
    }
}
