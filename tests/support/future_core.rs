//! A voice core from the future: its first message has a oneof member that
//! today's contract does not know (field 15). The project's own types cannot
//! write such a message, so this server has its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use futures_util::{Stream, StreamExt, future, stream};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};

#[derive(Clone, PartialEq, prost::Message)]
struct FutureMessage {
    #[prost(string, tag = "10")]
    call_id: String,
    #[prost(message, optional, tag = "15")]
    hologram: Option<Hologram>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Hologram {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone)]
struct FutureCore;

impl NamedService for FutureCore {
    const NAME: &'static str = "wgtwo.webterminal.v0.WebTerminalService";
}

impl Service<http::Request<Body>> for FutureCore {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::<FutureMessage, FutureMessage>::default();
            Ok(Grpc::new(codec).streaming(FutureCore, request).await)
        })
    }
}

impl StreamingService<FutureMessage> for FutureCore {
    type Response = FutureMessage;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<FutureMessage, Status>> + Send>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, _: Request<Streaming<FutureMessage>>) -> Self::Future {
        let hologram = Some(Hologram { name: "a caller in three dimensions".to_owned() });
        let message = FutureMessage { call_id: String::new(), hologram };
        let stream = stream::once(future::ready(Ok(message))).chain(stream::pending());
        Box::pin(future::ready(Ok(Response::new(Box::pin(stream) as Self::ResponseStream))))
    }
}

/// Starts such a core, in plaintext, until the test ends.
pub fn start() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = tonic::transport::server::TcpIncoming::from(listener);
            tonic::transport::Server::builder()
                .add_service(FutureCore)
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
    });
    address
}
