//! A server hears by webhook what happens at the box. It must be able to trust
//! what it hears (signature, time, id), hear it once and in order although it
//! fails now and then, and must not be able to hurt the box: not by being
//! slow, gone, wrong or somebody else. The server is a real one, with TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use callbox::sim::certs::{Authority, Flaw};
use hmac::{Hmac, Mac};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use sha2::Sha256;
use support::appliance::{Appliance, Config};
use support::core::restrict;
use support::wait_for;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

const SECRET: &str = "the-hooks-own-secret";
/// Part of the address; who knows it may tell the server anything.
const PATH: &str = "/T0-hunter2";

/// What the server does with a request.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answers(StatusCode),
    /// Answers 302, to this path of its own.
    Redirects(&'static str),
    /// Answers after much more than the box waits.
    Sleeps,
    /// Reads the request and closes the connection.
    Closes,
}

#[derive(Clone, Debug)]
struct Request {
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{}: {error}", self.body))
    }
}

#[derive(Default)]
struct Seen {
    /// What to do with the next ones; 200 when there is none left.
    plan: VecDeque<Does>,
    requests: Vec<Request>,
}

type Shared = Arc<Mutex<Seen>>;

/// An HTTPS server on a port of its own.
struct Server {
    folder: TempDir,
    address: SocketAddr,
    seen: Shared,
    _runtime: Runtime,
}

impl Server {
    fn start(flaw: Flaw, plan: &[Does]) -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority::new().unwrap();
        let leaf = authority.leaf(flaw).unwrap();
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
        restrict(&folder.path().join("secret"), 0o600);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap(),
            )
            .unwrap();
        let seen = Shared::default();
        seen.lock().unwrap().plan.extend(plan);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), Arc::clone(&seen)));
        Self { folder, address, seen, _runtime: runtime }
    }

    /// A `[[webhook]]` for this server with these lines.
    fn section(&self, more: &str) -> String {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        format!(
            "[[webhook]]\nurl = \"https://localhost:{}{PATH}?key=hunter2\"\nca-file = {:?}\nsecret-file = {:?}\n{more}",
            self.address.port(),
            path("ca.pem"),
            path("secret"),
        )
    }

    fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// Waits for so many requests.
    fn wait(&self, count: usize) -> Vec<Request> {
        wait_for(Duration::from_secs(20), "request", || {
            let requests = self.requests();
            if requests.len() >= count { Ok(requests) } else { Err(format!("{} came", requests.len())) }
        })
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, seen: Shared) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, seen) = (tls.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let app = Router::new().fallback(answer).with_state(seen);
            let service = TowerToHyperService::new(app);
            // A handler that panics closes the connection.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(State(seen): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let does = {
        let mut seen = seen.lock().unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        seen.requests.push(Request { path: uri.to_string(), headers, body });
        seen.plan.pop_front().unwrap_or(Does::Answers(StatusCode::OK))
    };
    match does {
        Does::Answers(status) => status.into_response(),
        Does::Redirects(to) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Does::Sleeps => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            StatusCode::OK.into_response()
        }
        Does::Closes => panic!("the server closes the connection"),
    }
}

fn lone_box(more: String) -> Appliance {
    let config = Config {
        endpoint: "http://127.0.0.1:9".to_owned(),
        audio: ("synth:silence".to_owned(), "synth:silence".to_owned()),
        more,
        ..Config::bare()
    };
    let mut appliance = Appliance::start_with_environment(&config, &[]);
    appliance.wait_status(20, "answer of the box", |_| true);
    appliance
}

fn press(appliance: &Appliance) {
    appliance.must(&["press", "call", "--for", "30"]);
}

/// The meters of the one hook.
fn hook(appliance: &Appliance) -> Value {
    appliance.status().unwrap()["webhooks"][0].clone()
}

/// Neither the secret nor the address's path is anywhere that people look.
fn nothing_is_given_away(appliance: &Appliance) {
    for text in [appliance.log(), appliance.must(&["status", "--json"]), appliance.must(&["status"])] {
        assert!(!text.contains("hunter2") && !text.contains(SECRET), "{text}");
        assert!(!text.contains("v1,"), "a signature is nobody's business: {text}");
    }
}

/// As a receiver checks it: not older than five minutes, and made with the secret.
fn verify(request: &Request) {
    let timestamp = request.header("webhook-timestamp");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(timestamp.parse().unwrap()) < 300, "{timestamp} is not now");
    let signed = format!("{}.{timestamp}.{}", request.header("webhook-id"), request.body);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(request.header("webhook-signature"), expected);
}

