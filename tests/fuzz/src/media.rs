//! RTP and RTCP that were authentic, from the datagram to the loudspeaker:
//! tap, digits, reports, jitter buffer, decoders.
//!
//! Bytes: a step of time, a length, and a datagram or, where the step's highest
//! bit is set, the parts of a packet that a far end would send.

use std::time::Duration;

use callbox::media::fuzzing::Ear;

use super::feed::Feed;

/// From the network to the loudspeaker: the buffer's bound, the longest packet
/// and a stretch of sound.
const LONGEST_DELAY: u64 = 900;

pub fn run(data: &[u8]) {
    let mut feed = Feed(data);
    let mut ear = Ear::new().expect("libopus");
    let (mut now, mut heard) = (Duration::from_secs(1), Duration::from_secs(1));
    let (mut sequence, mut timestamp) = (65_530_u16, u32::MAX - 5_000);
    let mut datagrams = 0;
    let mut digits = 0;
    while !feed.is_empty() && datagrams < 300 {
        datagrams += 1;
        let step = feed.byte();
        let bytes = feed.record();
        if step & 0x80 == 0 {
            ear.arrive(bytes, now);
        } else {
            let mut parts = Feed(bytes);
            let (kind, odd) = (parts.byte(), parts.byte());
            sequence = sequence.wrapping_add_signed(if odd & 0xf0 == 0xf0 { -4 } else { 1 });
            timestamp = timestamp.wrapping_add(if odd & 0x0f == 0x0f { 1 << 20 } else { 960 });
            let payload_type = [111, 111, 0, 8, 101, 13, 77, 111][usize::from(kind % 8)];
            let mut packet = vec![0x80, payload_type | kind & 0x80];
            packet.extend(sequence.to_be_bytes());
            packet.extend(timestamp.to_be_bytes());
            packet.extend([0, 0, 0, 9 + u8::from(odd == 0xff)]);
            packet.extend(parts.0);
            ear.arrive(&packet, now);
        }
        digits += ear.digits(now).len();
        now += Duration::from_millis(u64::from(step & 0x3f));
        while heard < now {
            let frame = ear.listen(heard);
            ear.speak(&frame, heard);
            heard += Duration::from_millis(10);
        }
        let stats = ear.stats();
        assert!(stats.playout_delay_ms.get() <= LONGEST_DELAY, "{} ms", stats.playout_delay_ms.get());
        assert!(stats.jitter_buffer_ms.get() <= LONGEST_DELAY);
    }
    assert!(digits <= datagrams, "{digits} digits out of {datagrams} datagrams");
}
