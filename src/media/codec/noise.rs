//! Comfort noise: the far end's background, learnt from its quietest sound or
//! described by itself (RFC 3389), made again by noise through an all-pole
//! lattice filter (Markel and Gray, Linear Prediction of Speech, 1976, ch. 5),
//! which is stable whatever the far end writes.

/// Order of the filter; RFC 3389 leaves it to the sender, more is ignored.
const ORDER: usize = 8;

/// Noise that is learnt is no louder than this RMS, -54 dBFS: a far end that
/// plays music has no background to learn.
const LOUDEST: f32 = 64.0;

/// The quietest level is believed to rise by this much a second, 1.7 dB.
const RISE: f32 = 1.216;

/// Up to this much above the quietest level is background, 6 dB.
const BACKGROUND: f32 = 2.0;

const RATE: f32 = 8_000.0;

/// See the module's documentation. 8 kHz.
pub(super) struct Noise {
    /// RMS.
    level: f32,
    reflection: [f32; ORDER],
    excitation: f32,
    state: [f32; ORDER + 1],
    random: u32,
}

impl Noise {
    pub(super) fn new() -> Self {
        Self { level: LOUDEST, reflection: [0.0; ORDER], excitation: 0.0, state: [0.0; ORDER + 1], random: 1 }
    }

    /// Learns from decoded sound.
    pub(super) fn learn(&mut self, sound: &[i16]) {
        if sound.len() < 2 * ORDER {
            return;
        }
        let autocorrelation: [f32; ORDER + 1] = std::array::from_fn(|lag| {
            sound.iter().zip(&sound[lag..]).map(|(a, b)| f32::from(*a) * f32::from(*b)).sum()
        });
        let rms = (autocorrelation[0] / sound.len() as f32).sqrt();
        let risen = self.level.max(1.0) * (1.0 + (RISE - 1.0) * sound.len() as f32 / RATE);
        self.level = risen.min(rms).min(LOUDEST);
        if rms <= self.level * BACKGROUND {
            self.reflection = reflection_of(&autocorrelation);
        }
        self.set_excitation();
    }

    /// Takes a comfort noise payload: the level in -dBov, then the reflection
    /// coefficients (RFC 3389 sections 3.1 and 3.2). An empty one says nothing.
    pub(super) fn describe(&mut self, payload: &[u8]) {
        let Some((level, coefficients)) = payload.split_first() else { return };
        self.level = 32_768.0 * 10.0_f32.powf(-f32::from(level & 0x7f) / 20.0);
        self.reflection = [0.0; ORDER];
        for (ours, theirs) in self.reflection.iter_mut().zip(coefficients) {
            *ours = ((f32::from(*theirs) - 127.0) * 258.0 / 32_768.0).clamp(-0.99, 0.99);
        }
        self.set_excitation();
    }

    /// The filter's gain in power is one over the product of 1 - k².
    fn set_excitation(&mut self) {
        let loss: f32 = self.reflection.iter().map(|k| 1.0 - k * k).product();
        // Uniform noise from -1 to 1 has an RMS of one over the root of three.
        self.excitation = self.level * (3.0 * loss).sqrt();
    }

    /// The next sample.
    pub(super) fn next(&mut self) -> f32 {
        // Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8, 2003.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let mut forward = self.excitation * (self.random as f32 / (u32::MAX / 2) as f32 - 1.0);
        for i in (0..ORDER).rev() {
            forward -= self.reflection[i] * self.state[i];
            self.state[i + 1] = self.state[i] + self.reflection[i] * forward;
        }
        self.state[0] = forward;
        forward
    }
}

/// Levinson and Durbin's recursion, of which only the reflection coefficients are kept.
fn reflection_of(autocorrelation: &[f32; ORDER + 1]) -> [f32; ORDER] {
    // White noise 40 dB down keeps it well conditioned.
    let mut error = autocorrelation[0] * 1.0001 + 1.0;
    let mut predictor = [0.0_f32; ORDER + 1];
    let mut reflection = [0.0; ORDER];
    for order in 1..=ORDER {
        let mut sum = autocorrelation[order];
        for i in 1..order {
            sum += predictor[i] * autocorrelation[order - i];
        }
        let k = (-sum / error).clamp(-0.99, 0.99);
        let before = predictor;
        for i in 1..order {
            predictor[i] = before[i] + k * before[order - i];
        }
        predictor[order] = k;
        reflection[order - 1] = k;
        error *= 1.0 - k * k;
    }
    reflection
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rms(sound: &[f32]) -> f32 {
        (sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len() as f32).sqrt()
    }

    #[test]
    fn described_noise_has_the_level_that_was_described() {
        for (payload, expected) in [(&[40_u8][..], 327.68), (&[50, 127 + 100, 127 - 60], 103.6)] {
            let mut noise = Noise::new();
            noise.describe(payload);
            let sound: Vec<f32> = (0..16_000).map(|_| noise.next()).collect();
            let level = rms(&sound[100..]);
            assert!((expected * 0.85..expected * 1.15).contains(&level), "{payload:?}: {level}");
        }
    }

    #[test]
    fn the_background_between_words_is_learnt_and_the_words_are_not() {
        let mut noise = Noise::new();
        let mut source = Noise::new();
        source.describe(&[60, 127 + 90]);
        for block in 0..200 {
            let word = if block % 20 < 12 { 4_000.0 } else { 0.0 };
            let sound: [i16; 160] =
                std::array::from_fn(|i| (source.next() + word * (0.4 * i as f32).sin()) as i16);
            noise.learn(&sound);
        }
        let sound: Vec<f32> = (0..16_000).map(|_| noise.next()).collect();
        assert!((16.0..50.0).contains(&rms(&sound)), "{} for 32.8", rms(&sound));
        let slope = |sound: &[f32]| {
            sound.windows(2).map(|pair| pair[0] * pair[1]).sum::<f32>()
                / sound.len() as f32
                / rms(sound).powi(2)
        };
        assert!(slope(&sound) < -0.4, "the colour is another: {}", slope(&sound));
    }

    #[test]
    fn whatever_is_described_stays_bounded() {
        let mut noise = Noise::new();
        for seed in 0..=255_u8 {
            noise.describe(&std::array::from_fn::<u8, 20, _>(|i| seed.wrapping_mul(i as u8 * 2 + 1)));
            assert!((0..2_000).all(|_| noise.next().is_finite()), "{seed}");
        }
    }
}
