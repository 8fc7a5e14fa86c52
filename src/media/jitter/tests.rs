//! Everything on virtual time: a packet is 20 ms of sound, a tick is 10 ms.

use proptest::prelude::*;

use super::pace::{Change, Pace};
use super::*;
use crate::media::packet::Payload;

const PACKET: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(10);

fn packet(sequence: u16, arrival: Instant) -> Arrived {
    Arrived {
        ssrc: 1,
        sequence,
        timestamp: u32::from(sequence).wrapping_mul(960),
        codec: Codec::Opus,
        comfort: false,
        samples: 960,
        arrival,
        payload: Payload::copy_of(&[SILK, 0, 0, 0]).unwrap(),
    }
}

/// The first byte of a packet of 20 ms of Opus, and the flag in the second
/// that says that it carries the packet before it.
const SILK: u8 = 0x48;
const FEC: u8 = 0x40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Packet(u16),
    Lost { restored: bool },
    Starved,
    Comfort,
    Silence,
}

/// A buffer with a player that stretches as the real one does, but always
/// finds the place it wants: asks for a turn whenever it has run out of sound.
struct Player {
    buffer: JitterBuffer,
    pace: Pace,
    left: u64,
    pause: bool,
}

impl Player {
    fn new() -> Self {
        Self { buffer: JitterBuffer::new(), pace: Pace::default(), left: 0, pause: false }
    }

    /// 10 ms of playing.
    fn tick(&mut self, now: Instant, heard: &mut Vec<Heard>) {
        self.buffer.begin_frame(now);
        while self.left < 480 {
            let (what, samples) = match self.buffer.next_turn(now) {
                Turn::Packet(packet) => (Heard::Packet(packet.sequence), u64::from(packet.samples)),
                Turn::Lost { samples, next, .. } => {
                    (Heard::Lost { restored: next.is_some() }, u64::from(samples))
                }
                Turn::Starved => (Heard::Starved, 480),
                Turn::Comfort => (Heard::Comfort, 480),
                Turn::Silence => (Heard::Silence, 480),
            };
            heard.push(what);
            self.left += samples;
            if matches!(what, Heard::Packet(_)) && samples >= 960 {
                self.stretch();
            }
        }
        self.left -= 480;
    }

    fn stretch(&mut self) {
        let change = match self.pace.change(self.buffer.surplus(), 960, self.pause) {
            Change::Keep => 0,
            Change::Shorten { most, .. } => -(most.min(480) as i64),
            Change::Lengthen { most, .. } => most.min(480) as i64,
        };
        self.pace.changed(change.unsigned_abs() as usize);
        self.buffer.stretched(change);
        self.left = self.left.checked_add_signed(change).unwrap();
    }
}

/// Plays `arrivals` (when after the start, and which) for `length`.
fn play(mut arrivals: Vec<(Duration, u16)>, length: Duration) -> (Vec<Heard>, Counts) {
    arrivals.sort_by_key(|(when, _)| *when);
    let start = Instant::now();
    let mut player = Player::new();
    let mut heard = Vec::new();
    let mut arrivals = arrivals.into_iter().peekable();
    let mut time = Duration::ZERO;
    while time < length {
        while let Some((when, sequence)) = arrivals.next_if(|(when, _)| *when <= time) {
            player.buffer.insert(packet(sequence, start + when));
        }
        player.tick(start + time, &mut heard);
        time += TICK;
    }
    (heard, player.buffer.counts().clone())
}

fn packets(heard: &[Heard]) -> Vec<u16> {
    heard
        .iter()
        .filter_map(|what| match what {
            Heard::Packet(sequence) => Some(*sequence),
            Heard::Lost { .. } | Heard::Starved | Heard::Comfort | Heard::Silence => None,
        })
        .collect()
}

fn steady(from: u16, count: u16) -> Vec<(Duration, u16)> {
    (0..count).map(|i| (PACKET * u32::from(i), from.wrapping_add(i))).collect()
}

