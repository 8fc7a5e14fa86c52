//! One stream at a time: opens it, carries messages both ways, says why it ended.

use std::error::Error as _;
use std::pin::pin;
use std::time::Duration;

use futures_util::{StreamExt, TryFutureExt, TryStreamExt, stream};
use prost::Message as _;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Status};

use super::brake::Brake;
use super::connect::{Connection, connect};
use super::convert::{from_wire, to_wire};
use super::error::{closed, from_status, is_too_many_pings, says_too_many_pings};
use super::http2::Ended;
use super::link::{Gone, Link};
use super::proto::WebTerminalMessage;
use super::proto::web_terminal_service_client::WebTerminalServiceClient;
use super::token::TokenSource;
use super::{MESSAGE_LIMIT, PipeSettings, tls};
use crate::appliance::command::SessionCommand;
use crate::appliance::event::{CloseReason, Closed, Message, SessionEvent};
use crate::appliance::settings::{KeepAlive, Mode};

/// Messages that wait for a slow connection. A call takes a handful.
const OUTBOUND: usize = 32;
/// How long a `Close` waits for the core to take what was sent before it.
const CLOSE_GRACE: Duration = Duration::from_secs(1);
/// How long a connection whose stream broke may take to say why.
const END_GRACE: Duration = Duration::from_millis(100);

/// Obeys until the driver is gone.
pub(super) async fn run(
    settings: PipeSettings,
    commands: mpsc::Receiver<SessionCommand>,
    events: mpsc::Sender<SessionEvent>,
) {
    tls::install_provider();
    let tokens = TokenSource::new(settings.auth.clone());
    let pace = watch::Sender::new(settings.keep_alive);
    let mut shell = Shell { settings, pace, tokens: &tokens, link: Link::new(commands, events) };
    tokio::select! {
        Err(Gone) = shell.obey() => {}
        () = tokens.keep_fresh() => {}
    }
}

struct Shell<'a> {
    settings: PipeSettings,
    /// The pace of keep-alive, for the connection that is open, too.
    pace: watch::Sender<KeepAlive>,
    tokens: &'a TokenSource,
    link: Link,
}

/// What a command means to a session that is open or about to be.
enum Told {
    Send(Message),
    Pace(KeepAlive),
    End(Closed),
}

/// What comes from the core.
enum News {
    Headers,
    Message(WebTerminalMessage),
}

impl Shell<'_> {
    async fn obey(&mut self) -> Result<(), Gone> {
        loop {
            match self.link.command().await? {
                SessionCommand::Connect { renew_token } => {
                    let closed = self.session(renew_token).await?;
                    self.link.report(SessionEvent::Closed(closed)).await?;
                }
                SessionCommand::Send(message) => note_dropped(&message),
                SessionCommand::KeepAlive(pace) => self.set_pace(pace),
                SessionCommand::Close => {}
            }
        }
    }

    async fn session(&mut self, renew_token: bool) -> Result<Closed, Gone> {
        let opened = {
            let pace = self.pace.subscribe();
            let mut opening = pin!(open(&self.settings, pace, self.tokens, renew_token));
            loop {
                tokio::select! {
                    opened = &mut opening => break opened,
                    told = told(&mut self.link) => match told {
                        Told::Send(message) => note_dropped(&message),
                        Told::Pace(pace) => {
                            self.pace.send_replace(pace);
                        }
                        Told::End(closed) => return Ok(closed),
                    },
                }
            }
        };
        match opened {
            Ok((connection, token)) => self.talk(connection, token).await,
            Err(closed) => Ok(closed),
        }
    }

    async fn talk(&mut self, connection: Connection, token: Option<Bearer>) -> Result<Closed, Gone> {
        let (outbound, queued) = mpsc::channel(OUTBOUND);
        let mut request = Request::new(ReceiverStream::new(queued));
        if let Some(Bearer { token, header }) = token {
            request.metadata_mut().insert("authorization", header);
            self.tokens.note_shown(&token);
        }
        self.link.report(SessionEvent::Sent).await?;

        let mode = self.settings.mode;
        // The connection reports its end only while it could take more requests.
        let _more = connection.requests.clone();
        let mut client = WebTerminalServiceClient::with_origin(connection.requests, connection.origin)
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT);
        // Resolves at the response headers, which some servers keep back until
        // their first message. Outbound messages flow all the same.
        let call = async move {
            match mode {
                Mode::Pipe => client.pipe(request).await,
                Mode::MultiPipe => client.multi_pipe(request).await,
            }
        };
        let news = call
            .map_ok(|response| {
                let messages = response.into_inner().map_ok(News::Message);
                stream::iter([Ok(News::Headers)]).chain(messages)
            })
            .try_flatten_stream();
        let mut news = pin!(news);
        let mut brake = Brake::new();
        loop {
            tokio::select! {
                next = brake.read(news.next()) => match next {
                    Some(Ok(News::Headers)) => self.link.report(SessionEvent::Opened).await?,
                    Some(Ok(News::Message(message))) => {
                        let event = from_wire(message).map_or(SessionEvent::Unknown, SessionEvent::Message);
                        self.link.report(event).await?;
                    }
                    Some(Err(status)) => {
                        return Ok(self.broken(&status, connection.ended).await);
                    }
                    None => return Ok(closed(CloseReason::EndedByCore, "the core ended the stream")),
                },
                told = told(&mut self.link) => match told {
                    Told::Send(message) => {
                        if let Err(closed) = send(&outbound, message) {
                            return Ok(closed);
                        }
                    }
                    Told::Pace(pace) => self.set_pace(pace),
                    Told::End(closed) => {
                        // The end of our side goes out behind the last message.
                        drop(outbound);
                        let rest = async { while let Some(Ok(_)) = news.next().await {} };
                        let ended = self.link.meanwhile(tokio::time::timeout(CLOSE_GRACE, rest)).await;
                        tracing::debug!(in_time = ended.is_ok(), "session closed");
                        return Ok(closed);
                    }
                },
            }
        }
    }

    /// Why the stream broke: what the connection says tells more than what
    /// the stream says.
    async fn broken(&mut self, status: &Status, ended: JoinHandle<Result<(), Ended>>) -> Closed {
        // Some cores end their streams with UNAVAILABLE before the GOAWAY that
        // says why; any other status of theirs stands for itself.
        if status.source().is_none() && status.code() != Code::Unavailable {
            return from_status(status);
        }
        let ended = self.link.meanwhile(tokio::time::timeout(END_GRACE, ended)).await;
        let goaway = matches!(&ended, Ok(Ok(Err(Ended::Broken(error)))) if is_too_many_pings(error));
        if goaway || says_too_many_pings(status) {
            let every = self.pace.borrow().every;
            return closed(
                CloseReason::TooManyPings,
                format!("the core finds keep-alive every {every:?} too often"),
            );
        }
        match ended {
            Ok(Ok(Err(silent @ Ended::NoAnswer(_)))) => closed(CloseReason::Lost, silent.to_string()),
            Ok(Ok(Err(Ended::Broken(_)) | Ok(())) | Err(_)) | Err(_) => from_status(status),
        }
    }

    fn set_pace(&self, pace: KeepAlive) {
        tracing::debug!(?pace, "keep-alive");
        self.pace.send_replace(pace);
    }
}

