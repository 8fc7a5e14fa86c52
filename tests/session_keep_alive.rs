//! A connection may be dead without either side being told: a switch without
//! power, a NAT that forgot. Nobody could call the box meanwhile, and a
//! hang-up would get lost. PINGs find it; a core that finds them too often must get fewer.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod session_support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callbox::appliance::command::SessionCommand;
use callbox::appliance::event::{CloseReason, SessionEvent};
use callbox::appliance::settings::KeepAlive;
use callbox::pipe::PipeSettings;
use callbox::sim::server::{Server, ServerSettings};
use callbox::sim::token::TokenPolicy;
use session_support::raw_core::RawCore;
use session_support::{PATIENCE, Session, plain};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// As the appliance asks for in a call; tests/appliance_session.rs holds it to that.
const IN_CALL: KeepAlive = KeepAlive { every: Duration::from_millis(1500), timeout: Duration::from_secs(3) };

async fn core() -> Server {
    let token = TokenPolicy { required: false, ..TokenPolicy::default() };
    Server::start(ServerSettings { listen: any(), tls: false, token, ..ServerSettings::default() })
        .await
        .unwrap()
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A relay that can stop relaying without closing anything, as a network does
/// that loses its path. It counts the PING frames of the client (RFC 9113
/// section 6.7), by walking the frame headers.
struct Relay {
    address: SocketAddr,
    frozen: Arc<AtomicBool>,
    pings: Arc<AtomicU64>,
}

impl Relay {
    async fn to(core: SocketAddr) -> Self {
        let listener = TcpListener::bind(any()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (frozen, pings) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let relay = Self { address, frozen: frozen.clone(), pings: pings.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (from_client, to_client) = client.into_split();
                let (from_core, to_core) = TcpStream::connect(core).await.unwrap().into_split();
                let counting = Some(PingCounter { count: pings.clone(), skip: 24, header: Vec::new() });
                tokio::spawn(pass(from_client, to_core, frozen.clone(), counting));
                tokio::spawn(pass(from_core, to_client, frozen.clone(), None));
            }
        });
        relay
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    frozen: Arc<AtomicBool>,
    mut counter: Option<PingCounter>,
) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if frozen.load(Ordering::Relaxed) {
            // Swallowed, and both sockets stay open.
            continue;
        }
        if let Some(counter) = &mut counter {
            counter.walk(&buffer[..length]);
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

struct PingCounter {
    count: Arc<AtomicU64>,
    /// Bytes until the next frame header; at first the connection preface.
    skip: usize,
    header: Vec<u8>,
}

impl PingCounter {
    fn walk(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.header.push(byte);
            if let [a, b, c, kind, flags, _, _, _, _] = self.header[..] {
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.header.clear();
                if kind == 6 && flags & 1 == 0 {
                    self.count.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Relay {
    async fn pings(&self, more: u64) -> Duration {
        let before = self.pings.load(Ordering::Relaxed);
        let begin = Instant::now();
        timeout(PATIENCE, async {
            while self.pings.load(Ordering::Relaxed) < before + more {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("no keep-alive");
        begin.elapsed()
    }
}

/// How long until a dead connection is found that was good at the pace.
async fn found_after(in_call: bool, good_for: Duration) -> Duration {
    let server = core().await;
    let relay = Relay::to(server.address()).await;
    let mut session = Session::start(plain(relay.endpoint()));
    session.open().await;
    if in_call {
        // On the connection that is open.
        session.tell(SessionCommand::KeepAlive(IN_CALL)).await;
    }
    assert!(timeout(good_for, session.events.recv()).await.is_err(), "closed while alive");
    assert!(relay.pings.load(Ordering::Relaxed) >= 1, "no keep-alive while nothing is said");
    relay.frozen.store(true, Ordering::Relaxed);
    let begin = Instant::now();
    let closed = session.closed().await;
    let found = begin.elapsed();
    assert_eq!(closed.reason, CloseReason::Lost);
    assert!(closed.detail.contains("keep-alive"), "{closed:?}");
    relay.frozen.store(false, Ordering::Relaxed);
    session.open().await;
    found
}

#[tokio::test]
async fn a_connection_that_is_open_on_one_side_only_is_found_within_twenty_seconds() {
    let found = found_after(false, Duration::from_millis(11_000)).await;
    println!("idle: found after {found:?}");
    assert!(found <= Duration::from_secs(20), "{found:?}");
    assert!(found >= Duration::from_secs(5), "{found:?}: a core that is slow to answer must not be given up");
}

#[tokio::test]
async fn in_a_call_a_connection_that_is_open_on_one_side_only_is_found_within_five_seconds() {
    let found = found_after(true, Duration::from_millis(3_200)).await;
    println!("in a call: found after {found:?}");
    assert!(found <= Duration::from_secs(5), "{found:?}");
    assert!(found >= Duration::from_secs(1), "{found:?}: a core that is slow to answer must not be given up");
}

#[tokio::test]
async fn a_core_that_is_pinged_too_often_says_so_once_and_the_pace_can_change_at_any_time() {
    let core = RawCore::start().await;
    let relay = Relay::to(core.address()).await;
    let mut keep_alive = KeepAlive { every: Duration::from_millis(250), timeout: PATIENCE };
    let mut session = Session::start(PipeSettings { keep_alive, ..plain(relay.endpoint()) });
    for round in 0..3 {
        session.connect().await;
        let mut stream = core.accept().await;
        session.expect(SessionEvent::Sent).await;
        session.expect(SessionEvent::Opened).await;
        // Four pings take at least three intervals, however late some of them are.
        let took = relay.pings(4).await;
        assert!(took + keep_alive.every / 2 >= keep_alive.every * 3, "{round}: {took:?}");
        if round == 1 {
            // gRPC's C core ends its streams with UNAVAILABLE first.
            stream.end("14");
        }
        stream.go_away(h2::Reason::ENHANCE_YOUR_CALM);
        let closed = session.closed().await;
        assert_eq!(closed.reason, CloseReason::TooManyPings, "{closed:?}");
        // While no connection is open.
        keep_alive.every *= 2;
        session.tell(SessionCommand::KeepAlive(keep_alive)).await;
    }
    session.connect().await;
    let _stream = core.accept().await;
    session.expect(SessionEvent::Sent).await;
    session.expect(SessionEvent::Opened).await;
    // On an open one: a long wait gives way to a short one at once.
    session.tell(SessionCommand::KeepAlive(KeepAlive { every: PATIENCE * 4, ..keep_alive })).await;
    session
        .tell(SessionCommand::KeepAlive(KeepAlive { every: Duration::from_millis(50), ..keep_alive }))
        .await;
    relay.pings(10).await;
}
