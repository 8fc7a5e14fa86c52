//! The gRPC side of the simulated core: takes streams, checks their tokens
//! and hands each over as a [`Terminal`]. What a terminal is told is up to
//! whoever accepts it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use super::certs::{Authority, Flaw, Leaf};
use super::token::{TokenPolicy, TokenServer, Tokens};
use crate::pipe::proto::WebTerminalMessage;
use crate::pipe::proto::web_terminal_service_server::{WebTerminalService, WebTerminalServiceServer};

/// Messages that wait for a slow reader, each way of a stream.
const QUEUE: usize = 64;

/// How the simulated core listens.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where the core listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the token endpoint listens; port 0 takes a free one.
    pub token_listen: SocketAddr,
    /// TLS for both, with a certificate made at start; else plaintext.
    pub tls: bool,
    /// What is wrong with the core's certificate.
    pub flaw: Flaw,
    /// Who gets a token and what it is good for.
    pub token: TokenPolicy,
    /// Send response headers with the first message only, as some servers do.
    pub send_headers_late: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: any,
            token_listen: any,
            tls: true,
            flaw: Flaw::None,
            token: TokenPolicy::default(),
            send_headers_late: false,
        }
    }
}

/// Which rpc a terminal called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rpc {
    /// One call.
    Pipe,
    /// Several calls.
    MultiPipe,
}

/// One open stream.
pub struct Terminal {
    /// Counts from 1 in the life of a server.
    pub id: u64,
    /// Which rpc it called.
    pub rpc: Rpc,
    /// The bearer token it showed.
    pub token: Option<String>,
    /// What it says; ends with the stream.
    pub inbound: mpsc::Receiver<WebTerminalMessage>,
    /// What it is told. An error ends the stream with that status; letting go
    /// of the sender ends it in good order.
    pub outbound: mpsc::Sender<Result<WebTerminalMessage, Status>>,
}

/// A running simulated core.
pub struct Server {
    address: SocketAddr,
    tls: bool,
    authority: Authority,
    shared: Arc<Shared>,
    terminals: mpsc::Receiver<Terminal>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    token_url: String,
    token_server: Option<TokenServer>,
}

impl Server {
    /// Listens and serves until [`Server::stop`] or until it is dropped.
    ///
    /// # Errors
    /// If an address cannot be listened on or no certificate can be made.
    pub async fn start(settings: ServerSettings) -> io::Result<Self> {
        // Another part of the process may have chosen a provider; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = Authority::new().map_err(io::Error::other)?;
        let tokens = Arc::new(Tokens::new(settings.token.clone()));
        let token_tls = if settings.tls {
            Some(Arc::new(server_config(&authority.leaf(Flaw::None).map_err(io::Error::other)?)?))
        } else {
            None
        };
        let token_server = TokenServer::start(settings.token_listen, token_tls, tokens.clone()).await?;

        let mut builder = tonic::transport::Server::builder();
        if settings.tls {
            let leaf = authority.leaf(settings.flaw).map_err(io::Error::other)?;
            let identity = Identity::from_pem(leaf.certificate, leaf.key);
            let config = ServerTlsConfig::new().identity(identity);
            builder = builder.tls_config(config).map_err(io::Error::other)?;
        }
        let incoming = TcpIncoming::bind(settings.listen)?.with_nodelay(Some(true));
        let address = incoming.local_addr()?;
        let (accepted, terminals) = mpsc::channel(QUEUE);
        let (close, _) = broadcast::channel(4);
        let shared = Arc::new(Shared {
            tokens,
            send_headers_late: settings.send_headers_late,
            accepted,
            close,
            refusal: Mutex::default(),
            last_id: AtomicU64::new(0),
        });
        let service = WebTerminalServiceServer::new(Service(shared.clone()));
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move { stopped.await.unwrap_or(()) };
        let task = tokio::spawn(async move {
            let serving = builder.add_service(service).serve_with_incoming_shutdown(incoming, stopped);
            if let Err(error) = serving.await {
                tracing::warn!(%error, "simulated core ended");
            }
        });
        Ok(Self {
            address,
            tls: settings.tls,
            authority,
            shared,
            terminals,
            stop,
            task,
            token_url: token_server.url(),
            token_server: Some(token_server),
        })
    }

