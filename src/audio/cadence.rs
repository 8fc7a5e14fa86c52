//! What tones sound like, as data.
//!
//! Frequencies and cadences of ringing, busy, congestion and call waiting tone:
//! ITU-T E.180 Supplement 2, "Various tones used in national networks"; for
//! Europe also ETSI TR 101 041-2, for the United Kingdom BT SIN 350. Call
//! waiting is the one of Germany for Europe, whose countries all have another.
//! The error tone is the special information tone of ITU-T E.180 section 3.5:
//! 950, 1400 and 1800 Hz, each 330 ms, and 1 s of silence. The ringer warbles
//! in the cadence of the region's ringing. Press, progress, end-of-call and the
//! patterns in the place of words are local to the box and follow no standard.

use super::settings::Region;
use crate::appliance::command::Clip;
use crate::appliance::tone::Tone;

/// One or two sines for a time; 0 Hz is none.
pub(super) struct Segment {
    pub hertz: [f64; 2],
    pub ms: u32,
}

const fn on(first: f64, second: f64, ms: u32) -> Segment {
    Segment { hertz: [first, second], ms }
}

const fn off(ms: u32) -> Segment {
    Segment { hertz: [0.0, 0.0], ms }
}

/// The ringer's two notes: a falling minor third, as bells have it.
const HIGH: f64 = 784.0;
const LOW: f64 = 659.3;

/// Every cadence repeats but that of [`Tone::Press`].
pub(super) fn of_tone(region: Region, tone: Tone) -> &'static [Segment] {
    match (tone, region) {
        (Tone::Press, Region::Eu | Region::Us | Region::Uk) => const { &[on(1000.0, 0.0, 47)] },
        (Tone::Progress, Region::Eu) => const { &[on(425.0, 0.0, 60), off(940)] },
        (Tone::Progress, Region::Us) => const { &[on(350.0, 440.0, 60), off(940)] },
        (Tone::Progress, Region::Uk) => const { &[on(350.0, 450.0, 60), off(940)] },
        (Tone::Ringback, Region::Eu) => const { &[on(425.0, 0.0, 1000), off(4000)] },
        (Tone::Ringback, Region::Us) => const { &[on(440.0, 480.0, 2000), off(4000)] },
        (Tone::Ringback, Region::Uk) => {
            const { &[on(400.0, 450.0, 400), off(200), on(400.0, 450.0, 400), off(2000)] }
        }
        (Tone::Busy, Region::Eu) => const { &[on(425.0, 0.0, 500), off(500)] },
        (Tone::Busy, Region::Us) => const { &[on(480.0, 620.0, 500), off(500)] },
        (Tone::Busy, Region::Uk) => const { &[on(400.0, 0.0, 375), off(375)] },
        (Tone::Congestion, Region::Eu) => const { &[on(425.0, 0.0, 250), off(250)] },
        (Tone::Congestion, Region::Us) => const { &[on(480.0, 620.0, 250), off(250)] },
        (Tone::Congestion, Region::Uk) => {
            const { &[on(400.0, 0.0, 400), off(350), on(400.0, 0.0, 225), off(525)] }
        }
        (Tone::Ring, Region::Eu) => {
            const { &[on(HIGH, 0.0, 250), on(LOW, 0.0, 250), on(HIGH, 0.0, 250), on(LOW, 0.0, 250), off(4000)] }
        }
        (Tone::Ring, Region::Us) => {
            const { &[on(HIGH, 0.0, 500), on(LOW, 0.0, 500), on(HIGH, 0.0, 500), on(LOW, 0.0, 500), off(4000)] }
        }
        (Tone::Ring, Region::Uk) => {
            const {
                &[
                    on(HIGH, 0.0, 200),
                    on(LOW, 0.0, 200),
                    off(200),
                    on(HIGH, 0.0, 200),
                    on(LOW, 0.0, 200),
                    off(2000),
                ]
            }
        }
        (Tone::Error, Region::Eu | Region::Us | Region::Uk) => {
            const { &[on(950.0, 0.0, 330), on(1400.0, 0.0, 330), on(1800.0, 0.0, 330), off(1000)] }
        }
        (Tone::CallWaiting, Region::Eu) => {
            const { &[on(425.0, 0.0, 200), off(200), on(425.0, 0.0, 200), off(5000)] }
        }
        (Tone::CallWaiting, Region::Us) => const { &[on(440.0, 0.0, 300), off(10_000)] },
        (Tone::CallWaiting, Region::Uk) => const { &[on(400.0, 0.0, 100), off(3000)] },
        (Tone::CallEnding, Region::Eu | Region::Us | Region::Uk) => {
            const {
                &[
                    on(950.0, 0.0, 100),
                    off(100),
                    on(950.0, 0.0, 100),
                    off(100),
                    on(950.0, 0.0, 100),
                    off(4500),
                ]
            }
        }
    }
}

/// In the place of words where the configuration names no file: three rising
/// notes that ask for the digit; for a person at the box what the error tone says.
pub(super) fn of_clip(clip: Clip) -> &'static [Segment] {
    match clip {
        Clip::Location | Clip::Acknowledge => {
            const { &[on(523.3, 0.0, 150), on(659.3, 0.0, 150), on(784.0, 0.0, 300), off(1400)] }
        }
        Clip::Offline => of_tone(Region::Eu, Tone::Error),
    }
}
