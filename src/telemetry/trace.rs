//! From the event log to a trace a call. Pure: time and randomness are arguments.
//!
//! The root span goes from the press, or from the call's first event, to its
//! end. In it is one span for the press and one for each state of the call; the
//! call's steps are events of the state in which they happened.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use crate::appliance::id::CallId;
use crate::appliance::log::Kind;
use crate::appliance::statistics::CallStatistics;
use crate::handle::Entry;

/// A press that led to a call did so within this time.
const PRESS_TO_CALL_US: u64 = 2_000_000;

/// Calls that are traced at once, and steps of one state.
const CALLS: usize = 16;
const STEPS: usize = 64;

/// Makes traces. `R` gives random numbers for ids.
pub(super) struct Tracer<R> {
    board: String,
    random: R,
    pressed: Option<(u64, String)>,
    calls: Vec<Call>,
}

/// A call that goes on.
struct Call {
    id: CallId,
    direction: &'static str,
    button: Option<String>,
    from_us: u64,
    /// The press and each state, the present one last.
    phases: Vec<Phase>,
    first_audio_us: Option<u64>,
    answered: bool,
    result: Option<String>,
    failure: Option<String>,
    statistics: Option<Box<CallStatistics>>,
}

struct Phase {
    name: &'static str,
    from_us: u64,
    steps: Vec<(u64, &'static str, String)>,
}

impl<R: FnMut() -> u128> Tracer<R> {
    pub fn new(board: String, random: R) -> Self {
        Self { board, random, pressed: None, calls: Vec::new() }
    }

    /// Takes an entry; gives the trace of a call that it ends. `zero` is time
    /// zero of the event log.
    pub fn entry(&mut self, entry: &Entry, zero: SystemTime) -> Option<ExportTraceServiceRequest> {
        match &entry.record.kind {
            Kind::Button { button, .. } => self.pressed = Some((entry.t_us, button.to_string())),
            Kind::Call { state: "idle", call_id } => {
                let at = self.calls.iter().position(|call| call.id == *call_id)?;
                let call = self.calls.remove(at);
                return Some(self.trace(call, entry.t_us, zero));
            }
            Kind::Call { state, call_id } => self.state(entry, state, call_id),
            Kind::Step { step, call_id } => self.step(entry, step, call_id),
            Kind::Statistics { call_id, statistics } => {
                if let Some(call) = self.calls.iter_mut().find(|call| call.id == *call_id) {
                    call.statistics = Some(statistics.clone());
                }
            }
            Kind::Session { .. }
            | Kind::FaultRaised { .. }
            | Kind::FaultCleared { .. }
            | Kind::Ignored { .. }
            | Kind::Refused
            | Kind::Door { .. }
            | Kind::DoNotDisturb { .. }
            | Kind::SelfTest { .. } => {}
        }
        None
    }

    fn state(&mut self, entry: &Entry, state: &'static str, id: &CallId) {
        let direction = if state == "incoming" { "incoming" } else { "outgoing" };
        let call = self.call(entry, direction, id);
        match state {
            "in-call" => call.answered = true,
            "releasing" => call.result = Some(entry.record.text.clone()),
            _ => {}
        }
        call.phases.push(Phase { name: state, from_us: entry.t_us, steps: Vec::new() });
    }

    fn step(&mut self, entry: &Entry, step: &'static str, id: &CallId) {
        let call = self.call(entry, "outgoing", id);
        match step {
            "first-audio" => {
                call.first_audio_us.get_or_insert(entry.t_us);
            }
            "media-failed" => call.failure = Some(entry.record.text.clone()),
            _ => {}
        }
        if let Some(phase) = call.phases.last_mut().filter(|phase| phase.steps.len() < STEPS) {
            phase.steps.push((entry.t_us, step, entry.record.text.clone()));
        }
    }

