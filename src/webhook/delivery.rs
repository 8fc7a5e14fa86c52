//! One attempt to tell a server one event.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, StatusCode};
use secrecy::ExposeSecret;

use super::WebhookSettings;
use super::signature;
use crate::config::secret;
use crate::handle::Entry;

/// A server that asks for more time than this gets no more.
const LONGEST_WISH: Duration = Duration::from_secs(300);

/// A connection without work is kept for the next event so long.
const IDLE: Duration = Duration::from_secs(15);

/// An event as it goes out.
pub(super) struct News {
    id: String,
    body: Bytes,
}

impl News {
    /// `run` tells this run of the process from every other.
    pub fn new(run: u64, entry: &Entry) -> Result<Self, serde_json::Error> {
        let body = serde_json::to_vec(entry)?.into();
        Ok(Self { id: format!("callbox-{run:016x}-{}", entry.seq), body })
    }
}

/// Why the server does not have it.
#[derive(Debug)]
pub(super) struct Failure {
    /// For people, without the address's path.
    pub why: String,
    /// It would not take this event at another time either.
    pub for_good: bool,
    /// When it wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    fn new(why: String) -> Self {
        Self { why, for_good: false, retry_after: None }
    }
}

/// The server, and the connection to it.
pub(super) struct Server<'a> {
    settings: &'a WebhookSettings,
    /// Made at the first attempt that finds its roots.
    client: Option<Client>,
}

impl<'a> Server<'a> {
    pub fn new(settings: &'a WebhookSettings) -> Self {
        Self { settings, client: None }
    }

    /// Sends it once. Done means that the server has answered with 2xx.
    pub async fn attempt(&mut self, news: &News) -> Result<(), Failure> {
        let headers = self.headers(news).await?;
        let client = match &self.client {
            Some(client) => client,
            None => self.client.insert(self.connect().await?),
        };
        let request = client.post(self.settings.url.expose_secret()).headers(headers).body(news.body.clone());
        // The address may hold a secret, so no error may quote it.
        let response =
            request.send().await.map_err(|error| Failure::new(chain_text(&error.without_url())))?;
        judge(&response)
    }

    async fn headers(&self, news: &News) -> Result<HeaderMap, Failure> {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (signature::TIMESTAMP, HeaderValue::from(timestamp)),
        ]);
        let text = |text: &str| HeaderValue::from_str(text).map_err(|error| Failure::new(error.to_string()));
        headers.insert(signature::ID, text(&news.id)?);
        if let Some(source) = self.settings.secret.clone() {
            // Read anew each time, so that a new secret needs no restart.
            let secret = tokio::task::spawn_blocking(move || secret::read(&source)).await;
            let secret = secret
                .map_err(|_| Failure::new("reading the secret panicked".to_owned()))?
                .map_err(|error| Failure::new(error.to_string()))?;
            let signature = signature::sign(&secret, &news.id, timestamp, &news.body);
            let mut signature = text(&signature.map_err(|error| Failure::new(error.to_string()))?)?;
            signature.set_sensitive(true);
            headers.insert(signature::SIGNATURE, signature);
        }
        Ok(headers)
    }

    async fn connect(&self) -> Result<Client, Failure> {
        let mut builder = Client::builder()
            .use_rustls_tls()
            .redirect(Policy::none())
            .timeout(self.settings.timeout)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("callbox/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        if let Some(path) = &self.settings.ca_file {
            let bad = |error: String| Failure::new(format!("ca-file {}: {error}", path.display()));
            let file = path.clone();
            let read = tokio::task::spawn_blocking(move || std::fs::read(file)).await;
            let pem =
                read.map_err(std::io::Error::other).flatten().map_err(|error| bad(error.to_string()))?;
            let roots = Certificate::from_pem_bundle(&pem).map_err(|error| bad(error.to_string()))?;
            if roots.is_empty() {
                return Err(bad("there is no PEM certificate in it".to_owned()));
            }
            builder = builder.tls_built_in_root_certs(false);
            for root in roots {
                builder = builder.add_root_certificate(root);
            }
        }
        builder.build().map_err(|error| Failure::new(chain_text(&error.without_url())))
    }
}

fn judge(response: &Response) -> Result<(), Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let why = match status {
        status if status.is_redirection() => {
            format!("it answers {status}, and redirects are not followed: set url to where it leads")
        }
        status => format!("it answers {status}"),
    };
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Err(Failure {
        why,
        // It has read the event and finds it wrong.
        for_good: matches!(
            status,
            StatusCode::BAD_REQUEST
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::UNSUPPORTED_MEDIA_TYPE
                | StatusCode::UNPROCESSABLE_ENTITY
        ),
        retry_after: seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WISH)),
    })
}

/// An error and its causes in one line.
fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
