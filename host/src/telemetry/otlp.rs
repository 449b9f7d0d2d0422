//! Spans as OTLP writes them in JSON: numbers of 64 bits as text, ids in hex.

use autokestra_engine::{Span, SpanValue};
use autokestra_model::Timestamp;
use serde_json::{Value, json};

/// A span of the engine's own work: it neither serves a request nor sends one.
const KIND_INTERNAL: u8 = 1;

const STATUS_UNSET: u8 = 0;
const STATUS_ERROR: u8 = 2;

/// The body of one request.
pub(super) fn request(spans: &[Span], resource: &[(String, String)]) -> Value {
    let resource: Vec<Value> = resource
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } }))
        .collect();
    let scope = json!({ "name": "autokestra", "version": env!("CARGO_PKG_VERSION") });
    let spans: Vec<Value> = spans.iter().map(span).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": scope, "spans": spans }],
    }] })
}

fn span(span: &Span) -> Value {
    let attributes: Vec<Value> = span
        .attributes
        .iter()
        .map(|(key, value)| attribute(key, value))
        .collect();
    let links: Vec<Value> = span
        .links
        .iter()
        .map(|link| json!({ "traceId": hex(&link.trace), "spanId": hex(&link.span) }))
        .collect();
    let status = match &span.error {
        None => json!({ "code": STATUS_UNSET }),
        Some(message) => json!({ "code": STATUS_ERROR, "message": message }),
    };
    let mut value = json!({
        "traceId": hex(&span.context.trace),
        "spanId": hex(&span.context.span),
        "flags": u8::from(span.context.sampled),
        "name": span.name,
        "kind": KIND_INTERNAL,
        "startTimeUnixNano": nanos(span.started_at),
        "endTimeUnixNano": nanos(span.ended_at),
        "attributes": attributes,
        "links": links,
        "status": status,
    });
    if let Some(parent) = &span.parent {
        value["parentSpanId"] = hex(parent).into();
    }
    value
}

fn attribute(key: &str, value: &SpanValue) -> Value {
    let value = match value {
        SpanValue::Text(text) => json!({ "stringValue": text }),
        SpanValue::Integer(number) => json!({ "intValue": i64::try_from(*number).unwrap_or(i64::MAX).to_string() }),
        SpanValue::Decimal(number) => json!({ "doubleValue": number }),
    };
    json!({ "key": key, "value": value })
}

fn nanos(at: Timestamp) -> String {
    (i128::from(at.as_millis()).max(0) * 1_000_000).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
