//! Traces of calls, from the press to the hang-up, for an OpenTelemetry
//! collector (OTLP 1.x). Off unless the configuration names one.
//!
//! A trace is made from the event log when its call is over ([`trace`]), so
//! nothing of the call waits for it, and is sent by a task of its own
//! ([`collector`]). A collector that is gone costs traces, counted in the log.

mod collector;
mod trace;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::telemetry::OtlpProtocol;
use crate::handle::Handle;
use collector::Collector;
use trace::Tracer;

/// Traces that wait for the collector.
const QUEUE: usize = 32;

/// How long the last traces may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the collector's shell needs to know.
#[derive(Clone, Debug)]
pub struct TelemetrySettings {
    /// Where it is.
    pub collector: String,
    /// How to speak to it.
    pub protocol: OtlpProtocol,
    /// The authorities to trust, PEM; `None` for the public roots.
    pub ca_file: Option<PathBuf>,
    /// The board's name, one of the resource's attributes.
    pub board: String,
}

/// Traces on their way.
pub struct Telemetry(JoinHandle<()>);

/// Follows the event log until the appliance ends.
pub fn spawn(settings: TelemetrySettings, handle: &Handle) -> Telemetry {
    let handle = handle.clone();
    Telemetry(tokio::spawn(async move {
        let (over, traces) = mpsc::channel(QUEUE);
        let board = settings.board.clone();
        tokio::join!(follow(handle, board, over), send(settings, traces));
    }))
}

impl Telemetry {
    /// Waits a moment for what was traced last, once the appliance has ended.
    pub async fn ended(self) {
        if timeout(LAST_WORDS, self.0).await.is_err() {
            tracing::warn!("telemetry: the last traces did not go out in time");
        }
    }
}

async fn follow(handle: Handle, board: String, over: mpsc::Sender<ExportTraceServiceRequest>) {
    let (past, mut coming) = handle.log().follow();
    // Time zero of the event log, by the wall clock of now: one that was set
    // meanwhile does not tear a trace apart.
    let zero =
        move || SystemTime::now().checked_sub(handle.start.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut tracer = Tracer::new(board, rand::random);
    let mut take = |entry: &crate::handle::Entry| {
        if let Some(trace) = tracer.entry(entry, zero())
            && over.try_send(trace).is_err()
        {
            tracing::warn!("telemetry: a trace is dropped, the collector is too slow");
        }
    };
    past.iter().for_each(|entry| take(entry));
    let mut status = handle.status.clone();
    loop {
        tokio::select! {
            biased;
            entry = coming.recv() => match entry {
                Ok(entry) => take(&entry),
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "telemetry: entries missed"),
                Err(RecvError::Closed) => return,
            },
            changed = status.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

async fn send(settings: TelemetrySettings, mut traces: mpsc::Receiver<ExportTraceServiceRequest>) {
    let mut collector = Collector::new(settings);
    let mut last = String::new();
    while let Some(trace) = traces.recv().await {
        match collector.export(trace).await {
            Ok(()) => last.clear(),
            // The same words after each call help nobody.
            Err(why) if why == last => tracing::debug!("telemetry: a trace is dropped: {why}"),
            Err(why) => {
                tracing::warn!("telemetry: a trace is dropped: {why}");
                last = why;
            }
        }
    }
}