    /// The call of this id, which begins now if it is not there.
    fn call(&mut self, entry: &Entry, direction: &'static str, id: &CallId) -> &mut Call {
        let known = self.calls.iter().position(|call| call.id == *id);
        let at = known.unwrap_or_else(|| {
            let recent =
                |at: u64| direction == "outgoing" && entry.t_us.saturating_sub(at) < PRESS_TO_CALL_US;
            let pressed = self.pressed.take().filter(|(at, _)| recent(*at));
            let (from_us, button) = pressed.map_or((entry.t_us, None), |(at, button)| (at, Some(button)));
            let press = || Phase { name: "press", from_us, steps: Vec::new() };
            // One whose end was never told must not stay for ever.
            if self.calls.len() == CALLS {
                self.calls.remove(0);
            }
            self.calls.push(Call {
                id: id.clone(),
                direction,
                phases: button.iter().map(|_| press()).collect(),
                button,
                from_us,
                first_audio_us: None,
                answered: false,
                result: None,
                failure: None,
                statistics: None,
            });
            self.calls.len() - 1
        });
        &mut self.calls[at]
    }

    fn trace(&mut self, call: Call, end_us: u64, zero: SystemTime) -> ExportTraceServiceRequest {
        let trace_id = (self.random)().to_be_bytes().to_vec();
        let root_id = self.span_id();
        let time = |us: u64| nanoseconds(zero + Duration::from_micros(us));
        let blank = Span { trace_id, kind: SpanKind::Internal.into(), ..Span::default() };
        let mut spans = vec![Span {
            span_id: root_id.clone(),
            name: "call".to_owned(),
            start_time_unix_nano: time(call.from_us),
            end_time_unix_nano: time(end_us),
            attributes: call.attributes(),
            status: call
                .failure
                .as_ref()
                .map(|why| Status { message: why.clone(), code: StatusCode::Error.into() }),
            ..blank.clone()
        }];
        let ends = call.phases.iter().skip(1).map(|next| next.from_us).chain([end_us]);
        for (phase, end) in call.phases.iter().zip(ends) {
            let event = |(at, step, told): &(u64, &'static str, String)| Event {
                time_unix_nano: time(*at),
                name: (*step).to_owned(),
                attributes: vec![text("text", told)],
                ..Event::default()
            };
            spans.push(Span {
                span_id: self.span_id(),
                parent_span_id: root_id.clone(),
                name: phase.name.to_owned(),
                start_time_unix_nano: time(phase.from_us),
                end_time_unix_nano: time(end),
                events: phase.steps.iter().map(event).collect(),
                ..blank.clone()
            });
        }
        let scope = InstrumentationScope {
            name: "callbox".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
        let resource_spans =
            vec![ResourceSpans { resource: Some(self.resource()), scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }
    }

    /// Names of OpenTelemetry's semantic conventions, and the board.
    fn resource(&self) -> Resource {
        let attributes = vec![
            text("service.name", "callbox"),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("callbox.board", &self.board),
        ];
        Resource { attributes, ..Resource::default() }
    }

    /// Eight bytes, never all zero.
    fn span_id(&mut self) -> Vec<u8> {
        let number = u64::try_from((self.random)() >> 64).unwrap_or_default() | 1;
        number.to_be_bytes().to_vec()
    }
}

impl Call {
    fn attributes(&self) -> Vec<KeyValue> {
        let mut all = vec![
            text("callbox.call_id", &self.id.0),
            text("callbox.direction", self.direction),
            attribute("callbox.answered", Value::BoolValue(self.answered)),
        ];
        all.extend(self.button.as_ref().map(|button| text("callbox.button", button)));
        all.extend(self.result.as_ref().map(|result| text("callbox.result", result)));
        if let Some(at) = self.first_audio_us {
            let ms = at.saturating_sub(self.from_us) as f64 / 1000.0;
            all.push(attribute("callbox.first_audio_ms", Value::DoubleValue(ms)));
        }
        if let Some(call) = &self.statistics {
            let mut figure = |name: &str, value: f64| all.push(attribute(name, Value::DoubleValue(value)));
            figure("callbox.mos", call.mos_cq as f64 / 100.0);
            figure("callbox.jitter_ms", call.jitter_us as f64 / 1000.0);
            figure("callbox.playout_delay_ms", call.playout_delay_ms as f64);
            figure("callbox.packets_received", call.packets_received as f64);
            figure("callbox.packets_lost", call.packets_lost as f64);
            all.push(text("callbox.codec", call.codec));
        }
        all
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appliance::log::Record;

    fn entry(t_us: u64, kind: Kind, text: &str) -> Entry {
        Entry { seq: t_us, t_us, time: String::new(), record: Record { kind, text: text.to_owned() } }
    }

    fn call(state: &'static str) -> Kind {
        Kind::Call { state, call_id: "a".into() }
    }

    fn step(step: &'static str) -> Kind {
        Kind::Step { step, call_id: "a".into() }
    }

    fn spans(request: &ExportTraceServiceRequest) -> &[Span] {
        &request.resource_spans[0].scope_spans[0].spans
    }

    #[test]
    fn a_call_is_one_trace_from_the_press_to_its_end() {
        let mut number = 0;
        let mut tracer = Tracer::new("b".to_owned(), move || {
            number += 1;
            number << 64
        });
        let zero = UNIX_EPOCH + Duration::from_secs(1000);
        let press = Kind::Button { button: "call".into(), gesture: "press" };
        for (t_us, kind, text) in [
            (500_000, press, "pressed"),
            (501_000, step("offer-sent"), "Offer sent"),
            (501_000, call("outgoing"), "calling"),
            (700_000, call("ringing"), "ringing"),
            (2_000_000, call("in-call"), "both can talk"),
            (2_100_000, step("first-audio"), "first audio"),
            (9_000_000, call("releasing"), "hung up here"),
        ] {
            assert!(tracer.entry(&entry(t_us, kind, text), zero).is_none());
        }
        let trace = tracer.entry(&entry(9_100_000, call("idle"), "over"), zero).expect("a trace");
        let spans = spans(&trace);
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["call", "press", "outgoing", "ringing", "in-call", "releasing"]);
        let s = 1_000_000_000;
        assert_eq!(
            (spans[0].start_time_unix_nano, spans[0].end_time_unix_nano),
            (1000 * s + s / 2, 1009 * s + s / 10)
        );
        for pair in spans[1..].windows(2) {
            assert_eq!(pair[0].end_time_unix_nano, pair[1].start_time_unix_nano);
        }
        assert!(spans.iter().all(|span| span.trace_id == spans[0].trace_id && span.trace_id.len() == 16));
        assert!(spans[1..].iter().all(|span| span.parent_span_id == spans[0].span_id));
        assert_eq!(spans[1].events[0].name, "offer-sent");
        assert_eq!(spans[4].events[0].name, "first-audio");
        let value = |key: &str| {
            spans[0].attributes.iter().find(|found| found.key == key).and_then(|found| found.value.clone())
        };
        assert_eq!(
            value("callbox.first_audio_ms"),
            Some(AnyValue { value: Some(Value::DoubleValue(1600.0)) })
        );
        assert_eq!(
            value("callbox.result"),
            Some(AnyValue { value: Some(Value::StringValue("hung up here".to_owned())) })
        );
        assert!(tracer.calls.is_empty());
    }

    #[test]
    fn calls_whose_end_is_never_told_do_not_pile_up() {
        let mut tracer = Tracer::new(String::new(), || 1);
        for n in 0..100 {
            let kind = Kind::Call { state: "incoming", call_id: n.to_string().as_str().into() };
            assert!(tracer.entry(&entry(n, kind, ""), UNIX_EPOCH).is_none());
        }
        assert_eq!(tracer.calls.len(), CALLS);
        assert!(tracer.entry(&entry(200, call("idle"), ""), UNIX_EPOCH).is_none(), "a trace of no call");
    }
}
