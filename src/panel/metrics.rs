//! `GET /metrics`: the box for Prometheus, in its text format 0.0.4.

mod call;
mod webhook;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus::{
    Encoder, Error, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use serde::Serialize;

use super::answer::Refused;
use super::calls::Call;
use super::health;
use super::site::Site;
use crate::appliance::log::Kind;
use crate::appliance::status::CallStatus;
use crate::handle::{Entry, Snapshot};
use call::CallFigures;
use webhook::WebhookFigures;

/// Seconds from a press; the last ones tell a far end that takes its time.
const FROM_PRESS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 45.0];

/// Seconds of talk.
const TALK: [f64; 8] = [5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];

/// Every figure. Those of a moment are taken when they are asked for.
pub struct Metrics {
    registry: Registry,
    pub press_to_offer: Histogram,
    pub press_to_first_audio: Histogram,
    pub failed_logins: IntCounter,
    talk: Histogram,
    calls: IntCounterVec,
    buttons: IntCounterVec,
    ready: IntGauge,
    uptime: IntGauge,
    session: IntGaugeVec,
    calls_now: IntGauge,
    in_call: IntGauge,
    muted: IntGauge,
    faults: IntGaugeVec,
    slot: IntGaugeVec,
    lamps: IntGaugeVec,
    outputs: IntGaugeVec,
    inputs: IntGaugeVec,
    odd: IntCounterVec,
    audio: GaugeVec,
    xruns: IntCounter,
    jitter: Gauge,
    playout_delay: Gauge,
    concealed: Gauge,
    echo_return_loss: Gauge,
    echo_cancelled: Gauge,
    microphone_live: IntGauge,
    tasks: IntGauge,
    troubles: IntCounterVec,
    call: CallFigures,
    webhooks: WebhookFigures,
}

