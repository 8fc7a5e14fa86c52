//! DTMF as telephone events (RFC 4733).

use std::time::Duration;

/// How long a digit sounds.
pub(super) const TONE: Duration = Duration::from_millis(100);

/// Silence between digits.
pub(super) const GAP: Duration = Duration::from_millis(60);

/// Time between two reports of one event.
pub(super) const STEP: Duration = Duration::from_millis(20);

/// The last report is sent so often, in case of loss (RFC 4733 section 2.5.1.4).
pub(super) const END_REPORTS: usize = 3;

/// Power of the tone, dB below 0 dBm0.
const VOLUME: u8 = 10;

/// The clock of the events' durations, Hz, and that of Opus.
const CLOCK: u32 = 8_000;
const OPUS_CLOCK: u32 = 48_000;

const DIGITS: &[u8; 16] = b"0123456789*#ABCD";

/// The event code of a digit (RFC 4733 table 3), or `None` if it is none.
pub(super) fn event_of(digit: char) -> Option<u8> {
    let digit = u8::try_from(digit).ok()?.to_ascii_uppercase();
    DIGITS.iter().position(|known| *known == digit).and_then(|event| u8::try_from(event).ok())
}

/// The payload that reports an event that has lasted for `elapsed`.
pub(super) fn report(event: u8, elapsed: Duration, end: bool) -> [u8; 4] {
    let duration = (elapsed.as_millis() as u32 * CLOCK / 1000).min(0xffff) as u16;
    let [high, low] = duration.to_be_bytes();
    [event, u8::from(end) << 7 | VOLUME, high, low]
}

/// Tells key presses from their many reports.
///
/// All reports of one press carry the timestamp of its beginning, so a
/// timestamp not seen lately is a new press, even if its first reports are
/// lost; late repeats of an older press are recognised by theirs.
#[derive(Default)]
pub(super) struct Receiver {
    seen: [Option<(u32, u32)>; 4],
    oldest: usize,
    /// The press that came last.
    last: Option<Press>,
}

#[derive(Clone, Copy)]
struct Press {
    event: u8,
    ssrc: u32,
    timestamp: u32,
    ended: bool,
}

impl Press {
    /// A press longer than a report can tell goes on under a new timestamp,
    /// which is where the report is full (RFC 4733 section 2.5.1.3), by the
    /// clock of the events or, from some senders, that of Opus. The full report
    /// may be lost, so the time alone tells.
    fn goes_on_as(&self, later: &Press) -> bool {
        let full = u32::from(u16::MAX);
        let after = later.timestamp.wrapping_sub(self.timestamp);
        !self.ended
            && (self.event, self.ssrc) == (later.event, later.ssrc)
            && (after == full || after == full * OPUS_CLOCK / CLOCK)
    }
}

