//! How good a conversation is, estimated by the E-model (ITU-T G.107, 06/2015),
//! with the default values of its table 2 for all that is not measured here.
//! Pure arithmetic.

use super::Codec;

/// Signal-to-noise ratio `Ro` and simultaneous impairments `Is` with the
/// default values (sections 3.1 to 3.5 give 94.77 and 1.41).
const RO: f64 = 94.77;
const IS: f64 = 1.41;

/// `No - RLR` of the default values, for `Roe` in section 3.5.1.
const NOISE_LESS_RLR: f64 = -63.18;

/// Default talker echo loudness rating and weighted echo path loss, dB: both
/// ends cancel their echo.
const TELR: f64 = 65.0;
const WEPL: f64 = 110.0;

/// What a call was like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Conditions {
    pub(super) codec: Codec,
    /// Opus's bit rate, bits a second.
    pub(super) bitrate: u64,
    /// Share of the sound that had to be made up, 0 to 1.
    pub(super) made_up: f64,
    /// How much longer holes are than those of random loss, 1 or more.
    pub(super) burst_ratio: f64,
    /// Mouth to ear, one way, ms.
    pub(super) delay: f64,
}

/// The estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quality {
    /// Transmission rating.
    pub(super) r: f64,
    /// Conversational mean opinion score (annex B).
    pub(super) mos: f64,
}

impl Conditions {
    pub(super) fn quality(&self) -> Quality {
        let r = (RO - IS - delay_impairment(self.delay) - self.equipment_impairment()).clamp(0.0, 100.0);
        Quality { r, mos: mos(r) }
    }

    /// `Ie,eff` (equation 7-29).
    fn equipment_impairment(&self) -> f64 {
        let (ie, bpl) = impairment_of(self.codec, self.bitrate);
        let loss = (self.made_up * 100.0).clamp(0.0, 100.0);
        ie + (95.0 - ie) * loss / (loss / self.burst_ratio.max(1.0) + bpl)
    }
}

/// `Ie` and `Bpl`. G.711 with the concealment of its Appendix I: 0 and 25.1
/// (G.113 Appendix I). G.113 has no figures for Opus. At 24 kb/s and more it
/// is better than G.711, which this scale cannot say, so 0; below that this
/// takes a point off for each 1 kb/s, an assumption. 11.28 was found for loss that
/// is concealed, not restored, by Alahmadi, Pocta and Melvin, "An Adaptive Bitrate
/// Switching Algorithm for Speech Applications in Context of WebRTC", ACM TOMM 17(4), 2021.
fn impairment_of(codec: Codec, bitrate: u64) -> (f64, f64) {
    match codec {
        Codec::Opus => ((24_000.0 - bitrate as f64).max(0.0) / 1000.0, 11.28),
        Codec::Pcmu | Codec::Pcma => (0.0, 25.1),
    }
}

/// `Id` = `Idte` + `Idle` + `Idd` (equations 7-17 to 7-27) of one-way delay in ms.
fn delay_impairment(delay: f64) -> f64 {
    let delay = delay.max(0.0);
    // Talker echo.
    let terv = TELR - 40.0 * ((1.0 + delay / 10.0) / (1.0 + delay / 150.0)).log10()
        + 6.0 * (-0.3 * delay * delay).exp();
    let roe = -1.5 * NOISE_LESS_RLR;
    let difference = roe - (80.0 + 2.5 * (terv - 14.0));
    let idte =
        (difference / 2.0 + (difference * difference / 4.0 + 100.0).sqrt() - 1.0) * (1.0 - (-delay).exp());
    // Listener echo, which goes to and fro.
    let difference = RO - 10.5 * (WEPL + 7.0) * (2.0 * delay + 1.0).powf(-0.25);
    let idle = difference / 2.0 + (difference * difference / 4.0 + 169.0).sqrt();
    idte + idle + pure_delay_impairment(delay)
}

/// `Idd`: that of delay itself, without any echo.
fn pure_delay_impairment(delay: f64) -> f64 {
    if delay <= 100.0 {
        return 0.0;
    }
    let x = (delay / 100.0).log2();
    25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
}

/// Equation B-4.
fn mos(r: f64) -> f64 {
    if r <= 6.5 {
        // Below this the cubic is under 1, and rises again.
        return 1.0;
    }
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEST: Conditions =
        Conditions { codec: Codec::Pcmu, bitrate: 64_000, made_up: 0.0, burst_ratio: 1.0, delay: 0.0 };

    fn near(found: f64, expected: f64, within: f64) -> bool {
        (found - expected).abs() <= within
    }

    #[test]
    fn the_default_values_give_the_rating_of_the_recommendation() {
        // G.107 section 7.7: R = 93.2; annex B: MOS 4.41.
        let quality = BEST.quality();
        assert!(near(quality.r, 93.2, 0.05) && near(quality.mos, 4.41, 0.005), "{quality:?}");
    }

    #[test]
    fn delay_costs_as_in_g_114() {
        // Read off G.114 figure 1: R over mouth-to-ear delay, without echo and without loss.
        for (delay, expected) in [(100.0, 93.0), (150.0, 93.0), (200.0, 90.0), (300.0, 78.0), (400.0, 69.0)] {
            let r = 93.2 - pure_delay_impairment(delay);
            assert!(near(r, expected, 1.0), "{delay} ms: {r}");
            // What is left of the echo costs a few points more.
            let quality = Conditions { delay, ..BEST }.quality();
            assert!((1.0..8.0).contains(&(r - quality.r)), "{delay} ms: {quality:?}");
        }
    }

    #[test]
    fn loss_costs_as_g_113_says_and_more_in_bursts() {
        // 95 x 5 / (5 + 25.1) = 15.8.
        let quality = Conditions { made_up: 0.05, ..BEST }.quality();
        assert!(near(quality.r, 93.2 - 15.8, 0.1), "{quality:?}");
        let bursts = Conditions { made_up: 0.05, burst_ratio: 4.0, ..BEST }.quality();
        assert!(bursts.r < quality.r - 1.0, "{bursts:?}");
        let opus = Conditions { codec: Codec::Opus, bitrate: 32_000, made_up: 0.05, ..BEST }.quality();
        assert!(opus.r < quality.r, "{opus:?}");
    }

    #[test]
    fn nothing_leaves_the_scale() {
        for made_up in [-1.0, 0.0, 0.5, 1.0, 7.0] {
            for delay in [-5.0, 0.0, 1e6] {
                for burst_ratio in [0.0, 1.0, 1e9] {
                    let quality =
                        Conditions { made_up, delay, burst_ratio, codec: Codec::Opus, bitrate: 0 }.quality();
                    assert!((0.0..=100.0).contains(&quality.r), "{quality:?}");
                    assert!((1.0..=4.5).contains(&quality.mos), "{quality:?}");
                }
            }
        }
    }

    #[test]
    fn the_score_rises_with_the_rating() {
        let scores: Vec<f64> = (0..=100).map(|r| mos(f64::from(r))).collect();
        assert!(scores.is_sorted(), "{scores:?}");
    }
}
