//! Keeps ICE checks from flooding.
//!
//! The library checks every candidate pair at one fixed interval until it
//! connects. At 5 ms that connects fast, but a far end that never answers
//! would be sent 200 packets a second and pair for half a minute. So after
//! the first second of checking an address, checks that come sooner than
//! RFC 8445's default pacing of 50 ms (section 14.2) are left out: lost on
//! the way, as far as the library knows.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::LegStats;
use super::gate::Gate;

/// How long checks may come as fast as the library likes.
const FAST_FOR: Duration = Duration::from_secs(1);

/// The pacing after that.
const SLOW: Duration = Duration::from_millis(50);

/// A pause after which checking an address counts as begun anew (ICE restart).
const PAUSE: Duration = Duration::from_secs(1);

/// More addresses than these are not told apart.
const MOST: usize = 64;

/// A STUN binding request (RFC 8489 sections 5 and 14): type 1, magic cookie.
fn is_check(packet: &[u8]) -> bool {
    matches!(packet, [0, 1, _, _, 0x21, 0x12, 0xa4, 0x42, ..])
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    began: Instant,
    last: Instant,
}

/// Decides which checks go out.
#[derive(Debug, Default)]
struct Pacer(HashMap<SocketAddr, Pace>);

impl Pacer {
    fn admits(&mut self, to: SocketAddr, now: Instant) -> bool {
        if self.0.len() >= MOST && !self.0.contains_key(&to) {
            self.0.clear();
        }
        let pace = self.0.entry(to).or_insert(Pace { began: now, last: now });
        let since = now.saturating_duration_since(pace.last);
        if since > PAUSE {
            pace.began = now;
        }
        let fast = now.saturating_duration_since(pace.began) < FAST_FOR;
        if fast || since >= SLOW {
            pace.last = now;
            return true;
        }
        false
    }
}

/// A UDP socket that leaves out checks beyond the pacing, and what the library
/// should not see ([`Gate`]).
#[derive(Debug)]
pub(super) struct PacedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    pacer: Mutex<Pacer>,
    gate: Mutex<Gate>,
    stats: Arc<LegStats>,
}

impl PacedSocket {
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>, stats: Arc<LegStats>) -> Self {
        Self { inner, pacer: Mutex::default(), gate: Mutex::default(), stats }
    }

    /// Keeps what may pass of `received` messages, in order at the front; how many messages that are.
    fn sift(&self, received: usize, buffers: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> usize {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = 0;
        for n in 0..received {
            let RecvMeta { addr, len, stride, .. } = meta[n];
            let (before, rest) = buffers.split_at_mut(n);
            let Some(buffer) = rest.first_mut() else { break };
            // The kernel may have put several datagrams of one sender into a message.
            let (mut at, mut length) = (0, 0);
            while at < len {
                let end = (at + stride.max(1)).min(len);
                if gate.admits(&buffer[at..end], addr) {
                    buffer.copy_within(at..end, length);
                    length += end - at;
                } else {
                    self.stats.packets_refused.add(1);
                }
                at = end;
            }
            if length == 0 {
                continue;
            }
            if let Some(to) = before.get_mut(kept) {
                to[..length].copy_from_slice(&buffer[..length]);
            }
            meta[kept] = meta[n];
            meta[kept].len = length;
            kept += 1;
        }
        kept
    }
}

impl AsyncUdpSocket for PacedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.note_sent(transmit.contents, transmit.destination);
        drop(gate);
        if is_check(transmit.contents) {
            let mut pacer = self.pacer.lock().unwrap_or_else(PoisonError::into_inner);
            if !pacer.admits(transmit.destination, Instant::now()) {
                return Poll::Ready(Ok(transmit.contents.len()));
            }
        }
        self.inner.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let received = ready!(self.inner.poll_recv(cx, buffers, meta))?;
            let kept = self.sift(received, buffers, meta);
            if kept > 0 {
                return Poll::Ready(Ok(kept));
            }
        }
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_fast_for_a_second_and_then_slow() {
        let mut pacer = Pacer::default();
        let start = Instant::now();
        let to: SocketAddr = "192.0.2.1:5000".parse().unwrap();
        let mut sent = [0; 10];
        for tick in 0..1000u32 {
            let now = start + Duration::from_millis(10) * tick;
            sent[(tick / 100) as usize] += u32::from(pacer.admits(to, now));
        }
        assert_eq!(sent[0], 100);
        assert!(sent[1..].iter().all(|count| (19..=21).contains(count)), "{sent:?}");
        // Another address, and the same one after a restart, begin fast.
        let now = start + Duration::from_secs(20);
        let other = "192.0.2.2:5000".parse().unwrap();
        for address in [to, other] {
            let burst = (0..50).filter(|i| pacer.admits(address, now + Duration::from_millis(10) * *i));
            assert_eq!(burst.count(), 50);
        }
    }

    #[test]
    fn only_binding_requests_are_checks() {
        assert!(is_check(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0]));
        assert!(!is_check(&[1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0]), "a response");
        assert!(!is_check(&[0x80, 0x6f, 0, 1]), "RTP");
        assert!(!is_check(&[]));
    }
}