#[test]
fn a_steady_stream_is_played_whole_after_the_start_delay() {
    let (heard, counts) = play(steady(10, 100), Duration::from_secs(2));
    assert_eq!(heard[..2], [Heard::Silence, Heard::Packet(10)]);
    assert_eq!(packets(&heard), (10..110).collect::<Vec<_>>());
    assert!(!heard.contains(&Heard::Starved), "{heard:?}");
    assert_eq!((counts.lost, counts.late, counts.dropped), (0, 0, 0));
    // The first tick that finds it has waited long enough.
    assert!(target::LEAST <= TICK);
    assert_eq!(counts.delay, TICK);
}

#[test]
fn sequence_numbers_wrap() {
    let (heard, counts) = play(steady(65_500, 100), Duration::from_secs(2));
    let expected: Vec<u16> = (0..100).map(|i| 65_500u16.wrapping_add(i)).collect();
    assert_eq!(packets(&heard), expected);
    assert_eq!(counts.lost, 0);
}

#[test]
fn reordered_packets_are_played_in_order() {
    let mut arrivals = steady(0, 60);
    for pair in arrivals[10..50].chunks_mut(2) {
        let (first, second) = (pair[0].0, pair[1].0);
        (pair[0].0, pair[1].0) = (second, first);
    }
    let (heard, counts) = play(arrivals, Duration::from_secs(2));
    let played = packets(&heard);
    assert!(played.is_sorted(), "{played:?}");
    // The first pair finds the buffer too short; it grows, and no other does.
    assert_eq!((counts.lost, counts.late), (1, 1), "{heard:?}");
    assert_eq!(played.len(), 59);
    assert_eq!(counts.reordered, 19);
}

#[test]
fn an_overtaken_first_packet_is_still_played_first() {
    let arrivals = vec![(Duration::ZERO, 1), (TICK, 0), (PACKET, 2), (PACKET * 2, 3)];
    let (heard, counts) = play(arrivals, Duration::from_millis(120));
    assert_eq!(packets(&heard), [0, 1, 2, 3]);
    assert_eq!((counts.lost, counts.late), (0, 0));
}

#[test]
fn duplicates_are_counted_and_played_once() {
    let mut arrivals = steady(0, 50);
    arrivals.extend(steady(0, 50));
    arrivals.extend((0..40).map(|i| (PACKET * (u32::from(i) + 4), i)));
    let (heard, counts) = play(arrivals, Duration::from_secs(2));
    assert_eq!(packets(&heard), (0..50).collect::<Vec<_>>());
    assert_eq!((counts.duplicated, counts.late), (90, 0));
}

#[test]
fn a_lost_packet_is_restored_from_the_next_one() {
    let mut arrivals = steady(0, 100);
    arrivals.retain(|(_, sequence)| *sequence % 10 != 5);
    let (heard, counts) = play(arrivals, Duration::from_millis(2040));
    assert_eq!(counts.lost, 10, "{heard:?}");
    assert_eq!(packets(&heard).len(), 90);
    let restored = heard.iter().filter(|what| **what == Heard::Lost { restored: true }).count();
    assert!(restored >= 9, "{heard:?}");
}

#[test]
fn a_late_packet_makes_the_delay_grow_and_no_later_one_late() {
    let mut arrivals = steady(0, 100);
    // From packet 30 on the path is 50 ms longer.
    for (when, sequence) in &mut arrivals {
        if *sequence >= 30 {
            *when += Duration::from_millis(50);
        }
    }
    let (heard, counts) = play(arrivals, Duration::from_millis(2200));
    assert_eq!(packets(&heard), (0..100).collect::<Vec<_>>());
    assert_eq!((counts.lost, counts.late), (0, 0));
    let starved = heard[..80].iter().filter(|what| **what == Heard::Starved).count();
    assert!((1..=6).contains(&starved), "{starved}");
}

#[test]
fn delay_that_is_no_longer_needed_is_given_up_slowly() {
    let mut arrivals = steady(0, 1000);
    for (when, sequence) in &mut arrivals {
        if *sequence < 50 {
            *when += Duration::from_millis(180);
        }
    }
    let (_, counts) = play(arrivals, Duration::from_secs(20));
    assert!(counts.delay <= Duration::from_millis(60), "{:?}", counts.delay);
    assert_eq!(counts.dropped, 0, "it is squeezed out, not cut out");
}

