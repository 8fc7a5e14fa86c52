//! A core that speaks HTTP/2 by hand, to say what no library would.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::codegen::http::{HeaderMap, HeaderValue, Response};

/// Where raw streams are accepted, in plaintext.
pub struct RawCore {
    listener: TcpListener,
}

/// One open stream; its connection lives as long as this.
pub struct RawStream {
    pub inbound: RecvStream,
    outbound: SendStream<Bytes>,
    go_away: Option<oneshot::Sender<Reason>>,
}

impl RawCore {
    pub async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Takes a connection and its first stream, and sends response headers.
    pub async fn accept(&self) -> RawStream {
        let (socket, _) = self.listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let outbound = respond.send_response(head, false).unwrap();
        let (go_away, told) = oneshot::channel();
        tokio::spawn(async move {
            let mut told = std::pin::pin!(told);
            loop {
                tokio::select! {
                    reason = &mut told => {
                        let Ok(reason) = reason else { return };
                        connection.abrupt_shutdown(reason);
                        while let Some(Ok(_)) = connection.accept().await {}
                        return;
                    }
                    next = connection.accept() => if next.is_none() { return },
                }
            }
        });
        RawStream { inbound: request.into_body(), outbound, go_away: Some(go_away) }
    }
}

impl RawStream {
    /// Sends a gRPC frame with these bytes as its message.
    pub fn say(&mut self, message: &[u8]) {
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(message.len().try_into().unwrap());
        frame.put_slice(message);
        self.outbound.send_data(frame.freeze(), false).unwrap();
    }

    /// Ends the stream with this `grpc-status`.
    pub fn end(&mut self, status: &'static str) {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        self.outbound.send_trailers(trailers).unwrap();
    }

    /// Ends the stream without a word.
    pub fn reset(&mut self, reason: Reason) {
        self.outbound.send_reset(reason);
    }

    /// Ends the connection with GOAWAY.
    pub fn go_away(&mut self, reason: Reason) {
        self.go_away.take().unwrap().send(reason).unwrap();
    }
}
