//! The network of a door is the worst of all: a core that cannot be reached,
//! by each of the ways there are, must be told by its reason, in bounded time.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod session_support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

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

async fn core(listen: SocketAddr) -> Server {
    let token = TokenPolicy { required: false, ..TokenPolicy::default() };
    Server::start(ServerSettings { listen, tls: false, token, ..ServerSettings::default() }).await.unwrap()
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn a_refused_port_is_unreachable_until_somebody_listens() {
    let free = TcpListener::bind(any()).await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut session = Session::start(plain(format!("http://localhost:{}", address.port())));
    session.connect().await;
    let closed = session.closed().await;
    assert_eq!(closed.reason, CloseReason::Unreachable);
    assert!(closed.detail.contains("refused"), "{closed:?}");
    assert!(closed.detail.contains(&address.port().to_string()), "{closed:?}");
    let _server = core(address).await;
    session.open().await;
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_told_from_a_core_that_does_not_answer() {
    // RFC 6761 section 6.4: names under .invalid never resolve.
    for scheme in ["http", "https"] {
        let mut session = Session::start(plain(format!("{scheme}://core.invalid:443")));
        session.connect().await;
        let closed = session.closed().await;
        assert_eq!(closed.reason, CloseReason::NameNotResolved, "{closed:?}");
        assert!(closed.detail.contains("core.invalid"), "{closed:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_no_address_is_no_panic() {
    for endpoint in ["", "http://", "https://[::1", "localhost"] {
        let mut session = Session::start(plain(endpoint.to_owned()));
        session.connect().await;
        session.closed_for(CloseReason::Unreachable).await;
    }
}

#[tokio::test]
async fn a_black_hole_ends_after_the_connect_timeout() {
    // Takes the connection, never answers the TLS greeting.
    let hole = TcpListener::bind(any()).await.unwrap();
    let settings = PipeSettings {
        connect_timeout: Duration::from_millis(800),
        ..plain(format!("https://{}", hole.local_addr().unwrap()))
    };
    let mut session = Session::start(settings);
    let begin = Instant::now();
    session.connect().await;
    let closed = session.closed().await;
    let elapsed = begin.elapsed();
    assert_eq!(closed.reason, CloseReason::Unreachable, "{closed:?}");
    assert!((800..8000).contains(&elapsed.as_millis()), "gave up after {elapsed:?}");
}

#[tokio::test]
async fn a_server_that_is_no_grpc_server_ends_the_session() {
    let listener = TcpListener::bind(any()).await.unwrap();
    let mut session = Session::start(plain(format!("http://{}", listener.local_addr().unwrap())));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await;
        }
    });
    for _ in 0..2 {
        session.connect().await;
        session.closed_for(CloseReason::Lost).await;
    }
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

#[tokio::test]
async fn a_connection_that_is_open_on_one_side_only_is_found_by_keep_alive() {
    let server = core(any()).await;
    let relay = Relay::to(server.address()).await;
    let settings = PipeSettings {
        keep_alive: KeepAlive { every: Duration::from_millis(500), timeout: Duration::from_secs(1) },
        ..plain(relay.endpoint())
    };
    let mut session = Session::start(settings);
    session.open().await;
    // An idle session that is answered stays.
    assert!(timeout(Duration::from_secs(4), session.events.recv()).await.is_err(), "closed while alive");
    assert!(relay.pings.load(Ordering::Relaxed) >= 2, "no keep-alive while idle");
    relay.frozen.store(true, Ordering::Relaxed);
    let begin = Instant::now();
    let closed = session.closed().await;
    assert_eq!(closed.reason, CloseReason::Lost);
    assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    relay.frozen.store(false, Ordering::Relaxed);
    session.open().await;
}

#[tokio::test]
async fn a_core_that_is_pinged_too_often_is_pinged_half_as_often() {
    let core = RawCore::start().await;
    let relay = Relay::to(core.address()).await;
    let interval = Duration::from_millis(250);
    let settings = PipeSettings {
        keep_alive_interval: interval,
        keep_alive_timeout: PATIENCE,
        ..plain(relay.endpoint())
    };
    let mut session = Session::start(settings);
    for doublings in 0..3 {
        session.connect().await;
        let mut stream = core.accept().await;
        session.expect(SessionEvent::Sent).await;
        session.expect(SessionEvent::Opened).await;
        let before = relay.pings.load(Ordering::Relaxed);
        let begin = Instant::now();
        timeout(PATIENCE, async {
            while relay.pings.load(Ordering::Relaxed) < before + 4 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("no keep-alive");
        // Four pings take at least three intervals, however late some of them are.
        let least = interval * 3 * (1 << doublings);
        assert!(begin.elapsed() + interval / 2 >= least, "{doublings}: {:?}", begin.elapsed());
        if doublings == 1 {
            // gRPC's C core ends its streams with UNAVAILABLE first.
            stream.end("14");
        }
        stream.go_away(h2::Reason::ENHANCE_YOUR_CALM);
        let closed = session.closed().await;
        assert_eq!(closed.reason, CloseReason::RateLimited, "{closed:?}");
    }
}
