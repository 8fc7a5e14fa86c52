//! Who runs a fleet follows a call from the press to the hang-up in a tracing
//! system. What the box sends must be what collectors read (OTLP, by HTTP and by
//! gRPC), true to the event log, without the numbers that people call, and a
//! collector that is gone must cost the box nothing. The collectors are real
//! servers of the protocol's own messages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use support::appliance::{Appliance, CALLEE, Config};
use support::core::{Core, CoreOptions};
use support::wait_for;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

type Traces = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

struct Grpc(Traces);

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector that speaks both, at two addresses. By HTTP it is not ready at first.
struct Collector {
    http: String,
    grpc: String,
    by_http: Traces,
    by_grpc: Traces,
    _runtime: tokio::runtime::Runtime,
}

impl Collector {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (by_http, by_grpc) = (Traces::default(), Traces::default());
        let listen = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (one, other) = (listen(), listen());
        let address = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (http, grpc) = (address(&one), address(&other));
        let (traces, ready) = (Arc::clone(&by_http), Mutex::new(false));
        let take = move |headers: HeaderMap, body: Bytes| {
            let first = !std::mem::replace(&mut *ready.lock().unwrap(), true);
            assert_eq!(headers["content-type"], "application/x-protobuf");
            if !first {
                traces.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
            }
            async move { if first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK } }
        };
        let take = Arc::new(take);
        let app = Router::new()
            .route("/v1/traces", post(move |headers: HeaderMap, body: Bytes| take(headers, body)));
        runtime.spawn(async { axum::serve(one, app).await });
        let service = TraceServiceServer::new(Grpc(Arc::clone(&by_grpc)));
        let server = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(other)));
        Self { http, grpc, by_http, by_grpc, _runtime: runtime }
    }
}

fn traced(core: &Core, telemetry: &str) -> Appliance {
    let config = Config {
        audio: ("synth:tone=440".to_owned(), "synth:silence".to_owned()),
        more: format!("[telemetry]\n{telemetry}"),
        ..Config::for_core(core)
    };
    Appliance::start_with_environment(&config, &[])
}

fn text<'a>(span: &'a Span, key: &str) -> &'a str {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key} is {other:?} in {span:?}"),
    }
}

/// The one trace that came, with the event log's own times.
fn check(traces: &Traces, appliance: &Appliance) {
    let request = wait_for(Duration::from_secs(20), "trace", || {
        traces.lock().unwrap().first().cloned().ok_or_else(|| appliance.log())
    });
    let resource = &request.resource_spans[0];
    let service = resource.resource.as_ref().unwrap().attributes.iter().find(|one| one.key == "service.name");
    assert!(service.is_some(), "{resource:?}");
    let spans = &resource.scope_spans[0].spans;
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names[..2], ["call", "press"], "{names:?}");
    assert!(["outgoing", "in-call", "releasing"].iter().all(|state| names.contains(state)), "{names:?}");
    let root = &spans[0];
    assert_eq!((text(root, "callbox.direction"), text(root, "callbox.button")), ("outgoing", "call"));
    assert_eq!(text(root, "callbox.result"), "hung up here");
    assert_eq!(text(root, "callbox.codec"), "opus");
    let steps: Vec<&str> =
        spans.iter().flat_map(|span| span.events.iter().map(|event| event.name.as_str())).collect();
    for step in ["offer-sent", "answer", "first-audio"] {
        assert!(steps.contains(&step), "no {step} in {steps:?}");
    }
    let log = appliance.events();
    let at = |wanted: &dyn Fn(&serde_json::Value) -> bool| {
        let found = log.iter().find(|event| wanted(event)).expect("the event");
        found["t_us"].as_u64().unwrap()
    };
    let lasted = at(&|event| event["state"] == "idle") - at(&|event| event["kind"] == "button");
    assert_eq!((root.end_time_unix_nano - root.start_time_unix_nano) / 1000, lasted);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    assert!(now - u128::from(root.end_time_unix_nano) < 60_000_000_000, "not of the last minute");
    assert!(!format!("{request:?}").contains(CALLEE), "whom people call is in the trace");
}

#[test]
fn a_call_is_traced_by_http_and_by_grpc_from_the_press_to_the_hang_up() {
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::default() });
    let collector = Collector::start();
    for (otlp, more, traces) in [
        (&collector.http, "", &collector.by_http),
        (&collector.grpc, "protocol = \"grpc\"\n", &collector.by_grpc),
    ] {
        let mut appliance = traced(&core, &format!("otlp = {otlp:?}\n{more}"));
        appliance.wait_ready();
        appliance.must(&["press", "call", "--for", "100"]);
        appliance.wait_call("in-call");
        wait_for(Duration::from_secs(10), "sound", || {
            let heard = appliance.events().iter().any(|event| event["step"] == "first-audio");
            if heard { Ok(()) } else { Err("silence".to_owned()) }
        });
        appliance.must(&["hangup"]);
        appliance.wait_call("idle");
        check(traces, &appliance);
    }
}

#[test]
fn a_collector_that_is_gone_costs_a_line_in_the_log() {
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::default() });
    let mut appliance = traced(&core, "otlp = \"http://127.0.0.1:9\"\n");
    appliance.takes_a_call();
    wait_for(Duration::from_secs(20), "warning", || {
        let log = appliance.log();
        if log.contains("telemetry: a trace is dropped") { Ok(()) } else { Err(log) }
    });
    appliance.takes_a_call();
}
