//! Synthetic signals with known echo paths: what must hold whatever the room.

use std::f32::consts::TAU;

use super::*;

mod convergence;

/// White noise from a seed, between -1 and 1.
struct Random(u32);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as f32 / u32::MAX as f32 * 2.0 - 1.0
    }
}

/// A voice: noise in bursts of 300 ms, low-passed as speech is.
fn voice(seed: u32, frames: usize) -> Vec<f32> {
    let mut random = Random(seed);
    let mut low = 0.0;
    (0..frames * FRAME)
        .map(|n| {
            low += 0.2 * (random.next() - low);
            let loud = 0.55 + 0.45 * (n as f32 / 14400.0 * TAU).sin();
            low * loud
        })
        .collect()
}

/// A path of one direct sound and a decaying tail, `delay` samples late.
fn echo_of(far: &[f32], delay: usize) -> Vec<f32> {
    let mut random = Random(99);
    let taps: Vec<(usize, f32)> = (0..40)
        .map(|k| (delay + k * 61, if k == 0 { 0.5 } else { 0.2 * random.next() * 0.93f32.powi(k as i32) }))
        .collect();
    (0..far.len())
        .map(|n| taps.iter().map(|(at, gain)| if n >= *at { far[n - at] * gain } else { 0.0 }).sum())
        .collect()
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32 + 1e-12
}

fn db(ratio: f32) -> f32 {
    10.0 * ratio.log10()
}

/// The correlation of two sounds, 1 for the same.
fn alike(a: &[f32], b: &[f32]) -> f32 {
    let same: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    same / (power(a) * power(b)).sqrt() / a.len() as f32
}

/// What comes out, and the state after each frame.
fn run(canceller: &mut dyn EchoCanceller, far: &[f32], mic: &[f32]) -> (Vec<f32>, Vec<EchoState>) {
    let (mut out, mut states) = (Vec::new(), Vec::new());
    for (far, mic) in far.as_chunks::<FRAME>().0.iter().zip(mic.as_chunks::<FRAME>().0) {
        let mut frame = *mic;
        canceller.render(far);
        canceller.process(&mut frame);
        out.extend_from_slice(&frame);
        states.push(canceller.state());
    }
    (out, states)
}

fn second(samples: &[f32], number: usize) -> &[f32] {
    &samples[number * 48000..(number + 1) * 48000]
}

#[test]
fn echo_is_gone_within_a_second_at_any_delay() {
    for delay_ms in [20, 60, 120, 200, 300] {
        let far = voice(7, 300);
        let mic = echo_of(&far, delay_ms * 48);
        let (out, states) = run(&mut Own::new(true), &far, &mic);
        let cancelled = db(power(second(&mic, 1)) / power(second(&out, 1)));
        assert!(cancelled > 20.0, "{delay_ms} ms: only {cancelled:.1} dB in the second second");
        let found = states[299].delay_ms.unwrap();
        assert!((found - delay_ms as f32).abs() < 2.0, "{delay_ms} ms was taken for {found}");
    }
}

#[test]
fn a_near_end_alone_passes_whole_and_above_8_khz_too() {
    let near = voice(3, 400);
    let tone: Vec<f32> =
        (0..near.len()).map(|n| near[n] * (1.0 + (n as f32 * 12000.0 / 48000.0 * TAU).sin())).collect();
    let mut own = Own::new(false);
    let late = own.latency();
    let (out, _) = run(&mut own, &vec![0.0; tone.len()], &tone);
    let (want, got) = (&tone[96000..168000], &out[96000 + late..168000 + late]);
    let wrong: Vec<f32> = want.iter().zip(got).map(|(a, b)| a - b).collect();
    let clean = db(power(want) / power(&wrong));
    assert!(clean > 12.0, "the near end came out with {clean:.1} dB of distortion");
}

#[test]
fn both_are_heard_in_double_talk() {
    let far = voice(7, 1000);
    let near: Vec<f32> =
        voice(1234, 1000).iter().enumerate().map(|(n, s)| if n > 240_000 { *s } else { 0.0 }).collect();
    let echo = echo_of(&far, 60 * 48);
    let mic: Vec<f32> = near.iter().zip(&echo).map(|(a, b)| a + b).collect();
    let mut own = Own::new(true);
    let late = own.latency();
    let (out, states) = run(&mut own, &far, &mic);
    assert!(states[400].near < 0.5 && states[400].far, "echo was taken for somebody");
    assert!(states[900].near > 0.5, "somebody was taken for echo");
    let alike = alike(&near[288_000..470_000], &out[288_000 + late..470_000 + late]);
    assert!(alike > 0.9, "of the near end only {alike:.2} came through");
}

