//! One connection to the broker, from its begin to its end.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Packet, Publish, QoS,
    TlsConfiguration, Transport,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::command::{Desk, Verdict};
use super::{MqttSettings, discovery, state};
use crate::appliance::log::Kind;
use crate::config::secret;
use crate::handle::{Entry, Handle};

/// A broker that says nothing for one and a half of these is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Messages that wait for the broker to take them.
const QUEUE: usize = 64;

/// The largest message to and from the broker, in bytes.
const LARGEST_IN: usize = 8 * 1024;
const LARGEST_OUT: usize = 64 * 1024;

/// State is told at most this often: a lamp that follows a flood of messages
/// is of no use to anybody.
const STATE_EVERY: Duration = Duration::from_millis(200);

/// How long the good-bye may take.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Why there is no connection, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the broker: {0}")]
    Connection(#[from] Box<ConnectionError>),
    #[error("[mqtt] {0}")]
    Password(String),
    #[error("[mqtt] ca-file: {0}")]
    Roots(String),
}

/// Connects, and stays so until the connection breaks (an error) or the
/// appliance ends. A fresh client each time: what was meant for the time of an
/// outage, such as a press of the bell, must not be told an hour later.
pub(super) async fn keep(settings: &MqttSettings, handle: &Handle) -> Result<(), Broken> {
    let (client, events) = AsyncClient::new(options(settings)?, QUEUE);
    let (packets_in, mut packets) = mpsc::channel(QUEUE);
    let mut tasks = JoinSet::new();
    tasks.spawn(poll(events, packets_in));

    let mut talk = Talk { settings, client, desk: Desk::new(settings.commands.clone()) };
    let mut status = handle.watch();
    let (_, mut log) = handle.log().follow();
    let mut online = false;
    let mut state_due: Option<Instant> = None;
    let mut state_told = Instant::now();
    loop {
        tokio::select! {
            packet = packets.recv() => match packet {
                Some(Ok(Packet::ConnAck(_))) => {
                    tracing::info!(broker = %settings.host, "on the broker");
                    talk.greet();
                    online = true;
                    state_due = Some(Instant::now());
                }
                Some(Ok(Packet::Publish(message))) => {
                    let answer = talk.hear(&message);
                    if let Some(verdict) = answer {
                        let (client, topic) = (talk.client.clone(), settings.topic("answer"));
                        let handle = handle.clone();
                        tasks.spawn(async move {
                            say(&client, topic, false, verdict.carry_out(&handle).await);
                        });
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Box::new(error).into()),
                None => return Ok(()),
            },
            changed = status.changed() => {
                if changed.is_err() {
                    talk.leave().await;
                    return Ok(());
                }
                state_due.get_or_insert(state_told + STATE_EVERY);
            }
            () = due(state_due), if online => {
                let state = state::of(&status.borrow_and_update());
                // One that finds no room is told a moment later.
                let told = say(&talk.client, settings.topic("state"), true, state);
                state_told = Instant::now();
                state_due = (!told).then(|| state_told + STATE_EVERY);
            }
            entry = log.recv() => match entry {
                Ok(entry) if online => talk.tell(&entry),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => {
                    talk.leave().await;
                    return Ok(());
                }
            },
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Reads and writes on the wire until the connection breaks. A task of its own,
/// so that a change of state never interrupts an attempt to connect.
async fn poll(mut events: EventLoop, packets: mpsc::Sender<Result<Packet, ConnectionError>>) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(packet)) => {
                if packets.send(Ok(packet)).await.is_err() {
                    return;
                }
            }
            Ok(Event::Outgoing(_)) => {}
            Err(error) => {
                // Without a reader nobody cares why.
                let _ = packets.send(Err(error)).await;
                return;
            }
        }
    }
}

/// What is said and heard on one connection.
struct Talk<'a> {
    settings: &'a MqttSettings,
    client: AsyncClient,
    desk: Desk,
}

impl Talk<'_> {
    fn greet(&self) {
        say(&self.client, self.settings.topic("availability"), true, "online".to_owned());
        if let Some((topic, payload)) = discovery::message(self.settings) {
            say(&self.client, topic, true, payload);
        }
        if !self.settings.commands.is_empty() {
            let topic = self.settings.topic("command");
            if let Err(error) = self.client.try_subscribe(topic, QoS::AtLeastOnce) {
                tracing::warn!(%error, "no commands over the broker");
            }
        }
    }

    fn hear(&mut self, message: &Publish) -> Option<Verdict> {
        // A retained command would be carried out again at every connection.
        if message.retain || message.topic != self.settings.topic("command") {
            tracing::warn!(topic = %message.topic, retained = message.retain, "a message over the broker is ignored");
            return None;
        }
        Some(self.desk.judge(&message.payload, Instant::now()))
    }

    fn tell(&self, entry: &Entry) {
        match serde_json::to_string(entry) {
            Ok(text) => say(&self.client, self.settings.topic("event"), false, text),
            Err(error) => {
                tracing::error!(%error, "an event cannot be told");
                return;
            }
        };
        if let Kind::Button { button, gesture } = &entry.record.kind {
            let topic = self.settings.topic(&format!("button/{button}"));
            let payload = serde_json::json!({ "event_type": gesture });
            say(&self.client, topic, false, payload.to_string());
        }
    }

    /// A good-bye: the last will is only for those who leave without.
    async fn leave(&self) {
        say(&self.client, self.settings.topic("availability"), true, "offline".to_owned());
        if self.client.try_disconnect().is_ok() {
            tokio::time::sleep(LAST_WORDS).await;
        }
    }
}

/// Never waits: a broker that takes nothing holds nobody up. False if there was no room.
fn say(client: &AsyncClient, topic: String, retain: bool, payload: String) -> bool {
    let told = client.try_publish(topic, QoS::AtLeastOnce, retain, payload).is_ok();
    if !told {
        tracing::debug!("the broker is slow: a message is left out");
    }
    told
}

fn options(settings: &MqttSettings) -> Result<MqttOptions, Broken> {
    let id = format!("callbox-{}", settings.name);
    let mut options = MqttOptions::new(id, &settings.host, settings.port);
    options.set_keep_alive(KEEP_ALIVE);
    options.set_clean_session(true);
    options.set_max_packet_size(LARGEST_IN, LARGEST_OUT);
    let availability = settings.topic("availability");
    options.set_last_will(LastWill::new(availability, "offline", QoS::AtLeastOnce, true));
    if let Some((user, password)) = &settings.login {
        let password = secret::read(password).map_err(|error| Broken::Password(error.to_string()))?;
        options.set_credentials(user, password.expose_secret());
    }
    if settings.tls {
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::new(tls(settings)?))));
    }
    Ok(options)
}

fn tls(settings: &MqttSettings) -> Result<ClientConfig, Broken> {
    let mut roots = RootCertStore::empty();
    match &settings.ca_file {
        Some(path) => {
            let bad = |error: String| Broken::Roots(format!("{}: {error}", path.display()));
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| bad(error.to_string()))?;
                roots.add(certificate).map_err(|error| bad(error.to_string()))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Broken::Roots(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
