//! After ITU-T Q.24, with every digit, at every place within a frame.

use super::*;

struct Random(u64);

impl Random {
    /// 0 to 1. SplitMix64 (Steele, Lea, Flood 2014).
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Of the normal distribution (Box and Muller 1958).
    fn noise(&mut self) -> f64 {
        (-2.0 * self.draw().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * self.draw()).cos()
    }
}

/// How digits are sent.
#[derive(Clone, Copy)]
struct Keys {
    ms: u32,
    pause_ms: u32,
    /// By how much each of the two is off its frequency.
    off: [f64; 2],
    /// The high tone above the low one.
    twist_db: f64,
    level_db: f64,
    snr_db: Option<f64>,
}

const PLAIN: Keys =
    Keys { ms: 100, pause_ms: 60, off: [0.0; 2], twist_db: 0.0, level_db: -12.0, snr_db: None };

/// All digits three times over, each begun anywhere within a frame: what was sent and what was found.
fn sent_and_found(keys: Keys) -> (String, String) {
    let mut random = Random(7);
    let mut sound = vec![0.0; 4800];
    let mut sent = String::new();
    let low = 10_f64.powf(keys.level_db / 20.0);
    let high = low * 10_f64.powf(keys.twist_db / 20.0);
    for index in (0..16).cycle().take(48) {
        sent.push(KEYS[index / 4][index % 4]);
        let hertz = [f64::from(LOW[index / 4]), f64::from(HIGH[index % 4])];
        let phases = [random.draw(), random.draw()];
        for n in 0..keys.ms * 48 {
            let tone = |which: usize| {
                let turns = f64::from(n) * hertz[which] * (1.0 + keys.off[which]) / 48_000.0;
                (std::f64::consts::TAU * (turns + phases[which])).sin()
            };
            sound.push(low * tone(0) + high * tone(1));
        }
        let pause = keys.pause_ms * 48 + (random.draw() * 480.0) as u32;
        sound.extend((0..pause).map(|_| 0.0));
    }
    sound.extend([0.0; 4800]);
    let noise =
        keys.snr_db.map_or(0.0, |snr| ((low * low + high * high) / 2.0 * 10_f64.powf(-snr / 10.0)).sqrt());
    let samples: Vec<i16> = sound
        .iter()
        .map(|s| ((s + noise * random.noise()) * 32_767.0).clamp(-32_768.0, 32_767.0) as i16)
        .collect();
    let mut detector = Detector::default();
    let (frames, _) = samples.as_chunks::<FRAME_SAMPLES>();
    (sent, frames.iter().filter_map(|frame| detector.hear(frame)).collect())
}

#[test]
fn every_digit_within_the_tolerances_is_found_once() {
    let short = Keys { ms: 40, pause_ms: 40, ..PLAIN };
    let cases = [
        ("plain", PLAIN),
        ("40 ms", short),
        ("at 15 dB over noise", Keys { snr_db: Some(15.0), ..PLAIN }),
        ("40 ms at 15 dB over noise", Keys { snr_db: Some(15.0), ..short }),
        ("1.5 % too high", Keys { off: [0.015; 2], ..short }),
        ("1.5 % too low", Keys { off: [-0.015; 2], ..short }),
        ("1.5 % apart", Keys { off: [0.015, -0.015], snr_db: Some(20.0), ..PLAIN }),
        ("the high tone 4 dB louder", Keys { twist_db: 4.0, ..short }),
        ("the low tone 8 dB louder", Keys { twist_db: -8.0, ..short }),
        ("quiet", Keys { level_db: -36.0, snr_db: Some(15.0), ..PLAIN }),
        ("loud", Keys { level_db: -3.0, ..PLAIN }),
        ("five seconds", Keys { ms: 1000, ..PLAIN }),
    ];
    for (what, keys) in cases {
        let (sent, found) = sent_and_found(keys);
        assert_eq!(found, sent, "{what}");
    }
}

#[test]
fn what_is_no_digit_is_none() {
    let cases = [
        ("20 ms", Keys { ms: 20, ..PLAIN }),
        ("a low tone 3.5 % too high", Keys { off: [0.035, 0.0], ..PLAIN }),
        ("a low tone 3.5 % too low", Keys { off: [-0.035, 0.0], ..PLAIN }),
        ("a high tone 3.5 % too high", Keys { off: [0.0, 0.035], ..PLAIN }),
        ("a high tone 3.5 % too low", Keys { off: [0.0, -0.035], ..PLAIN }),
        ("a high tone far louder", Keys { twist_db: 12.0, ..PLAIN }),
        ("a low tone far louder", Keys { twist_db: -15.0, ..PLAIN }),
        ("nearly nothing", Keys { level_db: -50.0, ..PLAIN }),
        ("drowned in noise", Keys { snr_db: Some(-3.0), ..PLAIN }),
    ];
    for (what, keys) in cases {
        assert_eq!(sent_and_found(keys).1, "", "{what}");
    }
}

#[test]
fn noise_alone_is_no_digit() {
    for seed in 1..=3 {
        let mut random = Random(seed);
        let mut detector = Detector::default();
        for _ in 0..6000 {
            let frame: Frame = std::array::from_fn(|_| (random.noise() * 4000.0) as i16);
            assert_eq!(detector.hear(&frame), None, "seed {seed}");
        }
    }
}

#[test]
fn a_gap_of_ten_milliseconds_is_no_second_press() {
    let mut random = Random(1);
    let mut detector = Detector::default();
    let mut found = String::new();
    for n in 0..60_u32 {
        let quiet = n % 20 == 15 || n >= 50;
        let frame: Frame = std::array::from_fn(|at| {
            let t = f64::from(n * 480 + at as u32) / 48_000.0 * std::f64::consts::TAU;
            let tone = (t * 852.0).sin() + (t * 1336.0).sin();
            if quiet { 0 } else { ((0.2 * tone + 0.002 * random.noise()) * 32_767.0) as i16 }
        });
        found.extend(detector.hear(&frame));
    }
    assert_eq!(found, "8");
}

#[test]
fn digits_pass_the_inbox_in_order_and_only_when_they_are_wanted() {
    let inbox = Inbox::default();
    let press = |digit: char| {
        let at = KEYS.iter().flatten().position(|key| *key == digit).unwrap();
        let mut detector = Detector::default();
        for n in 0..5_u32 {
            let frame: Frame = std::array::from_fn(|k| {
                let t = (n * 480 + k as u32) as f32 / 48_000.0 * TAU;
                (((t * LOW[at / 4]).sin() + (t * HIGH[at % 4]).sin()) * 8_000.0) as i16
            });
            inbox.hear(&mut detector, &frame);
        }
    };
    press('5');
    assert_eq!(inbox.fetch().count(), 0, "nobody asked");
    inbox.want(true);
    "159D*0#A".chars().for_each(press);
    assert_eq!(inbox.fetch().collect::<String>(), "159D*0#A");
    assert_eq!(inbox.fetch().count(), 0);
    // Nobody looks for long: the first ones are kept, and nothing breaks.
    "1234567890123456".chars().for_each(press);
    assert_eq!(inbox.fetch().collect::<String>(), "123456789012");
    press('1');
    press('1');
    assert_eq!(inbox.fetch().collect::<String>(), "11");
}