impl Receiver {
    /// Takes a report; tells the digit if it begins a press.
    pub(super) fn take(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) -> Option<char> {
        let [event, flags, _, _, ..] = *payload else { return None };
        let digit = char::from(*DIGITS.get(usize::from(event))?);
        let ended = flags & 0x80 != 0;
        if self.seen.contains(&Some((ssrc, timestamp))) {
            if let Some(last) =
                self.last.as_mut().filter(|last| (last.ssrc, last.timestamp) == (ssrc, timestamp))
            {
                last.ended |= ended;
            }
            return None;
        }
        self.seen[self.oldest] = Some((ssrc, timestamp));
        self.oldest = (self.oldest + 1) % self.seen.len();
        let press = Press { event, ssrc, timestamp, ended };
        let continues = self.last.replace(press).is_some_and(|last| last.goes_on_as(&press));
        (!continues).then_some(digit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_events_match() {
        for (event, digit) in DIGITS.iter().enumerate() {
            assert_eq!(event_of(char::from(*digit)), Some(event as u8));
        }
        assert_eq!(event_of('d'), Some(15));
        for wrong in ['E', ' ', 'ø', '+'] {
            assert_eq!(event_of(wrong), None);
        }
    }

    #[test]
    fn one_press_is_one_digit_whatever_is_lost_or_repeated() {
        let mut receiver = Receiver::default();
        let mut digits = Vec::new();
        for (timestamp, event) in [(1000, 5), (3000, 5), (5000, 11)] {
            for step in 1..=5u64 {
                let payload = report(event, Duration::from_millis(20 * step), step == 5);
                for _ in 0..if step == 5 { 3 } else { 1 } {
                    digits.extend(receiver.take(7, timestamp, &payload));
                }
            }
        }
        // The beginning is lost.
        digits.extend(receiver.take(7, 7000, &report(0, TONE, true)));
        // A late repeat of an older press.
        digits.extend(receiver.take(7, 5000, &report(11, TONE, true)));
        assert_eq!(digits, ['5', '5', '#', '0']);
    }

    #[test]
    fn a_press_of_ten_seconds_is_one_digit() {
        let mut receiver = Receiver::default();
        assert_eq!(receiver.take(7, 0, &[1, 10, 0, 160]), Some('1'));
        assert_eq!(receiver.take(7, 0, &[1, 10, 0xff, 0xff]), None);
        assert_eq!(receiver.take(7, 0xffff, &[1, 10, 0, 160]), None);
        assert_eq!(receiver.take(7, 0xffff, &[1, 0x8a, 0, 200]), None);
        // The full report is lost; and the clock is that of Opus.
        for full in [0xffff, 0xffff * 6] {
            let begin = 0_u32.wrapping_sub(full / 2);
            assert_eq!(receiver.take(8, begin, &[2, 10, 0, 160]), Some('2'));
            assert_eq!(receiver.take(8, begin.wrapping_add(full), &[2, 10, 0, 160]), None);
            assert_eq!(receiver.take(8, begin.wrapping_add(full), &[2, 0x8a, 9, 0]), None);
            // What had ended does not go on.
            let next = begin.wrapping_add(full).wrapping_add(full);
            assert_eq!(receiver.take(8, next, &[2, 10, 0, 160]), Some('2'));
            assert_eq!(receiver.take(8, next, &[2, 0x8a, 0, 200]), None);
        }
    }

    #[test]
    fn in_a_hundred_thousand_digits_under_loss_and_disorder_none_comes_twice() {
        let mut random = Random(20_261_122);
        for (loss, of) in [(5, 100), (20, 100)] {
            let mut receiver = Receiver::default();
            let (mut sent, mut came, mut wire) = (Vec::new(), Vec::new(), Vec::new());
            let mut timestamp = u32::MAX - 1_000_000;
            for _ in 0..50_000 {
                let event = random.below(16) as u8;
                sent.push(DIGITS[usize::from(event)]);
                for step in 1..=7u64 {
                    let payload = report(event, Duration::from_millis(20 * step.min(5)), step >= 5);
                    wire.push((timestamp, payload));
                }
                timestamp = timestamp.wrapping_add(200 * 48);
            }
            for at in 0..wire.len() {
                // Overtaken by up to 60 ms.
                if random.below(100) < 5 {
                    let other = (at + random.below(4) as usize).min(wire.len() - 1);
                    wire.swap(at, other);
                }
            }
            for (timestamp, payload) in wire {
                if random.below(of) >= loss {
                    came.extend(receiver.take(7, timestamp, &payload).map(|digit| digit as u8));
                }
            }
            let missing = sent.len() - came.len().min(sent.len());
            assert!(came.len() <= sent.len(), "{} of {} came", came.len(), sent.len());
            // Seven reports of each: one digit in a thousand million is lost at 5 %, one in 78,000 at 20 %.
            assert!(missing <= if loss == 5 { 0 } else { 5 }, "{missing} are missing at {loss} %");
        }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % n
        }
    }

    #[test]
    fn nonsense_is_no_digit() {
        let mut receiver = Receiver::default();
        for payload in [&[][..], &[1], &[1, 0, 0], &[16, 0, 0, 0], &[255; 4]] {
            assert_eq!(receiver.take(1, 1, payload), None);
        }
    }
}
