use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::media::FrameLength;

fn control() -> Control {
    Control::new(Limits::new(32_000, FrameLength::Auto))
}

/// A report a second; tells the settings after the last.
fn after(control: &mut Control, from: Instant, reports: &[(f32, u64)]) -> Settings {
    for (i, (lost, round_trip)) in reports.iter().enumerate() {
        let now = from + Duration::from_secs(i as u64);
        control.report(*lost, Some(Duration::from_millis(*round_trip)), now);
    }
    control.settings()
}

fn settings(bitrate: u32, expected_loss: u8, length: Length) -> Settings {
    Settings { bitrate, expected_loss, length, dtx: false }
}

#[test]
fn a_good_network_gets_short_packets_without_fec_after_a_while() {
    let (mut control, start) = (control(), Instant::now());
    let early = after(&mut control, start, &[(0.0, 20); 5]);
    assert_eq!(early.length, Length::Ms20, "too soon");
    let late = after(&mut control, start + Duration::from_secs(5), &[(0.0, 20); 30]);
    assert_eq!(late, settings(32_000, 0, Length::Ms10));
}

#[test]
fn the_configuration_decides_how_short_packets_get() {
    for (frame, first, later) in [
        (FrameLength::Auto, Length::Ms20, Length::Ms10),
        (FrameLength::Ms10, Length::Ms10, Length::Ms10),
        (FrameLength::Ms20, Length::Ms20, Length::Ms20),
    ] {
        let mut control = Control::new(Limits::new(32_000, frame));
        assert_eq!(control.settings().length, first, "{frame:?}");
        assert_eq!(after(&mut control, Instant::now(), &[(0.0, 20); 60]).length, later, "{frame:?}");
    }
}

#[test]
fn loss_on_a_short_path_is_answered_with_fec_and_not_with_fewer_bits() {
    for (lost, bitrate, expected) in
        [(0.01, 32_000, 2), (0.05, 64_000, 5), (0.1, 64_000, 10), (0.25, 64_000, 20)]
    {
        let (mut control, start) = (control(), Instant::now());
        assert_eq!(after(&mut control, start, &[(lost, 30); 40]), settings(bitrate, expected, Length::Ms20));
    }
}

#[test]
fn the_bits_for_fec_come_with_loss_and_go_with_it() {
    let (mut control, start) = (control(), Instant::now());
    let seconds = |count| start + Duration::from_secs(count);
    assert_eq!(control.settings().bitrate, 32_000, "nothing is known yet");
    assert_eq!(after(&mut control, start, &[(0.0, 30); 60]).bitrate, 32_000);
    assert_eq!(after(&mut control, seconds(60), &[(0.1, 30); 2]).bitrate, 64_000);
    assert_eq!(after(&mut control, seconds(62), &[(0.0, 30); 10]).bitrate, 32_000);
}

#[test]
fn a_fade_that_grows_worse_by_itself_costs_the_bits_for_fec_some_seconds_at_most() {
    let (mut control, start) = (control(), Instant::now());
    after(&mut control, start, &[(0.05, 30); 4]);
    let seen: Vec<u32> = (0..30)
        .map(|second| after(&mut control, start + Duration::from_secs(4 + second), &[(0.25, 30)]).bitrate)
        .collect();
    assert!(seen.iter().filter(|bitrate| **bitrate < 64_000).count() <= 6, "{seen:?}");
    assert_eq!(seen.last(), Some(&64_000));
}

#[test]
fn a_far_end_that_wants_no_fec_gets_none() {
    let wishes = super::super::limits::Wishes { without_fec: true, ..Default::default() };
    let limits = Limits::new(32_000, FrameLength::Auto).within(&wishes);
    let mut control = Control::new(limits);
    assert_eq!(control.settings().expected_loss, 0);
    let settings = after(&mut control, Instant::now(), &[(0.1, 30); 40]);
    assert_eq!((settings.expected_loss, settings.bitrate), (0, 32_000));
}

#[test]
fn loss_near_a_step_does_not_make_the_encoder_waver() {
    let (mut control, start) = (control(), Instant::now());
    after(&mut control, start, &[(0.05, 30); 20]);
    let mut changes = 0;
    for i in 0..100u64 {
        let lost = if i % 2 == 0 { 0.02 } else { 0.04 };
        let now = start + Duration::from_secs(20 + i);
        changes += u32::from(control.report(lost, Some(Duration::from_millis(30)), now).is_some());
    }
    assert!(changes <= 1, "{changes} changes");
}

