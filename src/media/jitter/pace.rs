//! How fast the delay is corrected: freely where nothing is heard, gently in
//! speech, and less gently the further it is off.

/// What to do to a piece of sound, in samples at 48 kHz, if it has a place
/// that is so much alike (correlation, -1 to 1) that a splice is not heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Keep,
    Shorten { most: usize, alike: f32 },
    Lengthen { most: usize, alike: f32 },
}

const MS: i64 = 48;

/// Too long by this much is corrected: in pauses, in speech. Too short is
/// corrected at once: what comes too late is worse.
const TOO_LONG: [i64; 2] = [5 * MS / 2, 40 * MS];

/// Speech may be played so much faster (percent) from so much too long on,
/// with a splice that is so much alike. A little can wait for a pause, where
/// it costs nothing; 10 to 15 % goes unnoticed; more is for delay that hurts
/// the conversation more than haste does.
const FASTER: [(i64, i64, f32); 4] =
    [(400 * MS, 30, 0.5), (200 * MS, 15, 0.7), (120 * MS, 8, 0.8), (0, 1, 0.8)];

/// Speech may be played slower by this, percent: the next packet may be late.
const SLOWER: (i64, f32) = (35, 0.5);

/// Alike enough in a pause: anything.
const ANYTHING: f32 = -1.0;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Samples of speech that may be left out or put in now, times 100.
    credit: i64,
}

impl Pace {
    /// What to do to `samples` of sound when the delay is too long by `surplus`; `quiet` if it is a pause.
    pub(super) fn change(&mut self, surplus: i64, samples: usize, quiet: bool) -> Change {
        let most = surplus.unsigned_abs().min(1 << 20) as usize;
        let limit = if quiet { TOO_LONG[0] } else { TOO_LONG[1] };
        if (0..=limit).contains(&surplus) {
            self.credit = 0;
            return Change::Keep;
        }
        let (percent, alike) = if surplus < 0 {
            SLOWER
        } else {
            FASTER.iter().find(|(from, ..)| surplus >= *from).map_or((0, 1.0), |(_, p, alike)| (*p, *alike))
        };
        self.credit = (self.credit + samples as i64 * percent).min(15 * MS * 100);
        let alike = if quiet { ANYTHING } else { alike };
        if !quiet && self.credit <= 0 {
            Change::Keep
        } else if surplus < 0 {
            Change::Lengthen { most: most.max(5 * MS as usize), alike }
        } else {
            Change::Shorten { most, alike }
        }
    }

    /// Notes that so many samples were left out or put in.
    pub(super) fn changed(&mut self, samples: usize) {
        self.credit -= samples as i64 * 100;
    }
}
