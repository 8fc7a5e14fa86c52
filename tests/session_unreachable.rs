//! The network of a door is the worst of all: a core that cannot be reached,
//! by each of the ways there are, must be told by its reason, in bounded time.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod session_support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use callbox::appliance::event::CloseReason;
use callbox::pipe::PipeSettings;
use callbox::sim::server::{Server, ServerSettings};
use callbox::sim::token::TokenPolicy;
use session_support::{Session, plain};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};

async fn core(listen: SocketAddr) -> Server {
    let token = TokenPolicy { required: false, ..TokenPolicy::default() };
    Server::start(ServerSettings { listen, tls: false, token, ..ServerSettings::default() }).await.unwrap()
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn a_refused_port_is_unreachable_until_somebody_listens() {
    // Bound and not listened at: refused, and given to nobody else meanwhile.
    let held = TcpSocket::new_v4().unwrap();
    held.set_reuseaddr(true).unwrap();
    held.bind(any()).unwrap();
    let address = held.local_addr().unwrap();
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

#[tokio::test]
async fn a_core_that_has_ipv6_only_is_reached_by_its_address() {
    let server = core("[::1]:0".parse().unwrap()).await;
    Session::start(plain(format!("http://[::1]:{}", server.address().port()))).open().await;
}