    /// `https://localhost:PORT`, or `http` without TLS.
    pub fn endpoint(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// Where the core listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where to ask for a token.
    pub fn token_url(&self) -> String {
        self.token_url.clone()
    }

    /// The authority's certificate, for `ca-file`.
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// The next terminal that opens a stream.
    pub async fn accept(&mut self) -> Option<Terminal> {
        self.terminals.recv().await
    }

    /// The tokens, and how the token endpoint answers.
    pub fn tokens(&self) -> &Arc<Tokens> {
        &self.shared.tokens
    }

    /// Refuses every new stream with this status; `None` takes them again.
    pub fn refuse_streams(&self, status: Option<Status>) {
        *self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Ends every open stream with this status.
    pub fn close_streams(&self, status: Status) {
        // Without an open stream nobody listens.
        let _ = self.shared.close.send(status);
    }

    /// Stops the token endpoint only: later requests find nobody.
    pub async fn stop_token_server(&mut self) {
        if let Some(server) = self.token_server.take() {
            server.stop().await;
        }
    }

    /// Ends every stream and stops listening.
    pub async fn stop(mut self) {
        self.stop_token_server().await;
        self.close_streams(Status::unavailable("the simulated core stops"));
        let _ = self.stop.send(());
        if tokio::time::timeout(Duration::from_secs(2), &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

struct Shared {
    tokens: Arc<Tokens>,
    send_headers_late: bool,
    accepted: mpsc::Sender<Terminal>,
    close: broadcast::Sender<Status>,
    refusal: Mutex<Option<Status>>,
    last_id: AtomicU64,
}

struct Service(Arc<Shared>);

type Outbound = stream::BoxStream<'static, Result<WebTerminalMessage, Status>>;

#[tonic::async_trait]
impl WebTerminalService for Service {
    type PipeStream = Outbound;
    type MultiPipeStream = Outbound;

    async fn pipe(
        &self,
        request: Request<Streaming<WebTerminalMessage>>,
    ) -> Result<Response<Outbound>, Status> {
        self.0.open(Rpc::Pipe, request).await
    }

    async fn multi_pipe(
        &self,
        request: Request<Streaming<WebTerminalMessage>>,
    ) -> Result<Response<Outbound>, Status> {
        self.0.open(Rpc::MultiPipe, request).await
    }
}

impl Shared {
    async fn open(
        &self,
        rpc: Rpc,
        request: Request<Streaming<WebTerminalMessage>>,
    ) -> Result<Response<Outbound>, Status> {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(status) = refusal {
            return Err(status);
        }
        let token = bearer(&request)?;
        let token_end = self.check(token.as_deref())?.filter(|_| self.tokens.policy().close_expired);

        let (inbound_sender, inbound) = mpsc::channel(QUEUE);
        let (outbound, told) = mpsc::channel(QUEUE);
        let (sender, mut receiver) = mpsc::channel(1);
        tokio::spawn(read(request.into_inner(), inbound_sender));
        tokio::spawn(write(told, sender, self.close.subscribe(), token_end));
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let terminal = Terminal { id, rpc, token, inbound, outbound };
        let gone = |_| Status::unavailable("nobody accepts terminals");
        self.accepted.send(terminal).await.map_err(gone)?;

        if !self.send_headers_late {
            return Ok(Response::new(ReceiverStream::new(receiver).boxed()));
        }
        let first = receiver.recv().await.transpose()?;
        let rest = ReceiverStream::new(receiver);
        Ok(Response::new(stream::iter(first.map(Ok)).chain(rest).boxed()))
    }

    /// When the token's time is over, if there is a token.
    fn check(&self, token: Option<&str>) -> Result<Option<Instant>, Status> {
        let Some(token) = token else {
            return if self.tokens.policy().required {
                Err(Status::unauthenticated("no token"))
            } else {
                Ok(None)
            };
        };
        let end = self.tokens.valid_until(token);
        end.map(Some).ok_or_else(|| Status::unauthenticated("the token is unknown or expired"))
    }
}

fn bearer<T>(request: &Request<T>) -> Result<Option<String>, Status> {
    let Some(value) = request.metadata().get("authorization") else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    token.map(|token| Some(token.to_owned())).ok_or_else(|| Status::unauthenticated("not a bearer token"))
}

async fn read(mut stream: Streaming<WebTerminalMessage>, inbound: mpsc::Sender<WebTerminalMessage>) {
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                if inbound.send(message).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(status) => {
                tracing::debug!(%status, "a terminal's stream broke");
                return;
            }
        }
    }
}

async fn write(
    mut told: mpsc::Receiver<Result<WebTerminalMessage, Status>>,
    stream: mpsc::Sender<Result<WebTerminalMessage, Status>>,
    mut close: broadcast::Receiver<Status>,
    token_end: Option<Instant>,
) {
    let expired = async move {
        match token_end {
            Some(end) => tokio::time::sleep_until(end.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(expired);
    loop {
        let next = tokio::select! {
            told = told.recv() => told,
            status = close.recv() => {
                Some(Err(status.unwrap_or_else(|_| Status::unavailable("the simulated core is gone"))))
            }
            () = &mut expired => Some(Err(Status::unauthenticated("the token has expired"))),
            () = stream.closed() => None,
        };
        let Some(next) = next else { return };
        let last = next.is_err();
        if stream.send(next).await.is_err() || last {
            return;
        }
    }
}

fn server_config(leaf: &Leaf) -> io::Result<rustls::ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(leaf.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic::transport::{Certificate, Channel, ClientTlsConfig};

    use super::*;
    use crate::pipe::proto::web_terminal_service_client::WebTerminalServiceClient;
    use crate::pipe::proto::{Bye, Ringing, web_terminal_message::Message};

    async fn channel(server: &Server) -> Channel {
        let mut endpoint = Channel::from_shared(server.endpoint()).unwrap();
        if server.tls {
            let roots = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(server.ca_pem()));
            endpoint = endpoint.tls_config(roots).unwrap();
        }
        endpoint.connect().await.unwrap()
    }

    async fn token(server: &Server, secret: &str) -> Result<String, u16> {
        let mut http = reqwest::Client::builder();
        if server.tls {
            let root = reqwest::Certificate::from_pem(server.ca_pem().as_bytes()).unwrap();
            http = http.add_root_certificate(root);
        }
        let policy = server.tokens().policy();
        let answer = http
            .build()
            .unwrap()
            .post(server.token_url())
            .basic_auth(&policy.client_id, Some(secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("grant_type=client_credentials&scope={}", policy.scope))
            .send()
            .await
            .unwrap();
        if !answer.status().is_success() {
            return Err(answer.status().as_u16());
        }
        let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        Ok(body["access_token"].as_str().unwrap().to_owned())
    }

    async fn talk(tls: bool, late: bool) {
        let settings = ServerSettings { tls, send_headers_late: late, ..ServerSettings::default() };
        let mut server = Server::start(settings).await.unwrap();
        let mut client = WebTerminalServiceClient::new(channel(&server).await);

        let refused = client.pipe(stream::empty::<WebTerminalMessage>()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert_eq!(token(&server, "wrong").await, Err(401));

        let secret = server.tokens().policy().client_secret.replace(' ', "+");
        let token = token(&server, &secret).await.unwrap();
        let ringing =
            WebTerminalMessage { call_id: "a".to_owned(), message: Some(Message::Ringing(Ringing {})) };
        let mut request = Request::new(stream::iter([ringing]).chain(stream::pending()));
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let call = tokio::spawn(async move { client.multi_pipe(request).await });
        let mut terminal = server.accept().await.unwrap();
        assert_eq!((terminal.id, terminal.rpc, &terminal.token), (1, Rpc::MultiPipe, &Some(token)));
        assert_eq!(terminal.inbound.recv().await.unwrap().call_id, "a");
        let bye = WebTerminalMessage { call_id: "b".to_owned(), message: Some(Message::Bye(Bye {})) };
        terminal.outbound.send(Ok(bye.clone())).await.unwrap();
        let mut back = call.await.unwrap().unwrap().into_inner();
        assert_eq!(back.message().await.unwrap(), Some(bye));
        server.close_streams(Status::resource_exhausted("enough"));
        assert_eq!(back.message().await.unwrap_err().code(), Code::ResourceExhausted);
        drop(back);
        server.stop().await;
    }

    #[tokio::test]
    async fn streams_flow_over_plaintext() {
        talk(false, false).await;
    }

    #[tokio::test]
    async fn streams_flow_over_tls_with_late_headers() {
        talk(true, true).await;
    }
}
