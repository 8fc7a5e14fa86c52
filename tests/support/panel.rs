//! The box with its web panel, and a visitor who speaks HTTP.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::appliance::{Appliance, Config};
use super::core::Core;
use super::wait_for;

/// A box whose configuration has these lines below `[panel]`.
pub struct PanelBox {
    pub appliance: Appliance,
    pub port: u16,
    url: String,
    runtime: Runtime,
    client: Client,
    cookie: Option<String>,
    csrf: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// A header's text, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A box without sound card; `core` may be none at all.
pub fn config(core: Option<&Core>, more: &str) -> Config {
    let bare = core.map_or_else(
        || Config { endpoint: "http://127.0.0.1:9".to_owned(), ..Config::bare() },
        Config::for_core,
    );
    Config { audio: ("synth:tone=440".to_owned(), "synth:silence".to_owned()), more: more.to_owned(), ..bare }
}

impl PanelBox {
    /// Starts a box that listens on a free port of 127.0.0.1.
    pub fn start(core: Option<&Core>, panel: &str) -> Self {
        Self::with(config(core, &format!("[panel]\nlisten = \"127.0.0.1:0\"\n{panel}")))
    }

    /// Starts a box with this configuration and waits for its panel.
    pub fn with(config: Config) -> Self {
        Self::of(Appliance::start_with_environment(&config, &[("NO_COLOR", "1".to_owned())]))
    }

    fn of(appliance: Appliance) -> Self {
        let url = wait_for(Duration::from_secs(20), "panel", || panel_url(&appliance));
        let port = url.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        let mut client =
            Client::builder().timeout(Duration::from_secs(20)).no_proxy().pool_max_idle_per_host(0);
        let mut base = format!("http://127.0.0.1:{port}");
        if url.starts_with("https:") {
            let own = std::fs::read(appliance.folder().join("state/panel/own.pem")).unwrap();
            client = client.add_root_certificate(Certificate::from_pem(&own).unwrap());
            client = client.resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            base = format!("https://localhost:{port}");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = client.build().unwrap();
        Self { appliance, port, url: base, runtime, client, cookie: None, csrf: None }
    }

    /// Its address without the slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A raw connection.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Any request, with these headers.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Reply {
        let mut request = self
            .client
            .request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.url));
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request = request.header(name, HeaderValue::from_str(value).unwrap());
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        self.runtime.block_on(async {
            let reply = request.send().await.unwrap_or_else(|e| panic!("{method} {path}: {e:?}"));
            let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
            Reply { status, headers, text: reply.text().await.unwrap() }
        })
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None)
    }

    /// A request that changes something, as the page makes it.
    pub fn change(&mut self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let csrf = self.csrf();
        self.send(method, path, &[("x-csrf-token", &csrf)], body.map(Value::to_string).as_deref())
    }

    /// The token that the page reads first.
    pub fn csrf(&mut self) -> String {
        if self.csrf.is_none() {
            let session = self.get("/api/session").json();
            self.csrf = session["csrf"].as_str().map(str::to_owned);
        }
        self.csrf.clone().expect("a visitor who is let in")
    }

    /// Tries a password; keeps the cookie if it is right.
    pub fn log_in(&mut self, password: &str) -> Reply {
        let reply = self.send("POST", "/api/login", &[], Some(&json!({ "password": password }).to_string()));
        let cookie = reply.header("set-cookie").split(';').next().filter(|cookie| !cookie.is_empty());
        if let Some(cookie) = cookie {
            self.cookie = Some(cookie.to_owned());
            self.csrf = None;
        }
        reply
    }

    /// Goes on without the cookie.
    pub fn forget_cookie(&mut self) -> Option<String> {
        self.csrf = None;
        self.cookie.take()
    }
}

fn panel_url(appliance: &Appliance) -> Result<String, String> {
    let log = appliance.log();
    let said = log.split("url=").nth(1).and_then(|rest| rest.split_whitespace().next());
    said.map(str::to_owned).ok_or(log.clone())
}
