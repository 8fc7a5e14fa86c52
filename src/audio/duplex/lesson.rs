//! What the mask's network is taught on: what it sees of a scene, and what it
//! should have said. `benches/audio/teach.py` makes the weights of it.

use super::bands::DELAY;
use super::mask::{BANDS, INPUTS};
use super::{EchoCanceller, FRAME, Own, Samples};

/// The canceller, beside a microphone that has heard no echo.
pub struct Lessons {
    canceller: Own,
    late: [f32; 2 * FRAME + 2 * DELAY],
}

impl Lessons {
    /// What the network sees, and the share of amplitude of each band that is no echo.
    pub const VALUES: usize = INPUTS + BANDS;

    /// At the beginning of a scene.
    pub fn new() -> Self {
        Self { canceller: Own::new(true), late: [0.0; 2 * FRAME + 2 * DELAY] }
    }

    /// One frame of what is rendered, of the microphone, and of the microphone
    /// without echo; appends [`Self::VALUES`] to `to`.
    pub fn run(&mut self, far: &Samples, microphone: &Samples, without: &Samples, to: &mut Vec<f32>) {
        self.canceller.render(far);
        self.canceller.process(&mut { *microphone });
        self.late.copy_within(FRAME.., 0);
        self.late[FRAME + 2 * DELAY..].copy_from_slice(without);
        let suppressor = self.canceller.suppressor();
        let (seen, left) = suppressor.lesson();
        to.extend_from_slice(seen);
        let wanted = suppressor.bands(&self.late[..2 * FRAME]);
        to.extend(wanted.iter().zip(&left).map(|(wanted, left)| (wanted / (left + 1e-12)).sqrt().min(1.0)));
    }
}

impl Default for Lessons {
    fn default() -> Self {
        Self::new()
    }
}