/// As an echo test does, and no loudspeaker is near the microphone. Real voices show more of it: `tests/e2e_speech.rs`.
#[test]
fn a_far_end_that_sends_our_voice_back_takes_nothing_from_it() {
    let near = voice(21, 1000);
    let far: Vec<f32> = (0..near.len()).map(|n| if n >= 11_000 { near[n - 11_000] } else { 0.0 }).collect();
    let mut own = Own::new(true);
    let late = own.latency();
    let (out, _) = run(&mut own, &far, &near);
    let alike = alike(&near[96_000..470_000], &out[96_000 + late..470_000 + late]);
    assert!(alike > 0.9, "of the near end only {alike:.2} came through");
}

#[test]
fn clocks_that_run_apart_are_measured() {
    for ppm in [-100.0f64, 60.0] {
        let far = voice(7, 1200);
        let played: Vec<f32> = (0..far.len())
            .map(|n| {
                let at = n as f64 * (1.0 + ppm * 1e-6);
                let (whole, share) = (at as usize, (at.fract()) as f32);
                let of = |k: usize| far.get(k).copied().unwrap_or_default();
                of(whole) * (1.0 - share) + of(whole + 1) * share
            })
            .collect();
        let mic = echo_of(&played, 40 * 48);
        let (_, states) = run(&mut Own::new(true), &far, &mic);
        let found = f64::from(states[1199].drift_ppm);
        assert!(
            (found + ppm).abs() < 8.0,
            "{ppm} ppm faster playback was taken for a delay growing by {found}"
        );
    }
}

#[test]
fn a_delay_that_jumps_is_followed() {
    let far = voice(7, 1000);
    let (early, late) = (echo_of(&far, 40 * 48), echo_of(&far, 180 * 48));
    let mic: Vec<f32> = (0..far.len()).map(|n| if n < 240_000 { early[n] } else { late[n] }).collect();
    let (out, states) = run(&mut Own::new(true), &far, &mic);
    assert!((states[999].delay_ms.unwrap() - 180.0).abs() < 2.0);
    let cancelled = db(power(second(&mic, 8)) / power(second(&out, 8)));
    assert!(cancelled > 20.0, "only {cancelled:.1} dB three seconds after the jump");
}

#[test]
fn no_input_makes_anything_but_numbers_within_full_scale() {
    let kinds: [fn(usize) -> f32; 7] = [
        |_| 0.0,
        |n| if n % 2 == 0 { 1.0 } else { -1.0 },
        |_| 1.0,
        |_| f32::MIN_POSITIVE / 4.0,
        |_| f32::NAN,
        |_| f32::INFINITY,
        |n| if n % 5000 == 0 { 1e30 } else { 0.0 },
    ];
    for canceller in [Canceller::Own, Canceller::Aec3, Canceller::Off] {
        let mut duplex = Duplex::new(DuplexSettings { canceller, ..DuplexSettings::default() });
        for far in kinds {
            for near in kinds {
                for frame in 0..20 {
                    let of = |kind: fn(usize) -> f32| std::array::from_fn(|n| kind(frame * FRAME + n));
                    let mut mic = of(near);
                    duplex.render(&of(far));
                    duplex.process(&mut mic, false);
                    assert!(mic.iter().all(|s| s.is_finite() && s.abs() <= 1.0), "{canceller:?}");
                }
            }
        }
        let (far, near) = (voice(7, 300), voice(1234, 300));
        let mut heard = 0.0;
        for (far, near) in far.as_chunks::<FRAME>().0.iter().zip(near.as_chunks::<FRAME>().0) {
            let mut mic = *near;
            duplex.render(far);
            duplex.process(&mut mic, false);
            heard = power(&mic).max(heard);
        }
        assert!(heard > 1e-4, "{canceller:?} never recovered from bad input");
    }
}