#[test]
fn delay_that_is_no_longer_needed_is_given_up_in_the_first_pause() {
    let start = Instant::now();
    let mut player = Player::new();
    let mut heard = Vec::new();
    for tick in 0..400u32 {
        let now = start + TICK * tick;
        // The first packets of a spurt come 100 ms late, all others in time.
        if tick == 10 {
            (0..5).for_each(|sequence| player.buffer.insert(packet(sequence, now)));
        }
        if tick >= 10 && tick % 2 == 0 {
            player.buffer.insert(packet((tick / 2) as u16, now));
        }
        player.pause = (200..210).contains(&tick);
        player.tick(now, &mut heard);
        if tick == 199 {
            assert!(player.buffer.counts().delay >= Duration::from_millis(40), "nothing is there to give up");
        }
    }
    let counts = player.buffer.counts();
    assert!(counts.delay <= Duration::from_millis(20) && counts.dropped == 0, "{counts:?}");
    assert!(!heard.contains(&Heard::Starved), "the cut went too deep");
}

#[test]
fn delay_from_a_stall_of_the_loudspeaker_is_given_up_at_once() {
    let start = Instant::now();
    let mut player = Player::new();
    let mut heard = Vec::new();
    let mut delays = Vec::new();
    for tick in 0..300u32 {
        let now = start + TICK * tick;
        if tick % 2 == 0 {
            player.buffer.insert(packet((tick / 2) as u16, now));
        }
        // The loudspeaker takes nothing for 400 ms after the first sounds.
        if tick == 50 {
            assert!(player.buffer.buffered() >= Duration::from_millis(380), "there was no stall");
        }
        if !(10..50).contains(&tick) {
            player.tick(now, &mut heard);
            delays.push(player.buffer.counts().delay);
        }
    }
    let cut = delays.iter().rposition(|delay| *delay > Duration::from_millis(120)).unwrap_or(10);
    // The player has had ten ticks before the stall and one every 10 ms after it.
    assert!(cut < 10 + 40, "only after {} ms", (cut - 10) * 10);
    assert!(*delays.last().unwrap() <= Duration::from_millis(80), "{:?} in the end", delays.last());
    assert_eq!(player.buffer.counts().late + player.buffer.counts().lost, 0);
    assert!(!heard.contains(&Heard::Starved), "the cut went too deep");
}

#[test]
fn a_burst_keeps_latency_bounded() {
    // Two seconds of sound at once, then on as usual.
    let mut arrivals: Vec<_> = (0..100).map(|i| (Duration::from_secs(2), i)).collect();
    arrivals.extend((100..150).map(|i| (PACKET * u32::from(i), i)));
    let (heard, counts) = play(arrivals, Duration::from_secs(3));
    assert!(counts.delay <= LONGEST_DELAY + PACKET, "{:?}", counts.delay);
    assert!(counts.dropped > 50, "{counts:?}");
    assert!(packets(&heard).is_sorted());
}

#[test]
fn a_pause_of_the_far_end_is_silence_and_not_loss() {
    let mut arrivals = steady(0, 50);
    arrivals.extend((50..100).map(|i| (PACKET * u32::from(i) + Duration::from_secs(3), i)));
    let (heard, counts) = play(arrivals, Duration::from_secs(6));
    assert_eq!(packets(&heard), (0..100).collect::<Vec<_>>());
    assert_eq!((counts.lost, counts.late, counts.dropped), (0, 0, 0));
    let starved = heard.iter().filter(|what| **what == Heard::Starved).count();
    assert!(starved <= 20, "concealment went on for {starved} ticks");
}

#[test]
fn packets_lost_in_an_outage_are_counted() {
    let mut arrivals = steady(0, 200);
    arrivals.retain(|(_, sequence)| !(50..150).contains(sequence));
    let (heard, counts) = play(arrivals, Duration::from_millis(4040));
    assert_eq!(packets(&heard).len(), 100, "{counts:?}");
    assert_eq!(counts.lost, 100);
    // What is played after the outage is not late by the outage.
    assert!(counts.delay < Duration::from_millis(100), "{:?}", counts.delay);
}

