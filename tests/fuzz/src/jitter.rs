//! The jitter buffer with packets of any number, time, source and size, that
//! arrive and are fetched at any time.
//!
//! Bytes: nine a packet.

use std::time::Duration;

use callbox::media::Codec;
use callbox::media::fuzzing::{Jitter, Parcel};

use super::feed::Feed;

/// The buffer's own bound (`LONGEST_DELAY`), and the packet that may be over it.
const MOST: Duration = Duration::from_millis(500 + 175);

/// Samples of packets: Opus's lengths, a G.711 packet's greatest, and odd ones.
const SAMPLES: [u16; 8] = [960, 480, 1_920, 2_880, 5_760, 8_400, 120, 1];

pub fn run(data: &[u8]) {
    let mut feed = Feed(data);
    let mut jitter = Jitter::default();
    let mut now = Duration::from_secs(1);
    let mut heard = now;
    let mut owed = 0_i64;
    let (mut sequence, mut timestamp, mut ssrc) = (u16::from(feed.byte()) << 8, feed.long(), 1_u32);
    let mut packets = 0;
    while !feed.is_empty() && packets < 2_000 {
        packets += 1;
        let (flags, samples) = (feed.byte(), SAMPLES[usize::from(feed.byte() % 8)]);
        let (step, jump) = (feed.byte() as i8, feed.word());
        sequence = match flags & 3 {
            0 | 1 => sequence.wrapping_add(1),
            2 => sequence.wrapping_add_signed(i16::from(step)),
            _ => jump,
        };
        timestamp = match flags >> 2 & 3 {
            0 | 1 => timestamp.wrapping_add(u32::from(samples)),
            2 => timestamp.wrapping_add(u32::from(samples)).wrapping_add_signed(i32::from(step) * 960),
            _ => u32::from(jump) << 16 | u32::from(samples),
        };
        ssrc = ssrc.wrapping_add(u32::from(flags >> 4 & 7 == 7));
        let codec = [Codec::Opus, Codec::Pcmu, Codec::Pcma, Codec::Opus][usize::from(jump % 4)];
        let late = Duration::from_millis(u64::from(feed.byte()));
        let parcel = Parcel {
            ssrc,
            sequence,
            timestamp,
            codec,
            comfort: flags >> 4 & 7 == 6 && codec != Codec::Opus,
            samples,
            arrival: if flags & 0x80 == 0 { now } else { now.saturating_sub(late) },
            payload: [feed.byte(), step as u8],
        };
        jitter.insert(&parcel, now);
        assert!(jitter.buffered() <= MOST, "{:?} are buffered", jitter.buffered());
        now += Duration::from_millis(u64::from(feed.byte()));
        while heard < now {
            // A stalled loudspeaker asks late, and then for several frames at once.
            listen(&mut jitter, if flags & 0x40 == 0 { heard } else { now }, &mut owed);
            heard += Duration::from_millis(10);
        }
    }
    let (received, odd) = jitter.counted();
    assert_eq!(received, packets);
    assert!(odd <= received * 3_100, "{odd} odd packets of {received}");
}

/// A frame of 10 ms, as the player fetches it.
fn listen(jitter: &mut Jitter, now: Duration, owed: &mut i64) {
    jitter.frame(now);
    let mut turns = 0;
    while *owed < 480 {
        let samples = i64::from(jitter.turn(now));
        assert!(samples > 0, "a turn without sound would be asked for without end");
        let change = jitter.surplus().clamp(-480, 480).min(samples / 2);
        jitter.stretched(-change);
        *owed += samples - change;
        turns += 1;
        assert!(turns < 2_000, "{turns} turns in one frame");
    }
    *owed -= 480;
}