#[test]
fn gain_control_brings_quiet_speech_up_and_the_limiter_holds_peaks() {
    let quiet: Vec<f32> = voice(5, 1500).iter().map(|s| s * 0.05).collect();
    let mut gain = GainControl::new();
    let mut last = [0.0; FRAME];
    for frame in quiet.as_chunks::<FRAME>().0 {
        last = *frame;
        gain.process(&mut last, true);
    }
    let raised = db(power(&last) / power(&quiet[quiet.len() - FRAME..]));
    assert!((6.0..18.5).contains(&raised), "raised by {raised:.1} dB");

    let mut limiter = Limiter::new();
    for n in 0..200 {
        let mut frame: Samples =
            std::array::from_fn(|k| 2.0 * ((n * FRAME + k) as f32 * 440.0 / 48000.0 * TAU).sin());
        limiter.process(&mut frame);
        assert!(frame.iter().all(|s| s.abs() <= 0.892));
    }
}

#[test]
fn half_duplex_gives_the_way_to_one_at_a_time() {
    let mut talk = Talk::new(TalkMode::Half);
    let far = Activity { far: true, near: true, ..Activity::default() };
    let near = Activity { near: true, ..Activity::default() };
    let mut gates = Gates::default();
    for _ in 0..10 {
        gates = talk.decide(far);
    }
    assert_eq!(gates, Gates { microphone: false, loudspeaker: true }, "the far end spoke first");
    for _ in 0..10 {
        gates = talk.decide(near);
    }
    assert!(!gates.microphone, "a gap between two words is no end");
    for _ in 0..30 {
        gates = talk.decide(near);
    }
    assert_eq!(gates, Gates { microphone: true, loudspeaker: false }, "the near end's turn");
    for _ in 0..60 {
        gates = talk.decide(Activity::default());
    }
    assert_eq!(gates, Gates::default(), "nobody speaks");
}

#[test]
fn full_duplex_falls_back_only_where_echo_is_hopeless() {
    let far = Activity { far: true, ..Activity::default() };
    let mut talk = Talk::new(TalkMode::Auto);
    for hopeless in 0..10 {
        assert!(talk.decide(Activity { hopeless, ..far }).microphone);
    }
    for _ in 0..5 {
        talk.decide(Activity { hopeless: 20, ..far });
    }
    assert!(talk.has_fallen_back() && !talk.decide(far).microphone);
    let mut full = Talk::new(TalkMode::Full);
    assert!(full.decide(Activity { hopeless: 1000, ..far }).microphone);
}

#[test]
fn one_way_can_be_asked_for_in_any_mode() {
    for mode in [TalkMode::Auto, TalkMode::Full, TalkMode::Half] {
        let mut talk = Talk::new(mode);
        let far = Activity { far: true, alternate: true, ..Activity::default() };
        let gates = (0..10).map(|_| talk.decide(far)).last().unwrap();
        assert_eq!(gates, Gates { microphone: false, loudspeaker: true }, "{mode:?}");
    }
}

#[test]
fn a_fallback_ends_when_echo_is_cancelled_again() {
    let far = Activity { far: true, ..Activity::default() };
    let mut talk = Talk::new(TalkMode::Auto);
    talk.decide(Activity { hopeless: 20, ..far });
    for _ in 0..900 {
        talk.decide(far);
        assert!(talk.has_fallen_back());
    }
    for _ in 0..200 {
        talk.decide(far);
    }
    assert!(!talk.has_fallen_back() && talk.decide(far).microphone);
}

/// Noise whose loudness is another sound's, `delay` samples later: echo without any likeness.
fn like(far: &[f32], delay: usize, seed: u32) -> Vec<f32> {
    let mut random = Random(seed);
    let mut loud = 0.0;
    (0..far.len())
        .map(|n| {
            let heard = if n >= delay { far[n - delay].abs() } else { 0.0 };
            loud += 0.002 * (heard - loud);
            loud * random.next()
        })
        .collect()
}

/// Words of 60 to 400 ms, each as loud as chance has it, a third of them silent.
fn words(seed: u32, frames: usize) -> Vec<f32> {
    let mut random = Random(seed);
    let (mut left, mut loud) = (0, 0.0);
    voice(seed, frames)
        .iter()
        .map(|sample| {
            if left == 0 {
                left = (11_000.0 + 8_100.0 * random.next()) as u32;
                loud = if random.next() < -0.3 { 0.0 } else { 0.6 + 0.5 * random.next() };
            }
            left -= 1;
            sample * loud
        })
        .collect()
}

