//! The audit trail: which events there are, and the chain that holds them together.

use autokestra_model::{ExecutionId, SecretName, TaskId, Timestamp};
use autokestra_secrets::Masked;
use serde_json::{Map, Value, json};

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

/// The hash of an event: blake3 over the hash before it and the event's canonical JSON (keys sorted, no blanks).
pub(crate) fn chain_hash(
    previous: &[u8; 32],
    execution: ExecutionId,
    task: Option<&TaskId>,
    at: Timestamp,
    record: &Record,
) -> [u8; 32] {
    let event = json!({
        "executionId": execution,
        "metadata": record.metadata,
        "taskId": task,
        "timestamp": at.as_millis(),
        "type": record.kind,
    });
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher.update(canonical(&event).to_string().as_bytes());
    *hasher.finalize().as_bytes()
}

/// The same value with the keys of every object sorted.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut sorted: Vec<(&String, &Value)> = entries.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            Value::Object(
                sorted
                    .into_iter()
                    .map(|(key, value)| (key.clone(), canonical(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
