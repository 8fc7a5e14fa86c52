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

/// The clock of the events' durations, Hz.
const CLOCK: u32 = 8_000;

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
    /// A press longer than a report can tell goes on under a new timestamp
    /// (RFC 4733 section 2.5.1.3): the event, and that timestamp.
    continued: Option<(u8, u32)>,
}

impl Receiver {
    /// Takes a report; tells the digit if it begins a press.
    pub(super) fn take(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) -> Option<char> {
        let [event, flags, high, low, ..] = *payload else { return None };
        let digit = char::from(*DIGITS.get(usize::from(event))?);
        let ended = flags & 0x80 != 0;
        let duration = u16::from_be_bytes([high, low]);
        let new = !self.seen.contains(&Some((ssrc, timestamp)));
        let continues = self.continued == Some((event, timestamp));
        if duration == u16::MAX && !ended {
            self.continued = Some((event, timestamp.wrapping_add(u32::from(u16::MAX))));
        }
        if new {
            self.seen[self.oldest] = Some((ssrc, timestamp));
            self.oldest = (self.oldest + 1) % self.seen.len();
        }
        (new && !continues).then_some(digit)
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
    }

    #[test]
    fn nonsense_is_no_digit() {
        let mut receiver = Receiver::default();
        for payload in [&[][..], &[1], &[1, 0, 0], &[16, 0, 0, 0], &[255; 4]] {
            assert_eq!(receiver.take(1, 1, payload), None);
        }
    }
}