#[test]
fn echo_that_is_not_like_the_reference_is_hopeless_and_people_are_not() {
    let hopeless = |far: &[f32], mic: &[f32]| {
        let (_, states) = run(&mut Own::new(true), far, mic);
        states.iter().map(|state| state.hopeless).max().unwrap()
    };
    let (far, near) = (words(7, 2000), words(4321, 2000));
    let bent = like(&far, 90 * 48, 55);
    assert!(hopeless(&far, &bent) >= 10);
    assert!(hopeless(&far, &echo_of(&far, 60 * 48)) < 4, "an echo that can be cancelled");
    assert!(hopeless(&far, &near) < 4, "somebody who speaks all the time, and no echo at all");
    let mut back = vec![0.0; 150 * 48];
    back.extend_from_slice(&near[..near.len() - 150 * 48]);
    assert!(hopeless(&back, &near) < 4, "a far end that sends our own words back");
}

/// As cards do: in bursts, some frames lost, and a pause in which nobody listens.
#[test]
fn bursts_lost_frames_and_pauses_do_not_bring_echo_back() {
    let far = words(7, 1600);
    let mic = echo_of(&far, 70 * 48);
    let (far, mic) = (far.as_chunks::<FRAME>().0, mic.as_chunks::<FRAME>().0);
    let mut own = Own::new(true);
    let (mut rendered, mut before, mut after) = (0, [0.0; 3], [0.0; 3]);
    for (n, heard) in mic.iter().enumerate() {
        // Rendered up to three frames ahead of the microphone, in threes.
        while rendered < (n / 3 * 3 + 3).min(far.len()) {
            own.render(&far[rendered]);
            rendered += 1;
        }
        let mut frame = *heard;
        match n {
            500..503 | 700..1000 => {
                own.skip();
                continue;
            }
            _others => own.process(&mut frame),
        }
        // Second thirds: converged, behind the loss, behind the pause.
        let part = match n {
            200..500 => 0,
            510..700 => 1,
            1010..1200 => 2,
            _others => continue,
        };
        before[part] += power(heard);
        after[part] += power(&frame);
    }
    for (part, (before, after)) in before.into_iter().zip(after).enumerate() {
        let cancelled = db(before / after);
        assert!(cancelled > 25.0, "part {part}: only {cancelled:.1} dB");
    }
}

/// A loudspeaker that ran dry plays on later, by any number of samples: the room is the same, and known.
#[test]
fn a_loudspeaker_that_ran_dry_is_followed_soon() {
    let far = voice(7, 1500);
    let mut delay: usize = 70 * 48;
    let echoes: Vec<Vec<f32>> = [0, 977, 1810, -2200, 333]
        .iter()
        .map(|by: &isize| {
            delay = delay.saturating_add_signed(*by);
            echo_of(&far, delay)
        })
        .collect();
    let mic: Vec<f32> = (0..far.len()).map(|n| echoes[n / (3 * 48000)][n]).collect();
    let (out, _) = run(&mut Own::new(true), &far, &mic);
    for part in 0..5 {
        // From 0.8 s on after the gap.
        let later = part * 144_000 + 40_000..part * 144_000 + 64_000;
        let cancelled = db(power(&mic[later.clone()]) / power(&out[later]));
        assert!(cancelled > 20.0, "part {part}: only {cancelled:.1} dB a second later");
    }
}

/// A tone is signal, not noise: nobody may lose a melody or a test tone. Noise itself is lowered.
#[test]
fn noise_suppression_leaves_tones() {
    let mut random = Random(3);
    let noise: Vec<f32> = (0..800 * FRAME).map(|_| 0.01 * random.next()).collect();
    for hertz in [425.0, 440.0, 1000.0, 3000.0] {
        let tone: Vec<f32> =
            (0..noise.len()).map(|n| 0.1 * (n as f32 * hertz / 48000.0 * TAU).sin()).collect();
        let (out, _) = run(&mut Own::new(true), &vec![0.0; tone.len()], &tone);
        let kept = db(power(second(&out, 6)) / power(second(&tone, 6)));
        assert!(kept.abs() < 0.2, "{hertz} Hz changed by {kept:.2} dB");
    }
    let (out, _) = run(&mut Own::new(true), &vec![0.0; noise.len()], &noise);
    let lowered = db(power(second(&noise, 6)) / power(second(&out, 6)));
    assert!((9.0..14.0).contains(&lowered), "noise was lowered by {lowered:.1} dB");
}