#[test]
fn first_loss_after_a_good_time_brings_fec_with_the_next_reports() {
    let (mut control, start) = (control(), Instant::now());
    after(&mut control, start, &[(0.0, 30); 60]);
    let settings = after(&mut control, start + Duration::from_secs(60), &[(0.1, 30); 2]);
    assert!(settings.expected_loss >= 5 && settings.length == Length::Ms20, "{settings:?}");
}

#[test]
fn limits_that_change_in_mid_call_hold_at_once() {
    let (mut control, start) = (control(), Instant::now());
    after(&mut control, start, &[(0.0, 30); 60]);
    let limits = Limits { bitrate: 20_000, ..Limits::new(32_000, FrameLength::Ms20) };
    assert_eq!(control.limit(limits), Some(settings(20_000, 0, Length::Ms20)));
    assert_eq!(control.limit(limits), None, "said once");
    let back = control.limit(Limits::new(32_000, FrameLength::Auto));
    assert_eq!(back.map(|settings| settings.bitrate), Some(32_000));
}

#[test]
fn a_report_of_nonsense_keeps_everything_in_bounds() {
    let limits = Limits::new(24_000, FrameLength::Auto);
    let (mut control, start) = (Control::new(limits), Instant::now());
    for (i, lost) in [f32::NAN, f32::INFINITY, -3.0, 7.0, 1.0].into_iter().cycle().take(100).enumerate() {
        let round_trip =
            [None, Some(Duration::ZERO), Some(Duration::from_secs(1 << 40)), Some(Duration::MAX)];
        control.report(lost, round_trip[i % 4], start + Duration::from_secs(i as u64 * 3));
        let settings = control.settings();
        assert!((LEAST..=24_000).contains(&settings.bitrate) && settings.expected_loss <= 20, "{settings:?}");
    }
}

/// A link of so many bits a second that queues so much before it drops, one
/// way; reports come back each `every` and are as old as the queue was long.
#[derive(Debug)]
struct Link {
    capacity: f64,
    queue: Duration,
    every: Duration,
    /// Share of the packets that is lost besides, whatever is sent.
    radio: f64,
}

/// What a second of the link was like.
#[derive(Clone, Copy, Debug)]
struct Second {
    lost: f64,
    waiting: f64,
    settings: Settings,
}

impl Link {
    fn run(&self, control: &mut Control, from: Instant, seconds: usize) -> Vec<Second> {
        const STEP: f64 = 0.01;
        let (mut waiting, mut seen) = (0.0_f64, Vec::new());
        let (mut sent, mut dropped) = (0.0, 0.0);
        let (mut sent_here, mut dropped_here) = (0.0, 0.0);
        let most = self.capacity * self.queue.as_secs_f64();
        for step in 0..seconds * 100 {
            let bits = f64::from(control.settings().on_the_wire()) * STEP;
            waiting = (waiting - self.capacity * STEP).max(0.0) + bits;
            let mut over = (waiting - most).max(0.0);
            waiting -= over;
            over += (bits - over) * self.radio;
            (sent, dropped) = (sent + bits, dropped + over);
            (sent_here, dropped_here) = (sent_here + bits, dropped_here + over);
            let now = from + Duration::from_millis(step as u64 * 10);
            if ((step + 1) as u128 * 10).is_multiple_of(self.every.as_millis()) {
                let round_trip = Duration::from_secs_f64(0.04 + waiting / self.capacity);
                control.report((dropped / sent) as f32, Some(round_trip), now);
                (sent, dropped) = (0.0, 0.0);
            }
            if (step + 1) % 100 == 0 {
                let lost = dropped_here / sent_here;
                seen.push(Second { lost, waiting: waiting / self.capacity, settings: control.settings() });
                (sent_here, dropped_here) = (0.0, 0.0);
            }
        }
        seen
    }
}

#[test]
fn a_link_of_25_kbit_per_second_carries_the_call() {
    for (queue, every) in [(200, 1), (200, 5), (3_000, 1), (3_000, 5), (20_000, 1)] {
        let link = Link {
            capacity: 25_000.0,
            queue: Duration::from_millis(queue),
            every: Duration::from_secs(every),
            radio: 0.0,
        };
        let mut control = control();
        let seen = link.run(&mut control, Instant::now(), 120);
        let late = &seen[60..];
        let lost = late.iter().map(|second| second.lost).sum::<f64>() / late.len() as f64;
        let waiting = late.iter().map(|second| second.waiting).sum::<f64>() / late.len() as f64;
        let last = late[late.len() - 1];
        println!("{queue} ms, every {every} s: lost {lost:.3}, waiting {waiting:.3} s, {last:?}");
        assert!(lost < 0.03, "{queue} ms, reports every {every} s: {lost:.3} are lost");
        assert!(waiting < 0.3, "{queue} ms, reports every {every} s: {waiting:.2} s are waiting");
        assert!(last.settings.bitrate >= LEAST && last.settings.length >= Length::Ms40, "{last:?}");
    }
}

