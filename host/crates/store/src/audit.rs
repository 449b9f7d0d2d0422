//! The audit trail: which events there are, and the chain that holds those of one execution together.

use autokestra_model::{SecretName, Timestamp};
use autokestra_secrets::Masked;
use serde_json::{Map, Value, json};

/// The types of all events, in the order in which people are told of them.
pub const AUDIT_TYPES: &[&str] = &[
    "CREATED",
    "STARTED",
    "STATE_CHANGE",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "PERMISSION_DENIED",
    "SECRET_ACCESSED",
    "RETRIED",
    "RESUMED",
    "CANCEL_REQUESTED",
    "TRIGGERED_BY",
];

/// The types of which one ends an execution.
pub(crate) const END_TYPES: &[&str] = &["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"];

/// An event that belongs to no change of a state.
#[derive(Clone, Debug, PartialEq)]
pub enum AuditEvent {
    /// A plugin asked for what it was not granted.
    PermissionDenied {
        /// `network`, `filesystem` or `environment`.
        capability: String,
        /// What it asked for.
        target: Masked,
    },
    /// A task was given a secret.
    SecretAccessed {
        /// Its name; never its value.
        name: SecretName,
    },
    /// Another process took the execution up.
    Resumed {
        /// Who asked for it.
        actor: Masked,
    },
    /// Who asked for the end.
    CancelRequested {
        /// The person, key or execution.
        actor: Masked,
    },
    /// Who started the execution.
    TriggeredBy {
        /// The person, key or trigger.
        actor: Masked,
    },
}

impl AuditEvent {
    /// Its type and metadata as they are stored.
    pub(crate) fn record(&self) -> Record {
        match self {
            Self::PermissionDenied { capability, target } => Record::new(
                "PERMISSION_DENIED",
                json!({ "capability": capability, "target": target }),
            ),
            Self::SecretAccessed { name } => Record::new("SECRET_ACCESSED", json!({ "name": name })),
            Self::Resumed { actor } => Record::new("RESUMED", json!({ "actor": actor })),
            Self::CancelRequested { actor } => Record::new("CANCEL_REQUESTED", json!({ "actor": actor })),
            Self::TriggeredBy { actor } => Record::new("TRIGGERED_BY", json!({ "actor": actor })),
        }
    }
}

/// An event as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) kind: &'static str,
    pub(crate) metadata: Map<String, Value>,
}

impl Record {
    pub(crate) fn new(kind: &'static str, metadata: Value) -> Self {
        let metadata = if let Value::Object(entries) = metadata {
            entries
        } else {
            Map::new()
        };
        Self { kind, metadata }
    }
}

/// All that an event's hash covers, besides the hash before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Covered<'a> {
    pub(crate) execution: &'a str,
    pub(crate) task: Option<&'a str>,
    pub(crate) at: Timestamp,
    pub(crate) kind: &'a str,
    pub(crate) metadata: &'a Value,
}

/// The hash of an event: blake3 over the hash before it and the event's canonical JSON (keys sorted, no blanks):
/// `{"executionId":…,"metadata":{…},"taskId":…,"timestamp":…,"type":…}`, the time in milliseconds since 1970.
pub(crate) fn chain_hash(previous: &[u8; 32], event: &Covered<'_>) -> [u8; 32] {
    let mut text = String::with_capacity(256);
    text.push_str("{\"executionId\":");
    quote(event.execution, &mut text);
    text.push_str(",\"metadata\":");
    canonical(event.metadata, &mut text);
    text.push_str(",\"taskId\":");
    match event.task {
        Some(task) => quote(task, &mut text),
        None => text.push_str("null"),
    }
    text.push_str(",\"timestamp\":");
    text.push_str(&event.at.as_millis().to_string());
    text.push_str(",\"type\":");
    quote(event.kind, &mut text);
    text.push('}');
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher.update(text.as_bytes());
    *hasher.finalize().as_bytes()
}

/// Writes a value with the keys of every object sorted.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(entries) => {
            let mut sorted: Vec<(&String, &Value)> = entries.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                quote(key, text);
                text.push(':');
                canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                canonical(item, text);
            }
            text.push(']');
        }
        Value::String(part) => quote(part, text),
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
    }
}

fn quote(part: &str, text: &mut String) {
    if part.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        text.push('"');
        text.push_str(part);
        text.push('"');
    } else {
        text.push_str(&Value::from(part).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What earlier versions hashed: the value as `serde_json` prints it, its keys sorted.
    fn as_before(previous: &[u8; 32], event: &Covered<'_>) -> [u8; 32] {
        fn sorted(value: &Value) -> Value {
            match value {
                Value::Object(entries) => {
                    let mut sorted_entries: Vec<_> = entries.iter().collect();
                    sorted_entries.sort_by_key(|(key, _)| *key);
                    let entries = sorted_entries.into_iter();
                    Value::Object(entries.map(|(key, value)| (key.clone(), sorted(value))).collect())
                }
                Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
            }
        }
        let value = json!({ "executionId": event.execution, "metadata": event.metadata, "taskId": event.task,
            "timestamp": event.at.as_millis(), "type": event.kind });
        let mut hasher = blake3::Hasher::new();
        hasher.update(previous);
        hasher.update(sorted(&value).to_string().as_bytes());
        *hasher.finalize().as_bytes()
    }

    #[test]
    fn a_hash_is_what_it_was_before() {
        let texts = [
            "plain",
            "\"quoted\"",
            "a\\b",
            "line\nend",
            "\u{7f}\u{80}ü漢🔑\u{2028}",
            "\u{1}",
            "",
        ];
        for text in texts {
            for task in [None, Some("fetch")] {
                let metadata = json!({ "z": text, "a": [1, { "y": null, "b": 1.5 }, true], text: -7 });
                let event = Covered {
                    execution: "exec-1",
                    task,
                    at: Timestamp::from_millis(-1),
                    kind: text,
                    metadata: &metadata,
                };
                assert_eq!(chain_hash(&[7; 32], &event), as_before(&[7; 32], &event), "{text:?}");
            }
        }
    }
}
