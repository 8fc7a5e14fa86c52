//! HTTP/2 as tonic wants it, straight on h2: only there can the pace of the
//! PINGs change on a connection that is open.

use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http_body::Frame;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codegen::http::{HeaderValue, Request, Response, header};
use tonic::codegen::{Body as HttpBody, Service};

use crate::appliance::settings::KeepAlive;

/// Headers beyond this are refused, in bytes.
const HEADERS_LIMIT: u32 = 16 * 1024;

/// Room is given back in pieces this large, half of a stream's window. Given back frame by frame, a core that
/// waits for room would break what it sends into ever smaller frames (the silly window of RFC 1122 section 4.2.3.3),
/// and h2 ends a connection that has too many of them.
const ROOM: usize = 32 * 1024;

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The transport or the peer ended it.
    #[error("{0}")]
    Broken(#[from] h2::Error),
    /// A PING was not answered.
    #[error("keep-alive had no answer within {0:?}")]
    NoAnswer(Duration),
}

/// Speaks HTTP/2 on `io` until nobody needs it any more or it breaks, and
/// tries it with a PING at the pace that is valid at the time.
pub(super) async fn handshake<T>(
    io: T,
    pace: watch::Receiver<KeepAlive>,
) -> Result<(Http2, JoinHandle<Result<(), Ended>>), h2::Error>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (requests, mut connection) =
        Builder::new().enable_push(false).max_header_list_size(HEADERS_LIMIT).handshake(io).await?;
    let pings = connection.ping_pong();
    let ended = tokio::spawn(async move {
        let keep_alive = async {
            match pings {
                Some(pings) => keep_alive(pings, pace).await,
                None => pending().await,
            }
        };
        tokio::select! {
            ended = connection => Ok(ended?),
            unanswered = keep_alive => Err(unanswered),
        }
    });
    Ok((Http2(requests), ended))
}

async fn keep_alive(mut pings: PingPong, mut pace: watch::Receiver<KeepAlive>) -> Ended {
    loop {
        let KeepAlive { every, timeout } = *pace.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            changed = pace.changed() => match changed {
                Ok(()) => continue,
                // The session shell is gone, and the connection soon will be.
                Err(_) => return pending().await,
            },
        }
        match tokio::time::timeout(timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // The connection says itself what ended it.
            Ok(Err(_)) => return pending().await,
            Err(_) => return Ended::NoAnswer(timeout),
        }
    }
}

/// Requests on one connection.
#[derive(Clone)]
pub(super) struct Http2(SendRequest<Bytes>);

impl Service<Request<Body>> for Http2 {
    type Response = Response<Received>;
    type Error = h2::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Received>, h2::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let name = HeaderValue::from_static(concat!("callbox/", env!("CARGO_PKG_VERSION")));
        head.headers.insert(header::USER_AGENT, name);
        let sent = self.0.send_request(Request::from_parts(head, ()), false);
        Box::pin(async move {
            let (response, stream) = sent?;
            // Its end is the body's, or the stream's.
            tokio::spawn(send_body(body, stream));
            Ok(response.await?.map(|stream| Received { stream, read: 0 }))
        })
    }
}

/// Sends a body piece by piece, as fast as the peer takes it. A stream that
/// the peer ends says so where its answer is read.
async fn send_body(mut body: Body, mut stream: SendStream<Bytes>) {
    loop {
        let piece = tokio::select! {
            piece = next_piece(&mut body) => piece,
            _ = std::future::poll_fn(|cx| stream.poll_reset(cx)) => return,
        };
        let Some(mut piece) = piece else {
            let _ = stream.send_data(Bytes::new(), true);
            return;
        };
        while !piece.is_empty() {
            stream.reserve_capacity(piece.len());
            let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
            let Some(Ok(room)) = room else { return };
            if stream.send_data(piece.split_to(room.min(piece.len())), false).is_err() {
                return;
            }
        }
    }
}

async fn next_piece(body: &mut Body) -> Option<Bytes> {
    let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    // A request of gRPC has no trailers, and its own side does not fail.
    frame.ok()?.into_data().ok()
}

/// The body of an answer.
pub(super) struct Received {
    stream: RecvStream,
    /// Bytes whose room was not given back yet.
    read: usize,
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Self { stream, read } = &mut *self;
        match ready!(stream.poll_data(cx)) {
            Some(Ok(data)) => {
                *read += data.len();
                let given = if *read < ROOM {
                    Ok(())
                } else {
                    stream.flow_control().release_capacity(std::mem::take(read))
                };
                return Poll::Ready(Some(given.map(|()| Frame::data(data))));
            }
            Some(Err(error)) if ended_well(&error) => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => {}
        }
        match ready!(stream.poll_trailers(cx)) {
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            Err(error) if ended_well(&error) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

/// A peer that has said all may reset what it will not read (RFC 9113 section 8.1).
fn ended_well(error: &h2::Error) -> bool {
    error.reason() == Some(Reason::NO_ERROR)
}
