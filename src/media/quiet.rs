//! Notices a far end that should send and does not.

use std::time::Duration;

use tokio::time::Instant;

/// How long there may be no RTP: longer than the pauses of senders that leave
/// silence out (an Opus one still sends every 400 ms, RFC 7587 section 3.1.3)
/// and than ICE takes to see an interruption.
const LONGEST: Duration = Duration::from_secs(5);

/// Watches one peer's incoming RTP. Told the time; neither waits nor reads a clock.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// Since when RTP is due, and how much had come at the last look.
    due: Option<Due>,
    quiet: bool,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    since: Instant,
    packets: u64,
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Quiet,
    Back,
}

impl Quiet {
    /// Looks at it: whether the far end should send, how many packets have
    /// come so far and when the last one did. Call it at [`Self::deadline`],
    /// whenever `expected` may have changed, and when a packet ends the quiet.
    pub(super) fn look(
        &mut self,
        expected: bool,
        packets: u64,
        last: Option<Instant>,
        now: Instant,
    ) -> Option<Change> {
        if !expected {
            self.due = None;
            return std::mem::take(&mut self.quiet).then_some(Change::Back);
        }
        let due = self.due.get_or_insert(Due { since: now, packets });
        if packets != due.packets {
            *due = Due { since: last.unwrap_or(now).max(due.since), packets };
            if std::mem::take(&mut self.quiet) {
                return Some(Change::Back);
            }
        }
        if self.quiet || now < due.since + LONGEST {
            return None;
        }
        self.quiet = true;
        Some(Change::Quiet)
    }

    /// When to look again. None while nothing is due, or while quiet: then
    /// the next packet is news.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.filter(|_| !self.quiet).map(|due| due.since + LONGEST)
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn five_seconds_without_a_packet_are_told_once_and_so_is_the_end() {
        let start = Instant::now();
        let at = |seconds: u32| start + SECOND * seconds;
        let mut quiet = Quiet::default();
        assert_eq!(quiet.deadline(), None);
        assert_eq!(quiet.look(true, 7, None, at(0)), None);
        assert_eq!(quiet.deadline(), Some(at(5)));
        // Packets came until the third second.
        assert_eq!(quiet.look(true, 100, Some(at(3)), at(5)), None);
        assert_eq!(quiet.deadline(), Some(at(8)));
        assert_eq!(quiet.look(true, 100, Some(at(3)), at(8)), Some(Change::Quiet));
        assert_eq!(quiet.deadline(), None);
        assert_eq!(quiet.look(true, 100, Some(at(3)), at(60)), None);
        assert_eq!(quiet.look(true, 101, Some(at(61)), at(61)), Some(Change::Back));
        assert_eq!(quiet.look(true, 101, Some(at(61)), at(61)), None);
        assert_eq!(quiet.deadline(), Some(at(66)));
    }

    #[test]
    fn nothing_is_due_on_hold_and_after_it_the_time_begins_anew() {
        let start = Instant::now();
        let at = |seconds: u32| start + SECOND * seconds;
        let mut quiet = Quiet::default();
        assert_eq!(quiet.look(true, 5, Some(at(0)), at(0)), None);
        assert_eq!(quiet.look(false, 9, Some(at(1)), at(2)), None);
        assert_eq!(quiet.deadline(), None);
        assert_eq!(quiet.look(false, 9, Some(at(1)), at(100)), None);
        // Long ago as the last packet is, it counts from the end of the hold.
        assert_eq!(quiet.look(true, 9, Some(at(1)), at(100)), None);
        assert_eq!(quiet.deadline(), Some(at(105)));
        assert_eq!(quiet.look(true, 9, Some(at(1)), at(105)), Some(Change::Quiet));
        // Hold ends the quiet, too.
        assert_eq!(quiet.look(false, 9, Some(at(1)), at(110)), Some(Change::Back));
        assert_eq!(quiet.look(false, 9, Some(at(1)), at(120)), None);
    }
}