impl Metrics {
    pub fn new(board: &str) -> Result<Self, Error> {
        let registry = Registry::new();
        let make = Maker { registry: &registry };
        let build =
            make.gauges("callbox_build_info", "Always 1; its labels tell what runs.", &["version", "board"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), board]).set(1);
        Ok(Self {
            press_to_offer: make.histogram(
                "callbox_press_to_offer_seconds",
                "From the press of a button to the Offer.",
                &FROM_PRESS,
            )?,
            press_to_first_audio: make.histogram(
                "callbox_press_to_first_audio_seconds",
                "From the press of a button to the far end's first audio.",
                &FROM_PRESS,
            )?,
            talk: make.histogram("callbox_call_talk_seconds", "How long both could talk.", &TALK)?,
            calls: make.counters(
                "callbox_calls_total",
                "Calls that are over.",
                &["direction", "answered", "result"],
            )?,
            buttons: make.counters(
                "callbox_button_presses_total",
                "Gestures that acted.",
                &["button", "gesture"],
            )?,
            failed_logins: make
                .counter("callbox_panel_failed_logins_total", "Wrong passwords at the panel.")?,
            ready: make.gauge("callbox_ready", "1 if a call could be made now, as /healthz has it.")?,
            uptime: make.gauge("callbox_uptime_seconds", "Since the process started.")?,
            session: make.gauges("callbox_session_state", "1 for the state of the session.", &["state"])?,
            calls_now: make.gauge("callbox_calls", "Calls at this moment.")?,
            in_call: make.gauge("callbox_in_call", "1 while both can talk.")?,
            muted: make.gauge("callbox_muted", "1 while the microphone is muted.")?,
            faults: make.gauges("callbox_fault", "1 for every fault that is present.", &["fault"])?,
            slot: make.gauges(
                "callbox_slot",
                "1 for the slot that runs and how its update went.",
                &["slot", "version", "state"],
            )?,
            lamps: make.gauges("callbox_lamp", "1 for what each lamp shows.", &["lamp", "pattern"])?,
            inputs: make.gauges("callbox_input_active", "1 while the input is active.", &["input"])?,
            outputs: make.gauges("callbox_output_on", "1 while the output is on.", &["output"])?,
            odd: make.counters("callbox_odd_total", "Odd things, by their name.", &["what"])?,
            audio: make.figures(
                "callbox_audio_level_dbfs",
                "RMS level, dB relative to full scale.",
                &["device"],
            )?,
            xruns: make
                .counter("callbox_audio_xruns_total", "Under-runs and over-runs of both sound devices.")?,
            jitter: make
                .figure("callbox_audio_jitter_seconds", "Inter-arrival jitter of the call (RFC 3550).")?,
            playout_delay: make
                .figure("callbox_audio_playout_delay_seconds", "From a packet to its sound.")?,
            concealed: make.figure(
                "callbox_audio_concealed_ratio",
                "Share of the call's sound that had to be made up, 0 to 1.",
            )?,
            echo_return_loss: make.figure(
                "callbox_audio_echo_return_loss_db",
                "Echo return loss; NaN where none is measured.",
            )?,
            echo_cancelled: make.figure(
                "callbox_audio_echo_cancelled_db",
                "What the echo canceller does of it (ERLE); NaN where none is measured.",
            )?,
            microphone_live: make
                .gauge("callbox_microphone_live", "1 while captured sound goes out to somebody.")?,
            tasks: make.gauge("callbox_tasks", "Tasks of the program; calls that are over leave none.")?,
            troubles: make.counters(
                "callbox_audio_troubles_total",
                "Troubles of the sound devices, by kind.",
                &["device", "trouble"],
            )?,
            call: CallFigures::new(&make)?,
            webhooks: WebhookFigures::new(&make)?,
            registry,
        })
    }

    /// An entry of the event log.
    pub fn entry(&self, entry: &Entry) {
        match &entry.record.kind {
            Kind::Button { button, gesture } => {
                self.buttons.with_label_values(&[button.as_str(), gesture]).inc();
            }
            Kind::Statistics { statistics, .. } => self.call.over(statistics),
            Kind::Session { .. }
            | Kind::Call { .. }
            | Kind::Step { .. }
            | Kind::FaultRaised { .. }
            | Kind::FaultCleared { .. }
            | Kind::Ignored { .. }
            | Kind::Refused
            | Kind::Door { .. }
            | Kind::DoNotDisturb { .. }
            | Kind::SelfTest { .. } => {}
        }
    }

    /// A call is over.
    pub fn call_over(&self, call: &Call) {
        let answered = if call.answered { "yes" } else { "no" };
        // The causes are few fixed sentences: see `appliance::cause`.
        let result = call.result.as_deref().unwrap_or_default().replace([' ', '\''], "-");
        self.calls.with_label_values(&[&word(call.direction), answered, &result]).inc();
        if call.answered {
            self.talk.observe(call.talked_ms / 1000.0);
        }
    }

    fn take(&self, now: &Snapshot) {
        let status = &now.appliance;
        self.ready.set(i64::from(health::reasons(status).is_empty()));
        self.uptime.set(i64::try_from(now.uptime_s).unwrap_or(i64::MAX));
        let session = word(status.session);
        for state in ["offline", "connecting", "registered"] {
            self.session.with_label_values(&[state]).set(i64::from(state == session));
        }
        self.calls_now.set(i64::try_from(status.calls.len()).unwrap_or(i64::MAX));
        self.in_call.set(i64::from(status.call == CallStatus::InCall));
        self.muted.set(i64::from(status.muted));
        self.faults.reset();
        for fault in &status.faults {
            self.faults.with_label_values(&[&word(fault.fault)]).set(1);
        }
        self.slot.reset();
        if let Some(update) = &now.update {
            self.slot.with_label_values(&[&update.slot, &update.version, &update.state]).set(1);
        }
        self.lamps.reset();
        for (lamp, pattern) in &status.leds {
            self.lamps.with_label_values(&[lamp.as_str(), &word(pattern)]).set(1);
        }
        for (output, on) in &status.outputs {
            self.outputs.with_label_values(&[output.as_str()]).set(i64::from(*on));
        }
        for (input, active) in &status.inputs {
            self.inputs.with_label_values(&[input.as_str()]).set(i64::from(*active));
        }
        for (what, count) in &status.counters {
            catch_up(&self.odd.with_label_values(&[what]), *count);
        }
        let audio = &now.audio;
        self.audio.with_label_values(&["capture"]).set(audio.capture_level_db.into());
        self.audio.with_label_values(&["playback"]).set(audio.playback_level_db.into());
        catch_up(&self.xruns, audio.xruns);
        self.jitter.set(f64::from(audio.jitter_ms) / 1000.0);
        self.playout_delay.set(f64::from(audio.playout_delay_ms) / 1000.0);
        self.concealed.set(audio.concealed_ratio.into());
        self.echo_return_loss.set(audio.echo_return_loss_db.map_or(f64::NAN, f64::from));
        self.echo_cancelled.set(audio.echo_cancelled_db.map_or(f64::NAN, f64::from));
        self.microphone_live.set(i64::from(audio.microphone_live));
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        self.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
        for (device, status) in [("capture", &audio.capture), ("playback", &audio.playback)] {
            for (trouble, count) in &status.troubles {
                catch_up(&self.troubles.with_label_values(&[device, trouble]), *count);
            }
        }
        self.call.now(audio.call.as_deref());
        self.webhooks.take(&now.webhooks);
    }
}

/// Somebody else counts; this follows.
fn catch_up(counter: &IntCounter, count: u64) {
    counter.inc_by(count.saturating_sub(counter.get()));
}

/// The word by which a value goes in JSON.
pub fn word(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// `GET /metrics`.
pub async fn metrics(State(site): State<Arc<Site>>) -> Result<Response, Refused> {
    let metrics = &site.observer.metrics;
    metrics.take(&site.handle.snapshot());
    let mut text = Vec::new();
    TextEncoder::new()
        .encode(&metrics.registry.gather(), &mut text)
        .map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

/// Makes figures and enters them into the registry.
struct Maker<'a> {
    registry: &'a Registry,
}

impl Maker<'_> {
    fn enter<T: prometheus::core::Collector + Clone + 'static>(&self, figure: T) -> Result<T, Error> {
        self.registry.register(Box::new(figure.clone()))?;
        Ok(figure)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        self.enter(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.enter(IntCounter::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.enter(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.enter(IntGauge::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.enter(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn figure(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.enter(Gauge::new(name, help)?)
    }

    fn figures(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.enter(GaugeVec::new(Opts::new(name, help), labels)?)
    }
}
