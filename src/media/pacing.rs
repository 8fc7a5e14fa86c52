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
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

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

/// A UDP socket that leaves out checks beyond the pacing.
#[derive(Debug)]
pub(super) struct PacedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    pacer: Mutex<Pacer>,
}

impl PacedSocket {
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>) -> Self {
        Self { inner, pacer: Mutex::new(Pacer::default()) }
    }
}

impl AsyncUdpSocket for PacedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
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
        self.inner.poll_recv(cx, buffers, meta)
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
