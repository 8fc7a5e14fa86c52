//! The event log, filtered, and to take away as JSON lines or CSV.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::answer::{Asked, Refused};
use super::site::Site;
use crate::handle::Entry;

/// What of the log is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Kinds, separated by commas.
    kind: Option<String>,
    /// A word of the entry's text, in any case.
    text: Option<String>,
    /// Only entries after this number.
    after: Option<u64>,
    /// Only the last so many.
    limit: Option<u64>,
}

/// `GET /api/events`.
pub async fn events(
    State(site): State<Arc<Site>>,
    Asked(filter): Asked<Filter>,
) -> Result<Response, Refused> {
    Ok(Json(chosen(&site, &filter)?).into_response())
}

/// `GET /api/events.jsonl`.
pub async fn json_lines(
    State(site): State<Arc<Site>>,
    Asked(filter): Asked<Filter>,
) -> Result<Response, Refused> {
    let lines: String = chosen(&site, &filter)?.iter().map(|entry| format!("{entry}\n")).collect();
    Ok(file("application/jsonl", "attachment; filename=\"callbox-events.jsonl\"", lines))
}

/// `GET /api/events.csv` (RFC 4180).
pub async fn csv(State(site): State<Arc<Site>>, Asked(filter): Asked<Filter>) -> Result<Response, Refused> {
    let text = table(&chosen(&site, &filter)?)
        .map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(file("text/csv; charset=utf-8", "attachment; filename=\"callbox-events.csv\"", text))
}

fn file(kind: &'static str, name: &'static str, text: String) -> Response {
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
    (headers, text).into_response()
}

fn chosen(site: &Site, filter: &Filter) -> Result<Vec<Value>, Refused> {
    let (kept, _) = site.handle.log().follow();
    let text = filter.text.as_deref().unwrap_or_default().to_lowercase();
    let kinds: Option<Vec<&str>> = filter.kind.as_deref().map(|kinds| kinds.split(',').collect());
    let mut chosen = Vec::new();
    for entry in &kept {
        let entry: &Entry = entry;
        if filter.after.is_some_and(|after| entry.seq <= after)
            || !entry.record.text.to_lowercase().contains(&text)
        {
            continue;
        }
        let value = serde_json::to_value(entry)
            .map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        let kind = value["kind"].as_str().unwrap_or_default();
        if kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind)) {
            chosen.push(value);
        }
    }
    if let Some(limit) = filter.limit {
        let skipped = chosen.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        chosen.drain(..skipped);
    }
    Ok(chosen)
}

/// What the columns hold; `what` is the one field that the kind adds.
const COLUMNS: [&str; 7] = ["seq", "time", "t_us", "kind", "what", "call_id", "text"];
const WHAT: [&str; 6] = ["button", "state", "step", "fault", "counter", "event"];

fn table(entries: &[Value]) -> Result<String, Box<dyn std::error::Error>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for entry in entries {
        let what = WHAT.iter().find_map(|key| entry[key].as_str()).unwrap_or_default();
        let cells = COLUMNS.map(|column| match (&entry[column], column) {
            (_, "what") => cell(what),
            (Value::String(text), _) => cell(text),
            (Value::Number(number), _) => number.to_string(),
            (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_), _) => String::new(),
        });
        writer.write_record(cells)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// A spreadsheet takes a text that begins like a formula for one
/// (OWASP, "CSV Injection"); what a caller sends must stay text.
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_quotes_and_disarms() {
        let entries = [
            json!({ "seq": 1, "t_us": 5, "time": "T", "kind": "step", "step": "ice", "call_id": "c", "text": "a, \"b\"" }),
            json!({ "seq": 2, "t_us": 6, "time": "T", "kind": "refused", "text": "=1+1" }),
        ];
        assert_eq!(
            table(&entries).unwrap(),
            "seq,time,t_us,kind,what,call_id,text\r\n1,T,5,step,ice,c,\"a, \"\"b\"\"\"\r\n2,T,6,refused,,,'=1+1\r\n"
        );
    }
}