#[test]
fn a_link_that_throws_away_what_is_above_its_rate_gets_less() {
    for (capacity, most_lost) in [(25_000.0, 0.1), (35_000.0, 0.1), (15_000.0, 0.25)] {
        let link =
            Link { capacity, queue: Duration::from_millis(20), every: Duration::from_secs(1), radio: 0.0 };
        let mut control = control();
        let seen = link.run(&mut control, Instant::now(), 180);
        let late = &seen[60..];
        let lost = late.iter().map(|second| second.lost).sum::<f64>() / late.len() as f64;
        println!("{capacity} b/s: lost {lost:.3}, {:?}", late[late.len() - 1]);
        assert!(lost < most_lost, "{capacity} b/s: {lost:.3} are lost");
    }
}

#[test]
fn a_radio_link_too_narrow_for_twice_the_bits_is_soon_left_alone() {
    for (capacity, queue, every) in
        [(60_000.0, 20, 1), (60_000.0, 500, 1), (60_000.0, 5_000, 1), (60_000.0, 500, 5)]
    {
        for radio in [0.05, 0.1] {
            let (queue, every) = (Duration::from_millis(queue), Duration::from_secs(every));
            let link = Link { capacity, queue, every, radio };
            let mut control = control();
            let seen = link.run(&mut control, Instant::now(), 600);
            let late = &seen[60..];
            let lost = late.iter().map(|second| second.lost).sum::<f64>() / late.len() as f64;
            let waiting = late.iter().map(|second| second.waiting).sum::<f64>() / late.len() as f64;
            let less = late.iter().filter(|second| second.settings.bitrate < 32_000).count();
            println!("{link:?}: lost {lost:.3}, waiting {waiting:.3} s, less than usual in {less} s");
            assert!(lost < radio + 0.03, "{link:?}: {lost:.3} are lost");
            assert!(waiting < 0.2, "{link:?}: {waiting:.2} s are waiting");
            assert!(less < late.len() / 10, "{link:?}: {less} s with less than usual");
        }
    }
}

#[test]
fn a_third_lost_at_random_is_answered_with_fec_once_less_has_helped_nothing() {
    for lost in [0.3, 0.35, 0.45] {
        let mut kept = 0;
        for seed in 0..20u64 {
            println!("seed {seed}");
            let mut dice = StdRng::seed_from_u64(seed);
            let (mut control, start) = (control(), Instant::now());
            let mut told = control.settings();
            for second in 0..600u64 {
                let packets = 100 / told.length.frames();
                let gone = (0..packets).filter(|_| dice.random_bool(lost)).count();
                let share = gone as f32 / packets as f32;
                // The first reports and some of the later ones echo no report of ours.
                let echoed = second >= 3 && dice.random_bool(0.75);
                let round_trip = echoed.then(|| Duration::from_millis(30 + dice.random_range(0..20)));
                let changed = control.report(share, round_trip, start + Duration::from_secs(second));
                told = changed.unwrap_or(told);
                kept += usize::from(
                    (told.expected_loss, told.length) == (20, Length::Ms20) && told.bitrate >= 32_000,
                );
            }
        }
        assert!(kept > 20 * 600 * 95 / 100, "{lost}: whole in {kept} of 12000 s");
    }
}

#[test]
fn what_was_taken_back_on_a_jammed_link_comes_again() {
    let jammed = Link {
        capacity: 25_000.0,
        queue: Duration::from_millis(500),
        every: Duration::from_secs(1),
        radio: 0.0,
    };
    let free = Link { capacity: 1e6, ..jammed };
    let (mut control, start) = (control(), Instant::now());
    jammed.run(&mut control, start, 30);
    let seen = free.run(&mut control, start + Duration::from_secs(30), 240);
    let settings = seen[seen.len() - 1].settings;
    assert_eq!((settings.bitrate, settings.length), (32_000, Length::Ms10));
}

#[test]
fn a_radio_link_with_a_wandering_round_trip_keeps_its_bits() {
    let (mut control, start) = (control(), Instant::now());
    let reports: Vec<(f32, u64)> = (0..200).map(|i| (0.015, 40 + i * 37 % 70)).collect();
    let settings = after(&mut control, start, &reports);
    assert_eq!((settings.bitrate, settings.length), (32_000, Length::Ms20));
}