/// Waits for a command. A driver that is gone is a wish to end, too.
async fn told(link: &mut Link) -> Told {
    match link.command().await {
        Ok(SessionCommand::Send(message)) => Told::Send(message),
        Ok(SessionCommand::KeepAlive(pace)) => Told::Pace(pace),
        Ok(SessionCommand::Close) | Err(Gone) => {
            Told::End(closed(CloseReason::Requested, "closed as asked for"))
        }
        Ok(connect @ SessionCommand::Connect { .. }) => {
            link.put_back(connect);
            Told::End(closed(CloseReason::Requested, "closed for a new session"))
        }
    }
}

fn send(outbound: &mpsc::Sender<WebTerminalMessage>, message: Message) -> Result<(), Closed> {
    let message = to_wire(message);
    let length = message.encoded_len();
    if length > MESSAGE_LIMIT {
        // Only a far end with an absurd offer leads to one; its call ends by
        // the core's clock, the session goes on.
        tracing::warn!(length, limit = MESSAGE_LIMIT, "a message was dropped: it is too long");
        return Ok(());
    }
    match outbound.try_send(message) {
        Ok(()) => Ok(()),
        Err(mpsc::error::TrySendError::Full(_)) => {
            let detail = format!("the core takes no messages: {OUTBOUND} are waiting");
            Err(closed(CloseReason::Lost, detail))
        }
        // The stream has ended; why comes from the other direction.
        Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
    }
}

fn note_dropped(message: &Message) {
    tracing::warn!(call_id = %message.call_id, "a message was dropped: no session is open");
}

/// A token and how it is shown.
struct Bearer {
    token: SecretString,
    header: MetadataValue<Ascii>,
}

async fn open(
    settings: &PipeSettings,
    pace: watch::Receiver<KeepAlive>,
    tokens: &TokenSource,
    renew_token: bool,
) -> Result<(Connection, Option<Bearer>), Closed> {
    let token = tokens.token(renew_token).await.map_err(|error| error.to_closed())?;
    let bearer = token.map(bearer).transpose()?;
    let connection = connect(settings, pace).await?;
    Ok((connection, bearer))
}

fn bearer(token: SecretString) -> Result<Bearer, Closed> {
    let mut header = MetadataValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| closed(CloseReason::TokenUnavailable, "the token endpoint's token is not printable"))?;
    header.set_sensitive(true);
    Ok(Bearer { token, header })
}
