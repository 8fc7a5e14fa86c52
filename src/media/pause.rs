//! Pauses of speech, where sound can be left out and nobody hears it.

/// Below this mean of absolute values nothing is heard: about -60 dBFS.
const INAUDIBLE: f32 = 30.0;

/// A pause is this much quieter than the speech around it: 20 dB.
const QUIETER: f32 = 0.1;

/// What is left of the memory of loud sound after 10 ms: half after 3.5 s.
const MEMORY: f32 = 0.998;

/// Tells pauses from speech by level. Neither allocates nor waits.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    loud: f32,
}

impl Pauses {
    /// Whether this sound, at least 10 ms of it, is a pause in what came before.
    pub(super) fn hear(&mut self, sound: &[i16]) -> bool {
        let sum: f32 = sound.iter().map(|sample| f32::from(sample.unsigned_abs())).sum();
        let level = sum / sound.len().max(1) as f32;
        self.loud = (self.loud * MEMORY).max(level);
        level < INAUDIBLE || level < self.loud * QUIETER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_the_gaps_of_speech_are_pauses_and_steady_noise_is_not() {
        let (loud, soft, silent) = ([6000_i16; 480], [300_i16; 480], [2_i16; 480]);
        let mut pauses = Pauses::default();
        assert!(pauses.hear(&silent));
        assert!(!pauses.hear(&loud));
        assert!(pauses.hear(&soft));
        assert!(!pauses.hear(&loud));
        // What was a gap in loud speech is all there is after a while.
        let heard = (0..2000).filter(|_| pauses.hear(&soft)).count();
        assert!((100..1000).contains(&heard), "{heard} frames of steady noise were a pause");
    }
}