#[test]
fn events_that_were_asked_for_come_signed_and_as_the_event_log_has_them() {
    let server = Server::start(Flaw::None, &[]);
    let appliance = lone_box(server.section("events = [\"button\", \"refused\"]\n"));
    press(&appliance);
    appliance.command(&["answer"]).unwrap_err();
    let requests = server.wait(2);
    let kinds: Vec<Value> = requests.iter().map(|request| request.json()["kind"].clone()).collect();
    assert_eq!(kinds[..2], ["button", "refused"]);
    let log = appliance.events();
    for request in &requests {
        assert_eq!(request.path, format!("{PATH}?key=hunter2"));
        assert_eq!(request.header("content-type"), "application/json");
        assert!(request.header("user-agent").starts_with("callbox/"));
        assert!(log.contains(&request.json()), "{request:?} is not in {log:?}");
        verify(request);
    }
    assert_ne!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    let meters = hook(&appliance);
    assert!(meters["delivered"].as_u64() >= Some(2), "{meters}");
    assert_eq!((&meters["failed_attempts"], &meters["dropped"]), (&0.into(), &0.into()), "{meters}");
    nothing_is_given_away(&appliance);
}

#[test]
fn a_server_that_fails_gets_the_same_event_again_and_the_next_one_after_it() {
    let plan = [
        Does::Answers(StatusCode::INTERNAL_SERVER_ERROR),
        Does::Closes,
        Does::Redirects("/elsewhere"),
        Does::Answers(StatusCode::OK),
        // This one it will never want.
        Does::Answers(StatusCode::UNPROCESSABLE_ENTITY),
    ];
    let server = Server::start(Flaw::None, &plan);
    let appliance = lone_box(server.section("events = [\"refused\"]\n"));
    for _ in 0..3 {
        appliance.command(&["answer"]).unwrap_err();
    }
    let requests = server.wait(6);
    let ids: Vec<&str> = requests.iter().map(|request| request.header("webhook-id")).collect();
    assert!(ids[..4].iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(ids[4] != ids[0] && ids[5] != ids[4] && ids[5] != ids[0], "{ids:?}");
    let numbers: Vec<u64> = requests.iter().map(|request| request.json()["seq"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    requests.iter().for_each(verify);
    assert!(requests.iter().all(|request| request.path.starts_with(PATH)), "a redirect was followed");
    let meters = wait_for(Duration::from_secs(5), "meters", || {
        let meters = hook(&appliance);
        if meters["waiting"] == 0 { Ok(meters) } else { Err(meters.to_string()) }
    });
    let counts = ["delivered", "failed_attempts", "dropped"].map(|name| meters[name].as_u64().unwrap());
    assert_eq!(counts, [2, 4, 1], "{meters}");
    assert!(meters["trouble"].is_null(), "{meters}");
    assert!(appliance.log().contains("redirects are not followed"), "{}", appliance.log());
    nothing_is_given_away(&appliance);
}

#[test]
fn a_slow_server_holds_nobody_up_and_is_asked_again() {
    let server = Server::start(Flaw::None, &[Does::Sleeps, Does::Sleeps]);
    let appliance = lone_box(server.section("events = [\"refused\"]\ntimeout = \"1s\"\n"));
    appliance.command(&["answer"]).unwrap_err();
    server.wait(1);
    let begin = Instant::now();
    press(&appliance);
    assert!(begin.elapsed() < Duration::from_secs(1), "the box waited for the server");
    // It has given up, and tried again.
    let requests = server.wait(3);
    assert_eq!(requests[0].header("webhook-id"), requests[2].header("webhook-id"));
    let trouble = appliance.log();
    assert!(trouble.contains("webhook:") && trouble.contains("timed out"), "{trouble}");
    nothing_is_given_away(&appliance);
}

#[test]
fn a_server_that_cannot_prove_who_it_is_hears_nothing() {
    for flaw in [Flaw::UnknownAuthority, Flaw::OtherHost, Flaw::Expired] {
        let server = Server::start(flaw, &[]);
        let mut appliance = lone_box(server.section("events = [\"button\"]\n"));
        press(&appliance);
        let meters = wait_for(Duration::from_secs(15), "refusal", || {
            let meters = hook(&appliance);
            if meters["failed_attempts"].as_u64() > Some(0) { Ok(meters) } else { Err(meters.to_string()) }
        });
        assert!(meters["trouble"].as_str().unwrap().contains("certificate"), "{flaw:?}: {meters}");
        assert_eq!((server.requests().len(), &meters["waiting"]), (0, &1.into()), "{flaw:?}");
        appliance.assert_alive();
        nothing_is_given_away(&appliance);
    }
}