#[test]
fn sound_from_before_the_player_was_there_does_no_harm_to_what_follows() {
    // (How old the newest of the first 32 packets is, and the next number.)
    for (age, next) in [(0, 500), (400, 500), (5_000, 500), (5_000, 60)] {
        let start = Instant::now();
        let mut player = Player::new();
        let mut heard = Vec::new();
        for i in 0..32u16 {
            let mut packet = packet(i, start);
            packet.arrival = start - Duration::from_millis(age) - PACKET * u32::from(31 - i);
            player.buffer.insert_fresh(packet, start);
        }
        for i in 0..50u16 {
            let now = start + PACKET * u32::from(i);
            player.buffer.insert_fresh(packet(next + i, now), now);
            player.tick(now, &mut heard);
            player.tick(now + TICK, &mut heard);
        }
        assert_eq!(packets(&heard), (next..next + 50).collect::<Vec<_>>(), "{age} {next}: {heard:?}");
        let counts = player.buffer.counts();
        assert!(counts.delay <= PACKET, "{age} {next}: {:?}", counts.delay);
        assert!(!heard.iter().any(|what| matches!(what, Heard::Lost { .. })), "{age} {next}: {heard:?}");
        assert_eq!((counts.received, counts.dropped), (82, 32), "{age} {next}");
    }
}

#[test]
fn a_surplus_behind_a_hole_is_given_up_too() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::new();
    // After the first packet ten are lost, and four more come 250 ms too early.
    buffer.insert(packet(0, start));
    for tick in 1..3 {
        buffer.begin_frame(start + TICK * tick);
        assert!(matches!(buffer.next_turn(start + TICK * tick), Turn::Packet(_) | Turn::Starved));
    }
    (11..15).for_each(|sequence| buffer.insert(packet(sequence, start + TICK * 3)));
    buffer.begin_frame(start + TICK * 3);
    assert!(matches!(buffer.next_turn(start + TICK * 3), Turn::Lost { .. }));
    assert!(buffer.counts().lost >= 9, "the whole hole is waited through although the delay is too long");
}

#[test]
fn another_source_begins_afresh() {
    let start = Instant::now();
    let mut player = Player::new();
    let mut heard = Vec::new();
    for i in 0..20u16 {
        let now = start + PACKET * u32::from(i);
        let mut packet = packet(if i < 10 { i } else { 40_000 + i }, now);
        packet.ssrc = if i < 10 { 1 } else { 2 };
        player.buffer.insert(packet);
        player.tick(now, &mut heard);
        player.tick(now + TICK, &mut heard);
    }
    assert_eq!(packets(&heard).last(), Some(&40_019));
    assert_eq!(player.buffer.counts().lost, 0);
}

#[test]
fn a_jump_in_sequence_numbers_is_followed_once_it_is_confirmed() {
    let mut arrivals = steady(0, 50);
    arrivals.push((PACKET * 25 + TICK, 30_000));
    let (heard, _) = play(arrivals.clone(), Duration::from_secs(1));
    assert!(!packets(&heard).contains(&30_000), "one stray packet must not take over");
    arrivals.extend((0..50).map(|i| (PACKET * (50 + u32::from(i)), 20_000 + i)));
    let (heard, _) = play(arrivals, Duration::from_secs(3));
    assert!(packets(&heard).contains(&20_049));
}

#[test]
fn jitter_is_that_of_rfc_3550() {
    // Every other packet comes 10 ms late: |D| is 10 ms throughout.
    let late = |i: u16| if i % 2 == 1 { TICK } else { Duration::ZERO };
    let arrivals = (0..200).map(|i| (PACKET * u32::from(i) + late(i), i)).collect();
    let (_, counts) = play(arrivals, Duration::from_secs(5));
    let millis = counts.jitter.as_secs_f64() * 1e3;
    assert!((9.0..=10.1).contains(&millis), "{millis} ms");
}

#[test]
fn a_sound_server_that_reads_in_gusts_is_met_by_delay_and_not_by_concealment() {
    let start = Instant::now();
    let mut player = Player::new();
    let mut heard = Vec::new();
    let mut early = 0;
    for gust in 0..500u32 {
        let now = start + PACKET * 2 * gust;
        for i in 0..2 {
            let sequence = (gust * 2 + i) as u16;
            player.buffer.insert(packet(sequence, start + PACKET * u32::from(sequence)));
        }
        (0..4).for_each(|_| player.tick(now + TICK * 3, &mut heard));
        // Pauses in which all that is too much would be given up.
        player.pause = gust % 20 > 15;
        if gust == 25 {
            early = heard.len();
        }
    }
    let starved = heard[early..].iter().filter(|what| **what == Heard::Starved).count();
    assert!(starved <= 2, "{starved} frames were concealed after the first second");
    assert!(player.buffer.counts().delay <= Duration::from_millis(60), "{:?}", player.buffer.counts().delay);
    assert_eq!(player.buffer.counts().lost + player.buffer.counts().dropped, 0);
}

