//! Which datagrams the library gets to see.
//!
//! Once ICE has a path the library takes DTLS and SRTP from any address. An
//! unauthentic datagram may then make it keep a state for each source that is
//! named, queue records of an epoch that never comes, join fragments by a
//! recursion as deep as they are many, or tell the far end by a fatal alert that
//! the call is over (docs/dependency-reports.md). So only those are heard who
//! ICE vouches for, and none of them without end.
//!
//! ICE vouches for an address by what the library itself sends there: checks go
//! to candidates of the description only, and a check is answered with success
//! only where its integrity holds (RFC 8445 section 7.3).

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;

/// Addresses at most; far more than two ends can have candidates.
const MOST_ADDRESSES: usize = 128;

/// DTLS records for the life of a connection. A handshake has about 20, and 7
/// times as many where nearly all is lost; after it come no more but alerts.
const MOST_RECORDS: u32 = 512;

/// Sources (SSRC) for the life of a connection: a media server has one for
/// each speaker at most.
const MOST_SOURCES: usize = 1_024;

/// The head of a DTLS record (RFC 6347 section 4.1).
const RECORD_HEAD: usize = 13;

/// What a datagram is, by its first byte (RFC 7983) and, of RTP and RTCP, its
/// second (RFC 5761 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    Other,
}

impl Kind {
    fn of(datagram: &[u8]) -> Self {
        match *datagram {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, ..] => Self::Rtp,
            _ => Self::Other,
        }
    }
}

/// See the module's documentation. One a socket.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// The one vouched for last is last.
    addresses: VecDeque<SocketAddr>,
    records: u32,
    sources: HashSet<u32>,
}

impl Gate {
    /// The library sends this.
    pub(super) fn note_sent(&mut self, datagram: &[u8], to: SocketAddr) {
        // A check, or the answer to one that was authentic (RFC 8489 section 5).
        if !matches!(datagram, [0 | 1, 1, ..]) || self.addresses.back() == Some(&to) {
            return;
        }
        self.addresses.retain(|known| *known != to);
        if self.addresses.len() == MOST_ADDRESSES {
            self.addresses.pop_front();
        }
        self.addresses.push_back(to);
    }

    /// Whether the library may see what came.
    pub(super) fn admits(&mut self, datagram: &[u8], from: SocketAddr) -> bool {
        let kind = Kind::of(datagram);
        if kind != Kind::Stun && !self.addresses.contains(&from) {
            return false;
        }
        match kind {
            Kind::Stun => true,
            Kind::Other => false,
            Kind::Dtls => self.has_records_left(datagram),
            Kind::Rtp => self.knows(datagram.get(8..12)),
            Kind::Rtcp => self.knows(datagram.get(4..8)),
        }
    }

    fn has_records_left(&mut self, mut datagram: &[u8]) -> bool {
        while self.records < MOST_RECORDS {
            self.records += 1;
            let Some(length) = datagram.get(11..RECORD_HEAD) else { return true };
            let end = RECORD_HEAD + usize::from(u16::from_be_bytes([length[0], length[1]]));
            match datagram.get(end..) {
                Some(rest) if !rest.is_empty() => datagram = rest,
                Some(_) | None => return true,
            }
        }
        false
    }

    fn knows(&mut self, source: Option<&[u8]>) -> bool {
        let Some(source) = source.and_then(|bytes| bytes.try_into().ok()) else { return false };
        let source = u32::from_be_bytes(source);
        self.sources.contains(&source) || self.sources.len() < MOST_SOURCES && self.sources.insert(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: [u8; 8] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    const SUCCESS: [u8; 8] = [1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    const ERROR: [u8; 8] = [1, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42];

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 5_000))
    }

    fn rtp(source: u32) -> Vec<u8> {
        [&[0x80, 0, 0, 1, 0, 0, 0, 0][..], &source.to_be_bytes(), &[0x55; 160]].concat()
    }

    fn dtls(records: usize) -> Vec<u8> {
        [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2][..], &[0, 0]].concat().repeat(records)
    }

    #[test]
    fn only_those_are_heard_who_ice_vouches_for() {
        let mut gate = Gate::default();
        let (candidate, reflexive, stranger) = (address(1), address(2), address(3));
        gate.note_sent(&CHECK, candidate);
        gate.note_sent(&SUCCESS, reflexive);
        gate.note_sent(&ERROR, stranger);
        gate.note_sent(&rtp(1), stranger);
        for datagram in [rtp(1), dtls(1), [&[0x81, 201, 0, 1][..], &[0, 0, 0, 1]].concat()] {
            assert!(gate.admits(&datagram, candidate), "{datagram:?}");
            assert!(gate.admits(&datagram, reflexive), "{datagram:?}");
            assert!(!gate.admits(&datagram, stranger), "{datagram:?}");
            let other_port = SocketAddr::new(candidate.ip(), 5_001);
            assert!(!gate.admits(&datagram, other_port), "{datagram:?}");
        }
        assert!(gate.admits(&CHECK, stranger), "whoever it is may prove itself");
        for datagram in [&[][..], &[4], &[64, 1, 2], &[0x80, 0], &[0xff; 20]] {
            assert!(!gate.admits(datagram, candidate), "{datagram:?}");
        }
    }

    #[test]
    fn the_addresses_vouched_for_last_stay() {
        let mut gate = Gate::default();
        gate.note_sent(&CHECK, address(0));
        for n in 1..=MOST_ADDRESSES as u8 {
            gate.note_sent(&SUCCESS, address(n));
            // The first of them answers checks all the time.
            gate.note_sent(&SUCCESS, address(1));
        }
        assert_eq!(gate.addresses.len(), MOST_ADDRESSES);
        assert!(!gate.admits(&rtp(1), address(0)));
        assert!(gate.admits(&rtp(1), address(1)) && gate.admits(&rtp(1), address(128)));
    }

    #[test]
    fn nobody_has_records_or_sources_without_end() {
        let mut gate = Gate::default();
        gate.note_sent(&CHECK, address(1));
        let handshake = (0..7).all(|_| gate.admits(&dtls(20), address(1)));
        assert!(handshake, "a handshake in which nearly all is lost");
        let more = (0..1_000).filter(|_| gate.admits(&dtls(1), address(1))).count();
        assert_eq!(more, MOST_RECORDS as usize - 140);
        assert!(!gate.admits(&dtls(40), address(1)));
        let sources = (0..10_000).filter(|source| gate.admits(&rtp(*source), address(1))).count();
        assert_eq!(sources, MOST_SOURCES);
        assert!(gate.admits(&rtp(7), address(1)), "one that was there goes on");
    }
}
