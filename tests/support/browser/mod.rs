//! Headless Chromium as the far end of a call: a page that obeys orders.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::prelude::*;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};

/// Debian's package.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Starting a browser on a loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of a recording in text form: four minutes.
const LONGEST_RECORDING: usize = 32 * 1024 * 1024;

const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
];

struct Desk {
    orders: Mutex<mpsc::Receiver<Value>>,
    done: mpsc::Sender<Value>,
}

/// A browser with the page open.
pub struct Browser {
    orders: mpsc::Sender<Value>,
    done: mpsc::Receiver<Value>,
    child: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub async fn open() -> Self {
        let (orders, orders_out) = mpsc::channel(1);
        let (done_in, done) = mpsc::channel(1);
        let desk = Arc::new(Desk { orders: Mutex::new(orders_out), done: done_in });
        let routes = Router::new()
            .route("/", get(|| async { Html(include_str!("page.html")) }))
            .route("/order", get(next_order))
            .route("/done", post(take_done))
            .layer(DefaultBodyLimit::max(LONGEST_RECORDING))
            .with_state(desk);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new(CHROMIUM)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("http://{address}/"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Debian's chromium package is needed: apt-get install chromium");
        Self { orders, done, child, _profile: profile }
    }

    /// Has the page do something and tells what came of it.
    pub async fn ask(&mut self, order: Value) -> Value {
        self.orders.send(order.clone()).await.unwrap();
        let done = tokio::time::timeout(PATIENCE, self.done.recv()).await;
        let done = done.unwrap_or_else(|_| panic!("the browser is silent after {order}")).unwrap();
        assert!(done.get("error").is_none(), "{done} after {order}");
        done
    }

    /// The same where a description comes back.
    pub async fn sdp(&mut self, order: Value) -> String {
        self.ask(order).await["sdp"].as_str().unwrap().to_owned()
    }

    /// Level (full scale is 1) and frequency of the loudest tone heard at the end of `ms`.
    pub async fn listen(&mut self, ms: u64) -> (f64, f64) {
        let heard = self.ask(json!({ "op": "listen", "ms": ms })).await;
        (heard["level"].as_f64().unwrap(), heard["hertz"].as_f64().unwrap())
    }

    /// Begins to record what the page hears.
    pub async fn record(&mut self) {
        self.ask(json!({ "op": "record" })).await;
    }

    /// What it has heard since, at 48 kHz, and by how many ms that is shorter
    /// than the time it took: while Chromium decodes nothing there is no silence either.
    pub async fn recorded(&mut self) -> (Vec<i16>, f64) {
        let done = self.ask(json!({ "op": "recorded" })).await;
        let bytes = BASE64_STANDARD.decode(done["pcm"].as_str().unwrap()).unwrap();
        let (pairs, _) = bytes.as_chunks::<2>();
        let sound = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        (sound, done["missing_ms"].as_f64().unwrap())
    }

    pub async fn close(mut self) {
        let _ = self.orders.send(json!({ "op": "end" })).await;
        let _ = self.child.kill().await;
    }
}

async fn next_order(State(desk): State<Arc<Desk>>) -> Json<Value> {
    Json(desk.orders.lock().await.recv().await.unwrap_or(json!({ "op": "end" })))
}

async fn take_done(State(desk): State<Arc<Desk>>, Json(done): Json<Value>) {
    let _ = desk.done.send(done).await;
}
