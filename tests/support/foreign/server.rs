//! One server of the foreign core: what the box says to it, and what it says.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use callbox::sim::certs::{Authority, Flaw};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Foreign, foreign};

/// The client id that its token endpoint knows.
pub const CLIENT_ID: &str = "callbox test";
/// Its secret.
pub const CLIENT_SECRET: &str = "s3cret: of the+test";

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Options {
    /// TLS and a bearer token, or neither.
    pub secure: bool,
    /// When response headers leave; 0 for with the first message.
    pub headers_after_ms: Option<u64>,
    /// Whether it finds pings too many where `grpcio` does unless told otherwise.
    pub stock_pings: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { secure: true, headers_after_ms: None, stock_pings: false }
    }
}

/// A running server.
pub struct Server {
    process: &'static Foreign,
    number: u64,
    port: u64,
    token_port: Option<u64>,
    /// Events of this server that were looked at.
    seen: usize,
    folder: TempDir,
}

impl Server {
    /// Starts it with a certificate of its own.
    pub fn start(options: &Options) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut command = json!({
            "headers_after_ms": options.headers_after_ms,
            "stock_pings": options.stock_pings,
        });
        if options.secure {
            let authority = Authority::new().unwrap();
            let leaf = authority.leaf(Flaw::None).unwrap();
            for (name, text) in
                [("ca", authority.pem()), ("certificate", &leaf.certificate), ("key", &leaf.key)]
            {
                let file = folder.path().join(format!("{name}.pem"));
                fs::write(&file, text).unwrap();
                command[name] = json!(file);
            }
            command["client_id"] = json!(CLIENT_ID);
            command["client_secret"] = json!(CLIENT_SECRET);
        }
        let process = foreign();
        let said = process.ask("serve", command);
        let number = |name: &str| said[name].as_u64();
        Self {
            process,
            number: number("server").unwrap(),
            port: number("port").unwrap(),
            token_port: number("token_port"),
            seen: 0,
            folder,
        }
    }

    /// What `[core]` and `[auth]` must say to reach it; the secret is in `secret`.
    pub fn sections(&self, secret: &std::path::Path) -> String {
        let Some(token_port) = self.token_port else {
            return format!(
                "[core]\nendpoint = \"http://127.0.0.1:{}\"\n[auth]\nmethod = \"none\"\n",
                self.port
            );
        };
        let ca: PathBuf = self.folder.path().join("ca.pem");
        format!(
            "[core]\nendpoint = \"https://localhost:{}\"\nca-file = {ca:?}\n\
             [auth]\nclient-id = {CLIENT_ID:?}\nclient-secret-file = {secret:?}\nca-file = {ca:?}\n\
             token-url = \"https://localhost:{token_port}/oauth2/token\"\n",
            self.port
        )
    }

    /// Says a message on the newest stream.
    pub fn send(&self, call_id: &str, body: Value) {
        let mut message = body;
        if !call_id.is_empty() {
            message["call_id"] = json!(call_id);
        }
        self.ask("send", json!({ "message": message }));
    }

    /// Says these very bytes as a message.
    pub fn send_bytes(&self, bytes: &[u8]) {
        self.send_all_bytes(&[bytes.to_vec()]);
    }

    /// Says several, one right behind the other.
    pub fn send_all_bytes(&self, messages: &[Vec<u8>]) {
        let code = |bytes| json!({ "bytes": base64::engine::general_purpose::STANDARD.encode(bytes) });
        self.ask("send", json!({ "messages": messages.iter().map(code).collect::<Vec<_>>() }));
    }

    /// Ends the stream behind what was said, with a gRPC status by its name.
    pub fn end(&self, status: &str) {
        self.ask("end", json!({ "status": status }));
    }

    /// Answers later streams with this status; `None` to accept them again.
    pub fn refuse(&self, status: Option<&str>) {
        self.ask("refuse", json!({ "status": status }));
    }

    /// Forgets every token.
    pub fn revoke(&self) {
        self.ask("revoke", json!({}));
    }

    /// Breaks the connections and listens again.
    pub fn cut(&self) {
        self.ask("cut", json!({}));
    }

    /// The next event of this kind; those before it are skipped.
    pub fn wait_event(&mut self, event: &str) -> Value {
        self.wait(event, |found| found["event"] == event)
    }

    /// The next message of this kind, such as `offer`; what comes before it is skipped.
    pub fn wait_message(&mut self, kind: &str) -> Value {
        self.wait_message_that(kind, |_| true)
    }

    /// The next of this kind that is as wanted.
    pub fn wait_message_that(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = self.wait(&format!("message {kind}"), |found| {
            found["message"].get(kind).is_some() && wanted(&found["message"])
        });
        found["message"].clone()
    }

    /// The next message of any kind.
    pub fn next_message(&mut self) -> Value {
        self.wait("message", |found| found["event"] == "message")["message"].clone()
    }

    /// Panics if a message of this kind comes within this time.
    pub fn never(&mut self, kind: &str, within: Duration) {
        let (number, from) = (self.number, self.seen);
        let came = self.process.wait_for(within, |heard| {
            let mut events = heard.events.iter().filter(|event| event["server"] == number).skip(from);
            events.find(|event| event["message"].get(kind).is_some()).cloned()
        });
        assert!(came.is_none(), "{came:?} came");
    }

    /// How many messages of this kind came in all.
    pub fn count(&self, kind: &str) -> usize {
        let heard = self.process.lock();
        let ours = heard.events.iter().filter(|event| event["server"] == self.number);
        ours.filter(|event| event["message"].get(kind).is_some()).count()
    }

    /// Looks at nothing that came before now.
    pub fn skip(&mut self) {
        let heard = self.process.lock();
        self.seen = heard.events.iter().filter(|event| event["server"] == self.number).count();
    }

    fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let (number, from) = (self.number, self.seen);
        let (at, found) = self.process.wait(what, |heard| {
            let ours = heard.events.iter().filter(|event| event["server"] == number);
            let mut rest = ours.enumerate().skip(from);
            rest.find(|(_, event)| wanted(event)).map(|(at, event)| (at, event.clone()))
        });
        self.seen = at + 1;
        found
    }

    fn ask(&self, what: &str, mut command: Value) -> Value {
        command["server"] = json!(self.number);
        self.process.ask(what, command)
    }
}