#[test]
fn the_next_packet_is_waited_for_where_it_restores_lost_ones() {
    for (flag, delay) in [(FEC, Duration::from_micros(22_500)), (0, target::LEAST)] {
        let start = Instant::now();
        let mut player = Player::new();
        let (mut heard, mut half) = (Vec::new(), 0);
        for i in 0..1_000u16 {
            let now = start + PACKET * u32::from(i);
            let mut packet = packet(i, now);
            packet.payload = Payload::copy_of(&[SILK, flag, 0, 0]).unwrap();
            if i % 10 != 7 {
                player.buffer.insert(packet);
            }
            if i == 500 {
                half = heard.len();
            }
            player.tick(now, &mut heard);
            player.tick(now + TICK, &mut heard);
        }
        assert_eq!(player.buffer.target(), delay, "flag {flag}");
        let late = &heard[half..];
        let starved = late.iter().filter(|what| **what == Heard::Starved).count();
        if flag == FEC {
            assert_eq!(starved, 0, "{late:?}");
            assert!(late.iter().filter(|what| **what == Heard::Lost { restored: true }).count() >= 49);
        } else {
            // Half of each lost packet is concealed before it is known to be lost.
            assert!((45..=55).contains(&starved), "{starved}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever comes whenever, nothing panics, memory stays, and every turn
    /// makes progress.
    #[test]
    fn hostile_packets_do_no_harm(
        packets in proptest::collection::vec(
            (any::<u16>(), 0u32..3, any::<u32>(), 1u16..5760, 0u64..200, 0usize..4), 1..400)
    ) {
        let start = Instant::now();
        let mut player = Player::new();
        let mut now = start;
        let mut near = 0u16;
        for (wild, ssrc, timestamp, samples, wait, kind) in packets {
            now += Duration::from_millis(wait / 10);
            near = match kind {
                0 => wild,
                1 => near.wrapping_add(1),
                2 => near.wrapping_add(wild % 50),
                _ => near.wrapping_sub(wild % 50),
            };
            let mut packet = packet(near, now);
            packet.ssrc = ssrc / 2;
            packet.timestamp = timestamp;
            packet.samples = samples;
            player.buffer.insert(packet);
            let mut heard = Vec::new();
            player.tick(now, &mut heard);
            prop_assert!(heard.len() < 2_000, "one tick took {} turns", heard.len());
            prop_assert!(player.buffer.end >= player.buffer.next);
            prop_assert!(player.buffer.end - player.buffer.next <= SLOTS as u64);
            let counts = player.buffer.counts();
            prop_assert!(counts.late + counts.duplicated + counts.dropped <= counts.received);
        }
    }

    /// Loss and reordering within reach: what is played is in order, and
    /// every packet is played, lost or late.
    #[test]
    fn every_packet_is_accounted_for(
        fates in proptest::collection::vec((0u32..60, 0u32..10), 20..300), first in any::<u16>()
    ) {
        let mut arrivals = Vec::new();
        for (i, (delay, fate)) in fates.iter().enumerate() {
            if *fate != 0 || i == 0 || i + 1 == fates.len() {
                let when = PACKET * i as u32 + Duration::from_millis(u64::from(*delay));
                arrivals.push((when, first.wrapping_add(i as u16)));
            }
        }
        let sent = arrivals.len() as u64;
        let (heard, counts) = play(arrivals, PACKET * fates.len() as u32 + Duration::from_secs(2));
        let played: Vec<u16> = packets(&heard).iter().map(|s| s.wrapping_sub(first)).collect();
        prop_assert!(played.is_sorted(), "{:?}", played);
        prop_assert_eq!(played.len() as u64 + counts.late + counts.dropped, sent);
        prop_assert_eq!(counts.received, sent);
    }
}
